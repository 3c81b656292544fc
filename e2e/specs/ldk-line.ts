/** One channel between a stepped node of ours and an LDK node, and every payment over it: what random moves are played on. */
import { randomBytes } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { equal, fromHex, toHex } from '../../shared/lib/bytes.ts';
import { type Commitments, feerateIn, isQuiet } from '../../shared/ln/channel/commitments.ts';
import type { Htlc, Removal, RemovalRequest } from '../../shared/ln/channel/htlc.ts';
import { commitmentsOf } from '../../shared/ln/channel/state.ts';
import { encodeInvoice } from '../../shared/ln/invoice/encode.ts';
import { parseInvoice } from '../../shared/ln/invoice/parse.ts';
import { sign } from '../../shared/ln/keys/secp.ts';
import { checkReceipt, unknownPayment } from '../../shared/ln/onion/checks.ts';
import { failHtlc, readFailure } from '../../shared/ln/onion/failure-packet.ts';
import { readHtlc } from '../../shared/ln/onion/htlc.ts';
import { paymentOnion } from '../../shared/ln/onion/route.ts';
import type { ChannelRequest, PeerCommand } from '../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import { encodeFeatures, features } from '../../shared/ln/wire/features.ts';
import type { LdkPeer } from '../peers/ldk.ts';
import { type Cut, SteppedNode } from './stepped-node.ts';

const MIN_FINAL_CLTV_EXPIRY_DELTA = 60;
/** BOLT 4: BADONION|PERM|5. */
const INVALID_ONION_HMAC = 0xc005;
const MOST_ROUNDS = 200;

export type Move =
  /** `spoilt`: an onion that LDK cannot read; `stranger`: one with a secret that it does not know. */
  | { readonly move: 'we-pay'; readonly amountMsat: bigint; readonly how: 'now' | 'held' | 'stranger' | 'spoilt' }
  | { readonly move: 'they-pay'; readonly amountMsat: bigint; readonly held: boolean }
  | { readonly move: 'we-end'; readonly pick: number; readonly how: RemovalRequest['kind'] }
  | { readonly move: 'they-end'; readonly pick: number; readonly how: 'settle' | 'cancel' }
  | { readonly move: 'hear'; readonly count: number }
  | { readonly move: 'flush' }
  /** Both say what is due, so many times. */
  | { readonly move: 'dance'; readonly count: number }
  | { readonly move: 'fee'; readonly perKw: number }
  | ({ readonly move: 'cut' } & Cut)
  /** `sync`: and `channel_reestablish` is heard. */
  | { readonly move: 'connect'; readonly sync: boolean }
  | { readonly move: 'restart-us' }
  | { readonly move: 'restart-ldk' };

const amountMsat = fc.constantFrom(1n, 1_000n, 353_999n, 354_000n, 2_000_000n, 10_000_000n, 50_000_000n);
const pick = fc.nat({ max: 5 });
const count = fc.integer({ min: 1, max: 6 });

export const ldkMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      move: fc.constant('we-pay' as const),
      amountMsat,
      how: fc.constantFrom('now' as const, 'held' as const, 'held' as const, 'stranger' as const, 'spoilt' as const),
    }),
  },
  { weight: 8, arbitrary: fc.record({ move: fc.constant('they-pay' as const), amountMsat, held: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      move: fc.constant('we-end' as const),
      pick,
      how: fc.constantFrom<RemovalRequest['kind']>('fulfill', 'fulfill', 'fail', 'fail-malformed'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ move: fc.constant('they-end' as const), pick, how: fc.constantFrom('settle' as const, 'cancel' as const) }),
  },
  { weight: 14, arbitrary: fc.record({ move: fc.constant('hear' as const), count }) },
  { weight: 9, arbitrary: fc.record({ move: fc.constant('flush' as const) }) },
  { weight: 9, arbitrary: fc.record({ move: fc.constant('dance' as const), count }) },
  { weight: 3, arbitrary: fc.record({ move: fc.constant('fee' as const), perKw: fc.constantFrom(253, 600, 1_000, 2_500) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      move: fc.constant('cut' as const),
      by: fc.constantFrom('us' as const, 'them' as const),
      after: fc.nat({ max: 4 }),
      killed: fc.boolean(),
    }),
  },
  { weight: 14, arbitrary: fc.record({ move: fc.constant('connect' as const), sync: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('restart-us' as const) }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('restart-ldk' as const) }) },
);

