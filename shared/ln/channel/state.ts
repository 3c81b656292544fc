/**
 * One channel as a value. BOLT 2 § Channel Establishment v1, § Channel Close; BOLT 5. One file per state under `states/`.
 *
 * Connectivity is a wrapper, not a flag: a channel that outlives its connection is `offline`, then `syncing` until the
 * peer's `channel_reestablish`, and goes on as what it `was`. A channel without a wrapper may be spoken to.
 */

import type { Plain } from '../../lib/plain.ts';
import type { OnchainState } from '../onchain/types.ts';
import type { SignerGuard } from '../signer/signer.ts';
import type { Outpoint } from '../tx/commitment.ts';
import { type Commitments, channelIdFrom } from './commitments.ts';
import type { ChannelErrorCode } from './error.ts';
import type { RemovalRequest } from './htlc.ts';
import type { Negotiation } from './negotiation.ts';
import type { ChannelTerms, Offer } from './terms.ts';

/** Where the funding output stands in the best chain. */
export type Confirmation = { readonly height: number; readonly txIndex: number };

/** Where the funding output stands, of every channel that has one. */
export type Ground = {
  /** Absent before it is in the chain, and after a re-org took it out. */
  readonly confirmed?: Confirmation;
  /** Of the opener, who sends it again whenever it is not in the chain; let go once it is buried. */
  readonly fundingTransaction?: Uint8Array;
  /** Of a public channel. Falls with the place in the chain that it names. */
  readonly announcement?: Announcement;
};

/** How far the announcement of a public channel is. BOLT 7 § The `announcement_signatures` Message. */
export type Announcement = {
  readonly shortChannelId: bigint;
  /** The peer's signatures, checked once the channel is `complete`: they may come before the funding is deep enough for us. */
  readonly remote?: { readonly nodeSignature: Uint8Array; readonly bitcoinSignature: Uint8Array };
  /** All four signatures are there and good, and the peer was given the announcement. */
  readonly complete?: true;
  /** Our `announcement_signatures` on this connection: `owed` to a peer that said its own. */
  readonly ours?: 'owed' | 'sent';
};

/** Height and clock (ms) together: a node whose headers were behind must not count the blocks that it had missed. */
export type Moment = { readonly height: number; readonly ms: number };

/** `accept_channel` waits for the user. Nothing is promised yet. */
export type WaitForApproval = { readonly tag: 'wait-for-approval'; readonly terms: ChannelTerms; readonly deadlineMs: number };

/** `accept_channel` is out. */
export type WaitForFundingCreated = { readonly tag: 'wait-for-funding-created'; readonly terms: ChannelTerms; readonly deadlineMs: number };

/** Our `open_channel` is out. */
export type WaitForAcceptChannel = { readonly tag: 'wait-for-accept-channel'; readonly offer: Offer; readonly deadlineMs: number };

/** Both sides agree; the funding transaction is being made and signed outside (`fund` effect, `funded` command). */
export type WaitForFunding = { readonly tag: 'wait-for-funding'; readonly terms: ChannelTerms; readonly deadlineMs: number };

/** `funding_created` is out. The transaction is not: without the peer's signature the money could be stuck. */
export type WaitForFundingSigned = {
  readonly tag: 'wait-for-funding-signed';
  readonly terms: ChannelTerms;
  readonly fundingOutpoint: Outpoint;
  readonly fundingTransaction: Uint8Array;
  readonly guard: SignerGuard;
  readonly deadlineMs: number;
};

/** The first signatures are exchanged, our `channel_ready` is not out (or a re-org took its ground away). */
export type WaitForFundingConfirmed = Ground & {
  readonly tag: 'wait-for-funding-confirmed';
  readonly commitments: Commitments;
  /** When the wait began: BOLT 2 lets the fundee forget after 2016 blocks. */
  readonly since: Moment;
};

/** Our `channel_ready` is out, the peer's is not in. */
export type WaitForChannelReady = Ground & { readonly tag: 'wait-for-channel-ready'; readonly commitments: Commitments };

/** `channel_ready` went both ways. */
export type Normal = Ground & { readonly tag: 'normal'; readonly commitments: Commitments; readonly quiet?: Quiet };

/** The peer asked for silence. `said`: we answered. `removals`: what we decided since, to be said in the next connection. */
export type Quiet = {
  readonly sinceMs: number;
  readonly said: boolean;
  readonly removals: readonly { readonly id: bigint; readonly removal: RemovalRequest }[];
};

/** `shutdown` went both ways, and HTLCs or updates are still to be settled. */
export type ShuttingDown = Ground & { readonly tag: 'shutting-down'; readonly commitments: Commitments };

