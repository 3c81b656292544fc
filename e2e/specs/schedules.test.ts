/** Random schedules over two and three nodes, with the fast curve. `npm run fuzz -- --runs N` plays more of the same. */
import { beforeAll, expect, test } from 'vitest';
import { fuzz, rowsOf } from '../fuzz/fuzz.ts';
import { rememberingCurve } from '../lab/curve.ts';

/** The same schedules each time: a red run is about the change at hand. New ones are what `npm run fuzz` is for. */
const SEED = Number(process.env.BECKON_SEED ?? 1);
const RUNS = Number(process.env.BECKON_SCHEDULES ?? 2_000);

beforeAll(rememberingCurve);

test(`${RUNS} random schedules end with every payment settled and every sum right`, { timeout: 400_000 }, () => {
  const { tally, failure } = fuzz({ runs: RUNS, seed: SEED });
  console.table(rowsOf(tally));
  expect(failure).toBeUndefined();
  expect(tally.fulfilled).toBeGreaterThan(tally.payments / 4);
  expect(tally['mutual closes']).toBeGreaterThan(RUNS / 10);
  expect(tally['forced closes']).toBeGreaterThan(RUNS / 10);
});
