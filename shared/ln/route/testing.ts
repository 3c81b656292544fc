/** Small graphs for tests: nodes are letters, channels are said in a line each. */
import { compare, equal } from '../../lib/bytes.ts';
import { channelIndex, edgeFlags, edgeFrom, edgeTo, type Graph, incidence, nodeIdOf } from '../gossip/graph.ts';
import type { RouteHtlc } from '../onion/route.ts';
import type { Range } from './chance.ts';
import { noLiquidity, rangeOf } from './liquidity.ts';
import type { LocalChannel, Route, RouteError, RouteQuery } from './query.ts';

export type Said = {
  readonly feeBaseMsat?: number;
  readonly feeProportionalMillionths?: number;
  readonly cltvExpiryDelta?: number;
  readonly htlcMinimumMsat?: number;
  readonly htlcMaximumMsat?: number;
  readonly disabled?: boolean;
  readonly timestamp?: number;
};
/** `there`: from the first node to the second; `back`: the other way. Undefined: no `channel_update`. */
export type ChannelSaid = {
  readonly id: number;
  readonly ends: readonly [string, string];
  readonly capacitySat?: number;
  readonly there?: Said;
  readonly back?: Said;
};

/** 33 bytes with the order of the letters. */
export const nodeOf = (name: string): Uint8Array =>
  Uint8Array.from({ length: 33 }, (_, i) => (i === 0 ? 2 : (name.charCodeAt(i - 1) || 0) & 0xff));
export const nameOf = (id: Uint8Array): string => String.fromCharCode(...id.subarray(1).filter((byte) => byte !== 0));

export function graphOf(channels: readonly ChannelSaid[]): Graph {
  const ids = [...new Set(channels.flatMap(({ ends }) => ends))].map(nodeOf).sort(compare);
  const sorted = [...channels].sort((a, b) => a.id - b.id);
  const numberOf = (name: string): number => ids.findIndex((id) => equal(id, nodeOf(name)));
  const pairs = sorted.map(({ ends: [a, b] }) => [Math.min(numberOf(a), numberOf(b)), Math.max(numberOf(a), numberOf(b))] as const);
  const node1 = Uint32Array.from(pairs, ([first]) => first);
  const node2 = Uint32Array.from(pairs, ([, second]) => second);
  const edges = sorted.flatMap(({ ends: [a, b], there, back }) => (numberOf(a) < numberOf(b) ? [there, back] : [back, there]));
  const nodeIds = new Uint8Array(33 * ids.length);
  ids.forEach((id, i) => {
    nodeIds.set(id, 33 * i);
  });
  return {
    nodeCount: ids.length,
    channelCount: sorted.length,
    nodeIds,
    shortChannelIds: BigUint64Array.from(sorted, ({ id }) => BigInt(id)),
    node1,
    node2,
    capacitySat: Float64Array.from(sorted, ({ capacitySat = 0 }) => capacitySat),
    flags: Uint8Array.from(edges, (said) => (said === undefined ? 0 : edgeFlags.known | (said.disabled ? edgeFlags.disabled : 0))),
    cltvExpiryDelta: Uint16Array.from(edges, (said) => said?.cltvExpiryDelta ?? 40),
    feeBaseMsat: Uint32Array.from(edges, (said) => said?.feeBaseMsat ?? 0),
    feeProportionalMillionths: Uint32Array.from(edges, (said) => said?.feeProportionalMillionths ?? 0),
    htlcMinimumMsat: Float64Array.from(edges, (said) => said?.htlcMinimumMsat ?? 1),
    htlcMaximumMsat: Float64Array.from(edges, (said) => said?.htlcMaximumMsat ?? 1e12),
    timestamp: Uint32Array.from(edges, (said) => said?.timestamp ?? 1),
    ...incidence(ids.length, node1, node2),
  };
}

export const local = (peer: string, sendableSat: number, n = 1): LocalChannel => ({
  shortChannelId: 0x10000n + BigInt(n),
  peerId: nodeOf(peer),
  sendableMsat: BigInt(sendableSat) * 1000n,
  key: `${peer}${n}`,
});

export const HEIGHT = 900_000;
export const NOW = 1_800_000_000;

export function queryOf(
  channels: readonly ChannelSaid[],
  amountSat: number,
  more: Partial<RouteQuery> & { readonly to: string },
): RouteQuery {
  const { to, ...others } = more;
  return {
    graph: graphOf(channels),
    locals: [],
    payee: nodeOf(to),
    amountMsat: BigInt(Math.round(amountSat * 1000)),
    finalCltv: HEIGHT + 20,
    hints: [],
    maxFeeMsat: 1_000_000_000n,
    maxCltvExpiry: HEIGHT + 2016,
    maxParts: 16,
    liquidity: noLiquidity,
    now: NOW,
    ...others,
  };
}

