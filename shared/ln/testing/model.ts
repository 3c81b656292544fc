/**
 * A model of two or three nodes in a line that pay each other over our own engines, driven by a list of moves. Every move is small and
 * plain, so that a failing schedule shrinks to a list that a person can read and play again.
 *
 * After each move: money is conserved in every commitment (the steps go through ice), nobody said `error` or `warning` whose channel
 * nobody closed by force, no channel is in a state that nobody asked for. At the end everybody reconnects, every payment is brought to
 * an end, on chain where the channel is closed, and the sums are made (`model-sums.ts`).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal } from '../../lib/bytes.ts';
import { type ChannelState, liveOf } from '../channel/state.ts';
import type { ChannelRequest, PeerCommand } from '../peer/command.ts';
import type { PeerEffect } from '../peer/effect.ts';
import { decode } from '../peer/wire.ts';
import type { Outpoint } from '../tx/transaction.ts';
import { LineChain } from './model-chain.ts';
import { type Ending, type Move, otherParty as other, partyNames } from './model-moves.ts';
import { hash } from './opener.ts';
import { Pair, type PairOptions, type Party, type PartyName } from './pair.ts';

/** One HTLC of a payment on one channel. */
export type Hop = {
  readonly at: number;
  readonly from: PartyName;
  id?: bigint;
  /** Whoever received it has decided to take it. */
  claimed?: true;
  outcome?: 'fulfilled' | 'failed';
};
export type Payment = { readonly amountMsat: bigint; readonly preimage: Uint8Array; readonly hops: Hop[]; received: boolean };

/** What somebody asked of a channel: `mutual`, a cooperative close; `forced`, one by a commitment. */
export type Fate = 'open' | 'mutual' | 'forced';

const preimageOf = (index: number): Uint8Array => hash(`preimage ${index}`);
const CLTV = 1_500;
/** Every HTLC has expired by then, every output of a commitment is claimed and buried. */
const LAST_HEIGHT = CLTV + 800;

export type LineOptions = PairOptions & { readonly icy?: Party['icy'] };

export class Line {
  readonly pairs: readonly Pair[];
  readonly payments: Payment[] = [];
  readonly refusals: string[] = [];
  moves = 0;
  messages = 0;

  readonly fates: Fate[];
  readonly ground: LineChain;
  private readonly channelIds: readonly Uint8Array[];
  private readonly outpoints: readonly Outpoint[];

  constructor(channels: number, { icy = true, ...options }: LineOptions = {}) {
    this.pairs = Array.from({ length: channels }, (_, at) => new Pair({ ...options, name: `${options.name ?? 'line'} ${at}` }));
    this.fates = this.pairs.map(() => 'open');
    this.channelIds = this.pairs.map(({ alice }) => alice.commitments.channelId);
    this.outpoints = this.pairs.map(({ alice }) => alice.commitments.fundingOutpoint);
    for (const party of this.parties) party.icy = icy;
    this.ground = new LineChain(this.pairs, (at, name, command) => this.step(at, name, command));
    for (const [at, pair] of this.pairs.entries()) this.connect(at, pair);
    this.settle();
  }

  play(move: Move): void {
    this.moves += 1;
    this.make(move);
    this.check();
  }

