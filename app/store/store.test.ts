import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { beforeEach, describe, expect, it } from 'vitest';
import { newPayment } from '../../shared/ln/payment/payment.ts';
import { terms } from '../../shared/ln/testing/payments.ts';
import { type Database, type InvoiceRecord, openDatabase, type PaymentRecord, type PeerRecord } from './schema.ts';
import { ACTIVITY_LIMIT, commit, loadPeer, loadReceiving, readActivity, readHeaders, rivalOf, setting, writeHeaders } from './store.ts';
import { openWallet, sealWallet } from './vault.ts';

const peer = (fence: number, byte = 1): PeerRecord => ({
  peerId: '02aa',
  host: 'h',
  port: 1,
  alias: '',
  onOpen: 'default',
  zeroConf: false,
  fence,
  frozen: Uint8Array.of(byte),
  failures: 0,
});
const invoice: InvoiceRecord = {
  paymentHash: 'aa',
  preimage: 'bb',
  paymentSecret: 'cc',
  description: '',
  text: '',
  createdAtMs: 1,
  expiresAtMs: 2,
  state: 'open',
};
let db: Database;
let count = 0;
beforeEach(async () => {
  count += 1;
  db = await openDatabase(`store-test-${count}`);
});

describe('commit', () => {
  it('writes peer, activity and settings together and moves the fence', async () => {
    expect(await commit(db, { peer: peer(0), activity: [{ atMs: 1, kind: 'a' }], settings: { network: 'regtest' } })).toEqual({
      ok: true,
      value: null,
    });
    expect((await loadPeer(db, '02aa'))?.fence).toBe(1);
    expect(await setting(db, 'network')).toBe('regtest');
    expect((await readActivity(db, { limit: 9 })).map((record) => record.kind)).toEqual(['a']);
  });

  it('refuses a second writer with the same fence, and writes nothing of its step', async () => {
    await commit(db, { peer: peer(0, 1) });
    const late = await commit(db, { peer: peer(0, 2), activity: [{ atMs: 1, kind: 'late' }], settings: { network: 'x' } });
    expect(late).toMatchObject({ ok: false, error: { code: 'fence-lost' } });
    expect((await loadPeer(db, '02aa'))?.frozen).toEqual(Uint8Array.of(1));
    expect(await readActivity(db, { limit: 9 })).toEqual([]);
    expect(await setting(db, 'network')).toBeUndefined();
  });

  it('of two writers at once exactly one wins', async () => {
    const results = await Promise.all([commit(db, { peer: peer(0, 1) }), commit(db, { peer: peer(0, 2) })]);
    expect(results.filter((result) => result.ok)).toHaveLength(1);
  });

  it('an invoice that somebody else has written since is not written over, nor is anything of the step', async () => {
    await commit(db, { writes: [{ store: 'invoices', value: invoice }] });
    const loaded = await db.get('invoices', invoice.paymentHash);
    if (loaded === undefined) throw new Error('not written');
    expect(await commit(db, { writes: [{ store: 'invoices', value: { ...loaded, state: 'holding' } }] })).toMatchObject({ ok: true });
    const late = await commit(db, { peer: peer(0), writes: [{ store: 'invoices', value: { ...loaded, state: 'cancelled' } }] });
    expect(late).toMatchObject({ ok: false, error: { code: 'fence-lost' } });
    expect((await loadReceiving(db)).unsettled).toMatchObject([{ state: 'holding', fence: 2 }]);
    expect(await loadPeer(db, '02aa')).toBeUndefined();
  });

  const payment = (id: string, fence = 0, state: 'pending' | 'failed' = 'pending'): PaymentRecord => ({
    id,
    fence,
    createdAtMs: 1,
    life: { ...newPayment(terms), state },
    htlcs: [],
    finalCltvDelta: 18,
  });
  const write = (value: PaymentRecord) => commit(db, { writes: [{ store: 'payments', value }], activity: [{ atMs: 1, kind: 'a step' }] });

  it('of two steps of one payment the second to write is made again', async () => {
    expect(await write(payment('one'))).toMatchObject({ ok: true });
    expect(await write(payment('one', 1))).toMatchObject({ ok: true });
    expect(await write(payment('one', 1))).toMatchObject({ ok: false, error: { code: 'fence-lost' } });
    expect(await write(payment('one', 0))).toMatchObject({ ok: false, error: { code: 'fence-lost' } });
    expect((await db.get('payments', 'one'))?.fence).toBe(2);
    expect(await readActivity(db, { limit: 9 })).toHaveLength(2);
  });

  it('of two payments of one hash the second is not written, until the first has failed', async () => {
    await write(payment('one'));
    expect(await write(payment('two'))).toMatchObject({ ok: false, error: { code: 'fence-lost' } });
    expect(await db.get('payments', 'two')).toBeUndefined();
    expect((await rivalOf(db, payment('two')))?.id).toBe('one');
    expect(await write(payment('one', 1, 'failed'))).toMatchObject({ ok: true });
    expect(await write(payment('two'))).toMatchObject({ ok: true });
    expect(await rivalOf(db, payment('two'))).toBeUndefined();
  });

  it('a value that cannot be stored is a typed failure and leaves nothing half-written', async () => {
    const bad = { ...peer(0), alias: (() => 1) as never };
    expect(await commit(db, { settings: { network: 'kept' }, peer: bad })).toMatchObject({ ok: false, error: { code: 'storage-failed' } });
    expect(await setting(db, 'network')).toBeUndefined();
  });

  it('asks for strict durability', async () => {
    const asked: unknown[] = [];
    const spy = new Proxy(db, {
      get: (target, name) =>
        name === 'transaction'
          ? (...args: Parameters<Database['transaction']>) => {
              asked.push(args[2]);
              return target.transaction(...args);
            }
          : Reflect.get(target, name),
    });
    await commit(spy, { settings: { network: 'x' } });
    expect(asked).toEqual([{ durability: 'strict' }]);
  });
});