type Sent = {
  readonly hash: Uint8Array;
  readonly amountMsat: bigint;
  readonly how: Extract<Move, { move: 'we-pay' }>['how'];
  readonly sharedSecrets: readonly Uint8Array[];
  id?: bigint;
  theirEnd?: 'settle' | 'cancel';
  readonly ends: string[];
};
type Asked = {
  readonly hash: string;
  readonly preimage: Uint8Array;
  readonly secret: Uint8Array;
  readonly amountMsat: bigint;
  readonly held: boolean;
  htlc?: Htlc;
  answer?: RemovalRequest['kind'];
  claims: number;
  readonly ends: ('paid' | 'failed')[];
};

export type Counts = Record<
  | 'schedules'
  | 'moves'
  | 'we paid'
  | 'we failed'
  | 'refused'
  | 'not sent'
  | 'they paid'
  | 'they failed'
  | 'not offered'
  | 'cuts'
  | 'our restarts'
  | 'their restarts'
  | 'new feerates',
  number
>;
export const noCounts = (): Counts => ({
  schedules: 0,
  moves: 0,
  'we paid': 0,
  'we failed': 0,
  refused: 0,
  'not sent': 0,
  'they paid': 0,
  'they failed': 0,
  'not offered': 0,
  cuts: 0,
  'our restarts': 0,
  'their restarts': 0,
  'new feerates': 0,
});

/** The answer to `fund`: a command, given after the step that asked for it. */
export type Fund = (asked: Extract<PeerEffect, { tag: 'fund' }>) => PeerCommand;

export class LdkLine {
  readonly node: SteppedNode;
  private readonly fund: Fund | undefined;
  private readonly ldk: LdkPeer;
  private readonly height: () => number;
  private readonly counts: Counts;
  private sent: Sent[] = [];
  private asked: Asked[] = [];
  private todo: PeerCommand[] = [];
  private startMsat = 0n;
  /** LDK hangs up on who does not answer for two turns of its timer, and asking for a fee is one. */
  private turns = 0;

  constructor(ldk: LdkPeer, height: () => number, counts: Counts, fund?: Fund) {
    this.fund = fund;
    this.ldk = ldk;
    this.height = height;
    this.counts = counts;
    this.node = new SteppedNode(height, (effect) => this.take(effect));
  }

  get commitments(): Commitments {
    const [channel] = this.node.state.channels;
    const commitments = channel && commitmentsOf(channel);
    if (!commitments) throw new Error('there is no channel');
    return commitments;
  }

  private about(command: ChannelRequest): PeerCommand {
    return { tag: 'channel', channelId: this.commitments.channelId, command };
  }

  private take(effect: PeerEffect): void {
    if (effect.tag === 'htlc-offered') this.request(effect.request).id = effect.id;
    else if (effect.tag === 'add-refused') this.request(effect.request).ends.push('refused');
    else if (effect.tag === 'htlc-fulfilled') {
      const sent = this.ours(effect.id);
      sent.ends.push(equal(sha256(effect.preimage), sent.hash) ? 'fulfilled' : 'fulfilled with a wrong preimage');
    } else if (effect.tag === 'htlc-failed') {
      const sent = this.ours(effect.id);
      sent.ends.push(why(sent, effect.removal));
    } else if (effect.tag === 'htlc-received') this.received(effect.htlc);
    else if (effect.tag === 'fund' && this.fund) this.todo.push(this.fund(effect));
    else if (effect.tag === 'htlc-claimed') {
      const asked = this.asked.find(({ hash }) => hash === toHex(effect.htlc.paymentHash));
      if (!asked) throw new Error('claimed, and never asked for');
      asked.claims += 1;
    }
  }

