/**
 * The usable edges of a graph in the order in which a search reads them: all that leads into one node side by side, each in one line of the
 * processor's cache. It is made once for each graph, which must not change, and says nothing that the graph does not.
 */
import { edgeFlags, edgeFrom, type Graph } from '../gossip/graph.ts';

export type Offers = {
  /** What leads into node `i` stands at `first[i]` … `first[i + 1] - 1`. */
  readonly first: Uint32Array;
  readonly edges: Int32Array;
  readonly from: Int32Array;
  /** `OFFER` numbers for each: least and most of an HTLC, capacity in msat, fee base, fee proportional, blocks. */
  readonly terms: Float64Array;
};
export const OFFER = 6;

const made = new WeakMap<Graph, Offers>();

export function offersOf(graph: Graph): Offers {
  const before = made.get(graph);
  if (before !== undefined) return before;
  const { nodeCount, inEdges, firstIn } = graph;
  const first = new Uint32Array(nodeCount + 1);
  const edges = new Int32Array(inEdges.length);
  const from = new Int32Array(inEdges.length);
  const terms = new Float64Array(OFFER * inEdges.length);
  let at = 0;
  for (let node = 0; node < nodeCount; node += 1) {
    for (let i = firstIn[node] ?? 0; i < (firstIn[node + 1] ?? 0); i += 1) {
      const edge = inEdges[i] ?? 0;
      if (!isUsable(graph, edge)) continue;
      edges[at] = edge;
      from[at] = edgeFrom(graph, edge);
      const line = OFFER * at;
      terms[line] = graph.htlcMinimumMsat[edge] ?? 0;
      terms[line + 1] = graph.htlcMaximumMsat[edge] ?? 0;
      terms[line + 2] = capacityOf(graph, edge);
      terms[line + 3] = graph.feeBaseMsat[edge] ?? 0;
      terms[line + 4] = graph.feeProportionalMillionths[edge] ?? 0;
      terms[line + 5] = graph.cltvExpiryDelta[edge] ?? 0;
      at += 1;
    }
    first[node + 1] = at;
  }
  const offers = { first, edges: edges.slice(0, at), from: from.slice(0, at), terms: terms.slice(0, OFFER * at) };
  made.set(graph, offers);
  return offers;
}

export const isUsable = ({ flags }: Graph, edge: number): boolean =>
  ((flags[edge] ?? 0) & (edgeFlags.known | edgeFlags.disabled)) === edgeFlags.known;

/** What one HTLC may be stands for a capacity that nobody has told. */
export function capacityOf(graph: Graph, edge: number): number {
  const capacitySat = graph.capacitySat[edge >> 1] ?? 0;
  return capacitySat > 0 ? capacitySat * 1000 : (graph.htlcMaximumMsat[edge] ?? 0);
}
