import { describe, expect, it } from 'vitest';
import webpush from 'web-push';
import { fakeTimers } from '../timers.ts';
import type { PushRequest, PushResponse } from './post.ts';
import { createSender, maxPlaintextBytes, type Push, type PushTarget, retryAfterMs } from './sender.ts';
import { deviceKeys } from './testing.ts';

const keys = deviceKeys();
const target: PushTarget = { endpoint: 'https://updates.push.services.mozilla.com/wpush/v2/x', ...keys.subscription, nextTryMs: 0 };

function world(answers: readonly (PushResponse | 'network')[], lifetimeMs = 60_000) {
  const timers = fakeTimers();
  const requests: (PushRequest & { readonly atMs: number })[] = [];
  const startMs = timers.nowMs();
  const sender = createSender({
    vapid: webpush.generateVAPIDKeys(),
    subject: 'mailto:op@example.org',
    timers,
    post: async (request) => {
      const answer = answers[requests.length];
      requests.push({ ...request, atMs: timers.nowMs() - startMs });
      if (answer === undefined || answer === 'network') throw new Error('ECONNRESET');
      return answer;
    },
  });
  const push: Push = { payload: '{"v":1,"long":true}', slim: '{"v":1}', urgency: 'high', deadlineMs: startMs + lifetimeMs };
  const stop = new AbortController();
  const send = async (to: PushTarget = target) => {
    const outcome = sender.send(to, push, stop.signal);
    await timers.advance(lifetimeMs + 1);
    return await outcome;
  };
  return { timers, requests, sender, push, send, stop };
}
const answer = (status: number, retryAfter?: string): PushResponse => ({ status, retryAfter });

