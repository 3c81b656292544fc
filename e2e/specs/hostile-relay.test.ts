/** A real relay that dies, forgets, or lives in another time, between our node and an LDK peer: the channel goes on. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemTimers } from '../../relay/timers.ts';
import type { Self } from '../peers/self.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

let world: SmallWorld;
let self: Self;
let nodeId: string;
/** Requests that reach the relay; `undefined` is a relay that cannot be reached. */
let way: typeof fetch | undefined = fetch;
const HOUR_MS = 3_600_000;
let ahead = 0;

const active = async (): Promise<boolean> => (await world.alice.channels()).find((channel) => channel.peer === nodeId)?.active === true;
const online = async (): Promise<boolean> => {
  const view = await self.call('snapshot', null);
  return view.ok && view.value.channels.every((channel) => channel.online && channel.tag === 'normal') && view.value.channels.length === 1;
};
const epoch = (): number => sessions.at(-1)?.epoch ?? 0;
const sessions: { readonly session: string; readonly epoch: number }[] = [];

beforeAll(async () => {
  world = await startSmallWorld({ limits: { handoverTimeoutMs: 10_000 } });
  ({ self, nodeId } = await connectedSelf(world, {
    // A peer that could not be reached is tried again later; the tests do not wait for that.
    now: () => Date.now() + ahead,
    fetch: async (input, init) => {
      if (way === undefined) throw new TypeError('made for a test: no route');
      const response = await way(input, init);
      if (String(input).endsWith('/connect') && response.ok) sessions.push(await response.clone().json());
      return response;
    },
  }));
  const opening = world.alice.openChannel(nodeId, 40_000n);
  let funded = false;
  void opening.then(({ ok }) => {
    funded = ok;
  });
  await wakeUntil(self, 'the funding to be broadcast', async () => funded);
  await world.chain.mine(3);
  await world.alice.settled();
  await wakeUntil(self, 'an active channel', async () => (await online()) && active());
}, 60_000);
afterAll(() => world.stop());

async function goesOn(what: string): Promise<void> {
  await wakeUntil(self, what, async () => {
    ahead += HOUR_MS;
    return (await online()) && active();
  });
  expect(await channelTags(self)).toEqual(['normal']);
}

it('a restart with the database: another epoch of the same session', async () => {
  const before = sessions.at(-1);
  await world.restartRelay('kept');
  await self.wake(undefined, 200);
  await goesOn('the channel after a restart');
  expect(sessions.at(-1)?.session).toBe(before?.session);
  expect(epoch()).toBeGreaterThan(before?.epoch ?? 0);
});

it('a restart without it: account, session and epoch are made anew, and the epoch still grows', async () => {
  const before = sessions.at(-1);
  await world.restartRelay('lost');
  await self.wake(undefined, 200);
  await goesOn('the channel with a relay that knows nothing');
  expect(sessions.at(-1)?.session).not.toBe(before?.session);
  expect(epoch()).toBeGreaterThan(before?.epoch ?? 0);
});

it('a relay without a database whose clock is of last year', async () => {
  const before = epoch();
  await world.restartRelay('lost', { timers: { ...systemTimers, nowMs: () => Date.now() - 365 * 24 * HOUR_MS } });
  await self.wake(undefined, 200);
  await goesOn('the channel with a relay of last year');
  expect(epoch()).toBeGreaterThan(before);
  await world.restartRelay('kept', {});
  await self.wake(undefined, 200);
  await goesOn('the channel with a relay of today');
});

it('a relay that cannot be reached, then pages of a proxy, then itself again', async () => {
  way = undefined;
  await self.wake(undefined, 200);
  expect(self.notices.at(-1)?.title).toBe('Relay not reachable');
  way = async () => new Response('<html>502 Bad Gateway</html>', { status: 502, headers: { 'content-type': 'text/html' } });
  await self.wake(undefined, 200);
  expect(self.notices.at(-1)?.title).toBe('Relay not reachable');
  expect(await self.call('snapshot', null)).toMatchObject({ value: { relay: { reachable: false }, channels: [{ tag: 'normal' }] } });
  way = fetch;
  await self.wake(undefined, 200);
  await goesOn('the channel behind a relay that is back');
  expect(await self.call('snapshot', null)).toMatchObject({ value: { relay: { reachable: true } } });
});

it('answers that come twice, and requests that arrive twice', async () => {
  way = async (input, init) => {
    await fetch(input, init).then((response) => response.text());
    return fetch(input, init);
  };
  await world.alice.settled();
  for (let i = 0; i < 3; i += 1) await self.wake(undefined, 50);
  // Every hand-over comes twice too: the relay closes such a link, and nothing is lost by it.
  await world.restartRelay('kept');
  for (let i = 0; i < 3; i += 1) {
    ahead += HOUR_MS;
    await self.wake(undefined, 50);
  }
  expect(await channelTags(self)).toEqual(['normal']);
  way = fetch;
  await goesOn('the channel when each request arrives once again');
});
