/** The built worker in a real browser: it opens the faster curve from its cache, under the relay's own headers, and needs none of it. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page, Worker } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Api, ApiName, ApiResult } from '../../app/runtime/api.ts';
import { parseConfig } from '../../relay/config.ts';
import { startRelay } from '../../relay/server.ts';
import { walletKeyFromSeed } from '../../shared/ln/keys/seed.ts';
import { findBrowser } from '../browsers.ts';
import { buildIfStale } from '../lab/dist.ts';
import { callScript } from '../lab/hands.ts';
import { type Chromium, openChromium } from '../push/chromium.ts';
import { needsBrowser } from '../push/needs.ts';

const ROOT = join(import.meta.dirname, '../..');
const wallet = {
  entropy: '00'.repeat(16),
  walletKey: Buffer.from(walletKeyFromSeed(new Uint8Array(64).fill(1), 1)).toString('hex'),
  network: 'regtest',
  restore: false,
};
/** Counts in `opened` what the worker instantiates. */
const COUNTED = `self.opened = 0;
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...args) => { const made = await instantiate(...args); self.opened += 1; return made; };\n`;
const BARRED = 'self.WebAssembly = undefined;\n';

let browser: Chromium;
let folder: string;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  if (findBrowser('chromium') === undefined) return;
  await buildIfStale(ROOT, () => undefined);
  folder = await mkdtemp(join(tmpdir(), 'beckon-curve-'));
  stops.push(() => rm(folder, { recursive: true, force: true }));
  browser = await openChromium();
  stops.push(browser.stop);
}, 90_000);
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

/** The app as it was built, with `prelude` before the worker's script, on an origin of its own. */
async function open(prelude: string): Promise<{ readonly page: Page; readonly worker: Worker }> {
  const appFolder = await mkdtemp(join(folder, 'app-'));
  await cp(join(ROOT, 'dist/app'), appFolder, { recursive: true });
  const script = join(appFolder, 'sw.js');
  await writeFile(script, prelude + (await readFile(script, 'utf8')));
  const config = parseConfig({ port: 0, dataFolder: null, logLevel: 'silent', network: 'regtest', appFolder });
  if (!config.ok) throw new Error(config.error.problems.join('\n'));
  const relay = await startRelay(config.value);
  stops.push(relay.stop);
  const page = await browser.context.newPage();
  const origin = `http://localhost:${relay.port}`;
  const started = browser.context.waitForEvent('serviceworker', (worker) => worker.url().startsWith(origin));
  await page.goto(origin);
  const worker = await started;
  await page.evaluate('navigator.serviceWorker.ready.then(() => undefined)');
  return { page, worker };
}
async function call<N extends ApiName>(page: Page, name: N, arg: Api[N][0]): Promise<Api[N][1]> {
  const answer = (await page.evaluate(callScript(name, arg))) as ApiResult<N>;
  if (!answer.ok) throw new Error(`${name}: ${answer.error.code}`);
  return answer.value;
}
const EMPTY_MODULE = 'WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)).then(() => true, () => false)';

test('the worker opens libsecp256k1 once, and the node is the same without it', async ({ skip }) => {
  needsBrowser('chromium', skip);
  const fast = await open(COUNTED);
  const slow = await open(BARRED);
  for (const { page } of [fast, slow]) await call(page, 'create-wallet', wallet);
  const [one, other] = [await call(fast.page, 'snapshot', null), await call(slow.page, 'snapshot', null)];
  expect(one.nodeId).toMatch(/^0[23][0-9a-f]{64}$/);
  expect(other.nodeId).toBe(one.nodeId);
  expect(await fast.worker.evaluate('self.opened')).toBe(1);
  expect(await slow.worker.evaluate('typeof WebAssembly')).toBe('undefined');
}, 60_000);

test('WebAssembly is for the worker alone', async ({ skip }) => {
  needsBrowser('chromium', skip);
  const { page, worker } = await open('');
  expect(await worker.evaluate(EMPTY_MODULE)).toBe(true);
  expect(await page.evaluate(EMPTY_MODULE)).toBe(false);
}, 60_000);
