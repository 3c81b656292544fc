/** The node as the worker last described it. Every page reads this one snapshot; every change asks for a new one. */
import type { Api, ApiName, Snapshot } from '../runtime/api.ts';
import { type CallError, type CallResult, call, onBroadcast } from './worker.ts';

class Node {
  snapshot = $state.raw<Snapshot | null>(null);
  /** Set when the worker did not answer or could not read its store. */
  problem = $state.raw<CallError | null>(null);
  refreshing = $state(false);
  #loading: Promise<void> | null = null;
  #stale = false;

  /** Resolves after the first reading. */
  async start(): Promise<void> {
    onBroadcast((message) => {
      if (message.t === 'changed' || message.t === 'wake') void this.load();
    });
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') void this.refresh();
    });
    addEventListener('online', () => void this.refresh());
    await this.load();
    void this.refresh();
  }

  /** One reading at a time; what changes meanwhile is read once more. */
  load(): Promise<void> {
    if (this.#loading) {
      this.#stale = true;
      return this.#loading;
    }
    this.#loading = this.#read().finally(() => {
      this.#loading = null;
      if (this.#stale) {
        this.#stale = false;
        void this.load();
      }
    });
    return this.#loading;
  }

  async #read(): Promise<void> {
    const answer = await call('snapshot', null);
    if (answer.ok) this.snapshot = answer.value;
    this.problem = answer.ok ? null : answer.error;
  }

  /** Asks the relay, the peers and the chain now. */
  async refresh(): Promise<void> {
    if (this.refreshing || this.snapshot?.wallet !== 'ready') return;
    this.refreshing = true;
    await call('refresh', null);
    await this.load();
    this.refreshing = false;
  }

  /** A call that changes something, then the new snapshot. */
  async act<N extends ApiName>(name: N, arg: Api[N][0]): Promise<CallResult<N>> {
    const answer = await call(name, arg);
    await this.load();
    return answer;
  }
}

export const node = new Node();
