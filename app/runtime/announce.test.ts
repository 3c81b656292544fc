/** What peers hear of an announced channel: our terms in public, the same bytes until there is something new to say. */
import { expect, test } from 'vitest';
import { compare, fromHex } from '../../shared/lib/bytes.ts';
import { checkChannelUpdate } from '../../shared/ln/gossip/check.ts';
import { verify } from '../../shared/ln/keys/secp.ts';
import { decode } from '../../shared/ln/peer/wire.ts';
import { sayUpdates } from './announce.ts';
import { networkOf } from './network.ts';
import { tellTerms } from './payments/terms.ts';
import { Line } from './payments/testing-forward.ts';
import { idOf, ourScidOf, PaymentWorld } from './payments/testing-send.ts';
import { livePeers } from './peers.ts';

/** What the peer is to hear, and has not heard. */
async function updates(world: PaymentWorld) {
  const { outbox } = await world.state('bob');
  return outbox.flatMap(({ bytes }) => {
    const decoded = decode(bytes);
    return decoded.ok && decoded.value.name === 'channel_update' ? [decoded.value] : [];
  });
}
const say = async (world: PaymentWorld) => sayUpdates(world.node.ports, await livePeers(world.node.ports), world.into);
const tell = async (world: PaymentWorld) => tellTerms(world.node.ports, await livePeers(world.node.ports), world.into);
async function reconnect(world: PaymentWorld): Promise<void> {
  await world.cut('bob');
  await world.connect('bob');
  await world.settle();
}
const announced = () => PaymentWorld.start({ bob: { isPublic: true } });
const keysOf = async ({ node }: PaymentWorld) => {
  const keys = await node.ports.keys();
  if (!keys) throw new Error('no keys');
  return keys;
};
async function forwarding(world: PaymentWorld, change: { readonly on?: boolean; readonly htlcMinimumMsat?: string }): Promise<void> {
  const view = await world.node.call('snapshot', null);
  if (!view.ok) throw new Error(view.error.code);
  expect(await world.node.call('set-forwarding', { ...view.value.forwarding, ...change })).toMatchObject({ ok: true });
}

test('a node that passes nothing on says so: disabled, public, and good in the eyes of the network', async () => {
  const world = await announced();
  expect([await say(world), await say(world)]).toEqual([true, false]);
  const [update, ...more] = await updates(world);
  if (!update) throw new Error('nothing was said');
  const nodeId = fromHex((await keysOf(world)).nodeId());
  const direction = compare(nodeId, fromHex(idOf('bob'))) < 0 ? 0 : 1;
  const { chainHash } = networkOf('regtest');
  const now = Math.floor(world.node.ports.now() / 1_000);
  expect(checkChannelUpdate(update, { nodeId, chainHash, now, verify, capacitySat: 1_000_000 })).toEqual({
    ok: true,
    value: { direction, disabled: true, routable: true },
  });
  expect(update).toMatchObject({ shortChannelId: ourScidOf('bob'), messageFlags: 1, timestamp: now, htlcMaximumMsat: 1_000_000_000n });
  expect(more).toEqual([]);
});

test('the same bytes in the next connection, new ones for new terms and after a week', async () => {
  const world = await announced();
  await say(world);
  const [first] = await updates(world);
  await world.settle();
  world.node.later(3_600_000);
  await reconnect(world);
  expect(await say(world)).toBe(true);
  expect(await updates(world)).toEqual([first]);
  await world.settle();

  await forwarding(world, { on: true });
  expect([await say(world), await say(world)]).toEqual([true, false]);
  const [second] = await updates(world);
  expect(second).toMatchObject({ feeBaseMsat: 1_000, feeProportionalMillionths: 100, cltvExpiryDelta: 80, htlcMinimumMsat: 1_000n });
  expect((second?.channelFlags ?? 2) & 2).toBe(0);
  expect(second?.timestamp).toBeGreaterThan(first?.timestamp ?? 0);
  // What is said in public is not said again behind the hand.
  expect(await tell(world)).toBe(false);
  await world.settle();

  world.node.later(7 * 24 * 3_600_000 - 1_000);
  expect(await say(world)).toBe(false);
  world.node.later(1_000);
  expect(await say(world)).toBe(true);
  expect(await updates(world)).toMatchObject([{ timestamp: (second?.timestamp ?? 0) + 7 * 24 * 3_600 }]);
});

test('terms that change within a second have rising timestamps', async () => {
  const world = await announced();
  await say(world);
  await forwarding(world, { on: true });
  await say(world);
  const [first, second] = await updates(world);
  expect(second?.timestamp).toBe((first?.timestamp ?? 0) + 1);
});

test('a channel smaller than the smallest payment that we pass on is disabled', async () => {
  const world = await announced();
  await forwarding(world, { on: true, htlcMinimumMsat: '1000000001' });
  await say(world);
  const [update] = await updates(world);
  expect(update).toMatchObject({ htlcMinimumMsat: 1_000_000_000n, htlcMaximumMsat: 1_000_000_000n });
  expect((update?.channelFlags ?? 0) & 2).toBe(2);
});

test('a channel that is not announced, and a peer that is away, hear nothing', async () => {
  const line = await Line.start();
  expect(await say(line.world)).toBe(false);
  const world = await announced();
  await world.cut('bob');
  expect(await say(world)).toBe(false);
});
