/** Small graphs of every kind, for laws. */
import fc from 'fast-check';
import { compare, toHex } from '../../lib/bytes.ts';
import { MAX_MSAT, newChannels } from '../gossip/columns.ts';
import { type Graph, incidence } from '../gossip/graph.ts';

type Policy = {
  readonly flags: number;
  readonly cltvExpiryDelta: number;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly htlcMinimumMsat: number;
  /** Of the capacity, in percent; or an amount. */
  readonly maximum: { readonly percent: number } | { readonly msat: number };
  readonly timestamp: number;
};
export type Row = {
  readonly shortChannelId: bigint;
  readonly ends: readonly [Uint8Array, Uint8Array];
  readonly capacitySat: number;
  readonly policies: readonly (Policy | undefined)[];
};

const few = <T>(values: readonly T[], others: fc.Arbitrary<T>): fc.Arbitrary<T> => fc.oneof(fc.constantFrom(...values), others);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const msat = fc.integer({ min: 0, max: MAX_MSAT });

const policy: fc.Arbitrary<Policy> = fc.record({
  flags: fc.constantFrom(1, 3),
  cltvExpiryDelta: few([40, 80, 144], fc.integer({ min: 0, max: 0xffff })),
  feeBaseMsat: few([0, 1000], u32),
  feeProportionalMillionths: few([1, 500], u32),
  htlcMinimumMsat: few([1, 1000], msat),
  maximum: fc.oneof(fc.record({ percent: fc.constantFrom(99, 100) }), fc.record({ msat: few([0, 1, 2], msat) })),
  timestamp: few([0, 86_400, 172_800], u32),
});

/** Of a handful, so that rows share nodes; first bytes alike, so that order is decided late. */
const nodeId = fc
  .tuple(fc.constantFrom(2, 3), fc.constantFrom(0, 7), fc.constantFrom(0, 255), fc.constantFrom(1, 2))
  .map(([first, second, middle, last]) => new Uint8Array(33).fill(middle).fill(second, 1, 4).fill(first, 0, 1).fill(last, 32));

export const row: fc.Arbitrary<Row> = fc.record({
  shortChannelId: fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.integer({ min: 0, max: 20 }).map((n) => (BigInt(n >> 2) << 40n) | (BigInt((n >> 1) & 1) << 32n) | BigInt(n & 1)),
  ),
  ends: fc.tuple(nodeId, nodeId).filter(([a, b]) => compare(a, b) !== 0),
  capacitySat: few([0, 1_000_000], fc.integer({ min: 0, max: Math.floor(MAX_MSAT / 1000) })),
  policies: fc.tuple(fc.option(policy, { nil: undefined }), fc.option(policy, { nil: undefined })),
});

/** The first of the rows that have the same short channel id counts. `lonely` nodes have no channel. */
export function graphOf(rows: readonly Row[], lonely: readonly Uint8Array[] = []): Graph {
  const kept = [...new Map([...rows].reverse().map((row) => [row.shortChannelId, row])).values()];
  kept.sort((a, b) => (a.shortChannelId < b.shortChannelId ? -1 : 1));
  const ids = [...new Map([...lonely, ...kept.flatMap(({ ends }) => ends)].map((id) => [toHex(id), id])).values()].sort(compare);
  const places = new Map(ids.map((id, i) => [toHex(id), i]));
  const channels = newChannels(kept.length);
  kept.forEach(({ shortChannelId, ends, capacitySat, policies }, i) => {
    const [a = 0, b = 0] = ends.map((id) => places.get(toHex(id)));
    channels.shortChannelIds[i] = shortChannelId;
    channels.node1[i] = Math.min(a, b);
    channels.node2[i] = Math.max(a, b);
    channels.capacitySat[i] = capacitySat;
    policies.forEach((policy, direction) => {
      if (policy === undefined) return;
      const { maximum, ...fields } = policy;
      const edge = 2 * i + direction;
      for (const name of ['flags', 'cltvExpiryDelta', 'feeBaseMsat', 'feeProportionalMillionths', 'htlcMinimumMsat', 'timestamp'] as const)
        channels[name][edge] = fields[name];
      channels.htlcMaximumMsat[edge] = 'msat' in maximum ? maximum.msat : 10 * maximum.percent * capacitySat;
    });
  });
  const nodeIds = new Uint8Array(33 * ids.length);
  ids.forEach((id, i) => {
    nodeIds.set(id, 33 * i);
  });
  return { nodeCount: ids.length, nodeIds, ...channels, ...incidence(ids.length, channels.node1, channels.node2) };
}

export const rows = fc.array(row, { maxLength: 30 });
export const graph: fc.Arbitrary<Graph> = fc.tuple(rows, fc.array(nodeId, { maxLength: 3 })).map(([rows, lonely]) => graphOf(rows, lonely));
