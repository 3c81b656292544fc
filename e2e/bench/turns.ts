/** Several ways to the same end, timed in turns, so that whatever else the machine does falls on all of them alike. */
import { median } from './report.ts';

export type Time = { readonly best: number; readonly median: number };
/** `rounds`: how often it is everybody's turn. A turn lasts `sliceMs`, or as long as one call of it takes. */
export type Turns = { readonly rounds: number; readonly sliceMs: number };

/** µs of one call, by name. `before`: what a way needs to have set up when its turn comes. */
export function inTurns<Name extends string>(
  ways: Readonly<Record<Name, { readonly run: (i: number) => unknown; readonly before?: () => void }>>,
  { rounds, sliceMs }: Turns,
): Readonly<Record<Name, Time>> {
  const lanes = (Object.keys(ways) as Name[]).map((name) => ({ name, times: [] as number[], ...ways[name] }));
  // The first round compiles and does not count.
  for (let round = 0; round <= rounds; round += 1) {
    for (const { times, run, before } of lanes) {
      before?.();
      const from = performance.now();
      let calls = 0;
      do {
        run(calls);
        calls += 1;
      } while (performance.now() - from < sliceMs);
      if (round > 0) times.push(((performance.now() - from) * 1000) / calls);
    }
  }
  const entries = lanes.map(({ name, times }) => [name, { best: Math.min(...times), median: median(times) }] as const);
  return Object.fromEntries(entries) as Record<Name, Time>;
}

export const bestAndMedian = ({ best, median }: Time): string => `${best.toFixed(0)} (${median.toFixed(0)})`;
