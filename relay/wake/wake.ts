/**
 * The wake module as the API and the keeper see it (`WakeModule` of ports.ts): subscriptions, the decision, the push itself,
 * alarms, and the app's signed receipts, put together.
 */
import { randomBytes } from 'node:crypto';
import { toBase64Url } from '../../shared/lib/bytes.ts';
import { err, ok } from '../../shared/lib/result.ts';
import type { Logger, Metrics, Store, WakeModule, WakeSource } from '../ports.ts';
import type { Timers } from '../timers.ts';
import { createAlarms } from './alarms.ts';
import { createHistory } from './history.ts';
import { composePayload } from './payload.ts';
import type { Post } from './post.ts';
import { createSender, defaultSenderLimits, type SenderLimits } from './sender.ts';
import { createSubscriptions, type Device } from './subscriptions.ts';
import { loadVapidKeys } from './vapid.ts';
import { createWaker, defaultWakerLimits, type WakerLimits, type Wakeup } from './waker.ts';

export type WakeConfig = {
  /** RFC 8292 `sub`: `mailto:` or `https:` of the operator. Apple refuses a push without a plausible one. */
  readonly pushSubject: string;
  /** Push services besides the known ones: `host`, `.suffix`, each with `:port` where it is not 443. */
  readonly pushHosts: readonly string[];
  readonly maxDevices: number;
  readonly keepWakes: number;
  readonly waker: WakerLimits;
  readonly sender: SenderLimits;
};
export const defaultWakeConfig: WakeConfig = {
  pushSubject: 'mailto:operator@localhost.invalid',
  pushHosts: [],
  maxDevices: 8,
  keepWakes: 200,
  waker: defaultWakerLimits,
  sender: defaultSenderLimits,
};
export type WakeParts = {
  readonly store: Store;
  readonly source: WakeSource;
  readonly post: Post;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly config: WakeConfig;
};
/** `answered` is for the API: call it at the start of every `sync` and when a WebSocket says hello. */
export type Wakes = WakeModule & { readonly answered: (account: string) => void };

export function createWake({ store, source, post, timers, logger, metrics, config }: WakeParts): Wakes {
  const vapid = loadVapidKeys(store);
  const sender = createSender({ vapid, subject: config.pushSubject, post, timers, limits: config.sender });
  const subscriptions = createSubscriptions(store, config.pushHosts, config.maxDevices);
  const history = createHistory(store, config.keepWakes);
  const inFlight = new Set<Promise<void>>();
  const stopping = new AbortController();

  /** One wake to every device. Undefined when there is none. */
  const launch = (account: string, wakeId: string, wakeup: Wakeup, signal: AbortSignal): Promise<void> | undefined => {
    const devices = subscriptions.list(account);
    if (devices.length === 0) {
      metrics.count('beckon_wakes_total', 'no-subscription');
      return undefined;
    }
    const sentAtMs = timers.nowMs();
    const { payload, slim } = composePayload({ wakeId, reason: wakeup.reason, sentAtMs }, wakeup.waiting);
    const toDevice = async (device: Device): Promise<void> => {
      history.sending(account, { wakeId, device: device.device, reason: wakeup.reason, sentAtMs });
      const push = { payload, slim, urgency: wakeup.urgency, deadlineMs: wakeup.deadlineMs };
      const outcome = await sender.send(device, push, signal);
      history.settled(wakeId, device.device, outcome.tag);
      metrics.count('beckon_wakes_total', outcome.tag === 'failed' ? `failed-${outcome.why}` : outcome.tag);
      metrics.observe('beckon_push_ms', timers.nowMs() - sentAtMs);
      if (outcome.tag === 'sent') subscriptions.succeeded(account, device.device);
      if (outcome.tag === 'gone') subscriptions.gone(account, device);
      if (outcome.tag === 'failed') subscriptions.failed(account, device.device, outcome.notBeforeMs ?? 0);
      const pushService = new URL(device.endpoint).host;
      const facts = { account, wakeId, device: device.device, reason: wakeup.reason, pushService, outcome };
      if (outcome.tag === 'failed') logger.warn(facts, 'a push failed');
      else logger.info(facts, 'a push ended');
    };
    const done = Promise.all(devices.map(toDevice)).then(() => {});
    inFlight.add(done);
    return done.finally(() => inFlight.delete(done));
  };

  const waker = createWaker(source, timers, (account, wakeup, signal) => launch(account, newWakeId(), wakeup, signal), config.waker);
  const alarms = createAlarms(store, timers, (account) => {
    // Who is attached gets no push, and has no clock of its own for what the app has put off.
    source.nudge(account);
    waker.notify(account, 'deadline', { urgency: 'high' });
  });

  return {
    notify: waker.notify,
    withheld: waker.withheld,
    answered: waker.answered,
    publicKey: () => vapid.publicKey,
    subscribe: async (account, request) => subscriptions.add(account, request, timers.nowMs()),
    unsubscribe: subscriptions.remove,
    test: async (account) => {
      const wakeId = newWakeId();
      const deadlineMs = timers.nowMs() + config.waker.lifetimeMs.test;
      const wakeup: Wakeup = { reason: 'test', urgency: 'high', deadlineMs, waiting: { frames: [], sessions: [] } };
      const started = launch(account, wakeId, wakeup, stopping.signal);
      return started === undefined ? err({ code: 'no-subscription', message: 'no device of this account takes pushes' }) : ok({ wakeId });
    },
    setAlarms: alarms.set,
    reached: alarms.reached,
    receipts: (account, receipts) => {
      for (const receipt of receipts) {
        const verdict = history.receipt(account, receipt, timers.nowMs());
        metrics.count('beckon_wake_receipts_total', verdict.tag);
        if (verdict.tag === 'accepted') {
          metrics.observe('beckon_wake_ms', verdict.latencyMs);
          waker.answered(account);
        }
        if (verdict.tag === 'forged') logger.warn({ account, wakeId: receipt.wakeId }, 'a wake receipt with a wrong signature');
      }
    },
    stop: async () => {
      waker.stop();
      alarms.stop();
      stopping.abort();
      await Promise.allSettled(inFlight);
    },
  };
}

const newWakeId = (): string => toBase64Url(randomBytes(16));