  private make(move: Move): void {
    switch (move.move) {
      case 'pay':
        this.pay(move);
        return;
      case 'end':
        this.end(move.pick, move.how);
        return;
      case 'fee': {
        const [at] = this.pairAt(move.at);
        const opener = this.openerOf(at);
        this.command(at, opener, { tag: 'set-fee', feeratePerKw: move.feeratePerKw });
        return;
      }
      case 'deliver':
        for (let i = 0; i < move.count; i += 1) if (!this.deliver(move.at, move.to)) return;
        return;
      case 'flush':
        this.step(this.pairAt(move.at)[0], move.who, { tag: 'flush' });
        return;
      case 'dance':
        this.dance(move.at, move.count);
        return;
      case 'cut': {
        const [at, pair] = this.pairAt(move.at);
        for (const name of partyNames) this.hangUp(at, pair, name);
        return;
      }
      case 'half-cut': {
        const [at, pair] = this.pairAt(move.at);
        this.hangUp(at, pair, move.who);
        return;
      }
      case 'connect': {
        const [at, pair] = this.pairAt(move.at);
        if (pair.parties.every(({ state }) => state.link !== 'offline' && state.epoch === pair.epoch)) return;
        this.connect(at, pair);
        if (move.greet) for (let i = 0; i < 2; i += 1) for (const to of partyNames) this.deliver(at, to);
        return;
      }
      case 'clock':
        for (const party of this.parties) party.now += move.ms;
        for (const [at] of this.pairs.entries()) for (const name of partyNames) this.step(at, name, { tag: 'tick' });
        return;
      case 'blocks':
        this.ground.mine(move.count, move.pick);
        this.ground.wake(move.pick, 'always');
        return;
      case 'reorg':
        this.ground.reorganise(move.depth, move.forgotten, move.pick);
        this.ground.wake(move.pick, 'when due');
        return;
      case 'funding-reorg': {
        const [at] = this.pairAt(move.at);
        const outpoint = this.outpoints[at];
        if (!outpoint || this.ground.spenderOf(outpoint)) return;
        this.step(at, move.who, { tag: 'chain', event: { tag: 'funding-reorged', outpoint } });
        const { height } = this.ground;
        this.step(at, move.who, { tag: 'chain', event: { tag: 'funding-confirmed', outpoint, height, txIndex: 2, depth: 1 } });
        return;
      }
      case 'close': {
        const [at] = this.pairAt(move.at);
        if (this.fates[at] === 'open') this.fates[at] = 'mutual';
        this.command(at, move.who, { tag: 'close', feeratePerKw: move.feeratePerKw });
        return;
      }
      case 'force-close': {
        const [at, pair] = this.pairAt(move.at);
        this.fates[at] = 'forced';
        if (move.asleep) this.ground.asleep.add(pair[other(move.who)]);
        this.ground.supply(at, move.who, pair[move.who]);
        this.command(at, move.who, { tag: 'force-close' });
        this.ground.wake(0, 'when due');
        return;
      }
    }
  }

  get parties(): readonly Party[] {
    return this.pairs.flatMap(({ parties }) => parties);
  }

  private pairAt(at: number): readonly [number, Pair] {
    const index = at % this.pairs.length;
    const pair = this.pairs[index];
    if (!pair) throw new Error('a line has at least one channel');
    return [index, pair];
  }

  openerOf(at: number): PartyName {
    const terms = this.pairAt(at)[1].terms;
    return terms.localIsOpener ? 'alice' : 'bob';
  }

  private step(at: number, name: PartyName, command: PeerCommand): void {
    const [, pair] = this.pairAt(at);
    this.ask(at, name, () => pair[name].step(command));
  }

  private command(at: number, name: PartyName, command: ChannelRequest): void {
    const channelId = this.channelIds[at];
    if (!channelId) throw new Error('no such channel');
    this.step(at, name, { tag: 'channel', channelId, command });
  }

  private dance(at: number, count: number): void {
    for (let i = 0; i < count; i += 1)
      for (const name of partyNames) {
        this.deliver(at, name);
        this.step(this.pairAt(at)[0], name, { tag: 'flush' });
      }
  }

  /** What was on the wire is lost; the other side, if it still believes in the connection, speaks to nobody. */
  private hangUp(at: number, pair: Pair, name: PartyName): void {
    for (const party of pair.parties) party.wire.length = 0;
    this.step(at, name, { tag: 'disconnected', epoch: pair[name].state.epoch });
    pair[name].wire.length = 0;
  }

  private connect(at: number, pair: Pair): void {
    pair.epoch += 1;
    for (const name of partyNames) {
      pair[name].wire.length = 0;
      this.ask(at, name, () => pair[name].connect(pair.epoch));
    }
  }

  /** Steps one party, looks at what it says, and hands on what it was told. */
  private ask(at: number, name: PartyName, step: () => readonly PeerEffect[]): void {
    const party = this.pairAt(at)[1][name];
    const before = party.wire.length;
    const effects = step();
    for (const bytes of party.wire.slice(Math.min(before, party.wire.length))) this.listen(at, party, bytes);
    for (const effect of effects) this.hear(at, name, effect);
  }

  private listen(at: number, party: Party, bytes: Uint8Array): void {
    const decoded = decode(bytes);
    if (!decoded.ok) throw new Error(`${party.name} said what cannot be read`);
    const { value } = decoded;
    if (value.name === 'warning' || (value.name === 'error' && this.fates[at] !== 'forced'))
      throw new Error(`${party.name} said ${value.name}: ${String.fromCharCode(...value.data)}`);
  }

