import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { freeze, thaw } from '../../lib/freeze.ts';
import {
  addPart,
  cancel,
  dueOf,
  expire,
  fulfilled,
  holdBeforeBlocks,
  isWhole,
  type Moment,
  mppTimeoutMs,
  type ReceivePart,
  settle,
  stateOf,
  without,
} from './receive-set.ts';

const now: Moment = { nowMs: 1_000_000, height: 1_000, fresh: true };
const later = (ms: number): Moment => ({ ...now, nowMs: now.nowMs + ms });
const part = (key: string, amtToForward: bigint, change: Partial<ReceivePart> = {}): ReceivePart => ({
  key,
  amtToForward,
  totalMsat: 100n,
  cltvExpiry: 1_100,
  atMs: now.nowMs,
  state: 'held',
  ...change,
});
const states = (parts: readonly ReceivePart[]): readonly string[] => parts.map(({ state }) => state);
const twoOfThree = [part('a', 40n), part('b', 30n)];

describe('a set of parts', () => {
  test('one part that is all of it is fulfilled at once', () => {
    const { parts, accepted } = addPart([], part('a', 100n), now);
    expect({ accepted, states: states(parts), state: stateOf(parts) }).toEqual({
      accepted: true,
      states: ['fulfilling'],
      state: 'settling',
    });
  });

  test('parts are held until the last one, and then fulfilled together', () => {
    const first = addPart([], part('a', 40n), now).parts;
    expect([states(first), stateOf(first)]).toEqual([['held'], 'holding']);
    const second = addPart(first, part('b', 59n), now).parts;
    expect([states(second), stateOf(second)]).toEqual([['held', 'held'], 'holding']);
    const whole = addPart(second, part('c', 1n), now).parts;
    expect([states(whole), stateOf(whole)]).toEqual([['fulfilling', 'fulfilling', 'fulfilling'], 'settling']);
  });

  test('it is paid when the peers can take no part back', () => {
    let parts = addPart(addPart([], part('a', 40n), now).parts, part('b', 60n), now).parts;
    parts = fulfilled(parts, 'a');
    expect([states(parts), stateOf(parts)]).toEqual([['fulfilled', 'fulfilling'], 'settling']);
    expect(stateOf(fulfilled(parts, 'b'))).toBe('paid');
  });

  test('the same part again is the same part', () => {
    expect(addPart(twoOfThree, part('a', 40n), now)).toEqual({ parts: twoOfThree, accepted: true });
    const whole = addPart([], part('a', 100n), now).parts;
    expect(addPart(whole, part('a', 100n), now)).toEqual({ parts: whole, accepted: true });
  });

  test('what comes after it was settled is refused', () => {
    const whole = addPart([], part('a', 100n), now).parts;
    expect(addPart(whole, part('b', 100n), now)).toEqual({ parts: whole, accepted: false });
    const paid = fulfilled(whole, 'a');
    expect(addPart(paid, part('b', 100n), now)).toEqual({ parts: paid, accepted: false });
  });

  test('another total fails all of it', () => {
    const { parts, accepted } = addPart(twoOfThree, part('c', 30n, { totalMsat: 101n }), now);
    expect(accepted).toBe(false);
    expect(parts).toEqual(twoOfThree.map((one) => ({ ...one, state: 'failing', failure: 'incorrect_or_unknown_payment_details' })));
    // A new try with that total stands alone.
    expect(states(addPart(parts, part('d', 101n, { totalMsat: 101n }), now).parts)).toEqual(['failing', 'failing', 'fulfilling']);
  });

  test('after a minute without the others all fail with mpp_timeout, and not before', () => {
    const parts = addPart(addPart([], part('a', 40n), now).parts, part('b', 30n, { atMs: now.nowMs + 50_000 }), later(50_000)).parts;
    expect(mppTimeoutMs).toBe(60_000);
    expect(dueOf(parts)).toEqual({ atMs: now.nowMs + 60_000, height: 1_100 - holdBeforeBlocks });
    expect(expire(parts, later(59_999))).toBe(parts);
    expect(expire(parts, later(60_000)).map(({ state, failure }) => [state, failure])).toEqual([
      ['failing', 'mpp_timeout'],
      ['failing', 'mpp_timeout'],
    ]);
  });

  test('the last part comes when the time was over, and nobody had looked: it does not complete the set', () => {
    const { parts, accepted } = addPart(twoOfThree, part('c', 30n, { atMs: now.nowMs + 60_000 }), later(60_000));
    expect([accepted, states(parts)]).toEqual([true, ['failing', 'failing', 'held']]);
  });

  test('a part that comes near its expiry fails the set by height', () => {
    const parts = [part('a', 40n), part('b', 30n, { cltvExpiry: 1_090 })];
    expect(dueOf(parts)?.height).toBe(1_090 - holdBeforeBlocks);
    const before = { ...now, height: 1_090 - holdBeforeBlocks - 1 };
    expect(expire(parts, before)).toBe(parts);
    expect(states(expire(parts, { ...before, height: before.height + 1 }))).toEqual(['failing', 'failing']);
    // Nor does the last part make it whole then.
    expect(states(addPart(parts, part('c', 30n), { ...before, height: before.height + 1 }).parts)).toEqual(['failing', 'failing', 'held']);
  });

  test('with an old height nothing is fulfilled; with a fresh one that leaves too little time, neither', () => {
    const stale = { ...now, fresh: false };
    const { parts } = addPart([], part('a', 100n, { cltvExpiry: 1_060 }), stale);
    expect([states(parts), isWhole(parts)]).toEqual([['held'], true]);
    expect(settle(parts, stale)).toBe(parts);
    expect(states(settle(expire(parts, now), now))).toEqual(['fulfilling']);
    const late = { ...now, height: 1_060 - holdBeforeBlocks };
    expect(states(settle(expire(parts, late), late))).toEqual(['failing']);
    expect(isWhole(twoOfThree)).toBe(false);
  });

  test('what is fulfilled never times out', () => {
    const whole = addPart([], part('a', 100n), now).parts;
    expect(dueOf(whole)).toBeUndefined();
    expect(expire(whole, { nowMs: Number.MAX_SAFE_INTEGER, height: 1_000_000, fresh: true })).toBe(whole);
    expect(cancel(whole)).toEqual(whole);
  });

  test('the user cancels: what is held goes back as unknown', () => {
    expect(cancel(twoOfThree).map(({ failure }) => failure)).toEqual(Array(2).fill('incorrect_or_unknown_payment_details'));
  });

  test('a part whose HTLC is gone counts no more, one that we fulfilled is paid', () => {
    expect(without(twoOfThree, ({ key }) => key === 'a')).toEqual([twoOfThree[1]]);
    const whole = addPart([], part('a', 100n), now).parts;
    expect(stateOf(without(whole, () => true))).toBe('paid');
  });
});

