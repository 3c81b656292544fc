/** The one node of this worker: real ports, made when the first event needs them. Nothing runs at top level. */

import { plainNotices } from '../i18n/notices.ts';
import { type RelayClient, relayClient } from '../net/relay.ts';
import { CHANNEL } from '../runtime/api.ts';
import { loadKeys, type NodeKeys } from '../runtime/keys.ts';
import type { Notice } from '../runtime/ports.ts';
import type { PagePorts } from '../runtime/requests.ts';
import { type Database, openDatabase } from '../store/schema.ts';
import { commit, setting } from '../store/store.ts';
import { readyCurve } from './curve.ts';

declare const self: ServiceWorkerGlobalScope;
const LOCK = 'beckon-node';

let ports: Promise<PagePorts> | undefined;

/** The same ports for every event of this worker's life; after a failure the next event tries again. */
export function node(): Promise<PagePorts> {
  ports ??= make().catch((error: unknown) => {
    ports = undefined;
    throw error;
  });
  return ports;
}

async function make(): Promise<PagePorts> {
  // Another version of the app took the database over, or the browser closed it: the next event opens it anew.
  const opening = openDatabase('beckon', () => {
    ports = undefined;
  });
  // It opens in another process: the curve is made ready while we would only wait.
  const [db] = await Promise.all([opening, readyCurve()]);
  return portsOn(db);
}

function portsOn(db: Database): PagePorts {
  const channel = new BroadcastChannel(CHANNEL);
  let keys: Promise<NodeKeys | undefined> | undefined;
  let relay: Promise<RelayClient> | undefined;
  const openKeys = (): Promise<NodeKeys | undefined> => {
    keys ??= loadKeys(db);
    return keys;
  };
  const openRelay = async (): Promise<RelayClient> =>
    relayClient((await setting(db, 'relayUrl')) ?? self.location.origin, {
      fetch: (input, init) => fetch(input, init),
      now: Date.now,
      loadToken: () => setting(db, 'relayToken'),
      saveToken: async (relayToken) => void (await commit(db, { settings: { relayToken } })),
      sign: async (digest) => (await openKeys())?.signForRelay(digest),
    });
  return {
    db,
    origin: self.location.origin,
    keys: openKeys,
    relay: () => {
      relay ??= openRelay();
      return relay;
    },
    reset: () => {
      keys = undefined;
      relay = undefined;
    },
    now: Date.now,
    stopwatch: () => performance.now(),
    entropy: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    exclusive: (work) => navigator.locks.request(LOCK, work),
    notify: showNotice,
    broadcast: (message) => channel.postMessage(message),
  };
}

/** `NotificationOptions` of the standard library lack `actions`; browsers that do not know them ignore them. */
type WithActions = NotificationOptions & {
  readonly actions?: readonly { readonly action: string; readonly title: string }[];
  readonly renotify?: boolean;
};
export type NoticeData = { readonly path: string; readonly prompt?: Notice['prompt'] };

export async function showNotice(notice: Notice): Promise<void> {
  const data: NoticeData = { path: notice.path, ...(notice.prompt === undefined ? {} : { prompt: notice.prompt }) };
  const options: WithActions = {
    body: notice.body,
    tag: notice.tag,
    icon: '/icons/icon-192.png',
    badge: '/icons/badge-96.png',
    data,
    silent: notice.silent ?? false,
    renotify: notice.prompt !== undefined,
    ...(notice.prompt === undefined
      ? {}
      : {
          requireInteraction: true,
          actions: [
            { action: 'approve', title: plainNotices.approve },
            { action: 'deny', title: plainNotices.deny },
          ],
        }),
  };
  // Without the permission this rejects; the prompt waits in the app all the same.
  await self.registration.showNotification(notice.title, options).catch(() => undefined);
}
