/** A database of the fourth schema, as a wallet in use may have it: its payments are there after the upgrade, and those on their way go on. */
import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { stepPayment } from '../../shared/ln/payment/machine.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { failureFrom, paymentHash, preimage, secretsOf } from '../../shared/ln/testing/payments.ts';
import type { PaymentRecordV4 } from './payment-record.ts';
import { openDatabase } from './schema.ts';

const old = (id: string, more: Partial<PaymentRecordV4>): PaymentRecordV4 => ({
  id,
  paymentHash: toHex(hash(id)),
  text: `lnbcrt of ${id}`,
  amountMsat: '20000',
  feeMsat: '30',
  createdAtMs: 1_700_000_000_000,
  state: 'pending',
  sharedSecrets: secretsOf(0, 2).map(toHex),
  ...more,
});
const htlc = `${'ab'.repeat(32)}:7`;

async function upgraded(name: string, ...payments: readonly PaymentRecordV4[]) {
  const before = await openDB(name, 4, {
    upgrade(db) {
      db.createObjectStore('vault');
      db.createObjectStore('peers', { keyPath: 'peerId' });
      db.createObjectStore('settings');
      db.createObjectStore('activity', { keyPath: 'id', autoIncrement: true });
      db.createObjectStore('headers');
      db.createObjectStore('archives', { keyPath: ['channel', 'number'] });
      db.createObjectStore('wallet');
      db.createObjectStore('invoices', { keyPath: 'paymentHash' });
      db.createObjectStore('payments', { keyPath: 'id' }).createIndex('htlc', 'htlc');
    },
  });
  await before.put('settings', 'regtest', 'network');
  for (const payment of payments) await before.put('payments', payment);
  before.close();
  return openDatabase(name);
}

test('what has ended is there as it ended', async () => {
  const db = await upgraded(
    'ended',
    old('paid', { state: 'sent', preimage: toHex(preimage), htlc }),
    old('refused', { state: 'failed', failure: 'incorrect_or_unknown_payment_details at hop 1' }),
    old('stuck', { state: 'failed', failure: 'temporary_channel_failure at hop 0' }),
    old('here', { state: 'failed', failure: 'cannot-afford' }),
    old('never', {}),
  );
  expect(await db.get('settings', 'network')).toBe('regtest');
  expect(await db.get('payments', 'paid')).toMatchObject({
    text: 'lnbcrt of paid',
    createdAtMs: 1_700_000_000_000,
    htlcs: [],
    life: { state: 'sent', preimage: toHex(preimage), amountMsat: 20_000n, parts: [{ state: 'settled', amountMsat: 20_000n }] },
  });
  const ends = await Promise.all(['refused', 'stuck', 'here', 'never'].map((id) => db.get('payments', id)));
  expect(ends.map((one) => [one?.life.state, one?.life.failure, one?.life.parts[0]?.failure])).toEqual([
    ['failed', 'invoice-unknown', { code: 'incorrect_or_unknown_payment_details', hop: 1 }],
    ['failed', 'no-route', { code: 'temporary_channel_failure', hop: 0 }],
    ['failed', 'not-sent', { code: 'cannot-afford' }],
    ['failed', 'not-sent', { code: 'not-sent' }],
  ]);
  expect(await db.getAllFromIndex('payments', 'state', 'pending')).toEqual([]);
  expect((await db.getAllFromIndex('payments', 'hash', toHex(hash('paid')))).map(({ id }) => id)).toEqual(['paid']);
});

test('what is on its way is found by its HTLC, and ends either way', async () => {
  const db = await upgraded('pending', old('flying', { htlc, paymentHash: toHex(paymentHash) }));
  const [record] = await db.getAllFromIndex('payments', 'htlc', htlc);
  if (!record) throw new Error('not found');
  expect(record).toMatchObject({ id: 'flying', fence: 1, life: { state: 'pending', parts: [{ n: 0, state: 'in-flight', htlc }] } });
  const env = { nowMs: 1_800_000_000_000 };
  expect(stepPayment(record.life, { tag: 'tick' }, env).payment).toBe(record.life);
  expect(stepPayment(record.life, { tag: 'part-fulfilled', n: 0, preimage }, env).payment).toMatchObject({ state: 'sent' });
  const end = failureFrom(1, 0, { name: 'incorrect_or_unknown_payment_details', htlcMsat: 1n, height: 1 });
  const failed = stepPayment(record.life, { tag: 'part-failed', n: 0, end }, env);
  expect(failed.payment).toMatchObject({ state: 'failed', failure: 'invoice-unknown' });
  // Its route is not known any more: it is not tried again.
  const stuck = failureFrom(0, 0, { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) });
  expect(stepPayment(record.life, { tag: 'part-failed', n: 0, end: stuck }, env).payment.state).toBe('failed');
});