type Act =
  | { readonly tag: 'part'; readonly of: number; readonly amount: number; readonly total: number }
  | { readonly tag: 'wait'; readonly ms: number }
  | { readonly tag: 'blocks'; readonly count: number }
  | { readonly tag: 'cancel' }
  | { readonly tag: 'look' | 'stale' }
  | { readonly tag: 'claimed' | 'gone'; readonly of: number };
const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      tag: fc.constant('part' as const),
      of: fc.nat(9),
      amount: fc.integer({ min: 1, max: 70 }),
      total: fc.constantFrom(100, 100, 100, 60),
    }),
  },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('wait' as const), ms: fc.nat(50_000) }) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('blocks' as const), count: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constantFrom({ tag: 'cancel' as const }, { tag: 'stale' as const }, { tag: 'look' as const }) },
  { weight: 2, arbitrary: fc.record({ tag: fc.constantFrom('claimed' as const, 'gone' as const), of: fc.nat(9) }) },
);

/** Through storage and back between any two steps. */
const slept = (parts: readonly ReceivePart[]): readonly ReceivePart[] => {
  const thawed = thaw(freeze(parts.map((one) => ({ ...one }))));
  if (!thawed.ok) throw new Error(thawed.error.code);
  return thawed.value as readonly ReceivePart[];
};

