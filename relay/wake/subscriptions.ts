/** The push subscriptions of each account, one per device. What comes in is checked here, so that sending can rely on it. */
import { createECDH } from 'node:crypto';
import { fromBase64Url } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { RequestOf } from '../../shared/protocol/session.ts';
import type { Store } from '../ports.ts';
import { checkEndpoint } from './endpoint.ts';
import type { PushTarget } from './sender.ts';

export type Device = PushTarget & { readonly device: string };
export type Subscriptions = {
  readonly add: (account: string, request: RequestOf<'push/subscribe'>, nowMs: number) => Result<object, RelayError>;
  readonly remove: (account: string, device: string) => void;
  /** The push service knows this endpoint no more. A device that has subscribed anew meanwhile is left alone. */
  readonly gone: (account: string, device: Device) => void;
  readonly list: (account: string) => readonly Device[];
  readonly failed: (account: string, device: string, nextTryMs: number) => void;
  readonly succeeded: (account: string, device: string) => void;
};

export function createSubscriptions({ db }: Store, pushHosts: readonly string[], maxDevices: number): Subscriptions {
  const insert = db.prepare(`INSERT INTO subscriptions (account, device, endpoint, p256dh, auth, created_ms) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (account, device) DO UPDATE SET endpoint = excluded.endpoint, p256dh = excluded.p256dh, auth = excluded.auth,
      created_ms = excluded.created_ms, failures = 0, next_try_ms = 0`);
  const deleteOldest = db.prepare(`DELETE FROM subscriptions WHERE account = ?1 AND device IN
    (SELECT device FROM subscriptions WHERE account = ?1 ORDER BY created_ms DESC, rowid DESC LIMIT -1 OFFSET ?2)`);
  const deleteOne = db.prepare('DELETE FROM subscriptions WHERE account = ? AND device = ?');
  const deleteGone = db.prepare('DELETE FROM subscriptions WHERE account = ? AND device = ? AND endpoint = ?');
  const select = db.prepare('SELECT device, endpoint, p256dh, auth, next_try_ms FROM subscriptions WHERE account = ? ORDER BY created_ms');
  const fail = db.prepare('UPDATE subscriptions SET failures = failures + 1, next_try_ms = ? WHERE account = ? AND device = ?');
  const succeed = db.prepare(
    'UPDATE subscriptions SET failures = 0, next_try_ms = 0 WHERE account = ? AND device = ? AND (failures > 0 OR next_try_ms > 0)',
  );

  return {
    add: (account, request, nowMs) => {
      const endpoint = checkEndpoint(request.endpoint, pushHosts);
      if (!endpoint.ok)
        return err({ code: 'push-endpoint-refused', message: `this relay does not call that push endpoint (${endpoint.error})` });
      if (!goodKeys(request.keys)) return err({ code: 'bad-request', message: 'the subscription keys are not a P-256 point and 16 bytes' });
      insert.run(account, request.device, endpoint.value.href, request.keys.p256dh, request.keys.auth, nowMs);
      deleteOldest.run(account, maxDevices);
      return ok({});
    },
    remove: (account, device) => void deleteOne.run(account, device),
    gone: (account, device) => void deleteGone.run(account, device.device, device.endpoint),
    list: (account) =>
      select.all(account).map((row) => ({
        device: String(row.device),
        endpoint: String(row.endpoint),
        p256dh: String(row.p256dh),
        auth: String(row.auth),
        nextTryMs: Number(row.next_try_ms),
      })),
    failed: (account, device, nextTryMs) => void fail.run(nextTryMs, account, device),
    succeeded: (account, device) => void succeed.run(account, device),
  };
}

/** RFC 8291: an uncompressed P-256 point and a 16-byte secret, base64url with or without padding. */
function goodKeys(keys: { readonly p256dh: string; readonly auth: string }): boolean {
  try {
    const point = fromBase64Url(unpadded(keys.p256dh));
    if (point.length !== 65 || fromBase64Url(unpadded(keys.auth)).length !== 16) return false;
    const probe = createECDH('prime256v1');
    probe.generateKeys();
    probe.computeSecret(point);
    return true;
  } catch {
    return false;
  }
}

const unpadded = (text: string): string => text.replace(/=+$/, '');
