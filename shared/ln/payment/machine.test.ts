/** Each rule of an outgoing payment: what it asks for, what it makes of each end of a part, and when it stops. */
import { describe, expect, test } from 'vitest';
import { toHex } from '../../lib/bytes.ts';
import { badOnion } from '../onion/codes.ts';
import type { AnyFailure } from '../onion/failure.ts';
import { edgeUnder } from '../route/liquidity.ts';
import { hash } from '../testing/opener.ts';
import { failureFrom, preimage, routeOf, secretsOf, TestPayment, updateOf } from '../testing/payments.ts';
import type { PlannedRoute } from './command.ts';
import { stepPayment } from './machine.ts';
import { nextAtMs, planMs } from './payment.ts';

const whole = routeOf('x', ['a', 'b'], 100_000n);
const half = (channel: string, ...through: string[]) => routeOf(channel, through, 50_000n);
const edge = (i: number, { htlcs } = whole): string => edgeUnder(htlcs, i) ?? '';

const channelUpdate = updateOf(edge(1));
const policy = {
  feeBaseMsat: 5,
  feeProportionalMillionths: 7,
  cltvExpiryDelta: 40,
  htlcMinimumMsat: 1_000,
  htlcMaximumMsat: 900_000_000_000,
  disabled: false,
  timestamp: 1_700_000_000,
};

/** One part of three hops is in flight: through a and b to the payee. */
function flying(): TestPayment {
  const made = new TestPayment();
  made.do({ tag: 'begin' });
  made.sendAll(whole);
  return made;
}

describe('from the beginning to the proof of payment', () => {
  test('it asks for routes of the whole, takes them, offers them, and is sent with the preimage', () => {
    const made = new TestPayment();
    made.do({ tag: 'begin' });
    expect(made.wanted).toEqual({
      tag: 'route-wanted',
      amountMsat: 100_000n,
      maxFeeMsat: 1_000n,
      maxParts: 4,
      avoidEdges: [],
      avoidChannels: [],
    });
    made.do({ tag: 'routes', routes: [half('x', 'a'), half('y', 'b')] });
    expect(made.offers).toEqual([0, 1]);
    made.send(0);
    expect(made.offers).toEqual([1]);
    made.send(1);
    expect(made.effects).toEqual([]);
    made.do({ tag: 'part-fulfilled', n: 0, preimage });
    expect(made.payment).toMatchObject({ state: 'sent', preimage: toHex(preimage) });
    expect(made.notes).toEqual(['sent']);
    made.do({ tag: 'part-fulfilled', n: 1, preimage });
    expect(made.payment.parts.map(({ state }) => state)).toEqual(['settled', 'settled']);
    expect(made.notes).toEqual(['sent']);
  });

  test('what was learned of a paid route: each channel but our own has that much on the other side now', () => {
    const made = flying();
    made.do({ tag: 'part-fulfilled', n: 0, preimage });
    expect(made.lessons).toEqual([
      { tag: 'settled', edge: edge(1), amountMsat: 100_100n },
      { tag: 'settled', edge: edge(2), amountMsat: 100_000n },
    ]);
  });

  test('a preimage that does not fit proves nothing', () => {
    const made = flying();
    made.do({ tag: 'part-fulfilled', n: 0, preimage: hash('another') });
    expect(made.payment.state).toBe('pending');
    expect(made.payment.parts[0]?.state).toBe('in-flight');
  });

  test('with the first preimage the parts that have not left stay', () => {
    const made = new TestPayment();
    made.do({ tag: 'routes', routes: [half('x', 'a'), half('y', 'b')] });
    made.send(0);
    made.do({ tag: 'part-fulfilled', n: 0, preimage });
    expect(made.payment.parts.map(({ state }) => state)).toEqual(['settled', 'failed']);
    made.do({ tag: 'sealed', n: 1, sharedSecrets: secretsOf(1, 2) });
    made.do({ tag: 'offered', n: 1, htlc: 'late' });
    made.do({ tag: 'tick' });
    expect(made.offers).toEqual([]);
    expect(made.payment.parts[1]?.state).toBe('failed');
  });
});

