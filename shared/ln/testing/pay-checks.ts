/**
 * What holds of the payment model after every move, and at its end. The tables of the channels are read here for themselves: what a node
 * believes of its payments is held against them, and never the other way round.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { isQuiet } from '../channel/commitments.ts';
import type { Htlc } from '../channel/htlc.ts';
import { feeOf, type Part, type Payment } from '../payment/payment.ts';
import { faultOf } from './model.ts';
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

/** Below it an HTLC may have no output of its own, at the feerate of these schedules, and is lost with a commitment. */
const dustMsat = 5_000_000n;
const anchorsSat = 660n;

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
    return sum(this.#world.sidesOf(node), ({ at, name }) =>
      this.#world.fates[at] === 'open'
        ? (this.#world.commitmentsAt(at, name)?.toLocalMsat ?? 0n)
        : this.#world.chain.gainSat(at, name) * 1000n,
    );
  }
  #of(node: number, by: Htlc['by'], paymentHash: string): readonly Entry[] {
    return [...this.#entries.values()].filter((one) => one.node === node && one.by === by && one.paymentHash === paymentHash);
  }

  /** After each step of that side: what its table says. */
  scan(at: number, name: PartyName): void {
    const side = `${at} ${name} `;
    if (!this.#world.isLiveAt(at, name)) {
      this.#scanEnd(at, name);
      return;
    }
    const htlcs = this.#world.commitmentsAt(at, name)?.htlcs ?? [];
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

  /** What a step showed that was lost with its node was never there. */
  mark(): () => void {
    const entries = [...this.#entries];
    return () => {
      this.#entries.clear();
      for (const [key, entry] of entries) this.#entries.set(key, entry);
    };
  }

  /** On chain the table stands still: what becomes of the HTLCs of a side is what it was told of its own, and what it claims of the peer's. */
  #scanEnd(at: number, name: PartyName): void {
    const side = `${at} ${name} `;
    const isOver = this.#world.commitmentsAt(at, name) === undefined;
    for (const [key, entry] of this.#entries) {
      if (!entry.isHere || !key.startsWith(side)) continue;
      hold(`${name} of channel ${at} forgets ${key}`, !isOver || entry.by === 'remote' || entry.end !== undefined);
      const claimed = this.#world.claims(at, name, fromHex(entry.paymentHash)) ? 'fulfilled' : undefined;
      const end = entry.end ?? (entry.by === 'remote' ? (claimed ?? (isOver ? 'failed' : undefined)) : undefined);
      this.#entries.set(key, { ...entry, isHere: !isOver, ...(end ? { end } : {}) });
    }
  }

  /** News of an HTLC of that side: where its channel is live, the table says so itself. */
  told(at: number, name: PartyName, id: bigint, end: 'fulfilled' | 'failed'): void {
    const key = `${at} ${name} local ${id}`;
    const entry = this.#entries.get(key);
    if (!entry?.isHere || this.#world.isLiveAt(at, name)) return;
    hold(`an HTLC was ${entry.end} and then ${end}`, entry.end === undefined || entry.end === end);
    this.#entries.set(key, { ...entry, end });
  }

  check(): void {
    for (const [at, { parties }] of this.#world.pairs.entries())
      for (const { name, state } of parties) {
        const fault = faultOf(state.channels[0], this.#world.fates[at] ?? 'open');
        hold(`${name} of channel ${at}, ${this.#world.fates[at]}: ${fault}`, fault === undefined);
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
    for (const { by, key, end } of mine)
      hold(`node ${index} has forgotten ${key}`, by === 'local' || end !== undefined || known.has(key) || this.#isEnding(index, key));
  }

  /** On chain a part that is not decided is given up, and stays until its time is over. */
  #isEnding(node: number, key: string): boolean {
    return this.#world.sidesOf(node).some(({ at, name }) => key.startsWith(`${at}:`) && !this.#world.isLiveAt(at, name));
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
      if (this.#world.fates[at] !== 'open') continue;
      for (const { commitments } of [alice, bob]) hold(`channel ${at} is not quiet`, isQuiet(commitments));
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
        if (this.#isDustLost(paymentHash)) continue;
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
    const slackMsat = this.#slackMsat(index);
    const isRight = slackMsat === 0n ? hasMsat === dueMsat : hasMsat + slackMsat >= dueMsat;
    hold(`node ${index} has ${hasMsat}, and should have ${dueMsat}, less at most ${slackMsat}`, isRight);
  }

  /** What the ends of its channels may have cost it: fees, anchors, parts of a satoshi, and HTLCs that are too small for an output. */
  #slackMsat(node: number): bigint {
    const closed = this.#world.sidesOf(node).filter(({ at }) => this.#world.fates[at] !== 'open').length;
    if (closed === 0) return 0n;
    const dust = [...this.#entries.values()].filter((one) => one.node === node && this.#isDustAt(one));
    return (this.#world.chain.feesSat + BigInt(closed) * (anchorsSat + 1n)) * 1000n + sum(dust, ({ amountMsat }) => amountMsat);
  }
  #isDustAt({ key, amountMsat }: Entry): boolean {
    return amountMsat < dustMsat && this.#world.fates[Number(key.split(':')[0])] === 'forced';
  }
  /** Somewhere on its way a part was without an output when its channel went on chain: it may be paid on one side and back on the other. */
  #isDustLost(paymentHash: string): boolean {
    return [...this.#entries.values()].some((one) => one.paymentHash === paymentHash && this.#isDustAt(one));
  }
}

const isSettled = ({ state }: Part): boolean => state === 'settled';
const earned = ({ htlc, paidMsat }: Forward): bigint => (paidMsat === undefined ? 0n : htlc.amountMsat - paidMsat);
const same = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join() === [...b].sort().join();
