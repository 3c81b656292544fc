/** Payments between our node and LDK over one channel, both ways, before and after either of them was restarted. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../lab/wait.ts';
import { type Self, startSelf } from '../peers/self.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

const COUNT = 20;
const AMOUNT_SAT = 1_000n;

let world: SmallWorld;
let self: Self;

beforeAll(async () => {
  world = await startSmallWorld();
  const connected = await connectedSelf(world);
  self = connected.self;
  const opening = world.alice.openChannel(connected.nodeId, 1_000_000n, { pushSat: 300_000n });
  await wakeUntil(self, 'the funding', async () => (await channelTags(self)).includes('wait-for-funding-confirmed'));
  expect((await opening).ok).toBe(true);
  await world.chain.mine(6);
  await wakeUntil(self, 'the channel to be ready on both sides', ready);
}, 60_000);
afterAll(async () => {
  self.close();
  await world.stop();
});

const ready = async (): Promise<boolean> =>
  (await channelTags(self)).includes('normal') && (await world.alice.channels()).some((channel) => channel.active);

async function balances(): Promise<{ ours: bigint; theirs: bigint; htlcs: number }> {
  const view = await self.call('snapshot', null);
  const channel = view.ok ? view.value.channels[0] : undefined;
  const [their] = await world.alice.channels();
  if (channel === undefined || their === undefined) throw new Error('no channel');
  return { ours: BigInt(channel.oursSat), theirs: their.ownSat, htlcs: channel.htlcs.length + their.htlcs };
}

const quiet = (): Promise<void> => wakeUntil(self, 'every HTLC to be gone', async () => (await balances()).htlcs === 0);

async function invoiceOfOurs(): Promise<string> {
  const made = await self.call('create-invoice', { amountMsat: (AMOUNT_SAT * 1_000n).toString(), description: 'a coffee' });
  if (!made.ok) throw new Error(made.error.code);
  return made.value.text;
}

/** All at once: they share commitments. */
async function theyPay(): Promise<void> {
  const before = await balances();
  const texts = await Promise.all(Array.from({ length: COUNT }, invoiceOfOurs));
  let ended = 0;
  const paying = texts.map(async (text) => {
    const paid = await world.alice.pay(text);
    ended += 1;
    return paid;
  });
  await wakeUntil(self, 'all payments to end', async () => ended === COUNT);
  for (const paid of await Promise.all(paying)) expect(paid).toMatchObject({ ok: true });
  await quiet();
  const after = await balances();
  expect(after.ours - before.ours).toBe(BigInt(COUNT) * AMOUNT_SAT);
  expect(before.theirs - after.theirs).toBe(BigInt(COUNT) * AMOUNT_SAT);
}

async function wePay(prefix: string): Promise<void> {
  const before = await balances();
  const hashes: string[] = [];
  for (let i = 0; i < COUNT; i += 1) {
    const { text, paymentHash } = await world.alice.invoice(AMOUNT_SAT * 1_000n);
    const begun = await self.call('pay', { id: `${prefix}-payment-${i}`, text });
    if (!begun.ok) throw new Error(`${begun.error.code}: ${begun.error.detail}`);
    hashes.push(paymentHash);
  }
  await wakeUntil(self, 'all payments to be sent', async () => {
    const listed = await self.call('payments', null);
    return listed.ok && hashes.every((hash) => listed.value.some((one) => one.paymentHash === hash && one.state === 'sent'));
  });
  for (const hash of hashes) expect(await world.alice.invoiceState(hash)).toBe('paid');
  await quiet();
  const after = await balances();
  expect(before.ours - after.ours).toBe(BigInt(COUNT) * AMOUNT_SAT);
  expect(after.theirs - before.theirs).toBe(BigInt(COUNT) * AMOUNT_SAT);
}

test('LDK pays twenty invoices of ours', theyPay, 30_000);
test('we pay twenty invoices of LDK', () => wePay('first'), 30_000);

test('both ways after our node and LDK were started again', async () => {
  self.close();
  self = await startSelf({ relayUrl: world.relayUrl, name: self.name });
  await world.alice.restart();
  await waitFor(
    async () => {
      await self.wake(undefined, 100);
      return ready();
    },
    { what: 'the channel to be back', timeoutMs: 30_000 },
  );
  await theyPay();
  await wePay('second');
}, 90_000);
