import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { getPublicKey, hashes, sign, utils } from '@noble/secp256k1';
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { wakeReceiptDigest } from '../../shared/protocol/digests.ts';
import type { Frame, WakePayload, WakeReceipt } from '../../shared/protocol/session.ts';
import type { Metrics, Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import { fakeTimers } from '../timers.ts';
import { composePayload } from './payload.ts';
import type { PushRequest, PushResponse } from './post.ts';
import { maxPlaintextBytes } from './sender.ts';
import { deviceKeys } from './testing.ts';
import { createWake, defaultWakeConfig } from './wake.ts';

hashes.sha256 = sha256;
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

const secretKey = utils.randomSecretKey();
const account = toHex(getPublicKey(secretKey));
const frameOf = (n: number, bytes = 'AAAA'): Frame => ({ session: 's', epoch: 1, n, bytes });
const stores: Store[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) store.close();
});

function world(options: { readonly store?: Store; readonly timers?: ReturnType<typeof fakeTimers> } = {}) {
  const store = options.store ?? openStore(null);
  if (options.store === undefined) stores.push(store);
  const timers = options.timers ?? fakeTimers();
  const requests: PushRequest[] = [];
  const counted: string[] = [];
  const observed: [string, number][] = [];
  const metrics: Metrics = {
    count: (name, label) => counted.push(`${name}/${label}`),
    observe: (name, value) => observed.push([name, value]),
    gauge: () => {},
  };
  const nudged: string[] = [];
  const state = { attached: false, frames: [] as readonly Frame[], answer: { status: 201, retryAfter: undefined } as PushResponse };
  const silent = () => {};
  const wake = createWake({
    store,
    timers,
    metrics,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    source: {
      attached: () => state.attached,
      pendingFor: () => ({ frames: state.frames, sessions: [] }),
      nudge: (account) => void nudged.push(account),
    },
    post: async (request) => {
      requests.push(request);
      return state.answer;
    },
    config: { ...defaultWakeConfig, maxDevices: 2 },
  });
  const keys = deviceKeys();
  const subscribe = (device = 'phone', path = device, who = account) =>
    wake.subscribe(who, { device, endpoint: `https://fcm.googleapis.com/fcm/send/${path}`, keys: keys.subscription });
  const opened = (): WakePayload[] => requests.map((request) => JSON.parse(keys.open(request.body)));
  return { store, timers, requests, counted, observed, state, nudged, wake, subscribe, opened };
}

function receiptFor(wakeId: string, change: Partial<WakeReceipt> = {}): WakeReceipt {
  const body = { wakeId, reason: 'message', result: 'done' as const, ms: 140 };
  return {
    ...body,
    signature: toHex(sign(wakeReceiptDigest(wakeId, body.reason, body.result, body.ms), secretKey, { prehash: false })),
    ...change,
  };
}

