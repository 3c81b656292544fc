/** What a person does to pay and to be paid, with a fake worker behind the pages. How a payment ends is in the test's hand. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Hand } from './fake-payments.ts';
import { empty, lively } from './fixtures.ts';
import { address, estimate, invoice, payee, paymentIds } from './payment-fixtures.ts';
import { heading, said, useVisits } from './visits.ts';

const { open, goTo, leave } = useVisits();

const outcome = (page: Page, state: string) => page.locator(`[data-outcome=${state}]`);
const asking = (n = 21) => invoice(Date.now(), n, { amountMsat: 2_500_000n });
const hand = (page: Page, message: Hand) =>
  page.evaluate((data) => {
    const channel = new BroadcastChannel('fake-hand');
    channel.postMessage(data);
    channel.close();
  }, message);
/** The ids of all payments that the worker was asked for. */
const asked = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<string[]>((resolve) => {
        const answers = new BroadcastChannel('fake-worker');
        answers.onmessage = (event) => resolve(event.data);
        new BroadcastChannel('fake-hand').postMessage({ t: 'tell-asked' });
      }),
  );

async function paste(page: Page, text: string): Promise<void> {
  await page.evaluate((value) => navigator.clipboard.writeText(value), text);
  await page.getByRole('button', { name: 'Paste' }).click();
}

