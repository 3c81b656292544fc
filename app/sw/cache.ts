/** The shell works offline: every file of one build is kept under that build's name, and a new build comes whole or not at all. */
import shell, { version } from 'virtual:shell';
import { wasmUrl } from './curve.ts';

declare const self: ServiceWorkerGlobalScope;
const PREFIX = 'shell-';
const CACHE = `${PREFIX}${version}`;
const PAGE = '/index.html';

export async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  // Names with a hash may come from the browser's own cache; the others must be fresh.
  const files = shell.map(({ url, revision }) => new Request(url, { cache: revision === null ? 'default' : 'reload' }));
  await cache.addAll([wasmUrl, ...files]);
}

export async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

const known = new Set(shell.map(({ url }) => url));

/** Addresses of the app itself; those of files and of the relay's own answers are not. */
const isPage = (path: string): boolean => !/\.[a-z0-9]+$/i.test(path) && !/^\/(api|lab|health|metrics)\b/.test(path);

/** Undefined: not ours to answer. */
export function answer(request: Request): Promise<Response> | undefined {
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return undefined;
  const path = request.mode === 'navigate' && isPage(url.pathname) ? PAGE : url.pathname;
  if (!known.has(path)) return undefined;
  return caches.match(path, { cacheName: CACHE }).then((kept) => kept ?? fetch(request));
}
