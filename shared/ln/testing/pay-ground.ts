/** The nodes of the payment model and the channels between them, as `pay-world.ts` moves them and `pay-checks.ts` reads them. */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal, toHex } from '../../lib/bytes.ts';
import type { Commitments } from '../channel/commitments.ts';
import { commitmentsOf, isLive, liveOf } from '../channel/state.ts';
import type { PeerCommand } from '../peer/command.ts';
import type { Fate } from './model.ts';
import { LineChain } from './model-chain.ts';
import { partyNames } from './model-moves.ts';
import { Pair, type PairOptions, type Party, type PartyName } from './pair.ts';
import { type PaymentBook, PayNode, type Standing } from './pay-books.ts';
import { type Edge, type Shape, shapes } from './pay-moves.ts';

export const START_HEIGHT = 1_000;
export type PayOptions = Omit<PairOptions, 'name'> & { readonly icy?: Party['icy'] };

export abstract class PayGround {
  readonly edges: readonly Edge[];
  readonly pairs: readonly Pair[];
  readonly nodes: readonly PayNode[];
  height = START_HEIGHT;
  /** By channel: what was asked of it. */
  readonly fates: Fate[];
  readonly channelIds: readonly Uint8Array[];
  readonly chain: LineChain;

  constructor(shape: Shape, { icy = true, ...options }: PayOptions = {}) {
    this.edges = shapes[shape];
    this.pairs = this.edges.map((_, at) => new Pair({ ...options, name: `pay ${at}` }));
    this.fates = this.pairs.map(() => 'open');
    this.channelIds = this.pairs.map(({ alice }) => alice.commitments.channelId);
    for (const party of this.pairs.flatMap(({ parties }) => parties)) party.icy = icy;
    this.chain = new LineChain(this.pairs, (at, name, command) => this.step(at, name, command));
    const nowMs = this.party(0, 'alice').now;
    const count = 1 + Math.max(...this.edges.flatMap(({ alice, bob }) => [alice, bob]));
    this.nodes = Array.from({ length: count }, (_, i) => new PayNode(i, nowMs, START_HEIGHT));
  }

  abstract step(at: number, name: PartyName, command: PeerCommand): void;

  party(at: number, name: PartyName): Party {
    return this.pairAt(at)[name];
  }
  nodeAt(at: number, name: PartyName): PayNode {
    return this.node(this.edges[at % this.edges.length]?.[name] ?? 0);
  }
  channelHex(at: number): string {
    return toHex(this.channelIds[at] ?? new Uint8Array(0));
  }
  /** Undefined: the channel came to its end, and is forgotten. */
  commitmentsAt(at: number, name: PartyName): Commitments | undefined {
    const [channel] = this.party(at, name).state.channels;
    return channel && commitmentsOf(channel);
  }
  /** Both sides have forgotten every channel that was closed. */
  get isBuried(): boolean {
    return this.pairs.every(({ parties }, at) => this.fates[at] === 'open' || parties.every(({ state }) => state.channels.length === 0));
  }
  isLiveAt(at: number, name: PartyName): boolean {
    const [channel] = this.party(at, name).state.channels;
    return channel !== undefined && isLive(liveOf(channel));
  }
  /** An HTLC of the peer's, as the runtime's `receive-htlcs.ts` has it. */
  standingOf(at: number, name: PartyName, wanted: bigint): Standing {
    const [channel] = this.party(at, name).state.channels;
    const htlc = this.commitmentsAt(at, name)?.htlcs.find(({ by, id }) => by === 'remote' && id === wanted);
    if (!channel || !htlc) return 'gone';
    if (htlc.removal) return 'given';
    if (isLive(liveOf(channel))) return 'open';
    return this.claims(at, name, htlc.paymentHash) ? 'given' : 'chain';
  }
  /** Has that side the preimage, for what it claims on chain? */
  claims(at: number, name: PartyName, paymentHash: Uint8Array): boolean {
    const [channel] = this.party(at, name).state.channels;
    return channel?.tag === 'closing' && channel.onchain.preimages.some((known) => equal(sha256(known), paymentHash));
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
