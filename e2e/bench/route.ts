/**
 * A route through the real graph of mainnet, ours and LDK's, for the same pairs of nodes and the same limits, in turns. What is found is held
 * to one model, ours: fees, and the chance that all parts succeed. The payer's own channels can send what one HTLC may be at most, and
 * their chance does not count, for a payer knows its own.
 */
import { createECDH } from 'node:crypto';
import { compare, equal } from '../../shared/lib/bytes.ts';
import { channelIndex, edgeFlags, edgeFrom, edgeTo, type Graph, nodeIdOf } from '../../shared/ln/gossip/graph.ts';
import { HOP_MISS, missOf } from '../../shared/ln/route/chance.ts';
import { findRoutes } from '../../shared/ln/route/find.ts';
import { noLiquidity } from '../../shared/ln/route/liquidity.ts';
import { capacityOf } from '../../shared/ln/route/offers.ts';
import type { LocalChannel, RouteQuery } from '../../shared/ln/route/query.ts';
import { dice, REAL_GRAPH_TIME, realGraph } from '../lab/gossip-store.ts';
import { type Bench, median, type Options, quantile, text } from './report.ts';
import { type LdkHop, type LdkRouter, ldkRouter } from './route-ldk.ts';

const PAIRS = 200;
const AMOUNTS_SAT = [1000, 100_000, 2_000_000];
const PARTS = [1, 10];
const FINAL_BLOCKS = 40;
const MAX_BLOCKS = 1008;
const MAX_HOPS = 19;
/** 1 % and 50 sat, as LDK has it by itself. */
const maxFeeMsat = (amountMsat: bigint): bigint => amountMsat / 100n + 50_000n;

/** Ids that are points, in the order of those that they replace; capacities are taken away, for LDK's snapshot has none. */
function forBoth(graph: Graph): Graph {
  const ids = Array.from({ length: graph.nodeCount }, (_, i) => {
    const keys = createECDH('secp256k1');
    const secret = new Uint8Array(32);
    new DataView(secret.buffer).setUint32(28, i + 1);
    keys.setPrivateKey(secret);
    return new Uint8Array(keys.getPublicKey(null, 'compressed'));
  }).sort(compare);
  const nodeIds = new Uint8Array(33 * graph.nodeCount);
  for (const [i, id] of ids.entries()) nodeIds.set(id, 33 * i);
  return { ...graph, nodeIds, capacitySat: new Float64Array(graph.channelCount) };
}

/** The first so many channels only. */
function firstChannels(graph: Graph, channelCount: number): Graph {
  const flags = graph.flags.map((flag, edge) => (edge < 2 * channelCount ? flag : edgeFlags.disabled | flag));
  return { ...graph, flags };
}

const usableEdges = (graph: Graph): readonly (readonly number[])[] => {
  const out: number[][] = Array.from({ length: graph.nodeCount }, () => []);
  for (const [edge, flag] of graph.flags.entries()) if (flag === edgeFlags.known) out[edgeFrom(graph, edge)]?.push(edge);
  return out;
};

function reachable(graph: Graph, out: readonly (readonly number[])[], from: number): ReadonlySet<number> {
  const met = new Set([from]);
  for (const node of met) for (const edge of out[node] ?? []) met.add(edgeTo(graph, edge));
  return met;
}

type Pair = { readonly payer: number; readonly payee: number; readonly locals: readonly LocalChannel[] };

function drawPairs(graph: Graph, count: number): readonly Pair[] {
  const roll = dice(2026);
  const out = usableEdges(graph);
  const pairs: Pair[] = [];
  while (pairs.length < count) {
    const [payer, payee] = [roll(graph.nodeCount), roll(graph.nodeCount)];
    if (payer === payee || !reachable(graph, out, payer).has(payee)) continue;
    const locals = (out[payer] ?? []).map((edge) => ({
      shortChannelId: graph.shortChannelIds[edge >> 1] ?? 0n,
      peerId: nodeIdOf(graph, edgeTo(graph, edge)),
      sendableMsat: BigInt(graph.htlcMaximumMsat[edge] ?? 0),
      htlcMinimumMsat: BigInt(graph.htlcMinimumMsat[edge] ?? 0),
      key: String(edge),
    }));
    pairs.push({ payer, payee, locals });
  }
  return pairs;
}

type Worth = { readonly feeMsat: number; readonly miss: number; readonly parts: number };

function worthOf(graph: Graph, paths: readonly (readonly LdkHop[])[], amountMsat: bigint): Worth {
  const taken = new Map<number, number>();
  let [sent, miss] = [0n, 0];
  for (const hops of paths) {
    sent += hops[0]?.amountMsat ?? 0n;
    for (const { shortChannelId, nodeId, amountMsat: over } of hops.slice(1)) {
      const channel = channelIndex(graph, shortChannelId);
      const edge = equal(nodeIdOf(graph, graph.node2[channel] ?? 0), nodeId) ? 2 * channel : 2 * channel + 1;
      const capacity = capacityOf(graph, edge);
      const reserved = taken.get(edge) ?? 0;
      miss += HOP_MISS + missOf(Number(over), Math.min(reserved, capacity), { capacity, low: 0, high: capacity });
      taken.set(edge, reserved + Number(over));
    }
  }
  return { feeMsat: Number(sent - amountMsat), miss, parts: paths.length };
}

type Tried = { readonly ms: number; readonly worth: Worth | undefined };