test('laws: whatever comes in whatever order, decisions stand, and the preimage is out for the whole amount or not at all', () => {
  let settledRuns = 0;
  fc.assert(
    fc.property(fc.array(acts, { maxLength: 40 }), (script) => {
      let parts: readonly ReceivePart[] = [];
      let moment = now;
      /** How each HTLC was answered, for good. */
      const answers = new Map<string, 'fulfilling' | 'failing' | 'refused'>();
      const used = new Set<string>();
      let releases = 0;
      for (const act of script) {
        const before = parts;
        const key = 'of' in act ? `htlc ${act.of}` : '';
        switch (act.tag) {
          case 'part': {
            if (used.has(key)) break;
            used.add(key);
            const offered = part(key, BigInt(act.amount), {
              totalMsat: BigInt(act.total),
              atMs: moment.nowMs,
              cltvExpiry: moment.height + 60,
            });
            const added = addPart(parts, offered, moment);
            parts = added.parts;
            if (!added.accepted) answers.set(key, 'refused');
            expect(added.accepted).toBe(parts.some((one) => one.key === key));
            break;
          }
          case 'wait':
            moment = { ...moment, nowMs: moment.nowMs + act.ms };
            break;
          case 'blocks':
            moment = { ...moment, height: moment.height + act.count };
            break;
          case 'cancel':
            parts = cancel(parts);
            break;
          case 'look':
            moment = { ...moment, fresh: true };
            parts = settle(expire(parts, moment), moment);
            break;
          case 'stale':
            moment = { ...moment, fresh: false };
            break;
          case 'claimed':
            parts = fulfilled(parts, key);
            break;
          case 'gone':
            parts = without(parts, (one) => one.key === key);
            break;
        }
        const newly = parts.filter(
          (one) => one.state === 'fulfilling' && before.find(({ key: k }) => k === one.key)?.state !== 'fulfilling',
        );
        if (newly.length > 0) {
          releases += 1;
          const [first] = newly;
          expect(moment.fresh).toBe(true);
          // All that is held goes out at once, it is enough, of one total, and each has time to be claimed.
          expect(parts.some(({ state }) => state === 'held')).toBe(false);
          expect(newly.reduce((sum, one) => sum + one.amtToForward, 0n)).toBeGreaterThanOrEqual(first?.totalMsat ?? 0n);
          expect(new Set(newly.map(({ totalMsat }) => totalMsat)).size).toBe(1);
          for (const one of newly) {
            expect(one.cltvExpiry - moment.height).toBeGreaterThan(holdBeforeBlocks);
            expect(moment.nowMs - one.atMs).toBeLessThan(mppTimeoutMs);
          }
        }
        for (const one of parts) {
          const answer = answers.get(one.key);
          const decided = one.state === 'held' ? undefined : one.state === 'failing' ? 'failing' : 'fulfilling';
          if (answer !== undefined) expect(decided).toBe(answer);
          if (decided !== undefined) answers.set(one.key, decided);
        }
        parts = slept(parts);
      }
      expect(releases).toBeLessThanOrEqual(1);
      settledRuns += releases;
      // And it comes to an end: a minute later nothing is held.
      expect(expire(parts, { ...moment, nowMs: moment.nowMs + mppTimeoutMs }).some(({ state }) => state === 'held')).toBe(false);
    }),
    { numRuns: 2_000 },
  );
  expect(settledRuns).toBeGreaterThan(300);
});
