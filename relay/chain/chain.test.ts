import { describe, expect, it } from 'vitest';
import { isWitnessCommitted } from '../../shared/ln/spv/witness.ts';
import { openStore } from '../store/store.ts';
import { merkleRoot, parseHeader } from './block.ts';
import { createNoChain, defaultChainConfig } from './chain.ts';
import { FakeNode, type Manners, makeTx, txidOf } from './testing.ts';
import { coin, ends, funding, fundingTxid, fundingWatch, world } from './testing-world.ts';

describe('the chain as the relay serves it', () => {
  it.each<Manners>(['bitcoind', 'bitcoind-without-index', 'btcd', 'bcoin'])('%s: tip, headers, transaction with proof', async (manners) => {
    const fake = new FakeNode(manners);
    fake.mineMany(5);
    const { chain, watch } = await world({ fake });
    await watch(fundingWatch());
    fake.mine([makeTx([coin(1)], ['51']), makeTx([coin(2)], ['52'], 10), funding, makeTx([coin(3)], ['53'])]);
    await chain.poke();
    expect(await chain.tip()).toEqual({ ok: true, value: { network: 'regtest', height: 6, hash: fake.tip.hash } });

    const headers = await chain.headers({ from: 2, count: 2000 });
    const hex = headers.ok ? headers.value.headers : '';
    expect(hex.length).toBe(5 * 160);
    for (let i = 0; i < 5; i++) {
      const header = parseHeader(hex.slice(160 * i, 160 * (i + 1)));
      expect(header.ok && header.value.hash).toBe(fake.at(2 + i).hash);
    }
    expect(await chain.headers({ from: 7, count: 10 })).toEqual({ ok: true, value: { from: 7, headers: '' } });

    const answer = await chain.tx({ txid: fundingTxid });
    expect(answer).toMatchObject({ ok: true, value: { raw: funding, height: 6, blockHash: fake.tip.hash, pos: 3 } });
    if (!answer.ok) return;
    const { pos = 0, siblings = [], coinbase = '', coinbaseSiblings = [] } = answer.value;
    const root = parseHeader(fake.tip.headerHex);
    expect(climb(fundingTxid, pos, siblings)).toBe(root.ok && root.value.merkleRoot);
    expect(climb(txidOf(coinbase), 0, coinbaseSiblings)).toBe(root.ok && root.value.merkleRoot);
    expect(coinbaseSiblings).toHaveLength(siblings.length);
    const wire = (hashes: readonly string[]) => hashes.map((hash) => Uint8Array.from(Buffer.from(hash, 'hex').reverse()));
    const { raw, witnessSiblings = [] } = answer.value;
    expect(isWitnessCommitted(Buffer.from(raw, 'hex'), pos, wire(witnessSiblings), Buffer.from(coinbase, 'hex'))).toBe(true);
  });

  it.each<Manners>(['bitcoind', 'btcd', 'bcoin'])('%s: more headers than fit into one batch', async (manners) => {
    const fake = new FakeNode(manners);
    fake.mineMany(600);
    const { chain } = await world({ fake });
    const expected = Array.from({ length: 601 }, (_, height) => fake.at(height).headerHex).join('');
    expect(await chain.headers({ from: 0, count: 2000 })).toEqual({ ok: true, value: { from: 0, headers: expected } });
    const asked = fake.calls.length;
    expect(await chain.headers({ from: 100, count: 400 })).toMatchObject({ ok: true });
    expect(fake.calls.length, 'they are kept').toBe(asked);
    expect(fake.calls.includes('batch')).toBe(manners === 'bcoin');
  });

  it('a node that fails within a batch', async () => {
    const fake = new FakeNode();
    fake.mineMany(20);
    const { chain } = await world({ fake });
    fake.overrides.set('getblockheader', ([hash]) =>
      hash === fake.at(9).hash ? fake.refuse(-1, "Can't read block from disk") : fake.at(0).headerHex,
    );
    expect(await chain.headers({ from: 5, count: 10 })).toMatchObject({ ok: false, error: { code: 'chain-unavailable' } });
    fake.overrides.clear();
    expect(await chain.headers({ from: 5, count: 10 })).toMatchObject({ ok: true });
  });

  it('a transaction in the mempool has no proof, an unknown one is not found', async () => {
    const { chain, fake } = await world();
    fake.mempool.set(fundingTxid, funding);
    expect(await chain.tx({ txid: fundingTxid })).toEqual({ ok: true, value: { raw: funding } });
    expect(await chain.tx({ txid: 'ee'.repeat(32) })).toMatchObject({ ok: false, error: { code: 'not-found' } });
  });

  it('headers are of one branch, also when the chain has moved since the last look at the tip', async () => {
    const fake = new FakeNode();
    fake.mineMany(6);
    const { chain } = await world({ fake });
    await chain.headers({ from: 0, count: 5 });
    fake.rewind(4);
    fake.mineMany(4);
    // 0 … 4 are kept from before, 5 and 6 are not.
    const headers = await chain.headers({ from: 0, count: 7 });
    const expected = Array.from({ length: 7 }, (_, height) => fake.at(height).headerHex).join('');
    expect(headers).toEqual({ ok: true, value: { from: 0, headers: expected } });
  });

  it.each<[Manners, number]>([
    ['bitcoind', 253],
    ['btcd', 253],
    ['bcoin', 253],
  ])('%s without estimates on regtest: fixed fees', async (manners, floor) => {
    const { chain } = await world({ fake: new FakeNode(manners) });
    expect(await chain.fees()).toEqual({ ok: true, value: { satPerKw: { fast: 5000, normal: 2500, slow: 1000, floor } } });
  });

  it('estimates become sat per kiloweight, ordered, and not below the floor of the mempool', async () => {
    const fake = new FakeNode();
    const rates: { [blocks: number]: number } = { 2: 0.0002, 6: 0.00025, 72: 0.00001 };
    fake.overrides.set('estimatesmartfee', ([blocks]) => ({ feerate: rates[Number(blocks)], blocks }));
    fake.overrides.set('getmempoolinfo', () => ({ mempoolminfee: 0.00003, minrelaytxfee: 0.00001 }));
    const { chain } = await world({ fake });
    expect(await chain.fees()).toEqual({ ok: true, value: { satPerKw: { fast: 6250, normal: 6250, slow: 750, floor: 750 } } });
  });

  it('estimates of the older call, as btcd gives them', async () => {
    const fake = new FakeNode('btcd');
    fake.overrides.set('estimatefee', () => 0.0001);
    const { chain } = await world({ fake });
    expect(await chain.fees()).toMatchObject({ value: { satPerKw: { fast: 2500, normal: 2500, slow: 2500 } } });
  });

  it('a real network without estimates: no guess', async () => {
    const fake = new FakeNode();
    fake.overrides.set('getblockchaininfo', () => ({ chain: 'main', blocks: 0, bestblockhash: fake.tip.hash }));
    const { chain } = await world({ fake });
    expect(await chain.tip()).toMatchObject({ value: { network: 'mainnet' } });
    expect(await chain.fees()).toMatchObject({ ok: false, error: { code: 'chain-unavailable' } });
  });
});