  private deliver(at: number, to: PartyName): boolean {
    const [index, pair] = this.pairAt(at);
    const { link } = pair[to].state;
    const bytes = pair[other(to)].wire.shift();
    if (!bytes || link === 'offline' || link === 'closing') return false;
    this.messages += 1;
    this.ask(index, to, () => pair[to].hear(bytes));
    return true;
  }

  private pay({ from, amountMsat, hash: index }: Extract<Move, { move: 'pay' }>): void {
    const all = this.pairs.map((_, at) => at);
    const route = from === 'alice' ? all : all.reverse();
    const payment: Payment = { amountMsat, preimage: preimageOf(index), hops: route.map((at) => ({ at, from })), received: false };
    this.payments.push(payment);
    this.offer(payment, 0);
  }

  /** Hop number `step` of a payment; its name in the answers is "payment/step". */
  private offer(payment: Payment, step: number): void {
    const hop = payment.hops[step];
    if (!hop) return;
    const { amountMsat, preimage } = payment;
    const request = `${this.payments.indexOf(payment)}/${step}`;
    const command = {
      tag: 'add',
      request,
      amountMsat,
      paymentHash: sha256(preimage),
      cltvExpiry: CLTV - step * 40,
      onion: onionOf(request),
    } as const;
    this.command(hop.at, hop.from, command);
  }

  private hear(at: number, name: PartyName, effect: PeerEffect): void {
    switch (effect.tag) {
      case 'htlc-offered':
        this.hopOf(effect.request).hop.id = effect.id;
        return;
      case 'add-refused':
        this.refusals.push(effect.error.code);
        this.ended(this.hopOf(effect.request), 'failed');
        return;
      case 'htlc-received': {
        const found = this.hopOf(requestOf(effect.htlc.onion));
        if (found.hop.id !== effect.htlc.id) throw new Error('an HTLC came under another id');
        if (found.step === found.payment.hops.length - 1) found.payment.received = true;
        else this.offer(found.payment, found.step + 1);
        return;
      }
      case 'htlc-fulfilled': {
        const found = this.find(at, name, effect.id);
        if (!equal(effect.preimage, found.payment.preimage)) throw new Error('fulfilled with another preimage');
        this.ended(found, 'fulfilled');
        return;
      }
      case 'htlc-failed':
        this.ended(this.find(at, name, effect.id), 'failed');
        return;
      case 'disconnect':
        throw new Error(`${name} ends the connection: ${effect.reason}`);
      default:
        return;
    }
  }

  /** An end goes one channel back. */
  private ended({ payment, step, hop }: Found, outcome: 'fulfilled' | 'failed'): void {
    // The peer says a fulfilment again after a reconnection; it is no second one.
    if (hop.outcome === outcome && outcome === 'fulfilled') return;
    if (hop.outcome) throw new Error(`an HTLC was ${hop.outcome} and then ${outcome}`);
    hop.outcome = outcome;
    const before = payment.hops[step - 1];
    if (before) this.remove(payment, before, outcome === 'fulfilled' ? 'fulfill' : 'fail');
  }

  private remove({ preimage }: Payment, hop: Hop, how: Ending): void {
    const { at, from, id } = hop;
    if (id === undefined) throw new Error('an HTLC without an id');
    if (how === 'fulfill') hop.claimed = true;
    const removal =
      how === 'fulfill'
        ? ({ kind: 'fulfill', preimage } as const)
        : how === 'fail'
          ? ({ kind: 'fail', reason: new Uint8Array(292) } as const)
          : ({ kind: 'fail-malformed', sha256OfOnion: new Uint8Array(32), failureCode: 0xc005 } as const);
    this.command(at, other(from), { tag: 'remove', id, removal });
  }

  private end(pick: number, how: Ending): void {
    const open = this.payments.filter(({ received }) => received);
    const payment = open[pick % Math.max(1, open.length)];
    const last = payment?.hops.at(-1);
    if (!payment || !last) return;
    payment.received = false;
    this.remove(payment, last, how);
  }

  private hopOf(request: string): Found {
    const [index = '', step = ''] = request.split('/');
    const payment = this.payments[Number(index)];
    const hop = payment?.hops[Number(step)];
    if (!payment || !hop) throw new Error(`nobody asked for ${request}`);
    return { payment, hop, step: Number(step) };
  }

