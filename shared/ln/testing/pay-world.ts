/**
 * A model of two or three nodes that pay each other whole payments over our own engines: `stepPayment` for who pays, `receive-set` for who is
 * paid, real onions between them, and channels in every state of their dance. Driven by a list of moves, as `model.ts` is with bare HTLCs.
 *
 * What a step of a channel brings and what the node's payments make of it is one commit (`pay-books.ts`); a node that dies loses the step or
 * keeps it, and never a half. After each move `pay-checks.ts` looks at all of it. Channels are closed, with what is under way in them, on a chain
 * that everybody sees (`model-chain.ts`).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../lib/bytes.ts';
import { paymentOnion } from '../onion/route.ts';
import { newPayment, type Payment, partsIn } from '../payment/payment.ts';
import { cancel, expire, settle, without } from '../payment/receive-set.ts';
import type { ChannelRequest, PeerCommand } from '../peer/command.ts';
import type { PeerEffect } from '../peer/effect.ts';
import type { PeerState } from '../peer/state.ts';
import { decode } from '../peer/wire.ts';
import type { Fate } from './model.ts';
import { otherParty as other, partyNames } from './model-moves.ts';
import { hash } from './opener.ts';
import type { Party, PartyName } from './pair.ts';
import {
  type Books,
  type Forward,
  keyOf,
  outMsat,
  type PaymentBook,
  type PayNode,
  partRequest,
  type SetPart,
  type Standing,
} from './pay-books.ts';
import { Watch } from './pay-checks.ts';
import { PayGround, type PayOptions, START_HEIGHT } from './pay-ground.ts';
import type { PayMove, Plan, Shape } from './pay-moves.ts';
import { payee, planned, scidOf } from './pay-plan.ts';

/** So that no channel has to go on chain for what is fulfilled: `holdBeforeBlocks` before that, sets fail. */
const MAX_BLOCKS = 36;
const MAX_FEE = 10_000n;
const PAYMENT_MS = 120_000;
/** Every HTLC has expired by then, every output of a commitment is claimed and buried. */
const LAST_HEIGHT = START_HEIGHT + 1_000;
const goodPlan = (turn: number): Plan => ({ kind: 'wise', shares: [1], turn, feeMsat: 100n });

export class PayWorld extends PayGround {
  readonly watch: Watch;
  moves = 0;
  messages = 0;
  cuts = 0;
  deaths = 0;
  /** Closes with something under way. */
  busyCloses = 0;
  #draws = 0;
  /** With nothing to sign since. */
  readonly #flushed = new Map<Party, PeerState>();

  constructor(shape: Shape, options: PayOptions = {}) {
    super(shape, options);
    this.watch = new Watch(this);
    this.#begun(JSON.stringify([shape, options.kind, options.opener, options.simpleClose]));
  }

