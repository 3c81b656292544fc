/** What a person does on the pages, with a fake worker behind them. */
import { describe, expect, test } from 'vitest';
import { channelIds, empty, lively, nodeId, noWallet, peers } from './fixtures.ts';
import { invoice, paymentIds } from './payment-fixtures.ts';
import { heading, said, useVisits } from './visits.ts';

const { site, open, goTo, mistakes } = useVisits();

describe('flows', () => {
  test('first start: words are made, shown on request, confirmed by three questions', async () => {
    const page = await open(noWallet(), '');
    await page.getByRole('radio', { name: /24 words/ }).check();
    await page.getByRole('button', { name: 'Make a new node' }).click();
    await heading(page, 'Your recovery words');
    expect(await page.locator('[data-words]').count()).toBe(0);
    await page.getByRole('button', { name: 'Show the words' }).click();
    const words = (await page.locator('[data-words] li span:last-child').allTextContents()).map((word) => word.trim());
    expect(words).toHaveLength(24);
    await page.getByRole('button', { name: 'I wrote them down' }).click();

    const asked = async () => Number(await page.locator('[data-quiz]').getAttribute('data-quiz'));
    const first = await asked();
    const choices = page.locator('[data-quiz] .actions button');
    const wrong = (await choices.allTextContents()).find((word) => word !== words[first]) ?? '';
    await choices.getByText(wrong, { exact: true }).click();
    await page
      .getByRole('alert')
      .getByText(`not word number ${first + 1}`)
      .waitFor();
    for (let i = 0; i < 3; i++) {
      const at = await asked();
      await choices.getByText(words[at] ?? '', { exact: true }).click();
      if (i < 2) await page.waitForFunction((old) => document.querySelector('[data-quiz]')?.getAttribute('data-quiz') !== String(old), at);
    }
    await said(page, 'recovery words are saved');
    await heading(page, 'Let Beckon wake you');
    await page.getByRole('link', { name: 'Not now' }).click();
    await heading(page, 'Beckon');
    expect(await page.getByText('Your recovery words are not saved').count()).toBe(0);
  });

  test('the backup may be put off; the reminder stays until it is done', async () => {
    const page = await open(noWallet(), '');
    await page.getByRole('button', { name: 'Make a new node' }).click();
    await page.getByRole('button', { name: 'Later, remind me' }).click();
    await page.getByRole('link', { name: 'Not now' }).click();
    await page.getByText('Your recovery words are not saved').waitFor();
    await page.reload();
    await page.getByRole('link', { name: 'Save them now' }).click();
    await heading(page, 'Your recovery words');
  });

  test('typed words: each mistake is named, what was typed stays, good ones are taken', async () => {
    const page = await open(noWallet(), '');
    await page.getByRole('link', { name: 'I have recovery words' }).click();
    const field = page.getByRole('textbox', { name: 'Recovery words' });
    const use = page.getByRole('button', { name: 'Use these words' });
    await field.fill('legal winner thank yeer wave ');
    await page.getByText('Word 4, “yeer”, is not in the list. Did you mean year?').waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    await field.fill('legal winner thank year wav');
    await page.getByRole('group', { name: 'Words that begin like this' }).getByRole('button', { name: 'wave', exact: true }).click();
    expect(await field.inputValue()).toBe('legal winner thank year wave ');
    await page.getByText('5 words so far').waitFor();
    await field.fill('winner legal thank year wave sausage worth useful legal winner thank yellow');
    await page.getByText('together they do not fit').waitFor();
    expect(await use.isDisabled()).toBe(true);
    await field.fill('legal winner thank year wave sausage worth useful legal winner thank yellow');
    await page.getByText('These words fit together').waitFor();
    await use.click();
    await heading(page, 'Let Beckon wake you');
  });

  test('a question is answered once, even by a double tap, and its end is said', async () => {
    const page = await open(lively(Date.now()), '');
    await page.getByText(/^4:\d\d left$/).waitFor();
    await page.getByRole('button', { name: 'Approve' }).dblclick();
    await said(page, 'Approved. Your node is signing.');
    await page.locator('[data-prompt]').waitFor({ state: 'detached' });
  });

  test('"Test it now" tells how long the wake took, though the push was quicker than the answer', async () => {
    const page = await open(lively(Date.now()), 'settings/readiness');
    await page.getByRole('button', { name: 'Test it now' }).click();
    await page.locator('[data-test-wake=done]').getByText('Woken and done in 84 ms').waitFor();
  });

  test('hidden amounts are hidden everywhere, and a screen reader hears so', async () => {
    const page = await open(lively(Date.now()), '');
    await page.getByRole('button', { name: /Hide amounts/ }).click();
    await page.locator('[data-balance]').getByText('Amount hidden').waitFor();
    for (const place of ['activity', 'channels']) {
      await goTo(page, place);
      await page.getByText('Amount hidden').first().waitFor({ state: 'attached' });
      expect(await page.locator('main').innerText()).not.toMatch(/200,000|84,210/);
    }
  });

  test('a peer: a bad address is explained, an unreachable one too, a good one opens its page', async () => {
    const page = await open(empty(), 'peers/connect');
    const field = page.getByRole('textbox', { name: 'Address' });
    const go = page.getByRole('button', { name: 'Connect a peer' });
    await go.click();
    await page.getByText('Type an address first.').waitFor();
    await field.fill(`${peers.alice}`);
    await go.click();
    await page.getByText('After the node id there must be').waitFor();
    await field.fill(`${peers.alice}@nobody.example`);
    await go.click();
    await page.getByRole('alert').getByText('Nobody answers at this address').waitFor();
    expect(await field.inputValue()).toBe(`${peers.alice}@nobody.example`);
    await page.evaluate((text) => navigator.clipboard.writeText(text), `lightning:${peers.alice}@alice.example:9735`);
    await page.getByRole('button', { name: 'Paste' }).click();
    await go.click();
    await heading(page, `${peers.alice.slice(0, 8)}…${peers.alice.slice(-6)}`);
    await page.getByRole('button', { name: 'Forget this peer' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Forget this peer' }).click();
    await said(page, 'Forgotten.');
    await heading(page, 'Peers');
  });

  test('an address is read from a picture of a QR code', async () => {
    const page = await open(lively(Date.now()), 'node');
    const picture = await page.getByRole('img', { name: 'QR code of your node id' }).screenshot();
    await goTo(page, 'peers/connect');
    await page.getByRole('button', { name: 'Scan' }).click();
    await page.getByText('The camera cannot be used').waitFor();
    await page.locator('input[type=file]').setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer: picture });
    await page.waitForFunction((id) => document.querySelector<HTMLInputElement>('input[inputmode=url]')?.value === id, nodeId);
  });

  test('keys: places, search, back, and none of it while typing or when switched off', async () => {
    const page = await open(lively(Date.now()), '');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
    await page.keyboard.press('3');
    await heading(page, 'Channels');
    await page.waitForFunction(() => document.activeElement?.matches('[data-page-title]'));
    await page.keyboard.press('2');
    await heading(page, 'Activity');
    await page.keyboard.press('/');
    await page.keyboard.type('4');
    expect(await page.getByRole('searchbox').inputValue()).toBe('4');
    await page.keyboard.press('Escape');
    await page.keyboard.press('4');
    await heading(page, 'Settings');
    await page.getByRole('link', { name: /^Looks/ }).press('Enter');
    await heading(page, 'Looks');
    await page.getByRole('switch', { name: /Keyboard shortcuts/ }).press('Space');
    await page.keyboard.press('Tab');
    await page.keyboard.press('1');
    await page.keyboard.press('Escape');
    await heading(page, 'Settings');
  });

  test('search and filters narrow the activity', async () => {
    const page = await open(lively(Date.now()), 'activity');
    const rows = page.locator('main .list > li');
    await page.getByText('Your node was made').waitFor();
    await page.getByRole('button', { name: 'Wakes' }).click();
    await page.waitForFunction(() => document.querySelectorAll('main .list > li').length === 4);
    await page.getByRole('button', { name: 'All' }).click();
    await page.getByRole('searchbox').fill('mempool');
    await page.waitForFunction(() => document.querySelectorAll('main .list > li').length === 1);
    await rows.first().click();
    await heading(page, 'A peer reported an error');
    await page.goBack();
    await heading(page, 'Activity');
  });

  test('the test world: blocks, and a channel from Alice, to whom we connect first', async () => {
    const page = await open(empty(), '', { lab: true });
    await page.getByRole('button', { name: 'Mine a block' }).click();
    await said(page, 'A block was mined.');
    await page.getByRole('button', { name: 'Send me 1,000,000 sat' }).click();
    await said(page, 'Sent, and mined.');
    await page.getByRole('button', { name: /Ask Alice/ }).click();
    await said(page, 'Alice was asked.');
    const ask = `open ${JSON.stringify({ peer: 'Alice', amountSat: '200000', pushSat: '50000', nodeId })}`;
    const coins = `send ${JSON.stringify({ address: 'bcrt1q0ur8v9c8dmxn4m2n6m9fa8q2v5yq5nkwnxg0yk', amountSat: '1000000', mine: 1 })}`;
    expect(site().labCalls).toEqual(['mine {}', coins, ask, ask]);
    await goTo(page, 'peers');
    await page.locator(`[data-peer="${peers.alice}"]`).getByText('Alice').waitFor();
    // The browser reports the one refusal that the page overcame.
    mistakes().splice(0);
  });

  test.each([
    '',
    'activity',
    'channels',
    `channels/${'11'.repeat(32)}`,
    'open',
    'coins',
    `close/${channelIds.htlcs}`,
    'send',
    `send/${invoice(Date.now(), 41, { amountMsat: 1_000n })}`,
    'receive',
    `receive/${paymentIds.open}`,
    'payments',
    `payments/${paymentIds.pending}`,
  ])('#/%s left alone asks the worker nothing', async (path) => {
    const page = await open(lively(Date.now()), path, {
      before: () => {
        const send = ServiceWorker.prototype.postMessage;
        Object.assign(window, { asked: 0 });
        ServiceWorker.prototype.postMessage = function (this: ServiceWorker, ...args: unknown[]) {
          Object.assign(window, { asked: Number(Reflect.get(window, 'asked')) + 1 });
          Reflect.apply(send, this, args);
        };
      },
    });
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    /** Calls during sixty frames. */
    const duringFrames = () =>
      page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            const before = Number(Reflect.get(window, 'asked'));
            let left = 60;
            const frame = () => {
              left -= 1;
              if (left > 0) requestAnimationFrame(frame);
              else resolve(Number(Reflect.get(window, 'asked')) - before);
            };
            requestAnimationFrame(frame);
          }),
      );
    // What the start asks for comes to an end; what a page asks because it was answered does not.
    await expect.poll(duringFrames, { timeout: 10_000 }).toBe(0);
    expect(await page.evaluate(() => Number(Reflect.get(window, 'asked')))).toBeGreaterThan(0);
  });
});