/** "a c d 100000+3": the nodes, what arrives and the fee in msat. */
export const saidOf = ({ htlcs, amountMsat, feeMsat }: Route): string =>
  `${htlcs.map(({ nodeId }: RouteHtlc) => nameOf(nodeId)).join(' ')} ${amountMsat}+${feeMsat}`;

export function found<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: RouteError }): T {
  if (!result.ok)
    throw new Error(`no route: ${JSON.stringify(result.error, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))}`);
  return result.value;
}

export const forwardingFee = (graph: Graph, edge: number, amountMsat: bigint): bigint =>
  BigInt(graph.feeBaseMsat[edge] ?? 0) + (amountMsat * BigInt(graph.feeProportionalMillionths[edge] ?? 0)) / 1_000_000n;

export function rangeAt({ graph, liquidity, now }: RouteQuery, edge: number): Range {
  const capacity = (graph.capacitySat[edge >> 1] ?? 0) * 1000;
  return rangeOf(liquidity.bounds[`${graph.shortChannelIds[edge >> 1]}/${edge & 1}`], capacity, now);
}

/** Every rule that routes over the graph break, walked from our side on, in bigints. */
export function faultsOf(query: RouteQuery, routes: readonly Route[]): string[] {
  const { graph } = query;
  const faults: string[] = [];
  const hold = (rule: string, holds: boolean): void => {
    if (!holds) faults.push(rule);
  };
  const over = new Map<number, bigint>();
  const sent = new Map<string, bigint>();
  for (const { via, htlcs, amountMsat, feeMsat, cltvExpiry } of routes) {
    const [first, last] = [htlcs[0], htlcs.at(-1)];
    if (first === undefined || last === undefined) return ['a route without an HTLC'];
    hold('it begins over our own channel', equal(first.nodeId, via.peerId) && first.shortChannelId === via.shortChannelId);
    hold('it ends at the payee', equal(last.nodeId, query.payee) && last.amountMsat === amountMsat && amountMsat > 0n);
    hold('expiries', last.cltvExpiry === query.finalCltv && first.cltvExpiry === cltvExpiry && cltvExpiry <= query.maxCltvExpiry);
    hold('the fee is what does not arrive', first.amountMsat - last.amountMsat === feeMsat);
    hold('hops', htlcs.length <= (query.maxHops ?? 20));
    sent.set(via.key, (sent.get(via.key) ?? 0n) + first.amountMsat);
    htlcs.slice(1).forEach((htlc, i) => {
      const before = htlcs[i] ?? first;
      const channel = channelIndex(graph, htlc.shortChannelId);
      const edge = [2 * channel, 2 * channel + 1].find((one) => equal(nodeIdOf(graph, edgeFrom(graph, one)), before.nodeId)) ?? -1;
      const [minimum, maximum] = [graph.htlcMinimumMsat[edge] ?? 0, graph.htlcMaximumMsat[edge] ?? 0];
      hold(`${i}: the edge leads on and is enabled`, equal(nodeIdOf(graph, edgeTo(graph, edge)), htlc.nodeId) && graph.flags[edge] === 1);
      hold(`${i}: fee`, before.amountMsat === htlc.amountMsat + forwardingFee(graph, edge, htlc.amountMsat));
      hold(`${i}: blocks`, before.cltvExpiry === htlc.cltvExpiry + (graph.cltvExpiryDelta[edge] ?? 0));
      hold(`${i}: limits`, Number(htlc.amountMsat) >= minimum && Number(htlc.amountMsat) <= maximum);
      over.set(edge, (over.get(edge) ?? 0n) + htlc.amountMsat);
    });
  }
  for (const [edge, amount] of over) hold('what an edge can carry', Number(amount) <= rangeAt(query, edge).high);
  for (const { key, sendableMsat } of query.locals) hold('what we can send', (sent.get(key) ?? 0n) <= sendableMsat);
  hold('parts', routes.length <= query.maxParts);
  hold('the exact sum', routes.reduce((sum, { amountMsat }) => sum + amountMsat, 0n) === query.amountMsat);
  hold('the fee budget', routes.reduce((sum, { feeMsat }) => sum + feeMsat, 0n) <= query.maxFeeMsat);
  return faults;
}
