/**
 * `npm run fuzz -- --runs N [--payments] [--jobs J] [--seed S --path P]`: random schedules of the channel engine, or of whole payments over
 * it, in as many processes as there are cores, and a table of what they did. A failing schedule is printed with the seed and path that play it again.
 */
import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { rememberingCurve } from '../lab/curve.ts';
import { fuzz, rowsOf } from './fuzz.ts';
import { fuzzPayments } from './payments.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    payments: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string' },
    path: { type: 'string' },
    worker: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
/** A path belongs to one seed. */
const jobs = values.path === undefined ? Math.max(1, Math.min(Number(values.jobs), runs)) : 1;

type Rows = { readonly [row: string]: number };
type Outcome = { readonly rows: Rows; readonly failure?: string };

async function play(): Promise<Outcome> {
  await rememberingCurve();
  const options = { runs, seed, ...(values.path === undefined ? {} : { path: values.path }) };
  if (values.payments) {
    const { tally, ...rest } = fuzzPayments(options);
    return { rows: tally, ...rest };
  }
  const { tally, ...rest } = fuzz(options);
  return { rows: rowsOf(tally), ...rest };
}

function sum(all: readonly Rows[]): Rows {
  const total: { [row: string]: number } = {};
  for (const rows of all) for (const [row, count] of Object.entries(rows)) total[row] = (total[row] ?? 0) + count;
  return total;
}

function inProcess(job: number): Promise<Outcome> {
  const share = Math.floor(runs / jobs) + (job < runs % jobs ? 1 : 0);
  return new Promise((resolve, reject) => {
    let outcome: Outcome | undefined;
    const args = [
      '--worker',
      ...(values.payments ? ['--payments'] : []),
      '--runs',
      String(share),
      '--seed',
      String((seed + job) % 2 ** 31),
    ];
    const child = fork(new URL(import.meta.url), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.once('message', (said: Outcome) => {
      outcome = said;
    });
    child.once('error', reject);
    child.once('exit', (code) => (outcome ? resolve(outcome) : reject(new Error(`a process of the fuzz ended with ${code}`))));
  });
}

if (values.worker) {
  process.send?.(await play());
  process.disconnect();
} else {
  const started = performance.now();
  const outcomes = jobs === 1 ? [await play()] : await Promise.all(Array.from({ length: jobs }, (_, job) => inProcess(job)));
  console.table({ ...sum(outcomes.map(({ rows }) => rows)), seconds: Math.round((performance.now() - started) / 1_000) });
  for (const { failure } of outcomes) {
    if (failure === undefined) continue;
    console.error(failure);
    process.exitCode = 1;
  }
}
