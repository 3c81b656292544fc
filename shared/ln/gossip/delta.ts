/**
 * What changes from one graph to a later one: nodes and channels that went and came, and the fields of directed edges that are new.
 * It fits exactly one graph, named by its time and by a number over all that it says, and what comes out must have the number that the
 * maker of the delta saw: a relay that has lost its place sends a snapshot instead.
 */
import { compare, concat, equal } from '../../lib/bytes.ts';
import type { Result } from '../../lib/result.ts';
import {
  type Channels,
  copyChannel,
  newChannels,
  packChannels,
  packNodes,
  snapshotLimits,
  unpackChannels,
  unpackNodes,
} from './columns.ts';
import { changedEdges, packEdges, unpackEdges } from './edges.ts';
import { fingerprint } from './fingerprint.ts';
import { type Graph, incidence, nodeIdOf } from './graph.ts';
import { bad, Packer, PackFault, type SnapshotError, Unpacker, unpacked } from './pack.ts';
import type { Snapshot } from './snapshot.ts';

/** "bkd" and the version. */
const MAGIC = Uint8Array.of(0x62, 0x6b, 0x64, 1);
const NOBODY = 0xffff_ffff;

/** Two lists in order: which of the first are gone from the second, which of the second are new, and the pairs that are the same. */
type Diff = { readonly gone: readonly number[]; readonly came: readonly number[]; readonly same: readonly (readonly [number, number])[] };

function diff(count: number, nextCount: number, order: (i: number, j: number) => number, alike: (i: number, j: number) => boolean): Diff {
  const [gone, came, same]: [number[], number[], [number, number][]] = [[], [], []];
  for (let [i, j] = [0, 0]; i < count || j < nextCount; ) {
    const step = i === count ? 1 : j === nextCount ? -1 : order(i, j);
    if (step === 0 && alike(i, j)) same.push([i, j]);
    else {
      if (step <= 0) gone.push(i);
      if (step >= 0) came.push(j);
    }
    if (step <= 0) i += 1;
    if (step >= 0) j += 1;
  }
  return { gone, came, same };
}

const pick = (graph: Graph, nodes: readonly number[]): Uint8Array => concat(...nodes.map((node) => nodeIdOf(graph, node)));

/** Both of the same chain, `to` the later one. */
export function encodeDelta(from: Snapshot, to: Snapshot): Uint8Array {
  const [old, now] = [from.graph, to.graph];
  const nodes = diff(
    old.nodeCount,
    now.nodeCount,
    (i, j) => compare(nodeIdOf(old, i), nodeIdOf(now, j)),
    () => true,
  );
  const place = new Uint32Array(old.nodeCount).fill(NOBODY);
  for (const [i, j] of nodes.same) place[i] = j;
  const channels = diff(
    old.channelCount,
    now.channelCount,
    (i, j) =>
      (old.shortChannelIds[i] ?? 0n) < (now.shortChannelIds[j] ?? 0n) ? -1 : old.shortChannelIds[i] === now.shortChannelIds[j] ? 0 : 1,
    (i, j) =>
      place[old.node1[i] ?? 0] === now.node1[j] && place[old.node2[i] ?? 0] === now.node2[j] && old.capacitySat[i] === now.capacitySat[j],
  );
  const added = newChannels(channels.came.length);
  channels.came.forEach((channel, at) => {
    copyChannel(now, channel, added, at);
    added.node1[at] = now.node1[channel] ?? 0;
    added.node2[at] = now.node2[channel] ?? 0;
  });

  const bytes = new Packer();
  bytes.bytes(concat(MAGIC, to.chainHash));
  for (const number of [from.timestamp, fingerprint(old), to.timestamp, fingerprint(now)]) bytes.varint(number);
  bytes.rising(nodes.gone);
  packNodes(bytes, pick(now, nodes.came));
  bytes.rising(channels.gone);
  packChannels(bytes, added, now.nodeCount);
  packEdges(bytes, now, changedEdges(old, now, channels.same));
  return bytes.done();
}

