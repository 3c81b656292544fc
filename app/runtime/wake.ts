/**
 * One wake: a push arrived while (perhaps) no page is open. Frames that the push carried are taken first; the answer, the
 * signed receipt and the backup leave in one request; then the worker lingers for the rest of the dance. It always ends
 * in a visible notification: browsers take the permission from a site that does not show one.
 */
import * as v from 'valibot';
import { toHex } from '../../shared/lib/bytes.ts';
import { wakeReceiptDigest } from '../../shared/protocol/digests.ts';
import { type WakePayload, type WakeReceipt, wakePayload } from '../../shared/protocol/session.ts';
import { plainNotices } from '../i18n/notices.ts';
import { commit, loadPeer, setting } from '../store/store.ts';
import { noticesOf, peerName } from './notices.ts';
import { Collected } from './peers.ts';
import type { Notice, Ports } from './ports.ts';
import { type SyncReport, syncAll, takeFrames, tickAll } from './sync.ts';
import type { Parts } from './timing.ts';

/** How long a woken worker waits for the next move of a peer. DESIGN § Waking. */
const LINGER_MS = 3_000;

/** `startedAtMs`: when the push event reached the worker. `text` is the decrypted payload; hostile like all input. */
export async function wake(ports: Ports, text: string | undefined, startedAtMs: number, lingerMs = LINGER_MS): Promise<void> {
  const payload = parse(text);
  try {
    await answer(ports, payload, startedAtMs, lingerMs);
  } catch (error) {
    // A fault of ours or of the storage. The browser counts pushes that show nothing, whatever the reason.
    await ports.notify({ ...plainNotices.fault, tag: 'fault', path: '/#/activity' }).catch(() => undefined);
    throw error;
  }
}

async function answer(ports: Ports, payload: WakePayload | undefined, startedAtMs: number, lingerMs: number): Promise<void> {
  const into = new Collected();
  if (payload?.frames !== undefined) await takeFrames(ports, payload.frames, into);
  else if (payload?.reason === 'deadline' || payload?.reason === 'chain') await tickAll(ports, into);

  // A clock that was set back meanwhile makes no receipt that the relay would refuse.
  const signedMs = Math.max(0, Math.round(ports.now() - startedAtMs));
  const result = into.notes.some(({ note }) => note.kind === 'open-asked') ? 'needs-user' : 'done';
  if (payload !== undefined) into.receipts.push(...(await receiptOf(ports, payload, result, signedMs)));
  const first = await syncAll(ports, { lingerMs: 0 }, into);
  // What follows is the peer's time, not ours.
  const answeredMs = Math.max(0, Math.round(ports.now() - startedAtMs));
  const parts = { ...into.parts };
  const shown = into.notes.length;
  const notices = await noticesOf(ports, into.notes);
  for (const notice of notices.length === 0 ? [await fallback(ports, payload, first, signedMs)] : notices) await ports.notify(notice);
  const report = first.reached ? await syncAll(ports, { lingerMs }, into) : first;
  for (const notice of await noticesOf(ports, into.notes.slice(shown))) await ports.notify(notice);
  await record(ports, payload, report, parts, startedAtMs, answeredMs);
}

function parse(text: string | undefined): WakePayload | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    const parsed = v.safeParse(wakePayload, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/** Signed before it is known to have left: what counts for the relay is that this device did the work, and how fast. */
async function receiptOf(ports: Ports, payload: WakePayload, result: 'done' | 'needs-user', ms: number): Promise<WakeReceipt[]> {
  const keys = await ports.keys();
  if (keys === undefined) return [];
  const { signature } = keys.signForRelay(wakeReceiptDigest(payload.wakeId, payload.reason, result, ms));
  return [{ wakeId: payload.wakeId, reason: payload.reason, result, ms, signature: toHex(signature) }];
}

async function fallback(ports: Ports, payload: WakePayload | undefined, report: SyncReport, ms: number): Promise<Notice> {
  if (payload?.reason === 'test') return { ...plainNotices.test(ms), tag: 'test', path: '/#/activity' };
  if (!report.reached) return { ...plainNotices.unreachable, tag: 'relay', path: '/#/settings' };
  const away = report.unreachable[0];
  if (away !== undefined) {
    const peer = await loadPeer(ports.db, away);
    return { ...plainNotices.peerAway(peerName(peer?.alias, away)), tag: `peer-${away}`, path: '/#/channels', silent: true };
  }
  return { ...plainNotices.checked, tag: 'checked', path: '/#/activity', silent: true };
}

async function record(
  ports: Ports,
  payload: WakePayload | undefined,
  report: SyncReport,
  parts: Parts,
  startedAtMs: number,
  ms: number,
): Promise<void> {
  const reason = payload?.reason ?? 'message';
  const asked = report.notes.some(({ note }) => note.kind === 'open-asked');
  const result = !report.reached ? 'failed' : asked ? 'needs-user' : report.spoken.length + report.notes.length > 0 ? 'done' : 'nothing';
  const unsent = (await setting(ports.db, 'unsentReceipts')) ?? [];
  const wakeId = payload?.wakeId ?? '';
  await commit(ports.db, {
    activity: [
      {
        atMs: startedAtMs,
        kind: 'wake',
        wake: {
          wakeId,
          reason,
          result,
          ms,
          ...(payload === undefined ? {} : { transitMs: Math.max(0, startedAtMs - payload.sentAtMs) }),
          signed: report.spoken,
          parts,
          receiptSent: payload !== undefined && !unsent.some((receipt) => receipt.wakeId === wakeId),
        },
      },
    ],
    settings: { lastWake: { atMs: startedAtMs, ms, reason }, ...(reason === 'test' ? { lastTestMs: ms } : {}) },
  });
  ports.broadcast({ t: 'wake', wakeId, ms });
  ports.broadcast({ t: 'changed' });
}
