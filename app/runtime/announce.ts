/**
 * Our `channel_update` for each channel that is announced: what follows its `channel_announcement`, and is passed on by the peer. BOLT 7 § The
 * `channel_update` Message. The same bytes again in each connection, for they may have been lost with the last one; new ones when the terms
 * change, and once a week, before the network forgets the channel. There is no `node_announcement`: the node has no alias in its settings, takes
 * no connections, and so has nothing to say in one; the graph knows it by its channels.
 */
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { shortChannelIdOf } from '../../shared/ln/channel/scid.ts';
import type { ChannelState, Normal } from '../../shared/ln/channel/state.ts';
import { directionFrom, updateToSign } from '../../shared/ln/gossip/announce.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { ForwardingView } from '../store/schema.ts';
import { setting } from '../store/store.ts';
import { networkOf } from './network.ts';
import { forwardingOf } from './payments/forward-record.ts';
import { type Collected, collect, type Live } from './peers.ts';
import type { Ports } from './ports.ts';
import { round } from './round.ts';

/** BOLT 7: "older than two weeks (1209600 seconds): MAY prune the channel." */
const REFRESH_SECONDS = 7 * 24 * 3600;

type Announced = { readonly channel: Normal; readonly key: string; readonly shortChannelId: bigint };

function announcedOf(channel: ChannelState): Announced[] {
  if (channel.tag !== 'normal' || !channel.announcement?.complete) return [];
  const shortChannelId = shortChannelIdOf(channel);
  return shortChannelId === undefined ? [] : [{ channel, key: toHex(channel.commitments.channelId), shortChannelId }];
}

/** True: something was said. */
export async function sayUpdates(ports: Ports, live: readonly Live[], into: Collected): Promise<boolean> {
  let said = false;
  for (const { record, state } of live) {
    const channels = state.link === 'ready' ? state.channels.flatMap(announcedOf) : [];
    const keys = channels.length === 0 ? undefined : await ports.keys();
    if (keys === undefined) continue;
    const rules = await forwardingOf(ports);
    const { chainHash } = networkOf(await setting(ports.db, 'network'));
    const now = Math.floor(ports.now() / 1_000);
    const direction = directionFrom(fromHex(keys.nodeId()), state.peerId);
    const announced = { ...record.announced };
    const commands: PeerCommand[] = [];
    for (const { channel, key, shortChannelId } of channels) {
      const before = announced[key];
      const terms = termsOf(channel, rules);
      const text = `${shortChannelId} ${JSON.stringify(rules)}`;
      const isFresh = before?.terms === text && now - before.timestamp < REFRESH_SECONDS;
      if (isFresh && before.epoch === state.epoch) continue;
      // What was said of the channel before it was announced counts, too.
      const lastTimestamp = isFresh ? before.timestamp - 1 : Math.max(before?.timestamp ?? 0, record.told?.timestamp ?? 0);
      const at = { now: isFresh ? before.timestamp : now, lastTimestamp };
      const { message, digest } = updateToSign({ chainHash, shortChannelId, direction, isPublic: true, ...terms, ...at });
      commands.push({ tag: 'say-update', update: { ...message, signature: keys.signAsNode(digest) } });
      announced[key] = { epoch: state.epoch, timestamp: message.timestamp, terms: text };
    }
    if (commands.length === 0) continue;
    const stepped = await round(ports, record.peerId, commands, { announced });
    if (!stepped.ok) continue;
    collect(into, record.peerId, stepped.value);
    said = true;
  }
  return said;
}

/**
 * What is asked for passing payments on to the peer, in the figures by which `forward.ts` judges them. While nothing is passed on, the update says
 * `disable`. BOLT 7: "MAY create and send a `channel_update` with the `disable` bit set to 1, to signal a channel's temporary unavailability": that
 * is of our direction alone, and payments to us come by the peer's, which its own update opens.
 */
function termsOf({ commitments }: Normal, { on, htlcMinimumMsat, ...fees }: ForwardingView) {
  const { remote, fundingAmountSat } = commitments.terms;
  const all = 1_000n * fundingAmountSat;
  const most = remote.maxHtlcValueInFlightMsat < all ? remote.maxHtlcValueInFlightMsat : all;
  const least = BigInt(htlcMinimumMsat);
  const asked = least > remote.htlcMinimumMsat ? least : remote.htlcMinimumMsat;
  return {
    cltvExpiryDelta: fees.cltvExpiryDelta,
    feeBaseMsat: fees.feeBaseMsat,
    feeProportionalMillionths: fees.feeProportionalMillionths,
    // A channel that is smaller than the smallest payment carries none.
    htlcMinimumMsat: asked < most ? asked : most,
    htlcMaximumMsat: most,
    disabled: !on || asked > most,
    capacitySat: fundingAmountSat,
    peerMaxHtlcValueInFlightMsat: remote.maxHtlcValueInFlightMsat,
  };
}