describe('migrations', () => {
  it('invoices of before there were sets are found by their state', async () => {
    const name = `store-test-${count}-old`;
    const old = await openDB(name, 4, {
      upgrade(database) {
        for (const [store, keyPath] of [
          ['vault', null],
          ['peers', 'peerId'],
          ['settings', null],
          ['headers', null],
          ['archives', ['channel', 'number']],
          ['wallet', null],
          ['invoices', 'paymentHash'],
        ] as const)
          database.createObjectStore(store, keyPath === null ? {} : { keyPath: typeof keyPath === 'string' ? keyPath : [...keyPath] });
        database.createObjectStore('activity', { keyPath: 'id', autoIncrement: true });
        database.createObjectStore('payments', { keyPath: 'id' }).createIndex('htlc', 'htlc');
      },
    });
    await old.put('invoices', { ...invoice, state: 'settling' });
    await old.put('invoices', { ...invoice, paymentHash: 'dd', state: 'paid' });
    old.close();
    const { unsettled } = await loadReceiving(await openDatabase(name));
    expect(unsettled.map(({ paymentHash }) => paymentHash)).toEqual(['aa']);
  });
});

describe('activity', () => {
  it('reads newest first, in pages', async () => {
    await commit(db, { activity: [1, 2, 3].map((atMs) => ({ atMs, kind: `k${atMs}` })) });
    const [first, second] = await readActivity(db, { limit: 2 });
    expect([first?.kind, second?.kind]).toEqual(['k3', 'k2']);
    const rest = await readActivity(db, { limit: 2, beforeId: second?.id ?? 0 });
    expect(rest.map((record) => record.kind)).toEqual(['k1']);
  });

  it('forgets the oldest beyond its limit', async () => {
    await commit(db, { activity: Array.from({ length: ACTIVITY_LIMIT + 2 }, (_, i) => ({ atMs: i, kind: 'n' })) });
    expect(await db.count('activity')).toBe(ACTIVITY_LIMIT);
    const oldest = await db.transaction('activity').store.openCursor();
    expect(oldest?.value.atMs).toBe(2);
  });
});

describe('headers', () => {
  it('a re-org replaces everything above the fork with the chain state', async () => {
    const chain = { state: new Uint8Array(), height: 3, tipTimeMs: 0, checkedAtMs: 0 };
    await writeHeaders(
      db,
      1,
      [1, 2, 3].map((n) => Uint8Array.of(n)),
      chain,
    );
    await writeHeaders(db, 2, [Uint8Array.of(9)], { ...chain, height: 2 });
    expect(await readHeaders(db, 1, 9)).toEqual([Uint8Array.of(1), Uint8Array.of(9)]);
    expect((await setting(db, 'chain'))?.height).toBe(2);
  });
});

describe('vault', () => {
  const [entropy, walletKey] = [new Uint8Array(16).fill(7), new Uint8Array(64).fill(9)];

  it('gives back what was sealed, and stores neither in the clear', async () => {
    await sealWallet(db, entropy, walletKey);
    expect(await openWallet(db)).toEqual({ ok: true, value: { entropy, walletKey } });
    const record = await db.get('vault', 'wallet');
    expect(record?.key.extractable).toBe(false);
    const sealed = Array.from(new Uint8Array(record?.sealed ?? new ArrayBuffer(0))).join();
    expect(sealed).not.toContain(Array.from(walletKey.subarray(0, 8)).join());
    await expect(crypto.subtle.exportKey('raw', record?.key as CryptoKey)).rejects.toThrow();
  });

  it('does not replace a wallet', async () => {
    await sealWallet(db, entropy, walletKey);
    expect(await sealWallet(db, new Uint8Array(16), walletKey)).toMatchObject({ ok: false, error: { code: 'wallet-exists' } });
    expect(await openWallet(db)).toMatchObject({ ok: true, value: { entropy } });
  });

  it('no wallet is a typed answer', async () => {
    expect(await openWallet(db)).toMatchObject({ ok: false, error: { code: 'no-wallet' } });
  });

  it('a tampered record is a typed answer', async () => {
    await sealWallet(db, entropy, walletKey);
    const record = await db.get('vault', 'wallet');
    if (record === undefined) throw new Error('no record');
    const sealed = new Uint8Array(record.sealed);
    sealed[0] = (sealed[0] ?? 0) ^ 1;
    await db.put('vault', { ...record, sealed: sealed.buffer }, 'wallet');
    expect(await openWallet(db)).toMatchObject({ ok: false, error: { code: 'vault-unreadable' } });
  });
});
