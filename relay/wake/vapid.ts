/**
 * The relay's VAPID key (RFC 8292): made once and kept, since every subscription is bound to it. Losing it means that every
 * device has to subscribe again.
 */
import * as v from 'valibot';
import webpush from 'web-push';
import type { Store } from '../ports.ts';

const vapidKeys = v.object({ publicKey: v.string(), privateKey: v.string() });
export type VapidKeys = v.InferOutput<typeof vapidKeys>;

/** Throws on a damaged record: going on with a new key would silently cut off every device. */
export function loadVapidKeys({ db }: Store): VapidKeys {
  const row = db.prepare("SELECT CAST(value AS TEXT) AS json FROM meta WHERE key = 'vapid'").get();
  if (row !== undefined) return v.parse(vapidKeys, JSON.parse(String(row.json)));
  const made = v.parse(vapidKeys, webpush.generateVAPIDKeys());
  db.prepare("INSERT INTO meta (key, value) VALUES ('vapid', CAST(? AS BLOB))").run(JSON.stringify(made));
  return made;
}
