/**
 * Finds the browsers that the tests drive, or gets them: Playwright's own download, else (root on Debian) apt.
 * What cannot be had is said once, in words that help; the tests that need it then skip with that reason, and fail in CI.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

export type BrowserName = 'chromium' | 'firefox';
type Found = { readonly path?: string; readonly reason?: string };

const places: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/snap/bin/chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  ],
  firefox: [
    '/usr/bin/firefox-esr',
    '/usr/bin/firefox',
    '/snap/bin/firefox',
    '/Applications/Firefox.app/Contents/MacOS/firefox',
    'C:\\Program Files\\Mozilla Firefox\\firefox.exe',
  ],
};
const variable: Readonly<Record<BrowserName, string>> = { chromium: 'CHROMIUM_BIN', firefox: 'FIREFOX_BIN' };
const debian: Readonly<Record<BrowserName, string>> = { chromium: 'chromium', firefox: 'firefox-esr' };

/** An executable that is there now; nothing is fetched. */
export function findBrowser(name: BrowserName): string | undefined {
  const named = process.env[variable[name]];
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  const place = places[name].find((path) => existsSync(path));
  if (place !== undefined || name === 'firefox') return place;
  const own = chromium.executablePath();
  return existsSync(own) ? own : undefined;
}

const isDebianRoot = (): boolean => process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');

function fetchBrowser(name: BrowserName): void {
  if (isDebianRoot()) {
    spawnSync('apt-get', ['update', '-qq'], { stdio: 'inherit' });
    const options = ['install', '-y', '-qq', '--no-install-recommends', debian[name]];
    spawnSync('apt-get', options, { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  } else if (name === 'chromium') {
    spawnSync('npx', ['playwright-core', 'install', 'chromium'], { stdio: 'inherit', shell: process.platform === 'win32' });
  }
}

/** Finds or gets a browser and puts its path into the environment for the tests that run after. */
export function ensureBrowser(name: BrowserName): Found {
  if (findBrowser(name) === undefined) {
    console.log(`${name} is not here; getting it …`);
    fetchBrowser(name);
  }
  const path = findBrowser(name);
  if (path !== undefined) {
    process.env[variable[name]] = path;
    return { path };
  }
  return { reason: `${name} was not found: install it (Debian: apt-get install ${debian[name]}) or set ${variable[name]} to its path` };
}
