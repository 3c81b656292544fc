/**
 * Nodes and channels of a graph, field by field, as snapshots and deltas carry them.
 *
 * Ids of nodes ascend, so their first bytes are small steps. Policies stand in the order of the nodes that ask for them, for a node asks
 * much the same on all its channels. Most `htlc_maximum_msat` are the capacity, or 99 % of it (what LND leaves after the reserve).
 * A direction without `channel_update` has no policy here: its other fields are read back as 0.
 */
import { type Graph, incidence } from './graph.ts';
import { bad, type Packer, PackFault, type Unpacker } from './pack.ts';

/** Far above what is public today; for a reader they bound what hostile bytes can take, with some 15 bytes of memory for each byte that came. */
export const snapshotLimits = { nodes: 200_000, channels: 500_000 } as const;

/** 22,517 bitcoin: no channel holds more, and sums of two are exact. */
export const MAX_MSAT = 2 ** 51;
const MAX_SAT = Math.floor(MAX_MSAT / 1000);
/** Two numbers stand for others. */
export const MAX_PACKED_MSAT = MAX_MSAT + 2;

/** What a graph has for each channel and each of its two directed edges. */
export type Channels = Omit<Graph, 'nodeCount' | 'nodeIds' | 'firstIn' | 'inEdges'>;

export function newChannels(channelCount: number): Channels {
  const edges = 2 * channelCount;
  return {
    channelCount,
    shortChannelIds: new BigUint64Array(channelCount),
    node1: new Uint32Array(channelCount),
    node2: new Uint32Array(channelCount),
    capacitySat: new Float64Array(channelCount),
    flags: new Uint8Array(edges),
    cltvExpiryDelta: new Uint16Array(edges),
    feeBaseMsat: new Uint32Array(edges),
    feeProportionalMillionths: new Uint32Array(edges),
    htlcMinimumMsat: new Float64Array(edges),
    htlcMaximumMsat: new Float64Array(edges),
    timestamp: new Uint32Array(edges),
  };
}

/** The fields of an edge that are plain columns, with the most that each may be. */
export const policyColumns = [
  ['cltvExpiryDelta', 0xffff],
  ['feeBaseMsat', 0xffff_ffff],
  ['feeProportionalMillionths', 0xffff_ffff],
  ['htlcMinimumMsat', MAX_MSAT],
] as const;

/** All that is said of channel `i` of one graph, to place `at` of another; its ends are the caller's, for they are numbers of nodes. */
export function copyChannel(from: Channels, i: number, to: Channels, at: number): void {
  to.shortChannelIds[at] = from.shortChannelIds[i] ?? 0n;
  to.capacitySat[at] = from.capacitySat[i] ?? 0;
  for (const direction of [0, 1]) copyEdge(from, 2 * i + direction, to, 2 * at + direction);
}

function copyEdge(from: Channels, edge: number, to: Channels, at: number): void {
  to.flags[at] = from.flags[edge] ?? 0;
  to.cltvExpiryDelta[at] = from.cltvExpiryDelta[edge] ?? 0;
  to.feeBaseMsat[at] = from.feeBaseMsat[edge] ?? 0;
  to.feeProportionalMillionths[at] = from.feeProportionalMillionths[edge] ?? 0;
  to.htlcMinimumMsat[at] = from.htlcMinimumMsat[edge] ?? 0;
  to.htlcMaximumMsat[at] = from.htlcMaximumMsat[edge] ?? 0;
  to.timestamp[at] = from.timestamp[edge] ?? 0;
}

/** 0 and 1 stand for the capacity and for 99 % of it. */
export function packMaximum(capacitySat: number, msat: number): number {
  return msat === 1000 * capacitySat ? 0 : msat === 990 * capacitySat ? 1 : msat + 2;
}
export function unpackMaximum(capacitySat: number, packed: number): number {
  return packed === 0 ? 1000 * capacitySat : packed === 1 ? 990 * capacitySat : packed - 2;
}

