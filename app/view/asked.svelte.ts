/** An answer of the worker as a reactive value: asked now, and again whenever something happened. */
import { untrack } from 'svelte';
import type { Api, ApiName } from '../runtime/api.ts';
import { type CallError, call, onBroadcast } from './worker.ts';

export class Asked<N extends ApiName> {
  value = $state.raw<Api[N][1] | undefined>(undefined);
  problem = $state.raw<CallError | null>(null);
  #name: N;
  #round = 0;

  constructor(name: N) {
    this.#name = name;
  }

  /** For an effect. The function that it returns ends it. */
  watch(arg: Api[N][0]): () => void {
    untrack(() => void this.#ask(arg));
    return onBroadcast(() => void this.#ask(arg));
  }

  async #ask(arg: Api[N][0]): Promise<void> {
    const round = ++this.#round;
    const answer = await call(this.#name, arg);
    // A later question was asked meanwhile; its answer counts.
    if (round !== this.#round) return;
    this.problem = answer.ok ? null : answer.error;
    if (answer.ok) this.value = answer.value;
  }
}
