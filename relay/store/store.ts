/** The relay's one SQLite file: opening, migrating, transactions. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Store } from '../ports.ts';
import { migrations } from './schema.ts';

const FILE = 'relay.sqlite';

/** `folder` is made when it is not there; null keeps everything in memory. Throws when the file is from a newer relay. */
export function openStore(folder: string | null): Store {
  if (folder !== null) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(folder === null ? ':memory:' : join(folder, FILE));
  // FULL: a stored backup or a used epoch must outlive a power cut, since what was sent to the peer does.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;');
  const store: Store = {
    db,
    transaction(work) {
      db.exec('BEGIN IMMEDIATE');
      try {
        const value = work();
        db.exec('COMMIT');
        return value;
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => db.close(),
  };
  migrate(store);
  return store;
}

function migrate(store: Store): void {
  const version = Number(store.db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version > migrations.length) {
    store.close();
    throw new Error(`the data folder was written by a newer relay (version ${version}, this one knows ${migrations.length})`);
  }
  migrations.slice(version).forEach((sql, i) => {
    store.transaction(() => {
      store.db.exec(sql);
      store.db.exec(`PRAGMA user_version = ${version + i + 1}`);
    });
  });
}
