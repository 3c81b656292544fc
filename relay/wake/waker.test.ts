import { describe, expect, it } from 'vitest';
import type { Frame } from '../../shared/protocol/session.ts';
import { fakeTimers } from '../timers.ts';
import { createWaker, defaultWakerLimits, type Wakeup } from './waker.ts';

const frameOf = (n: number): Frame => ({ session: 's', epoch: 1, n, bytes: 'AAAA' });

function world(devices = true) {
  const timers = fakeTimers();
  const launched: (Wakeup & {
    readonly account: string;
    readonly atMs: number;
    readonly signal: AbortSignal;
    readonly land: () => void;
  })[] = [];
  const state = { attached: false, frames: [] as Frame[] };
  const startMs = timers.nowMs();
  const waker = createWaker(
    { attached: () => state.attached, pendingFor: () => ({ frames: state.frames, sessions: [] }), nudge: () => undefined },
    timers,
    (account, wakeup, signal) => {
      if (!devices) return undefined;
      return new Promise((land) => {
        launched.push({ account, ...wakeup, atMs: timers.nowMs() - startMs, signal, land });
      });
    },
  );
  const message = (n = 1, from?: string) => {
    state.frames = [...state.frames, frameOf(n)];
    waker.notify('a', 'message', { urgency: 'high', deadlineMs: timers.nowMs() + 60_000, ...(from === undefined ? {} : { from: [from] }) });
  };
  return { timers, launched, state, waker, message };
}
const { burstMs, windowMs, graceMs, lifetimeMs } = defaultWakerLimits;

