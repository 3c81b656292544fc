/** What is new of directed edges that were there before: which edges, for each of them which fields, and then each field as a column. */
import { type Channels, MAX_PACKED_MSAT, packMaximum, policyColumns, unpackMaximum } from './columns.ts';
import { bad, type Packer, type Unpacker } from './pack.ts';

/** By their bit in the byte that says what is new. */
const fields = ['flags', ...policyColumns.map(([field]) => field), 'htlcMaximumMsat', 'timestamp'] as const;
const [MAXIMUM, TIMESTAMP] = [fields.length - 2, fields.length - 1];

/** `edge` counts among the channels that stay; `now` is its number in the later graph. */
export type EdgeChange = { readonly edge: number; readonly now: number; readonly news: number };

/** `same`: the channels that stay, as pairs of their numbers before and now. */
export function changedEdges(before: Channels, now: Channels, same: readonly (readonly [number, number])[]): EdgeChange[] {
  const changes: EdgeChange[] = [];
  same.forEach(([i, j], kept) => {
    for (const direction of [0, 1]) {
      const [old, edge] = [2 * i + direction, 2 * j + direction];
      const news = fields.reduce((bits, field, bit) => (before[field][old] === now[field][edge] ? bits : bits | (1 << bit)), 0);
      if (news !== 0) changes.push({ edge: 2 * kept + direction, now: edge, news });
    }
  });
  return changes;
}

export function packEdges(to: Packer, graph: Channels, changes: readonly EdgeChange[]): void {
  to.rising(changes.map(({ edge }) => edge));
  for (const { news } of changes) to.byte(news);
  const having = (bit: number): number[] => changes.filter(({ news }) => (news >> bit) & 1).map(({ now }) => now);
  to.column(
    having(0).map((edge) => graph.flags[edge] ?? 0),
    3,
  );
  policyColumns.forEach(([field, most], i) => {
    to.column(
      having(1 + i).map((edge) => graph[field][edge] ?? 0),
      most,
    );
  });
  to.column(
    having(MAXIMUM).map((edge) => packMaximum(graph.capacitySat[edge >> 1] ?? 0, graph.htlcMaximumMsat[edge] ?? 0)),
    MAX_PACKED_MSAT,
  );
  to.times(having(TIMESTAMP).map((edge) => graph.timestamp[edge] ?? 0));
}

/** Into `graph`; `kept` says where the channels that stay are in it. */
export function unpackEdges(from: Unpacker, graph: Channels, kept: Uint32Array): void {
  const edges = from.rising(2 * kept.length);
  const news = from.bytes(edges.length);
  for (let i = 0; i < edges.length; i += 1) {
    const edge = edges[i] ?? 0;
    edges[i] = 2 * (kept[edge >> 1] ?? 0) + (edge & 1);
  }
  const having = (bit: number): Uint32Array => edges.filter((_, i) => ((news[i] ?? 0) >> bit) & 1);
  const column = (bit: number, most: number, put: (edge: number, value: number) => void): void => {
    const at = having(bit);
    from.column(at.length, most).forEach((value, i) => {
      put(at[i] ?? 0, value);
    });
  };
  column(0, 3, (edge, value) => {
    graph.flags[edge] = value === 2 ? bad('a direction that is disabled and not known') : value;
  });
  policyColumns.forEach(([field, most], i) => {
    column(1 + i, most, (edge, value) => {
      graph[field][edge] = value;
    });
  });
  column(MAXIMUM, MAX_PACKED_MSAT, (edge, value) => {
    graph.htlcMaximumMsat[edge] = unpackMaximum(graph.capacitySat[edge >> 1] ?? 0, value);
  });
  const at = having(TIMESTAMP);
  from.times(at.length).forEach((value, i) => {
    graph.timestamp[at[i] ?? 0] = value;
  });
}