describe('broadcast', () => {
  it('a transaction goes to the node', async () => {
    const { chain, fake } = await world();
    expect(await chain.broadcast({ raw: funding })).toEqual({ ok: true, value: { txid: fundingTxid } });
    expect(fake.mempool.get(fundingTxid)).toBe(funding);
  });

  it.each([
    [-27, 'Transaction already in block chain'],
    [-27, 'Transaction outputs already in utxo set'],
    [-26, 'txn-already-in-mempool'],
    [-26, 'txn-already-known'],
    [-26, 'TX rejected: already have transaction in mempool 1234'],
    [-27, 'TX rejected: transaction already exists in blockchain'],
    [-26, 'alreadyknown'],
  ])('%i "%s" is success', async (code, message) => {
    const { chain, fake } = await world();
    fake.overrides.set('sendrawtransaction', () => fake.refuse(code, message));
    expect(await chain.broadcast({ raw: funding })).toEqual({ ok: true, value: { txid: fundingTxid } });
  });

  it.each([
    [-26, 'min relay fee not met, 100 < 141'],
    [-25, 'bad-txns-inputs-missingorspent'],
    [-26, 'TX rejected: output already spent in mempool: output=1, tx=2'],
    [-26, 'txn-mempool-conflict'],
    [-22, 'TX decode failed'],
  ])('%i "%s" is a refusal, with the reason', async (code, message) => {
    const { chain, fake } = await world();
    fake.overrides.set('sendrawtransaction', () => fake.refuse(code, message));
    expect(await chain.broadcast({ raw: funding })).toEqual({ ok: false, error: { code: 'tx-rejected', message } });
  });

  it.each([['00'], ['ff'.repeat(100)], [`${funding}00`], [''], ['00'.repeat(400_001)]])(
    'bytes that are no transaction never reach the node',
    async (raw) => {
      const { chain, fake } = await world();
      expect(await chain.broadcast({ raw })).toMatchObject({ ok: false, error: { code: 'tx-rejected' } });
      expect(fake.calls).not.toContain('sendrawtransaction');
    },
  );

  it('a node that is down is not a refusal', async () => {
    const { chain, fake } = await world();
    fake.mode = 'down';
    expect(await chain.broadcast({ raw: funding })).toMatchObject({ ok: false, error: { code: 'chain-unavailable' } });
  });
});