describe('routes are taken whole or not at all', () => {
  const bad: readonly (readonly [string, readonly PlannedRoute[]])[] = [
    ['less than the amount', [half('x', 'a')]],
    ['more than the amount', [whole, half('x', 'a')]],
    ['more fee than there may be', [routeOf('x', ['a'], 100_000n, 1_001n)]],
    ['more parts than there may be', Array.from({ length: 5 }, () => routeOf('x', ['a'], 20_000n))],
    ['an HTLC that grows on its way', [{ ...whole, htlcs: whole.htlcs.toReversed() }]],
    ['a route that ends with less', [{ ...whole, amountMsat: 100_000n, htlcs: half('x', 'a').htlcs }]],
    ['no way at all', [{ ...whole, htlcs: [] }]],
  ];
  test.each(bad)('%s', (_, routes) => {
    const made = new TestPayment();
    made.do({ tag: 'routes', routes });
    expect(made.payment.parts).toEqual([]);
    expect(made.wanted).toBeDefined();
  });

  test('a second answer to the same question is too many', () => {
    const made = new TestPayment();
    made.do({ tag: 'routes', routes: [whole] });
    made.do({ tag: 'routes', routes: [whole] });
    expect(made.payment.parts).toHaveLength(1);
    made.send(0);
    made.do({ tag: 'routes', routes: [whole] });
    expect(made.payment.parts).toHaveLength(1);
  });

  test('no way, and nothing on the way: it has failed, with the reason', () => {
    const made = new TestPayment();
    made.do({ tag: 'no-route', code: 'not-enough' });
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'not-enough' });
    expect(made.notes).toEqual(['failed']);
  });

  test('an answer to a question that nobody asks any more means nothing', () => {
    const made = flying();
    made.do({ tag: 'no-route', code: 'no-route' });
    expect(made.payment).toMatchObject({ state: 'pending' });
    expect(made.payment.failure).toBeUndefined();
  });
});

