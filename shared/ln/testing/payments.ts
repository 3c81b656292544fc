/** Outgoing payments for tests: routes of made-up nodes, the secrets of their onions, and failures as they come back. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../lib/bytes.ts';
import { Writer } from '../../lib/writer.ts';
import type { AnyFailure } from '../onion/failure.ts';
import { failHtlc, relayFailure } from '../onion/failure-packet.ts';
import type { PartEnd, PaymentCommand, PaymentEffect, PlannedRoute } from '../payment/command.ts';
import { stepPayment } from '../payment/machine.ts';
import { newPayment, type Payment, type PaymentTerms } from '../payment/payment.ts';
import { hash } from './opener.ts';

export const preimage = hash('a preimage');
export const paymentHash = sha256(preimage);
export const nodeId = (name: string): Uint8Array => Uint8Array.from([2, ...hash(name)]);

export const terms: PaymentTerms = {
  kind: 'invoice',
  paymentHash: toHex(paymentHash),
  payee: toHex(nodeId('payee')),
  amountMsat: 100_000n,
  maxFeeMsat: 1_000n,
  maxParts: 4,
  deadlineMs: 120_000,
  expires: false,
};

/** Over our channel of that name, through these nodes to the payee; each but the payee takes `feeMsat`. */
export function routeOf(channel: string, through: readonly string[], amountMsat: bigint, feeMsat = 100n): PlannedRoute {
  const nodes = [...through, 'payee'];
  const htlcs = nodes.map((name, i) => ({
    nodeId: nodeId(name),
    shortChannelId: BigInt(parseInt(toHex(hash(`${nodes[i - 1] ?? channel}-${name}`)).slice(0, 8), 16)),
    amountMsat: amountMsat + feeMsat * BigInt(nodes.length - 1 - i),
    cltvExpiry: 500 + 40 * (nodes.length - i),
  }));
  return { channel, amountMsat, htlcs };
}

export const secretsOf = (n: number, hops: number): Uint8Array[] => Array.from({ length: hops }, (_, i) => hash(`secret ${n} of hop ${i}`));

/** Written by that hop, as we get it. */
export function failureFrom(hop: number, n: number, failure: AnyFailure): PartEnd {
  const secrets = secretsOf(n, hop + 1);
  const [writer = hash('nobody'), ...before] = secrets.reverse();
  const made = failHtlc({ sharedSecret: writer, failure, holdTime: 0 });
  const { reason } = before.reduce((inner, sharedSecret) => relayFailure({ sharedSecret, reason: inner.reason, holdTime: 0 }), made);
  return { kind: 'fail', reason };
}

/** A `channel_update` of that edge, unsigned. */
export function updateOf(edge: string, feeBaseMsat = 5, typed = true): Uint8Array {
  const [scid = '0', direction = '0'] = edge.split('/');
  const to = new Writer();
  if (typed) to.uint(2, 258);
  to.bytes(new Uint8Array(96));
  to.big(8, BigInt(scid));
  to.uint(4, 1_700_000_000);
  to.uint(1, 1);
  to.uint(1, Number(direction));
  to.uint(2, 40);
  to.big(8, 1_000n);
  to.uint(4, feeBaseMsat);
  to.uint(4, 7);
  to.big(8, 900_000_000_000n);
  return to.done();
}

export class TestPayment {
  payment: Payment;
  nowMs = 1_000;
  effects: readonly PaymentEffect[] = [];
  readonly notes: string[] = [];
  readonly lessons: Extract<PaymentEffect, { tag: 'learn' }>['lesson'][] = [];

  constructor(change: Partial<PaymentTerms> = {}) {
    this.payment = newPayment({ ...terms, ...change });
  }

  /** The value goes through a copy, as through a database. */
  do(command: PaymentCommand): readonly PaymentEffect[] {
    const stepped = stepPayment(structuredClone(this.payment), command, { nowMs: this.nowMs });
    this.payment = stepped.payment;
    this.effects = stepped.effects;
    for (const effect of stepped.effects) {
      if (effect.tag === 'note') this.notes.push(effect.note);
      if (effect.tag === 'learn') this.lessons.push(effect.lesson);
    }
    return stepped.effects;
  }

  get wanted(): Extract<PaymentEffect, { tag: 'route-wanted' }> | undefined {
    return this.effects.find((effect) => effect.tag === 'route-wanted');
  }

  get offers(): readonly number[] {
    return this.effects.flatMap((effect) => (effect.tag === 'offer' ? [effect.part.n] : []));
  }

  /** A planned part leaves. */
  send(n: number): void {
    this.do({ tag: 'sealed', n, sharedSecrets: secretsOf(n, this.payment.parts[n]?.htlcs.length ?? 0) });
    this.do({ tag: 'offered', n, htlc: `channel:${n}` });
  }

  /** Planned and sent, all of them. */
  sendAll(...routes: readonly PlannedRoute[]): void {
    const first = this.payment.parts.length;
    this.do({ tag: 'routes', routes });
    for (const [i] of routes.entries()) this.send(first + i);
  }

  fail(n: number, hop: number, failure: AnyFailure): readonly PaymentEffect[] {
    return this.do({ tag: 'part-failed', n, end: failureFrom(hop, n, failure) });
  }
}
