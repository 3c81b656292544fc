/** Stock Firefox for push tests, driven over WebDriver BiDi; its own push code talks to the local service (autopush.ts). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser } from 'puppeteer-core';
import { findBrowser } from '../browsers.ts';

export type FirefoxOptions = {
  /** WebSocket address of the push service. */
  readonly pushUrl: string;
  /** A folder to keep; without it a fresh one, removed at the end. */
  readonly profile?: string;
  /** How long an idle service worker lives; Firefox's own default is 30 s. */
  readonly workerIdleMs?: number;
};
export type Firefox = { readonly browser: Browser; readonly stop: () => Promise<void> };

export async function openFirefox({ pushUrl, profile, workerIdleMs }: FirefoxOptions): Promise<Firefox> {
  const executablePath = findBrowser('firefox');
  if (executablePath === undefined) throw new Error('Firefox was not found: install it or set FIREFOX_BIN to its path');
  const folder = profile ?? (await mkdtemp(join(tmpdir(), 'beckon-firefox-')));
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    userDataDir: folder,
    extraPrefsFirefox: {
      'dom.push.serverURL': pushUrl,
      'dom.push.testing.allowInsecureServerURL': true,
      // Automation switches it off.
      'dom.push.connection.enabled': true,
      'dom.push.retryBaseInterval': 200,
      // Granted: a prompt would wait for ever.
      'permissions.default.desktop-notification': 1,
      // There is no desktop that could show them.
      'alerts.useSystemBackend': false,
      ...(workerIdleMs === undefined ? {} : { 'dom.serviceWorkers.idle_timeout': workerIdleMs }),
    },
  });
  return {
    browser,
    stop: async () => {
      await browser.close();
      if (profile === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
