/**
 * Every page, on a phone and on a desktop, light and dark: nothing that axe objects to, nothing wider than the window,
 * no error in the console under the relay's real content policy. `SCREENSHOTS=1` writes `docs/screenshots/`.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { channelIds, empty, type Fixture, lively, noWallet, peers, troubled } from './fixtures.ts';
import { address, estimate, invoice, payee, paymentIds } from './payment-fixtures.ts';
import { noBrowser, tooWide, type Visit } from './site.ts';
import { useSite } from './visits.ts';

const screenshots = process.env.SCREENSHOTS === '1' ? resolve(import.meta.dirname, '../../docs/screenshots') : undefined;

/** A browser that was never asked for anything. */
function untouched(): void {
  Object.defineProperty(Notification, 'permission', { get: () => 'default' });
}
/** A browser where everything was allowed. */
function settledIn(): void {
  StorageManager.prototype.persisted = async () => true;
  PushManager.prototype.getSubscription = async () => null;
  PushManager.prototype.subscribe = async () =>
    Object.assign(Object.create(PushSubscription.prototype), {
      toJSON: () => ({ endpoint: 'https://push.example/1', keys: { p256dh: 'a', auth: 'b' } }),
    });
}

/** `act`: what is done before the page is looked at. */
type PageCase = { readonly name: string; readonly path: string; readonly act?: (page: Page) => Promise<unknown> };
const chosen = async (page: Page, source: string, currency: string, url = '') => {
  await page.getByRole('radio', { name: source }).check();
  await page.getByRole('textbox', { name: 'Currency' }).fill(currency);
  if (url !== '') await page.getByRole('textbox', { name: 'Address of the source' }).fill(url);
  await page.getByRole('button', { name: 'Save' }).click();
};
/** The payment under review goes in one piece, and its way is tried. */
const tried = async (page: Page) => {
  await page.getByRole('button', { name: 'Check the way' }).click();
  await page.locator('[data-check=done]').waitFor();
};
const inOnePart = (): Fixture => ({ ...lively(Date.now()), payEstimate: { ...estimate, parts: 1 } });
/** An invoice with an amount. */
const asking = invoice(Date.now(), 11, { amountMsat: 2_500_000n });