  private request(name: string): Sent {
    const sent = this.sent[Number(name)];
    if (!sent) throw new Error(`nobody asked for ${name}`);
    return sent;
  }
  /** The newest with that id: ids of HTLCs that were never signed are given anew. */
  private ours(wanted: bigint): Sent {
    const sent = this.sent.findLast(({ id }) => id === wanted);
    if (!sent) throw new Error(`HTLC ${wanted} is of no payment in this schedule`);
    return sent;
  }

  private received(htlc: Htlc): void {
    const asked = this.asked.find(({ hash }) => hash === toHex(htlc.paymentHash));
    if (!asked || asked.htlc) throw new Error(asked ? 'an HTLC was received twice' : 'an HTLC that nobody asked for');
    asked.htlc = htlc;
    if (!asked.held) this.answer(asked, 'fulfill');
  }

  /** As the onion and the invoice want it. */
  private answer(asked: Asked, how: RemovalRequest['kind']): void {
    const { htlc, amountMsat, secret, preimage } = asked;
    if (!htlc?.onion) throw new Error('nothing to answer');
    const incoming = { ...htlc, onionRoutingPacket: htlc.onion };
    const read = readHtlc(incoming, this.node.secret);
    if (!read.ok || read.value.tag !== 'receipt') throw new Error("LDK's onion cannot be read");
    const height = this.height();
    const expected = { paymentSecret: secret, amountMsat, minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA, basicMpp: false };
    const fault = checkReceipt({ htlc: incoming, receipt: read.value, expected, height });
    if (fault) throw new Error(`LDK's payment does not fit its invoice: ${fault.name}`);
    asked.answer = how;
    const { sharedSecret } = read.value;
    const failure = unknownPayment(htlc, height);
    const removals: Record<RemovalRequest['kind'], RemovalRequest> = {
      fulfill: { kind: 'fulfill', preimage },
      fail: { kind: 'fail', reason: failHtlc({ sharedSecret, failure, holdTime: 0 }).reason },
      'fail-malformed': { kind: 'fail-malformed', sha256OfOnion: sha256(htlc.onion), failureCode: INVALID_ONION_HMAC },
    };
    this.todo.push(this.about({ tag: 'remove', id: htlc.id, removal: removals[how] }));
  }

  /** Everything that is here is heard, acted upon and signed for. */
  async listen(): Promise<void> {
    await this.node.fence();
    this.node.hear(Number.POSITIVE_INFINITY);
    this.act();
    this.node.step({ tag: 'flush' });
  }

  private act(): void {
    for (let command = this.todo.shift(); command; command = this.todo.shift()) this.node.step(command);
  }

  async play(move: Move): Promise<void> {
    this.counts.moves += 1;
    await this.node.fence();
    switch (move.move) {
      case 'we-pay':
        await this.pay(move);
        break;
      case 'they-pay':
        this.ask(move);
        break;
      case 'we-end': {
        const open = this.asked.filter(({ htlc, answer }) => htlc && !answer);
        const asked = open[move.pick % Math.max(1, open.length)];
        if (asked) this.answer(asked, move.how);
        break;
      }
      case 'they-end':
        await this.theyEnd(move.pick, move.how);
        break;
      case 'hear':
        this.node.hear(move.count);
        break;
      case 'flush':
        this.node.step({ tag: 'flush' });
        break;
      case 'dance':
        for (let i = 0; i < move.count; i += 1) await this.listen();
        break;
      case 'fee':
        await this.fee(move.perKw);
        break;
      case 'cut':
        this.node.arm(move);
        break;
      case 'connect':
        if (!this.node.connected) await this.node.connect(this.ldk);
        if (move.sync) await this.listen();
        break;
      case 'restart-us':
        this.counts['our restarts'] += 1;
        this.node.lose(true);
        break;
      case 'restart-ldk':
        this.counts['their restarts'] += 1;
        await this.ldk.restart();
        break;
    }
    this.act();
  }

