/**
 * One part's path: Dijkstra's search from the payee back to our peers, for there the amount is known, and each node before it adds its fee
 * (BOLT 7 § HTLC Fees) and its blocks. The cost of an edge is its fee, a price for the time our money may be held, and −ln of its chance of
 * success times what a failed try is worth avoiding. A node has one label: what is left out for a limit may hide a way that obeys it, which
 * `Limited` tells, so that the caller can search with other weights.
 */
import { HOP_MISS, missOf, missOfNew } from './chance.ts';
import { raise, scratchFor, take } from './heap.ts';
import { endOf, type Net, type Slot, startOf } from './net.ts';
import { OFFER, offersOf } from './offers.ts';

/** Of an edge's fee, its blocks, the −ln of its chance, and itself. */
export type Weights = { readonly fee: number; readonly block: number; readonly miss: number; readonly hop: number };
export type Limits = {
  readonly feeMsat: number;
  readonly blocks: number;
  readonly hops: number;
  /** `others`: our own channels send whatever is wished; `ways`: nor does any edge ask for a least amount. */
  readonly heed: 'all' | 'others' | 'ways';
};
/** Which limits something was left out for. */
export type Limited = { readonly fee: boolean; readonly blocks: boolean; readonly hops: boolean };
/** `edges` lead from our peer to the payee. */
export type Path = { readonly slot: Slot; readonly edges: readonly number[] };

/** The cost of a node whose label cannot get better. */
const FINAL = Number.NEGATIVE_INFINITY;

/** BOLT 7: "fee_base_msat + ( amount_to_forward * fee_proportional_millionths / 1000000 )", exact for amounts below 2^53. */
export function feeOf(amountMsat: number, feeBaseMsat: number, feeProportionalMillionths: number): number {
  const millions = Math.floor(amountMsat / 1e6);
  return feeBaseMsat + millions * feeProportionalMillionths + Math.floor(((amountMsat - millions * 1e6) * feeProportionalMillionths) / 1e6);
}

/** The channel with the least that is enough: large ones are kept for large amounts. */
export function slotFor(slots: readonly Slot[] | undefined, amountMsat: number, limits: Limits): Slot | undefined {
  let best: Slot | undefined;
  for (const slot of slots ?? []) {
    if ((limits.heed !== 'ways' && amountMsat < slot.minimumMsat) || (limits.heed === 'all' && amountMsat > slot.leftMsat)) continue;
    if (best === undefined || slot.leftMsat < best.leftMsat) best = slot;
  }
  return best;
}

export function search(net: Net, amountMsat: number, limits: Limits, weights: Weights): Path | Limited {
  const { graph, nodeCount, target, slots, marks, extrasInto } = net;
  const offers = offersOf(graph);
  const { first, edges, from: starts, terms } = offers;
  const scratch = scratchFor(nodeCount);
  const { cost, amountMsat: arriving, blocks, hops, edge: onward } = scratch;
  const limited = { fee: false, blocks: false, hops: false };
  const most = amountMsat + limits.feeMsat;
  const { fee: feeWeight, block: blockWeight, miss: missWeight } = weights;
  const hopWeight = weights.hop + missWeight * HOP_MISS;

  for (const node of net.closed) cost[node] = FINAL;
  if (cost[target] === FINAL) return limited;
  cost[target] = 0;
  arriving[target] = amountMsat;
  blocks[target] = 0;
  hops[target] = net.isBlinded ? 0 : 1;
  onward[target] = -1;
  raise(scratch, target, 0, true);

  while (scratch.length > 0) {
    const node = take(scratch);
    const costHere = cost[node] ?? 0;
    cost[node] = FINAL;
    const amount = arriving[node] ?? 0;
    const here = slots.get(node);
    const slot = here && slotFor(here, amount, limits);
    if (slot !== undefined) return { slot, edges: edgesFrom(net, onward, node) };
    const blocksHere = blocks[node] ?? 0;
    const hopsHere = (hops[node] ?? 0) + 1;
    if (hopsHere > limits.hops) {
      limited.hops = true;
      continue;
    }
    const millions = Math.floor(amount / 1e6);
    const rest = amount - millions * 1e6;
    const begin = node < graph.nodeCount ? (first[node] ?? 0) : 0;
    const end = node < graph.nodeCount ? (first[node + 1] ?? 0) : 0;
    const extras = extrasInto.get(node);
    const count = end + (extras === undefined ? 0 : extras.length);
    for (let i = begin; i < count; i += 1) {
      const isOffer = i < end;
      const edge = isOffer ? (edges[i] ?? 0) : (extras?.[i - end] ?? 0);
      const from = isOffer ? (starts[i] ?? 0) : startOf(net, edge);
      const before = cost[from] ?? 0;
      if (before === FINAL) continue;
      const line = OFFER * i;
      const told = isOffer && marks[edge] === 0 ? undefined : net.terms.get(edge);
      const isPlain = told === undefined;
      const ppm = isPlain ? (terms[line + 4] ?? 0) : told.feeProportionalMillionths;
      const fee = (isPlain ? (terms[line + 3] ?? 0) : told.feeBaseMsat) + millions * ppm + Math.floor((rest * ppm) / 1e6);
      const delta = isPlain ? (terms[line + 5] ?? 0) : told.cltvExpiryDelta;
      const least = costHere + feeWeight * fee + blockWeight * delta + hopWeight;
      if (least >= before) continue;

      const capacity = isPlain ? (terms[line + 2] ?? 0) : told.range.high - told.reservedMsat;
      if (amount > capacity || amount > (isPlain ? (terms[line + 1] ?? 0) : told.htlcMaximumMsat)) continue;
      if (told?.usable === false) continue;
      if (amount < (isPlain ? (terms[line] ?? 0) : told.htlcMinimumMsat) && limits.heed !== 'ways') continue;
      if (amount + fee > most) {
        limited.fee = true;
        continue;
      }
      if (blocksHere + delta > limits.blocks) {
        limited.blocks = true;
        continue;
      }
      const miss = missWeight === 0 ? 0 : isPlain ? missOfNew(amount, capacity) : missOf(amount, told.reservedMsat, told.range);
      const whole = least + missWeight * miss;
      if (whole >= before) continue;
      cost[from] = whole;
      arriving[from] = amount + fee;
      blocks[from] = blocksHere + delta;
      hops[from] = hopsHere;
      onward[from] = edge;
      raise(scratch, from, whole, before === Number.POSITIVE_INFINITY);
    }
  }
  return limited;
}

function edgesFrom(net: Net, onward: Int32Array, node: number): readonly number[] {
  const edges: number[] = [];
  let edge = onward[node] ?? -1;
  while (edge >= 0) {
    edges.push(edge);
    edge = onward[endOf(net, edge)] ?? -1;
  }
  return edges;
}
