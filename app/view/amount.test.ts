import { describe, expect, test } from 'vitest';
import { parseAmount } from './amount.ts';

describe('parseAmount', () => {
  test.for([
    ['2500', 2_500n],
    ['2,500', 2_500n],
    ['2.500', 2_500n],
    ['2 500', 2_500n],
    ["1'000'000", 1_000_000n],
    ['1,234,567 sat', 1_234_567n],
    ['2.5k', 2_500n],
    ['2,5k', 2_500n],
    ['1.2M', 1_200_000n],
    ['0.0001 btc', 10_000n],
    ['1,000.5 btc', 100_050_000_000n],
    ['16,777,215', 16_777_215n],
    ['0', 0n],
  ] as const)('%s', ([text, sat]) => {
    expect(parseAmount(text)).toBe(sat);
  });

  test.for(['', 'abc', '-5', '2.5', '2,50', '1,2,3', '0.000000001 btc', '5 eur', '1..000', '.', 'k'])('%s is refused', (text) => {
    expect(parseAmount(text)).toBeNull();
  });
});
