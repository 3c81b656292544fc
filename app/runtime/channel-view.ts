/** What a page sees of a channel: its state in plain values. Nothing here decides anything. */
import { reversed, toHex } from '../../shared/lib/bytes.ts';
import { feerateIn, specOf } from '../../shared/ln/channel/commitments.ts';
import { factsOf } from '../../shared/ln/channel/facts.ts';
import type { Htlc } from '../../shared/ln/channel/htlc.ts';
import { type ChannelState, type Closing, channelIdOf, isPending, liveOf, type Pending } from '../../shared/ln/channel/state.ts';
import { receivableMsat, sendableMsat } from '../../shared/ln/channel/updates.ts';
import { sweeps } from '../../shared/ln/onchain/machine.ts';
import type { OpenSigner } from '../../shared/ln/signer/signer.ts';
import { parseTransaction } from '../../shared/ln/tx/parse.ts';
import type { PeerRecord } from '../store/schema.ts';
import type { ChannelView, ClosingView, HtlcView } from './api.ts';

/** BOLT 7 § Definition of short_channel_id: block × transaction × output. */
const shortChannelId = (height: number, txIndex: number, vout: number): string => `${height}x${txIndex}x${vout}`;

/** Without a wallet (`openSigner` undefined) nothing of a closing channel can be derived. */
export function channelView(record: PeerRecord, channel: ChannelState, height: number, openSigner: OpenSigner | undefined): ChannelView {
  const live = liveOf(channel);
  const base = {
    id: toHex(channelIdOf(channel)),
    peerId: record.peerId,
    peerAlias: record.alias,
    tag: live.tag,
    online: channel.tag !== 'offline' && channel.tag !== 'syncing',
  };
  if (isPending(live)) return { ...base, ...pendingView(live) };
  const { commitments, confirmed } = live;
  const { terms, fundingOutpoint } = commitments;
  const { toLocalMsat, toRemoteMsat } = specOf(commitments, 'local');
  const usable = channel.tag === 'normal';
  return {
    ...base,
    temporaryId: toHex(terms.temporaryChannelId),
    opener: terms.localIsOpener,
    kind: terms.kind,
    capacitySat: terms.fundingAmountSat.toString(),
    ourReserveSat: terms.remote.channelReserveSat.toString(),
    theirReserveSat: terms.local.channelReserveSat.toString(),
    minDepth: terms.minDepth,
    isPublic: terms.isPublic,
    oursSat: (toLocalMsat / 1000n).toString(),
    theirsSat: (toRemoteMsat / 1000n).toString(),
    feeratePerKw: feerateIn(commitments, 'local'),
    sendableSat: (usable ? sendableMsat(commitments) / 1000n : 0n).toString(),
    receivableSat: (usable ? receivableMsat(commitments) / 1000n : 0n).toString(),
    htlcs: commitments.htlcs.map(htlcView),
    fundingTxid: toHex(reversed(fundingOutpoint.txid)),
    fundingVout: fundingOutpoint.vout,
    confirmations: confirmed === undefined ? 0 : Math.max(1, height - confirmed.height + 1),
    ...(confirmed === undefined ? {} : { shortChannelId: shortChannelId(confirmed.height, confirmed.txIndex, fundingOutpoint.vout) }),
    ...(live.tag === 'failed' ? { detail: live.detail } : {}),
    ...(live.tag === 'closing' && openSigner ? { detail: live.cause.detail, closing: closingView(live, height, openSigner) } : {}),
  };
}

function pendingView(pending: Pending) {
  const terms = pending.tag === 'wait-for-accept-channel' ? pending.offer : pending.terms;
  const pushSat = terms.pushMsat / 1000n;
  const [ours, theirs] = terms.localIsOpener ? [terms.fundingAmountSat - pushSat, pushSat] : [pushSat, terms.fundingAmountSat - pushSat];
  return {
    temporaryId: toHex(terms.temporaryChannelId),
    opener: terms.localIsOpener,
    kind: terms.kind,
    capacitySat: terms.fundingAmountSat.toString(),
    oursSat: ours.toString(),
    theirsSat: theirs.toString(),
    isPublic: terms.isPublic,
    htlcs: [],
    ...('minDepth' in terms ? { minDepth: terms.minDepth } : {}),
  };
}

const htlcView = (htlc: Htlc): HtlcView => ({
  id: htlc.id.toString(),
  direction: htlc.by === 'local' ? 'out' : 'in',
  amountMsat: htlc.amountMsat.toString(),
  expiryHeight: htlc.cltvExpiry,
  state: stateOf(htlc),
});

function stateOf({ added, removal }: Htlc): HtlcView['state'] {
  if (removal) return removal.kind === 'fulfill' ? 'settling' : 'failing';
  return added === 'locked' ? 'held' : 'adding';
}

function closingView(closing: Closing, height: number, openSigner: OpenSigner): ClosingView {
  return {
    cause: closing.cause.code,
    mutualTxids: closing.mutual.flatMap((transaction) => {
      const parsed = parseTransaction(transaction);
      return parsed.ok ? [toHex(reversed(parsed.value.txid))] : [];
    }),
    sweeps: sweeps(closing.onchain, factsOf(closing, { openSigner }), height).map(({ what, amountSat, status, atHeight, txid }) => ({
      what,
      amountSat: amountSat.toString(),
      status,
      ...(atHeight === undefined ? {} : { atHeight }),
      ...(txid === undefined ? {} : { txid: toHex(reversed(txid)) }),
    })),
  };
}
