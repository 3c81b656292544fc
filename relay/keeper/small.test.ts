/** The small parts of the keeper: pings, token buckets, the wheel. */
import { expect, test } from 'vitest';
import { Buckets } from './buckets.ts';
import { isPing, isPong, ourPing, pongFor } from './pings.ts';
import { messageOf } from './testing.ts';
import { type Timed, Wheel } from './wheel.ts';

const ping = (count: number, ...rest: number[]) => messageOf(18, count >> 8, count & 0xff, ...rest);

test('a pong has the length that was asked for and holds zeros', () => {
  expect(pongFor(ping(0))).toEqual(messageOf(19, 0, 0));
  expect(pongFor(ping(3, 0, 2, 9, 9))).toEqual(messageOf(19, 0, 3, 0, 0, 0));
  expect(pongFor(ping(65_531))).toHaveLength(65_535);
});

test('a ping that asks for 65,532 or more is ignored, and so is one cut short', () => {
  for (const count of [65_532, 65_533, 65_535]) expect(pongFor(ping(count))).toBeUndefined();
  expect([pongFor(messageOf(18)), pongFor(messageOf(18, 0))]).toEqual([undefined, undefined]);
});

test('our own ping is one that a peer must answer', () => {
  expect([isPing(ourPing()), isPong(ourPing()), pongFor(ourPing())]).toEqual([true, false, messageOf(19, 0, 0)]);
});

test('a bucket gives its size at once, then so many a period, and says how long to wait', () => {
  let now = 0;
  const buckets = new Buckets(() => now, 4, 1000);
  expect([1, 2, 3, 4, 5].map(() => buckets.take('a'))).toEqual([0, 0, 0, 0, 250]);
  expect(buckets.take('b')).toBe(0);
  now = 250;
  expect([buckets.take('a'), buckets.take('a')]).toEqual([0, 250]);
  now = 100_000;
  expect([buckets.take('a', 4), buckets.take('a', 2)]).toEqual([0, 500]);
});

test('a refused take costs nothing, and more than the size never fits', () => {
  const buckets = new Buckets(() => 0, 2, 1000);
  expect([buckets.take('a', 3), buckets.take('a', 2), buckets.take('a')]).toEqual([0 + buckets.take('x', 3), 0, 500]);
});

test('full buckets are forgotten', () => {
  let now = 0;
  const buckets = new Buckets(() => now, 2, 1000);
  for (let i = 0; i < 5_000; i++) {
    now += 10;
    buckets.take(`key${i}`);
  }
  expect(buckets.size).toBeLessThan(1_300);
});

class Item implements Timed {
  readonly calls: number[] = [];
  due(nowMs: number): void {
    this.calls.push(nowMs);
  }
}

test('the wheel calls what is due, once, never early, in order of time', () => {
  let now = 0;
  const wheel = new Wheel(() => now, 10);
  const order: string[] = [];
  const named = (name: string): Timed => ({ due: () => void order.push(name) });
  wheel.set(named('c'), 35);
  wheel.set(named('a'), 5);
  wheel.set(named('b'), 21);
  for (now = 0; now <= 50; now += 1) {
    wheel.run();
    if (now < 5) expect(order).toEqual([]);
  }
  expect(order).toEqual(['a', 'b', 'c']);
  expect(wheel.size).toBe(0);
});

test('setting again moves, cancelling removes, also from inside a call', () => {
  let now = 0;
  const wheel = new Wheel(() => now, 10);
  const moved = new Item();
  const cancelled = new Item();
  wheel.set(moved, 10);
  wheel.set(moved, 100);
  wheel.set({ due: () => wheel.cancel(cancelled) }, 20);
  wheel.set(cancelled, 20);
  now = 50;
  wheel.run();
  expect([moved.calls, cancelled.calls]).toEqual([[], []]);
  now = 100;
  wheel.run();
  expect(moved.calls).toEqual([100]);
});

test('a clock that jumps far calls everything once', () => {
  let now = 0;
  const wheel = new Wheel(() => now, 10);
  const items = Array.from({ length: 100 }, () => new Item());
  items.forEach((item, i) => void wheel.set(item, i * 1_000));
  now = 1e12;
  wheel.run();
  expect(items.every((item) => item.calls.length === 1)).toBe(true);
});
