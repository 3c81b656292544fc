/**
 * The README's two minutes, as a newcomer taps through them in a stock Chromium: a channel from Alice, a payment to Carol, whom two other
 * nodes stand before, by a code of hers that is pasted; and a payment by Carol while every page is closed.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { en } from '../../app/i18n/en.ts';
import { later } from '../../app/i18n/later.ts';
import { findBrowser } from '../browsers.ts';
import { press, sees, type } from '../lab/hands.ts';
import { type Phone, startPhone } from '../lab/phone.ts';
import { waitFor } from '../lab/wait.ts';
import { makeCertificates } from '../push/certificates.ts';
import { type Gcm, startGcm } from '../push/gcm.ts';
import { needsBrowser } from '../push/needs.ts';
import { type BrowserWorld, firstStart, startBrowserWorld } from './browser-world.ts';

let gcm: Gcm;
let world: BrowserWorld;
let phone: Phone;

beforeAll(async () => {
  if (findBrowser('chromium') === undefined) return;
  gcm = await startGcm(makeCertificates());
  world = await startBrowserWorld(gcm);
  phone = await startPhone(world.url, { flags: gcm.flags });
  await phone.browser.allowNotifications(phone.origin);
}, 60_000);
afterAll(async () => {
  await phone?.stop();
  await world?.stop();
  await gcm?.stop();
});

describe('the first two minutes', () => {
  test('a channel, a payment over three hops, and one received with every page closed', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const page = await phone.openPage();
    await firstStart(page);
    await press(page, en.lab.open);
    await press(page, en.prompt.approve);
    await waitFor(async () => JSON.stringify(await world.chain.rpc('getrawmempool', [])) !== '[]', { what: 'the funding transaction' });
    for (let i = 0; i < 3; i += 1) await press(page, en.lab.mine);
    await waitFor(async () => (await phone.channels()).some(({ tag, online }) => tag === 'normal' && online), {
      what: 'the channel to be ready',
      timeoutMs: 20_000,
    });

    await press(page, en.lab.invoice);
    const text = await sees(page, '[data-value]', 'lnbcrt');
    await press(page, en.pay.send);
    await type(page, later.send.box, text);
    await press(page, later.send.go);
    await sees(page, '[data-way="network"]', '', 20_000);
    await press(page, later.send.pay('2,500 sat'));
    await sees(page, 'p', later.payments.sent('2,500 sat'), 20_000);

    await page.evaluate("location.hash = '#/'");
    await press(page, en.lab.payAsleep);
    await sees(page, '[role="status"], [role="alert"]', en.lab.paysAsleep);
    await phone.sleep();
    const received = await waitFor(async () => (await phone.notifications()).find(({ title }) => title.startsWith('Received')), {
      what: 'the notification of a payment',
      timeoutMs: 40_000,
    });
    expect(received).toMatchObject({ title: 'Received 2,500 sat', body: expect.stringContaining('coffee for Carol') });
    const [paid, sent] = await phone.call('payments', { limit: 2 });
    expect(paid).toMatchObject({ direction: 'in', state: 'paid', amountMsat: '2500000' });
    expect(sent).toMatchObject({ direction: 'out', state: 'sent', amountMsat: '2500000', parts: [{ state: 'settled', hops: 3 }] });
  }, 120_000);
});
