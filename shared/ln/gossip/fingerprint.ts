/** A number that tells one graph from another by accident, not by malice: a delta fits the graph that it was made from. */
import { policyColumns } from './columns.ts';
import type { Graph } from './graph.ts';

const fields = [...policyColumns.map(([field]) => field), 'htlcMaximumMsat', 'flags', 'timestamp'] as const;

const mix = (hash: number, value: number): number => Math.imul(hash ^ value, 0x0100_0193) ^ (hash >>> 15);
/** Both halves of a number of up to 53 bits. */
const mixLong = (hash: number, value: number): number => mix(mix(hash, (value % 4_294_967_296) | 0), (value / 4_294_967_296) | 0);

/** 32 bits over all that a graph says. */
export function fingerprint(graph: Graph): number {
  let hash = mix(graph.nodeCount, graph.channelCount);
  for (const byte of graph.nodeIds) hash = mix(hash, byte);
  const { buffer, byteOffset, length } = graph.shortChannelIds;
  const words = new Uint32Array(buffer, byteOffset, 2 * length);
  // Both words at once, so that it does not matter in which order the machine has them.
  for (let i = 0; i < words.length; i += 2) hash = mix(hash, Math.imul((words[i] ?? 0) ^ (words[i + 1] ?? 0), 0x9e37_79b1));
  for (let i = 0; i < graph.channelCount; i += 1) {
    hash = mix(mix(hash, graph.node1[i] ?? 0), graph.node2[i] ?? 0);
    hash = mixLong(hash, graph.capacitySat[i] ?? 0);
  }
  for (const field of fields) {
    const values = graph[field];
    for (let i = 0; i < values.length; i += 1) hash = mixLong(hash, values[i] ?? 0);
  }
  return hash >>> 0;
}
