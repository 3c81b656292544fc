/** The site of the service worker on LDK, and its cold starts one by one. */
import { createServer, type Server } from 'node:http';
import * as v from 'valibot';
import type { RawChromium } from '../push/chromium.ts';
import { listen, shut, within } from '../push/serve.ts';
import { ldkFiles } from './ldk.ts';

const done = v.object({ startedAtMs: v.number(), wasmAtMs: v.number(), keyAtMs: v.number(), keyBytes: v.literal(32), parts: v.number() });
/** `startMs`: push to the first line of its handler, the glue's own evaluation included. */
export type LdkStart = { readonly startMs: number; readonly wasmMs: number; readonly keyMs: number; readonly totalMs: number };
export type LdkSite = { readonly coldStart: () => Promise<LdkStart>; readonly stop: () => Promise<void> };

export async function startLdkSite(browser: RawChromium): Promise<LdkSite> {
  const { worker, wasm } = await ldkFiles();
  let tell: (text: string) => void = () => undefined;
  const server: Server = createServer((request, response) => {
    if (request.url === '/done') {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk;
      });
      request.on('end', () => {
        response.writeHead(204).end();
        tell(body);
      });
      return;
    }
    const cache = { 'cache-control': 'public, max-age=31536000, immutable' };
    if (request.url === '/worker.js') response.writeHead(200, { ...cache, 'content-type': 'text/javascript' }).end(worker);
    else if (request.url === '/liblightningjs.wasm') response.writeHead(200, { ...cache, 'content-type': 'application/wasm' }).end(wasm);
    else response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>LDK</title>');
  });
  const origin = `http://localhost:${await listen(server)}`;
  await browser.allowNotifications(origin);
  const page = await browser.open(origin);
  await page.evaluate(`navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => true)`);
  await page.close();

  return {
    async coldStart() {
      await browser.workers.stopAll(origin);
      const told = new Promise<string>((resolve) => {
        tell = resolve;
      });
      const fromMs = Date.now();
      await browser.workers.deliver(origin, '');
      const { startedAtMs, wasmAtMs, keyAtMs } = v.parse(done, JSON.parse(await within(30_000, 'an LDK start', told)));
      return { startMs: startedAtMs - fromMs, wasmMs: wasmAtMs - startedAtMs, keyMs: keyAtMs - wasmAtMs, totalMs: keyAtMs - fromMs };
    },
    stop: () => shut(server),
  };
}
