/** Everything a step may know besides its state and its command. Plain input, so that a recorded list replays a bug. */
import type { Coin } from '../onchain/types.ts';
import type { OpenSigner, WalletSigner } from '../signer/signer.ts';
import type { Negotiated } from './negotiated.ts';

/** What the user allows this peer; resolved by the runtime from the general and the per-peer setting. */
export type OpenPolicy = {
  readonly onOpen: 'sign' | 'ask' | 'refuse';
  readonly zeroConf: boolean;
  readonly minFundingSat: bigint;
  readonly maxFundingSat: bigint;
  /** Confirmations before `channel_ready`. */
  readonly minDepth: number;
  readonly allowPublic: boolean;
  /** How long the user has to answer, ms. */
  readonly promptMs: number;
  readonly maxPendingChannels: number;
};

export type Env = {
  /** Unix time, ms. */
  readonly now: number;
  /** Height of the best header that we verified. */
  readonly height: number;
  /** 64 fresh random bytes for this step. */
  readonly entropy: Uint8Array;
  readonly chainHash: Uint8Array;
  readonly policy: OpenPolicy;
  /** The node id of the other end. */
  readonly peerId: Uint8Array;
  /** With this peer, in its last `init`. */
  readonly negotiated: Negotiated;
  /** Our own idea of the fee range, for judging `feerate_per_kw`. */
  readonly feeratePerKw: { readonly min: number; readonly max: number };
  readonly openSigner: OpenSigner;
  /** Where money on chain goes: the next index of our own wallet. */
  readonly sweepIndex: number;
  readonly wallet: WalletSigner;
  /** Confirmed coins of ours that nothing else is spending: for fees that a claim cannot pay itself. */
  readonly coins: readonly Coin[];
  /** Estimate: sat per 1000 weight units to be mined within so many blocks. */
  readonly feerateFor: (blocks: number) => number;
};
