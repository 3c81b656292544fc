/** Plays random schedules of whole payments, and counts what happened in them. */
import fc from 'fast-check';
import { paySchedule, playPayments } from '../../shared/ln/testing/pay-schedules.ts';
import type { PayWorld } from '../../shared/ln/testing/pay-world.ts';
import { type FuzzOptions, reportOf } from './fuzz.ts';

const counts = [
  'schedules',
  'moves',
  'messages',
  'cuts',
  'deaths',
  'mutual closes',
  'forced closes',
  'closes with something under way',
  'payments',
  'sent',
  'sent in parts',
  'sent again after a failure',
  'failed',
  'parts',
  'parts settled',
  'parts passed on and paid',
  'parts timed out',
  'invoices cancelled',
  'invoices with two payers',
] as const;
export type PayTally = { readonly [C in (typeof counts)[number]]: number };
export type PayOutcome = { readonly tally: PayTally & { readonly [why: `failed: ${string}`]: number }; readonly failure?: string };

function countsOf(world: PayWorld): PayTally & { readonly [why: `failed: ${string}`]: number } {
  const lives = world.payments.map(({ life }) => life);
  const parts = lives.flatMap((life) => life.parts);
  const sent = lives.filter(({ state }) => state === 'sent');
  const settledOf = (life: (typeof lives)[number]) => life.parts.filter(({ state }) => state === 'settled');
  const books = world.nodes.map((node) => node.books);
  const whys: { [why: `failed: ${string}`]: number } = {};
  for (const { failure } of lives) if (failure !== undefined) whys[`failed: ${failure}`] = (whys[`failed: ${failure}`] ?? 0) + 1;
  return {
    schedules: 1,
    moves: world.moves,
    messages: world.messages,
    cuts: world.cuts,
    deaths: world.deaths,
    'mutual closes': world.fates.filter((fate) => fate === 'mutual').length,
    'forced closes': world.fates.filter((fate) => fate === 'forced').length,
    'closes with something under way': world.busyCloses,
    payments: lives.length,
    sent: sent.length,
    'sent in parts': sent.filter((life) => settledOf(life).length > 1).length,
    'sent again after a failure': sent.filter((life) =>
      life.parts.some(({ state, failure }) => state === 'failed' && failure?.hop !== undefined),
    ).length,
    failed: lives.length - sent.length,
    parts: parts.length,
    'parts settled': parts.filter(({ state }) => state === 'settled').length,
    'parts passed on and paid': books.flatMap(({ forwards }) => forwards).filter(({ paidMsat }) => paidMsat !== undefined).length,
    'parts timed out': parts.filter(({ failure }) => failure?.code === 'mpp_timeout').length,
    'invoices cancelled': books.flatMap(({ invoices }) => invoices).filter(({ cancelled }) => cancelled).length,
    'invoices with two payers': new Set(lives.map(({ paymentHash }) => paymentHash).filter((hash) => payersOf(world, hash) > 1)).size,
    ...whys,
  };
}

const payersOf = (world: PayWorld, paymentHash: string): number =>
  world.nodes.filter(({ books }) => books.payments.some(({ life }) => life.paymentHash === paymentHash)).length;

export function fuzzPayments({ runs, seed, path }: FuzzOptions): PayOutcome {
  const tally: { [row: string]: number } = {};
  const details = fc.check(
    fc.property(paySchedule, (one) => {
      for (const [row, count] of Object.entries(countsOf(playPayments(one)))) tally[row] = (tally[row] ?? 0) + count;
    }),
    { numRuns: runs, ...(seed === undefined ? {} : { seed }), ...(path === undefined ? {} : { path }) },
  );
  const zero = Object.fromEntries(counts.map((name) => [name, 0])) as PayTally;
  const played = { ...zero, ...tally };
  if (!details.failed) return { tally: played };
  const again = `npm run fuzz -- --payments --seed ${details.seed} --path ${details.counterexamplePath}`;
  return { tally: played, failure: `${reportOf(details)}\n${again}` };
}
