/**
 * What holds of the payment model after every move, and at its end. The tables of the channels are read here for themselves: what a node
 * believes of its payments is held against them, and never the other way round.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { isQuiet } from '../channel/commitments.ts';
import type { Htlc } from '../channel/htlc.ts';
import { feeOf, type Part, type Payment } from '../payment/payment.ts';
import { partyNames } from './model-moves.ts';
import type { PartyName } from './pair.ts';
import { type Forward, keyOf, type PayNode } from './pay-books.ts';
import type { PayGround } from './pay-ground.ts';

/** An HTLC of one side of a channel, as its table had it last. */
type Entry = {
  readonly node: number;
  readonly by: Htlc['by'];
  readonly key: string;
  readonly paymentHash: string;
  readonly amountMsat: bigint;
  readonly end?: 'fulfilled' | 'failed';
  readonly isHere: boolean;
};

const sum = <T>(all: readonly T[], of: (one: T) => bigint): bigint => all.reduce((total, one) => total + of(one), 0n);
function hold(what: string, holds: boolean): void {
  if (!holds) throw new Error(what);
}

export class Watch {
  readonly #world: PayGround;
  readonly #entries = new Map<string, Entry>();
  readonly #ends = new Map<string, Payment['state']>();
  /** By hash: what a payee has decided to take. */
  readonly #decided = new Map<string, bigint>();
  readonly #startMsat: readonly bigint[];

  constructor(world: PayGround) {
    this.#world = world;
    this.#startMsat = world.nodes.map(({ index }) => this.#balance(index));
  }

  #balance(node: number): bigint {
    return sum(this.#world.sidesOf(node), ({ at, name }) => this.#world.party(at, name).commitments.toLocalMsat);
  }
  #of(node: number, by: Htlc['by'], paymentHash: string): readonly Entry[] {
    return [...this.#entries.values()].filter((one) => one.node === node && one.by === by && one.paymentHash === paymentHash);
  }