  /** Connected, and at rest; where these options were played before, as they were then. */
  #begun(key: string): void {
    const known = starts.get(key);
    for (const [at, pair] of this.pairs.entries()) {
      if (!known) this.#connect(at);
      pair.epoch = 1;
    }
    this.#eachParty((at, name) => {
      const state = known?.get(`${at} ${name}`);
      if (state) this.party(at, name).state = state;
    });
    if (known) return;
    this.#settle();
    const start = new Map<string, PeerState>();
    this.#eachParty((at, name) => start.set(`${at} ${name}`, this.party(at, name).state));
    starts.set(key, start);
  }

  play(move: PayMove): void {
    this.moves += 1;
    this.#make(move);
    this.watch.check();
  }

  #make(move: PayMove): void {
    switch (move.move) {
      case 'pay':
        this.#pay(move);
        return;
      case 'pay-again': {
        const old = picked(this.payments, move.pick);
        if (!old) return;
        const { payee: to, paymentHash, amountMsat, maxParts } = old.life;
        this.#begin(this.#payerFor(this.#payeeOf(old.life), move.by), to, paymentHash, amountMsat, maxParts);
        return;
      }
      case 'drive': {
        const pending = this.payments.filter(({ life }) => life.state === 'pending');
        const book = picked(pending, move.pick);
        if (book) this.#drive(book, move.plan);
        return;
      }
      case 'carry': {
        const node = this.node(move.node);
        this.#carry(node, (at) => ((move.channels >> at) & 1) === 1);
        return;
      }
      case 'mood':
        this.node(move.node).mood = move.mood;
        return;
      case 'cancel-payment': {
        const book = picked(this.payments, move.pick);
        if (book) this.#payerOf(book).tell(book.id, { tag: 'cancel' });
        return;
      }
      case 'cancel-invoice': {
        const all = this.nodes.flatMap((node) => node.books.invoices.map((invoice) => ({ node, invoice })));
        const one = picked(all, move.pick);
        one?.node.keepInvoice({ ...one.invoice, cancelled: true, parts: cancel(one.invoice.parts) });
        return;
      }
      case 'deliver':
        for (let i = 0; i < move.count; i += 1) if (!this.#deliver(move.at, move.to)) return;
        return;
      case 'dance':
        for (let i = 0; i < move.count; i += 1)
          for (const name of partyNames) {
            this.#deliver(move.at, name);
            this.step(move.at, name, { tag: 'flush' });
          }
        return;
      case 'rest':
        this.#rest(move.plan, 3);
        return;
      case 'cut':
        this.cuts += 1;
        for (const name of partyNames) this.#hangUp(move.at, name);
        return;
      case 'half-cut':
        this.cuts += 1;
        this.#hangUp(move.at, move.who);
        return;
      case 'connect':
        if (!this.#isConnected(move.at)) this.#connect(move.at);
        return;
      case 'die':
        this.#die(move.at, move.who, move.when);
        return;
      case 'clock':
        this.#later(move.ms);
        return;
      case 'look':
        this.#look(Math.max(0, Math.min(move.blocks, START_HEIGHT + MAX_BLOCKS - this.height)));
        return;
      case 'close': {
        const at = move.at % this.pairs.length;
        this.#close(at, this.fates[at] === 'forced' ? 'forced' : 'mutual');
        this.#command(at, move.who, { tag: 'close', feeratePerKw: move.feeratePerKw });
        return;
      }
      case 'force-close': {
        const at = move.at % this.pairs.length;
        this.#close(at, 'forced');
        this.chain.supply(at, move.who, this.party(at, move.who));
        this.#command(at, move.who, { tag: 'force-close' });
        this.chain.wake(0, 'when due');
        return;
      }
    }
  }

  #close(at: number, fate: Fate): void {
    if (this.fates[at] === 'open' && this.commitmentsAt(at, 'alice')?.htlcs.length !== 0) this.busyCloses += 1;
    this.fates[at] = fate;
  }
  #later(ms: number): void {
    for (const node of this.nodes) node.nowMs += ms;
    this.#eachParty((at, name) => {
      this.party(at, name).now += ms;
      this.step(at, name, { tag: 'tick' });
    });
  }
  #look(blocks: number, tick: 'always' | 'when due' = 'always'): void {
    this.chain.mine(blocks);
    this.height = this.chain.height;
    for (const node of this.nodes) {
      node.height = this.height;
      node.look();
    }
    this.chain.wake(0, tick);
  }
  #eachParty(visit: (at: number, name: PartyName) => void): void {
    for (const at of this.pairs.keys()) for (const name of partyNames) visit(at, name);
  }

  #isConnected(at: number): boolean {
    const pair = this.pairAt(at);
    return pair.parties.every(({ state }) => state.link !== 'offline' && state.epoch === pair.epoch);
  }
  #connect(at: number): void {
    const pair = this.pairAt(at);
    pair.epoch += 1;
    for (const name of partyNames) pair[name].wire.length = 0;
    for (const name of partyNames) this.#ask(at, name, () => pair[name].connect(pair.epoch));
    for (let i = 0; i < 2; i += 1) for (const to of partyNames) this.#deliver(at, to);
  }
  #hangUp(at: number, name: PartyName): void {
    const pair = this.pairAt(at);
    for (const party of pair.parties) party.wire.length = 0;
    this.step(at, name, { tag: 'disconnected', epoch: pair[name].state.epoch });
    pair[name].wire.length = 0;
  }
  #deliver(at: number, to: PartyName): boolean {
    const pair = this.pairAt(at);
    const bytes = pair[other(to)].wire.shift();
    const { link } = pair[to].state;
    if (!bytes || link === 'offline' || link === 'closing') return false;
    this.messages += 1;
    this.#ask(at, to, () => pair[to].hear(bytes));
    return true;
  }

  /** All that the node has is as it was before the message, or after it; every connection of it is gone. */
  #die(at: number, who: PartyName, when: 'before' | 'after'): void {
    const node = this.nodeAt(at, who);
    const sides = this.sidesOf(node.index).map((side) => ({ ...side, state: this.party(side.at, side.name).state }));
    const books: Books = node.books;
    const unsee = this.watch.mark();
    this.deaths += 1;
    this.#deliver(at, who);
    if (when === 'before') {
      node.books = books;
      unsee();
      for (const side of sides) this.party(side.at, side.name).state = side.state;
    }
    for (const side of sides) this.#hangUp(side.at, side.name);
  }

  step(at: number, name: PartyName, command: PeerCommand): void {
    this.#ask(at, name, () => this.party(at, name).step(command));
  }
  #command(at: number, name: PartyName, command: ChannelRequest): void {
    this.step(at, name, { tag: 'channel', channelId: this.#channelId(at), command });
  }
  #channelId(at: number): Uint8Array {
    return this.channelIds[at % this.pairs.length] ?? new Uint8Array(0);
  }

  /** One commit of a node: a step of a channel, and whatever follows from it for that channel. */
  #ask(at: number, name: PartyName, step: () => readonly PeerEffect[]): void {
    const index = at % this.pairs.length;
    const party = this.party(index, name);
    const before = party.wire.length;
    let effects = step();
    while (effects.length > 0) {
      const removals = effects.flatMap((effect) => this.#hear(index, name, effect));
      effects = removals.flatMap((command) => party.step({ tag: 'channel', channelId: this.#channelId(index), command }));
    }
    for (const bytes of party.wire.slice(Math.min(before, party.wire.length))) listen(party, bytes, this.fates[index]);
    this.watch.scan(index, name);
  }

  #hear(at: number, name: PartyName, effect: PeerEffect): readonly ChannelRequest[] {
    const node = this.nodeAt(at, name);
    switch (effect.tag) {
      case 'htlc-offered':
        node.offered(effect.request, at, effect.id);
        return [];
      case 'add-refused':
        node.refused(effect.request, effect.error.code);
        return [];
      case 'htlc-fulfilled':
        this.watch.told(at, name, effect.id, 'fulfilled');
        node.ended(keyOf(at, effect.id), { ...effect, kind: 'fulfill' });
        return [];
      case 'htlc-failed':
        this.watch.told(at, name, effect.id, 'failed');
        node.ended(keyOf(at, effect.id), effect.removal);
        return [];
      case 'htlc-received': {
        const { htlc } = effect;
        const refused = node.received(at, htlc, effect.overExposed);
        const own = refused ? [{ id: htlc.id, removal: refused }] : [];
        return [...own, ...node.decided(at, (id) => this.standingOf(at, name, id))].map((one) => ({ tag: 'remove', ...one }));
      }
      case 'htlc-claimed':
        node.claimed(keyOf(at, effect.htlc.id));
        return [];
      case 'disconnect':
        throw new Error(`${name} ends the connection: ${effect.reason}`);
      default:
        return [];
    }
  }

  #pay({ from, to, amountMsat, maxParts, plan }: Extract<PayMove, { move: 'pay' }>): void {
    const payer = this.node(from);
    const target = this.node(payer.index + 1 + (to % (this.nodes.length - 1)));
    const preimage = hash(`preimage ${target.index} ${target.books.invoices.length}`);
    const paymentHash = toHex(sha256(preimage));
    const paymentSecret = hash(`payment secret ${paymentHash}`);
    target.keepInvoice({ paymentHash, preimage, paymentSecret, amountMsat, cancelled: false, parts: [] });
    const id = this.#begin(payer, payee(target.index), paymentHash, amountMsat, maxParts);
    const book = payer.books.payments.find((one) => one.id === id);
    if (book) this.#drive(book, plan);
  }

  /** What is under way, or was paid, is not paid again. */
  #begin(payer: PayNode, to: string, paymentHash: string, amountMsat: bigint, maxParts: number): string | undefined {
    const rival = payer.books.payments.some(({ life }) => life.paymentHash === paymentHash && life.state !== 'failed');
    if (rival) return undefined;
    const id = `${payer.index}.${payer.books.payments.length}`;
    const deadlineMs = payer.nowMs + PAYMENT_MS;
    const terms = {
      kind: 'invoice',
      paymentHash,
      payee: to,
      amountMsat,
      maxFeeMsat: MAX_FEE,
      maxParts,
      deadlineMs,
      expires: false,
    } as const;
    payer.keepPayment({ id, life: newPayment(terms), notes: [] });
    payer.tell(id, { tag: 'begin' });
    return id;
  }

  #payerFor({ index }: PayNode, by: number): PayNode {
    return this.node(index + 1 + (by % (this.nodes.length - 1)));
  }
  #payerOf({ id }: PaymentBook): PayNode {
    return this.node(Number(id.split('.')[0]));
  }
  #payeeOf({ payee: to }: Pick<Payment, 'payee'>): PayNode {
    const found = this.nodes.find(({ index }) => payee(index) === to);
    if (!found) throw new Error('a payment to nobody');
    return found;
  }

  /** As the runtime: what has to change first is changed, then routes are found, then parts are offered, one in each turn. */
  #drive(book: PaymentBook, plan: Plan): void {
    const node = this.#payerOf(book);
    const before = node.books;
    const effects = node.tell(book.id, { tag: 'tick' });
    if (node.books !== before) return;
    const wanted = effects.find((effect) => effect.tag === 'route-wanted');
    if (wanted) {
      const routes = planned(this, node.index, this.#payeeOf(book.life).index, wanted, plan);
      node.tell(book.id, routes ? { tag: 'routes', routes } : { tag: 'no-route', code: 'no-route' });
      return;
    }
    const offer = effects.find((effect) => effect.tag === 'offer');
    if (offer) this.#offer(node, book, offer.part.n);
  }

  #offer(node: PayNode, { id, life }: PaymentBook, n: number): void {
    const part = life.parts[n];
    const [first] = part?.htlcs ?? [];
    const invoice = this.#payeeOf(life).books.invoices.find((one) => one.paymentHash === life.paymentHash);
    const side = this.sidesOf(node.index).find(({ at }) => this.channelHex(at) === part?.channel);
    if (!part || !first || !invoice || !side) throw new Error('a part that leads nowhere');
    this.#draws += 1;
    const onion = paymentOnion({
      sessionKey: hash(`session ${this.#draws}`),
      paymentHash: sha256(invoice.preimage),
      htlcs: part.htlcs,
      recipient: { tag: 'node', totalMsat: life.amountMsat, paymentSecret: invoice.paymentSecret },
    });
    if (!onion.ok) throw new Error(onion.error.code);
    node.tell(id, { tag: 'sealed', n, sharedSecrets: onion.value.sharedSecrets });
    const { amountMsat, cltvExpiry } = first;
    const add = { amountMsat, cltvExpiry, paymentHash: sha256(invoice.preimage), onion: onion.value.packet } as const;
    this.#command(side.at, side.name, { tag: 'add', request: partRequest(id, n), ...add });
    const after = node.books.payments.find((one) => one.id === id)?.life;
    if (after && partsIn(after, 'planned').some((one) => one.n === n)) node.tell(id, { tag: 'refused', n, code: 'not-usable' });
  }

  /** Decides what is due, and says what is decided where it is still open; what is to be passed on is offered. */
  #carry(node: PayNode, reaches: (at: number) => boolean): void {
    const standingAt = (at: number, id: bigint): Standing => {
      const side = this.sidesOf(node.index).find((one) => one.at === at);
      return side ? this.standingOf(at, side.name, id) : 'gone';
    };
    for (const invoice of node.books.invoices) {
      const gone = ({ at, id, state }: SetPart): boolean =>
        state !== 'fulfilled' && (state === 'fulfilling' ? standingAt(at, id) === 'gone' : standingAt(at, id) !== 'open');
      const there = invoice.parts.some(gone) ? without(invoice.parts, gone) : invoice.parts;
      const parts = settle(expire(there, node.moment), node.moment);
      if (parts !== invoice.parts) node.keepInvoice({ ...invoice, parts });
    }
    for (const { at, name } of this.sidesOf(node.index)) {
      if (!reaches(at)) continue;
      for (const { id, removal } of node.decided(at, (one) => this.standingOf(at, name, one)))
        this.#command(at, name, { tag: 'remove', id, removal });
    }
    for (const forward of node.books.forwards) {
      if (forward.state !== 'new') continue;
      // What could be had on chain only is not passed on.
      if (standingAt(forward.at, forward.id) !== 'open') node.refused(`forward ${forward.key}`, 'not-usable');
      else this.#forward(node, forward, reaches);
    }
  }

  #forward(node: PayNode, forward: Forward, reaches: (at: number) => boolean): void {
    const { hop, htlc, key } = forward;
    const side = this.sidesOf(node.index).find(({ at }) => 'shortChannelId' in hop.to && hop.to.shortChannelId === scidOf(at));
    if (!side) throw new Error('to nowhere');
    if (!reaches(side.at)) return;
    const add = { amountMsat: outMsat(forward), cltvExpiry: hop.outgoingCltvValue, paymentHash: htlc.paymentHash, onion: hop.next };
    this.#command(side.at, side.name, { tag: 'add', request: `forward ${key}`, ...add });
    const after = node.books.forwards.find((one) => one.key === key);
    if (after?.state === 'new') node.refused(`forward ${key}`, 'not-usable');
  }

  /** Until nobody has anything to say. */
  #settle(): void {
    for (let rounds = 0; rounds < 400; rounds += 1) {
      let busy = false;
      this.#eachParty((at, name) => {
        while (this.#deliver(at, name)) busy = true;
        const party = this.party(at, name);
        if (this.#flushed.get(party) === party.state) return;
        this.step(at, name, { tag: 'flush' });
        this.#flushed.set(party, party.state);
        if (party.wire.length > 0) busy = true;
      });
      if (!busy) return;
    }
    throw new Error('they never come to rest');
  }

  #rest(plan: Plan, rounds: number): boolean {
    for (let round = 0; round < rounds; round += 1) {
      const before = this.nodes.map(({ books }) => books);
      this.#settle();
      for (const book of this.payments) if (book.life.state === 'pending') this.#drive(book, plan);
      for (const node of this.nodes) this.#carry(node, () => true);
      this.#settle();
      this.watch.check();
      if (this.nodes.every(({ books }, i) => books === before[i])) return true;
    }
    return false;
  }

  /** Everybody back and honest; what can be paid is paid, and the clock ends the rest. */
  finish(): void {
    // What is to be seen of ice was seen: the way home costs half of a schedule.
    for (const party of this.pairs.flatMap(({ parties }) => parties)) if (party.icy === 'once') party.icy = false;
    for (const at of this.pairs.keys()) {
      for (const name of partyNames) this.#hangUp(at, name);
      this.#connect(at);
    }
    for (const node of this.nodes) node.mood = 'honest';
    for (const party of this.pairs.flatMap(({ parties }) => parties)) party.feerate = 300;
    const isClosed = this.fates.includes('forced');
    for (let minute = 0; minute < (isClosed ? 4 : 12); minute += 1) {
      this.#look(0);
      if (!this.#rest(goodPlan(minute), 400)) throw new Error('the nodes never come to rest');
      const isHeld = this.nodes.some(({ books }) => books.invoices.some(({ parts }) => parts.some(({ state }) => state === 'held')));
      if (!isHeld && this.payments.every(({ life }) => life.state !== 'pending')) break;
      this.#later(60_000);
    }
    if (this.fates.some((fate) => fate !== 'open')) this.#bury();
    this.watch.checkEnd();
  }

  /** The chain goes on until every channel that was closed is resolved, and everybody does at once what follows from it. */
  #bury(): void {
    const kept = (): readonly unknown[] =>
      this.nodes.flatMap(({ books: { payments, invoices, forwards } }) => [payments, invoices, forwards]);
    while (!this.isBuried) {
      if (this.height > LAST_HEIGHT) throw new Error(`channels are not resolved at height ${this.height}`);
      const due = this.chain.nextHeight() ?? this.height + 20;
      const before = kept();
      this.#look(this.chain.chain.mempool.length > 0 ? 1 : Math.max(1, Math.min(due - this.height, 50)), 'when due');
      const isSaid = this.pairs.some(({ parties }) => parties.some(({ wire }) => wire.length > 0));
      const isNews = isSaid || kept().some((book, i) => book !== before[i]);
      if (isNews && !this.#rest(goodPlan(0), 400)) throw new Error('the nodes never come to rest');
    }
    this.#later(PAYMENT_MS);
    if (!this.#rest(goodPlan(0), 400)) throw new Error('the nodes never come to rest');
  }
}

const starts = new Map<string, ReadonlyMap<string, PeerState>>();

const picked = <T>(all: readonly T[], pick: number): T | undefined => all[pick % Math.max(1, all.length)];

function listen(party: Party, bytes: Uint8Array, fate: Fate | undefined): void {
  const decoded = decode(bytes);
  if (!decoded.ok) throw new Error(`${party.name} said what cannot be read`);
  const { value } = decoded;
  if (value.name === 'warning' || (value.name === 'error' && fate !== 'forced'))
    throw new Error(`${party.name} said ${value.name}: ${String.fromCharCode(...value.data)}`);
}
