/** Time as a value that tests can turn by hand. Node's own timers hold at most 2^31-1 ms, so longer waits go in steps. */

export type Cancel = () => void;
export type Timers = { readonly nowMs: () => number; readonly after: (ms: number, run: () => void) => Cancel };

const longestTimerMs = 2 ** 31 - 1;

export const systemTimers: Timers = {
  nowMs: () => Date.now(),
  after: (ms, run) => {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, longestTimerMs);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs);
      timer.unref();
    };
    arm(Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};

/** For tests: nothing happens until `advance` is called, then everything due happens in order of its time. */
export function fakeTimers(
  startMs = 1_800_000_000_000,
): Timers & { readonly advance: (ms: number) => Promise<void>; readonly waiting: () => number } {
  let nowMs = startMs;
  let timers: { readonly atMs: number; readonly run: () => void }[] = [];
  /** Lets every promise that can settle without time or I/O settle. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return {
    nowMs: () => nowMs,
    after: (ms, run) => {
      const timer = { atMs: nowMs + Math.max(0, ms), run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    waiting: () => timers.length,
    advance: async (ms) => {
      const endMs = nowMs + ms;
      await settle();
      for (;;) {
        const next = timers.filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined) break;
        nowMs = Math.max(nowMs, next.atMs);
        timers = timers.filter((timer) => timer !== next);
        next.run();
        await settle();
      }
      nowMs = endMs;
      await settle();
    },
  };
}
