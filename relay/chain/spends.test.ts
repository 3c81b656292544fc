/** What a closing channel asks of the relay: spends from before the watch, heights, and packages. */
import { describe, expect, it } from 'vitest';
import type { HeightListener } from '../ports.ts';
import { FakeNode, type Manners, makeTx, txidOf } from './testing.ts';
import { funding, fundingTxid, script, world } from './testing-world.ts';

const fundingWatch = { id: 'o', kind: 'outpoint', txid: fundingTxid, vout: 0, script } as const;
const close = makeTx([{ txid: fundingTxid, vout: 0 }], ['51', '52'], 100);
const claim = makeTx([{ txid: txidOf(close), vout: 1 }], ['53'], 100);
const claimWatch = { id: 'c', kind: 'outpoint', txid: txidOf(close), vout: 1, script: '52' } as const;

describe('spends', () => {
  it.each<Manners>(['bitcoind', 'bitcoind-without-index', 'btcd', 'bcoin'])(
    '%s: of an output that the app learns of two days after it was spent',
    async (manners) => {
      const fake = new FakeNode(manners);
      const { chain, watch, news } = await world({ fake });
      await watch(fundingWatch);
      fake.mine([funding]);
      fake.mine([close]);
      fake.mine([claim]);
      fake.mineMany(300);
      await chain.poke();
      expect(news()).toEqual([{ watch: 'o', kind: 'spent', txid: txidOf(close), height: 2 }]);
      await watch(fundingWatch, claimWatch);
      expect(news()).toEqual([{ watch: 'c', kind: 'spent', txid: txidOf(claim), height: 3 }]);
      expect(await chain.tx({ txid: txidOf(claim) })).toMatchObject({ ok: true, value: { raw: claim, height: 3 } });
    },
  );

  it('in the same block as the output', async () => {
    const { chain, fake, watch, news } = await world();
    await watch(fundingWatch);
    fake.mine([funding, close, claim]);
    await chain.poke();
    expect(news()).toMatchObject([{ watch: 'o' }]);
    await watch(fundingWatch, claimWatch);
    expect(news()).toMatchObject([{ watch: 'c', kind: 'spent', height: 1 }]);
  });

  it('another spender after a re-org', async () => {
    const { chain, fake, watch, news } = await world();
    const other = makeTx([{ txid: fundingTxid, vout: 0 }], ['54'], 100);
    await watch(fundingWatch);
    fake.mine([funding]);
    fake.mine([close]);
    await chain.poke();
    news();
    fake.rewind(1);
    fake.mine([other]);
    fake.mine();
    await chain.poke();
    expect(news()).toEqual([
      { watch: 'o', kind: 'reorged', txid: txidOf(close), height: 2 },
      { watch: 'o', kind: 'spent', txid: txidOf(other), height: 2 },
    ]);
  });
});

describe('a spend in the mempool', () => {
  it.each<Manners>(['bitcoind', 'bitcoind-without-index', 'btcd', 'bcoin'])(
    '%s: told once if the node can tell, and again when mined',
    async (manners) => {
      const fake = new FakeNode(manners);
      const { chain, watch, news, timers } = await world({ fake });
      fake.mine([funding]);
      await watch(fundingWatch);
      fake.mempool.set(txidOf(close), close);
      const look = async () => {
        await timers.advance(30_000);
        await chain.poke();
      };
      await look();
      await look();
      const txid = txidOf(close);
      const able = manners.startsWith('bitcoind');
      expect(news()).toEqual(able ? [{ watch: 'o', kind: 'seen', txid, height: 1 }] : []);
      const asked = fake.calls.filter((call) => call === 'gettxspendingprevout').length;
      expect(able ? asked > 1 : asked === 1, 'a node that cannot is asked once').toBe(true);
      fake.mine([close]);
      await look();
      fake.calls.length = 0;
      await look();
      expect(news()).toEqual([{ watch: 'o', kind: 'spent', txid, height: 2 }]);
      expect(fake.calls, 'nothing unspent is watched').not.toContain('gettxspendingprevout');
    },
  );

  it('is told for each spender, but not without end', async () => {
    const { chain, fake, watch, news, timers } = await world();
    await watch(fundingWatch);
    for (let i = 0; i < 12; i++) {
      const raw = makeTx([{ txid: fundingTxid, vout: 0 }], [`51${i.toString(16).padStart(2, '0')}`], 100);
      fake.mempool.clear();
      fake.mempool.set(txidOf(raw), raw);
      await timers.advance(30_000);
      await chain.poke();
    }
    expect(news().map(({ kind }) => kind)).toEqual(Array(8).fill('seen'));
  });

  it.each(['refused', 'forbidden'] as const)('a call that is %s concerns the mempool alone', async (how) => {
    const { chain, fake, watch, news, timers } = await world();
    await watch(fundingWatch);
    if (how === 'forbidden') fake.forbidden.add('gettxspendingprevout');
    else fake.overrides.set('gettxspendingprevout', () => fake.refuse(-8, 'Invalid parameter'));
    fake.mine([funding]);
    await timers.advance(30_000);
    await chain.poke();
    expect(fake.calls).toContain('gettxspendingprevout');
    fake.mine([close]);
    await chain.poke();
    expect(chain.status()).toMatchObject({ state: 'up', height: 2 });
    expect(news()).toMatchObject([{ kind: 'spent' }]);
  });
});

