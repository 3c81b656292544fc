/**
 * The graph as one query sees it: with the edges of hints and blinded tails behind it (numbers from `2 · channelCount` on), nodes that only
 * those know (from `nodeCount` on), what was learned, what is avoided, and what parts that were found already take up. The graph itself is
 * never written: whatever differs from it stands in `terms`, by edge.
 */
import { equal } from '../../lib/bytes.ts';
import { channelIndex, edgeFrom, edgeTo, type Graph, nodeIdOf, nodeIndex } from '../gossip/graph.ts';
import type { Range } from './chance.ts';
import { type EdgeName, edgeBetween, edgeUnder, rangeOf } from './liquidity.ts';
import { capacityOf, isUsable } from './offers.ts';
import type { LocalChannel, RouteQuery } from './query.ts';

/** What an edge asks for. Amounts are numbers: below 2^53 they are as exact as bigints. */
export type EdgeTerms = {
  readonly usable: boolean;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimumMsat: number;
  readonly htlcMaximumMsat: number;
  readonly range: Range;
  reservedMsat: number;
};
export type Extra = { readonly from: number; readonly to: number; readonly shortChannelId: bigint; readonly blinded?: number };
/** `leftMsat`: of the sendable amount, after the parts that were found. */
export type Slot = { readonly channel: LocalChannel; readonly minimumMsat: number; leftMsat: number };

export type Net = {
  readonly graph: Graph;
  readonly nodeCount: number;
  readonly target: number;
  /** Ends in blinded tails: the last edge has no layer of the onion. */
  readonly isBlinded: boolean;
  readonly strangers: readonly Uint8Array[];
  readonly extras: readonly Extra[];
  /** Edges that are not among the graph's `Offers`: those of `extras`, and some of the graph that are usable by what was learned. */
  readonly extrasInto: ReadonlyMap<number, readonly number[]>;
  readonly slots: ReadonlyMap<number, readonly Slot[]>;
  /** No route leads through these. */
  readonly closed: readonly number[];
  readonly terms: Map<number, EdgeTerms>;
  /** For each edge of the graph: 1 where `terms` says more than the graph. */
  readonly marks: Uint8Array;
};

const UNKNOWN = Number.POSITIVE_INFINITY;

