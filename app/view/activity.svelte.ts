/** What happened, newest first, read from the worker in pages; filters that the worker does not know are applied here. */
import { untrack } from 'svelte';
import type { ActivityView } from '../runtime/api.ts';
import { isChannelKind, isProblemKind } from './activity-text.ts';
import { day } from './format.ts';
import { type CallError, call, onBroadcast } from './worker.ts';

export type Filter = 'all' | 'wakes' | 'channels' | 'problems';
export const filters: readonly Filter[] = ['all', 'wakes', 'channels', 'problems'];

const PAGE = 50;

export function isProblem(item: ActivityView): boolean {
  return isProblemKind(item.kind) || item.wake?.result === 'failed';
}

export function matches(item: ActivityView, filter: Filter): boolean {
  if (filter === 'wakes') return item.wake !== undefined;
  if (filter === 'problems') return isProblem(item);
  if (filter === 'channels') return isChannelKind(item.kind);
  return true;
}

/** Narrows a list to one channel or one peer. */
export type Scope = { readonly channelId?: string; readonly peerId?: string };

function inScope(item: ActivityView, scope: Scope): boolean {
  if (scope.channelId !== undefined && item.channelId !== scope.channelId) return false;
  return scope.peerId === undefined || item.peerId === scope.peerId;
}

export class ActivityList {
  filter = $state<Filter>('all');
  text = $state('');
  items = $state.raw<readonly ActivityView[]>([]);
  problem = $state.raw<CallError | null>(null);
  loaded = $state(false);
  more = $state(false);
  readonly shown = $derived(this.items.filter((item) => matches(item, this.filter) && inScope(item, this.#scope)));
  #scope: Scope;
  #limit: number;
  #round = 0;

  constructor(scope: Scope = {}, limit = PAGE) {
    this.#scope = scope;
    this.#limit = limit;
  }

  /** Reads the first page now and whenever something happened. Returns the function that ends it. */
  watch(): () => void {
    // An effect calls this: what a reading looks at must not make it run again at each answer.
    untrack(() => void this.reload());
    return onBroadcast(() => void this.reload());
  }

  /** As many as are shown now, so that the list does not jump back. */
  async reload(): Promise<void> {
    await this.#read(Math.max(this.#limit, Math.min(this.items.length, 500)));
  }

  async loadMore(): Promise<void> {
    const last = this.items.at(-1);
    if (last) await this.#read(this.#limit, last.id);
  }

  async #read(limit: number, beforeId?: number): Promise<void> {
    const round = ++this.#round;
    const text = this.text.trim();
    const answer = await call('activity', {
      limit,
      ...(beforeId !== undefined && { beforeId }),
      ...(text !== '' && { text }),
      ...this.#scope,
    });
    // A later question was asked meanwhile; its answer counts.
    if (round !== this.#round) return;
    this.loaded = true;
    this.problem = answer.ok ? null : answer.error;
    if (!answer.ok) return;
    this.items = beforeId === undefined ? answer.value : [...this.items, ...answer.value];
    this.more = answer.value.length === limit;
  }
}

export async function readOne(id: number): Promise<ActivityView | null> {
  const answer = await call('activity', { beforeId: id + 1, limit: 1 });
  const item = answer.ok ? answer.value[0] : undefined;
  return item?.id === id ? item : null;
}

/** In the order given; a day is named once. */
export function byDay<T extends { readonly atMs: number }>(items: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const days = new Map<string, T[]>();
  for (const item of items) {
    const name = day(item.atMs);
    const list = days.get(name);
    if (list) list.push(item);
    else days.set(name, [item]);
  }
  return days;
}
