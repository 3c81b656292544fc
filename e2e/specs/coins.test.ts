/**
 * Our coins on a real chain, against an LDK peer: received, spent by a channel's funding transaction that bcoin relays and mines, back
 * as change, and back again when the channel closes.
 */
import { p2pkh, Transaction } from '@scure/btc-signer';
import { pubECDSA } from '@scure/btc-signer/utils.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { labKey, REGTEST } from '../lab/wallet.ts';
import type { Self } from '../peers/self.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

let world: SmallWorld;
let self: Self;

beforeAll(async () => {
  world = await startSmallWorld();
  ({ self } = await connectedSelf(world));
}, 60_000);
afterAll(async () => {
  self.close();
  await world.stop();
});

const coins = async () => {
  const listed = await self.call('coins', null);
  return listed.ok ? listed.value : [];
};
const total = async () => (await coins()).reduce((sum, coin) => sum + Number(coin.amountSat), 0);
const address = async () => {
  const given = await self.call('receive-address', null);
  if (!given.ok) throw new Error(given.error.code);
  return given.value.address;
};
const mined = async (what: string, blocks: number, condition: () => Promise<boolean>) => {
  await world.chain.mine(blocks);
  await wakeUntil(self, what, condition);
};
const unmined = async (): Promise<number> => {
  const list = await world.chain.rpc('getrawmempool', []);
  return Array.isArray(list) ? list.length : 0;
};
async function openChannel(amountSat: string): Promise<void> {
  expect(await self.call('open-channel', { peerId: world.alice.id, amountSat, isPublic: false, feerateSatPerVb: 2 })).toMatchObject({
    ok: true,
  });
  await wakeUntil(self, 'the first signatures', async () => (await channelTags(self)).includes('wait-for-funding-confirmed'));
}
const channelId = async () => {
  const view = await self.call('snapshot', null);
  return (view.ok ? view.value.channels[0]?.id : undefined) ?? '';
};

test('coins of two addresses fund a channel, and the change is a coin again', { timeout: 40_000 }, async () => {
  await world.chain.fund(await address(), 130_000n);
  await mined('the first coin', 1, async () => (await coins()).length === 1);
  await world.chain.fund(await address(), 120_000n);
  await mined('the second coin', 1, async () => (await coins()).length === 2);
  expect(new Set((await coins()).map((coin) => coin.address)).size).toBe(2);

  await openChannel('200000');
  expect((await coins()).map((coin) => coin.reservedFor)).toEqual([
    { what: 'funding', peerId: world.alice.id },
    { what: 'funding', peerId: world.alice.id },
  ]);
  await mined('the channel', 6, async () => (await channelTags(self)).includes('normal'));
  const [change, ...others] = await coins();
  expect(others).toEqual([]);
  expect(change?.reservedFor).toBeUndefined();
  expect(await total()).toBeGreaterThan(49_000);
  expect(await total()).toBeLessThan(50_000);
});

test('what a cooperative close pays us is a coin', { timeout: 40_000 }, async () => {
  const before = await total();
  expect(await self.call('close-channel', { peerId: world.alice.id, channelId: await channelId(), feerateSatPerVb: 2 })).toMatchObject({
    ok: true,
  });
  await wakeUntil(self, 'the closing transaction', async () => (await unmined()) > 0);
  await mined('the coin', 1, async () => (await coins()).length === 2);
  expect(await total()).toBeGreaterThan(before + 195_000);
});

test('and so is what is swept after a forced one', { timeout: 60_000 }, async () => {
  await openChannel('200000');
  await mined('the channel', 6, async () => (await channelTags(self)).includes('normal'));
  const before = await total();
  const view = await self.call('snapshot', null);
  const live = view.ok ? view.value.channels.find((channel) => channel.tag === 'normal') : undefined;
  const named = { peerId: world.alice.id, channelId: live?.id ?? '' };
  const estimate = await self.call('close-estimate', named);
  if (!estimate.ok) throw new Error(estimate.error.code);
  expect(await self.call('force-close', named)).toMatchObject({ ok: true });
  await wakeUntil(self, 'our commitment', async () => (await unmined()) > 0);
  await mined('the close', 1, async () => (await channelTags(self)).includes('closing'));
  await mined('the sweep', estimate.value.forceBlocks, async () => (await unmined()) > 0);
  await mined('the coin', 1, async () => (await total()) > before + 195_000);
});

test('a payment without a witness is a coin like any other', async () => {
  const key = labKey('somebody with an old wallet');
  const from = p2pkh(pubECDSA(key), REGTEST);
  if (from.address === undefined) throw new Error('no address');
  const txid = await world.chain.fund(from.address, 90_000n);
  // In a block of its own: one that holds no witness at all.
  await world.chain.mine(1);
  const raw = fromHex(String(await world.chain.rpc('getrawtransaction', [txid])));
  const before = Transaction.fromRaw(raw, { allowUnknownOutputs: true });
  const index = Array.from({ length: before.outputsLength }, (_, i) => i).find(
    (i) => toHex(before.getOutput(i).script ?? new Uint8Array()) === toHex(from.script),
  );
  if (index === undefined) throw new Error('not paid');
  const payment = new Transaction();
  payment.addInput({ txid, index, nonWitnessUtxo: raw });
  payment.addOutputAddress(await address(), 80_000n, REGTEST);
  payment.sign(key);
  payment.finalize();
  expect(payment.hasWitnesses).toBe(false);
  expect(await world.chain.submit(payment.extract())).toMatchObject({ ok: true });
  await mined('the coin', 1, async () => (await coins()).some((coin) => coin.amountSat === '80000'));
});
