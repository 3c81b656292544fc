/** "Test it now": a real push through the relay and the browser's push service, timed. */
import { type CallError, call, onBroadcast } from './worker.ts';

const PATIENCE_MS = 30_000;

export type TestState =
  | { readonly tag: 'idle' }
  | { readonly tag: 'waiting' }
  /** `ms`: the worker's own work. `roundTripMs`: from the tap to the end of it. */
  | { readonly tag: 'done'; readonly ms: number; readonly roundTripMs: number }
  | { readonly tag: 'late' }
  | { readonly tag: 'failed'; readonly error: CallError };

class TestWake {
  state = $state.raw<TestState>({ tag: 'idle' });

  async run(): Promise<void> {
    if (this.state.tag === 'waiting') return;
    this.state = { tag: 'waiting' };
    const startedAt = performance.now();
    // The push may arrive before the answer that tells its id.
    const wakes = new Map<string, number>();
    let check = () => {};
    const stop = onBroadcast((message) => {
      if (message.t !== 'wake') return;
      wakes.set(message.wakeId, message.ms);
      check();
    });
    try {
      const answer = await call('test-wake', null);
      if (!answer.ok) {
        this.state = { tag: 'failed', error: answer.error };
        return;
      }
      const { wakeId } = answer.value;
      const ms = await new Promise<number | null>((resolve) => {
        const timer = setTimeout(() => resolve(null), PATIENCE_MS);
        check = () => {
          const found = wakes.get(wakeId);
          if (found === undefined) return;
          clearTimeout(timer);
          resolve(found);
        };
        check();
      });
      this.state = ms === null ? { tag: 'late' } : { tag: 'done', ms, roundTripMs: performance.now() - startedAt };
    } finally {
      stop();
    }
  }
}

export const testWake = new TestWake();
