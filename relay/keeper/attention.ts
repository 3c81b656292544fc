/**
 * Who is there to take an update, for each account. Attached is: a WebSocket, a long poll, or a worker that is busy with the
 * last answer and will be back. Not attached, whatever the sockets say: one that lets a waking message lie (a frozen page
 * keeps its socket open).
 */
import type { Clock } from '../ports.ts';

/** Something changed for the account: `urgent` when somebody waits for the app, else it may ride along. */
export type Listener = (urgent: boolean) => void;

type Presence = { readonly listeners: Set<Listener>; busyUntilMs: number };

export class AttentionBook {
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Presence>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer takes the listener away. */
  listen(account: string, listener: Listener): () => void {
    const presence = this.#presence(account);
    presence.listeners.add(listener);
    return () => {
      presence.listeners.delete(listener);
      this.#forget(account);
    };
  }

  busyUntil(account: string, atMs: number): void {
    this.#presence(account).busyUntilMs = atMs;
    this.#forget(account);
  }

  /** When somebody who is only busy stops counting; undefined when a listener is there or nobody is. */
  busyEnd(account: string): number | undefined {
    const presence = this.#accounts.get(account);
    return presence === undefined || presence.listeners.size > 0 ? undefined : presence.busyUntilMs;
  }

  present(account: string): boolean {
    this.#forget(account);
    return this.#accounts.has(account);
  }

  tell(account: string, urgent: boolean): void {
    for (const listener of [...(this.#accounts.get(account)?.listeners ?? [])]) listener(urgent);
  }

  #presence(account: string): Presence {
    const there = this.#accounts.get(account);
    if (there !== undefined) return there;
    const fresh: Presence = { listeners: new Set(), busyUntilMs: 0 };
    this.#accounts.set(account, fresh);
    return fresh;
  }

  #forget(account: string): void {
    const presence = this.#accounts.get(account);
    if (presence !== undefined && presence.listeners.size === 0 && presence.busyUntilMs <= this.#clock()) this.#accounts.delete(account);
  }
}