describe('one push', () => {
  it('has the headers of RFC 8030, 8291 and 8292, and its text is sealed', async () => {
    const { requests, send } = world([answer(201)], 59_400);
    expect(await send()).toEqual({ tag: 'sent', attempts: 1 });
    const [request] = requests;
    expect(request?.headers).toMatchObject({
      TTL: '60',
      Urgency: 'high',
      Topic: 'beckon-wake',
      'Content-Encoding': 'aes128gcm',
      'Content-Type': 'application/octet-stream',
    });
    expect(request?.headers.Authorization).toMatch(/^vapid t=[\w-]+\.[\w-]+\.[\w-]+, k=[\w-]+$/);
    expect(request?.headers.Topic).toMatch(/^[A-Za-z0-9_-]{1,32}$/);
    expect(keys.open(request?.body ?? new Uint8Array())).toBe('{"v":1,"long":true}');
  });

  it('the TTL ends with the deadline, never below zero and never above what the services take', async () => {
    for (const [lifetimeMs, ttl] of [
      [1, '1'],
      [90 * 86_400_000, String(30 * 86_400)],
    ] as const) {
      const { requests, sender, push, stop } = world([answer(201)], lifetimeMs);
      await sender.send(target, push, stop.signal);
      expect(requests[0]?.headers.TTL).toBe(ttl);
    }
  });

  it('the largest plaintext makes a body of 4096 bytes, the limit of RFC 8030', async () => {
    const { requests, sender, push, stop } = world([answer(201)]);
    await sender.send(target, { ...push, payload: 'x'.repeat(maxPlaintextBytes) }, stop.signal);
    expect(requests[0]?.body.length).toBe(4096);
  });

  it.each([404, 410])('%i: the subscription is gone', async (status) => {
    expect(await world([answer(status)]).send()).toEqual({ tag: 'gone', attempts: 1 });
  });

  it.each([301, 302, 307, 308])('%i: a redirect is not followed', async (status) => {
    const { requests, send } = world([answer(status)]);
    expect(await send()).toEqual({ tag: 'failed', attempts: 1, why: 'redirect', status });
    expect(requests).toHaveLength(1);
  });

  it.each([400, 401, 403])('%i: refused, and not tried again', async (status) => {
    const { requests, send } = world([answer(status)]);
    expect(await send()).toEqual({ tag: 'failed', attempts: 1, why: 'refused', status });
    expect(requests).toHaveLength(1);
  });

  it('413: once more without the frames', async () => {
    const { requests, send } = world([answer(413), answer(201)]);
    expect(await send()).toEqual({ tag: 'sent', attempts: 2 });
    expect(requests.map((request) => keys.open(request.body))).toEqual(['{"v":1,"long":true}', '{"v":1}']);
  });

  it('413 to the slim one as well is a refusal', async () => {
    expect(await world([answer(413), answer(413)]).send()).toEqual({ tag: 'failed', attempts: 2, why: 'refused', status: 413 });
  });

  it.each([429, 500, 502, 503])('%i: tried again when Retry-After says', async (status) => {
    const { requests, send } = world([answer(status, '7'), answer(201)]);
    expect(await send()).toEqual({ tag: 'sent', attempts: 2 });
    expect(requests.map((request) => request.atMs)).toEqual([0, 7000]);
  });

  it('Retry-After as a date', async () => {
    const made = world([]);
    const date = new Date(made.timers.nowMs() + 9000).toUTCString();
    const { requests, send } = world([answer(503, date), answer(201)]);
    expect(await send()).toMatchObject({ tag: 'sent' });
    expect(requests.map((request) => request.atMs)).toEqual([0, 9000]);
  });

  it('without Retry-After, and without an answer, the pauses double and the attempts are bounded', async () => {
    const { requests, send } = world(['network', answer(500), 'network', 'network', 'network', 'network', answer(201)], 600_000);
    expect(await send()).toEqual({ tag: 'failed', attempts: 6, why: 'network' });
    expect(requests.map((request) => request.atMs)).toEqual([0, 1000, 3000, 7000, 15_000, 31_000]);
  });

  it('each attempt has the TTL that is left', async () => {
    const { requests, send } = world(['network', answer(201)], 10_000);
    await send();
    expect(requests.map((request) => request.headers.TTL)).toEqual(['10', '9']);
  });

  it('no attempt after the deadline, and the wish of the push service is handed on', async () => {
    const { requests, send, timers } = world([answer(429, '3600')]);
    const nowMs = timers.nowMs();
    expect(await send()).toEqual({ tag: 'failed', attempts: 1, why: 'busy', status: 429, notBeforeMs: nowMs + 3_600_000 });
    expect(requests).toHaveLength(1);
  });

  it('a device whose service asked for peace is left in peace', async () => {
    const { requests, send, timers } = world([answer(201)]);
    expect(await send({ ...target, nextTryMs: timers.nowMs() + 5000 })).toMatchObject({ tag: 'sent' });
    expect(requests.map((request) => request.atMs)).toEqual([5000]);
    const late = world([answer(201)]);
    expect(await late.send({ ...target, nextTryMs: late.timers.nowMs() + 60_000 })).toMatchObject({
      tag: 'failed',
      why: 'busy',
      attempts: 0,
    });
    expect(late.requests).toHaveLength(0);
  });

  it('stops between two attempts when told', async () => {
    const { requests, sender, push, stop, timers } = world(['network', answer(201)]);
    const outcome = sender.send(target, push, stop.signal);
    await timers.advance(500);
    stop.abort();
    expect(await outcome).toEqual({ tag: 'cancelled', attempts: 1 });
    expect(requests).toHaveLength(1);
    expect(timers.waiting()).toBe(0);
  });

  it('a damaged record is a value, not an exception', async () => {
    expect(await world([answer(201)]).send({ ...target, p256dh: 'AAAA' })).toMatchObject({ tag: 'failed', why: 'bad-subscription' });
  });
});

describe('Retry-After', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  it.each([
    [undefined, undefined],
    ['0', 0],
    [' 12 ', 12_000],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['99999999999999999999', undefined],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
  ])('%s → %s', (header, expected) => {
    expect(retryAfterMs(header, nowMs)).toBe(expected);
  });
});
