/** The newest encrypted backup of each account. The relay cannot read it. */
import type { Clock, Store } from '../ports.ts';

export class Backups {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** On disk when it returns. One that is not newer than what is there changes nothing: a retry, or a request that was overtaken. */
  put(account: string, seq: number, bytes: Uint8Array): void {
    this.#store.db
      .prepare(
        `INSERT INTO backups (account, seq, bytes, stored_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, bytes = excluded.bytes, stored_ms = excluded.stored_ms
         WHERE excluded.seq > backups.seq`,
      )
      .run(account, seq, bytes, this.#clock());
  }

  newest(account: string): { readonly seq: number; readonly bytes: Uint8Array } | undefined {
    const row = this.#store.db.prepare('SELECT seq, bytes FROM backups WHERE account = ?').get(account);
    return row?.bytes instanceof Uint8Array ? { seq: Number(row.seq), bytes: row.bytes } : undefined;
  }
}
