/** Plays random schedules and counts what happened in them. A failing one comes back shrunk, with the seed and path that play it again. */
import fc from 'fast-check';
import { playSchedule, schedule } from '../../shared/ln/testing/schedules.ts';

const counts = ['schedules', 'mutual closes', 'forced closes', 'moves', 'messages', 'payments', 'fulfilled', 'failed'] as const;
export type Tally = {
  readonly [C in (typeof counts)[number]]: number;
} & {
  /** Of the failed: those that the channel would not take, by why. */
  readonly refused: { readonly [code: string]: number };
};
export type Outcome = { readonly tally: Tally; readonly failure?: string };

const emptyTally = (): Tally => ({
  schedules: 0,
  'mutual closes': 0,
  'forced closes': 0,
  moves: 0,
  messages: 0,
  payments: 0,
  fulfilled: 0,
  failed: 0,
  refused: {},
});

function add(a: Tally, b: Tally): Tally {
  const refused: { [code: string]: number } = { ...a.refused };
  for (const [code, times] of Object.entries(b.refused)) refused[code] = (refused[code] ?? 0) + times;
  const summed = Object.fromEntries(counts.map((name) => [name, a[name] + b[name]]));
  return { ...a, ...summed, refused };
}

export const rowsOf = ({ refused, ...rest }: Tally): { readonly [row: string]: number } => ({
  ...rest,
  ...Object.fromEntries(Object.entries(refused).map(([code, times]) => [`refused: ${code}`, times])),
});

export type FuzzOptions = { readonly runs: number; readonly seed?: number; readonly path?: string };

export function fuzz({ runs, seed, path }: FuzzOptions): Outcome {
  let tally = emptyTally();
  const details = fc.check(
    fc.property(schedule, (one) => {
      const { fates, moves, messages, payments, refusals } = playSchedule(one);
      const fulfilled = payments.filter(({ hops }) => hops[0]?.outcome === 'fulfilled').length;
      const refused: { [code: string]: number } = {};
      for (const code of refusals) refused[code] = (refused[code] ?? 0) + 1;
      tally = add(tally, {
        schedules: 1,
        'mutual closes': fates.filter((fate) => fate === 'mutual').length,
        'forced closes': fates.filter((fate) => fate === 'forced').length,
        moves,
        messages,
        payments: payments.length,
        fulfilled,
        failed: payments.length - fulfilled,
        refused,
      });
    }),
    { numRuns: runs, ...(seed === undefined ? {} : { seed }), ...(path === undefined ? {} : { path }) },
  );
  if (!details.failed) return { tally };
  return {
    tally,
    failure: `${reportOf(details)}\nnpm run fuzz -- --seed ${details.seed} --path ${details.counterexamplePath}`,
  };
}

/** The list of moves, and what was found at the end of it. */
export function reportOf<T>(details: fc.RunDetails<T>): string {
  const { errorInstance } = details;
  return `${fc.defaultReportMessage(details)}\n${errorInstance instanceof Error ? errorInstance.stack : errorInstance}`;
}
