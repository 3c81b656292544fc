/**
 * A peer that we did not write opens channels to a stock Chromium in which every page is closed and the worker is stopped.
 * Nobody is attached to the worker; pushes come through the browser's own push code.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { en } from '../../app/i18n/en.ts';
import { findBrowser } from '../browsers.ts';
import { sees } from '../lab/hands.ts';
import { type Phone, startPhone } from '../lab/phone.ts';
import { waitFor } from '../lab/wait.ts';
import { makeCertificates } from '../push/certificates.ts';
import type { ShownNotification } from '../push/chromium.ts';
import { type Gcm, startGcm } from '../push/gcm.ts';
import { needsBrowser } from '../push/needs.ts';
import { activeChannels, type BrowserWorld, connectTo, firstStart, mineUntilActive, startBrowserWorld } from './browser-world.ts';

const SAT = 200_000n;
let gcm: Gcm;
let world: BrowserWorld;
let phone: Phone;
let nodeId: string;

beforeAll(async () => {
  if (findBrowser('chromium') === undefined) return;
  gcm = await startGcm(makeCertificates());
  world = await startBrowserWorld(gcm);
  phone = await startPhone(world.url, { flags: gcm.flags });
  await phone.browser.allowNotifications(phone.origin);
  const page = await phone.openPage();
  await firstStart(page);
  await connectTo(page, world.alice);
  nodeId = (await phone.call('snapshot', null)).nodeId ?? '';
}, 60_000);
afterAll(async () => {
  await phone?.stop();
  await world?.stop();
  await gcm?.stop();
});

const running = () => phone.browser.workers.active(phone.origin)?.runningStatus;
const notification = (what: string, fits: (shown: ShownNotification) => boolean): Promise<ShownNotification> =>
  waitFor(async () => (await phone.notifications()).find(fits), { what: `the notification "${what}"`, timeoutMs: 15_000 });
const prompt = () => notification('prompt', ({ tag }) => tag.startsWith('prompt-'));
const activity = (kind?: string) => phone.call('activity', { limit: 50, ...(kind === undefined ? {} : { kind }) });

describe('every page closed, the worker stopped', () => {
  test('the question comes as a notification; Approve there; signed, mined, ready on both sides', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const before = await activeChannels(world.alice, nodeId);
    await phone.sleep();
    expect(running()).toBe('stopped');
    const pushes = gcm.posts.length;
    const opening = world.alice.openChannel(nodeId, SAT);

    const asked = await prompt();
    expect(asked.title).toBe('Alice wants to open a 200,000 sat channel');
    expect(asked.actions).toEqual([
      { action: 'approve', title: 'Approve' },
      { action: 'deny', title: 'Deny' },
    ]);
    expect(gcm.posts.slice(pushes)).toEqual([expect.objectContaining({ status: 201, urgency: 'high', topic: 'beckon-wake' })]);

    await phone.tap(asked.tag, 'approve');
    const opened = await opening;
    expect(opened).toMatchObject({ ok: true });
    await mineUntilActive(world, world.alice, nodeId, before + 1);
    const ready = await notification('Channel ready', ({ title }) => title.startsWith('Channel ready'));
    expect(ready).toMatchObject({ title: 'Channel ready · 200,000 sat', body: 'With Alice.' });
    const channels = await phone.channels();
    expect(channels).toContainEqual(expect.objectContaining({ tag: 'normal', online: true, capacitySat: '200000', peerAlias: 'Alice' }));
    expect((await phone.notifications()).some(({ tag }) => tag.startsWith('prompt-'))).toBe(false);
  }, 40_000);

  test('Deny from the notification: the peer sees the reason, nothing is left open', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const channels = (await phone.channels()).length;
    await phone.sleep();
    const opening = world.alice.openChannel(nodeId, SAT);
    await phone.tap((await prompt()).tag, 'deny');
    const opened = await opening;
    expect(opened).toMatchObject({ ok: false, error: 'the owner of this node declined the channel' });
    expect((await activity('open-denied'))[0]).toMatchObject({ amountSat: '200000', peerAlias: 'Alice' });
    const left = (await phone.channels()).filter(({ tag }) => tag !== 'failed');
    expect(left.length).toBeLessThanOrEqual(channels);
  }, 30_000);

  test('signs alone what the rules allow: one wake from the question to the signature; the page tells all of it', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const before = await activeChannels(world.alice, nodeId);
    await phone.call('set-peer-policy', { peerId: world.alice.id, onOpen: 'sign', zeroConf: false });
    await phone.sleep();
    const since = Date.now();
    const pushes = gcm.posts.length;
    expect(await world.alice.openChannel(nodeId, SAT)).toMatchObject({ ok: true });
    expect(gcm.posts.length).toBe(pushes + 1);
    await mineUntilActive(world, world.alice, nodeId, before + 1);

    const wakes = await waitFor(
      async () => {
        const found = (await activity('wake')).filter(({ atMs }) => atMs >= since);
        return found.some(({ wake }) => wake?.signed.includes('channel_ready')) ? found : undefined;
      },
      { what: 'the wakes in the activity log', timeoutMs: 15_000 },
    );
    const signed = wakes.flatMap(({ wake }) => wake?.signed ?? []);
    expect(signed.toSorted()).toEqual(['accept_channel', 'channel_ready', 'funding_signed']);
    for (const { wake } of wakes) expect(wake).toMatchObject({ receiptSent: true, result: expect.stringMatching(/done|nothing/) });

    // What the user reads.
    const page = await phone.openPage('/#/activity');
    await sees(page, 'a', en.activity.kinds['channel-ready']);
    expect(await sees(page, 'a', en.activity.kinds['open-signed-alone'])).toContain('200,000 sat');
    const id = wakes.find(({ wake }) => wake?.signed.includes('funding_signed'))?.id;
    await page.evaluate(`location.hash = '#/activity/${id}'`);
    const facts = await sees(page, 'section', en.activity.wakeTitle);
    expect(facts).toContain(en.activity.messages.funding_signed);
    expect(facts).toContain(en.activity.receiptSent);
    expect(facts).toMatch(/\d+(\.\d+)? (ms|sec)/);
  }, 40_000);

  test('the link is cut: woken, called anew, the channel goes on', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const active = await activeChannels(world.alice, nodeId);
    expect(active).toBeGreaterThan(0);
    await phone.sleep();
    const pushes = gcm.posts.length;
    await world.alice.disconnect(nodeId);
    expect(await activeChannels(world.alice, nodeId)).toBe(0);
    await waitFor(async () => (await activeChannels(world.alice, nodeId)) === active, { what: 'all channels to be active again' });
    expect(gcm.posts.length).toBeGreaterThan(pushes);
    const [wake] = await waitFor(
      async () => {
        const found = (await activity('wake')).filter((entry) => entry.wake?.reason === 'session-lost');
        return found.length > 0 ? found : undefined;
      },
      { what: 'the wake in the activity log' },
    );
    expect(wake?.wake?.signed).toContain('channel_reestablish');
    expect((await activity('channel-reestablished')).length).toBeGreaterThanOrEqual(active);
  }, 30_000);

  test('nothing to do: the browser itself stops the worker, the relay keeps the line', async ({ skip }) => {
    needsBrowser('chromium', skip);
    await phone.call('snapshot', null);
    // Chromium's own patience with an idle worker is 30 s.
    await phone.browser.workers.waitStopped(phone.origin, 45_000);
    expect(await world.alice.connectedTo(nodeId)).toBe(true);
    expect(phone.browser.workers.errors).toEqual([]);
  }, 60_000);
});
