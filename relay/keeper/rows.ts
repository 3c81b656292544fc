/** The sessions table: what must outlive the process. No key of any kind is in it. */
import type { Store } from '../ports.ts';

export type SessionRow = {
  readonly account: string;
  readonly session: string;
  readonly peer: string;
  readonly host: string;
  readonly port: number;
  /** The newest ever given out, whether or not its handshake came to anything. */
  readonly epoch: number;
  readonly state: 'live' | 'lost';
  readonly reason: string | undefined;
  readonly lostWakes: number;
};

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export class SessionRows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  all(): readonly SessionRow[] {
    const rows = this.#store.db.prepare('SELECT * FROM sessions').all();
    return rows.map((row) => ({
      account: text(row.account),
      session: text(row.session),
      peer: text(row.peer),
      host: text(row.host),
      port: Number(row.port),
      epoch: Number(row.epoch),
      state: row.state === 'live' ? 'live' : 'lost',
      reason: row.reason === null ? undefined : text(row.reason),
      lostWakes: Number(row.lost_wakes),
    }));
  }

  /** Stored before the number is told to anybody: an epoch is never given out twice. */
  saveEpoch(row: Omit<SessionRow, 'state' | 'reason' | 'lostWakes'>): void {
    this.#store.db
      .prepare(
        `INSERT INTO sessions (account, session, peer, host, port, epoch, state) VALUES (?, ?, ?, ?, ?, ?, 'lost')
         ON CONFLICT (account, session) DO UPDATE SET host = excluded.host, port = excluded.port, epoch = excluded.epoch`,
      )
      .run(row.account, row.session, row.peer, row.host, row.port, row.epoch);
  }

  saveState(session: string, state: 'live' | 'lost', reason: string | undefined, lostWakes: number): void {
    this.#store.db
      .prepare('UPDATE sessions SET state = ?, reason = ?, lost_wakes = ? WHERE session = ?')
      .run(state, reason ?? null, lostWakes, session);
  }

  remove(session: string): void {
    this.#store.db.prepare('DELETE FROM sessions WHERE session = ?').run(session);
  }
}