/** Nothing is left but to agree on the closing transaction. */
export type Negotiating = Ground & {
  readonly tag: 'negotiating';
  readonly commitments: Commitments;
  /** BOLT 2 gives it a reasonable amount of time. */
  readonly since: Moment;
  readonly negotiation: Negotiation;
};

/** The channel's end is in the chain, or on its way there. BOLT 5. */
export type Closing = Ground & {
  readonly tag: 'closing';
  readonly commitments: Commitments;
  readonly onchain: OnchainState;
  /** Complete closing transactions that both signed, the newest last. */
  readonly mutual: readonly Uint8Array[];
  /** Why, for the page: our fault, theirs, a deadline, or the user's wish. */
  readonly cause: { readonly code: CloseCause; readonly detail: string };
  /** True if the peer proved that our state is old: our commitment is never published. */
  readonly dataLost: boolean;
  readonly since: Moment;
};
export type CloseCause = ChannelErrorCode | 'mutual' | 'user' | 'deadline' | 'spent';

/** An error ended the channel, and nobody has published anything yet: the peer was told, and most peers then publish. */
export type Failed = Ground & {
  readonly tag: 'failed';
  readonly commitments: Commitments;
  readonly code: ChannelErrorCode;
  readonly detail: string;
  /** What we tell the peer at each new connection. */
  readonly errorText: string;
  /** True if the peer proved that our state is old: broadcasting it would forfeit the balance. */
  readonly doNotBroadcast: boolean;
  /** Connections since it failed. What a peer says in a later one than the first is its will. */
  readonly connections: number;
  readonly since: Moment;
};

/** The states that live on without a connection. */
export type Live = WaitForFundingConfirmed | WaitForChannelReady | Normal | ShuttingDown | Negotiating;
export type Offline = { readonly tag: 'offline'; readonly was: Live };
/** Our `channel_reestablish` is out, the peer's is not in. */
export type Syncing = { readonly tag: 'syncing'; readonly was: Live };

/** Before there is a funding output: nothing is lost by forgetting. */
export type Pending = WaitForApproval | WaitForFundingCreated | WaitForAcceptChannel | WaitForFunding | WaitForFundingSigned;

export type ChannelState = Pending | Live | Failed | Closing | Offline | Syncing;
export type ChannelTag = ChannelState['tag'];

/** What may be frozen: a compile error here names the field that does not fit. */
export const plain = (state: ChannelState): Plain => state;

const pendingTags: readonly ChannelTag[] = [
  'wait-for-approval',
  'wait-for-funding-created',
  'wait-for-accept-channel',
  'wait-for-funding',
  'wait-for-funding-signed',
] satisfies readonly Pending['tag'][];
export const isPending = (state: ChannelState): state is Pending => pendingTags.includes(state.tag);

/** The channel's own state under its connectivity. */
export const liveOf = (state: ChannelState): Exclude<ChannelState, Offline | Syncing> =>
  state.tag === 'offline' || state.tag === 'syncing' ? state.was : state;

/** What goes along into whatever the channel becomes. */
export const groundOf = ({ confirmed, fundingTransaction, announcement }: Ground): Ground => ({
  ...(confirmed ? { confirmed } : {}),
  ...(fundingTransaction ? { fundingTransaction } : {}),
  ...(announcement ? { announcement } : {}),
});

const liveTags: readonly ChannelTag[] = [
  'wait-for-funding-confirmed',
  'wait-for-channel-ready',
  'normal',
  'shutting-down',
  'negotiating',
] satisfies readonly Live['tag'][];
export const isLive = (state: ChannelState): state is Live => liveTags.includes(state.tag);

/** Undefined before the first signatures. */
export function commitmentsOf(state: ChannelState): Commitments | undefined {
  const live = liveOf(state);
  return isPending(live) ? undefined : live.commitments;
}

/** How the peer and we name the channel in messages: the temporary id until the first signature. */
export function channelIdOf(state: ChannelState): Uint8Array {
  const live = liveOf(state);
  if (!isPending(live)) return live.commitments.channelId;
  if (live.tag === 'wait-for-funding-signed') return channelIdFrom(live.fundingOutpoint);
  return live.tag === 'wait-for-accept-channel' ? live.offer.temporaryChannelId : live.terms.temporaryChannelId;
}

export function fundingAmountOf(state: ChannelState): bigint {
  const live = liveOf(state);
  if (!isPending(live)) return live.commitments.terms.fundingAmountSat;
  return live.tag === 'wait-for-accept-channel' ? live.offer.fundingAmountSat : live.terms.fundingAmountSat;
}