export function makeNet(query: RouteQuery): Net {
  const { graph, payee, hints, blinded = [], locals, payer, avoid = {}, inFlight = [], liquidity } = query;
  const strangers: Uint8Array[] = [];
  const numberOf = (id: Uint8Array): number => {
    const inGraph = nodeIndex(graph, id);
    if (inGraph >= 0) return inGraph;
    const met = strangers.findIndex((stranger) => equal(stranger, id));
    return graph.nodeCount + (met >= 0 ? met : strangers.push(id) - 1);
  };
  const isBlinded = blinded.length > 0;
  const target = isBlinded ? graph.nodeCount + strangers.push(new Uint8Array()) - 1 : numberOf(payee);

  const terms = new Map<number, EdgeTerms>();
  const extras: Extra[] = [];
  const extrasInto = new Map<number, number[]>();
  const named = new Map<EdgeName, number[]>();
  const addExtra = (extra: Extra, offered: Omit<EdgeTerms, 'usable' | 'range' | 'reservedMsat'>, name?: EdgeName): void => {
    const edge = 2 * graph.channelCount + extras.push(extra) - 1;
    extrasInto.set(extra.to, [...(extrasInto.get(extra.to) ?? []), edge]);
    const bounds = name === undefined ? undefined : liquidity.bounds[name];
    terms.set(edge, { ...offered, usable: true, range: rangeOf(bounds, UNKNOWN, query.now), reservedMsat: 0 });
    if (name !== undefined) named.set(name, [...(named.get(name) ?? []), edge]);
  };
  if (!isBlinded) {
    for (const hops of hints) {
      for (const [i, { nodeId, shortChannelId, ...offered }] of hops.entries()) {
        const next = hops[i + 1]?.nodeId ?? payee;
        const name = edgeBetween(shortChannelId, nodeId, next);
        const extra = { from: numberOf(nodeId), to: numberOf(next), shortChannelId };
        addExtra(extra, { ...offered, htlcMinimumMsat: 0, htlcMaximumMsat: UNKNOWN }, name);
      }
    }
  }
  for (const [i, { introduction, htlcMinimumMsat, htlcMaximumMsat, ...offered }] of blinded.entries()) {
    const limits = { htlcMinimumMsat: Number(htlcMinimumMsat), htlcMaximumMsat: Number(htlcMaximumMsat) };
    addExtra({ from: numberOf(introduction), to: target, shortChannelId: 0n, blinded: i }, { ...offered, ...limits });
  }

  const slots = new Map<number, Slot[]>();
  for (const channel of locals) {
    const at = numberOf(channel.peerId);
    const slot = { channel, minimumMsat: Number(channel.htlcMinimumMsat ?? 0n), leftMsat: Number(channel.sendableMsat) };
    slots.set(at, [...(slots.get(at) ?? []), slot]);
  }

  const edgesNamed = (name: EdgeName): readonly number[] => {
    const [id = '', direction] = name.split('/');
    const channel = channelIndex(graph, BigInt(id));
    return [...(channel < 0 ? [] : [2 * channel + Number(direction)]), ...(named.get(name) ?? [])];
  };
  const change = (name: EdgeName, changed: (before: EdgeTerms) => Partial<EdgeTerms>): void => {
    for (const edge of edgesNamed(name)) {
      const before = terms.get(edge) ?? graphTerms(graph, edge);
      terms.set(edge, { ...before, ...changed(before) });
    }
  };
  for (const [name, bounds] of Object.entries(liquidity.bounds)) {
    change(name, ({ range }) => ({ range: rangeOf(bounds, range.capacity, query.now) }));
  }
  for (const [name, { disabled, timestamp, ...offered }] of Object.entries(liquidity.policies)) {
    for (const edge of edgesNamed(name)) {
      if ((graph.timestamp[edge] ?? 0) > timestamp) continue;
      const before = terms.get(edge) ?? graphTerms(graph, edge);
      terms.set(edge, { ...before, ...offered, usable: !disabled });
    }
  }
  for (const name of avoid.edges ?? []) change(name, () => ({ usable: false }));
  for (const htlcs of inFlight) {
    for (const [i, { amountMsat }] of htlcs.entries()) {
      const name = edgeUnder(htlcs, i);
      if (name !== undefined) change(name, ({ reservedMsat }) => ({ reservedMsat: reservedMsat + Number(amountMsat) }));
    }
  }
  const closed = [...(payer === undefined ? [] : [payer]), ...(avoid.nodes ?? [])].map(numberOf);
  const nodeCount = graph.nodeCount + strangers.length;
  const marks = new Uint8Array(2 * graph.channelCount);
  for (const [edge, { usable }] of terms) {
    if (edge >= marks.length) continue;
    marks[edge] = 1;
    if (usable && !isUsable(graph, edge)) extrasInto.set(edgeTo(graph, edge), [...(extrasInto.get(edgeTo(graph, edge)) ?? []), edge]);
  }
  return { graph, nodeCount, target, isBlinded, strangers, extras, extrasInto, slots, closed, terms, marks };
}

/** What the graph alone says. */
export function graphTerms(graph: Graph, edge: number): EdgeTerms {
  const capacity = capacityOf(graph, edge);
  return {
    usable: isUsable(graph, edge),
    feeBaseMsat: graph.feeBaseMsat[edge] ?? 0,
    feeProportionalMillionths: graph.feeProportionalMillionths[edge] ?? 0,
    cltvExpiryDelta: graph.cltvExpiryDelta[edge] ?? 0,
    htlcMinimumMsat: graph.htlcMinimumMsat[edge] ?? 0,
    htlcMaximumMsat: graph.htlcMaximumMsat[edge] ?? 0,
    range: { capacity, low: 0, high: capacity },
    reservedMsat: 0,
  };
}

export const termsOf = (net: Net, edge: number): EdgeTerms => net.terms.get(edge) ?? graphTerms(net.graph, edge);

const extraAt = ({ graph, extras }: Net, edge: number): Extra | undefined => extras[edge - 2 * graph.channelCount];
export const startOf = (net: Net, edge: number): number => extraAt(net, edge)?.from ?? edgeFrom(net.graph, edge);
export const endOf = (net: Net, edge: number): number => extraAt(net, edge)?.to ?? edgeTo(net.graph, edge);
export const blindedOf = (net: Net, edge: number): number | undefined => extraAt(net, edge)?.blinded;
export const shortChannelIdOf = (net: Net, edge: number): bigint =>
  extraAt(net, edge)?.shortChannelId ?? net.graph.shortChannelIds[edge >> 1] ?? 0n;
export const idOf = ({ graph, strangers }: Net, node: number): Uint8Array =>
  node < graph.nodeCount ? nodeIdOf(graph, node).slice() : (strangers[node - graph.nodeCount] ?? new Uint8Array());

/** Room for a part on its edges; a negative amount gives it back. */
export function reserve(net: Net, edge: number, amountMsat: number): void {
  const terms = termsOf(net, edge);
  terms.reservedMsat += amountMsat;
  net.terms.set(edge, terms);
  if (edge < net.marks.length) net.marks[edge] = 1;
}
