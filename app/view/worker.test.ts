import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ApiRequest } from '../runtime/api.ts';
import { call } from './worker.ts';

/** A worker that answers the requests for which `reply` has something, and is silent else, as one that was stopped. */
function withWorker(reply: (request: ApiRequest, count: number) => unknown) {
  const asked: ApiRequest[] = [];
  const active = {
    postMessage(request: ApiRequest, [port]: [MessagePort]) {
      asked.push(request);
      const answer = reply(request, asked.length);
      if (answer !== undefined) port.postMessage(answer);
    },
  };
  vi.stubGlobal('navigator', { serviceWorker: { ready: Promise.resolve({ active }) } });
  return asked;
}

describe('call', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test('the answer comes back', async () => {
    withWorker(() => ({ ok: true, value: { entropy: '00' } }));
    expect(await call('words', null)).toEqual({ ok: true, value: { entropy: '00' } });
  });

  test('a reading that a stopped worker never answered is asked again', async () => {
    const asked = withWorker((_request, count) => (count < 3 ? undefined : { ok: true, value: { entropy: '00' } }));
    const answer = call('words', null);
    await vi.advanceTimersByTimeAsync(11_000);
    expect(await answer).toEqual({ ok: true, value: { entropy: '00' } });
    expect(asked).toHaveLength(3);
  });

  test('an act that must not happen twice is asked once, and ends without an answer', async () => {
    const asked = withWorker(() => undefined);
    const answer = call('create-wallet', { entropy: '', walletKey: '', network: 'regtest', restore: false });
    await vi.advanceTimersByTimeAsync(31_000);
    expect(await answer).toEqual({ ok: false, error: { code: 'no-answer', detail: 'create-wallet' } });
    expect(asked).toHaveLength(1);
  });
});