describe('payments', () => {
  test('a pasted BIP 21 link is paid by its invoice; a double tap pays once; the page may be left, and the proof is there in the end', async () => {
    const page = await open(lively(Date.now()), '');
    await page.getByRole('link', { name: 'Send' }).click();
    await heading(page, 'Send');
    await paste(page, `bitcoin:${address}?amount=0.000025&lightning=${asking()}`);
    await heading(page, 'Look once more');
    await page.locator('[data-fee]').getByText('2.15 sat').waitFor();
    await page.locator('[data-total]').getByText('2,515 sat').waitFor();
    await page.getByText('Over the network, 3 hops, in 2 parts').waitFor();
    // Both taps before the page had any time to change.
    await page.getByRole('button', { name: 'Pay 2,500 sat' }).evaluate((button) => {
      for (let i = 0; i < 2; i++) (button as HTMLElement).click();
    });
    await outcome(page, 'pending').getByText('You may close this page; it goes on.').waitFor();
    await page.locator('[data-part=in-flight]').getByText('On its way').waitFor();
    const here = page.url();
    await goTo(page, '');
    await page.locator('[data-payment=pending]').first().waitFor();
    await page.goto(here);
    await hand(page, {
      t: 'change',
      change: { state: 'sent', preimage: '5a'.repeat(32), endedAtMs: Date.now() },
    });
    await outcome(page, 'sent').getByText('Sent 2,500 sat').waitFor();
    await page.getByRole('button', { name: 'Copy: Proof (preimage)' }).click();
    await said(page, 'Copied');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('5a'.repeat(32));
    expect(await asked(page)).toHaveLength(1);
  });

  test('loaded anew in the middle: the same payment goes on, and none is made a second time', async () => {
    const page = await open({ ...lively(Date.now()), payments: [], holdsBack: true }, `send/${asking()}`);
    await page.locator('[data-pay]').click();
    await heading(page, 'Payment');
    await expect.poll(async () => (await asked(page)).length).toBe(1);
    await page.reload();
    await outcome(page, 'pending').waitFor();
    await expect.poll(async () => (await asked(page)).length).toBe(2);
    await hand(page, { t: 'answer' });
    expect(new Set(await asked(page)).size).toBe(1);
    await goTo(page, 'payments');
    await page.locator('[data-payment]').first().waitFor();
    expect(await page.locator('[data-payment]').count()).toBe(1);
    // It has its answer now: the page asks no more for it.
    await page.locator('[data-payment]').click();
    await outcome(page, 'pending').waitFor();
    await page.reload();
    await outcome(page, 'pending').waitFor();
    expect(await asked(page)).toHaveLength(2);
  });

  test('the amount is the payer’s: each wrong one is named, short forms are taken, and it can be changed before the yes', async () => {
    const page = await open(lively(Date.now()), `send/${invoice(Date.now(), 22)}`);
    const amount = page.getByRole('textbox', { name: 'Amount (sat)' });
    const review = page.getByRole('button', { name: 'Review' });
    await review.click();
    await page.getByText('Write an amount').waitFor();
    await amount.fill('0');
    await page.getByText('The least is 1 sat.').waitFor();
    await amount.fill('674,951');
    await page.getByText('Your channels can send 674,950 sat at once.').waitFor();
    await amount.fill('2.5k');
    await review.click();
    await page.getByRole('button', { name: 'Pay 2,500 sat' }).waitFor();
    await page.getByRole('button', { name: 'Another amount' }).click();
    await amount.fill('0.00003 btc');
    await review.click();
    await page.getByRole('button', { name: 'Pay 3,000 sat' }).click();
    await outcome(page, 'pending').getByText('3,000 sat').waitFor();
  });

  test('the way is tried before anything is paid: what came of it is said, and nothing is paid meanwhile', async () => {
    const node = { ...lively(Date.now()), payEstimate: { ...estimate, parts: 1 } };
    const page = await open({ ...node, holdsBack: true }, `send/${asking()}`);
    const check = page.getByRole('button', { name: 'Check the way' });
    const yes = page.locator('[data-pay]');
    await said(page, 'It costs nothing.');
    await check.click();
    await said(page, 'Trying the way…');
    expect([await check.isDisabled(), await yes.isDisabled()]).toEqual([true, true]);
    await hand(page, { t: 'answer' });
    await said(page, 'A way exists: 3 hops. Fee 2.15 sat.');
    expect([await check.isDisabled(), await yes.isDisabled()]).toEqual([false, false]);
    expect(await asked(page)).toEqual([]);
    await leave();
    for (const [probe, text] of [
      [{ reached: true, feeMsat: '0', hops: 1 }, 'A way exists: straight to the receiver. Fee 0 sat.'],
      [{ reached: false, failure: 'payee-offline' }, 'The trial did not arrive. The receiver is not connected right now.'],
      ['relay-unreachable', 'The trial could not be made. The relay cannot be reached.'],
    ] as const) {
      const next = await open({ ...node, probe }, `send/${asking()}`);
      await next.getByRole('button', { name: 'Check the way' }).click();
      await said(next, text);
      await leave();
    }
  });

  test('an amount that only several parts can carry is not tried in one piece', async () => {
    const page = await open(lively(Date.now()), `send/${asking()}`);
    await page.getByText('in 2 parts').waitFor();
    expect(await page.getByRole('button', { name: 'Check the way' }).count()).toBe(0);
  });

  test('an invoice runs out while it is looked at: it cannot be paid any more', async () => {
    const page = await open(lively(Date.now()), `send/${asking()}`);
    await page.getByRole('button', { name: 'Pay 2,500 sat' }).waitFor();
    await page.clock.setSystemTime(Date.now() + 3_600_000);
    await page.getByRole('alert').getByText('The time of this invoice is over.').waitFor();
    expect(await page.locator('[data-pay]').count()).toBe(0);
  });

  test('what cannot be paid says why in three sentences; one that was paid before leads there', async () => {
    const node = lively(Date.now());
    const first = await open({ ...node, refuses: { code: 'not-enough', detail: '' } }, `send/${asking()}`);
    for (const text of ['Your channels cannot send that much at once.', 'Nothing was paid.', 'Send less, or open another channel.'])
      await first.getByRole('alert').getByText(text, { exact: true }).waitFor();
    await leave();
    const page = await open({ ...node, refuses: { code: 'paid-before', detail: paymentIds.sent } }, `send/${asking()}`);
    await page.getByRole('link', { name: 'See that payment' }).click();
    await outcome(page, 'sent').waitFor();
  });

  test('a payment that fails says what happened, that no money is lost, and what to do', async () => {
    const page = await open(lively(Date.now()), `send/${asking()}`);
    await page.locator('[data-pay]').click();
    await outcome(page, 'pending').waitFor();
    await hand(page, { t: 'change', change: { state: 'failed', failure: 'payee-offline', endedAtMs: Date.now() } });
    await outcome(page, 'failed').waitFor();
    const alert = page.getByRole('alert');
    await alert.getByText('The receiver is not connected right now.').waitFor();
    await alert.getByText('Nothing was paid; the money is back in your channels.').waitFor();
    await alert.getByText('Try again when they are back.').waitFor();
    await alert.getByRole('link', { name: 'Try again' }).click();
    await page.getByRole('button', { name: 'Pay 2,500 sat' }).click();
    await outcome(page, 'pending').waitFor();
    // Another try is another payment.
    expect(new Set(await asked(page)).size).toBe(2);
  });

  test('a node id leads to a payment without an invoice, or to a connection', async () => {
    const page = await open(lively(Date.now()), 'send');
    await page.locator('[data-send-box]').fill(`${payee}@node.example:9736`);
    await page.locator('[data-understood=node]').waitFor();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('textbox', { name: 'Amount (sat)' }).fill('1k');
    await page.getByRole('button', { name: 'Review' }).click();
    await page.locator('[data-fee-most]').getByText('10 sat').waitFor();
    await page.getByRole('button', { name: 'Pay 1,000 sat' }).click();
    await outcome(page, 'pending').waitFor();
    await goTo(page, `send/${payee}@node.example:9736`);
    await page.getByRole('link', { name: 'Connect to it' }).click();
    await heading(page, 'Connect a peer');
    expect(await page.getByRole('textbox', { name: 'Address' }).inputValue()).toBe(`${payee}@node.example:9736`);
  });

  test('what is not built yet says so; what is wrong is named; a secret leaves the box at once', async () => {
    const page = await open(lively(Date.now()), 'send');
    const box = page.locator('[data-send-box]');
    await box.fill(address);
    await said(page, 'is not built yet');
    await box.fill(`${asking().slice(0, -1)}1`);
    await page.locator('[data-understood=problem]').waitFor();
    await box.fill('legal winner thank year wave sausage worth useful legal winner thank yellow');
    await said(page, 'This looks like recovery words.');
    expect(await box.inputValue()).toBe('');
    await box.fill('lnbcrt');
    await page.waitForFunction(() => !document.querySelector('main')?.textContent?.includes('recovery words'));
  });

  test('paste anywhere lands in the box, and nothing moves; s and r lead to Send and Receive', async () => {
    const page = await open(lively(Date.now()), 'channels');
    await heading(page, 'Channels');
    await page.evaluate((text) => navigator.clipboard.writeText(text), asking());
    await page.keyboard.press('Control+V');
    await heading(page, 'Send');
    await page.locator('[data-understood=invoice]').waitFor();
    await page.keyboard.press('r');
    await heading(page, 'Receive');
    await page.keyboard.press('s');
    await heading(page, 'Send');
    expect(await asked(page)).toEqual([]);
  });

  test('to be paid: an amount too large is named, the code is read back, parts and the end are seen while it is open', async () => {
    const page = await open({ ...lively(Date.now()), invoice: asking(24) }, 'receive');
    const amount = page.getByRole('textbox', { name: 'Amount (sat)' });
    await amount.fill('1m');
    await page.getByText('You can receive 366,290 sat at once').waitFor();
    await page.getByRole('button', { name: 'Ask for 366,290 sat' }).click();
    expect(await amount.inputValue()).toBe('366,290');
    await amount.fill('2,500');
    await page.getByRole('textbox', { name: 'What it is for' }).fill('Coffee');
    await page.getByRole('radio', { name: '10 minutes' }).check();
    await page.getByRole('button', { name: 'Make the invoice' }).dblclick();
    await page.getByText(/^Can be paid for (10:00|9:\d\d)$/).waitFor();
    const code = page.getByRole('img', { name: 'QR code of the invoice' });
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await said(page, 'Copied');
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(link).toMatch(/^bitcoin:bcrt1q0ur8v9c8dmxn4m2n6m9fa8q2v5yq5nkwnxg0yk\?amount=0\.000025&lightning=lnbcrt25u1/);
    await page.getByRole('button', { name: 'Lightning only' }).click();
    const picture = await code.screenshot();
    await hand(page, {
      t: 'change',
      change: {
        state: 'holding',
        parts: [{ n: 1, amountMsat: '1000000', feeMsat: '0', state: 'in-flight', hops: 0, peerAlias: 'Alice', expiryHeight: 840_273 }],
      },
    });
    await said(page, '1,000 sat of 2,500 sat have arrived');
    await hand(page, { t: 'change', change: { state: 'paid', preimage: '11'.repeat(32) } });
    await said(page, 'Received 2,500 sat');
    await goTo(page, 'send');
    await page.getByRole('button', { name: 'Scan' }).click();
    await page.locator('input[type=file]').setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer: picture });
    await page.getByRole('button', { name: 'Pay 2,500 sat' }).waitFor();
  });

  test('an invoice that nobody could pay is not made: no channel; asleep is a warning', async () => {
    const none = await open(empty(), 'receive');
    await none.locator('[data-hurdle=no-channel]').getByRole('link', { name: 'Get a channel' }).waitFor();
    expect(await none.getByRole('button', { name: 'Make the invoice' }).isDisabled()).toBe(true);
    await leave();
    const { snapshot, ...rest } = lively(Date.now());
    const asleep = await open({ ...rest, snapshot: { ...snapshot, push: { subscribed: false } } }, 'receive', { permissions: [] });
    await asleep.locator('[data-hurdle=asleep]').getByRole('link', { name: 'Make it ready' }).waitFor();
    await asleep.getByRole('button', { name: 'Make the invoice' }).click();
    await asleep.getByText('Keep Beckon open until it is paid').waitFor();
  });

  test('an invoice whose time is over while it is shown has no code any more', async () => {
    const page = await open(lively(Date.now()), `receive/${paymentIds.open}`);
    await page.getByRole('img', { name: 'QR code of the invoice' }).waitFor();
    await page.clock.setSystemTime(Date.now() + 3_600_000);
    await outcome(page, 'expired').waitFor();
    expect(await page.getByRole('img', { name: 'QR code of the invoice' }).count()).toBe(0);
  });

  test('an invoice is cancelled only after a second yes', async () => {
    const page = await open(lively(Date.now()), `receive/${paymentIds.open}`);
    await page.getByRole('button', { name: 'Cancel this invoice' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('button', { name: 'Cancel this invoice' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel this invoice' }).click();
    await said(page, 'Cancelled.');
    await goTo(page, `payments/${paymentIds.open}`);
    await outcome(page, 'expired').waitFor();
  });

  test('the list: search, both filters, and all of it as a table that no spreadsheet runs', async () => {
    const page = await open(lively(Date.now()), 'activity');
    await page.getByRole('link', { name: 'Payments' }).click();
    await heading(page, 'Payments');
    const rows = (count: number) => page.waitForFunction((n) => document.querySelectorAll('[data-payment]').length === n, count);
    await rows(7);
    await page.getByRole('button', { name: 'Sent', exact: true }).click();
    await rows(3);
    await page.getByRole('button', { name: 'Not paid' }).click();
    await rows(1);
    await page.getByRole('button', { name: 'Any', exact: true }).click();
    await page.getByRole('button', { name: 'All', exact: true }).click();
    await rows(7);
    await page.getByRole('searchbox').fill('bicycle');
    await rows(1);
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export as CSV' }).click();
    const download = await saved;
    expect(download.suggestedFilename()).toBe('beckon-payments.csv');
    const lines = readFileSync(await download.path(), 'utf8').split('\r\n');
    expect(lines).toHaveLength(9);
    expect(lines[0]).toBe('began,ended,direction,kind,state,amount_sat,fee_sat,description,payee,payment_hash,preimage,failure,invoice');
    expect(lines.find((line) => line.includes('HYPERLINK'))).toContain(`"'=HYPERLINK(""http://example.com"";`);
  });
});