  /** After each step of that side: what its table says. */
  scan(at: number, name: PartyName): void {
    const side = `${at} ${name} `;
    const { htlcs } = this.#world.party(at, name).commitments;
    const node = this.#world.nodeAt(at, name).index;
    const seen = new Set<string>();
    for (const { by, id, added, removal, preimage, paymentHash, amountMsat } of htlcs) {
      if (by === 'remote' && added !== 'locked') continue;
      const paid = removal?.kind === 'fulfill' || preimage !== undefined;
      const end = paid ? ({ end: 'fulfilled' } as const) : removal && by === 'remote' ? ({ end: 'failed' } as const) : {};
      const entry = { node, by, key: keyOf(at, id), paymentHash: toHex(paymentHash), amountMsat, isHere: true, ...end };
      seen.add(`${side}${by} ${id}`);
      this.#entries.set(`${side}${by} ${id}`, entry);
    }
    for (const [key, entry] of this.#entries)
      if (entry.isHere && key.startsWith(side) && !seen.has(key))
        this.#entries.set(key, { ...entry, end: entry.end ?? 'failed', isHere: false });
  }

  check(): void {
    for (const [at, { parties }] of this.#world.pairs.entries())
      for (const { name, state } of parties) {
        const [channel] = state.channels;
        const tag = channel?.tag === 'offline' || channel?.tag === 'syncing' ? channel.was.tag : channel?.tag;
        hold(`channel ${at} of ${name} is ${tag}`, tag === 'normal');
      }
    for (const node of this.#world.nodes) {
      this.#checkTables(node);
      for (const { paymentHash, amountMsat, parts } of node.books.invoices) {
        const decided = parts.filter(({ state }) => state === 'fulfilling' || state === 'fulfilled');
        const decidedMsat = sum(decided, ({ amtToForward }) => amtToForward);
        // Of two payers together more may come than was asked for.
        const isRight = this.#payersOf(paymentHash).size > 1 ? decidedMsat >= amountMsat : decidedMsat === amountMsat;
        hold(`node ${node.index} takes ${decidedMsat} of ${amountMsat}`, decidedMsat === 0n || isRight);
        hold(`node ${node.index} decides twice`, decidedMsat === (this.#decided.get(paymentHash) ?? decidedMsat));
        if (decidedMsat > 0n) this.#decided.set(paymentHash, decidedMsat);
        const here = this.#of(node.index, 'remote', paymentHash);
        const isPaid = here.some(({ end }) => end === 'fulfilled');
        const keptMsat = sum(here, (one) => (one.end === 'failed' ? 0n : one.amountMsat));
        hold(`node ${node.index} fulfils ${keptMsat} for ${amountMsat}`, !isPaid || keptMsat >= amountMsat);
        hold('the preimage is shown without a decision', !isPaid || decidedMsat > 0n);
      }
      for (const { id, life } of node.books.payments) this.#checkPayment(node, id, life);
    }
  }

  /** Each HTLC belongs to something, and each thing that waits for one has it. */
  #checkTables({ index, books }: PayNode): void {
    const mine = [...this.#entries.values()].filter(({ node, isHere }) => node === index && isHere);
    const out = mine.filter(({ by, end }) => by === 'local' && end === undefined).map(({ key }) => key);
    const flying = books.payments.flatMap(({ life }) =>
      life.parts.flatMap(({ state, htlc }) => (state === 'in-flight' ? [htlc ?? 'none'] : [])),
    );
    const passed = books.forwards.flatMap(({ state, out: to }) => (state === 'out' ? [to ?? 'none'] : []));
    hold(`node ${index} has ${out.sort()} out, and knows of ${[...flying, ...passed].sort()}`, same(out, [...flying, ...passed]));
    const known = new Set([...books.invoices.flatMap(({ parts }) => parts.map(({ key }) => key)), ...books.forwards.map(({ key }) => key)]);
    for (const { by, key, end } of mine) hold(`node ${index} has forgotten ${key}`, by === 'local' || end !== undefined || known.has(key));
  }

  #payersOf(paymentHash: string): ReadonlySet<number> {
    const payers = this.#world.nodes.filter(({ books }) => books.payments.some(({ life }) => life.paymentHash === paymentHash));
    return new Set(payers.map(({ index }) => index));
  }

  #checkPayment({ index, books }: PayNode, id: string, life: Payment): void {
    const out = life.parts.filter(({ state }) => state === 'in-flight' || state === 'settled');
    hold(`${id} pays too much`, sum(out, ({ amountMsat }) => amountMsat) <= life.amountMsat && sum(out, feeOf) <= life.maxFeeMsat);
    // It may pass on parts of the same hash.
    const passed = new Set(books.forwards.map(({ out: to }) => to));
    const own = this.#of(index, 'local', life.paymentHash).filter(({ key }) => !passed.has(key));
    const riskedMsat = sum(own, (one) => (one.end === 'failed' ? 0n : one.amountMsat));
    hold(`${id} has ${riskedMsat} out, for ${life.amountMsat}`, riskedMsat <= life.amountMsat + life.maxFeeMsat);
    const proof = life.preimage === undefined ? undefined : toHex(sha256(fromHex(life.preimage)));
    hold(`${id} is ${life.state}, by ${proof}`, life.state === 'sent' ? proof === life.paymentHash : proof === undefined);
    const before = this.#ends.get(id) ?? 'pending';
    hold(`${id} was ${before} and is ${life.state}`, before === 'pending' || before === life.state);
    this.#ends.set(id, life.state);
  }

  checkEnd(): void {
    const { pairs, nodes, payments } = this.#world;
    for (const [at, { alice, bob }] of pairs.entries()) {
      for (const name of partyNames) hold(`channel ${at} is not quiet`, isQuiet(this.#world.party(at, name).commitments));
      hold(`the sides of channel ${at} disagree`, alice.commitments.toLocalMsat === bob.commitments.toRemoteMsat);
    }
    for (const { id, life, notes } of payments) {
      hold(`${id} has no end`, life.state !== 'pending' && life.parts.every(({ state }) => state === 'settled' || state === 'failed'));
      hold(`${id} is ${life.state}, and said ${notes}`, notes.length === 1 && notes[0] === life.state);
    }
    for (const node of nodes)
      for (const { paymentHash, amountMsat, parts } of node.books.invoices) {
        const sent = payments.filter(({ life }) => life.paymentHash === paymentHash && life.state === 'sent');
        const gotMsat = sum(this.#of(node.index, 'remote', paymentHash), (one) => (one.end === 'fulfilled' ? one.amountMsat : 0n));
        const settledMsat = sum(sent, ({ life }) => sum(life.parts.filter(isSettled), (part) => part.amountMsat));
        const told = `sent ${sent.length} times, ${settledMsat} is settled, and ${gotMsat} of ${amountMsat} came`;
        hold(told, settledMsat === gotMsat && (sent.length === 0 ? gotMsat === 0n : gotMsat >= amountMsat));
        if (this.#payersOf(paymentHash).size === 1) hold(told, sent.length <= 1 && gotMsat === BigInt(sent.length) * amountMsat);
        hold(
          'an invoice is paid by halves',
          parts.every(({ state }) => state === (sent.length > 0 ? 'fulfilled' : 'failing')),
        );
      }
    for (const node of nodes) this.#checkBalance(node);
  }

  #checkBalance({ index, books }: PayNode): void {
    const paidMsat = sum(books.payments, ({ life }) => sum(life.parts.filter(isSettled), (part) => part.amountMsat + feeOf(part)));
    const gotMsat = sum(books.invoices, ({ parts }) => sum(parts, (part) => (part.state === 'fulfilled' ? part.amountMsat : 0n)));
    const earnedMsat = sum(books.forwards, earned);
    const dueMsat = (this.#startMsat[index] ?? 0n) - paidMsat + gotMsat + earnedMsat;
    const hasMsat = this.#balance(index);
    hold(`node ${index} has ${hasMsat}, and should have ${dueMsat}`, hasMsat === dueMsat);
  }
}

const isSettled = ({ state }: Part): boolean => state === 'settled';
const earned = ({ htlc, paidMsat }: Forward): bigint => (paidMsat === undefined ? 0n : htlc.amountMsat - paidMsat);
const same = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join() === [...b].sort().join();
