/**
 * The graph for payers of what a relay has heard: channels that a payment could take today. Left out are channels
 * that need a feature which nobody here knows, or that no end lets in use; of a direction that BOLT 7 wants ignored there is no policy. Times are rounded down to days: enough to tell an old policy from a new one, and they gzip to almost nothing.
 */
import { compare } from '../../lib/bytes.ts';
import type { Book, BookChannel, BookNode, BookPolicy } from './book.ts';
import { isOverCapacity } from './check.ts';
import { MAX_MSAT, newChannels } from './columns.ts';
import { edgeFlags, type Graph, incidence } from './graph.ts';

const DAY_SECONDS = 86_400;
const MAX_SAT = Math.floor(MAX_MSAT / 1000);

// BOLT 7: "if `htlc_maximum_msat` < `htlc_minimum_msat`: SHOULD ignore this channel during route considerations."
// BOLT 7: "MUST NOT route a payment _through_ the node."
const usable = ({ policies, nodes, capacitySat }: BookChannel, direction: 0 | 1): BookPolicy | undefined => {
  const policy = policies[direction];
  if (policy === undefined || !nodes[direction].routable) return undefined;
  const { htlcMinimumMsat, htlcMaximumMsat } = policy;
  // 0: whoever keeps the book has no chain to look at.
  const most = capacitySat === 0 ? MAX_SAT : capacitySat;
  return htlcMaximumMsat >= htlcMinimumMsat && !isOverCapacity(htlcMaximumMsat, most) ? policy : undefined;
};
const isOpen = (channel: BookChannel): boolean =>
  channel.capacitySat <= MAX_SAT &&
  channel.routable &&
  ([0, 1] as const).some((direction) => usable(channel, direction)?.disabled === false);

export function toGraph(book: Book): Graph {
  const open = [...book.channels.values()].filter(isOpen);
  open.sort((a, b) => (a.shortChannelId < b.shortChannelId ? -1 : 1));
  const nodes = [...new Set(open.flatMap((channel) => channel.nodes))].sort((a, b) => compare(a.id, b.id));
  const places = new Map<BookNode, number>(nodes.map((node, i) => [node, i]));
  const nodeIds = new Uint8Array(33 * nodes.length);
  nodes.forEach(({ id }, i) => {
    nodeIds.set(id, 33 * i);
  });
  const channels = newChannels(open.length);
  open.forEach((channel, i) => {
    channels.shortChannelIds[i] = channel.shortChannelId;
    channels.node1[i] = places.get(channel.nodes[0]) ?? 0;
    channels.node2[i] = places.get(channel.nodes[1]) ?? 0;
    channels.capacitySat[i] = channel.capacitySat;
    for (const direction of [0, 1] as const) {
      const policy = usable(channel, direction);
      if (policy === undefined) continue;
      const edge = 2 * i + direction;
      channels.flags[edge] = edgeFlags.known | (policy.disabled ? edgeFlags.disabled : 0);
      channels.cltvExpiryDelta[edge] = policy.cltvExpiryDelta;
      channels.feeBaseMsat[edge] = policy.feeBaseMsat;
      channels.feeProportionalMillionths[edge] = policy.feeProportionalMillionths;
      channels.htlcMinimumMsat[edge] = Number(policy.htlcMinimumMsat);
      channels.htlcMaximumMsat[edge] = Number(policy.htlcMaximumMsat);
      channels.timestamp[edge] = policy.timestamp - (policy.timestamp % DAY_SECONDS);
    }
  });
  return { nodeCount: nodes.length, nodeIds, ...channels, ...incidence(nodes.length, channels.node1, channels.node2) };
}
