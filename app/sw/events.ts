/** What the worker does at each event: one `waitUntil` around one function, so that the browser lets it finish. */
import * as v from 'valibot';
import { plainNotices } from '../i18n/notices.ts';
import type { ApiName, ApiRequest, ApiResult } from '../runtime/api.ts';
import { noticesOf } from '../runtime/notices.ts';
import { Collected } from '../runtime/peers.ts';
import { answerPrompt, handlers, type PagePorts } from '../runtime/requests.ts';
import { syncAll } from '../runtime/sync.ts';
import { wake } from '../runtime/wake.ts';
import { node, showNotice } from './node.ts';

declare const self: ServiceWorkerGlobalScope;

export async function onPush(data: PushMessageData | null, startedAtMs: number): Promise<void> {
  const opening = node();
  try {
    await wake(await opening, data?.text(), startedAtMs);
  } catch (error) {
    // Without a store the node can do nothing, but a silent push would cost the permission.
    if ((await opening.catch(() => undefined)) === undefined) await showNotice({ ...plainNotices.unreadable, tag: 'fault', path: '/' });
    throw error;
  }
}

const noticeData = v.object({ path: v.string(), prompt: v.optional(v.object({ peerId: v.string(), channelId: v.string() })) });

/** A tap on a notification, or on one of its buttons: those work with every page closed. */
export async function onNotificationClick(notification: Notification, action: string): Promise<void> {
  notification.close();
  const parsed = v.safeParse(noticeData, notification.data);
  if (!parsed.success) return openPage('/');
  const { prompt, path } = parsed.output;
  if (prompt === undefined || (action !== 'approve' && action !== 'deny')) return openPage(path);

  const ports = await node();
  const into = new Collected();
  const approved = action === 'approve';
  if (!(await answerPrompt(ports, prompt.peerId, prompt.channelId, approved, into))) {
    return showNotice({ ...plainNotices.notAnswered, tag: `prompt-${prompt.channelId}`, path: '/#/activity' });
  }
  const report = await syncAll(ports, { lingerMs: 3_000 }, into);
  for (const notice of await noticesOf(ports, report.notes)) await showNotice(notice);
}

async function openPage(path: string): Promise<void> {
  const url = new URL(path, self.location.origin).href;
  const [open] = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (open === undefined) return void (await self.clients.openWindow(url));
  await open.focus();
  await open.navigate(url).catch(() => null);
}

const isName = (name: unknown): name is ApiName => typeof name === 'string' && Object.hasOwn(handlers, name);

/** A page asks. While a page can be seen, what it shows needs no notification. */
export async function onRequest(data: unknown, port: MessagePort): Promise<void> {
  const request = data as Partial<ApiRequest>;
  if (!isName(request.name)) return;
  try {
    const ports: PagePorts = { ...(await node()), notify: async (notice) => ((await anyoneLooks()) ? undefined : showNotice(notice)) };
    // The name chooses the handler whose argument it is; TypeScript does not follow that through the union.
    const handle = handlers[request.name] as (ports: PagePorts, arg: unknown) => Promise<ApiResult<ApiName>>;
    port.postMessage(await handle(ports, request.arg));
  } catch (error) {
    port.postMessage({ ok: false, error: { code: 'internal', detail: error instanceof Error ? error.message : String(error) } });
  }
}

async function anyoneLooks(): Promise<boolean> {
  const clients = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return clients.some((client) => client.visibilityState === 'visible');
}

/** The push service replaced our subscription: the relay must know the new one, or no wake arrives any more. */
export async function onSubscriptionChange(): Promise<void> {
  const ports = await node();
  const key = await handlers['vapid-key'](ports, null);
  if (!key.ok) return;
  const subscription = await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key.value.key });
  const { endpoint, keys } = subscription.toJSON();
  await handlers.subscribed(ports, { endpoint: endpoint ?? '', p256dh: keys?.p256dh ?? '', auth: keys?.auth ?? '' });
}