function compareOne(
  graph: Graph,
  ldk: LdkRouter,
  pair: Pair,
  amountSat: number,
  maxParts: number,
): { readonly ours: Tried; readonly theirs: Tried } {
  const amountMsat = BigInt(amountSat) * 1000n;
  const [payer, payee] = [nodeIdOf(graph, pair.payer), nodeIdOf(graph, pair.payee)];
  const limits = { amountMsat, maxFeeMsat: maxFeeMsat(amountMsat), maxParts, maxHops: MAX_HOPS };
  const { ms, paths } = ldk.find({ payer, payee, ...limits, maxBlocks: MAX_BLOCKS, finalBlocks: FINAL_BLOCKS });
  const query: RouteQuery = {
    graph,
    locals: pair.locals,
    payer,
    payee,
    ...limits,
    finalCltv: FINAL_BLOCKS,
    maxCltvExpiry: MAX_BLOCKS,
    hints: [],
    liquidity: noLiquidity,
    now: REAL_GRAPH_TIME,
  };
  const from = performance.now();
  const found = findRoutes(query);
  const oursMs = performance.now() - from;
  const worth = (list: typeof paths): Worth | undefined => list && worthOf(graph, list, amountMsat);
  const htlcs = found.ok ? found.value.map((route) => route.htlcs) : undefined;
  return { ours: { ms: oursMs, worth: worth(htlcs) }, theirs: { ms, worth: worth(paths) } };
}

export async function route({ smoke, tell }: Options): ReturnType<Bench> {
  const whole = forBoth(realGraph());
  const graph = smoke ? firstChannels(whole, 2000) : whole;
  const ldk = await ldkRouter(graph, REAL_GRAPH_TIME);
  tell(`LDK has read the graph in ${text(ldk.loadMs)} ms`);
  const pairs = drawPairs(graph, smoke ? 5 : PAIRS);
  // Both have been compiled when it counts.
  for (const pair of pairs.slice(0, 20)) for (const parts of PARTS) compareOne(graph, ldk, pair, 1000, parts);

  const rounds = PARTS.flatMap((maxParts) =>
    AMOUNTS_SAT.map((amountSat) => {
      const tried = pairs.map((pair) => compareOne(graph, ldk, pair, amountSat, maxParts));
      const both = tried.flatMap(({ ours, theirs }) => (ours.worth && theirs.worth ? [{ ours: ours.worth, theirs: theirs.worth }] : []));
      const of = (who: 'ours' | 'theirs') => {
        const times = tried.map((one) => one[who].ms);
        const worths = both.map((one) => one[who]);
        return {
          median: median(times),
          p95: quantile(times, 0.95),
          found: tried.filter((one) => one[who].worth !== undefined).length,
          feeSat: worths.reduce((sum, { feeMsat }) => sum + feeMsat, 0) / 1000,
          chance: worths.reduce((sum, { miss }) => sum + Math.exp(-miss), 0) / worths.length,
          parts: worths.reduce((sum, { parts }) => sum + parts, 0) / worths.length,
        };
      };
      const round = { maxParts, amountSat, both: both.length, ours: of('ours'), theirs: of('theirs') };
      tell(`${amountSat} sat, up to ${maxParts}: ${text(round.ours.median, 2)} ms, LDK ${text(round.theirs.median, 1)} ms`);
      return round;
    }),
  );
  const two = (of: (side: (typeof rounds)[number]['ours']) => string, { ours, theirs }: (typeof rounds)[number]): string =>
    `${of(ours)} / ${of(theirs)}`;
  const ratios = rounds.map(({ ours, theirs }) => theirs.median / ours.median);
  const total = (who: 'ours' | 'theirs', of: 'feeSat' | 'found'): number => rounds.reduce((sum, round) => sum + round[who][of], 0);
  const chance = (who: 'ours' | 'theirs'): number =>
    rounds.reduce((sum, round) => sum + round.both * round[who].chance, 0) / rounds.reduce((sum, { both }) => sum + both, 0);
  return {
    name: 'route',
    tables: [
      {
        title: `A route through ${graph.channelCount} channels for ${pairs.length} pairs, ours / LDK's find_route`,
        columns: [
          'sat, parts at most',
          'median, ms',
          'p95, ms',
          'ratio of medians',
          'found',
          'fees of those both found, sat',
          'chance',
          'parts',
        ],
        rows: rounds.map((round, i) => [
          `${round.amountSat}, ${round.maxParts}`,
          two((side) => text(side.median, 2), round),
          two((side) => text(side.p95, 1), round),
          `${text(ratios[i] ?? 0, 1)} ×`,
          two((side) => text(side.found), round),
          two((side) => text(side.feeSat), round),
          two((side) => `${text(100 * side.chance, 1)} %`, round),
          two((side) => text(side.parts, 2), round),
        ]),
      },
    ],
    figures: [
      {
        name: "LDK's median over ours, one part",
        value: median(ratios.slice(0, AMOUNTS_SAT.length)),
        unit: '×',
        target: { at: 'least', value: 20 },
      },
      {
        name: "LDK's median over ours, up to ten parts",
        value: median(ratios.slice(AMOUNTS_SAT.length)),
        unit: '×',
        target: { at: 'least', value: 20 },
      },
      {
        name: 'routes found, ours over LDK',
        value: total('ours', 'found') / total('theirs', 'found'),
        unit: '×',
        target: { at: 'least', value: 1 },
      },
      {
        name: 'fees, ours over LDK',
        value: total('ours', 'feeSat') / total('theirs', 'feeSat'),
        unit: '×',
        target: { at: 'most', value: 1 },
      },
      { name: 'chance of success, ours over LDK', value: chance('ours') / chance('theirs'), unit: '×', target: { at: 'least', value: 1 } },
    ],
  };
}
