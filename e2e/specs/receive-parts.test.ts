/**
 * LDK pays us in parts while we sleep: over two channels of its own, and over another LDK node that it finds by the hint in our invoice; and
 * without an invoice.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LdkPeer } from '../peers/ldk.ts';
import type { Self } from '../peers/self.ts';
import { channelTags, connectedSelf, type SmallWorld, startBob, startSmallWorld, wakeUntil } from './small-world.ts';

let world: SmallWorld;
let bob: LdkPeer;
let self: Self;
let nodeId: string;

beforeAll(async () => {
  world = await startSmallWorld();
  bob = await startBob(world);
  ({ self, nodeId } = await connectedSelf(world));
  await self.call('connect-peer', { address: `${bob.id}@127.0.0.1:${bob.port}` });
  await opened(world.alice, 200_000n);
  await opened(world.alice, 300_000n);
  await opened(bob, 500_000n);
  await world.alice.connect(bob.id, bob.host, bob.port);
  expect(await world.alice.openChannel(bob.id, 1_000_000n)).toMatchObject({ ok: true });
  await world.chain.mine(6);
  await wakeUntil(self, 'all channels to be ready', async () => {
    const tags = await channelTags(self);
    const theirs = [...(await world.alice.channels()), ...(await bob.channels())];
    return tags.length === 3 && tags.every((tag) => tag === 'normal') && theirs.length === 5 && theirs.every(({ active }) => active);
  });
}, 120_000);
afterAll(async () => {
  self.close();
  await bob.stop();
  await world.stop();
});

async function opened(peer: LdkPeer, amountSat: bigint): Promise<void> {
  let outcome: { readonly ok: boolean } | undefined;
  void peer.openChannel(nodeId, amountSat).then((done) => {
    outcome = done;
  });
  await wakeUntil(self, 'the funding', async () => outcome !== undefined);
  expect(outcome).toMatchObject({ ok: true });
}

async function receive(amountSat: bigint) {
  const made = await self.call('create-invoice', { amountMsat: (amountSat * 1_000n).toString(), description: 'a coffee' });
  if (!made.ok) throw new Error(made.error.code);
  let paid: Awaited<ReturnType<LdkPeer['pay']>> | undefined;
  const before = self.notices.length;
  void world.alice.pay(made.value.text, { maxFeeMsat: 50_000n }).then((outcome) => {
    paid = outcome;
  });
  await wakeUntil(self, 'the payment to end', async () => paid !== undefined);
  await wakeUntil(self, 'every HTLC to be gone', quiet);
  const listed = await self.call('payments', null);
  const view = listed.ok ? listed.value.find(({ paymentHash }) => paymentHash === made.value.paymentHash) : undefined;
  const told = self.notices.slice(before).filter(({ title }) => title.startsWith('Received'));
  return { paid, view, told: told.map(({ title, body }) => `${title} | ${body}`) };
}

async function quiet(): Promise<boolean> {
  const view = await self.call('snapshot', null);
  return view.ok && view.value.channels.every(({ htlcs }) => htlcs.length === 0);
}

test('more than one channel holds: in two parts, over two channels of one peer', { timeout: 60_000 }, async () => {
  const { paid, view, told } = await receive(400_000n);
  expect(paid).toMatchObject({ ok: true });
  expect(view).toMatchObject({ state: 'paid', amountMsat: '400000000' });
  expect(view?.parts.length).toBeGreaterThan(1);
  expect(told).toEqual([expect.stringMatching(/^Received 400,000 sat \| a coffee · over/)]);
});

test('more than the peer’s channels hold: the rest comes over another node, by the hint', { timeout: 60_000 }, async () => {
  const before = await bob.channels();
  // The hint says what Bob said himself.
  const records = await self.ports.db.getAll('peers');
  expect(records.map(({ policies = [] }) => policies.length).sort()).toEqual([1, 2]);
  const { paid, view, told } = await receive(300_000n);
  expect(paid).toMatchObject({ ok: true });
  expect(view).toMatchObject({ state: 'paid', amountMsat: '300000000' });
  expect(told).toEqual([expect.stringMatching(/^Received 300,000 sat \| a coffee · over/)]);
  const ownSat = (channels: typeof before) => channels.find(({ peer }) => peer === nodeId)?.ownSat ?? 0n;
  expect(ownSat(before)).toBeGreaterThan(ownSat(await bob.channels()));
});

test('without an invoice', { timeout: 60_000 }, async () => {
  let paid: Awaited<ReturnType<LdkPeer['pay']>> | undefined;
  void bob.keysend?.(nodeId, 21_000n).then((outcome) => {
    paid = outcome;
  });
  await wakeUntil(self, 'the payment to end', async () => paid !== undefined);
  expect(paid).toMatchObject({ ok: true });
  await wakeUntil(self, 'every HTLC to be gone', quiet);
  const listed = await self.call('payments', null);
  expect(listed.ok && listed.value.filter(({ kind }) => kind === 'keysend')).toMatchObject([{ state: 'paid', amountMsat: '21000' }]);
});
