/** The built page behind the relay's own headers, with a fake worker at `/sw.js`; and a browser to look at it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { appFiles, securityHeaders } from '../../relay/api/app.ts';
import { page as pageConfig } from '../../vite.config.ts';
import { findBrowser } from '../browsers.ts';
import { type FakeOptions, fakeWorker } from './fake-worker.ts';
import { type Fixture, peers } from './fixtures.ts';

export type Site = {
  readonly url: string;
  readonly folder: string;
  readonly browser: Browser;
  /** What the lab's control API was asked, `path body`. */
  readonly labCalls: string[];
  open(fixture: Fixture, path: string, options?: VisitOptions): Promise<Visit>;
  /** From now on `/sw.js` is another version. */
  newVersion(build: number): void;
  close(): Promise<void>;
};
/** `before` runs in the page before any of its scripts. */
export type VisitOptions = BrowserContextOptions & { readonly lab?: boolean; readonly before?: () => void };
export type Visit = { readonly context: BrowserContext; readonly page: Page; readonly mistakes: string[] };

const { alice } = peers;
/** Why the browser tests cannot run here; the runner prints it. */
export const noBrowser = findBrowser('chromium') === undefined ? 'no Chromium found; set CHROMIUM_BIN to one' : undefined;

export async function startSite(): Promise<Site> {
  const executablePath = findBrowser('chromium');
  if (executablePath === undefined) throw new Error('no Chromium');
  const folder = mkdtempSync(join(tmpdir(), 'beckon-page-'));
  // As users get it: under the test runner's own setting Svelte would bring its checks for developers along.
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV = 'production';
  await build({ ...pageConfig, logLevel: 'error', build: { ...pageConfig.build, outDir: folder } });
  process.env.NODE_ENV = NODE_ENV;

  let fixture: Fixture | undefined;
  let version: FakeOptions = {};
  let world: object | undefined;
  const labCalls: string[] = [];
  const app = express();
  app.use(securityHeaders([]));
  app.get(
    '/sw.js',
    (_request, response) => void response.type('text/javascript').send(fixture === undefined ? '' : fakeWorker(fixture, version)),
  );
  app.get('/world.json', (_request, response) => void (world === undefined ? response.status(404).end() : response.json(world)));
  app.get(
    '/lab/info',
    (_request, response) => void response.json({ peers: [{ alias: 'Alice', id: alice, host: '127.0.0.1', port: 19_735 }] }),
  );
  app.post('/lab/:what', express.json(), (request, response) => {
    labCalls.push(`${request.params.what} ${JSON.stringify(request.body)}`);
    // As the real one: at first Alice has not noticed the connection.
    const early = request.params.what === 'open' && labCalls.filter((call) => call.startsWith('open')).length === 1;
    response.status(early ? 409 : 200).json(early ? { error: { code: 'not-connected', message: 'connect first' } } : {});
  });
  app.use(appFiles(folder));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });

  return {
    url,
    folder,
    browser,
    labCalls,
    newVersion(build) {
      version = { build, waits: true };
    },
    async open(next, path, { lab = false, before, ...options } = {}) {
      fixture = next;
      version = {};
      world = lab ? { network: 'regtest', lab: '/lab' } : undefined;
      const context = await browser.newContext({ permissions: ['notifications', 'clipboard-read', 'clipboard-write'], ...options });
      context.setDefaultTimeout(12_000);
      if (before) await context.addInitScript(before);
      const page = await context.newPage();
      const mistakes: string[] = [];
      page.on('pageerror', (error) => mistakes.push(String(error)));
      page.on('console', (message) => {
        // A 404 of world.json is the ordinary case, and the browser reports every 404.
        if (message.type() === 'error' && !message.location().url.endsWith('/world.json')) mistakes.push(message.text());
      });
      await page.goto(`${url}/#/${path}`);
      await page.locator('[data-page-title]').first().waitFor();
      return { context, page, mistakes };
    },
    async close() {
      await browser.close();
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What sticks out of the window at the side, as words that find it. */
export function tooWide(): string[] {
  const { clientWidth } = document.documentElement;
  const out = [...document.querySelectorAll('body *')].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > clientWidth + 1 || box.left < -1) && !element.closest('.visually-hidden, .skip');
  });
  const scrolls = document.documentElement.scrollWidth > clientWidth;
  return scrolls || out.length > 0
    ? out.slice(0, 5).map((element) => `${element.tagName}.${element.className}: ${element.textContent?.trim().slice(0, 60)}`)
    : [];
}
