/** What a person does with channels and coins on the pages, with a fake worker behind them. */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { channelIds, empty, lively, peers } from './fixtures.ts';
import { heading, said, useVisits } from './visits.ts';

const { open, goTo, leave } = useVisits();

/** What the page asks by this name reaches the worker when `window.letGo()` is called. */
const holdBack = (page: Page, name: string) =>
  page.evaluate((held) => {
    ServiceWorker.prototype.postMessage = new Proxy(ServiceWorker.prototype.postMessage, {
      apply(send, worker, args) {
        const go = () => Reflect.apply(send, worker, args);
        if (args[0]?.name === held) Object.assign(window, { letGo: go });
        else go();
      },
    });
  }, name);

describe('channels and coins', () => {
  test('a channel is opened: each wrong amount is named, the cost is summed up, a double tap opens one', async () => {
    const page = await open(lively(Date.now()), 'channels');
    await page.getByRole('link', { name: 'Open a channel' }).click();
    await heading(page, 'Open a channel');
    const amount = page.getByRole('textbox', { name: 'Amount (sat)' });
    const total = page.locator('[data-total]');
    await page.getByRole('button', { name: 'Open the channel' }).click();
    await page.getByText('Write an amount').waitFor();
    await amount.fill('lots');
    await page.getByText('Write an amount').waitFor();
    await amount.fill('19,999');
    await page.getByText('The least is 20,000 sat.').waitFor();
    await amount.fill('1,249,255');
    await page.getByText('At this fee your coins are enough for 1,249,254 sat.').waitFor();
    expect(await total.textContent()).toBe('–');
    await amount.fill('200k');
    await total.getByText('200,934 sat').waitFor();
    await page.getByRole('radio', { name: /^Slow/ }).check();
    await total.getByText('200,184 sat').waitFor();
    await page.getByRole('button', { name: 'Open for 200,000 sat' }).dblclick();
    await said(page, 'The peer was asked.');
    await page.locator('[data-opening="0"]').waitFor();
    expect(await page.getByRole('listitem').filter({ hasText: 'Peer asked' }).getAttribute('aria-current')).toBe('step');
    await goTo(page, 'channels');
    expect(await page.locator(`[data-channel="${'ab'.repeat(32)}"]`).count()).toBe(1);
  });

  test('all of it: as much as the chosen fee leaves', async () => {
    const page = await open(lively(Date.now()), `open/${peers.carol}`);
    expect(await page.getByRole('radio', { name: /Trustworthy/ }).isChecked()).toBe(true);
    await page.getByRole('radio', { name: /^Fast/ }).check();
    await page.getByRole('button', { name: 'All of it' }).click();
    expect(await page.getByRole('textbox', { name: 'Amount (sat)' }).inputValue()).toBe('1,248,484');
  });

  test('a peer that went away meanwhile: said, and what was typed stays', async () => {
    const page = await open(lively(Date.now()), 'open');
    await page.getByRole('textbox', { name: 'Amount (sat)' }).fill('66,666');
    await page.getByRole('button', { name: 'Open for 66,666 sat' }).click();
    await page.getByRole('alert').getByText('The peer is not connected right now').waitFor();
    expect(await page.getByRole('textbox', { name: 'Amount (sat)' }).inputValue()).toBe('66,666');
  });

  test('without coins an address is shown, as a code and to be copied; without a peer the way to one', async () => {
    const none = lively(Date.now());
    const page = await open({ ...none, coins: none.coins.slice(0, 1), openEstimate: empty().openEstimate }, 'open');
    await page.getByRole('img', { name: 'QR code of your address' }).waitFor();
    await page.getByText('41,200 sat are waiting').waitFor();
    await page.getByRole('button', { name: 'Copy: Your address' }).click();
    await said(page, 'Copied');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('bcrt1q0ur8v9c8dmxn4m2n6m9fa8q2v5yq5nkwnxg0yk');
    await leave();
    const fresh = await open(empty(), 'open');
    await fresh.getByRole('link', { name: 'Connect a peer' }).click();
    await heading(fresh, 'Connect a peer');
  });

  test('an opening is given up only after a second yes', async () => {
    const page = await open(lively(Date.now()), `channels/${channelIds.opening}`);
    await page.locator('[data-opening="1"]').waitFor();
    await page.getByRole('button', { name: 'Give up' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Give up' }).click();
    await dialog.getByRole('button', { name: 'Give up' }).click();
    await said(page, 'Given up.');
    await heading(page, 'Channels');
    expect(await page.locator(`[data-channel="${channelIds.opening}"]`).count()).toBe(0);
  });

  test('the address of a channel from before it had its name still leads to it', async () => {
    const { snapshot, ...rest } = lively(Date.now());
    const channels = snapshot.channels.map((one) => (one.id === channelIds.ready ? { ...one, temporaryId: 'cd'.repeat(32) } : one));
    const page = await open({ ...rest, snapshot: { ...snapshot, channels } }, `channels/${'cd'.repeat(32)}`);
    await heading(page, 'Alice');
    await page.locator('[data-value]').getByText(channelIds.ready).first().waitFor();
  });

  test('closing together: what it costs, where it goes, asked twice', async () => {
    const page = await open(lively(Date.now()), `channels/${channelIds.htlcs}`);
    await page.getByRole('link', { name: 'Close the channel' }).click();
    await page.getByText('2 payments are still on the way').waitFor();
    await page.getByRole('radio', { name: /^Fast/ }).check();
    await page.getByText('609,154 sat').waitFor();
    await page.getByRole('radio', { name: 'Another address' }).check();
    const yes = async () => {
      await page.getByRole('button', { name: 'Close together' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Close together' }).click();
    };
    await yes();
    await page.getByText('Write the address, or choose').waitFor();
    const address = page.getByRole('textbox', { name: 'Bitcoin address' });
    await address.fill('1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa');
    await yes();
    await page.getByText('This is not an address that a channel can pay to').waitFor();
    await address.fill('bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080');
    await page.getByRole('button', { name: 'Close together' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await yes();
    await said(page, 'The close has begun.');
    await page.locator('[data-channel-state=negotiating]').waitFor();
  });

  test('an answer that comes late moves nobody who has gone elsewhere', async () => {
    const page = await open(lively(Date.now()), `channels/${channelIds.htlcs}`);
    await page.getByRole('link', { name: 'Close the channel' }).click();
    await holdBack(page, 'close-channel');
    await page.getByRole('button', { name: 'Close together' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Close together' }).click();
    await page.waitForFunction('window.letGo !== undefined');
    await goTo(page, `force-close/${channelIds.ready}`);
    await heading(page, 'Close without the peer');
    await page.evaluate('window.letGo()');
    await said(page, 'The close has begun.');
    expect(new URL(page.url()).hash).toBe(`#/force-close/${channelIds.ready}`);
  });

  test('a close that waits for the peer says so, and offers a higher fee', async () => {
    const page = await open(lively(Date.now()), `channels/${channelIds.negotiating}`);
    await page.getByText('but the peer is not connected right now').waitFor();
    await page.getByRole('link', { name: 'Change the fee' }).click();
    await page.getByText('Your wish is kept').waitFor();
    expect(await page.getByRole('radio', { name: 'Another address' }).count()).toBe(0);
  });

  test('closing without the peer: only after a word was typed', async () => {
    const page = await open(lively(Date.now()), `close/${channelIds.htlcs}`);
    await page.getByRole('link', { name: 'The peer does not answer?' }).click();
    await page.getByText('720 blocks, about 5 days').waitFor();
    await page.getByText('7,214 sat').waitFor();
    const go = page.getByRole('button', { name: 'Close without the peer' });
    const word = page.getByRole('textbox', { name: /^Type “close”/ });
    expect(await go.isDisabled()).toBe(true);
    await word.fill('clos');
    await page.keyboard.press('Enter');
    expect(await go.isDisabled()).toBe(true);
    await word.fill('Close ');
    await go.click();
    await said(page, 'The channel is being closed on the chain.');
    await page.locator('[data-channel-state=closing]').waitFor();
    await page.getByText('The transaction that closes this channel was sent').waitFor();
  });

  test('what a close leaves: each part, where it is, and the sum that still comes', async () => {
    const page = await open(lively(Date.now()), `channels/${channelIds.closing}`);
    await page.getByText('2,248,012 sat').waitFor();
    expect(await page.locator('[data-sweep]').evaluateAll((all) => all.map((one) => one.getAttribute('data-sweep')))).toEqual([
      'waiting',
      'due',
      'claimed',
      'lost',
      'final',
    ]);
    await page.getByText('Can be claimed from block 840,813, about 5 days from now').waitFor();
    expect(await page.getByText('by our own commitment').count()).toBe(0);
  });

  test('hidden amounts are hidden among coins and payments too', async () => {
    const { snapshot, ...rest } = lively(Date.now());
    const hidden = { ...rest, snapshot: { ...snapshot, hideAmounts: true, prompts: [] } };
    const amounts = ['1,792,353', '611,250', '126,250', '125,000', '1,249.75', '594,120', '2,188,012', '2,248,012', '1,250,000'];
    const page = await open(hidden, 'coins');
    for (const path of ['coins', 'open', '', 'channels', `channels/${channelIds.htlcs}`, `channels/${channelIds.closing}`]) {
      await goTo(page, path);
      await page.locator('[data-page-title]').waitFor();
      await page
        .getByText(path === 'open' ? 'What it costs' : 'Amount hidden')
        .first()
        .waitFor({ state: 'attached' });
      const text = await page.locator('main').innerText();
      expect([path, amounts.filter((amount) => text.includes(amount))]).toEqual([path, []]);
    }
  });
});
