/** Service workers of a Chromium, watched and handled from outside through the DevTools ServiceWorker domain. */
import type { CDPSession } from 'playwright-core';
import * as v from 'valibot';
import type { CdpSession } from './cdp.ts';
import { within } from './serve.ts';

const registration = v.object({ registrationId: v.string(), scopeURL: v.string(), isDeleted: v.boolean() });
const version = v.object({ versionId: v.string(), registrationId: v.string(), runningStatus: v.string(), status: v.string() });
const failure = v.object({ errorMessage: v.object({ errorMessage: v.string() }) });
export type WorkerRegistration = v.InferOutput<typeof registration>;
export type WorkerVersion = v.InferOutput<typeof version>;

export type Workers = {
  readonly registrations: () => readonly WorkerRegistration[];
  /** The activated version at this origin. */
  readonly active: (origin: string) => WorkerVersion | undefined;
  /** Resolves at once when it already holds. */
  readonly waitFor: (what: string, condition: () => boolean, ms?: number) => Promise<void>;
  /** Stops every worker and waits until the one at this origin has stopped. */
  readonly stopAll: (origin: string) => Promise<void>;
  readonly waitStopped: (origin: string, ms?: number) => Promise<void>;
  readonly start: (origin: string) => Promise<void>;
  /** A push event with this text, without a push service and without decryption. */
  readonly deliver: (origin: string, data: string) => Promise<void>;
  /** Uncaught errors of all workers so far. */
  readonly errors: readonly string[];
};

/** For Playwright's session of the same protocol. */
export const fromPlaywright = (session: CDPSession): CdpSession => ({
  send: (method, params = {}) => Reflect.apply(session.send, session, [method, params]),
  on: (method, listener) => void Reflect.apply(session.on, session, [method, listener]),
});

/** `session` belongs to any page of the browser, about:blank for one. */
export async function watchWorkers(session: CdpSession): Promise<Workers> {
  const registrations = new Map<string, WorkerRegistration>();
  const versions = new Map<string, WorkerVersion>();
  const errors: string[] = [];
  const checks = new Set<() => void>();
  const changed = () => {
    for (const check of checks) check();
  };

  session.on('ServiceWorker.workerRegistrationUpdated', (params) => {
    for (const one of v.parse(v.object({ registrations: v.array(registration) }), params).registrations) {
      if (one.isDeleted) registrations.delete(one.registrationId);
      else registrations.set(one.registrationId, one);
    }
    changed();
  });
  session.on('ServiceWorker.workerVersionUpdated', (params) => {
    for (const one of v.parse(v.object({ versions: v.array(version) }), params).versions) versions.set(one.versionId, one);
    changed();
  });
  session.on('ServiceWorker.workerErrorReported', (params) => errors.push(v.parse(failure, params).errorMessage.errorMessage));
  await session.send('ServiceWorker.enable');

  const at = (origin: string) => [...registrations.values()].find(({ scopeURL }) => new URL(scopeURL).origin === origin);
  const known = (origin: string) => {
    const found = at(origin);
    if (!found) throw new Error(`no service worker registered at ${origin}`);
    return found;
  };
  const active = (origin: string) =>
    [...versions.values()].find((one) => one.registrationId === at(origin)?.registrationId && one.status === 'activated');
  const waitFor = async (what: string, condition: () => boolean, ms = 10_000) => {
    let check = () => {};
    const met = new Promise<void>((resolve) => {
      check = () => condition() && resolve();
      checks.add(check);
      check();
    });
    await within(ms, what, met).finally(() => checks.delete(check));
  };
  const waitStopped = (origin: string, ms = 10_000) => waitFor('worker stopped', () => active(origin)?.runningStatus === 'stopped', ms);

  return {
    registrations: () => [...registrations.values()],
    active,
    waitFor,
    waitStopped,
    stopAll: async (origin) => {
      await waitFor('worker activated', () => active(origin) !== undefined);
      await session.send('ServiceWorker.stopAllWorkers');
      await waitStopped(origin);
    },
    start: async (origin) => {
      await session.send('ServiceWorker.startWorker', { scopeURL: known(origin).scopeURL });
      await waitFor('worker running', () => active(origin)?.runningStatus === 'running');
    },
    deliver: async (origin, data) => {
      await waitFor('worker registered', () => at(origin) !== undefined);
      await session.send('ServiceWorker.deliverPushMessage', { origin, registrationId: known(origin).registrationId, data });
    },
    errors,
  };
}
