/**
 * The signer of one channel, by operation (never by key). BOLT 3 § Key Derivation.
 *
 * The signer is a function of the seed and the channel's key path; what it must remember to refuse a second,
 * different signature is a plain value (`SignerGuard`) that the caller stores with the channel state and
 * hands back. An operation answers with the next guard; a refusal is a value and changes nothing.
 */
import type { Result } from '../../lib/result.ts';
import type { EndSignatures } from '../gossip/announce.ts';
import type { Basepoints, CommitmentTemplate, Outpoint } from '../tx/commitment.ts';
import type { Transaction } from '../tx/transaction.ts';
import type { ChannelAnnouncement } from '../wire/messages/gossip.ts';

/** Two 31-bit numbers drawn once per channel; the channel's keys are at m/…/a'/b' (hardened) of the seed, see `keys/seed.ts`. */
export type KeyPath = readonly [number, number];

/** An HTLC of ours in the peer's newest commitment: money that may go only to whoever shows the preimage, or back to us. */
export type OfferedHtlc = {
  readonly id: bigint;
  readonly amountMsat: bigint;
  readonly paymentHash: Uint8Array;
  readonly cltvExpiry: number;
};

/** What the peer's newest commitment that we signed gives us: the next one may give us less only for a reason. */
export type Holding = {
  readonly toUsMsat: bigint;
  /** In the order of their ids. */
  readonly offered: readonly OfferedHtlc[];
  /** HTLCs of ours from this id on are new; one below it that is not in `offered` has ended and never comes back. */
  readonly nextOfferedId: bigint;
  /** What the peer offers us: neither side's yet. */
  readonly receivedMsat: bigint;
};

/** What has been signed and revealed so far. Commitment numbers count up from 0 (not the 48-bit wire form). */
export type SignerGuard = {
  /** Set at the first signature; a commitment for another outpoint is refused for ever after. */
  readonly fundingTxid?: Uint8Array;
  readonly fundingVout?: number;
  /**
   * The newest remote commitment that we signed and the digest of what we signed for it: the sighash, or, with HTLC transactions,
   * the hash of all sighashes in their order.
   */
  readonly remoteNumber?: bigint;
  readonly remoteSighash?: Uint8Array;
  /** What that commitment gives us. */
  readonly holding?: Holding;
  /** All of the peer's secrets below this number were shown to us: at most this commitment and the next are signed. */
  readonly revokedBelow: bigint;
  /** All of our own secrets below this number have been released. */
  readonly releasedBelow: bigint;
  /** Our own newest commitment for which a valid remote signature was checked. */
  readonly localNumber?: bigint;
  /** The digest, as above, of that commitment: a different one with the same number is refused. */
  readonly localSighash?: Uint8Array;
  /** Our commitment was signed for the chain: neither a secret nor another commitment of either side follows. */
  readonly localPublished?: true;
  /** Where a mutual close may pay us: set once, by the upfront script or when `shutdown` goes out. */
  readonly closeScript?: Uint8Array;
  /** The channel was opened to be announced. Said before anything was signed, or never. */
  readonly announced?: true;
};

export const freshGuard: SignerGuard = { releasedBelow: 0n, revokedBelow: 0n };

export type SignerErrorCode =
  | 'funding-changed'
  | 'commitment-gap'
  | 'commitment-revoked'
  | 'commitment-differs'
  | 'template-invalid'
  | 'secret-not-revocable'
  | 'state-revoked'
  /** Two commitments of the peer would be unrevoked beside the one to be signed. */
  | 'not-revoked-yet'
  | 'secret-wrong'
  /** The new commitment gives us less than the old one, and no preimage, payment or fee of ours accounts for it. */
  | 'balance-falls'
  | 'channel-published'
  | 'destination-unknown'
  | 'fee-out-of-range'
  | 'htlcs-pending'
  | 'spend-invalid'
  | 'announcement-refused';
export type SignerError = { readonly code: SignerErrorCode; readonly detail: string };
/** `index`: which of the HTLC signatures, absent for the commitment's own. */
export type SignatureInvalid = { readonly code: 'signature-invalid'; readonly detail: string; readonly index?: number };

/** Which key spends an output; points and secrets are per-commitment ones. BOLT 3 § Key Derivation. */
export type SpendKey =
  /** Our own delayed output (to_local, or of a second-stage transaction). */
  | { readonly kind: 'delayed'; readonly perCommitmentPoint: Uint8Array }
  /** An HTLC output of the peer's commitment, by preimage or after its expiry. Those of ours are reached through `signHtlc`. */
  | { readonly kind: 'htlc'; readonly perCommitmentPoint: Uint8Array }
  /** Anything on a commitment, or behind one, that the peer revoked. */
  | { readonly kind: 'revocation'; readonly perCommitmentSecret: Uint8Array }
  /** Our `to_remote` on the peer's commitment. */
  | { readonly kind: 'payment' }
  /** Our anchor. */
  | { readonly kind: 'anchor' };

/** One input of a transaction that claims for us. Every output must pay our own wallet at `sweepIndex`. */
export type Spend = {
  readonly transaction: Transaction;
  readonly inputIndex: number;
  readonly amountSat: bigint;
  /** Of the output that is spent; for the P2WPKH `to_remote` of `static_remotekey` the key alone says it. */
  readonly witnessScript?: Uint8Array;
  readonly key: SpendKey;
  readonly sweepIndex: number;
};

