/** Payments both ways, newest first, read from the worker in pages. The state's filter is applied here: the worker does not know it. */
import { untrack } from 'svelte';
import type { PaymentView } from '../runtime/api.ts';
import { type Direction, following, hasState, type StateFilter } from './payment-filter.ts';
import { type CallError, type CallResult, call, onBroadcast } from './worker.ts';

const PAGE = 50;
/** As much as a list shows without being asked for more, however often it is read anew. */
const MOST_AT_ONCE = 500;

type Ask = { readonly limit: number; readonly text?: string; readonly direction?: 'in' | 'out' };
/** Older than `last`, or of its millisecond. */
const readPage = (ask: Ask, last: PaymentView | undefined): Promise<CallResult<'payments'>> =>
  call('payments', { ...ask, ...(last !== undefined && { beforeMs: last.atMs + 1 }) });

export class PaymentList {
  direction = $state<Direction>('all');
  filter = $state<StateFilter>('any');
  text = $state('');
  items = $state.raw<readonly PaymentView[]>([]);
  problem = $state.raw<CallError | null>(null);
  loaded = $state(false);
  more = $state(false);
  readonly shown = $derived(this.items.filter((item) => hasState(item, this.filter)));
  #limit: number;
  #round = 0;

  constructor(limit = PAGE) {
    this.#limit = limit;
  }

  /** Reads the first page now and whenever something happened. Returns the function that ends it. */
  watch(): () => void {
    untrack(() => void this.reload());
    return onBroadcast(() => void this.reload());
  }

  choose(direction: Direction): void {
    this.direction = direction;
    void this.reload();
  }

  async reload(): Promise<void> {
    await this.#read(Math.max(this.#limit, Math.min(this.items.length, MOST_AT_ONCE)), undefined);
  }

  async loadMore(): Promise<void> {
    const last = this.items.at(-1);
    if (last) await this.#read(this.#limit, last);
  }

  async #read(limit: number, last: PaymentView | undefined): Promise<void> {
    const round = ++this.#round;
    const text = this.text.trim();
    const { direction } = this;
    const answer = await readPage({ limit, ...(text !== '' && { text }), ...(direction !== 'all' && { direction }) }, last);
    // A later question was asked meanwhile; its answer counts.
    if (round !== this.#round) return;
    this.loaded = true;
    this.problem = answer.ok ? null : answer.error;
    if (!answer.ok) return;
    const found = last === undefined ? answer.value : following(this.items, answer.value);
    this.items = last === undefined ? found : [...this.items, ...found];
    this.more = found.length > 0 && answer.value.length >= limit;
  }
}

/** All of them, for the export. */
export async function readAll(): Promise<CallResult<'payments'>> {
  let all: readonly PaymentView[] = [];
  for (;;) {
    const answer = await readPage({ limit: 200 }, all.at(-1));
    if (!answer.ok) return answer;
    const found = following(all, answer.value);
    all = [...all, ...found];
    if (found.length === 0 || answer.value.length < 200) return { ok: true, value: all };
  }
}
