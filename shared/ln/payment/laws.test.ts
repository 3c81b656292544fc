/**
 * Laws of outgoing payments against chance: routes of any kind, parts that end in any way and order, events that come twice or too late,
 * a clock that goes on, and a node that loses everything but the stored value between any two steps.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../../lib/bytes.ts';
import type { AnyFailure } from '../onion/failure.ts';
import { hash } from '../testing/opener.ts';
import { failureFrom, preimage, routeOf, secretsOf, TestPayment } from '../testing/payments.ts';
import type { PaymentCommand } from './command.ts';
import { feeOf, type Part, type Payment } from './payment.ts';

const channelUpdate = Uint8Array.of(9);
const failures: readonly AnyFailure[] = [
  { name: 'temporary_channel_failure', channelUpdate },
  { name: 'fee_insufficient', htlcMsat: 1n, channelUpdate },
  { name: 'permanent_node_failure' },
  { name: 'temporary_node_failure' },
  { name: 'incorrect_or_unknown_payment_details', htlcMsat: 1n, height: 1 },
  { name: 'mpp_timeout' },
  { name: 'unknown_next_peer' },
  { name: 'final_incorrect_cltv_expiry', cltvExpiry: 1 },
  { name: 'unreadable', code: 0x4000 | 77, data: new Uint8Array(3) },
];

type Move =
  | {
      readonly tag: 'routes';
      readonly shares: readonly number[];
      readonly hops: number;
      readonly feeMsat: number;
      readonly honest: boolean;
    }
  | { readonly tag: 'no-route' | 'offer' | 'refuse' | 'fulfil' | 'lie' | 'lost' | 'spoilt' | 'again' | 'cancel' }
  | { readonly tag: 'fail'; readonly hop: number; readonly failure: AnyFailure }
  | { readonly tag: 'later'; readonly ms: number };
type Played = readonly [Move, number];

const only = (...tags: readonly ('no-route' | 'offer' | 'refuse' | 'fulfil' | 'lie' | 'lost' | 'spoilt' | 'again' | 'cancel')[]) =>
  fc.constantFrom(...tags).map((tag): Move => ({ tag }));
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      tag: fc.constant('routes' as const),
      shares: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      hops: fc.nat(2),
      feeMsat: fc.constantFrom(0, 10, 300, 700),
      honest: fc.boolean(),
    }),
  },
  { weight: 12, arbitrary: only('offer') },
  { weight: 2, arbitrary: only('fulfil', 'lie', 'lost', 'spoilt', 'refuse') },
  { weight: 1, arbitrary: only('no-route', 'cancel', 'again', 'again') },
  { weight: 3, arbitrary: only('again') },
  { weight: 4, arbitrary: fc.record({ tag: fc.constant('fail' as const), hop: fc.nat(2), failure: fc.constantFrom(...failures) }) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('later' as const), ms: fc.constantFrom(1_000, 6_000, 40_000, 100_000) }) },
);

const sum = (parts: readonly Part[], of: (part: Part) => bigint): bigint => parts.reduce((total, part) => total + of(part), 0n);

/** What holds of any value, whatever came before. */
function check(before: Payment, after: Payment): void {
  const out = after.parts.filter(({ state }) => state === 'in-flight' || state === 'settled');
  expect(sum(out, ({ amountMsat }) => amountMsat) <= after.amountMsat).toBe(true);
  expect(sum(out, feeOf) <= after.maxFeeMsat).toBe(true);
  expect(out.length <= after.maxParts).toBe(true);
  expect(after.state === 'sent').toBe(after.preimage !== undefined);
  if (after.preimage !== undefined) expect(after.preimage).toBe(toHex(preimage));
  if (before.state !== 'pending') expect(after.state).toBe(before.state);
  if (after.state === 'failed') {
    expect(after.failure).toBeDefined();
    expect(after.parts.every(({ state }) => state === 'failed')).toBe(true);
  }
  for (const part of before.parts) {
    const now = after.parts[part.n];
    if (part.state === 'settled' || part.state === 'failed') expect(now).toEqual(part);
    if (part.state === 'in-flight') expect(now?.state).not.toBe('planned');
    // Once the end is known, nothing leaves any more.
    if (before.state !== 'pending') expect(part.state === 'planned' && now?.state === 'in-flight').toBe(false);
  }
}

function playOn(made: TestPayment, did: PaymentCommand[]): (command: PaymentCommand) => void {
  return (command) => {
    const before = made.payment;
    made.do(command);
    check(before, made.payment);
    const after = made.payment;
    const over = before.state !== 'pending' || after.state !== 'pending' || before.failure !== undefined || made.nowMs >= after.deadlineMs;
    if (over) expect([...made.offers, ...(made.wanted ? ['wanted'] : [])]).toEqual([]);
    did.push(command);
    // The same event twice.
    made.do(command);
    expect(made.payment).toEqual(after);
  };
}

