/** Random schedules of whole payments over two and three nodes whose channels end, too, with the fast curve. `npm run fuzz -- --payments --runs N` plays more. */
import { beforeAll, expect, test } from 'vitest';
import { fuzzPayments } from '../fuzz/payments.ts';
import { rememberingCurve } from '../lab/curve.ts';

/** The same schedules each time. */
const SEED = Number(process.env.BECKON_SEED ?? 1);
const RUNS = Number(process.env.BECKON_PAYMENT_SCHEDULES ?? 80);

beforeAll(rememberingCurve);

test(`${RUNS} random schedules: no payment is lost, made twice, or settled without its proof`, { timeout: 240_000 }, () => {
  const { tally, failure } = fuzzPayments({ runs: RUNS, seed: SEED });
  console.table(tally);
  expect(failure).toBeUndefined();
  // The law is not kept by schedules in which nothing happens.
  const least = {
    sent: RUNS,
    failed: RUNS / 4,
    'sent in parts': RUNS / 4,
    'sent again after a failure': RUNS / 30,
    'parts passed on and paid': RUNS / 5,
    'parts timed out': RUNS / 20,
    'invoices cancelled': RUNS / 20,
    'invoices with two payers': RUNS / 20,
    cuts: RUNS / 3,
    deaths: RUNS / 3,
    'mutual closes': RUNS / 15,
    'forced closes': RUNS / 15,
    'closes with something under way': RUNS / 30,
  } as const;
  for (const [row, count] of Object.entries(least))
    expect(tally, `${row}: ${count}`).toSatisfy((of: typeof tally) => of[row as keyof typeof least] >= count);
});