const PREFIX = 3;
const prefix = (ids: Uint8Array, node: number): number =>
  ((ids[33 * node + 1] ?? 0) << 16) | ((ids[33 * node + 2] ?? 0) << 8) | (ids[33 * node + 3] ?? 0);

/** `ids`: 33 bytes each, ascending. */
export function packNodes(to: Packer, ids: Uint8Array): void {
  const count = ids.length / 33;
  let even = 0;
  while (even < count && ids[33 * even] === 2) even += 1;
  to.varint(count);
  to.varint(even);
  const steps = Array.from({ length: count }, (_, i) => prefix(ids, i) - (i === 0 || i === even ? 0 : prefix(ids, i - 1)));
  for (const shift of [0, 8, 16]) for (const step of steps) to.byte((step >> shift) & 255);
  for (let i = 0; i < count; i += 1) to.bytes(ids.subarray(33 * i + 1 + PREFIX, 33 * i + 33));
}

export function unpackNodes(from: Unpacker): Uint8Array {
  const [count, even] = [from.varint(), from.varint()];
  if (count > snapshotLimits.nodes) throw new PackFault('too-big', `${count} nodes`);
  if (even > count) bad('more nodes of a kind than nodes');
  from.holds(count, 32, 'nodes');
  const [low, middle, high] = [from.bytes(count), from.bytes(count), from.bytes(count)];
  const rest = from.bytes((32 - PREFIX) * count);
  const ids = new Uint8Array(33 * count);
  let value = 0;
  for (let i = 0; i < count; i += 1) {
    const step = (low[i] ?? 0) | ((middle[i] ?? 0) << 8) | ((high[i] ?? 0) << 16);
    value = i === even ? step : value + step;
    if (value > 0xff_ffff) bad('a node id out of order');
    const at = 33 * i;
    ids[at] = i < even ? 2 : 3;
    ids[at + 1] = value >> 16;
    ids[at + 2] = value >> 8;
    ids[at + 3] = value;
    ids.set(rest.subarray((32 - PREFIX) * i, (32 - PREFIX) * (i + 1)), at + 1 + PREFIX);
    if (step === 0 && i > 0 && i !== even && !ascends(ids, at)) bad('a node id out of order');
  }
  return ids;
}

