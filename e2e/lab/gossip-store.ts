/**
 * The real channel graph of mainnet for tests and benches: reads the form that Core Lightning's `gossmap-compress` writes.
 *
 * The file has the shape of the network and its policies, but names nobody and dates nothing. So what is made up here, always the same:
 * node ids (33 bytes that need not be points of the curve), short channel ids (spread evenly over the blocks of the network's life, in an
 * order that has nothing to do with the nodes) and timestamps (in the two weeks before the day of the file). Each is as hard to compress as
 * real ones can be. The file's directions go by the real ids, which it does not have: of each channel it is lost which end asks for which of
 * its two policies, so a node's own policies are mixed with those of its neighbours. Of a disabled direction the file keeps no policy; it is here as known and disabled, free, up to the capacity.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { edgeFlags, type Graph, incidence } from '../../shared/ln/gossip/graph.ts';

const HEADER = 'GOSSMAP_COMPRESSv1\0';
/** 2026-02-03 00:00 UTC. */
export const REAL_GRAPH_TIME = 1_770_076_800;
const TWO_WEEKS = 14 * 24 * 3600;
const [FIRST_BLOCK, LAST_BLOCK, TRANSACTIONS] = [505_000, 934_900, 3_500];

/** Numbers below `bound` that look like chance and are the same each time. */
export function dice(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

type Numbers = { readonly next: () => number; readonly list: (count: number) => number[]; readonly done: () => boolean };

function bigsizes(bytes: Uint8Array, from: number): Numbers {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = from;
  const next = (): number => {
    const first = view.getUint8(at);
    const size = first < 0xfd ? 0 : 2 ** (first - 0xfc);
    at += 1 + size;
    if (size === 0) return first;
    if (size === 2) return view.getUint16(at - 2);
    return size === 4 ? view.getUint32(at - 4) : Number(view.getBigUint64(at - 8));
  };
  return { next, list: (count) => Array.from({ length: count }, next), done: () => at === bytes.length };
}

/** A list of the distinct values, then for each place which of them it has. */
function column({ next, list }: Numbers, count: number): number[] {
  const values = list(next());
  return list(count).map((i) => values[i] ?? Number.NaN);
}

const madeUpId = (node: number): Uint8Array => {
  const digest = createHash('sha256').update(`node ${node}`).digest();
  return Uint8Array.from([2 + ((digest[31] ?? 0) & 1), ...createHash('sha256').update(digest).digest()]);
};

function madeUpShortChannelIds(count: number): BigUint64Array {
  const roll = dice(7);
  const ids = new Set<bigint>();
  while (ids.size < count) {
    const block = FIRST_BLOCK + roll(LAST_BLOCK - FIRST_BLOCK);
    ids.add((BigInt(block) << 40n) | (BigInt(1 + roll(TRANSACTIONS)) << 16n) | BigInt(roll(8) === 0 ? 2 + roll(20) : roll(2)));
  }
  return BigUint64Array.from(ids).sort();
}

/** For each channel, by its rank in the order of their ids, which one of the file it is. */
function shuffled(count: number): number[] {
  const roll = dice(11);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = roll(i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

/** Throws where the bytes are not that form: it is a file of ours. */
export function parseGossipStore(file: Uint8Array): Graph {
  const bytes = gunzipSync(file);
  if (bytes.subarray(0, HEADER.length).toString('latin1') !== HEADER) throw new Error('not a compressed gossip store');
  const numbers = bigsizes(bytes, HEADER.length);
  const channelCount = numbers.next();
  const edgeCount = 2 * channelCount;
  const starts = numbers.list(channelCount);
  const ends = numbers.list(channelCount);
  const nodeCount = [...starts, ...ends].reduce((most, node) => Math.max(most, node + 1), 0);
  const disabled = new Set<number>();
  for (let edge = numbers.next(); edge < edgeCount; edge = numbers.next()) disabled.add(edge);
  const capacities = column(numbers, channelCount);
  const [minimums, maximums, bases, proportionals, deltas] = [0, 1, 2, 3, 4].map(() => column(numbers, edgeCount));
  if (!numbers.done() || !minimums || !maximums || !bases || !proportionals || !deltas) throw new Error('bytes after the last column');

  // Nodes by their made-up ids, ascending, as a `Graph` has them.
  const ids = Array.from({ length: nodeCount }, (_, node) => ({ node, id: madeUpId(node) }));
  ids.sort((a, b) => Buffer.compare(a.id, b.id));
  const nodeIds = new Uint8Array(33 * nodeCount);
  const places = new Uint32Array(nodeCount);
  for (const [place, { node, id }] of ids.entries()) {
    nodeIds.set(id, 33 * place);
    places[node] = place;
  }

  const node1 = new Uint32Array(channelCount);
  const node2 = new Uint32Array(channelCount);
  const capacitySat = new Float64Array(channelCount);
  const flags = new Uint8Array(edgeCount);
  const cltvExpiryDelta = new Uint16Array(edgeCount);
  const feeBaseMsat = new Uint32Array(edgeCount);
  const feeProportionalMillionths = new Uint32Array(edgeCount);
  const htlcMinimumMsat = new Float64Array(edgeCount);
  const htlcMaximumMsat = new Float64Array(edgeCount);
  const timestamp = new Uint32Array(edgeCount);
  const roll = dice(13);
  for (const [channel, theirs] of shuffled(channelCount).entries()) {
    const [start = 0, end = 0] = [places[starts[theirs] ?? 0], places[ends[theirs] ?? 0]];
    const capacity = capacities[theirs] ?? 0;
    node1[channel] = Math.min(start, end);
    node2[channel] = Math.max(start, end);
    capacitySat[channel] = capacity;
    for (const direction of [0, 1]) {
      const from = 2 * theirs + direction;
      // Taken as from `start` to `end` and back, as Core Lightning does when it unpacks the file.
      const edge = 2 * channel + (start < end ? direction : 1 - direction);
      const maximum = maximums[from] ?? 0;
      flags[edge] = disabled.has(from) ? edgeFlags.known | edgeFlags.disabled : edgeFlags.known;
      cltvExpiryDelta[edge] = deltas[from] ?? 0;
      feeBaseMsat[edge] = bases[from] ?? 0;
      feeProportionalMillionths[edge] = proportionals[from] ?? 0;
      htlcMinimumMsat[edge] = minimums[from] ?? 0;
      // Two values stand for the capacity and for 99 % of it.
      htlcMaximumMsat[edge] = maximum === 0 ? 1000 * capacity : maximum === 1 ? 990 * capacity : maximum;
      timestamp[edge] = REAL_GRAPH_TIME - 1 - roll(TWO_WEEKS);
    }
  }
  return {
    nodeCount,
    channelCount,
    nodeIds,
    shortChannelIds: madeUpShortChannelIds(channelCount),
    node1,
    node2,
    capacitySat,
    flags,
    cltvExpiryDelta,
    feeBaseMsat,
    feeProportionalMillionths,
    htlcMinimumMsat,
    htlcMaximumMsat,
    timestamp,
    ...incidence(nodeCount, node1, node2),
  };
}

export const realGraph = (): Graph =>
  parseGossipStore(readFileSync(join(import.meta.dirname, '../data/gossip-store-2026-02-03.compressed')));