describe('a hop fails a part: it is learned, and tried again', () => {
  const sha256OfOnion = hash('onion');
  const cases: readonly (readonly [number, AnyFailure, readonly unknown[]])[] = [
    [0, { name: 'temporary_channel_failure', channelUpdate }, [{ tag: 'stuck', edge: edge(1), amountMsat: 100_100n }]],
    [
      1,
      { name: 'temporary_channel_failure', channelUpdate },
      [
        { tag: 'passed', edge: edge(1), amountMsat: 100_100n },
        { tag: 'stuck', edge: edge(2), amountMsat: 100_000n },
      ],
    ],
    [0, { name: 'fee_insufficient', htlcMsat: 1n, channelUpdate }, [{ tag: 'policy', edge: edge(1), policy }]],
    [0, { name: 'incorrect_cltv_expiry', cltvExpiry: 1, channelUpdate }, [{ tag: 'policy', edge: edge(1), policy }]],
    [0, { name: 'amount_below_minimum', htlcMsat: 1n, channelUpdate }, [{ tag: 'policy', edge: edge(1), policy }]],
    [0, { name: 'expiry_too_soon', channelUpdate }, [{ tag: 'policy', edge: edge(1), policy }]],
    [0, { name: 'fee_insufficient', htlcMsat: 1n, channelUpdate: updateOf(edge(1), 5, false) }, [{ tag: 'policy', edge: edge(1), policy }]],
    // Nothing, cut short, and of a channel that is not its own.
    [0, { name: 'fee_insufficient', htlcMsat: 1n, channelUpdate: new Uint8Array(0) }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'fee_insufficient', htlcMsat: 1n, channelUpdate: channelUpdate.slice(0, -1) }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'fee_insufficient', htlcMsat: 1n, channelUpdate: updateOf(edge(2)) }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'permanent_channel_failure' }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'unknown_next_peer' }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'channel_disabled', disabledFlags: 0, channelUpdate }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'expiry_too_far' }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'invalid_onion_hmac', sha256OfOnion }, [{ tag: 'shut', edge: edge(1) }]],
    // Our own channel to it is not learned of.
    [0, { name: 'temporary_node_failure' }, [{ tag: 'shut', edge: edge(1) }]],
    [
      1,
      { name: 'permanent_node_failure' },
      [
        { tag: 'passed', edge: edge(1), amountMsat: 100_100n },
        { tag: 'shut', edge: edge(1) },
        { tag: 'shut', edge: edge(2) },
      ],
    ],
    // Only the payee can mean these: a hop that says them is left alone, and the payment goes on.
    [0, { name: 'incorrect_or_unknown_payment_details', htlcMsat: 1n, height: 1 }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'mpp_timeout' }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'unreadable', code: 0x2000 | 99, data: new Uint8Array(0) }, [{ tag: 'shut', edge: edge(1) }]],
    [0, { name: 'unreadable', code: 0x4000 | 99, data: new Uint8Array(0) }, [{ tag: 'shut', edge: edge(1) }]],
  ];
  test.each(cases)('hop %i: %o', (hop, failure, lessons) => {
    const made = flying();
    made.fail(0, hop, failure);
    expect(made.lessons).toEqual(lessons);
    expect(made.payment).toMatchObject({ state: 'pending', parts: [{ state: 'failed', failure: { code: failure.name, hop } }] });
    expect(made.wanted).toMatchObject({ amountMsat: 100_000n, maxFeeMsat: 1_000n });
    expect(made.payment.parts[0]).toMatchObject({ sharedSecrets: [] });
  });

  test('who asks for more fee again after it was told once is left alone', () => {
    const made = flying();
    const failure: AnyFailure = { name: 'fee_insufficient', htlcMsat: 1n, channelUpdate };
    made.fail(0, 0, failure);
    made.sendAll(whole);
    made.fail(1, 0, failure);
    expect(made.lessons).toEqual([
      { tag: 'policy', edge: edge(1), policy },
      { tag: 'shut', edge: edge(1) },
    ]);
  });

  test('a spoilt answer proves nothing: nobody is blamed, and the inner channels of the route are not asked again', () => {
    const made = flying();
    made.do({ tag: 'part-failed', n: 0, end: { kind: 'fail', reason: new Uint8Array(292) } });
    expect(made.lessons).toEqual([]);
    expect(made.wanted).toMatchObject({ avoidEdges: [edge(1)] });
    made.do({ tag: 'no-route', code: 'no-route' });
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'unreadable' });
  });

  test('our peer could not read the onion: its channel is not asked again', () => {
    const made = flying();
    made.do({ tag: 'part-failed', n: 0, end: { kind: 'fail-malformed', sha256OfOnion, failureCode: badOnion.invalid_onion_key } });
    expect(made.payment.parts[0]?.failure).toEqual({ code: 'invalid_onion_key', refused: true });
    expect(made.wanted).toMatchObject({ avoidChannels: ['x'] });
  });

  test('our own channel refuses: another one is asked for', () => {
    const made = new TestPayment();
    made.do({ tag: 'routes', routes: [whole] });
    made.do({ tag: 'refused', n: 0, code: 'cannot-afford' });
    expect(made.wanted).toMatchObject({ avoidChannels: ['x'] });
    made.do({ tag: 'no-route', code: 'no-route' });
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'not-sent' });
  });

  test('the hop before the payee does not find it', () => {
    const made = flying();
    made.fail(0, 1, { name: 'unknown_next_peer' });
    made.do({ tag: 'no-route', code: 'no-route' });
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'payee-offline' });
  });

  test('after so many tries it stops', () => {
    const made = new TestPayment();
    made.do({ tag: 'begin' });
    for (let n = 0; made.payment.state === 'pending' && n < 1_000; n += 1) {
      made.sendAll(whole);
      made.fail(n, 0, { name: 'temporary_channel_failure', channelUpdate });
    }
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'no-route', attemptsLeft: 0 });
    expect(made.payment.parts).toHaveLength(48);
  });
});