/** The 33 bytes at `at` are more than the 33 before them. */
function ascends(ids: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 33; i += 1) {
    const difference = (ids[i] ?? 0) - (ids[i - 33] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** Directed edges by the node that they start from: what a node asks for stands together. */
function bySource(inEdges: Uint32Array, flags: Uint8Array): Uint32Array {
  const order = new Uint32Array(inEdges.length);
  let count = 0;
  for (const edge of inEdges) {
    if (flags[edge ^ 1] === 0) continue;
    order[count] = edge ^ 1;
    count += 1;
  }
  return order.subarray(0, count);
}

const planes = (to: Packer, values: ArrayLike<number>): void => {
  for (const shift of [0, 8, 16]) for (let i = 0; i < values.length; i += 1) to.byte(((values[i] ?? 0) >> shift) & 255);
};
function unpackPlanes(from: Unpacker, into: Uint32Array): void {
  const count = into.length;
  const [low, middle, high] = [from.bytes(count), from.bytes(count), from.bytes(count)];
  for (let i = 0; i < count; i += 1) into[i] = (low[i] ?? 0) | ((middle[i] ?? 0) << 8) | ((high[i] ?? 0) << 16);
}

/** Ascending; no bigint is made for what is two words of the machine. */
function unpackShortChannelIds(from: Unpacker, into: BigUint64Array): void {
  const count = into.length;
  const [blocks, transactions] = [new Uint32Array(count), new Uint32Array(count)];
  let block = 0;
  for (let i = 0; i < count; i += 1) {
    block += from.varint();
    if (block > 0xff_ffff) bad('a block height of more than 3 bytes');
    blocks[i] = block;
  }
  unpackPlanes(from, transactions);
  const words = new Uint32Array(into.buffer);
  const lowFirst = new Uint8Array(Uint32Array.of(1).buffer)[0] ?? 0;
  let [high, low] = [-1, 0];
  for (let i = 0; i < count; i += 1) {
    const output = from.varint();
    if (output > 0xffff) bad('an output index of more than 2 bytes');
    const transaction = transactions[i] ?? 0;
    const [highBefore, lowBefore] = [high, low];
    high = (blocks[i] ?? 0) * 256 + (transaction >> 16);
    low = (transaction & 0xffff) * 65_536 + output;
    if (high < highBefore || (high === highBefore && low <= lowBefore)) bad('a short channel id out of order');
    words[2 * i + lowFirst] = high;
    words[2 * i + 1 - lowFirst] = low;
  }
}

/** The channels' short ids ascend; their ends are numbers of nodes below `nodeCount`. */
export function packChannels(to: Packer, channels: Channels, nodeCount: number): void {
  const { channelCount, shortChannelIds, node1, node2, capacitySat, flags, htlcMaximumMsat, timestamp } = channels;
  const scids = [...shortChannelIds];
  to.varint(channelCount);
  let last = 0;
  for (const scid of scids) {
    const block = Number(scid >> 40n);
    to.varint(block - last);
    last = block;
  }
  planes(
    to,
    scids.map((scid) => Number((scid >> 16n) & 0xff_ffffn)),
  );
  for (const scid of scids) to.varint(Number(scid & 0xffffn));
  planes(to, node1);
  planes(to, node2);
  to.column([...capacitySat], MAX_SAT);
  for (let i = 0; i < 2 * channelCount; i += 4)
    to.byte([0, 1, 2, 3].reduce((sum, place) => sum | ((flags[i + place] ?? 0) << (2 * place)), 0));
  const order = bySource(incidence(nodeCount, node1, node2).inEdges, flags);
  for (const [field, most] of policyColumns)
    to.column(
      Array.from(order, (edge) => channels[field][edge] ?? 0),
      most,
    );
  to.column(
    Array.from(order, (edge) => packMaximum(capacitySat[edge >> 1] ?? 0, htlcMaximumMsat[edge] ?? 0)),
    MAX_PACKED_MSAT,
  );
  to.times(Array.from(order, (edge) => timestamp[edge] ?? 0));
}

export function unpackChannels(from: Unpacker, nodeCount: number): Channels & Pick<Graph, 'firstIn' | 'inEdges'> {
  const count = from.varint();
  if (count > snapshotLimits.channels) throw new PackFault('too-big', `${count} channels`);
  from.holds(count, 12, 'channels');
  const channels = newChannels(count);
  const { node1, node2, capacitySat, flags, htlcMaximumMsat, timestamp } = channels;
  unpackShortChannelIds(from, channels.shortChannelIds);
  unpackPlanes(from, node1);
  unpackPlanes(from, node2);
  for (let i = 0; i < count; i += 1) {
    const end = node2[i] ?? 0;
    if (end >= nodeCount || (node1[i] ?? 0) >= end) bad('ends of a channel out of order');
  }
  capacitySat.set(from.column(count, MAX_SAT));
  const packed = from.bytes(Math.ceil(count / 2));
  for (let edge = 0; edge < 2 * count; edge += 1) {
    const flag = ((packed[edge >> 2] ?? 0) >> (2 * (edge & 3))) & 3;
    if (flag === 2) bad('a direction that is disabled and not known');
    flags[edge] = flag;
  }
  const ends = incidence(nodeCount, node1, node2);
  const order = bySource(ends.inEdges, flags);
  for (const [field, most] of policyColumns) {
    const column = from.column(order.length, most);
    const values = channels[field];
    for (let i = 0; i < column.length; i += 1) values[order[i] ?? 0] = column[i] ?? 0;
  }
  const maximums = from.column(order.length, MAX_PACKED_MSAT);
  const times = from.times(order.length);
  for (let i = 0; i < order.length; i += 1) {
    const edge = order[i] ?? 0;
    htlcMaximumMsat[edge] = unpackMaximum(capacitySat[edge >> 1] ?? 0, maximums[i] ?? 0);
    timestamp[edge] = times[i] ?? 0;
  }
  return { ...channels, ...ends };
}