it('an alarm of a height: an event for its account, when the chain is there', async () => {
  const heights: number[] = [];
  const onHeight: HeightListener = (height, tell) => {
    heights.push(height);
    if (height === 3) tell({ account: 'a', id: 'h' });
  };
  const { chain, fake, news, told } = await world({ onHeight });
  fake.mineMany(2);
  await chain.poke();
  expect(told).toEqual([]);
  fake.mine();
  await chain.poke();
  expect([...new Set(heights)]).toEqual([0, 2, 3]);
  expect(told).toEqual(['a']);
  expect(news()).toEqual([{ watch: 'h', kind: 'tip', height: 3 }]);
});

describe('a package', () => {
  const child = { raw: claim, parents: [close] };

  it('goes as one to a node that takes it', async () => {
    const { chain, fake } = await world();
    const sent: unknown[] = [];
    fake.overrides.set('submitpackage', ([raws]) => {
      sent.push(raws);
      return { package_msg: 'success', 'tx-results': {} };
    });
    expect(await chain.broadcast(child)).toEqual({ ok: true, value: { txid: txidOf(claim) } });
    expect(sent).toEqual([[close, claim]]);
    expect(fake.calls).not.toContain('sendrawtransaction');
  });

  it('goes one by one, the parent first, to a node that does not', async () => {
    const { chain, fake } = await world();
    expect(await chain.broadcast(child)).toEqual({ ok: true, value: { txid: txidOf(claim) } });
    expect([...fake.mempool.keys()]).toEqual([txidOf(close), txidOf(claim)]);
  });

  it('of which the node has a part already', async () => {
    const { chain, fake } = await world();
    fake.overrides.set('submitpackage', () => ({ package_msg: 'transaction failed', 'tx-results': { w: { error: 'txn-already-known' } } }));
    fake.overrides.set('sendrawtransaction', ([raw]) => (raw === close ? fake.refuse(-27, 'already in block chain') : txidOf(claim)));
    expect(await chain.broadcast(child)).toEqual({ ok: true, value: { txid: txidOf(claim) } });
  });

  it('that is refused is refused with the reason of the whole', async () => {
    const { chain, fake } = await world();
    fake.overrides.set('submitpackage', () => ({
      package_msg: 'transaction failed',
      'tx-results': { a: { error: 'package-fee-too-low' }, b: {} },
    }));
    fake.overrides.set('sendrawtransaction', () => fake.refuse(-25, 'bad-txns-inputs-missingorspent'));
    expect(await chain.broadcast(child)).toEqual({
      ok: false,
      error: { code: 'tx-rejected', message: 'transaction failed; package-fee-too-low' },
    });
  });

  it('of an operator who allows single transactions only', async () => {
    const { chain, fake } = await world();
    fake.forbidden.add('submitpackage');
    expect(await chain.broadcast(child)).toEqual({ ok: true, value: { txid: txidOf(claim) } });
    fake.overrides.set('sendrawtransaction', () => fake.refuse(-26, 'min relay fee not met'));
    expect(await chain.broadcast(child)).toEqual({ ok: false, error: { code: 'tx-rejected', message: 'min relay fee not met' } });
  });

  it('with a parent that is none never reaches the node', async () => {
    const { chain, fake } = await world();
    expect(await chain.broadcast({ raw: claim, parents: ['00'] })).toMatchObject({ ok: false, error: { code: 'tx-rejected' } });
    expect(fake.calls.filter((call) => call.startsWith('s'))).toEqual([]);
  });
});
