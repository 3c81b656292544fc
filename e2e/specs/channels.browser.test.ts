/** A person, real pages, a real worker and a peer that we did not write: coins come, a channel is opened from them and closed again. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { en } from '../../app/i18n/en.ts';
import type { Api, ApiName, ApiResult, ChannelView } from '../../app/runtime/api.ts';
import { findBrowser } from '../browsers.ts';
import { callScript, press } from '../lab/hands.ts';
import { waitFor } from '../lab/wait.ts';
import { makeCertificates } from '../push/certificates.ts';
import { type Chromium, openChromium } from '../push/chromium.ts';
import { type Gcm, startGcm } from '../push/gcm.ts';
import { needsBrowser } from '../push/needs.ts';
import { activeChannels, type BrowserWorld, connectTo, firstStart, startBrowserWorld } from './browser-world.ts';

let gcm: Gcm;
let world: BrowserWorld;
let browser: Chromium;
let page: Page;
const mistakes: string[] = [];

beforeAll(async () => {
  if (findBrowser('chromium') === undefined) return;
  gcm = await startGcm(makeCertificates());
  world = await startBrowserWorld(gcm);
  browser = await openChromium({ flags: gcm.flags });
  browser.context.setDefaultTimeout(20_000);
  await browser.allowNotifications(world.url);
  browser.context.on('weberror', (error) => mistakes.push(String(error.error())));
  browser.context.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') mistakes.push(`${message.text()} ${message.location().url}`);
  });
  page = await browser.context.newPage();
  await page.goto(world.url);
  await firstStart(page);
  await connectTo(page, world.alice);
}, 90_000);
afterAll(async () => {
  await browser?.stop();
  await world?.stop();
  await gcm?.stop();
});
afterEach(() => {
  expect(mistakes.splice(0)).toEqual([]);
});

async function call<N extends ApiName>(name: N, arg: Api[N][0]): Promise<Api[N][1]> {
  const answer = (await page.evaluate(callScript(name, arg))) as ApiResult<N>;
  if (!answer.ok) throw new Error(`${name}: ${answer.error.code}: ${answer.error.detail}`);
  return answer.value;
}
const go = (path: string) => page.goto(`${world.url}/#/${path}`);
const coinsSat = async (): Promise<bigint> => BigInt((await call('snapshot', null)).coinsSat);
const newest = async (): Promise<ChannelView | undefined> => (await call('snapshot', null)).channels.at(-1);

/** From the page on which coins are turned into a channel, until both sides call it ready. */
async function openOne(amount: string): Promise<ChannelView> {
  const before = await activeChannels(world.alice, await nodeId());
  await go('open');
  await page.getByRole('textbox', { name: /^Amount/ }).fill(amount);
  await page.getByRole('button', { name: `Open for ${amount} sat` }).click();
  await page.locator('[data-channel-state=wait-for-funding-confirmed]').waitFor();
  await waitFor(
    async () => {
      await world.chain.mine(1);
      return (await activeChannels(world.alice, await nodeId())) > before || undefined;
    },
    { what: 'Alice to call the channel ready', timeoutMs: 30_000 },
  );
  await page.locator('[data-channel-state=normal]').waitFor();
  const channel = await newest();
  if (channel === undefined) throw new Error('no channel');
  return channel;
}
const nodeId = async (): Promise<string> => (await call('snapshot', null)).nodeId ?? '';

const mempool = async (): Promise<number> => {
  const list = await world.chain.rpc('getrawmempool', []);
  return Array.isArray(list) ? list.length : 0;
};
/** One block, once a transaction waits for it. */
async function mineWhatWaits(what: string): Promise<void> {
  await waitFor(async () => (await mempool()) > 0 || undefined, { what, timeoutMs: 30_000 });
  await world.chain.mine(1);
}
/** As a person looks who taps "Check now" until it is so. */
async function checked(what: string, condition: () => Promise<boolean>): Promise<void> {
  await waitFor(
    async () => {
      if (await condition()) return true;
      await call('refresh', null);
      return undefined;
    },
    { what, timeoutMs: 40_000 },
  );
}

describe('coins and channels, all the way', { timeout: 90_000 }, () => {
  test('coins come, and the home page tells of them', async ({ skip }) => {
    needsBrowser('chromium', skip);
    await go('');
    await press(page, en.lab.coins);
    await page.getByRole('link', { name: '1,000,000 sat in coins on chain' }).waitFor();
    await go('coins');
    await page.getByText('1 confirmation', { exact: true }).waitFor();
  });

  test('a channel of our own: its cost is what was said, and Alice calls it ready', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const { choices } = await call('open-estimate', { amountSat: '300000' });
    const channel = await openOne('300,000');
    expect(channel).toMatchObject({ tag: 'normal', opener: true, capacitySat: '300000', isPublic: false });
    await waitFor(async () => (await coinsSat()) === 700_000n - BigInt(choices.normal.feeSat ?? 0) || undefined, { what: 'the change' });
  });

  test('closed together: our share is among our coins', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const channel = await newest();
    const before = await coinsSat();
    await go(`close/${channel?.id}`);
    await page.getByRole('button', { name: 'Close together' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Close together' }).click();
    await mineWhatWaits('the closing transaction');
    await checked('our share', async () => (await coinsSat()) > before);
    const back = (await coinsSat()) - before;
    expect(back).toBeGreaterThan(295_000n);
    expect(back).toBeLessThanOrEqual(300_000n);
    await go(`channels/${channel?.id}`);
    await page.getByText(en.channels.causes.mutual).waitFor();
    await page.locator('[data-sweep=claimed]').waitFor();
  });

  test('closed without the peer: locked no longer than was said, then claimed by the worker', async ({ skip }) => {
    needsBrowser('chromium', skip);
    const channel = await openOne('200,000');
    const before = await coinsSat();
    const { forceBlocks } = await call('close-estimate', { peerId: channel.peerId, channelId: channel.id });
    await go(`force-close/${channel.id}`);
    await page.getByRole('textbox').fill(en.close.word);
    await page.getByRole('button', { name: en.close.forceGo }).click();
    await page.locator('[data-channel-state=closing]').waitFor();
    // Alice hears of it and publishes her own commitment; whichever is mined first, our share comes back, ours after its delay.
    await checked('our share', async () => {
      if ((await coinsSat()) > before) return true;
      const { channels, chain } = await call('snapshot', null);
      const own = channels.find(({ id }) => id === channel.id)?.closing?.sweeps.find(({ status }) => status === 'waiting');
      const wait = (own?.atHeight ?? 0) - chain.height;
      expect(wait).toBeLessThanOrEqual(forceBlocks);
      await world.chain.mine((await mempool()) === 0 && wait > 0 ? wait : 1);
      return false;
    });
    expect((await coinsSat()) - before).toBeGreaterThan(190_000n);
    await page.locator('[data-sweep=claimed]').first().waitFor();
  });
});
