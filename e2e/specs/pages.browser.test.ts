/** The real app on real pages: the socket that a visible page holds, two tabs, no network, a new version, lost storage, no worker. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { en } from '../../app/i18n/en.ts';
import type { Api, ApiName, ApiResult } from '../../app/runtime/api.ts';
import { findBrowser } from '../browsers.ts';
import { callScript, press } from '../lab/hands.ts';
import { waitFor } from '../lab/wait.ts';
import { makeCertificates } from '../push/certificates.ts';
import { type Chromium, openChromium } from '../push/chromium.ts';
import { type Gcm, startGcm } from '../push/gcm.ts';
import { needsBrowser } from '../push/needs.ts';
import { type BrowserWorld, connectTo, firstStart, mineUntilActive, startBrowserWorld } from './browser-world.ts';

let gcm: Gcm;
let world: BrowserWorld;
let browser: Chromium;
let nodeId: string;
/** What must never be: a script error, a word in the console, a request to anybody else. */
const mistakes: string[] = [];
/** A browser that was cut off by the test says so in its console; that is no mistake of the app. */
let offline = false;

beforeAll(async () => {
  if (findBrowser('chromium') === undefined) return;
  gcm = await startGcm(makeCertificates());
  world = await startBrowserWorld(gcm);
  browser = await openChromium({ flags: gcm.flags });
  browser.context.setDefaultTimeout(10_000);
  await browser.allowNotifications(world.url);
  browser.context.on('weberror', (error) => mistakes.push(String(error.error())));
  browser.context.on('console', (message) => {
    const { url } = message.location();
    // A bare file, opened by a test to look at notifications, names no icon; the browser then tries this one.
    const ownDoing = url.endsWith('/favicon.ico') || (offline && /Failed to load|ERR_INTERNET|ERR_CONNECTION/.test(message.text()));
    if ((message.type() === 'error' || message.type() === 'warning') && !ownDoing) mistakes.push(`${message.text()} ${url}`);
  });
  browser.context.on('request', (request) => {
    if (!request.url().startsWith(`${world.url}/`)) mistakes.push(`a request to ${request.url()}`);
  });
  const page = await open();
  await firstStart(page);
  await connectTo(page, world.alice);
  await call(page, 'set-peer-policy', { peerId: world.alice.id, onOpen: 'sign', zeroConf: false });
  nodeId = (await call(page, 'snapshot', null)).nodeId ?? '';
  await page.close();
}, 90_000);
afterAll(async () => {
  await browser?.stop();
  await world?.stop();
  await gcm?.stop();
});
afterEach(() => {
  expect(mistakes.splice(0)).toEqual([]);
});

async function open(address = ''): Promise<Page> {
  const page = await browser.context.newPage();
  await page.goto(`${world.url}/${address}`);
  await page.locator('[data-page-title]').first().waitFor();
  return page;
}
async function call<N extends ApiName>(page: Page, name: N, arg: Api[N][0]): Promise<Api[N][1]> {
  const answer = (await page.evaluate(callScript(name, arg))) as ApiResult<N>;
  if (!answer.ok) throw new Error(`${name}: ${answer.error.code}: ${answer.error.detail}`);
  return answer.value;
}