type Group = {
  readonly name: string;
  readonly fixture: () => Fixture;
  readonly before: () => void;
  readonly lab?: boolean;
  readonly pages: readonly PageCase[];
};
const groups: readonly Group[] = [
  {
    name: 'no wallet yet',
    fixture: noWallet,
    before: untouched,
    pages: [
      { name: 'welcome', path: '' },
      { name: 'type-words', path: 'welcome/restore' },
    ],
  },
  {
    name: 'a fresh wallet',
    fixture: empty,
    before: untouched,
    pages: [
      { name: 'home-empty', path: '' },
      { name: 'words', path: 'welcome/words' },
      { name: 'notify', path: 'notify/first' },
      { name: 'activity-empty', path: 'activity' },
      { name: 'channels-empty', path: 'channels' },
      { name: 'peers-empty', path: 'peers' },
      { name: 'coins-empty', path: 'coins' },
      { name: 'payments-empty', path: 'payments' },
      { name: 'receive-warning', path: 'receive' },
    ],
  },
  {
    name: 'in daily use',
    fixture: () => lively(Date.now()),
    before: settledIn,
    pages: [
      { name: 'home', path: '' },
      { name: 'node', path: 'node' },
      { name: 'activity', path: 'activity' },
      { name: 'activity-wake', path: 'activity/7' },
      { name: 'activity-error', path: 'activity/5' },
      { name: 'channels', path: 'channels' },
      { name: 'channel', path: `channels/${channelIds.ready}` },
      { name: 'channel-payments', path: `channels/${channelIds.htlcs}` },
      { name: 'channel-opening', path: `channels/${channelIds.opening}` },
      { name: 'channel-closing', path: `channels/${channelIds.closing}` },
      { name: 'open', path: 'open' },
      { name: 'close', path: `close/${channelIds.htlcs}` },
      { name: 'force-close', path: `force-close/${channelIds.htlcs}` },
      { name: 'coins', path: 'coins' },
      { name: 'coins-receive', path: 'coins/receive' },
      { name: 'send', path: 'send' },
      { name: 'send-understood', path: 'send', act: (page) => page.locator('[data-send-box]').fill(asking) },
      { name: 'send-problem', path: `send/${encodeURIComponent(`${asking.slice(0, -1)}q`)}` },
      { name: 'send-address', path: `send/${address}` },
      { name: 'send-amount', path: `send/${invoice(Date.now(), 12)}` },
      { name: 'send-keysend', path: `send/${payee}` },
      { name: 'send-review', path: `send/${asking}`, act: (page) => page.locator('[data-fee]').waitFor() },
      { name: 'payment-progress', path: `payments/${paymentIds.pending}` },
      { name: 'payment-sent', path: `payments/${paymentIds.sent}` },
      { name: 'payment-failed', path: `payments/${paymentIds.failed}` },
      { name: 'payment-received', path: `payments/${paymentIds.received}` },
      { name: 'payments', path: 'payments' },
      { name: 'receive', path: 'receive' },
      { name: 'receive-code', path: `receive/${paymentIds.open}` },
      { name: 'receive-partial', path: `receive/${paymentIds.partial}` },
      { name: 'receive-received', path: `receive/${paymentIds.received}` },
      { name: 'receive-over', path: `receive/${paymentIds.expired}` },
      { name: 'channel-confirming', path: `channels/${channelIds.confirming}` },
      { name: 'channel-failed', path: `channels/${channelIds.failed}` },
      { name: 'peers', path: 'peers' },
      { name: 'peer', path: `peers/${peers.carol}` },
      { name: 'connect', path: 'peers/connect' },
      { name: 'settings', path: 'settings' },
      { name: 'readiness', path: 'settings/readiness' },
      { name: 'policy', path: 'settings/policy' },
      { name: 'relay', path: 'settings/relay' },
      { name: 'settings-words', path: 'settings/words' },
      { name: 'looks', path: 'settings/looks' },
      { name: 'language', path: 'settings/language' },
      { name: 'log', path: 'settings/log' },
      { name: 'about', path: 'settings/about' },
      { name: 'missing', path: 'nowhere' },
    ],
  },
  {
    name: 'without coins',
    fixture: () => ({ ...lively(Date.now()), coins: [], openEstimate: empty().openEstimate }),
    before: settledIn,
    pages: [{ name: 'open-no-coins', path: 'open' }],
  },
  {
    name: 'nothing can be paid',
    fixture: () => ({ ...lively(Date.now()), refuses: { code: 'no-route', detail: 'no channel of ours leads there with that amount' } }),
    before: settledIn,
    pages: [{ name: 'send-refused', path: `send/${asking}` }],
  },
  {
    name: 'with a price beside amounts',
    fixture: () => lively(Date.now()),
    before: settledIn,
    pages: [
      { name: 'price', path: 'settings/price' },
      {
        name: 'price-mistakes',
        path: 'settings/price',
        act: async (page) => {
          await chosen(page, 'From a source of mine', 'euro', 'http://price.example');
          await page.getByText('Write an address that begins').waitFor();
        },
      },
      {
        name: 'price-unavailable',
        path: 'settings/price',
        act: async (page) => {
          await chosen(page, 'From a source of mine', 'EUR', 'https://nobody.example/{currency}');
          await page.getByRole('alert').getByText('No price came.').waitFor();
        },
      },
      {
        name: 'price-known',
        path: 'settings/price',
        act: async (page) => {
          await chosen(page, 'From the relay', 'EUR');
          await page.locator('.facts').getByText('€95,000.00').waitFor();
        },
      },
      { name: 'home-price', path: '', act: (page) => page.getByText('€').first().waitFor() },
    ],
  },
  { name: 'a way that is there', fixture: inOnePart, before: settledIn, pages: [{ name: 'send-way', path: `send/${asking}`, act: tried }] },
  {
    name: 'a way that is not',
    fixture: () => ({ ...inOnePart(), probe: { reached: false, failure: 'payee-offline' } }),
    before: settledIn,
    pages: [{ name: 'send-no-way', path: `send/${asking}`, act: tried }],
  },
  { name: 'relay away', fixture: () => troubled(Date.now()), before: untouched, pages: [{ name: 'home-trouble', path: '' }] },
  { name: 'in the test world', fixture: empty, before: untouched, lab: true, pages: [{ name: 'home-test-world', path: '' }] },
];

