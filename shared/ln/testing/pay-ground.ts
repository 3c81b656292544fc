/** The nodes of the payment model and the channels between them, as `pay-world.ts` moves them and `pay-checks.ts` reads them. */
import { toHex } from '../../lib/bytes.ts';
import { partyNames } from './model-moves.ts';
import { Pair, type PairOptions, type Party, type PartyName } from './pair.ts';
import { type PaymentBook, PayNode } from './pay-books.ts';
import { type Edge, type Shape, shapes } from './pay-moves.ts';

export const START_HEIGHT = 1_000;
export type PayOptions = Omit<PairOptions, 'name'> & { readonly icy?: Party['icy'] };

export class PayGround {
  readonly edges: readonly Edge[];
  readonly pairs: readonly Pair[];
  readonly nodes: readonly PayNode[];
  height = START_HEIGHT;

  constructor(shape: Shape, { icy = true, ...options }: PayOptions = {}) {
    this.edges = shapes[shape];
    this.pairs = this.edges.map((_, at) => new Pair({ ...options, name: `pay ${at}` }));
    for (const party of this.pairs.flatMap(({ parties }) => parties)) party.icy = icy;
    const nowMs = this.party(0, 'alice').now;
    const count = 1 + Math.max(...this.edges.flatMap(({ alice, bob }) => [alice, bob]));
    this.nodes = Array.from({ length: count }, (_, i) => new PayNode(i, nowMs, START_HEIGHT));
  }

  party(at: number, name: PartyName): Party {
    return this.pairAt(at)[name];
  }
  nodeAt(at: number, name: PartyName): PayNode {
    return this.node(this.edges[at % this.edges.length]?.[name] ?? 0);
  }
  channelHex(at: number): string {
    return toHex(this.party(at, 'alice').commitments.channelId);
  }
  /** By node: where its channels are, and which side of them it is. */
  sidesOf(node: number): readonly { readonly at: number; readonly name: PartyName }[] {
    return this.edges.flatMap((edge, at) => partyNames.flatMap((name) => (edge[name] === node ? [{ at, name }] : [])));
  }
  get payments(): readonly PaymentBook[] {
    return this.nodes.flatMap(({ books }) => books.payments);
  }

  pairAt(at: number): Pair {
    const pair = this.pairs[at % this.pairs.length];
    if (!pair) throw new Error('no channel');
    return pair;
  }
  node(index: number): PayNode {
    const node = this.nodes[index % this.nodes.length];
    if (!node) throw new Error('no node');
    return node;
  }
}
