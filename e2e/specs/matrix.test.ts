/** A sample of the matrix of malicious closes on bcoin. `npm run matrix` plays all of it, also on btcd. */
import { describe, expect, test } from 'vitest';
import { startChain } from '../lab/chain.ts';
import { rememberingCurve } from '../lab/curve.ts';
import { allCells, type Cell, sample } from '../matrix/cells.ts';
import { failuresOf, playMatrix } from '../matrix/matrix.ts';
import { owedBy } from '../matrix/owed.ts';

const SAMPLE = 40;

describe('the matrix of malicious closes', () => {
  test('has at least 500 cells, no two of one name, and any two values of its axes in one of them', () => {
    const cells = allCells();
    expect(cells.length).toBeGreaterThanOrEqual(500);
    expect(new Set(cells.map(({ name }) => name)).size).toBe(cells.length);
    const axes = ['published', 'kind', 'awake', 'fees', 'reorg', 'weOpened'] as const;
    const values = (axis: keyof Cell): readonly unknown[] => [...new Set(cells.map((cell) => cell[axis]))];
    const missing = axes.flatMap((a, at) =>
      axes.slice(at + 1).flatMap((b) =>
        values(a).flatMap((one) =>
          values(b)
            .filter((other) => !cells.some((cell) => cell[a] === one && cell[b] === other))
            .map((other) => `${a} ${String(one)}, ${b} ${String(other)}`),
        ),
      ),
    );
    expect(missing).toEqual(['published unknown-future, reorg other-3', 'fees spike, reorg other-3']);
  });

  test('knows what is owed without asking the code under test', () => {
    const cell: Cell = {
      name: 'by hand',
      published: 'theirs',
      kind: 'anchors_zero_fee_htlc_tx',
      menu: 'mixed',
      awake: 'at-once',
      fees: 'normal',
      reorg: 'none',
      weOpened: true,
    };
    // 600,000 - 20,000 - 25,000 - 300 offered, less (1124 + 4 × 172) sat of fees and 660 of anchors; 25,000 back and 30,000 by its preimage.
    expect(owedBy(cell)).toEqual({ totalSat: 554_700n - 1812n - 660n + 25_000n + 30_000n, paid: [0] });
    expect(owedBy({ ...cell, awake: 'peer-never' }).totalSat).toBe(554_700n - 1812n - 660n + 45_000n + 30_000n);
    expect(owedBy({ ...cell, published: 'revoked' }).totalSat).toBe(1_000_000n - 1812n - 660n - 500n);
    expect(owedBy({ ...cell, published: 'unknown-future', weOpened: false }).totalSat).toBe(554_700n);
  });

  test(`${SAMPLE} cells of it end with everything that is ours in our wallet`, { timeout: 200_000 }, async () => {
    await rememberingCurve();
    const cells = sample(allCells(), SAMPLE);
    const chain = await startChain({ standard: true });
    try {
      const outcomes = await playMatrix(chain, cells);
      const claims = outcomes.reduce((sum, outcome) => sum + outcome.claims, 0);
      console.log(`matrix: ${outcomes.length} of ${allCells().length} cells on bcoin, ${claims} claims`);
      expect(failuresOf(outcomes)).toEqual([]);
      expect(outcomes).toHaveLength(SAMPLE);
      expect(claims).toBeGreaterThan(SAMPLE);
    } finally {
      await chain.stop();
    }
  });
});
