/**
 * Stock Chromium for push tests, in two ways: `openChromium` through Playwright, comfortable but it attaches to service workers and
 * so keeps them alive; `openRawChromium` through the bare protocol, where workers live and die as they do for a user.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';
import * as v from 'valibot';
import { findBrowser } from '../browsers.ts';
import { connectCdp } from './cdp.ts';
import { within } from './serve.ts';
import { fromPlaywright, type Workers, watchWorkers } from './workers.ts';

/** `flags`: of the push service (gcm.ts). `profile`: a folder to keep; without it a fresh one, removed at the end. */
export type ChromiumOptions = { readonly flags?: readonly string[]; readonly profile?: string };

/** What `getNotifications` of a registration shows. */
const notification = v.object({
  title: v.string(),
  body: v.string(),
  tag: v.string(),
  actions: v.array(v.object({ action: v.string(), title: v.string() })),
});
export type ShownNotification = v.InferOutput<typeof notification>;
const LIST_NOTIFICATIONS = `navigator.serviceWorker.getRegistration().then(async (registration) =>
  ((await registration?.getNotifications()) ?? []).map(({ title, body, tag, actions }) =>
    ({ title, body, tag, actions: actions.map(({ action, title }) => ({ action, title })) })))`;

const FLAGS = [
  '--headless=new',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // No test reaches beyond this machine.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

function executable(): string {
  const path = findBrowser('chromium');
  if (path === undefined) throw new Error('Chromium was not found: install it or set CHROMIUM_BIN to its path');
  return path;
}
const freshProfile = () => mkdtemp(join(tmpdir(), 'beckon-chromium-'));
const remove = (folder: string) => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

export type Chromium = {
  readonly context: BrowserContext;
  readonly workers: Workers;
  /** Until the browser stops. After a relaunch call it at once: a push that finds no permission ends the subscription. */
  readonly allowNotifications: (origin: string) => Promise<void>;
  /** Opens `path` of the origin for a moment: choose one that runs no code of the app. */
  readonly notifications: (origin: string, path?: string) => Promise<readonly ShownNotification[]>;
  readonly stop: () => Promise<void>;
};

export async function openChromium({ flags = [], profile }: ChromiumOptions = {}): Promise<Chromium> {
  const folder = profile ?? (await freshProfile());
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: executable(),
    // Playwright's own headless mode has no push; the flag brings the real one.
    headless: false,
    args: [...FLAGS, ...flags],
  });
  // A page of nobody's, so that every page of the app can be closed.
  const control = await context.newPage();
  const workers = await watchWorkers(fromPlaywright(await context.newCDPSession(control)));
  return {
    context,
    workers,
    allowNotifications: (origin) => context.grantPermissions(['notifications'], { origin }),
    notifications: async (origin, path = '/manifest.webmanifest') => {
      const page = await context.newPage();
      await page.goto(origin + path);
      const shown = v.parse(v.array(notification), await page.evaluate(LIST_NOTIFICATIONS));
      await page.close();
      return shown;
    },
    stop: async () => {
      await context.close();
      if (profile === undefined) await remove(folder);
    },
  };
}

export type RawPage = {
  /** An expression; a promise is awaited, the value comes back as JSON. */
  readonly evaluate: (expression: string) => Promise<unknown>;
  readonly close: () => Promise<void>;
};
export type RawChromium = {
  readonly workers: Workers;
  /** Until the browser stops. After a relaunch call it at once: a push that finds no permission ends the subscription. */
  readonly allowNotifications: (origin: string) => Promise<void>;
  /** Resolves when the page has loaded. */
  readonly open: (url: string) => Promise<RawPage>;
  readonly notifications: (origin: string, path?: string) => Promise<readonly ShownNotification[]>;
  /**
   * Runs the worker's `notificationclick` handlers for a shown notification to their end. The event is made by script (nothing else
   * can be had without a desktop), so `waitUntil` is given to it here, and it carries no user activation.
   */
  readonly clickNotification: (origin: string, which: { readonly tag: string; readonly action?: string }) => Promise<void>;
  readonly stop: () => Promise<void>;
};

