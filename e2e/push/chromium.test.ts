/** Real push in stock Chromium: its own subscription, its own decryption, its own worker start. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpush, { type PushSubscription } from 'web-push';
import { makeCertificates } from './certificates.ts';
import { openChromium, openRawChromium } from './chromium.ts';
import { type Gcm, startGcm } from './gcm.ts';
import { needsBrowser } from './needs.ts';
import { type Site, startSite } from './site.ts';

const vapid = { subject: 'mailto:operator@example.invalid', ...webpush.generateVAPIDKeys() };
let gcm: Gcm;
let site: Site;

beforeAll(async () => {
  [gcm, site] = await Promise.all([startGcm(makeCertificates()), startSite()]);
});
afterAll(() => Promise.all([gcm.stop(), site.stop()]));

const send = (subscription: PushSubscription, text: string, options: webpush.RequestOptions = {}) =>
  webpush.sendNotification(subscription, text, { vapidDetails: vapid, TTL: 60, agent: gcm.agent, ...options });
const status = (answer: Promise<{ statusCode: number }>) => answer.catch((error) => error).then(({ statusCode }) => statusCode);

describe('Chromium', () => {
  test('subscribe, every page closed, worker stopped: a push starts it, is read, is shown, is clicked', async ({
    skip,
    onTestFinished,
  }) => {
    needsBrowser('chromium', skip);
    const profile = await mkdtemp(join(tmpdir(), 'beckon-chromium-'));
    let browser = await openRawChromium({ flags: gcm.flags, profile });
    onTestFinished(async () => {
      await browser.stop();
      await rm(profile, { recursive: true, force: true });
    });
    await browser.allowNotifications(site.origin);
    const page = await browser.open(site.origin);
    const subscription: PushSubscription = JSON.parse(String(await page.evaluate(`subscribe('${vapid.publicKey}')`)));
    await page.close();
    await browser.workers.stopAll(site.origin);

    const sent = await send(subscription, 'żółw ✓', { urgency: 'high', topic: 'wake' });
    expect(sent.statusCode).toBe(201);
    expect(await site.next('push')).toBe('żółw ✓|0|Woken: żółw ✓');
    expect(gcm.posts.at(-1)).toMatchObject({ status: 201, ttl: 60, urgency: 'high', topic: 'wake', subject: vapid.subject });
    expect(await browser.notifications(site.origin)).toEqual([
      { title: 'Woken', body: 'żółw ✓', tag: 'wake', actions: [{ action: 'approve', title: 'Approve' }] },
    ]);

    await browser.workers.stopAll(site.origin);
    await browser.clickNotification(site.origin, { tag: 'wake', action: 'approve' });
    expect(await site.next('click')).toBe('approve');
    expect(await browser.notifications(site.origin)).toEqual([]);

    // A browser that was away gets it when it is back, and once; of one topic only the last.
    await browser.stop();
    await send(subscription, 'older', { topic: 'wake' });
    await send(subscription, 'newer', { topic: 'wake' });
    browser = await openRawChromium({ flags: gcm.flags, profile });
    await browser.allowNotifications(site.origin);
    expect(await site.next('push')).toBe('newer|0|Woken: newer');
    expect(browser.workers.errors).toEqual([]);

    // What the service refuses, as the real ones do.
    const stranger = { ...vapid, ...webpush.generateVAPIDKeys() };
    expect(await status(send(subscription, 'x', { vapidDetails: stranger }))).toBe(403);
    expect(await status(send(subscription, 'x'.repeat(4000)))).toBe(413);
    expect(await status(send({ ...subscription, endpoint: `${subscription.endpoint}0` }, 'x'))).toBe(410);
  }, 40_000);

  test('through Playwright, and a push from the protocol instead of a service', async ({ skip, onTestFinished }) => {
    needsBrowser('chromium', skip);
    const { context, workers, allowNotifications, notifications, stop } = await openChromium();
    onTestFinished(stop);
    await allowNotifications(site.origin);
    const page = await context.newPage();
    await page.goto(site.origin);
    await page.evaluate('ready');
    await page.close();
    await workers.stopAll(site.origin);
    await workers.deliver(site.origin, 'by hand');
    expect(await site.next('push')).toBe('by hand|0|Woken: by hand');
    expect((await notifications(site.origin)).map(({ body }) => body)).toEqual(['by hand']);
  });
});