  /** The newest HTLC with that id: ids of HTLCs that were never signed are used again. */
  private find(at: number, from: PartyName, id: bigint): Found {
    for (const payment of this.payments.toReversed()) {
      const step = payment.hops.findIndex((hop) => hop.at === at && hop.from === from && hop.id === id);
      const hop = payment.hops[step];
      if (hop) return { payment, hop, step };
    }
    throw new Error(`no HTLC ${id}`);
  }

  private check(): void {
    for (const [at, { parties }] of this.pairs.entries())
      for (const { name, state } of parties) {
        const fault = faultOf(state.channels[0], this.fates[at] ?? 'open');
        if (fault) throw new Error(`${name} of channel ${at}, ${this.fates[at]}: ${fault}`);
      }
  }

  private settle(): void {
    for (let rounds = 0; rounds < 400; rounds += 1) {
      let busy = false;
      for (const [at, pair] of this.pairs.entries()) {
        for (const name of partyNames) {
          while (this.deliver(at, name)) busy = true;
          this.step(at, name, { tag: 'flush' });
          if (pair[name].wire.length > 0) busy = true;
        }
      }
      if (!busy) return;
    }
    throw new Error('they never come to rest');
  }

  /** Everybody back, every payment to its end, every closed channel to its own, and then the sums. */
  finish(): void {
    this.ground.asleep.clear();
    for (const party of this.parties) party.feerate = 300;
    for (const [at, pair] of this.pairs.entries()) {
      if (pair.parties.every(({ state }) => state.link === 'ready' && state.epoch === pair.epoch)) continue;
      for (const name of partyNames) this.hangUp(at, pair, name);
      this.connect(at, pair);
    }
    this.settle();
    for (const [index, payment] of this.payments.entries()) {
      const last = payment.hops.at(-1);
      if (!payment.received || !last) continue;
      payment.received = false;
      this.remove(payment, last, index % 4 === 3 ? 'fail' : 'fulfill');
    }
    this.settle();
    this.check();
    if (this.fates.some((fate) => fate !== 'open')) this.bury();
    this.check();
  }

  /** The chain goes on until every channel that was closed is resolved. */
  private bury(): void {
    const isOver = (): boolean =>
      this.pairs.every(({ parties }, at) => this.fates[at] === 'open' || parties.every(({ state }) => state.channels.length === 0));
    this.ground.wake(0, 'always');
    while (!isOver()) {
      const { height } = this.ground;
      if (height > LAST_HEIGHT) throw new Error(`channels are not resolved at height ${height}`);
      const due = this.ground.nextHeight() ?? height + 20;
      this.ground.mine(this.ground.chain.mempool.length > 0 ? 1 : Math.max(1, Math.min(due - height, 50)));
      this.ground.wake(height, 'when due');
      if (this.parties.some(({ wire }) => wire.length > 0)) this.settle();
    }
  }
}

/** Where a channel may not be, given what was asked of it. Undefined: it is in its place. */
export function faultOf(channel: ChannelState | undefined, fate: Fate): string | undefined {
  if (!channel) return fate === 'open' ? 'forgotten' : undefined;
  const live = liveOf(channel);
  if (live.tag === 'normal' || (fate !== 'open' && ['shutting-down', 'negotiating'].includes(live.tag))) return undefined;
  if (fate === 'forced' && (live.tag === 'closing' || live.tag === 'failed')) return undefined;
  if (fate === 'mutual' && live.tag === 'closing' && live.cause.code === 'mutual') return undefined;
  return 'detail' in live
    ? `${live.tag}: ${live.detail}`
    : live.tag === 'closing'
      ? `closing: ${live.cause.code} ${live.cause.detail}`
      : live.tag;
}

type Found = { readonly payment: Payment; readonly hop: Hop; readonly step: number };

/** The onion carries the name of its hop, so that whoever receives it is known by what came over the wire. */
function onionOf(request: string): Uint8Array {
  const onion = new Uint8Array(1366);
  onion.set([...request].map((char) => char.charCodeAt(0)));
  return onion;
}
const requestOf = (onion: Uint8Array | undefined): string => String.fromCharCode(...(onion ?? []).filter((byte) => byte !== 0));
