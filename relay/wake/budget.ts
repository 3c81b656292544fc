/** How often something may cost a push: so many at once, and so many an hour on average. Nothing is kept of what is full again. */

export type Rate = { readonly perHour: number; readonly atOnce: number };
export type Budget = {
  /** 0: there is room, besides `kept` for others. Else the wait for it. */
  readonly waitMs: (name: string, nowMs: number, kept?: number) => number;
  readonly take: (name: string, nowMs: number) => void;
};

export function createBudget({ perHour, atOnce }: Rate): Budget {
  /** When each will be full again. The oldest entries stand first, and are full first or nearly so. */
  const fullAtMs = new Map<string, number>();
  const eachMs = 3_600_000 / perHour;
  const afterMs = (name: string, nowMs: number): number => Math.max(nowMs, fullAtMs.get(name) ?? 0) + eachMs;
  return {
    waitMs: (name, nowMs, kept = 0) => Math.max(0, afterMs(name, nowMs) - nowMs - (atOnce - kept) * eachMs),
    take: (name, nowMs) => {
      const next = afterMs(name, nowMs);
      for (const [other, atMs] of fullAtMs) {
        if (atMs > nowMs) break;
        fullAtMs.delete(other);
      }
      fullAtMs.delete(name);
      fullAtMs.set(name, next);
    },
  };
}

/** What became of the wakes of each session, for its owner to be told. */
export type Withheld = {
  readonly note: (session: string, nowMs: number) => void;
  /** One was withheld within the last hour. */
  readonly lately: (session: string, nowMs: number) => boolean;
};

const LATELY_MS = 3_600_000;

export function createWithheld(): Withheld {
  const lastMs = new Map<string, number>();
  return {
    note: (session, nowMs) => {
      for (const [other, atMs] of lastMs) {
        if (atMs + LATELY_MS > nowMs) break;
        lastMs.delete(other);
      }
      lastMs.delete(session);
      lastMs.set(session, nowMs);
    },
    lately: (session, nowMs) => (lastMs.get(session) ?? Number.NEGATIVE_INFINITY) + LATELY_MS > nowMs,
  };
}
