/**
 * Deadlines that the app has computed (an HTLC, a peer's patience) and asked to be woken for: an hour, or a height of the chain.
 * Kept in the store, so that a restart of the relay does not lose one; an alarm that fell due meanwhile rings at the start.
 */
import type { Alarm } from '../../shared/protocol/session.ts';
import type { Store } from '../ports.ts';
import { atomically } from '../savepoint.ts';
import type { Cancel, Timers } from '../timers.ts';

export type Alarms = {
  readonly set: (account: string, alarms: readonly Alarm[]) => void;
  /** The chain is this high. `tell` is called for each alarm that this makes due; when it throws, none has rung. */
  readonly reached: (height: number, tell: (due: HeightAlarm) => void) => void;
  readonly stop: () => void;
};

export type HeightAlarm = { readonly account: string; readonly id: string };

export function createAlarms({ db }: Store, timers: Timers, ring: (account: string) => void): Alarms {
  const current = db.prepare('SELECT id, at_ms, reason FROM alarms WHERE account = ? ORDER BY id');
  const clear = db.prepare('DELETE FROM alarms WHERE account = ?');
  const insert = db.prepare('INSERT OR REPLACE INTO alarms (account, id, at_ms, reason) VALUES (?, ?, ?, ?)');
  const next = db.prepare('SELECT MIN(at_ms) AS at_ms FROM alarms');
  const dueAccounts = db.prepare('SELECT DISTINCT account FROM alarms WHERE at_ms <= ?');
  const dropDue = db.prepare('DELETE FROM alarms WHERE at_ms <= ?');
  const heightsOf = db.prepare('SELECT id, at_height FROM height_alarms WHERE account = ?');
  const dropHeight = db.prepare('DELETE FROM height_alarms WHERE account = ? AND id = ?');
  const putHeight = db.prepare('INSERT OR REPLACE INTO height_alarms (account, id, at_height) VALUES (?, ?, ?)');
  const dueHeights = db.prepare('SELECT account, id FROM height_alarms WHERE rung = 0 AND at_height <= ? ORDER BY at_height');
  const markRung = db.prepare('UPDATE height_alarms SET rung = 1 WHERE account = ? AND id = ?');
  let cancel: Cancel = () => {};

  const arm = (): void => {
    cancel();
    const atMs = next.get()?.at_ms;
    if (typeof atMs === 'number') cancel = timers.after(atMs - timers.nowMs(), fire);
  };
  const fire = (): void => {
    const nowMs = timers.nowMs();
    const accounts = dueAccounts.all(nowMs).map((row) => String(row.account));
    dropDue.run(nowMs);
    arm();
    for (const account of accounts) ring(account);
  };
  arm();

  const setTimes = (account: string, alarms: readonly Extract<Alarm, { readonly atMs: number }>[]): void => {
    const nowMs = timers.nowMs();
    // The app is here now: an alarm that has passed is one that it knows of, and ringing it would wake it in a circle.
    const ahead = alarms.filter((alarm) => alarm.atMs > nowMs).sort((a, b) => (a.id < b.id ? -1 : 1));
    const kept = current.all(account).map((row) => [row.id, row.at_ms, row.reason]);
    // Most syncs repeat the list as it was: no write to the disk for those.
    if (JSON.stringify(kept) === JSON.stringify(ahead.map((alarm) => [alarm.id, alarm.atMs, alarm.reason]))) return;
    atomically(db, () => {
      clear.run(account);
      for (const alarm of ahead) insert.run(account, alarm.id, alarm.atMs, alarm.reason);
    });
    arm();
  };
  /** Unlike an hour, a height that has passed may be news to the app: it rings at the next look at the chain, once. */
  const setHeights = (account: string, alarms: readonly Extract<Alarm, { readonly atHeight: number }>[]): void => {
    const wanted = new Map(alarms.map((alarm) => [alarm.id, alarm.atHeight]));
    const kept = new Map(heightsOf.all(account).map((row) => [String(row.id), Number(row.at_height)]));
    const gone = [...kept.keys()].filter((id) => !wanted.has(id));
    const fresh = [...wanted].filter(([id, atHeight]) => kept.get(id) !== atHeight);
    if (gone.length === 0 && fresh.length === 0) return;
    atomically(db, () => {
      for (const id of gone) dropHeight.run(account, id);
      for (const [id, atHeight] of fresh) putHeight.run(account, id, atHeight);
    });
  };

  return {
    set: (account, alarms) => {
      setTimes(
        account,
        alarms.filter((alarm) => 'atMs' in alarm),
      );
      setHeights(
        account,
        alarms.filter((alarm) => 'atHeight' in alarm),
      );
    },
    reached: (height, tell) => {
      const due = dueHeights.all(height).map((row) => ({ account: String(row.account), id: String(row.id) }));
      if (due.length === 0) return;
      atomically(db, () => {
        for (const one of due) {
          markRung.run(one.account, one.id);
          tell(one);
        }
      });
      for (const account of new Set(due.map((one) => one.account))) ring(account);
    },
    stop: () => cancel(),
  };
}
