/** Two LDK nodes that have no channel with each other, and us asleep between them: one pays the other over us, for our fee. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex } from '../../shared/lib/bytes.ts';
import { parseInvoice } from '../../shared/ln/invoice/parse.ts';
import { waitFor } from '../lab/wait.ts';
import type { LdkPeer } from '../peers/ldk.ts';
import type { Self } from '../peers/self.ts';
import { channelTags, connectedSelf, type SmallWorld, startBob, startSmallWorld, wakeUntil } from './small-world.ts';

const AMOUNT_MSAT = 50_000_000n;
/** 1000 msat, and 100 of a million. */
const FEE_MSAT = 6_000n;

let world: SmallWorld;
let bob: LdkPeer;
let self: Self;
let nodeId: string;

beforeAll(async () => {
  world = await startSmallWorld();
  bob = await startBob(world);
  ({ self, nodeId } = await connectedSelf(world));
  await self.call('connect-peer', { address: `${bob.id}@127.0.0.1:${bob.port}` });
  await opened(world.alice, 500_000n, 0n);
  await opened(bob, 500_000n, 300_000n);
  await world.chain.mine(6);
  await wakeUntil(self, 'both channels to be ready', async () => {
    const tags = await channelTags(self);
    const theirs = [...(await world.alice.channels()), ...(await bob.channels())];
    return tags.length === 2 && tags.every((tag) => tag === 'normal') && theirs.every(({ active }) => active);
  });
}, 120_000);
afterAll(async () => {
  self.close();
  await bob.stop();
  await world.stop();
});

async function opened(peer: LdkPeer, amountSat: bigint, pushSat: bigint): Promise<void> {
  let outcome: { readonly ok: boolean } | undefined;
  void peer.openChannel(nodeId, amountSat, { pushSat }).then((done) => {
    outcome = done;
  });
  await wakeUntil(self, 'the funding', async () => outcome !== undefined);
  expect(outcome).toMatchObject({ ok: true });
}

async function ours(peer: LdkPeer): Promise<bigint> {
  const view = await self.call('snapshot', null);
  return view.ok
    ? view.value.channels.filter(({ peerId }) => peerId === peer.id).reduce((sum, { oursSat }) => sum + BigInt(oursSat), 0n)
    : 0n;
}
async function quiet(): Promise<boolean> {
  const view = await self.call('snapshot', null);
  const theirs = [...(await world.alice.channels()), ...(await bob.channels())];
  return view.ok && view.value.channels.every(({ htlcs }) => htlcs.length === 0) && theirs.every(({ htlcs }) => htlcs === 0);
}
async function passOn(on: boolean): Promise<void> {
  const view = await self.call('snapshot', null);
  if (!view.ok) throw new Error(view.error.code);
  expect(await self.call('set-forwarding', { ...view.value.forwarding, on })).toMatchObject({ ok: true });
}

/** Alice pays an invoice of Bob's over us. `feeMsat`: what she leaves us. */
async function paid(text: string, feeMsat = FEE_MSAT) {
  const [channel] = await bob.channels();
  if (channel?.inboundScid === undefined) throw new Error('Bob has no name for his channel');
  const hint = {
    nodeId: fromHex(nodeId),
    shortChannelId: channel.inboundScid,
    feeBaseMsat: Number(feeMsat),
    feeProportionalMillionths: 0,
    cltvExpiryDelta: 80,
  };
  let outcome: Awaited<ReturnType<LdkPeer['pay']>> | undefined;
  void world.alice.pay(text, { maxFeeMsat: feeMsat, hint }).then((done) => {
    outcome = done;
  });
  await wakeUntil(self, 'the payment to end', async () => outcome !== undefined);
  await wakeUntil(self, 'every HTLC to be gone', quiet);
  return outcome;
}
async function forwards() {
  const listed = await self.call('activity', { limit: 50, kind: 'payment-forwarded' });
  return listed.ok ? listed.value.map(({ amountSat, detail }) => ({ amountSat, detail })) : [];
}

test('switched off, it goes back', { timeout: 60_000 }, async () => {
  const { text, paymentHash } = await bob.invoice(AMOUNT_MSAT);
  expect(await paid(text)).toMatchObject({ ok: false });
  expect(await bob.invoiceState(paymentHash)).toBe('open');
  expect(await forwards()).toEqual([]);
});

test('switched on, it arrives, and what it earned is in the activity', { timeout: 60_000 }, async () => {
  await passOn(true);
  const [alices, bobs] = [await ours(world.alice), await ours(bob)];
  const { text, paymentHash } = await bob.invoice(AMOUNT_MSAT);
  expect(await paid(text)).toMatchObject({ ok: true });
  expect(await bob.invoiceState(paymentHash)).toBe('paid');
  expect([(await ours(world.alice)) - alices, bobs - (await ours(bob))]).toEqual([50_006n, 50_000n]);
  expect(await forwards()).toEqual([{ amountSat: '50000', detail: '6000' }]);
});

test('Bob was told what we ask for, so his own invoice says how he is reached', { timeout: 60_000 }, async () => {
  const [alices, bobs] = [await ours(world.alice), await ours(bob)];
  await wakeUntil(self, 'us to be heard', async () => {
    const parsed = parseInvoice((await bob.invoice(AMOUNT_MSAT)).text, 'regtest');
    return parsed.ok && parsed.value.routeHints.length > 0;
  });
  const { text, paymentHash } = await bob.invoice(AMOUNT_MSAT);
  let outcome: Awaited<ReturnType<LdkPeer['pay']>> | undefined;
  void world.alice.pay(text, { maxFeeMsat: FEE_MSAT }).then((done) => {
    outcome = done;
  });
  await wakeUntil(self, 'the payment to end', async () => outcome !== undefined);
  await wakeUntil(self, 'every HTLC to be gone', quiet);
  expect(outcome).toMatchObject({ ok: true });
  expect(await bob.invoiceState(paymentHash)).toBe('paid');
  expect([(await ours(world.alice)) - alices, bobs - (await ours(bob))]).toEqual([50_006n, 50_000n]);
});

test('for too little it goes back, and so it does when Bob takes it back', { timeout: 60_000 }, async () => {
  const cheap = await bob.invoice(AMOUNT_MSAT);
  expect(await paid(cheap.text, FEE_MSAT - 1n)).toMatchObject({ ok: false });
  expect(await bob.invoiceState(cheap.paymentHash)).toBe('open');
  const held = await bob.invoice(AMOUNT_MSAT, { hold: true });
  const ended = paid(held.text);
  await waitFor(async () => (await bob.invoiceState(held.paymentHash)) === 'held', { what: 'Bob to have it' });
  await bob.cancel(held.paymentHash);
  expect(await ended).toMatchObject({ ok: false });
  expect(await forwards()).toHaveLength(2);
});
