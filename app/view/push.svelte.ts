/**
 * Asking for notifications and the push subscription. Must start from a tap.
 * `PushManager.subscribe` may never settle (a browser built without a push service), so it has a time limit of its own.
 */
import { device } from './device.svelte.ts';
import { node } from './node.svelte.ts';
import { call } from './worker.ts';

export type PushFailure =
  | 'unsupported'
  | 'home-screen-first'
  | 'denied'
  | 'dismissed'
  | 'relay'
  | 'no-push-service'
  | 'push-service-failed';
const SUBSCRIBE_MS = 20_000;

export function decodeKey(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function sameBytes(a: ArrayBuffer | null, b: Uint8Array): boolean {
  const bytes = a && new Uint8Array(a);
  return bytes !== null && bytes.length === b.length && bytes.every((byte, i) => byte === b[i]);
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | 'late'> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A subscription belongs to one key: a relay with another key needs a new one. */
async function subscribe(key: Uint8Array<ArrayBuffer>): Promise<PushSubscription> {
  const { pushManager } = await navigator.serviceWorker.ready;
  const old = await pushManager.getSubscription();
  if (old && sameBytes(old.options.applicationServerKey, key)) return old;
  await old?.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

class Push {
  busy = $state(false);
  failure = $state<PushFailure | null>(null);
  detail = $state('');

  async enable(): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.detail = '';
    this.failure = await this.#enable();
    this.busy = false;
    device.lookAgain();
    return this.failure === null;
  }

  async #enable(): Promise<PushFailure | null> {
    if (device.permission === 'unsupported') return device.applePhone && !device.installed ? 'home-screen-first' : 'unsupported';
    const permission = await Notification.requestPermission();
    if (permission === 'denied') return 'denied';
    if (permission === 'default') return 'dismissed';
    return this.#subscribe();
  }

  async #subscribe(): Promise<PushFailure | null> {
    const key = await call('vapid-key', null);
    if (!key.ok) {
      this.detail = key.error.detail;
      return 'relay';
    }
    let subscription: PushSubscription | 'late';
    try {
      subscription = await within(SUBSCRIBE_MS, subscribe(decodeKey(key.value.key)));
    } catch (error) {
      this.detail = error instanceof Error ? error.message : String(error);
      return 'push-service-failed';
    }
    if (subscription === 'late') return 'no-push-service';
    const { endpoint, keys } = subscription.toJSON();
    const answer = await node.act('subscribed', { endpoint: endpoint ?? '', p256dh: keys?.p256dh ?? '', auth: keys?.auth ?? '' });
    if (answer.ok) return null;
    this.detail = answer.error.detail;
    return 'relay';
  }

  /** At each start: the permission is there, so the subscription is renewed without a question. */
  async renew(): Promise<void> {
    if (device.permission !== 'granted' || this.busy) return;
    this.busy = true;
    this.failure = await this.#subscribe();
    this.busy = false;
  }
}

export const push = new Push();