describe('the payee fails a part', () => {
  const final: readonly (readonly [AnyFailure, string])[] = [
    [{ name: 'incorrect_or_unknown_payment_details', htlcMsat: 1n, height: 1 }, 'invoice-unknown'],
    [{ name: 'permanent_node_failure' }, 'refused-by-payee'],
    [{ name: 'required_node_feature_missing' }, 'refused-by-payee'],
    [{ name: 'invalid_onion_payload', type: 1n, offset: 0 }, 'refused-by-payee'],
    [{ name: 'unreadable', code: 0x4000 | 99, data: new Uint8Array(0) }, 'refused-by-payee'],
  ];
  test.each(final)('$name: there is no other try', (failure, code) => {
    const made = flying();
    made.fail(0, 2, failure);
    expect(made.wanted).toBeUndefined();
    expect(made.payment).toMatchObject({ state: 'failed', failure: code });
  });

  test('it is over only when the other parts are back too, and what has not left stays', () => {
    const made = new TestPayment();
    made.do({ tag: 'routes', routes: [half('x'), half('y', 'a')] });
    made.send(0);
    made.send(1);
    made.fail(0, 0, { name: 'incorrect_or_unknown_payment_details', htlcMsat: 1n, height: 1 });
    expect(made.payment).toMatchObject({ state: 'pending', failure: 'invoice-unknown' });
    expect(made.notes).toEqual([]);
    made.fail(1, 0, { name: 'temporary_channel_failure', channelUpdate });
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'invoice-unknown' });
    expect(made.notes).toEqual(['failed']);
  });

  test('a payee that pays after all: the proof counts', () => {
    const made = new TestPayment();
    made.sendAll(half('x'), half('y'));
    made.fail(0, 0, { name: 'incorrect_or_unknown_payment_details', htlcMsat: 1n, height: 1 });
    made.do({ tag: 'part-fulfilled', n: 1, preimage });
    expect(made.payment).toMatchObject({ state: 'sent' });
    expect(made.payment.failure).toBeUndefined();
  });

  test('mpp_timeout: all parts are waited for, then it begins again', () => {
    const made = new TestPayment();
    made.sendAll(half('x'), half('y'));
    made.fail(0, 0, { name: 'mpp_timeout' });
    expect(made.wanted).toBeUndefined();
    made.fail(1, 0, { name: 'mpp_timeout' });
    expect(made.wanted).toMatchObject({ amountMsat: 100_000n });
  });

  test('temporary_node_failure: it is given a while', () => {
    const made = flying();
    made.fail(0, 2, { name: 'temporary_node_failure' });
    expect(made.wanted).toBeUndefined();
    expect(nextAtMs(made.payment)).toBe(6_000);
    made.nowMs = 6_000;
    made.do({ tag: 'tick' });
    expect(made.wanted).toBeDefined();
  });

  test('the onion and the HTLC differ at the payee: who stands before it is left alone', () => {
    const made = flying();
    made.fail(0, 2, { name: 'final_incorrect_htlc_amount', incomingHtlcAmt: 1n });
    expect(made.lessons.at(-1)).toEqual({ tag: 'shut', edge: edge(2) });
    expect(made.wanted).toBeDefined();
  });
});

describe('time', () => {
  test('nothing is asked for at the deadline, and nothing offered', () => {
    const made = new TestPayment();
    made.do({ tag: 'routes', routes: [whole] });
    made.nowMs = 120_000;
    made.do({ tag: 'tick' });
    expect(made.effects).toEqual([{ tag: 'note', note: 'failed' }]);
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'timeout' });
  });

  test('the deadline of an invoice has its own name', () => {
    const made = new TestPayment({ expires: true });
    made.nowMs = 120_000;
    made.do({ tag: 'begin' });
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'expired' });
  });

  test('what is in flight at the deadline may still arrive', () => {
    const made = flying();
    made.nowMs = 500_000;
    made.do({ tag: 'tick' });
    expect(made.payment.state).toBe('pending');
    made.do({ tag: 'part-fulfilled', n: 0, preimage });
    expect(made.payment.state).toBe('sent');
  });

  test('what another life planned long ago is planned anew', () => {
    const made = new TestPayment();
    made.do({ tag: 'routes', routes: [whole] });
    expect(nextAtMs(made.payment)).toBe(4_000);
    made.nowMs += planMs;
    made.do({ tag: 'tick' });
    expect(made.offers).toEqual([]);
    expect(made.wanted).toBeDefined();
  });

  test('cancelled: nothing more is tried, and what is in flight is waited for', () => {
    const made = flying();
    made.do({ tag: 'cancel' });
    expect(made.payment).toMatchObject({ state: 'pending', failure: 'cancelled' });
    made.fail(0, 0, { name: 'temporary_channel_failure', channelUpdate });
    expect(made.payment).toMatchObject({ state: 'failed', failure: 'cancelled' });
  });

  test('the same event twice changes nothing', () => {
    const made = flying();
    const command = { tag: 'part-failed', n: 0, end: failureFrom(0, 0, { name: 'temporary_channel_failure', channelUpdate }) } as const;
    made.do(command);
    const before = made.payment;
    expect(stepPayment(before, command, { nowMs: made.nowMs }).payment).toBe(before);
  });
});