const picked = (made: TestPayment, state: Part['state'], at: number): number | undefined => {
  const parts = made.payment.parts.filter((part) => part.state === state);
  return parts[at % Math.max(1, parts.length)]?.n;
};

/** What the move says to the payment as it stands. */
function commandsOf(made: TestPayment, [one, at]: Played, did: readonly PaymentCommand[]): readonly PaymentCommand[] {
  const planned = picked(made, 'planned', at);
  const flying = picked(made, 'in-flight', at);
  switch (one.tag) {
    case 'routes': {
      const missing = made.wanted?.amountMsat ?? made.payment.amountMsat;
      const total = BigInt(one.shares.reduce((a, b) => a + b, 0));
      const amounts = one.shares.map((share) => (missing * BigInt(share)) / total);
      if (one.honest) amounts[0] = (amounts[0] ?? 0n) + missing - amounts.reduce((a, b) => a + b, 0n);
      const through = ['a', 'b'].slice(0, one.hops);
      return [{ tag: 'routes', routes: amounts.map((amount, i) => routeOf(`c${i}`, through, amount, BigInt(one.feeMsat))) }];
    }
    case 'offer': {
      const n = planned ?? at;
      const sharedSecrets = secretsOf(n, made.payment.parts[n]?.htlcs.length ?? 1);
      return [
        { tag: 'sealed', n, sharedSecrets },
        { tag: 'offered', n, htlc: `channel:${n}` },
      ];
    }
    case 'refuse':
      return [{ tag: 'refused', n: planned ?? at, code: 'not-usable' }];
    case 'fulfil':
      return [{ tag: 'part-fulfilled', n: flying ?? at, preimage }];
    case 'lie':
      return [{ tag: 'part-fulfilled', n: flying ?? at, preimage: hash('a lie') }];
    case 'lost':
      return [{ tag: 'part-failed', n: flying ?? at }];
    case 'spoilt':
      return [{ tag: 'part-failed', n: flying ?? at, end: { kind: 'fail', reason: new Uint8Array(292).fill(at) } }];
    case 'fail': {
      const n = flying ?? at;
      const hops = made.payment.parts[n]?.htlcs.length ?? 1;
      return [{ tag: 'part-failed', n, end: failureFrom(Math.min(one.hop, hops - 1), n, one.failure) }];
    }
    case 'again': {
      const command = did[at % Math.max(1, did.length)];
      return command && command.tag !== 'routes' ? [command] : [];
    }
    case 'no-route':
      return [{ tag: 'no-route', code: 'no-route' }];
    case 'cancel':
      return [{ tag: 'cancel' }];
    case 'later':
      made.nowMs += one.ms;
      return [{ tag: 'tick' }];
  }
}

/** Every part gets its end; whatever is still asked for is not found. */
function finish(made: TestPayment, pay: boolean): void {
  for (let turn = 0; turn < 200; turn += 1) {
    const flying = made.payment.parts.find(({ state }) => state === 'in-flight');
    if (flying) made.do(pay ? { tag: 'part-fulfilled', n: flying.n, preimage } : { tag: 'part-failed', n: flying.n });
    else if (made.payment.state !== 'pending') return;
    else made.do({ tag: 'no-route', code: 'no-route' });
    if (made.payment.parts.some(({ state }) => state === 'planned')) made.nowMs += 60_000;
    made.do({ tag: 'tick' });
  }
  throw new Error('it has no end');
}

test('never more than the amount and the fees, one end, and sent only with the proof', () => {
  const ends = new Map<string, number>();
  const partial = new Set<number>();
  fc.assert(
    fc.property(fc.array(fc.tuple(move, fc.nat(20)), { maxLength: 40 }), fc.boolean(), (moves, pay) => {
      const made = new TestPayment();
      const did: PaymentCommand[] = [];
      const step = playOn(made, did);
      step({ tag: 'begin' });
      for (const one of moves) {
        for (const command of commandsOf(made, one, did)) step(command);
        partial.add(made.payment.parts.filter(({ state }) => state === 'in-flight').length);
      }
      finish(made, pay);
      const { state, failure, parts } = made.payment;
      ends.set(failure ?? state, (ends.get(failure ?? state) ?? 0) + 1);
      expect(state).not.toBe('pending');
      expect(made.notes).toEqual([state]);
      expect(parts.filter((part) => part.state === 'planned' || part.state === 'in-flight')).toEqual([]);
      expect(parts.some((part) => part.state === 'settled')).toBe(state === 'sent');
    }),
    { numRuns: 400 },
  );
  // The schedules reach what they are for.
  expect([...ends.keys()]).toEqual(expect.arrayContaining(['sent', 'no-route', 'invoice-unknown', 'timeout', 'cancelled']));
  expect(partial.has(2)).toBe(true);
});
