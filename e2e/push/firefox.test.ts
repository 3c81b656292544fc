/** Real push in stock Firefox: its own subscription, its own decryption, its own worker start. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpush, { type PushSubscription } from 'web-push';
import { type Autopush, startAutopush } from './autopush.ts';
import { makeCertificates } from './certificates.ts';
import { openFirefox } from './firefox.ts';
import { needsBrowser } from './needs.ts';
import { type Site, startSite } from './site.ts';

const vapid = { subject: 'mailto:operator@example.invalid', ...webpush.generateVAPIDKeys() };
let push: Autopush;
let site: Site;

beforeAll(async () => {
  [push, site] = await Promise.all([startAutopush(makeCertificates()), startSite()]);
});
afterAll(() => Promise.all([push.stop(), site.stop()]));

const send = (subscription: PushSubscription, text: string, options: webpush.RequestOptions = {}) =>
  webpush.sendNotification(subscription, text, { vapidDetails: vapid, TTL: 60, agent: push.agent, ...options });
const status = (answer: Promise<{ statusCode: number }>) => answer.catch((error) => error).then(({ statusCode }) => statusCode);

describe('Firefox', () => {
  test('subscribe, every page closed: a push starts the worker, is read and shown; a lost subscription is told', async ({
    skip,
    onTestFinished,
  }) => {
    needsBrowser('firefox', skip);
    const { browser, stop } = await openFirefox({ pushUrl: push.serverUrl, workerIdleMs: 300 });
    onTestFinished(stop);
    const page = await browser.newPage();
    await page.goto(site.origin);
    const subscription: PushSubscription = JSON.parse(String(await page.evaluate(`subscribe('${vapid.publicKey}')`)));
    await page.close();

    const sent = await send(subscription, 'żółw ✓', { urgency: 'high', topic: 'wake' });
    expect(sent.statusCode).toBe(201);
    expect(await site.next('push')).toBe('żółw ✓|0|Woken: żółw ✓');
    expect(push.posts.at(-1)).toMatchObject({ status: 201, ttl: 60, urgency: 'high', topic: 'wake', subject: vapid.subject });

    const stranger = { ...vapid, ...webpush.generateVAPIDKeys() };
    expect(await status(send(subscription, 'x', { vapidDetails: stranger }))).toBe(403);
    expect(await status(send(subscription, 'x'.repeat(4000)))).toBe(413);
    push.forget();
    expect(await status(send(subscription, 'x'))).toBe(410);
    expect(await site.next('change')).toBe('null');
  }, 40_000);
});
