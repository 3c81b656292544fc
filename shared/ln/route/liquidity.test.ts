import { describe, expect, test } from 'vitest';
import { freeze, thaw } from '../../lib/freeze.ts';
import {
  edgeBetween,
  edgeName,
  edgeUnder,
  HALF_LIFE_SECONDS,
  type Liquidity,
  learnFailure,
  learnPassed,
  learnPolicy,
  learnSuccess,
  MAX_BOUNDS,
  MAX_POLICIES,
  noLiquidity,
  rangeOf,
} from './liquidity.ts';
import { NOW, nodeOf } from './testing.ts';

const edge = edgeName(800_000n, 0);
const back = edgeName(800_000n, 1);
const boundsOf = (liquidity: Liquidity, name = edge) => {
  const { minMsat, maxMsat } = liquidity.bounds[name] ?? { minMsat: -1, maxMsat: -1 };
  return [minMsat, maxMsat];
};

test('an edge is named by its channel and the order of its ends', () => {
  expect(edgeBetween(800_000n, nodeOf('a'), nodeOf('b'))).toBe('800000/0');
  expect(edgeBetween(800_000n, nodeOf('b'), nodeOf('a'))).toBe('800000/1');
});

describe('bounds', () => {
  test('a failure leaves less than was asked for', () => {
    expect(boundsOf(learnFailure(noLiquidity, edge, 500n, NOW))).toEqual([0, 499]);
    const both = learnFailure(learnPassed(noLiquidity, edge, 300n, NOW), edge, 500n, NOW);
    expect(boundsOf(both)).toEqual([300, 499]);
    expect(boundsOf(learnFailure(both, edge, 700n, NOW))).toEqual([300, 499]);
    expect(boundsOf(learnFailure(both, edge, 200n, NOW))).toEqual([199, 199]);
    expect(boundsOf(learnFailure(noLiquidity, edge, 0n, NOW))).toEqual([0, 0]);
  });
  test('what passed was there, whatever was thought', () => {
    expect(boundsOf(learnPassed(noLiquidity, edge, 500n, NOW))).toEqual([500, null]);
    expect(boundsOf(learnPassed(learnFailure(noLiquidity, edge, 400n, NOW), edge, 500n, NOW))).toEqual([500, 500]);
  });
  test('what was settled is on the other side now', () => {
    const before = learnFailure(learnPassed(noLiquidity, edge, 500n, NOW), edge, 901n, NOW);
    const after = learnSuccess(before, edge, 200n, NOW);
    expect(boundsOf(after)).toEqual([300, 700]);
    expect(boundsOf(after, back)).toEqual([200, null]);
  });
  test('they fade by half in a half-life, towards nothing known', () => {
    const known = learnFailure(learnPassed(noLiquidity, edge, 400n, NOW), edge, 601n, NOW).bounds[edge];
    expect(rangeOf(known, 1000, NOW)).toEqual({ capacity: 1000, low: 400, high: 600 });
    expect(rangeOf(known, 1000, NOW + HALF_LIFE_SECONDS)).toEqual({ capacity: 1000, low: 200, high: 800 });
    expect(rangeOf(known, 1000, NOW + 60 * HALF_LIFE_SECONDS)).toEqual({ capacity: 1000, low: 0, high: 1000 });
    expect(rangeOf(known, Number.POSITIVE_INFINITY, NOW + HALF_LIFE_SECONDS).high).toBe(1200);
    expect(rangeOf(undefined, 1000, NOW)).toEqual({ capacity: 1000, low: 0, high: 1000 });
    // A clock that was set back is no reason to believe more.
    expect(rangeOf(known, 1000, NOW - 9999)).toEqual({ capacity: 1000, low: 400, high: 600 });
  });
  test('a smaller channel than was thought has both bounds within it', () => {
    const known = learnPassed(noLiquidity, edge, 5000n, NOW).bounds[edge];
    expect(rangeOf(known, 1000, NOW)).toEqual({ capacity: 1000, low: 1000, high: 1000 });
  });
});

test('the edges of a route have names, but for our own channel', () => {
  const htlcs = ['a', 'c', 'b', 'z'].map((name, i) => ({
    nodeId: nodeOf(name),
    shortChannelId: BigInt(i),
    amountMsat: 1000n - BigInt(i),
    cltvExpiry: 1,
  }));
  expect([0, 1, 2, 3, 4].map((i) => edgeUnder(htlcs, i))).toEqual([undefined, '1/0', '2/1', '3/0', undefined]);
});

describe('what is kept', () => {
  const policy = {
    feeBaseMsat: 1,
    feeProportionalMillionths: 2,
    cltvExpiryDelta: 3,
    htlcMinimumMsat: 4,
    htlcMaximumMsat: 5,
    disabled: false,
    timestamp: NOW,
  };
  test('no more bounds and policies than there is room for; the oldest go', () => {
    let liquidity = noLiquidity;
    for (let i = 0; i <= MAX_BOUNDS; i += 1) liquidity = learnFailure(liquidity, edgeName(BigInt(i), 0), 5n, NOW + (i === 7 ? -1 : i));
    expect(Object.keys(liquidity.bounds)).toHaveLength(MAX_BOUNDS);
    expect(liquidity.bounds[edgeName(7n, 0)]).toBeUndefined();
    expect(liquidity.bounds[edgeName(0n, 0)]).toBeDefined();
    for (let i = 0; i <= MAX_POLICIES; i += 1) liquidity = learnPolicy(liquidity, BigInt(i), 1, { ...policy, timestamp: NOW + i });
    expect(Object.keys(liquidity.policies)).toHaveLength(MAX_POLICIES);
    expect(liquidity.policies[edgeName(0n, 1)]).toBeUndefined();
  });
  test('an older policy does not replace a newer one', () => {
    const newer = learnPolicy(noLiquidity, 1n, 0, policy);
    expect(learnPolicy(newer, 1n, 0, { ...policy, feeBaseMsat: 9, timestamp: NOW - 1 })).toBe(newer);
    expect(learnPolicy(newer, 1n, 0, { ...policy, feeBaseMsat: 9 }).policies['1/0']?.feeBaseMsat).toBe(9);
  });
  test('it is plain: it freezes, and JSON keeps it', () => {
    const liquidity = learnPolicy(learnPassed(learnFailure(noLiquidity, edge, 5n, NOW), back, 7n, NOW), 1n, 0, policy);
    expect(thaw(freeze(liquidity))).toEqual({ ok: true, value: liquidity });
    expect(JSON.parse(JSON.stringify(liquidity))).toEqual(liquidity);
  });
});
