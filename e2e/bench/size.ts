/** What crosses the network before the app can do its work, gzip -9: the worker that signs, the first page, and LDK beside them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parseConfig } from '../../relay/config.ts';
import { startRelay } from '../../relay/server.ts';
import { findBrowser } from '../browsers.ts';
import { buildIfStale } from '../lab/dist.ts';
import { openChromium } from '../push/chromium.ts';
import { ldkFiles } from './ldk.ts';
import type { Bench, Figure, Options } from './report.ts';

const ROOT = join(import.meta.dirname, '../..');
const WORKER_LIMIT_KB = 140;
const PAGE_LIMIT_KB = 200;

type Loaded = { readonly what: string; readonly bytes: number; readonly gzip: number };
const weigh = (what: string, bytes: Uint8Array): Loaded => ({ what, bytes: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length });
const sum = (files: readonly Loaded[], what: string): Loaded => ({
  what,
  bytes: files.reduce((total, file) => total + file.bytes, 0),
  gzip: files.reduce((total, file) => total + file.gzip, 0),
});

/** Every file that one view of `/` asks for in a browser that was never here. What the worker fetches for offline use is not of the page. */
async function firstView(): Promise<readonly Loaded[]> {
  const config = parseConfig({ port: 0, dataFolder: null, logLevel: 'silent', appFolder: join(ROOT, 'dist/app') });
  if (!config.ok) throw new Error(config.error.problems.join('\n'));
  const relay = await startRelay(config.value);
  const browser = await openChromium();
  try {
    const origin = `http://localhost:${relay.port}`;
    const page = await browser.context.newPage();
    const bodies: Promise<Loaded | undefined>[] = [];
    page.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (response.request().serviceWorker() !== null || pathname.startsWith('/api/')) return;
      bodies.push(
        response.body().then(
          (body) => weigh(pathname, body),
          () => undefined,
        ),
      );
    });
    await page.goto(origin, { waitUntil: 'networkidle' });
    const loaded = (await Promise.all(bodies)).filter((file) => file !== undefined);
    return [...new Map(loaded.map((file) => [file.what, file])).values()];
  } finally {
    await browser.stop();
    await relay.stop();
  }
}

export async function size({ tell }: Options): ReturnType<Bench> {
  await buildIfStale(ROOT, tell);
  const worker = weigh('worker that signs (sw.js)', await readFile(join(ROOT, 'dist/app/sw.js')));
  const ldk = await ldkFiles();
  const theirs = sum([weigh('', ldk.wasm), weigh('', ldk.worker)], 'LDK: wasm and bundled glue');
  const files = findBrowser('chromium') === undefined ? undefined : await firstView();
  const page = files && sum(files, `first view of the page, ${files.length} files`);
  const rows = [worker, ...(page ? [page] : []), theirs];

  const most = (value: number) => ({ limit: { at: 'most', value } }) as const;
  const figures: Figure[] = [
    { name: 'worker, gzip', value: worker.gzip / 1000, unit: 'kB', ...most(WORKER_LIMIT_KB) },
    ...(page ? [{ name: 'first page view, gzip', value: page.gzip / 1000, unit: 'kB', ...most(PAGE_LIMIT_KB) }] : []),
    { name: 'LDK, gzip', value: theirs.gzip / 1000, unit: 'kB' },
    { name: 'LDK over our worker', value: theirs.gzip / worker.gzip, unit: '×' },
  ];
  const kb = (bytes: number) => (bytes / 1000).toFixed(1);
  const line = ({ what, bytes, gzip }: Loaded) => [what, kb(bytes), kb(gzip)];
  return {
    name: 'size',
    tables: [
      { title: 'Size', columns: ['', 'kB', 'gzip kB'], rows: rows.map(line) },
      ...(files ? [{ title: 'First page view', columns: ['file', 'kB', 'gzip kB'], rows: files.map(line) }] : []),
    ],
    figures,
  };
}