describe('the decision to wake', () => {
  it('a matter is one push, after the time of a burst', async () => {
    const { timers, launched, message } = world();
    message();
    await timers.advance(burstMs - 1);
    expect(launched).toHaveLength(0);
    await timers.advance(1);
    expect(launched).toMatchObject([{ account: 'a', reason: 'message', urgency: 'high', atMs: burstMs }]);
  });

  it('a burst of a hundred is one push that carries all of it', async () => {
    const { timers, launched, message } = world();
    for (let n = 1; n <= 100; n++) message(n);
    await timers.advance(10 * windowMs);
    expect(launched).toHaveLength(1);
    expect(launched[0]?.waiting.frames).toHaveLength(100);
  });

  it('while a push is unanswered, new matters wait for its window and then share one push', async () => {
    const { timers, launched, message } = world();
    message(1);
    await timers.advance(burstMs);
    await timers.advance(5000);
    message(2);
    message(3);
    await timers.advance(windowMs - 5001);
    expect(launched).toHaveLength(1);
    await timers.advance(1);
    expect(launched).toHaveLength(2);
    expect(launched[1]?.waiting.frames.map((frame) => frame.n)).toEqual([1, 2, 3]);
    expect(launched[0]?.signal.aborted, 'the older push is not retried beside the newer').toBe(true);
  });

  it('an unanswered push is not repeated for the same matter', async () => {
    const { timers, launched, message } = world();
    message();
    await timers.advance(20 * windowMs);
    expect(launched).toHaveLength(1);
  });

  it('an answer ends the retries and frees the way for the next push at once', async () => {
    const { timers, launched, state, waker, message } = world();
    message(1);
    await timers.advance(burstMs);
    state.frames = [];
    waker.answered('a');
    expect(launched[0]?.signal.aborted).toBe(true);
    message(2);
    await timers.advance(burstMs);
    expect(launched).toHaveLength(2);
  });

  it('no push while a client is attached', async () => {
    const { timers, launched, state, message, waker } = world();
    state.attached = true;
    message();
    waker.notify('a', 'chain', { urgency: 'normal' });
    waker.notify('a', 'session-lost', { urgency: 'normal' });
    waker.notify('a', 'deadline', { urgency: 'high' });
    await timers.advance(30_000);
    expect(launched).toHaveLength(0);
  });

  it('a client that vanishes without acknowledging is woken after the grace', async () => {
    const { timers, launched, state, message } = world();
    state.attached = true;
    message();
    await timers.advance(graceMs * 2.5);
    state.attached = false;
    expect(launched).toHaveLength(0);
    await timers.advance(graceMs);
    expect(launched).toMatchObject([{ reason: 'message' }]);
  });

  it('a client that acknowledges and leaves is not woken', async () => {
    const { timers, launched, state, message } = world();
    state.attached = true;
    message();
    await timers.advance(graceMs / 2);
    state.frames = [];
    state.attached = false;
    await timers.advance(60_000);
    expect(launched).toHaveLength(0);
  });

  it('frames that are fetched within the burst need no push', async () => {
    const { timers, launched, state, message } = world();
    message();
    state.frames = [];
    await timers.advance(60_000);
    expect(launched).toHaveLength(0);
  });

  it('frames that die with their epoch do not take the news of its end with them', async () => {
    const { timers, launched, state, waker, message } = world();
    message();
    state.frames = [];
    waker.notify('a', 'session-lost', { urgency: 'normal' });
    await timers.advance(burstMs);
    expect(launched).toMatchObject([{ reason: 'session-lost', urgency: 'normal' }]);
  });

  it('a matter whose deadline has passed is dropped', async () => {
    const { timers, launched, state, waker } = world();
    state.frames = [frameOf(1)];
    waker.notify('a', 'message', { urgency: 'high', deadlineMs: timers.nowMs() + burstMs - 1 });
    await timers.advance(60_000);
    expect(launched).toHaveLength(0);
  });

  it('several matters: the gravest names the push, the latest deadline and the higher urgency count', async () => {
    const { timers, launched, waker, message } = world();
    const startMs = timers.nowMs();
    waker.notify('a', 'chain', { urgency: 'normal' });
    message();
    waker.notify('a', 'session-lost', { urgency: 'normal' });
    await timers.advance(burstMs);
    expect(launched).toMatchObject([{ reason: 'message', urgency: 'high', deadlineMs: startMs + lifetimeMs['session-lost'] }]);
  });

  it.each([['session-lost'], ['chain'], ['deadline']] as const)('%s wakes without any frame', async (reason) => {
    const { timers, launched, waker } = world();
    waker.notify('a', reason, { urgency: 'normal' });
    await timers.advance(burstMs);
    expect(launched).toMatchObject([{ reason, deadlineMs: timers.nowMs() - burstMs + lifetimeMs[reason] }]);
  });

  it('a peer that keeps on talking: after so many pushes the rest comes at the pace of the budget', async () => {
    const { timers, launched, message, waker } = world();
    const hours = 2;
    for (let i = 0; i < hours * 720; i++) {
      message();
      await timers.advance(5000);
      waker.answered('a');
    }
    const { pushesAtOnce, pushesPerHour } = defaultWakerLimits;
    expect(launched.length).toBeLessThanOrEqual(pushesAtOnce + hours * pushesPerHour + 1);
    expect(launched.length).toBeGreaterThan(hours * pushesPerHour);
  });

  it('many peers that keep on talking leave room for what is no message', async () => {
    const { timers, launched, message, waker } = world();
    for (let i = 0; i < 2_000; i++) {
      message(i, `peer ${i % 40}`);
      await timers.advance(2000);
      waker.answered('a');
    }
    const before = launched.length;
    message(1, 'peer 1');
    await timers.advance(burstMs);
    expect(launched).toHaveLength(before);
    for (let i = 0; i < defaultWakerLimits.pushesKeptForOthers; i++) {
      waker.notify('a', i % 2 === 0 ? 'session-lost' : 'chain', { urgency: 'high' });
      await timers.advance(graceMs + burstMs);
      waker.answered('a');
    }
    expect(launched.length - before).toBeGreaterThanOrEqual(defaultWakerLimits.pushesKeptForOthers);
  });

  it('no budget holds back a deadline, and none is shared', async () => {
    const { timers, launched, waker } = world();
    for (let i = 0; i < defaultWakerLimits.pushesAtOnce + 5; i++) {
      waker.notify('a', 'session-lost', { urgency: 'normal' });
      await timers.advance(burstMs);
      waker.answered('a');
    }
    expect(launched).toHaveLength(defaultWakerLimits.pushesAtOnce);
    waker.notify('b', 'session-lost', { urgency: 'normal' });
    waker.notify('a', 'deadline', { urgency: 'high' });
    await timers.advance(graceMs + burstMs);
    expect(launched.slice(defaultWakerLimits.pushesAtOnce).map((push) => [push.account, push.reason])).toEqual([
      ['b', 'session-lost'],
      ['a', 'deadline'],
    ]);
  });

  describe('one peer that floods', () => {
    const { pushesPerSessionAtOnce, pushesPerSessionPerHour } = defaultWakerLimits;
    /** Says something every five seconds, and each push is answered at once. */
    async function flood({ timers, message, waker, state }: ReturnType<typeof world>, messages: number): Promise<void> {
      for (let i = 0; i < messages; i++) {
        message(i, 'flooder');
        await timers.advance(5000);
        waker.answered('a');
        state.frames = [];
      }
    }

    it('wakes as often as its share allows, and no more; then its owner is told', async () => {
      const here = world();
      expect(here.waker.withheld('flooder')).toBe(false);
      const hours = 3;
      await flood(here, hours * 720);
      expect(here.launched.length).toBeLessThanOrEqual(pushesPerSessionAtOnce + hours * pushesPerSessionPerHour + 1);
      expect(here.launched.length).toBeGreaterThan(hours * pushesPerSessionPerHour);
      expect(here.waker.withheld('flooder')).toBe(true);
    });

    it('takes no wake from another peer, a deadline, the chain, or a lost session', async () => {
      const here = world();
      await flood(here, 200);
      const before = here.launched.length;
      here.message(1, 'flooder');
      await here.timers.advance(burstMs);
      expect(here.launched).toHaveLength(before);
      here.message(2, 'friend');
      await here.timers.advance(burstMs);
      for (const reason of ['deadline', 'chain', 'session-lost'] as const) {
        here.waker.answered('a');
        here.waker.notify('a', reason, { urgency: 'high' });
        await here.timers.advance(graceMs + burstMs);
      }
      expect(here.launched.slice(before).map(({ reason }) => reason)).toEqual(['message', 'deadline', 'chain', 'session-lost']);
      // What the flooder said rides along with what another wakes for.
      expect(here.launched[before]?.waiting.frames).toHaveLength(2);
      expect([here.waker.withheld('flooder'), here.waker.withheld('friend')]).toEqual([true, false]);
    });

    it('is heard again when it has been quiet, and forgiven after an hour', async () => {
      const here = world();
      await flood(here, 200);
      const before = here.launched.length;
      await here.timers.advance(3_600_000);
      expect(here.waker.withheld('flooder')).toBe(false);
      here.message(1, 'flooder');
      await here.timers.advance(burstMs);
      expect(here.launched).toHaveLength(before + 1);
    });

    it('thirty HTLCs at once are one push, of thirty that it has', async () => {
      const here = world();
      for (let n = 0; n < 30; n++) here.message(n, 'payer');
      await here.timers.advance(burstMs);
      expect(here.launched).toHaveLength(1);
      here.waker.answered('a');
      here.state.frames = [];
      for (let n = 0; n < pushesPerSessionAtOnce - 1; n++) {
        here.message(n, 'payer');
        await here.timers.advance(burstMs);
        here.waker.answered('a');
      }
      expect(here.launched).toHaveLength(pushesPerSessionAtOnce);
      expect(here.waker.withheld('payer')).toBe(false);
    });
  });

  it('accounts do not hold each other back', async () => {
    const { timers, launched, waker } = world();
    waker.notify('a', 'chain', { urgency: 'normal' });
    waker.notify('b', 'chain', { urgency: 'normal' });
    await timers.advance(burstMs);
    expect(launched.map((push) => push.account)).toEqual(['a', 'b']);
  });

  it('nothing is kept for an account once all is done', async () => {
    const { timers, launched, message, waker } = world();
    message();
    await timers.advance(burstMs);
    await timers.advance(windowMs);
    launched[0]?.land();
    await timers.advance(0);
    expect(timers.waiting()).toBe(0);
    waker.notify('b', 'chain', { urgency: 'normal' });
    waker.stop();
    expect(timers.waiting()).toBe(0);
  });

  it('without a device nothing is outstanding: a device that subscribes later gets the next matter at once', async () => {
    const { timers, waker } = world(false);
    waker.notify('a', 'chain', { urgency: 'normal' });
    await timers.advance(burstMs);
    expect(timers.waiting()).toBe(0);
  });
});