  private async pay({ amountMsat, how }: Extract<Move, { move: 'we-pay' }>): Promise<void> {
    const { text } = await this.ldk.invoice(amountMsat, { hold: how === 'held' });
    const parsed = parseInvoice(text, 'regtest');
    if (!parsed.ok) throw new Error(parsed.error.code);
    const { paymentHash, payee, minFinalCltvExpiryDelta } = parsed.value;
    const paymentSecret = how === 'stranger' ? new Uint8Array(randomBytes(32)) : parsed.value.paymentSecret;
    const cltvExpiry = this.height() + minFinalCltvExpiryDelta + 3;
    const built = paymentOnion({
      sessionKey: new Uint8Array(randomBytes(32)),
      paymentHash,
      htlcs: [{ nodeId: payee, shortChannelId: 0n, amountMsat, cltvExpiry }],
      recipient: { tag: 'node', totalMsat: amountMsat, paymentSecret },
    });
    if (!built.ok) throw new Error(built.error.code);
    const { packet: onion, sharedSecrets } = built.value;
    if (how === 'spoilt') onion[onion.length - 1] = (onion.at(-1) ?? 0) ^ 1;
    this.sent.push({ hash: paymentHash, amountMsat, how, sharedSecrets, ends: [] });
    const request = String(this.sent.length - 1);
    this.todo.push(this.about({ tag: 'add', request, amountMsat, paymentHash, cltvExpiry, onion }));
  }

  private ask({ amountMsat, held }: Extract<Move, { move: 'they-pay' }>): void {
    const preimage = new Uint8Array(randomBytes(32));
    const secret = new Uint8Array(randomBytes(32));
    const paymentHash = sha256(preimage);
    const text = encodeInvoice(
      {
        network: 'regtest',
        amountMsat,
        timestamp: Math.floor(Date.now() / 1_000),
        expirySeconds: 3_600,
        paymentHash,
        paymentSecret: secret,
        description: 'a schedule',
        payee: fromHex(this.node.id),
        minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA,
        fallbacks: [],
        routeHints: [],
        features: encodeFeatures([features.var_onion_optin.bit, features.payment_secret.bit]),
      },
      (digest) => sign(digest, this.node.secret),
    );
    const asked: Asked = { hash: toHex(paymentHash), preimage, secret, amountMsat, held, claims: 0, ends: [] };
    this.asked.push(asked);
    void this.ldk.pay(text).then((paid) => asked.ends.push(paid.ok ? 'paid' : 'failed'));
  }

  private async theyEnd(pick: number, how: 'settle' | 'cancel'): Promise<void> {
    const open: Sent[] = [];
    for (const sent of this.sent) if (!sent.theirEnd && (await this.ldk.invoiceState(toHex(sent.hash))) === 'held') open.push(sent);
    const sent = open[pick % Math.max(1, open.length)];
    if (!sent) return;
    sent.theirEnd = how;
    await this.ldk[how](toHex(sent.hash));
  }

  private async fee(perKw: number): Promise<void> {
    if (this.commitments.terms.localIsOpener) {
      this.todo.push(this.about({ tag: 'set-fee', feeratePerKw: perKw }));
      return;
    }
    if (this.turns > 0) await this.rest();
    this.turns += 1;
    await this.ldk.setFeerate?.(perKw);
  }

  /** Both say what is due until nothing is. HTLCs that are held stay. */
  private async rest(): Promise<void> {
    for (let still = 0, round = 0; still < 3; round += 1) {
      if (round === MOST_ROUNDS) throw new Error('the two never come to rest');
      if (!this.node.connected) await this.node.connect(this.ldk);
      const { outSeq, epoch, lastInSeq } = this.node.state;
      await this.listen();
      const now = this.node.state;
      still = now.outSeq === outSeq && now.epoch === epoch && now.lastInSeq === lastInSeq && this.node.connected ? still + 1 : 0;
    }
    this.turns = 0;
  }

