/** The fee of a claim over time: the curve, the steps up, the caps. BOLT 5 § Failing a Channel; BIP 125. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bumpedFeerate,
  cappedFeerate,
  estimatedFeerate,
  feeCapSat,
  feeSat,
  lookHeight,
  relayFeeratePerKw,
  replacingFeerate,
} from './fees.ts';
import type { Attempt } from './types.ts';

const attempt = (feeratePerKw: number, madeAtHeight: number): Attempt => ({
  inputs: [],
  transaction: new Uint8Array(0),
  txid: new Uint8Array(0),
  feeratePerKw,
  madeAtHeight,
});

describe('the estimate', () => {
  const asked = (deadline: number | undefined, patience: number): number => {
    const blocks: number[] = [];
    estimatedFeerate({ ...(deadline !== undefined && { deadline }), patience }, 100, (count) => blocks.push(count));
    return blocks[0] ?? 0;
  };
  it('is asked for the blocks that are left, within the patience', () => {
    expect([asked(undefined, 144), asked(120, 144), asked(400, 144), asked(101, 144), asked(100, 144), asked(50, 144)]).toEqual([
      144, 20, 144, 1, 1, 1,
    ]);
  });

  it('is held to what is relayed and what is believable, whatever it says', () => {
    const of = (estimate: number): number => estimatedFeerate({ patience: 6 }, 100, () => estimate);
    expect([of(Number.NaN), of(-5), of(0), of(1000.2), of(1e12), of(Number.POSITIVE_INFINITY)]).toEqual([
      253, 253, 253, 1001, 250_000, 253,
    ]);
  });
});

describe('a replacement', () => {
  it('pays a quarter more, and at least one satoshi per virtual byte', () => {
    expect([replacingFeerate(253), replacingFeerate(1012), replacingFeerate(4000)]).toEqual([506, 1265, 5000]);
  });

  it('without a deadline follows the estimate, six blocks apart', () => {
    const bumped = (height: number, estimate: number) => bumpedFeerate(attempt(1000, 100), { patience: 144 }, height, estimate);
    expect([bumped(105, 9000), bumped(106, 1252), bumped(106, 1253), bumped(300, 1000)]).toEqual([undefined, undefined, 1253, undefined]);
  });

  it('near a deadline rises by itself, more often the nearer it is', () => {
    const bumped = (madeAtHeight: number, height: number, estimate: number) =>
      bumpedFeerate(attempt(1000, madeAtHeight), { deadline: 200, patience: 144 }, height, estimate);
    expect([bumped(100, 106, 1000), bumped(176, 182, 1000), bumped(182, 185, 1000), bumped(182, 186, 1000)]).toEqual([
      undefined,
      1253,
      undefined,
      1253,
    ]);
    expect([bumped(198, 199, 1000), bumped(210, 211, 1000), bumped(198, 199, 7000)]).toEqual([1253, 1253, 7000]);
  });

  it('is looked for again at a height to come', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 300 }),
        fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
        (made, height, deadline) => {
          const look = lookHeight(attempt(1000, made), deadline, Math.max(made, height));
          expect(look).toBeGreaterThan(Math.max(made, height));
          expect(look).toBeLessThanOrEqual(Math.max(made, height) + 6);
        },
      ),
    );
  });
});

describe('the cap', () => {
  it('is half of the value, and all but what the output must keep once the deadline is near', () => {
    expect(feeCapSat(10_000n, 294n, undefined, 100)).toBe(5000n);
    expect(feeCapSat(10_000n, 294n, 119, 100)).toBe(5000n);
    expect(feeCapSat(10_000n, 294n, 118, 100)).toBe(9706n);
    expect(feeCapSat(400n, 294n, undefined, 100)).toBe(106n);
  });

  it('is never exceeded by the fee that follows from it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 253, max: 250_000 }),
        fc.integer({ min: 300, max: 2000 }),
        fc.bigInt({ min: -100n, max: 100_000n }),
        (feerate, weight, cap) => {
          const capped = cappedFeerate(feerate, weight, cap);
          expect(capped).toBeLessThanOrEqual(feerate);
          if (cap > 0n) expect(feeSat(capped, weight)).toBeLessThanOrEqual(cap);
          else expect(capped).toBeLessThan(relayFeeratePerKw);
        },
      ),
    );
  });
});
