/** All or nothing for a few statements, whether or not the caller has a transaction open already. */
import type { DatabaseSync } from 'node:sqlite';

export function atomically<T>(db: DatabaseSync, work: () => T): T {
  db.exec('SAVEPOINT part');
  try {
    const value = work();
    db.exec('RELEASE part');
    return value;
  } catch (error) {
    db.exec('ROLLBACK TO part; RELEASE part');
    throw error;
  }
}
