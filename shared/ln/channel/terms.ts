/** What both sides agree on before the first commitment, and never change. BOLT 2 § Channel Establishment v1. */
import type { KeyPath } from '../signer/signer.ts';
import type { Basepoints, ChannelKind } from '../tx/commitment.ts';
import type { ShutdownForms } from '../tx/scripts.ts';

/** What one side said in its `open_channel` or `accept_channel`. */
export type SideTerms = {
  readonly basepoints: Basepoints;
  readonly dustLimitSat: bigint;
  readonly maxHtlcValueInFlightMsat: bigint;
  /** What this side demands that the **other** keeps. */
  readonly channelReserveSat: bigint;
  readonly htlcMinimumMsat: bigint;
  /** What this side demands that the **other** waits. */
  readonly toSelfDelay: number;
  readonly maxAcceptedHtlcs: number;
  /** Present only when it was given and not empty. */
  readonly upfrontShutdownScript?: Uint8Array;
};

/** What is agreed once `accept_channel` is out, and never changes. */
export type ChannelTerms = {
  readonly temporaryChannelId: Uint8Array;
  readonly keyPath: KeyPath;
  /** As it came: the answer must repeat it. */
  readonly channelType: Uint8Array;
  readonly kind: ChannelKind;
  readonly zeroConf: boolean;
  readonly isPublic: boolean;
  /** The opener pays the fee of every commitment, and alone changes it. */
  readonly localIsOpener: boolean;
  readonly fundingAmountSat: bigint;
  /** From the opener to the other side. */
  readonly pushMsat: bigint;
  /** Of the first commitment. */
  readonly feeratePerKw: number;
  readonly minDepth: number;
  /** The scid that we give the peer for this channel; sent only if `option_scid_alias` was negotiated. */
  readonly localAlias: bigint;
  readonly sendAlias: boolean;
  readonly local: SideTerms;
  readonly remote: SideTerms;
  readonly remoteFirstPerCommitmentPoint: Uint8Array;
};

/** What we offer in `open_channel`, before the peer's half is known. */
export type Offer = Omit<ChannelTerms, 'remote' | 'remoteFirstPerCommitmentPoint' | 'minDepth'> & {
  /** As negotiated when it was made: what the peer's upfront script may be. */
  readonly shutdownForms: ShutdownForms;
  /** The user's choice for the funding transaction. */
  readonly fundingFeeratePerKw?: number;
};
