/** What the page makes of the browser: no worker, refused notifications, a new version, other directions and long words, size. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { channelIds, empty, lively, noWallet, peers } from './fixtures.ts';
import { address, invoice, payee, paymentIds } from './payment-fixtures.ts';
import { tooWide, type Visit } from './site.ts';
import { useSite } from './visits.ts';

/** All of the first view, gzip. */
const FIRST_VIEW_BYTES = 78_000;
const phone = { viewport: { width: 360, height: 780 } };

const site = useSite();
let visit: Visit | undefined;

describe('page and browser', () => {
  afterEach(async () => {
    await visit?.context.close();
    visit = undefined;
  });

  test('no service worker, as in some private windows: what is missing, that nothing is lost, what to do', async () => {
    visit = await site().open(noWallet(), '', { before: () => Reflect.deleteProperty(Navigator.prototype, 'serviceWorker') });
    await visit.page.locator('[data-broken=no-worker]').getByText('Your money is safe').waitFor();
  });

  test('no database: the same', async () => {
    visit = await site().open(noWallet(), '', {
      before: () => {
        IDBFactory.prototype.open = () => {
          throw new DOMException('A mutation operation was attempted on a database that did not allow mutations.', 'InvalidStateError');
        };
      },
    });
    await visit.page.locator('[data-broken=no-storage]').waitFor();
  });

  test('notifications: allowed, and the relay knows', async () => {
    visit = await site().open(empty(), 'notify/first', {
      before: () => {
        PushManager.prototype.getSubscription = async () => null;
        PushManager.prototype.subscribe = async () =>
          Object.assign(Object.create(PushSubscription.prototype), {
            toJSON: () => ({ endpoint: 'https://push.example/1', keys: { p256dh: 'a', auth: 'b' } }),
          });
      },
    });
    await visit.page.locator('[data-notify=done]').waitFor();
  });

  test('notifications: refused, and how to mend it', async () => {
    visit = await site().open(empty(), 'notify', {
      permissions: [],
      before: () => {
        Object.defineProperty(Notification, 'permission', { get: () => 'default' });
        Notification.requestPermission = async () => 'denied';
      },
    });
    await visit.page.getByRole('button', { name: 'Allow notifications' }).click();
    await visit.page.locator('[data-notify=denied]').getByText('How to allow them again').waitFor();
  });

  test('notifications: a browser whose push service never answers', async () => {
    visit = await site().open(empty(), 'notify', {
      before: () => {
        PushManager.prototype.getSubscription = async () => null;
        PushManager.prototype.subscribe = () => new Promise(() => {});
        const real = window.setTimeout;
        // The page's patience is 20 s; nobody waits that long here.
        window.setTimeout = ((run: () => void, ms = 0) => real(run, ms === 20_000 ? 50 : ms)) as typeof setTimeout;
      },
    });
    await visit.page.locator('[data-notify=no-push-service]').waitFor();
  });

  test('an iPhone that is not installed yet is shown how to', async () => {
    visit = await site().open(empty(), 'notify', {
      userAgent:
        'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
      before: () => Reflect.deleteProperty(window, 'PushManager'),
    });
    await visit.page.locator('[data-notify=home-screen-first]').getByText('Add to Home Screen').waitFor();
  });

  test('a new version asks; a yes lets it in and loads the page anew', async () => {
    visit = await site().open(lively(Date.now()), '');
    const { page } = visit;
    site().newVersion(2);
    // The browser's own look for a new version comes when it likes; asked for, it comes with the next load.
    const cdp = await visit.context.newCDPSession(page);
    await cdp.send('ServiceWorker.enable');
    await cdp.send('ServiceWorker.updateRegistration', { scopeURL: `${site().url}/` });
    await page.reload();
    await page.getByText('A new version is ready.').waitFor();
    await cdp.detach();
    // When the browser then changes the workers is its own affair; the page must have let the waiting one in, and load anew.
    const letIn = page.evaluate(
      () =>
        new Promise((resolve) => {
          new BroadcastChannel('fake-worker').onmessage = (event) => resolve(event.data);
          document.querySelector<HTMLElement>('.strips button')?.click();
        }),
    );
    const reloaded = page.waitForEvent('load');
    expect(await letIn).toBe('let in');
    await reloaded;
  });

  test('offline is said, and ends', async () => {
    visit = await site().open(lively(Date.now()), '');
    await visit.context.setOffline(true);
    await visit.page.getByText('This device is offline').waitFor();
    await visit.context.setOffline(false);
    await visit.page.getByText('This device is offline').waitFor({ state: 'detached' });
  });

  test('installable: nothing the browser objects to', async () => {
    visit = await site().open(lively(Date.now()), '');
    const cdp = await visit.context.newCDPSession(visit.page);
    const { errors } = await cdp.send('Page.getAppManifest');
    expect(errors).toEqual([]);
    // A test context counts as a private window; that is the only thing Chromium may hold against it.
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    expect(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')).toEqual([]);
  });

  test('a clicked link and a shared text lead to the place where one pays; a secret does not get into an address', async () => {
    visit = await site().open(lively(Date.now()), '');
    const { page } = visit;
    const hash = () => page.evaluate(() => `${location.pathname}${location.search}${location.hash}`);
    for (const query of ['pay=bitcoin%3Abc1qx%3Famount%3D1', 'text=bitcoin%3Abc1qx%3Famount%3D1&title=']) {
      await page.goto(`${site().url}/?${query}`);
      await page.locator('[data-page-title]').waitFor();
      expect(await hash()).toBe('/#/send/bitcoin%3Abc1qx%3Famount%3D1');
    }
    await page.goto(`${site().url}/?text=${'legal+winner+thank+year+wave+sausage+'.repeat(2)}`);
    await page.getByText('This looks like recovery words').waitFor();
    expect(await hash()).toBe('/#/send');
  });

  const everywhere = [
    '',
    'node',
    'activity',
    'activity/7',
    'channels',
    `channels/${channelIds.ready}`,
    `channels/${channelIds.htlcs}`,
    `channels/${channelIds.opening}`,
    `channels/${channelIds.closing}`,
    'open',
    `close/${channelIds.htlcs}`,
    `force-close/${channelIds.htlcs}`,
    'send',
    `send/${invoice(Date.now(), 31)}`,
    `send/${invoice(Date.now(), 32, { amountMsat: 2_500_000n })}`,
    `send/${address}`,
    `send/${payee}`,
    'receive',
    `receive/${paymentIds.open}`,
    `receive/${paymentIds.partial}`,
    'payments',
    ...Object.values(paymentIds).map((id) => `payments/${id}`),
    'coins',
    'coins/receive',
    'peers',
    `peers/${peers.carol}`,
    'peers/connect',
    'settings',
    'settings/readiness',
    'settings/policy',
    'settings/relay',
    'settings/price',
    'settings/words',
    'notify',
  ];

  test('right to left: nothing sticks out on a phone', async () => {
    visit = await site().open(lively(Date.now()), '', phone);
    for (const path of everywhere) {
      await visit.page.goto(`${site().url}/#/${path}`);
      await visit.page.locator('[data-page-title]').waitFor();
      await visit.page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
      expect([path, await visit.page.evaluate(tooWide)]).toEqual([path, []]);
    }
  });

  test('words half as long again, as in German: nothing sticks out on a phone', async () => {
    visit = await site().open(lively(Date.now()), '', phone);
    for (const path of everywhere) {
      await visit.page.goto(`${site().url}/#/${path}`);
      await visit.page.locator('[data-page-title]').waitFor();
      await visit.page.evaluate(() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const node = walker.currentNode;
          // Letters at the end of the last word: German makes long words, not more of them.
          if (node.textContent?.trim()) node.textContent += 'ungen'.repeat(Math.ceil(node.textContent.trim().length / 10)).slice(0, 40);
        }
      });
      expect([path, await visit.page.evaluate(tooWide)]).toEqual([path, []]);
    }
  });

  test(`the first view with all its scripts is under ${FIRST_VIEW_BYTES} bytes`, () => {
    const html = readFileSync(`${site().folder}/index.html`, 'utf8');
    const files = [...html.matchAll(/(?:src|href)="(\/[^"]+\.(?:js|css|svg|webmanifest))"/g)].map(([, path = '']) =>
      readFileSync(site().folder + path),
    );
    expect(files.length).toBeGreaterThanOrEqual(4);
    const bytes = [Buffer.from(html), ...files].reduce((sum, file) => sum + gzipSync(file).length, 0);
    expect(bytes).toBeLessThan(FIRST_VIEW_BYTES);
  });
});
