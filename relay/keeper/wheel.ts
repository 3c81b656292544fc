/**
 * One timer for all deadlines of the relay: thousands of sessions with two timers each would cost more than the sessions.
 * A deadline may come late by up to one tick, never early.
 */
import type { Clock } from '../ports.ts';

export type Timed = {
  /** Called once for each `set`. May `set` itself again. */
  due(nowMs: number): void;
};

export class Wheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots = new Map<number, Set<Timed>>();
  readonly #slotOf = new Map<Timed, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, tickMs = 100) {
    this.#clock = clock;
    this.#tickMs = tickMs;
  }

  get size(): number {
    return this.#slotOf.size;
  }

  /** Replaces what was set for `item`. */
  set(item: Timed, atMs: number): void {
    this.cancel(item);
    const slot = Math.ceil(atMs / this.#tickMs);
    const there = this.#slots.get(slot);
    if (there === undefined) this.#slots.set(slot, new Set([item]));
    else there.add(item);
    this.#slotOf.set(item, slot);
    this.#timer ??= setInterval(() => this.run(), this.#tickMs).unref();
  }

  cancel(item: Timed): void {
    const slot = this.#slotOf.get(item);
    if (slot === undefined) return;
    this.#slotOf.delete(item);
    const there = this.#slots.get(slot);
    there?.delete(item);
    if (there?.size === 0) this.#slots.delete(slot);
  }

  /** Calls all that is due. The interval does this; a test with a clock of its own does it by hand. */
  run(): void {
    const now = this.#clock();
    const last = Math.floor(now / this.#tickMs);
    const due = [...this.#slots.keys()].filter((slot) => slot <= last).sort((a, b) => a - b);
    for (const slot of due) {
      for (const item of [...(this.#slots.get(slot) ?? [])]) {
        // An earlier one of this round may have moved or cancelled it.
        if (this.#slotOf.get(item) !== slot) continue;
        this.cancel(item);
        item.due(now);
      }
    }
    if (this.#slotOf.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
