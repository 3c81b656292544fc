/**
 * What was sent and what became of it: one row per wake and device, kept for a bounded number of wakes. The app's signed
 * receipt closes a row, and the time between the two is the latency that the relay can prove.
 */
import { fromHex } from '../../shared/lib/bytes.ts';
import { verifyCompact } from '../../shared/lib/verify.ts';
import { wakeReceiptDigest } from '../../shared/protocol/digests.ts';
import type { WakeReason, WakeReceipt } from '../../shared/protocol/session.ts';
import type { Store } from '../ports.ts';

export type WakeStatus = 'sending' | 'sent' | 'gone' | 'failed' | 'cancelled';
/** `latencyMs`: from the push to the receipt's arrival, on the relay's clock. */
export type ReceiptVerdict =
  | { readonly tag: 'accepted'; readonly latencyMs: number; readonly result: WakeReceipt['result'] }
  | { readonly tag: 'repeated' }
  | { readonly tag: 'unknown' }
  | { readonly tag: 'forged' };
export type History = {
  readonly sending: (account: string, wake: { wakeId: string; device: string; reason: WakeReason; sentAtMs: number }) => void;
  readonly settled: (wakeId: string, device: string, status: WakeStatus) => void;
  readonly receipt: (account: string, receipt: WakeReceipt, nowMs: number) => ReceiptVerdict;
};

export function createHistory({ db }: Store, keepWakes: number): History {
  const insert = db.prepare("INSERT INTO wakes (wake_id, account, device, reason, sent_ms, status) VALUES (?, ?, ?, ?, ?, 'sending')");
  const prune = db.prepare(`DELETE FROM wakes WHERE account = ?1 AND rowid <=
    (SELECT rowid FROM wakes WHERE account = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)`);
  const settle = db.prepare('UPDATE wakes SET status = ? WHERE wake_id = ? AND device = ?');
  const find = db.prepare('SELECT sent_ms, receipt_ms FROM wakes WHERE account = ? AND wake_id = ? LIMIT 1');
  const close = db.prepare('UPDATE wakes SET receipt_ms = ?, result = ?, worked_ms = ? WHERE account = ? AND wake_id = ?');

  return {
    sending: (account, wake) => {
      insert.run(wake.wakeId, account, wake.device, wake.reason, wake.sentAtMs);
      prune.run(account, keepWakes);
    },
    settled: (wakeId, device, status) => void settle.run(status, wakeId, device),
    receipt: (account, receipt, nowMs) => {
      const digest = wakeReceiptDigest(receipt.wakeId, receipt.reason, receipt.result, receipt.ms);
      if (!verifyCompact(fromHex(receipt.signature), digest, fromHex(account))) return { tag: 'forged' };
      const row = find.get(account, receipt.wakeId);
      if (row === undefined) return { tag: 'unknown' };
      if (row.receipt_ms !== null) return { tag: 'repeated' };
      close.run(nowMs, receipt.result, receipt.ms, account, receipt.wakeId);
      return { tag: 'accepted', latencyMs: nowMs - Number(row.sent_ms), result: receipt.result };
    },
  };
}