describe('a node that is of no use', () => {
  it.each(['down', 'silent', 'html'] as const)('%s: chain-unavailable, and all is well again afterwards', async (mode) => {
    const { chain, fake, watch, news, timers } = await world({ timeoutMs: 150 });
    await watch(fundingWatch([1]));
    fake.mode = mode;
    await chain.poke();
    for (const answer of [
      await chain.tip(),
      await chain.headers({ from: 0, count: 1 }),
      await chain.tx({ txid: fundingTxid }),
      await chain.fees(),
    ]) {
      expect(answer).toMatchObject({ ok: false, error: { code: 'chain-unavailable' } });
      expect(answer.ok ? '' : answer.error.message).not.toMatch(/127\.0\.0\.1|p@ss|p%40ss|user/);
    }
    expect(chain.status()).toMatchObject({ state: 'down' });
    fake.mode = 'up';
    fake.mine([funding]);
    await timers.advance(defaultChainConfig.pollMs);
    await chain.poke();
    expect(chain.status()).toMatchObject({ state: 'up', height: 1 });
    expect(news()).toMatchObject([{ kind: 'confirmed' }]);
  });

  it('one that closes idle connections just as they are used again is no worse for it', async () => {
    const { chain, fake } = await world();
    fake.mode = 'forgetful';
    for (let i = 0; i < 5; i++) {
      await chain.poke();
      expect(chain.status()).toMatchObject({ state: 'up' });
    }
  });

  it('stopping does not wait for a node that is silent', async () => {
    const { chain, fake } = await world({ timeoutMs: 60_000 });
    fake.mode = 'silent';
    const round = chain.poke();
    await chain.stop();
    await round;
    expect(chain.status()).toMatchObject({ state: 'down' });
  });

  it('a wrong password', async () => {
    const fake = new FakeNode();
    const url = await fake.start();
    const { chain } = await world({ fake, url: url.replace('p%40ss', 'wrong') });
    expect(await chain.tip()).toMatchObject({
      ok: false,
      error: { code: 'chain-unavailable', message: 'the node refuses our user and password' },
    });
  });

  it('one that is still catching up', async () => {
    const fake = new FakeNode();
    fake.overrides.set('getblockchaininfo', () => ({ chain: 'main', blocks: 0, bestblockhash: fake.tip.hash, initialblockdownload: true }));
    const { chain } = await world({ fake });
    expect(await chain.tip()).toMatchObject({ ok: false, error: { code: 'chain-unavailable', message: 'the node is still catching up' } });
  });

  it('one whose block does not hash to its name', async () => {
    const { chain, fake, watch, news } = await world();
    await watch(fundingWatch([1]));
    fake.mine([funding]);
    fake.overrides.set('getblock', () => fake.at(0).hex);
    await chain.poke();
    expect(news()).toEqual([]);
    expect(chain.status()).toEqual({ state: 'down', fault: "the node's answer to getblock makes no sense" });
    fake.overrides.clear();
    await chain.poke();
    expect(news()).toMatchObject([{ kind: 'confirmed' }]);
  });

  it('none at all: a clear answer to each question, and watches are kept for later', async () => {
    const store = openStore(null);
    ends.push(() => store.close());
    const chain = createNoChain(store);
    for (const answer of [
      await chain.tip(),
      await chain.headers({ from: 0, count: 1 }),
      await chain.tx({ txid: fundingTxid }),
      await chain.fees(),
      await chain.broadcast({ raw: funding }),
    ]) {
      expect(answer).toEqual({ ok: false, error: { code: 'chain-unavailable', message: 'this relay has no Bitcoin node (BECKON_CHAIN)' } });
    }
    chain.setWatches('a', [fundingWatch([1])]);
    expect(chain.pendingEvents('a')).toEqual([]);
    expect(chain.status()).toEqual({ state: 'none' });
    const fake = new FakeNode();
    const later = await world({ fake, store });
    fake.mine([funding]);
    await later.chain.poke();
    expect(later.news()).toMatchObject([{ kind: 'confirmed' }]);
  });
});

/** From a transaction up to the root, by the siblings. */
function climb(txid: string, pos: number, siblings: readonly string[]): string {
  let at = pos;
  let hash = txid;
  for (const sibling of siblings) {
    hash = merkleRoot(at % 2 === 0 ? [hash, sibling] : [sibling, hash]);
    at >>= 1;
  }
  return hash;
}
