/**
 * The channel graph as typed arrays: what BOLT 7's gossip says of public channels, small enough to keep in a browser and fast enough to
 * search there. Nodes and channels are numbers; a directed edge is `2 · channel + direction`, direction 0 from `node1` to `node2`.
 *
 * Whatever a graph says came from strangers: it is a hint for where to look for a route, never a reason to trust anybody.
 */
import { compare } from '../../lib/bytes.ts';

/** Of `Graph.flags`, for each directed edge. */
export const edgeFlags = {
  /** There is a `channel_update` for this direction. */
  known: 1,
  /** BOLT 7 § The `channel_update` Message: the `disable` bit. */
  disabled: 2,
} as const;

export type Graph = {
  readonly nodeCount: number;
  readonly channelCount: number;
  /** 33 bytes for each node, ascending. */
  readonly nodeIds: Uint8Array;
  /** For each channel, ascending. */
  readonly shortChannelIds: BigUint64Array;
  /** For each channel; `node_id_1` is the lesser id. */
  readonly node1: Uint32Array;
  readonly node2: Uint32Array;
  /** For each channel; 0 where it is not known. */
  readonly capacitySat: Float64Array;
  /** For each directed edge: what `channel_update` says. */
  readonly flags: Uint8Array;
  readonly cltvExpiryDelta: Uint16Array;
  readonly feeBaseMsat: Uint32Array;
  readonly feeProportionalMillionths: Uint32Array;
  readonly htlcMinimumMsat: Float64Array;
  readonly htlcMaximumMsat: Float64Array;
  /** Of the `channel_update`, seconds since 1970; 0 where there is none. */
  readonly timestamp: Uint32Array;
  /** The edges that lead into node `i` are `inEdges[firstIn[i]] … inEdges[firstIn[i + 1] - 1]`; `firstIn` has `nodeCount + 1` places. */
  readonly firstIn: Uint32Array;
  readonly inEdges: Uint32Array;
};

/** The node at the far end of a directed edge, and the one it starts from. */
export const edgeTo = (graph: Graph, edge: number): number => ((edge & 1) === 0 ? graph.node2 : graph.node1)[edge >> 1] ?? -1;
export const edgeFrom = (graph: Graph, edge: number): number => ((edge & 1) === 0 ? graph.node1 : graph.node2)[edge >> 1] ?? -1;

export const nodeIdOf = (graph: Graph, node: number): Uint8Array => graph.nodeIds.subarray(33 * node, 33 * node + 33);

/** The number of the node with that id, or -1. */
export function nodeIndex(graph: Graph, nodeId: Uint8Array): number {
  let [low, high] = [0, graph.nodeCount - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const order = compare(nodeIdOf(graph, middle), nodeId);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** The number of the channel with that id, or -1. */
export function channelIndex(graph: Graph, shortChannelId: bigint): number {
  let [low, high] = [0, graph.channelCount - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const here = graph.shortChannelIds[middle];
    if (here === undefined) return -1;
    if (here === shortChannelId) return middle;
    if (here < shortChannelId) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** `firstIn` and `inEdges` from the ends of the channels. */
export function incidence(
  nodeCount: number,
  node1: Uint32Array,
  node2: Uint32Array,
): { readonly firstIn: Uint32Array; readonly inEdges: Uint32Array } {
  const firstIn = new Uint32Array(nodeCount + 1);
  const count = (node: number | undefined): void => {
    if (node !== undefined) firstIn[node + 1] = (firstIn[node + 1] ?? 0) + 1;
  };
  node1.forEach(count);
  node2.forEach(count);
  for (let i = 1; i <= nodeCount; i += 1) firstIn[i] = (firstIn[i] ?? 0) + (firstIn[i - 1] ?? 0);
  const next = firstIn.slice(0, nodeCount);
  const inEdges = new Uint32Array(2 * node1.length);
  const put = (node: number | undefined, edge: number): void => {
    if (node === undefined) return;
    const at = next[node] ?? 0;
    inEdges[at] = edge;
    next[node] = at + 1;
  };
  for (let channel = 0; channel < node1.length; channel += 1) {
    put(node2[channel], 2 * channel);
    put(node1[channel], 2 * channel + 1);
  }
  return { firstIn, inEdges };
}
