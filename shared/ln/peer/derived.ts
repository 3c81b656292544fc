/** What the runtime must see to for a peer, derived from its state: outputs to watch, transactions to send, hours and heights to be awake at. */

import type { Commitments } from '../channel/commitments.ts';
import { factsOf } from '../channel/facts.ts';
import { quietMs } from '../channel/limits.ts';
import { type ChannelState, type Closing, commitmentsOf, type Ground, isLive, isPending, liveOf } from '../channel/state.ts';
import { announceHeight } from '../channel/states/announcing.ts';
import { nextHtlcHeight } from '../channel/states/live.ts';
import { nextHeight as nextOnchainHeight, broadcasts as onchainBroadcasts, outputWatches as onchainWatches } from '../onchain/machine.ts';
import type { OutputWatch } from '../onchain/types.ts';
import type { OpenSigner } from '../signer/signer.ts';
import { fundingScriptPubKey } from '../tx/scripts.ts';
import type { Outpoint } from '../tx/transaction.ts';
import type { PeerState } from './state.ts';

/** A funding output that is to be confirmed. */
export type FundingWatch = {
  readonly channelId: Uint8Array;
  readonly outpoint: Outpoint;
  /** P2WSH of the 2-of-2. */
  readonly scriptPubKey: Uint8Array;
  readonly amountSat: bigint;
  readonly minDepth: number;
};
export type SpendWatch = OutputWatch & { readonly channelId: Uint8Array };

const fundingScript = ({ terms }: Commitments): Uint8Array =>
  fundingScriptPubKey(terms.local.basepoints.fundingPubkey, terms.remote.basepoints.fundingPubkey);

/** Every funding output of this peer whose confirmation matters. */
export const watches = (state: PeerState): FundingWatch[] =>
  state.channels.flatMap((channel) => {
    const commitments = commitmentsOf(channel);
    if (!commitments) return [];
    const { channelId, fundingOutpoint: outpoint, terms } = commitments;
    return [{ channelId, outpoint, scriptPubKey: fundingScript(commitments), amountSat: terms.fundingAmountSat, minDepth: terms.minDepth }];
  });

/** Every output whose spending matters: the funding outputs, and what commitments in the chain left. */
export const spendWatches = (state: PeerState, openSigner: OpenSigner): SpendWatch[] =>
  state.channels.flatMap((channel) => {
    const commitments = commitmentsOf(channel);
    if (!commitments) return [];
    const { channelId, fundingOutpoint: outpoint } = commitments;
    if (channel.tag !== 'closing') return [{ channelId, outpoint, scriptPubKey: fundingScript(commitments) }];
    return onchainWatches(channel.onchain, factsOf(channel, { openSigner })).map((watch) => ({ ...watch, channelId }));
  });

/** Our transactions that should be in the chain and, as far as we know, are not; parents before their children. */
export const broadcasts = (state: PeerState): readonly Uint8Array[] => state.channels.flatMap(broadcastsOf);

function broadcastsOf(channel: ChannelState): readonly Uint8Array[] {
  const live = liveOf(channel);
  if (isPending(live)) return [];
  if (live.tag === 'closing') return [...unmined(live), ...onchainBroadcasts(live.onchain)];
  return [...unminedFunding(live), ...(live.tag === 'negotiating' ? live.negotiation.signed : [])];
}

const unminedFunding = ({ confirmed, fundingTransaction }: Ground): readonly Uint8Array[] =>
  fundingTransaction && !confirmed ? [fundingTransaction] : [];

/** A spend in the chain says that the funding transaction is there, too. */
const unmined = (state: Closing): readonly Uint8Array[] =>
  state.onchain.spends.length > 0 ? [] : [...unminedFunding(state), ...state.mutual];

/** The block height at which something is due; `height`: the tip. */
export function nextHeight(state: PeerState, height: number, openSigner: OpenSigner): number | undefined {
  return least(
    state.channels.map((channel) => {
      const live = liveOf(channel);
      if (live.tag === 'closing') return nextOnchainHeight(live.onchain, factsOf(live, { openSigner }), height);
      const due = isLive(live) || live.tag === 'failed' ? nextHtlcHeight(live.commitments) : undefined;
      return least([due, toAnnounce(live, height)]);
    }),
  );
}

/** Only while it is to come: once it is there, the next look at the channel sees to it. */
function toAnnounce(channel: ChannelState, height: number): number | undefined {
  const due = channel.tag === 'normal' ? announceHeight(channel) : undefined;
  return due !== undefined && due > height ? due : undefined;
}

/**
 * When the app must be awake again to keep its word: the nearest prompt to run out, or an opening of ours that holds coins. Unix ms.
 * A peer that opens and does not go on holds nothing of ours: whatever it says late is heard first.
 */
export const nextDeadlineMs = (state: PeerState): number | undefined => least(state.channels.map(deadlineOf));

function deadlineOf(channel: ChannelState): number | undefined {
  if (channel.tag === 'normal') return channel.quiet && channel.commitments.htlcs.length > 0 ? channel.quiet.sinceMs + quietMs : undefined;
  return 'deadlineMs' in channel && channel.tag !== 'wait-for-funding-created' ? channel.deadlineMs : undefined;
}

const least = (values: readonly (number | undefined)[]): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
};