describe('pages of the real app in Chromium', () => {
  test('a visible page holds the socket: no push is sent, what comes is on the page at once; closed, pushes again', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const frames: string[] = [];
    const page = await browser.context.newPage();
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(String(payload))));
    await page.goto(`${world.url}/#/channels`);
    await waitFor(() => frames.length > 0, { what: 'the answer to hello' });
    const pushes = gcm.posts.length;
    expect(await world.alice.openChannel(nodeId, 200_000n)).toMatchObject({ ok: true });
    const state = page.locator('[data-channel-state]');
    await expect.poll(() => state.getAttribute('data-channel-state'), { timeout: 3_000 }).toBe('wait-for-funding-confirmed');
    const updates = frames.map((frame): { event?: string; body?: { in?: unknown[] } } => JSON.parse(frame));
    expect(updates.filter(({ event, body }) => event === 'update' && (body?.in?.length ?? 0) > 0).length).toBeGreaterThanOrEqual(2);
    await mineUntilActive(world, world.alice, nodeId, 1);
    await expect.poll(() => state.getAttribute('data-channel-state'), { timeout: 5_000 }).toBe('normal');
    expect(gcm.posts.length).toBe(pushes);
    // While it is looked at, the page itself tells; the notification would be noise.
    expect(await browser.notifications(world.url)).toEqual([]);

    await page.close();
    await world.alice.disconnect(nodeId);
    await waitFor(() => gcm.posts.length > pushes, { what: 'a push after the page was closed' });
    await waitFor(async () => (await world.alice.channels()).some(({ active }) => active), { what: 'the channel to be active again' });
  }, 40_000);

  test('two tabs: what is changed in one is seen in the other, and one channel comes once', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const one = await open('#/channels');
    const two = await open('#/channels');
    const cards = (page: Page) => page.locator('[data-channel]').count();
    const before = await cards(one);
    await call(one, 'rename-peer', { peerId: world.alice.id, alias: 'Alice in Wonderland' });
    await two.getByText('Alice in Wonderland').first().waitFor();
    expect(await world.alice.openChannel(nodeId, 200_000n)).toMatchObject({ ok: true });
    for (const page of [one, two]) await expect.poll(() => cards(page), { timeout: 5_000 }).toBe(before + 1);
    const { channels } = await call(one, 'snapshot', null);
    expect(channels.filter(({ tag }) => tag === 'failed')).toEqual([]);
    const signed = await call(one, 'activity', { limit: 50, kind: 'funding-signed' });
    expect(new Set(signed.map(({ channelId }) => channelId)).size).toBe(signed.length);
    await call(one, 'rename-peer', { peerId: world.alice.id, alias: 'Alice' });
    await Promise.all([one.close(), two.close()]);
  }, 30_000);

  test('no network: the page comes from the worker, says so, and shows what is known', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const page = await open();
    offline = true;
    await browser.context.setOffline(true);
    await page.reload();
    await page.getByText(en.home.offline).waitFor();
    await page.goto(`${world.url}/#/channels`);
    await page.locator('[data-channel]').first().waitFor();
    await browser.context.setOffline(false);
    await page.getByText(en.home.offline).waitFor({ state: 'detached' });
    await page.reload();
    await page.locator('[data-page-title]').first().waitFor();
    offline = false;
    await page.close();
  }, 30_000);

  test('every address: installable, nothing from elsewhere, no word in the console', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const page = await open();
    const devtools = await browser.context.newCDPSession(page);
    expect(await devtools.send('Page.getInstallabilityErrors')).toEqual({ installabilityErrors: [] });
    const settings = Object.keys(en.settings.items).map((item) => `settings/${item}`);
    const [channel] = (await call(page, 'snapshot', null)).channels;
    const [entry] = await call(page, 'activity', { limit: 1 });
    const addresses = ['activity', `activity/${entry?.id}`, 'channels', `channels/${channel?.id}`, 'peers', `peers/${world.alice.id}`];
    for (const address of ['', ...addresses, 'peers/connect', 'node', 'notify', 'settings', ...settings, 'nowhere']) {
      await page.goto(`${world.url}/#/${address}`);
      await page.locator('[data-page-title]').first().waitFor();
    }
    await page.close();
  }, 30_000);

  test('a new version: the page says so, restarts with it on a tap, and the old files are gone', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const page = await open();
    const kept = () => page.evaluate('caches.keys()') as Promise<string[]>;
    const [old = ''] = await kept();
    expect(old).toMatch(/^shell-[0-9a-f]{12}$/);
    // What the next build would change: a file, and with it the version that is written into the worker.
    const version = 'shell-'.length;
    const swap = (file: string, from: string, to: string) => {
      const path = join(world.appFolder, file);
      const text = readFileSync(path, 'utf8');
      expect(text).toContain(from);
      writeFileSync(path, text.replaceAll(from, to));
    };
    swap('index.html', '</head>', '<meta name="build" content="next" /></head>');
    swap('sw.js', old.slice(version), 'ffffffffffff');
    await page.evaluate('navigator.serviceWorker.getRegistration().then((it) => it.update())');
    await page.getByText(en.update.ready).waitFor();
    expect(await page.locator('meta[name="build"]').count()).toBe(0);
    await press(page, en.update.reload);
    await page.locator('meta[name="build"]').waitFor({ state: 'attached' });
    await page.locator('[data-page-title]').first().waitFor();
    await expect.poll(kept).toEqual(['shell-ffffffffffff']);
    expect((await call(page, 'snapshot', null)).nodeId).toBe(nodeId);
    await page.close();
  }, 30_000);

  test('the store of peers is emptied under the running app: it says so, and brings the channels back from the relay', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const page = await open('#/peers');
    await page.locator('[data-peer]').first().waitFor();
    await page.evaluate(`new Promise((resolve, reject) => {
      const request = indexedDB.open('beckon');
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const tx = request.result.transaction('peers', 'readwrite');
        tx.objectStore('peers').clear();
        tx.oncomplete = () => { request.result.close(); resolve(); };
      };
    })`);
    await page.reload();
    await page.getByText(en.home.storageLost(1)).waitFor();
    await page.getByText(en.peers.empty).waitFor();
    await page.getByRole('button', { name: en.home.restore }).click();
    await page.locator('[data-peer]').first().waitFor();
    await page.close();
    const again = await open('#/activity');
    await again.getByText(en.activity.kinds['channel-ready']).first().waitFor();
    const after = await call(again, 'snapshot', null);
    expect([after.nodeId, after.missingPeers, after.channels.length > 0]).toEqual([nodeId, 0, true]);
    await again.close();
  }, 30_000);

  test('the whole database is deleted under the running app: it starts as new', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const page = await open();
    await page.evaluate(`new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase('beckon');
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error);
    })`);
    await page.reload();
    await page.getByRole('button', { name: en.start.make }).waitFor();
    await page.close();
  }, 30_000);

  test('a window without service workers: a plain word instead of an app', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const page = await browser.context.newPage();
    await page.addInitScript('delete Object.getPrototypeOf(navigator).serviceWorker');
    await page.goto(world.url);
    await page.locator('[data-broken="no-worker"]').waitFor();
    await page.getByText(en.broken.what['no-worker']).waitFor();
    await page.close();
  }, 30_000);
});
