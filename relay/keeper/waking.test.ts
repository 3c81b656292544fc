/** When the keeper asks for a wake, and when it does not. The clock and the wheel are turned by hand; links and pushes are recorded. */
import { beforeEach, expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { ok } from '../../shared/lib/result.ts';
import type { WakeReason } from '../../shared/protocol/session.ts';
import { type Limits, parseConfig } from '../config.ts';
import type { LinkEnd, LinkEvents, NotifyOptions, PeerLink, Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import { toBase64Url } from './bytes.ts';
import { Keeper } from './keeper.ts';
import { messageOf, must } from './testing.ts';
import { Wheel } from './wheel.ts';

const ME = `02${'11'.repeat(32)}`;
const PEER = `03${'22'.repeat(32)}`;
const COMMITMENT_SIGNED = 132;
const UPDATE_ADD = 128;

class FakeLink implements PeerLink {
  readonly act2 = new Uint8Array(50);
  readonly events: LinkEvents;
  sent: Uint8Array[] = [];
  ended: LinkEnd | undefined;
  resumed = 0;
  constructor(events: LinkEvents) {
    this.events = events;
  }
  establish(): boolean {
    return true;
  }
  send(message: Uint8Array): boolean {
    this.sent.push(message);
    return true;
  }
  resume(): void {
    this.resumed += 1;
  }
  end(reason: LinkEnd): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.events.ended(reason);
  }
}

let now: number;
let limits: Limits;
let store: Store;
let wheel: Wheel;
let keeper: Keeper;
let links: FakeLink[];
let wakes: { readonly reason: WakeReason; readonly options: NotifyOptions }[];
let events: boolean;
let withheld: Set<string>;
let acts: number;
let ids = 0;

function startKeeper(): void {
  wheel = new Wheel(() => now, 10);
  keeper = new Keeper({
    store,
    limits,
    clock: () => now,
    wheel,
    dialPeer: async (_target, listener) => {
      const link = new FakeLink(listener);
      links.push(link);
      return ok(link);
    },
    wake: { notify: (_account, reason, options) => void wakes.push({ reason, options }), withheld: (session) => withheld.has(session) },
    metrics: { count: () => undefined, observe: () => undefined, gauge: () => undefined },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    newId: () => `session${++ids}`,
    hasEvents: () => events,
  });
  keeper.start();
}

beforeEach(() => {
  now = 1_800_000_000_000;
  limits = must(parseConfig({})).limits;
  store = openStore(null);
  links = [];
  wakes = [];
  events = false;
  withheld = new Set();
  acts = 0;
  startKeeper();
});

/** Time passes, a little at a time, as the interval would let it. */
function pass(ms: number): void {
  const end = now + ms;
  while (now < end) {
    now = Math.min(end, now + 100);
    wheel.run();
  }
}
const reasons = () => wakes.map((wake) => wake.reason);

async function open(peer = PEER) {
  acts += 1;
  const act1 = toHex(Uint8Array.of(0, 2, acts >> 8, acts & 0xff, ...new Uint8Array(46)));
  const { session, epoch } = must(await keeper.connect(ME, { peer, host: '127.0.0.1', port: 9735, act1 }));
  const keys = { sending: '11'.repeat(32), receiving: '22'.repeat(32), chaining: '33'.repeat(32) };
  must(keeper.establish(ME, { session, epoch, act3: '00'.repeat(66), keys, init: toBase64Url(messageOf(16)) }));
  const link = links.at(-1);
  if (link === undefined) throw new Error('no link');
  return { session, epoch, link };
}
/** The app has gone to sleep. */
async function openAndSleep() {
  const live = await open();
  keeper.idle(ME);
  return live;
}

test('a message that a peer waits for wakes, with the time that the peer waits', async () => {
  const { link, session } = await openAndSleep();
  link.events.message(messageOf(COMMITMENT_SIGNED));
  expect(wakes).toEqual([{ reason: 'message', options: { urgency: 'high', deadlineMs: now + 60_000, from: [session] } }]);
  expect(keeper.pendingFor(ME)).toMatchObject({ frames: [{ n: 1 }], sessions: [{ state: 'live' }] });
});

test('a peer whose share of wakes is spent is shown as such, with the queue as it is', async () => {
  const { link, session } = await openAndSleep();
  link.events.message(messageOf(COMMITMENT_SIGNED));
  expect(keeper.collect(ME).sessions).toEqual([{ session, peer: PEER, epoch: 1, state: 'live' }]);
  withheld.add(session);
  expect(keeper.collect(ME)).toMatchObject({ in: [{ n: 1 }], sessions: [{ session, wakeBudgetSpent: true }] });
  expect(keeper.pendingFor(ME).sessions).toMatchObject([{ wakeBudgetSpent: true }]);
});

test('a nudge reaches whoever is there, as something that somebody waits for', () => {
  const heard: boolean[] = [];
  const leave = keeper.listen(ME, (urgent) => void heard.push(urgent));
  keeper.nudge(ME);
  leave();
  keeper.nudge(ME);
  expect(heard).toEqual([true]);
});

test('updates, warnings, gossip and odd unknown messages do not wake', async () => {
  const { link } = await openAndSleep();
  for (const type of [UPDATE_ADD, 1, 258, 2, 256, 257, 32_769]) link.events.message(messageOf(type));
  pass(10_000);
  expect(wakes).toEqual([]);
  expect(keeper.pendingFor(ME).frames).toHaveLength(4);
});

test('a queue that has become full of quiet messages wakes once and stops the reading; room again resumes it', async () => {
  limits = { ...limits, queueFrames: 4 };
  startKeeper();
  const { link, session, epoch } = await openAndSleep();
  const room = [1, 2, 3, 4, 5].map(() => link.events.message(messageOf(UPDATE_ADD)));
  expect(room).toEqual([true, true, true, false, false]);
  expect(reasons()).toEqual(['message']);
  keeper.acknowledge(ME, [{ session, epoch, n: 2 }]);
  expect(link.resumed).toBe(0);
  keeper.acknowledge(ME, [{ session, epoch, n: 3 }]);
  expect(link.resumed).toBe(1);
});

test('at most 16 channel_update wait, and not for ever', async () => {
  const { link, session, epoch } = await openAndSleep();
  for (let i = 0; i < 40; i++) link.events.message(messageOf(258, i));
  expect(keeper.pendingFor(ME).frames).toHaveLength(16);
  keeper.acknowledge(ME, [{ session, epoch, n: 16 }]);
  link.events.message(messageOf(258, 99));
  expect(keeper.pendingFor(ME).frames.map((frame) => frame.n)).toEqual([17]);
});

test('no wake while attached', async () => {
  const { link, session, epoch } = await open();
  let told = 0;
  const leave = keeper.listen(ME, () => {
    told += 1;
  });
  link.events.message(messageOf(COMMITMENT_SIGNED));
  expect([keeper.attached(ME), told, wakes.length]).toEqual([true, 1, 0]);
  keeper.collect(ME);
  keeper.acknowledge(ME, [{ session, epoch, n: 1 }]);
  pass(60_000);
  leave();
  expect(wakes).toEqual([]);
  expect(keeper.attached(ME)).toBe(false);
});

test('a page that leaves with a message unanswered: the worker is woken', async () => {
  const { link } = await openAndSleep();
  const leave = keeper.listen(ME, () => undefined);
  link.events.message(messageOf(COMMITMENT_SIGNED));
  keeper.collect(ME);
  expect(wakes).toEqual([]);
  leave();
  expect(reasons()).toEqual(['message']);
});

test('a frozen page that keeps its socket open and answers nothing does not keep the worker asleep', async () => {
  const { link } = await openAndSleep();
  keeper.listen(ME, () => void keeper.collect(ME));
  pass(limits.busyMs + 1_000);
  link.events.message(messageOf(COMMITMENT_SIGNED));
  pass(limits.ackPatienceMs - 1_000);
  expect(wakes).toEqual([]);
  pass(3_500);
  expect(reasons()).toEqual(['message']);
  expect(keeper.attached(ME)).toBe(false);
  // The next message finds nobody either.
  link.events.message(messageOf(COMMITMENT_SIGNED));
  expect(reasons()).toEqual(['message', 'message']);
});

test('a worker that was given something counts as attached until it should be back', async () => {
  const { link } = await openAndSleep();
  link.events.message(messageOf(COMMITMENT_SIGNED));
  keeper.collect(ME);
  keeper.busy(ME);
  link.events.message(messageOf(COMMITMENT_SIGNED));
  expect(reasons()).toEqual(['message']);
  pass(limits.busyMs + 200);
  expect(reasons()).toEqual(['message', 'message']);
});

test('a worker that was told that nothing waits is asleep at once', async () => {
  const { link } = await open();
  keeper.busy(ME);
  keeper.idle(ME);
  link.events.message(messageOf(COMMITMENT_SIGNED));
  expect(reasons()).toEqual(['message']);
});

test('a lost session wakes at once, then after 30 s, 1 min, 2 min …, twelve times', async () => {
  const { link } = await openAndSleep();
  pass(limits.stableMs + 100);
  link.end('peer-closed');
  expect(reasons()).toEqual(['session-lost']);
  const at: number[] = [];
  const lostAt = now;
  for (let i = 0; i < 40; i++) {
    const before = wakes.length;
    // Coarse steps: the series spans a day.
    for (let step = 0; step < 1_000 && wakes.length === before; step++) {
      now += 30_000;
      wheel.run();
    }
    if (wakes.length > before) at.push(Math.round((now - lostAt) / 30_000));
  }
  expect(at.slice(0, 5)).toEqual([1, 3, 7, 15, 31]);
  expect(wakes).toHaveLength(limits.lostWakeTries);
  expect(wheel.size).toBe(0);
});

test('a session that is established again ends the series', async () => {
  const { link } = await openAndSleep();
  link.end('connection-error');
  await openAndSleep();
  pass(120_000);
  expect(reasons()).toEqual(['session-lost']);
});

test('a peer that comes and goes wakes at once three times, then ever more rarely; a minute of life forgives it', async () => {
  for (let i = 0; i < 6; i++) {
    const { link } = await openAndSleep();
    link.end('peer-closed');
  }
  expect(reasons()).toHaveLength(3);
  const { link } = await openAndSleep();
  pass(limits.stableMs + 100);
  link.end('peer-closed');
  expect(reasons()).toHaveLength(4);
});

test('a session that the app ended wakes nobody, also after a restart', async () => {
  const { session } = await openAndSleep();
  must(keeper.disconnect(ME, session));
  pass(600_000);
  startKeeper();
  pass(600_000);
  expect(wakes).toEqual([]);
  expect(keeper.pendingFor(ME).sessions).toMatchObject([{ state: 'lost', reason: 'disconnected' }]);
});

test('disconnect of a session that is lost already ends its wakes', async () => {
  const { session, link } = await openAndSleep();
  link.end('peer-closed');
  must(keeper.disconnect(ME, session));
  pass(600_000);
  expect(reasons()).toEqual(['session-lost']);
});

test('a handshake that came to nothing wakes nobody', async () => {
  must(await keeper.connect(ME, { peer: PEER, host: '127.0.0.1', port: 9735, act1: toHex(Uint8Array.of(0, 2, ...new Uint8Array(48))) }));
  links.at(-1)?.end('handover-timeout');
  pass(600_000);
  expect(wakes).toEqual([]);
});

test('after a restart each session that was live wakes its app, and its epoch is never given out again', async () => {
  const first = await openAndSleep();
  keeper.stop();
  expect(wakes).toEqual([]);
  startKeeper();
  expect(reasons()).toEqual(['session-lost']);
  expect(keeper.pendingFor(ME).sessions).toEqual([
    { session: first.session, peer: PEER, epoch: first.epoch, state: 'lost', reason: 'relay-restarted' },
  ]);
  const next = await open();
  expect(next.session).toBe(first.session);
  expect(next.epoch).toBeGreaterThan(first.epoch);
});

test('epochs grow for an app that comes from another relay, and only so far', async () => {
  const first = await open();
  const connect = (afterEpoch: number) =>
    keeper.connect(ME, {
      peer: PEER,
      host: '127.0.0.1',
      port: 9735,
      act1: toHex(Uint8Array.of(0, 2, ++acts, 9, ...new Uint8Array(46))),
      afterEpoch,
    });
  expect(must(await connect(first.epoch - 1)).epoch).toBe(first.epoch + 1);
  expect(must(await connect(5_000)).epoch).toBe(5_001);
  expect(must(await connect(0)).epoch).toBe(5_002);
  expect(await connect(Number.MAX_SAFE_INTEGER)).toMatchObject({ ok: false, error: { code: 'bad-request' } });
});

test('a chain event for a worker that is busy wakes it when it does not come back', async () => {
  await openAndSleep();
  keeper.busy(ME);
  pass(1_000);
  keeper.busy(ME);
  pass(1_500);
  events = true;
  keeper.onEvent(ME);
  expect(wakes).toEqual([]);
  pass(1_000);
  expect(reasons()).toEqual(['chain']);
});

test('a chain event wakes only when nobody is attached', async () => {
  await openAndSleep();
  events = true;
  const leave = keeper.listen(ME, () => undefined);
  keeper.onEvent(ME);
  expect(wakes).toEqual([]);
  leave();
  expect(wakes).toEqual([{ reason: 'chain', options: { urgency: 'normal' } }]);
});

test('an answer holds one frame of each session in turn: a flood in one does not starve the others', async () => {
  const loud = await open();
  const quiet = await open(`02${'33'.repeat(32)}`);
  for (let i = 0; i < 200; i++) loud.link.events.message(messageOf(COMMITMENT_SIGNED, i));
  quiet.link.events.message(messageOf(COMMITMENT_SIGNED, 1));
  const answer = keeper.collect(ME);
  expect(answer.in).toHaveLength(64);
  expect(answer.more).toBe(true);
  expect(answer.in.some((frame) => frame.session === quiet.session)).toBe(true);
});

test('big frames: 256 KiB in one answer and every session gets its turn', async () => {
  const lanes: Awaited<ReturnType<typeof open>>[] = [];
  for (let i = 1; i <= 8; i++) lanes.push(await open(`02${`4${i}`.repeat(32)}`));
  for (const { link } of lanes) link.events.message(new Uint8Array(65_535).fill(0).map((_, i) => (i === 1 ? COMMITMENT_SIGNED : 0)));
  const seen = new Set<string>();
  for (let i = 0; i < 8; i++) for (const frame of keeper.collect(ME).in) seen.add(frame.session);
  expect(keeper.collect(ME).in).toHaveLength(4);
  expect(seen.size).toBe(8);
});