describe('subscriptions', () => {
  it('an endpoint that is no push service is refused by name', async () => {
    const { wake, requests, timers } = world();
    const keys = deviceKeys().subscription;
    const refused = await wake.subscribe(account, { device: 'phone', endpoint: 'https://169.254.169.254/x', keys });
    expect(refused).toMatchObject({ ok: false, error: { code: 'push-endpoint-refused' } });
    expect(await wake.test(account)).toMatchObject({ ok: false, error: { code: 'no-subscription' } });
    await timers.advance(1000);
    expect(requests).toHaveLength(0);
  });

  it.each([
    ['a point that is not on the curve', { p256dh: `B${'A'.repeat(86)}`, auth: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    ['a secret of the wrong length', { ...deviceKeys().subscription, auth: 'AAAA' }],
    ['text that is not base64', { p256dh: '***', auth: '***' }],
  ])('%s is a bad request', async (_, keys) => {
    const { wake } = world();
    const refused = await wake.subscribe(account, { device: 'phone', endpoint: 'https://fcm.googleapis.com/x', keys });
    expect(refused).toMatchObject({ ok: false, error: { code: 'bad-request' } });
  });

  it('one per device, the newest devices up to the limit', async () => {
    const { wake, subscribe, requests, timers } = world();
    await subscribe('phone', 'old');
    await subscribe('phone', 'new');
    await wake.test(account);
    await timers.advance(0);
    expect(requests.map((request) => request.url.pathname)).toEqual(['/fcm/send/new']);
    for (const device of ['desk', 'tablet']) {
      await timers.advance(1000);
      await subscribe(device);
    }
    await wake.test(account);
    await timers.advance(0);
    expect(requests.slice(1).map((request) => request.url.pathname)).toEqual(['/fcm/send/desk', '/fcm/send/tablet']);
    wake.unsubscribe(account, 'desk');
    await wake.test(account);
    await timers.advance(0);
    expect(requests.slice(3).map((request) => request.url.pathname)).toEqual(['/fcm/send/tablet']);
  });

  it('410 forgets the device, 503 does not', async () => {
    const { wake, subscribe, requests, timers, state } = world();
    await subscribe();
    state.answer = { status: 503, retryAfter: '86400' };
    await wake.test(account);
    await timers.advance(200_000);
    expect(requests).toHaveLength(1);
    await timers.advance(86_400_000);
    state.answer = { status: 410, retryAfter: undefined };
    await wake.test(account);
    await timers.advance(0);
    expect(requests).toHaveLength(2);
    expect(await wake.test(account)).toMatchObject({ error: { code: 'no-subscription' } });
  });

  it('the VAPID key outlives a restart', () => {
    const { store, wake } = world();
    const again = world({ store });
    expect(again.wake.publicKey()).toBe(wake.publicKey());
    expect(wake.publicKey()).toMatch(/^[\w-]{87}$/);
    expect(world().wake.publicKey()).not.toBe(wake.publicKey());
  });
});

describe('a wake', () => {
  it('carries the waiting frames to the device, sealed', async () => {
    const { wake, subscribe, timers, state, opened } = world();
    await subscribe();
    state.frames = [frameOf(1), frameOf(2)];
    wake.notify(account, 'message', { urgency: 'high', deadlineMs: timers.nowMs() + 60_000 });
    await timers.advance(100);
    expect(opened()).toMatchObject([{ v: 1, reason: 'message', frames: [frameOf(1), frameOf(2)] }]);
  });

  it('test goes out even when a client is attached, and names its wake', async () => {
    const { wake, subscribe, timers, state, opened } = world();
    await subscribe();
    state.attached = true;
    const started = await wake.test(account);
    await timers.advance(0);
    expect(opened()).toMatchObject([{ reason: 'test', wakeId: started.ok ? started.value.wakeId : '' }]);
  });

  it('an alarm makes whoever is attached look again, and then needs no push', async () => {
    const { wake, subscribe, timers, state, requests, nudged } = world();
    await subscribe();
    state.attached = true;
    wake.setAlarms(account, [{ id: 'parts', atMs: timers.nowMs() + 60_000, reason: 'deadline' }]);
    await timers.advance(59_999);
    expect(nudged).toEqual([]);
    await timers.advance(60_000);
    expect([nudged, requests.length]).toEqual([[account], 0]);
  });

  it('an alarm rings at its time, once', async () => {
    const { wake, subscribe, timers, opened, requests } = world();
    await subscribe();
    wake.setAlarms(account, [{ id: 'htlc-1', atMs: timers.nowMs() + 3_600_000, reason: 'htlc' }]);
    await timers.advance(3_599_999);
    expect(requests).toHaveLength(0);
    await timers.advance(1000);
    expect(opened()).toMatchObject([{ reason: 'deadline' }]);
    expect(requests[0]?.headers.Urgency).toBe('high');
    await timers.advance(86_400_000);
    expect(requests).toHaveLength(1);
  });

  it('a list of alarms replaces the one before, and what has passed already does not ring', async () => {
    const { wake, subscribe, timers, requests } = world();
    await subscribe();
    const atMs = timers.nowMs() + 10_000;
    wake.setAlarms(account, [{ id: 'a', atMs, reason: 'x' }]);
    wake.setAlarms(account, [{ id: 'b', atMs: timers.nowMs() - 1, reason: 'x' }]);
    await timers.advance(60_000);
    expect(requests).toHaveLength(0);
  });

  it('an alarm outlives a restart, and one that fell due meanwhile rings at the start', async () => {
    const first = world();
    await first.subscribe();
    first.wake.setAlarms(account, [{ id: 'a', atMs: first.timers.nowMs() + 10_000, reason: 'x' }]);
    await first.wake.stop();
    await first.timers.advance(60_000);
    expect(first.requests).toHaveLength(0);
    const second = world({ store: first.store, timers: first.timers });
    await second.timers.advance(1000);
    expect(second.requests).toHaveLength(1);
  });

  it('an alarm of a height rings when the chain is there, once, and is told of before', async () => {
    const { wake, subscribe, timers, opened, requests } = world();
    await subscribe();
    wake.setAlarms(account, [{ id: 'h', atHeight: 100, reason: 'htlc' }]);
    const told: unknown[] = [];
    wake.reached(99, (due) => told.push(due));
    await timers.advance(1000);
    expect([told, requests]).toEqual([[], []]);
    // Two blocks at once.
    wake.reached(101, (due) => told.push(due));
    wake.reached(102, (due) => told.push(due));
    await timers.advance(1000);
    expect(told).toEqual([{ account, id: 'h' }]);
    expect(opened()).toMatchObject([{ reason: 'deadline' }]);
  });

  it('a height that has passed is news to the app, but the same list sent again does not ring again', async () => {
    const { wake } = world();
    const told: string[] = [];
    const look = (height: number) => wake.reached(height, ({ id }) => told.push(id));
    const list = [{ id: 'h', atHeight: 100, reason: 'x' }];
    wake.setAlarms(account, list);
    look(100);
    wake.setAlarms(account, list);
    look(100);
    expect(told).toEqual(['h']);
    wake.setAlarms(account, [{ id: 'h', atHeight: 99, reason: 'x' }]);
    look(100);
    expect(told, 'another height').toEqual(['h', 'h']);
    wake.setAlarms(account, []);
    wake.setAlarms(account, [{ id: 'h', atHeight: 103, reason: 'x' }]);
    wake.setAlarms(account, []);
    look(103);
    expect(told, 'taken off the list').toEqual(['h', 'h']);
  });

  it('alarms of hours and of heights are one list', async () => {
    const { wake, subscribe, timers, requests } = world();
    await subscribe();
    const told: string[] = [];
    wake.setAlarms(account, [
      { id: 'h', atHeight: 7, reason: 'x' },
      { id: 't', atMs: timers.nowMs() + 10_000, reason: 'x' },
    ]);
    wake.setAlarms(account, [{ id: 'h', atHeight: 7, reason: 'x' }]);
    await timers.advance(60_000);
    expect(requests).toHaveLength(0);
    wake.reached(7, ({ id }) => told.push(id));
    expect(told).toEqual(['h']);
  });

  it('an event that cannot be written: the alarm has not rung, and does at the next look', () => {
    const { wake } = world();
    wake.setAlarms(account, [{ id: 'h', atHeight: 5, reason: 'x' }]);
    expect(() =>
      wake.reached(5, () => {
        throw new Error('disk full');
      }),
    ).toThrow('disk full');
    const told: string[] = [];
    wake.reached(5, ({ id }) => told.push(id));
    expect(told).toEqual(['h']);
  });

  it('stop ends the retries and waits for them', async () => {
    const { wake, subscribe, timers, state, requests } = world();
    await subscribe();
    state.answer = { status: 503, retryAfter: '5' };
    await wake.test(account);
    await timers.advance(0);
    await wake.stop();
    await timers.advance(60_000);
    expect(requests).toHaveLength(1);
    expect(timers.waiting()).toBe(0);
  });
});

describe('receipts', () => {
  async function woken() {
    const made = world();
    await made.subscribe();
    made.state.frames = [frameOf(1)];
    made.wake.notify(account, 'message', { urgency: 'high' });
    await made.timers.advance(10);
    const wakeId = made.opened()[0]?.wakeId ?? '';
    return { ...made, wakeId };
  }

  it('a signed receipt closes the wake, measures it, and lets the next one through', async () => {
    const { wake, wakeId, timers, counted, observed, requests } = await woken();
    await timers.advance(900);
    wake.receipts(account, [receiptFor(wakeId)]);
    expect(counted).toContain('beckon_wake_receipts_total/accepted');
    expect(observed).toContainEqual(['beckon_wake_ms', 900]);
    wake.notify(account, 'message', { urgency: 'high' });
    await timers.advance(100);
    expect(requests).toHaveLength(2);
  });

  it.each([
    ['another result', { result: 'nothing' as const }],
    ['another time', { ms: 1 }],
    ['another reason', { reason: 'test' }],
    ['no signature', { signature: '00'.repeat(64) }],
  ])('%s than was signed is a forgery, and opens nothing', async (_, change) => {
    const { wake, wakeId, timers, counted, requests } = await woken();
    wake.receipts(account, [receiptFor(wakeId, change)]);
    expect(counted).toContain('beckon_wake_receipts_total/forged');
    wake.notify(account, 'message', { urgency: 'high' });
    await timers.advance(1000);
    expect(requests).toHaveLength(1);
  });

  it('a receipt of another account, of no wake, or a second time counts for nothing', async () => {
    const { wake, wakeId, counted, observed } = await woken();
    const other = toHex(getPublicKey(utils.randomSecretKey()));
    wake.receipts(other, [receiptFor(wakeId)]);
    wake.receipts(account, [receiptFor('no-such-wake')]);
    wake.receipts(account, [receiptFor(wakeId)]);
    wake.receipts(account, [receiptFor(wakeId)]);
    expect(counted.filter((name) => name.startsWith('beckon_wake_receipts_total'))).toEqual([
      'beckon_wake_receipts_total/forged',
      'beckon_wake_receipts_total/unknown',
      'beckon_wake_receipts_total/accepted',
      'beckon_wake_receipts_total/repeated',
    ]);
    expect(observed.filter(([name]) => name === 'beckon_wake_ms')).toHaveLength(1);
  });
});

describe('the payload', () => {
  const head = { wakeId: 'w'.repeat(22), reason: 'message' as const, sentAtMs: 1_800_000_000_000 };
  const emptyBytes = composePayload(head, { frames: [frameOf(1, '')], sessions: [] }).payload.length;
  const status = { session: 's', peer: `02${'00'.repeat(32)}`, epoch: 1, state: 'live' as const };

  it('frames that fill it to the last byte go along', () => {
    const { payload } = composePayload(head, { frames: [frameOf(1, 'A'.repeat(maxPlaintextBytes - emptyBytes))], sessions: [] });
    expect(payload.length).toBe(maxPlaintextBytes);
    expect(JSON.parse(payload).frames).toHaveLength(1);
  });

  it('one byte more and none of them does', () => {
    const frames = [frameOf(1, 'AAAA'), frameOf(2, 'A'.repeat(maxPlaintextBytes - emptyBytes - 40))];
    const { payload, slim } = composePayload(head, { frames, sessions: [] });
    expect(payload).toBe(slim);
    expect(JSON.parse(payload)).toEqual({ v: 1, ...head });
  });

  it('the sessions give way to the frames, and go alone when the frames do not fit', () => {
    const snug = composePayload(head, { frames: [frameOf(1, 'A'.repeat(maxPlaintextBytes - emptyBytes))], sessions: [status] });
    expect(Object.keys(JSON.parse(snug.payload))).toEqual(['v', 'wakeId', 'reason', 'sentAtMs', 'frames']);
    const large = composePayload(head, { frames: [frameOf(1, 'A'.repeat(5000))], sessions: [status] });
    expect(Object.keys(JSON.parse(large.payload))).toEqual(['v', 'wakeId', 'reason', 'sentAtMs', 'sessions']);
  });

  it('its length is counted in bytes, not in characters', () => {
    const reason = 'ż'.repeat(2000);
    const { payload, slim } = composePayload(head, { frames: [], sessions: [{ ...status, reason }] });
    expect(payload).toBe(slim);
  });
});
