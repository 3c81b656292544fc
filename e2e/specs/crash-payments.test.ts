/**
 * A worker killed before each of its writes and requests, one run per boundary of a payment, then started again: the payment is made,
 * exactly once. All runs share one channel with LDK, and one database.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Self, startSelf } from '../peers/self.ts';
import { type Executioner, everyBoundary, surviving } from './executioner.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

const AMOUNT_SAT = 1_000n;
const amountMsat = (AMOUNT_SAT * 1_000n).toString();

let world: SmallWorld;
let self: Self;

beforeAll(async () => {
  world = await startSmallWorld();
  const connected = await connectedSelf(world);
  self = connected.self;
  const opening = world.alice.openChannel(connected.nodeId, 1_000_000n, { pushSat: 400_000n });
  await wakeUntil(self, 'the funding', async () => (await channelTags(self)).includes('wait-for-funding-confirmed'));
  expect((await opening).ok).toBe(true);
  await world.chain.mine(6);
  await wakeUntil(self, 'the channel to be ready on both sides', async () => {
    const active = (await world.alice.channels()).some((channel) => channel.active);
    return active && (await channelTags(self)).includes('normal');
  });
}, 60_000);
afterAll(async () => {
  self.close();
  await world.stop();
});

async function balances(node: Self): Promise<{ ours: bigint; theirs: bigint; htlcs: number }> {
  const view = await node.call('snapshot', null);
  const [channel, ...others] = view.ok ? view.value.channels : [];
  const [their] = await world.alice.channels();
  if (channel === undefined || their === undefined) throw new Error('no channel');
  expect({ tag: channel.tag, others }).toEqual({ tag: 'normal', others: [] });
  return { ours: BigInt(channel.oursSat), theirs: their.ownSat, htlcs: channel.htlcs.length + their.htlcs };
}

async function payments(node: Self) {
  const listed = await node.call('payments', null);
  if (!listed.ok) throw new Error(listed.error.code);
  return listed.value;
}

/** The next life of the node, under the axe, plays the flow; what moved is one payment, `sign` of its amount to us. */
async function played(executioner: Executioner, sign: 1n | -1n, work: (node: Self) => Promise<void>): Promise<void> {
  const before = await balances(self);
  self.close();
  self = await startSelf({ relayUrl: world.relayUrl, name: self.name, wrap: executioner.wrap });
  executioner.armed = true;
  self = await surviving(world, executioner, self, async (node) => {
    await work(node);
    await wakeUntil(node, 'every HTLC to be gone', async () => (await balances(node)).htlcs === 0);
  });
  executioner.armed = false;
  const after = await balances(self);
  expect({ ours: after.ours - before.ours, theirs: after.theirs - before.theirs }).toEqual({
    ours: sign * AMOUNT_SAT,
    theirs: -sign * AMOUNT_SAT,
  });
}

test('LDK pays an invoice of ours', { timeout: 240_000 }, async () => {
  const seen = await everyBoundary('LDK pays us', async (executioner) => {
    let paying: { readonly text: string; readonly paymentHash: string } | undefined;
    const ends: boolean[] = [];
    await played(executioner, 1n, async (node) => {
      if (paying === undefined) {
        const made = await node.call('create-invoice', { amountMsat, description: 'a coffee' });
        if (!made.ok) throw new Error(made.error.code);
        paying = made.value;
        void world.alice.pay(paying.text).then(({ ok }) => ends.push(ok));
      }
      await wakeUntil(node, 'the payment to end', async () => ends.length > 0);
    });
    expect(ends).toEqual([true]);
    const mine = (await payments(self)).filter(({ paymentHash }) => paymentHash === paying?.paymentHash);
    expect(mine.map(({ state }) => state)).toEqual(['paid']);
  });
  expect(seen.length).toBeGreaterThan(8);
  expect(seen.some((name) => name.startsWith('write peers'))).toBe(true);
});

test('we pay an invoice of LDK', { timeout: 240_000 }, async () => {
  let paid = 0;
  const seen = await everyBoundary('we pay LDK', async (executioner) => {
    paid += 1;
    const { text, paymentHash } = await world.alice.invoice(BigInt(amountMsat));
    await played(executioner, -1n, async (node) => {
      // A page that saw its worker die asks again, with the same id.
      const begun = await node.call('pay', { id: `payment-${paid}`, text });
      if (!begun.ok) throw new Error(`${begun.error.code}: ${begun.error.detail}`, { cause: begun.error });
      await wakeUntil(node, 'the payment to be sent', async () =>
        (await payments(node)).some((one) => one.paymentHash === paymentHash && one.state === 'sent'),
      );
    });
    expect(await world.alice.invoiceState(paymentHash)).toBe('paid');
    expect((await payments(self)).filter((one) => one.paymentHash === paymentHash).map(({ state }) => state)).toEqual(['sent']);
  });
  expect(seen.length).toBeGreaterThan(8);
  expect(seen.some((name) => name.startsWith('write payments') || name.includes('payments'))).toBe(true);
});
