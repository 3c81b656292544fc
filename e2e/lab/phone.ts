/**
 * A person's phone: stock Chromium with our app in it, driven without attaching to the service worker, so that the worker
 * lives and dies as it does for a user. Pushes come through the browser's own push code.
 */

import type { Api, ApiName, ApiResult, ChannelView, PolicyView } from '../../app/runtime/api.ts';
import { type ChromiumOptions, openRawChromium, type RawChromium, type RawPage, type ShownNotification } from '../push/chromium.ts';
import { callScript } from './hands.ts';
import { waitFor } from './wait.ts';

const SUBSCRIBE = `(async (key) => {
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint, p256dh: keys.p256dh, auth: keys.auth };
})`;
/** No page of the app: nothing of ours runs at this address. */
const QUIET_PATH = '/manifest.webmanifest';

export type Phone = {
  readonly browser: RawChromium;
  readonly origin: string;
  /** Asks the worker, through a page that is opened for it if none is open. */
  call<N extends ApiName>(name: N, arg: Api[N][0]): Promise<Api[N][1]>;
  openPage(path?: string): Promise<RawPage>;
  /** Closes every page and stops the worker: from here on only a push starts anything. */
  sleep(): Promise<void>;
  channels(): Promise<readonly ChannelView[]>;
  notifications(): Promise<readonly ShownNotification[]>;
  /** Taps a button of the notification with this tag. */
  tap(tag: string, action?: string): Promise<void>;
  stop(): Promise<void>;
};

export async function startPhone(origin: string, options: ChromiumOptions = {}): Promise<Phone> {
  const browser = await openRawChromium(options);
  let page: RawPage | undefined;
  const openPage = async (path = '/'): Promise<RawPage> => {
    page = await browser.open(origin + path);
    return page;
  };
  const closePage = async (): Promise<void> => {
    await page?.close();
    page = undefined;
  };

  const phone: Phone = {
    browser,
    origin,
    openPage,
    async call(name, arg) {
      // A page of the same origin that runs nothing of the app: it must not hold the relay's socket.
      const own = page === undefined ? await browser.open(origin + QUIET_PATH) : undefined;
      const answer = (await (own ?? page)?.evaluate(callScript(name, arg))) as ApiResult<typeof name>;
      await own?.close();
      if (!answer.ok) throw new Error(`${name}: ${answer.error.code}: ${answer.error.detail}`);
      return answer.value;
    },
    async sleep() {
      await closePage();
      await browser.workers.stopAll(origin);
    },
    channels: async () => (await phone.call('snapshot', null)).channels,
    notifications: () => browser.notifications(origin, QUIET_PATH),
    tap: (tag, action) => browser.clickNotification(origin, action === undefined ? { tag } : { tag, action }),
    stop: () => browser.stop(),
  };
  return phone;
}

const openRules: PolicyView = {
  onOpen: 'sign',
  minFundingSat: '20000',
  maxFundingSat: '16777215',
  minDepth: 3,
  allowPublic: true,
  promptMinutes: 5,
};

/** First start as a person does it: worker installed, wallet made, notifications allowed, push subscribed. Answers the node id. */
export async function setUp(
  phone: Phone,
  wallet: { readonly entropy: string; readonly walletKey: string; readonly network: string },
): Promise<string> {
  await phone.browser.allowNotifications(phone.origin);
  const page = await phone.openPage();
  await waitFor(() => phone.browser.workers.active(phone.origin), { what: 'the worker to be active', timeoutMs: 20_000 });
  await phone.call('create-wallet', { ...wallet, restore: false });
  await phone.call('set-policy', openRules);
  const { key } = await phone.call('vapid-key', null);
  const subscription = (await page.evaluate(`${SUBSCRIBE}(${JSON.stringify(key)})`)) as Api['subscribed'][0];
  await phone.call('subscribed', subscription);
  const { nodeId } = await phone.call('snapshot', null);
  if (nodeId === undefined) throw new Error('no node id');
  return nodeId;
}
