import { expect, test } from 'vitest';
import { missOf, missOfNew } from './chance.ts';

const whole = { capacity: 1000, low: 0, high: 1000 };
const chanceOf = (miss: number): number => Math.exp(-miss);

test('half of the channels have half of their capacity on a side, and most have little or nearly all', () => {
  expect(missOfNew(0, 1000)).toBeCloseTo(0, 12);
  expect(chanceOf(missOfNew(500, 1000))).toBeCloseTo(0.5, 12);
  const shares = [0, 100, 500, 600, 900, 1000].map((amount) => chanceOf(missOfNew(amount, 1000)));
  const [at0 = 0, at100 = 0, at500 = 0, at600 = 0, at900 = 0, at1000 = 0] = shares;
  expect(at0 - at100).toBeGreaterThan(2 * (at500 - at600));
  expect(at900 - at1000).toBeCloseTo(at0 - at100, 2);
});

test('the short form and the general one agree where nothing is known', () => {
  for (const amount of [0, 1, 10, 333, 500, 900, 999, 1000]) expect(missOf(amount, 0, whole)).toBeCloseTo(missOfNew(amount, 1000), 12);
});

test('below what is known to be there nothing can miss, above it the rest counts', () => {
  const range = { capacity: 1000, low: 300, high: 800 };
  expect(missOf(300, 0, range)).toBe(0);
  expect(missOf(301, 0, range)).toBeGreaterThan(0);
  expect(missOf(799, 0, range)).toBeGreaterThan(missOf(500, 0, range));
  expect(chanceOf(missOf(800, 0, range))).toBeCloseTo(0.001, 12);
});

test('one after the other misses as often as both at once', () => {
  expect(missOf(200, 0, whole) + missOf(300, 200, whole)).toBeCloseTo(missOf(500, 0, whole), 12);
});

test('of an edge without capacity an upper bound takes its place, and without one it is trusted', () => {
  expect(missOf(1e9, 0, { capacity: Number.POSITIVE_INFINITY, low: 0, high: Number.POSITIVE_INFINITY })).toBe(0);
  expect(missOf(500, 0, { capacity: Number.POSITIVE_INFINITY, low: 0, high: 1000 })).toBeCloseTo(missOfNew(500, 1000), 12);
});