/** A second-stage transaction of our own commitment, perhaps with further inputs and outputs that pay its fee (anchors). */
export type HtlcSpend = {
  readonly template: CommitmentTemplate;
  /** Which output of the commitment is spent. */
  readonly vout: number;
  readonly transaction: Transaction;
  /** The output of the same index must be BOLT 3's. */
  readonly inputIndex: number;
  readonly sweepIndex: number;
};

/** A mutual close. BOLT 2 § Closing Negotiation. */
export type Closing = {
  readonly fundingOutpoint: Outpoint;
  readonly fundingAmountSat: bigint;
  readonly remoteFundingPubkey: Uint8Array;
  readonly transaction: Transaction;
  /** What our output must be less than by the fee that we agreed to bear at most; our balance of the newest commitments. */
  readonly toUsMsat: bigint;
  readonly maxFeeSat: bigint;
};

/** What a `channel_announcement` says besides what the signer knows: our node and our funding key. BOLT 7. */
export type AnnouncementRequest = {
  readonly chainHash: Uint8Array;
  /** Of the funding output in the chain, never an alias. */
  readonly shortChannelId: bigint;
  readonly peerId: Uint8Array;
  readonly remoteFundingPubkey: Uint8Array;
};
/** `message` still lacks all four signatures; `direction`: 0 where we are its `node_1`. */
export type SignedAnnouncement = {
  readonly message: ChannelAnnouncement;
  readonly direction: 0 | 1;
  readonly signatures: EndSignatures;
};

export interface ChannelSigner {
  readonly basepoints: Basepoints;
  /** Our per-commitment point for commitment number n (33 bytes). */
  perCommitmentPoint(n: bigint): Uint8Array;
  /** The secret of commitment n: refused unless a newer local commitment was accepted. 32 bytes. */
  releaseSecret(n: bigint, guard: SignerGuard): Result<{ secret: Uint8Array; guard: SignerGuard }, SignerError>;
  /** The peer's secret of its commitment n: must be that of `point`; in order, without a gap. */
  acceptRevocation(n: bigint, secret: Uint8Array, point: Uint8Array, guard: SignerGuard): Result<{ guard: SignerGuard }, SignerError>;
  /**
   * Signs the remote's commitment transaction `template.number`; compact 64-byte low-S signatures, those of the HTLCs in output order.
   * `settled`: the preimages of our HTLCs that leave the commitment for the peer's benefit.
   */
  signRemoteCommitment(
    template: CommitmentTemplate,
    settled: readonly Uint8Array[],
    guard: SignerGuard,
  ): Result<{ signature: Uint8Array; htlcSignatures: readonly Uint8Array[]; guard: SignerGuard }, SignerError>;
  /** Checks the remote's signatures on our own commitment and its HTLC transactions and records it as the newest. */
  acceptLocalCommitment(
    template: CommitmentTemplate,
    remoteSignature: Uint8Array,
    htlcSignatures: readonly Uint8Array[],
    guard: SignerGuard,
  ): Result<{ guard: SignerGuard }, SignerError | SignatureInvalid>;
  /** Our newest commitment, complete for the chain. From then on the channel signs nothing else but claims. */
  signLocalCommitment(
    template: CommitmentTemplate,
    remoteSignature: Uint8Array,
    guard: SignerGuard,
  ): Result<{ transaction: Uint8Array; guard: SignerGuard }, SignerError>;
  /** Our SIGHASH_ALL signature for a second-stage transaction of our published commitment. */
  signHtlc(spend: HtlcSpend, guard: SignerGuard): Result<Uint8Array, SignerError>;
  /** Our SIGHASH_ALL signature for an input that claims an output for us. */
  signSpend(spend: Spend): Result<Uint8Array, SignerError>;
  /** Fixes where a mutual close pays us; another script later is refused. */
  pinCloseScript(scriptPubKey: Uint8Array, guard: SignerGuard): Result<{ guard: SignerGuard }, SignerError>;
  signClosing(closing: Closing, guard: SignerGuard): Result<Uint8Array, SignerError>;
  /** The channel is to be a public one: only before its first signature. */
  allowAnnouncement(guard: SignerGuard): Result<{ guard: SignerGuard }, SignerError>;
  /** By our node's key and our funding key, both over the announcement that is built here of the fields. */
  signAnnouncement(request: AnnouncementRequest, guard: SignerGuard): Result<SignedAnnouncement, SignerError>;
}

/** Opens the signer of a channel. Lives in `Env`, never in state. */
export type OpenSigner = (keyPath: KeyPath) => ChannelSigner;

/** The keys of our own coins on chain: P2WPKH at one hardened index each. */
export interface WalletSigner {
  /** The script of a coin (and of a sweep) of ours. */
  scriptPubKey(index: number): Uint8Array;
  pubkey(index: number): Uint8Array;
  /** SIGHASH_ALL, compact. The caller answers for where the outputs go. */
  sign(transaction: Transaction, inputIndex: number, amountSat: bigint, index: number): Uint8Array;
}
