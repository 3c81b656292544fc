/** Token buckets by key: so many a minute on average, as many at once. Full buckets are forgotten, so memory follows use. */
import type { Clock } from '../ports.ts';

const MINUTE = 60_000;
/** Between sweeps of full buckets. */
const SWEEP_EVERY = 1024;

export class Buckets {
  readonly #clock: Clock;
  readonly #size: number;
  readonly #periodMs: number;
  readonly #levels = new Map<string, { level: number; atMs: number }>();
  #calls = 0;

  /** `size` tokens refill evenly over `periodMs`. */
  constructor(clock: Clock, size: number, periodMs = MINUTE) {
    this.#clock = clock;
    this.#size = size;
    this.#periodMs = periodMs;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#levels.size;
  }

  /** Takes `amount` tokens and answers 0, or takes none and answers the milliseconds to wait. */
  take(key: string, amount = 1): number {
    const now = this.#clock();
    if (++this.#calls % SWEEP_EVERY === 0) this.#sweep(now);
    const level = this.#levelOf(key, now);
    if (level >= amount) {
      this.#levels.set(key, { level: level - amount, atMs: now });
      return 0;
    }
    return Math.ceil(((Math.min(amount, this.#size) - level) / this.#size) * this.#periodMs);
  }

  #levelOf(key: string, now: number): number {
    const bucket = this.#levels.get(key);
    if (bucket === undefined) return this.#size;
    return Math.min(this.#size, bucket.level + ((now - bucket.atMs) / this.#periodMs) * this.#size);
  }

  #sweep(now: number): void {
    for (const key of this.#levels.keys()) {
      if (this.#levelOf(key, now) >= this.#size) this.#levels.delete(key);
    }
  }
}