  /** Reconnects and ends everything: every other thing that is held is fulfilled. */
  async finish(): Promise<void> {
    this.node.disarm();
    await this.rest();
    for (const [i, asked] of this.asked.entries()) if (asked.htlc && !asked.answer) this.answer(asked, i % 2 === 0 ? 'fulfill' : 'fail');
    for (let i = 0; i < this.sent.length; i += 1) await this.theyEnd(0, i % 2 === 0 ? 'settle' : 'cancel');
    this.act();
    await this.rest();
    await this.check();
  }

  private async check(): Promise<void> {
    const { node, ldk, sent, asked, commitments, counts } = this;
    const wrong = [...node.faults];
    const hold = (what: string, holds: boolean): void => void (holds || wrong.push(what));
    hold('quiet', isQuiet(commitments) && node.caughtUp);
    hold(`normal, not ${node.state.channels[0]?.tag}`, node.state.channels[0]?.tag === 'normal' && node.state.channels.length === 1);
    let expectedMsat = this.startMsat;
    for (const [i, { hash, how, theirEnd, ends, amountMsat }] of sent.entries()) {
      const state = await ldk.invoiceState(toHex(hash));
      const [end = 'nothing'] = ends;
      const name = `our payment ${i} (${how}, ${theirEnd}) ended ${ends.join(' and ')}, theirs is ${state}`;
      hold(name, ends.length === 1 && (end === 'fulfilled') === (state === 'paid'));
      const left = !['refused', 'not-sent'].includes(end);
      if (left) {
        const unknown = 'incorrect_or_unknown_payment_details';
        const due = how === 'spoilt' ? 'malformed' : how === 'stranger' || theirEnd === 'cancel' ? unknown : 'fulfilled';
        hold(`${name}, not ${due}`, end === due);
      }
      if (end === 'fulfilled') expectedMsat -= amountMsat;
      counts[end === 'fulfilled' ? 'we paid' : left ? 'we failed' : end === 'refused' ? 'refused' : 'not sent'] += 1;
    }
    for (const [i, { ends, answer, claims, htlc, amountMsat }] of asked.entries()) {
      const name = `their payment ${i} ended ${ends.join(' and ')}, our answer was ${answer}, claimed ${claims} times`;
      const paid = answer === 'fulfill';
      hold(name, ends.length === 1 && (ends[0] === 'paid') === paid && claims === (paid ? 1 : 0));
      if (paid) expectedMsat += amountMsat;
      counts[paid ? 'they paid' : htlc ? 'they failed' : 'not offered'] += 1;
    }
    const { toLocalMsat, toRemoteMsat } = commitments;
    hold(`we have ${toLocalMsat} instead of ${expectedMsat}`, toLocalMsat === expectedMsat);
    const theirs = (await ldk.channels()).filter(({ peer }) => peer === node.id);
    const [their] = theirs;
    hold('LDK has the channel, in use', theirs.length === 1 && their?.active === true && their.htlcs === 0);
    // LDK tells whole satoshi; the rest is in the signatures that both have checked.
    hold(`LDK has ${their?.ownSat}, not ${toRemoteMsat} msat`, their?.ownSat === toRemoteMsat / 1_000n);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  }

  /** A schedule on the channel as the last one left it. */
  async run(moves: readonly Move[]): Promise<void> {
    const before = this.node.cuts;
    this.sent = [];
    this.asked = [];
    this.startMsat = this.commitments.toLocalMsat;
    const feeratePerKw = feerateIn(this.commitments, 'local');
    for (const move of moves) await this.play(move);
    await this.finish();
    this.counts.schedules += 1;
    if (feerateIn(this.commitments, 'local') !== feeratePerKw) this.counts['new feerates'] += 1;
    this.counts.cuts += this.node.cuts - before;
  }
}

function why({ sharedSecrets }: Sent, removal: Removal | undefined): string {
  if (removal === undefined) return 'not-sent';
  if (removal.kind === 'fail-malformed') return 'malformed';
  if (removal.kind === 'fulfill') return 'failed by a fulfilment';
  return readFailure({ sharedSecrets, reason: removal.reason }).source?.failure.name ?? 'unreadable';
}
