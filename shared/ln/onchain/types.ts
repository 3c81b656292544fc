/**
 * What the on-chain machine of a channel knows, hears and says. BOLT 5. All plain values.
 *
 * The machine keeps facts (which outputs were spent by which transaction at which height, which preimages are known) and derives
 * everything else anew at each step: a re-org takes facts away and the claims follow by themselves.
 */
import type { SecretStore } from '../keys/shachain.ts';
import type { ChannelSigner, SignerGuard, WalletSigner } from '../signer/signer.ts';
import type { CommitmentTemplate, Outpoint } from '../tx/commitment.ts';

/** Everything of the channel that BOLT 5 needs; derived from its commitments at each step, never stored twice. */
export type ChannelFacts = {
  readonly channelId: Uint8Array;
  readonly fundingOutpoint: Outpoint;
  readonly fundingAmountSat: bigint;
  /** Our newest commitment (holder: us), with the peer's signatures for it: those of the HTLCs in output order. */
  readonly local: {
    readonly template: CommitmentTemplate;
    readonly remoteSignature: Uint8Array;
    readonly htlcSignatures: readonly Uint8Array[];
  };
  /** The peer's commitment (holder: the peer) that it has not revoked. Its template also gives the shape of every older one. */
  readonly remote: CommitmentTemplate;
  /** One number further: signed by us, and the one before not revoked yet. */
  readonly remoteNext?: CommitmentTemplate;
  /** The peer's revealed per-commitment secrets, 0 … remote.number - 1. */
  readonly remoteSecrets: SecretStore;
  readonly guard: SignerGuard;
  /** True if the peer proved that our state is old: our commitment is never published. */
  readonly dataLost: boolean;
  /** Every HTLC that is in any of the three commitments, whatever its state. */
  readonly htlcs: readonly HtlcFact[];
};

export type HtlcFact = {
  /** True if we offered it. */
  readonly offered: boolean;
  readonly id: bigint;
  readonly amountMsat: bigint;
  readonly paymentHash: Uint8Array;
  readonly cltvExpiry: number;
};

/** An HTLC of a revoked commitment of the peer, kept apart from the state (see `need-archive`). `offered`: by us. */
export type ArchivedHtlc = HtlcFact;

/** A confirmed transaction that spends an output we watch. The runtime has proved that it is in the chain. */
export type ConfirmedSpend = {
  readonly outpoint: Outpoint;
  readonly txid: Uint8Array;
  /** The whole transaction, serialised with witnesses. */
  readonly transaction: Uint8Array;
  readonly height: number;
};

/** A transaction of ours that should be mined; sent again at each block until it, or another spender of its inputs, is. */
export type Attempt = {
  readonly inputs: readonly Outpoint[];
  readonly transaction: Uint8Array;
  readonly txid: Uint8Array;
  readonly feeratePerKw: number;
  /** Height at which it was made: the next bump is due some blocks later. */
  readonly madeAtHeight: number;
};

export type OnchainState = {
  /** We want our own commitment in the chain: by the user's word, a deadline, or an error. Never with `dataLost`. */
  readonly publishing: boolean;
  /** Our wallet's index that everything is swept to. */
  readonly sweepIndex: number;
  readonly spends: readonly ConfirmedSpend[];
  /** 32 bytes each: what lets us claim HTLCs that the peer offered. */
  readonly preimages: readonly Uint8Array[];
  readonly attempts: readonly Attempt[];
  /** HTLCs of the revoked commitment that is in the chain, once the runtime has brought them. */
  readonly archive?: { readonly number: bigint; readonly htlcs: readonly ArchivedHtlc[] };
  /** Ids of our offered HTLCs whose end was told to whoever paid through us; never told twice. */
  readonly told: readonly bigint[];
  /** The newest step had a claim to make and no coin to pay its fee. */
  readonly coinsShort: boolean;
};

export type OnchainEvent =
  | { readonly tag: 'spent'; readonly spend: ConfirmedSpend }
  /** Blocks above this height left the best chain: what they held is unconfirmed again. */
  | { readonly tag: 'reorged'; readonly height: number }
  /** Seen in a mempool, not in the chain: good for the preimage in its witness only. */
  | { readonly tag: 'seen'; readonly transaction: Uint8Array }
  /** Time or height moved on: timeouts, fee bumps, finality. */
  | { readonly tag: 'tick' }
  | { readonly tag: 'preimage'; readonly preimage: Uint8Array }
  | { readonly tag: 'archive'; readonly number: bigint; readonly htlcs: readonly ArchivedHtlc[] };

/** An output of our own wallet that may pay for fees. */
export type Coin = { readonly outpoint: Outpoint; readonly amountSat: bigint; readonly index: number };

export type OnchainEnv = {
  readonly height: number;
  readonly signer: ChannelSigner;
  readonly wallet: WalletSigner;
  /** Confirmed coins that nothing else of ours is spending; those that attempts of this machine spend stay among them. */
  readonly coins: readonly Coin[];
  /** Our estimate: sat per 1000 weight units to be mined within so many blocks. */
  readonly feerateFor: (blocks: number) => number;
};

export type OnchainEffect =
  /** The peer published a revoked commitment: answer with the HTLCs that it had (`archive` event). */
  | { readonly tag: 'need-archive'; readonly number: bigint }
  /** An HTLC that we offered ended on chain: settled with the preimage, or back with us for good. */
  | { readonly tag: 'htlc-settled'; readonly id: bigint; readonly preimage: Uint8Array }
  | { readonly tag: 'htlc-failed'; readonly id: bigint }
  | {
      readonly tag: 'note';
      readonly kind:
        | 'close-seen'
        | 'revoked-seen'
        | 'output-claimed'
        | 'output-lost'
        /** Claims wait for a coin of the wallet that pays their fee. */
        | 'coins-needed'
        /** The signer refused to sign a claim: `detail` says why. */
        | 'claim-refused';
      readonly amountSat?: bigint;
      readonly detail?: string;
    };

/** Which transaction spent the funding output. BOLT 5 § General Nomenclature. */
export type CloseKind = 'mutual' | 'local' | 'remote' | 'remote-next' | 'revoked' | 'future';

/** What a person is shown: one line per output that is or was to be ours. */
export type Sweep = {
  readonly what: 'to-local' | 'to-remote' | 'offered-htlc' | 'received-htlc' | 'second-stage' | 'penalty' | 'anchor' | 'closing';
  readonly outpoint: Outpoint;
  readonly amountSat: bigint;
  /** `waiting`: not spendable before `atHeight`. `due`: our claim is out. `claimed`: confirmed. `lost`: somebody else has it. */
  readonly status: 'waiting' | 'due' | 'claimed' | 'final' | 'lost';
  readonly atHeight?: number;
  readonly txid?: Uint8Array;
};

/** An output whose spending the runtime must watch for, script included (relays watch by either). */
export type OutputWatch = { readonly outpoint: Outpoint; readonly scriptPubKey: Uint8Array };

/** Confirmations after which a spend is believed for good: told upstream, and a claim no longer re-made. */
export const settledDepth = 6;
/** After so many the channel is forgotten. */
export const finalDepth = 100;