const sizes = [
  { name: 'phone', width: 360, height: 780, touch: true },
  { name: 'desktop', width: 1280, height: 800, touch: false },
];

type AxeCore = typeof axe;

const site = useSite();
if (screenshots) mkdirSync(screenshots, { recursive: true });

describe('pages', () => {
  for (const size of sizes) {
    for (const group of groups) {
      describe(`${size.name}, ${group.name}`, () => {
        let visit: Visit;
        beforeAll(async () => {
          if (noBrowser !== undefined) return;
          visit = await site().open(group.fixture(), '', {
            viewport: { width: size.width, height: size.height },
            hasTouch: size.touch,
            reducedMotion: 'reduce',
            before: group.before,
            lab: group.lab ?? false,
          });
          // Half a megabyte, and slow to read: once, since another hash is the same document.
          await visit.page.evaluate(axe.source);
        });
        afterAll(() => visit?.context.close());

        test.for(group.pages)('$name', async ({ name, path, act }) => {
          const { page, mistakes } = visit;
          await page.evaluate((hash) => {
            location.hash = hash;
          }, `#/${path}`);
          await page.waitForFunction(
            (hash) => location.hash.replace(/^#\/?/, '') === hash && document.querySelector('[data-page-title]'),
            path,
          );
          await settled(visit);
          if (act) {
            await act(page);
            await settled(visit);
          }
          for (const scheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme: scheme });
            if (screenshots) await picture(visit, `${screenshots}/${name}-${size.name}-${scheme}.png`, size);
            // Dark differs from light in its colours only.
            expect([scheme, await page.evaluate(objections, scheme === 'dark' ? ['color-contrast'] : undefined)]).toEqual([scheme, []]);
          }
          expect(await page.evaluate(tooWide)).toEqual([]);
          expect(await page.locator('[data-missing]').count()).toBe(name === 'missing' ? 1 : 0);
          expect(mistakes).toEqual([]);
        });
      });
    }
  }
});

/** What axe has against the page as it is now, by these rules or by all. */
async function objections(rules: string[] | undefined): Promise<string[]> {
  const { axe } = window as Window & typeof globalThis & { axe: AxeCore };
  const { violations } = await axe.run(document, { resultTypes: ['violations'], ...(rules && { runOnly: rules }) });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
}

/** The whole page as if the window were as tall: what is fixed to its foot stays at the foot. */
async function picture({ page }: Visit, path: string, { width, height }: { width: number; height: number }): Promise<void> {
  const needed = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.max(height, needed) });
  await page.screenshot({ path });
  await page.setViewportSize({ width, height });
}

/** Until nothing on the page changes any more; only the clock may go on. */
async function settled({ page }: Visit): Promise<void> {
  await page.evaluate(
    () =>
      new Promise<void>((done) => {
        let timer = setTimeout(finish, 60);
        const watcher = new MutationObserver((records) => {
          if (records.every((record) => record.type === 'characterData')) return;
          clearTimeout(timer);
          timer = setTimeout(finish, 60);
        });
        function finish() {
          watcher.disconnect();
          done();
        }
        watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
      }),
  );
}