const evaluated = v.object({
  result: v.object({ value: v.optional(v.unknown()) }),
  exceptionDetails: v.optional(v.object({ text: v.string(), exception: v.optional(v.object({ description: v.optional(v.string()) })) })),
});
const attached = v.object({ sessionId: v.string() });
const created = v.object({ targetId: v.string() });
const targets = v.object({ targetInfos: v.array(v.object({ targetId: v.string(), type: v.string(), url: v.string() })) });

const clickScript = (tag: string, action: string) => `(async () => {
  const [notification] = await registration.getNotifications({ tag: ${JSON.stringify(tag)} });
  if (!notification) throw new Error('no notification with this tag');
  const event = new NotificationEvent('notificationclick', { notification, action: ${JSON.stringify(action)} });
  const work = [];
  event.waitUntil = (promise) => work.push(promise);
  dispatchEvent(event);
  for (const promise of work) await promise;
})()`;

async function endpointOf(child: ChildProcess): Promise<string> {
  let said = '';
  const found = new Promise<string>((resolve, reject) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk;
      const url = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`Chromium ended with ${code}: ${said.slice(-2000)}`)));
    child.once('error', reject);
  });
  return within(20_000, 'Chromium start', found);
}

export async function openRawChromium({ flags = [], profile }: ChromiumOptions = {}): Promise<RawChromium> {
  const folder = profile ?? (await freshProfile());
  const args = [...FLAGS, ...flags, '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank'];
  const child = spawn(executable(), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  const cdp = await connectCdp(await endpointOf(child));

  const attach = async (targetId: string) => {
    const { sessionId } = v.parse(attached, await cdp.send('Target.attachToTarget', { targetId, flatten: true }));
    const session = cdp.session(sessionId);
    const evaluate = async (expression: string) => {
      // As if a person had tapped: some calls of a page are allowed only then.
      const params = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
      const { result, exceptionDetails } = v.parse(evaluated, await session.send('Runtime.evaluate', params));
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    return { session, evaluate, detach: () => cdp.send('Target.detachFromTarget', { sessionId }) };
  };
  const blank = async () => {
    const { targetId } = v.parse(created, await cdp.send('Target.createTarget', { url: 'about:blank' }));
    return { targetId, ...(await attach(targetId)) };
  };
  const open = async (url: string): Promise<RawPage> => {
    const { targetId, session, evaluate } = await blank();
    const loaded = new Promise((resolve) => session.on('Page.loadEventFired', resolve));
    await session.send('Page.enable');
    await session.send('Page.navigate', { url });
    await within(10_000, `load ${url}`, loaded);
    return { evaluate, close: async () => void (await cdp.send('Target.closeTarget', { targetId })) };
  };
  const workers = await watchWorkers((await blank()).session);

  return {
    workers,
    open,
    allowNotifications: async (origin) => {
      await cdp.send('Browser.grantPermissions', { permissions: ['notifications'], origin });
    },
    notifications: async (origin, path = '/manifest.webmanifest') => {
      const page = await open(origin + path);
      const shown = v.parse(v.array(notification), await page.evaluate(LIST_NOTIFICATIONS));
      await page.close();
      return shown;
    },
    clickNotification: async (origin, { tag, action = '' }) => {
      await workers.start(origin);
      const { targetInfos } = v.parse(targets, await cdp.send('Target.getTargets'));
      const worker = targetInfos.find(({ type, url }) => type === 'service_worker' && new URL(url).origin === origin);
      if (!worker) throw new Error(`no running service worker at ${origin}`);
      const { evaluate, detach } = await attach(worker.targetId);
      await evaluate(clickScript(tag, action)).finally(detach);
    },
    stop: async () => {
      await cdp.send('Browser.close').catch(() => child.kill());
      await within(10_000, 'Chromium end', exited).catch(() => child.kill('SIGKILL'));
      await exited;
      cdp.close();
      if (profile === undefined) await remove(folder);
    },
  };
}