/** Never throws. `base` is left as it is. */
export function applyDelta(base: Snapshot, bytes: Uint8Array): Result<Snapshot, SnapshotError> {
  return unpacked(() => {
    const from = new Unpacker(bytes);
    from.magic(MAGIC);
    if (!equal(from.bytes(32), base.chainHash)) throw new PackFault('other-base', 'a delta of another chain');
    const [since, sinceNumber, timestamp, number] = [from.varint(), from.varint(), from.varint(), from.varint()];
    if (since !== base.timestamp) throw new PackFault('other-base', `a delta of the graph of ${since}, not of ${base.timestamp}`);
    if (sinceNumber !== fingerprint(base.graph)) throw new PackFault('other-base', `a delta of another graph of ${since}`);

    const { nodeIds, place } = mergeNodes(base.graph, from.rising(base.graph.nodeCount), unpackNodes(from));
    const nodeCount = nodeIds.length / 33;
    const graph = mergeChannels(base.graph, place, from.rising(base.graph.channelCount), unpackChannels(from, nodeCount));
    unpackEdges(from, graph.channels, graph.kept);
    from.end();
    const { channels } = graph;
    const next: Graph = { nodeCount, nodeIds, ...channels, ...incidence(nodeCount, channels.node1, channels.node2) };
    if (fingerprint(next) !== number) bad('not the graph that the maker of the delta had');
    return { graph: next, chainHash: base.chainHash, timestamp };
  });
}

/** `place`: for each node of the base its number from now on, or `NOBODY`. */
function mergeNodes(base: Graph, gone: Uint32Array, came: Uint8Array): { readonly nodeIds: Uint8Array; readonly place: Uint32Array } {
  const cameCount = came.length / 33;
  const count = base.nodeCount - gone.length + cameCount;
  if (count > snapshotLimits.nodes) throw new PackFault('too-big', `${count} nodes`);
  const place = new Uint32Array(base.nodeCount);
  for (const node of gone) place[node] = NOBODY;
  const nodeIds = new Uint8Array(33 * count);
  let [node, next] = [0, 0];
  for (let at = 0; at < count; at += 1) {
    while (place[node] === NOBODY) node += 1;
    const fresh = came.subarray(33 * next, 33 * next + 33);
    const order = next === cameCount ? -1 : node >= base.nodeCount ? 1 : compare(nodeIdOf(base, node), fresh);
    if (order === 0) bad('a node that is there already');
    if (order < 0) {
      nodeIds.set(nodeIdOf(base, node), 33 * at);
      place[node] = at;
      node += 1;
    } else {
      nodeIds.set(fresh, 33 * at);
      next += 1;
    }
  }
  return { nodeIds, place };
}

/** `kept`: where the channels of the base that stay are now. */
function mergeChannels(
  base: Graph,
  place: Uint32Array,
  gone: Uint32Array,
  came: Channels,
): { readonly channels: Channels; readonly kept: Uint32Array } {
  const kept = new Uint32Array(base.channelCount - gone.length);
  const count = kept.length + came.channelCount;
  if (count > snapshotLimits.channels) throw new PackFault('too-big', `${count} channels`);
  const channels = newChannels(count);
  let [channel, stays, next, left] = [0, 0, 0, 0];
  for (let at = 0; at < count; at += 1) {
    while (gone[left] === channel) {
      channel += 1;
      left += 1;
    }
    const [old, fresh] = [base.shortChannelIds[channel], came.shortChannelIds[next]];
    if (old !== undefined && old === fresh) bad('a channel that is there already');
    if (fresh === undefined || (old !== undefined && old < fresh)) {
      const [one, two] = [place[base.node1[channel] ?? 0] ?? NOBODY, place[base.node2[channel] ?? 0] ?? NOBODY];
      if (one === NOBODY || two === NOBODY) bad('a channel of a node that is gone');
      copyChannel(base, channel, channels, at);
      channels.node1[at] = one;
      channels.node2[at] = two;
      kept[stays] = at;
      channel += 1;
      stays += 1;
    } else {
      copyChannel(came, next, channels, at);
      channels.node1[at] = came.node1[next] ?? 0;
      channels.node2[at] = came.node2[next] ?? 0;
      next += 1;
    }
  }
  return { channels, kept };
}
