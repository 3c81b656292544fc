/**
 * A payment in parts to a real LDK node, over two channels of which neither holds enough: sent as one, and through the end of a worker
 * before each of its writes and requests. All runs share the channels, and one database.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Self, startSelf } from '../peers/self.ts';
import { type Executioner, everyBoundary, surviving } from './executioner.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

const OURS_SAT = 900_000n;
/** No part is smaller. */
const MORE_SAT = 5_000n;

let world: SmallWorld;
let self: Self;

beforeAll(async () => {
  world = await startSmallWorld();
  const connected = await connectedSelf(world);
  self = connected.self;
  for (let count = 1; count <= 2; count += 1) {
    const opening = world.alice.openChannel(connected.nodeId, 1_000_000n, { pushSat: OURS_SAT });
    await wakeUntil(self, 'the funding', async () => (await channelTags(self)).includes('wait-for-funding-confirmed'));
    expect((await opening).ok).toBe(true);
    await world.chain.mine(6);
    await wakeUntil(self, 'the channels to be ready on both sides', async () => {
      const active = (await world.alice.channels()).filter((channel) => channel.active);
      return active.length === count && (await channelTags(self)).filter((tag) => tag === 'normal').length === count;
    });
  }
}, 90_000);
afterAll(async () => {
  self.close();
  await world.stop();
});

async function balances(node: Self): Promise<{ ours: bigint; theirs: bigint; htlcs: number }> {
  const view = await node.call('snapshot', null);
  const channels = view.ok ? view.value.channels : [];
  const theirs = await world.alice.channels();
  expect(channels.map(({ tag }) => tag)).toEqual(['normal', 'normal']);
  return {
    ours: channels.reduce((sum, { oursSat }) => sum + BigInt(oursSat), 0n),
    theirs: theirs.reduce((sum, { ownSat }) => sum + ownSat, 0n),
    htlcs: channels.reduce((sum, { htlcs }) => sum + htlcs.length, 0) + theirs.reduce((sum, { htlcs }) => sum + htlcs, 0),
  };
}

async function payment(node: Self, id: string) {
  const view = await node.call('payment', { id });
  return view.ok ? view.value : undefined;
}

/** More than the fuller channel can send. */
async function amountForTwo(): Promise<bigint> {
  const view = await self.call('snapshot', null);
  const sendable = view.ok ? view.value.channels.map(({ sendableSat = '0' }) => BigInt(sendableSat)) : [];
  return MORE_SAT + sendable.reduce((a, b) => (a > b ? a : b), 0n);
}

async function paid(node: Self, id: string, text: string): Promise<void> {
  const begun = await node.call('pay', { id, text });
  if (!begun.ok) throw new Error(`${begun.error.code}: ${begun.error.detail}`);
  await wakeUntil(node, 'the payment to be sent', async () => (await payment(node, id))?.state === 'sent');
  await wakeUntil(node, 'every HTLC to be gone', async () => (await balances(node)).htlcs === 0);
}

test('two parts over two channels: one payment, paid once', { timeout: 60_000 }, async () => {
  const before = await balances(self);
  const amountSat = await amountForTwo();
  const { text, paymentHash } = await world.alice.invoice(amountSat * 1_000n);
  const estimate = await self.call('pay-estimate', { text });
  expect(estimate).toMatchObject({ ok: true, value: { feeMsat: '0', parts: 2, route: 'direct' } });
  await paid(self, 'in-parts', text);
  expect(await world.alice.invoiceState(paymentHash)).toBe('paid');
  const settled = await settledParts('in-parts');
  expect(settled).toHaveLength(2);
  const after = await balances(self);
  expect(before.ours - after.ours).toBe(amountSat);
  expect(after.theirs - before.theirs).toBe(amountSat);
  for (const amountMsat of settled) await refill(amountMsat);
});

test('a probe comes back from LDK, and costs nothing', { timeout: 60_000 }, async () => {
  const before = await balances(self);
  const { text } = await world.alice.invoice(50_000_000n);
  expect(await self.call('probe', { text })).toEqual({ ok: true, value: { reached: true, feeMsat: '0', hops: 1 } });
  await wakeUntil(self, 'every HTLC to be gone', async () => (await balances(self)).htlcs === 0);
  expect(await balances(self)).toEqual(before);
});

test('a worker killed at each boundary of a payment in parts: paid exactly once', { timeout: 400_000 }, async () => {
  let run = 0;
  const seen = await everyBoundary('we pay LDK in parts', async (executioner: Executioner) => {
    run += 1;
    const id = `parts-${run}-of-crashes`;
    const before = await balances(self);
    const amountSat = await amountForTwo();
    const { text, paymentHash } = await world.alice.invoice(amountSat * 1_000n);
    self.close();
    self = await startSelf({ relayUrl: world.relayUrl, name: self.name, wrap: executioner.wrap });
    executioner.armed = true;
    self = await surviving(world, executioner, self, (node) => paid(node, id, text));
    executioner.armed = false;
    expect(await world.alice.invoiceState(paymentHash)).toBe('paid');
    const after = await balances(self);
    expect({ ours: before.ours - after.ours, theirs: after.theirs - before.theirs }).toEqual({ ours: amountSat, theirs: amountSat });
    const settled = await settledParts(id);
    expect(settled).toHaveLength(2);
    for (const amountMsat of settled) await refill(amountMsat);
  });
  expect(seen.length).toBeGreaterThan(8);
});

async function settledParts(id: string): Promise<readonly string[]> {
  const parts = (await payment(self, id))?.parts ?? [];
  return parts.flatMap(({ state, amountMsat }) => (state === 'settled' ? [amountMsat] : []));
}

/** Back again, so that the next run finds as much. */
async function refill(amountMsat: string): Promise<void> {
  const made = await self.call('create-invoice', { amountMsat, description: 'back' });
  if (!made.ok) throw new Error(made.error.code);
  let end: boolean | undefined;
  void world.alice.pay(made.value.text).then(({ ok }) => {
    end = ok;
  });
  await wakeUntil(self, 'it to come back', async () => end !== undefined && (await balances(self)).htlcs === 0);
  expect(end).toBe(true);
}
