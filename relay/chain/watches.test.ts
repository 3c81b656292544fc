import { describe, expect, it } from 'vitest';
import type { Watch } from '../../shared/protocol/session.ts';
import { openStore } from '../store/store.ts';
import { FakeNode, type Manners, makeTx, txidOf } from './testing.ts';
import { coin, ends, funding, fundingTxid, fundingWatch, script, world } from './testing-world.ts';

describe('watches', () => {
  it('a transaction: told at each depth, once', async () => {
    const { chain, fake, watch, news, told } = await world();
    await watch(fundingWatch([1, 3]));
    expect(news()).toEqual([]);
    fake.mine([funding]);
    await chain.poke();
    expect(news()).toEqual([{ watch: 'f', kind: 'confirmed', txid: fundingTxid, height: 1, depth: 1 }]);
    expect(told).toEqual(['a']);
    fake.mine();
    await chain.poke();
    await chain.poke();
    expect(news()).toEqual([]);
    fake.mine();
    await chain.poke();
    expect(news()).toEqual([{ watch: 'f', kind: 'confirmed', txid: fundingTxid, height: 1, depth: 3 }]);
    fake.mineMany(10);
    await chain.poke();
    expect(news()).toEqual([]);
  });

  it('a transaction that leaves the chain is told, and told anew when it is back', async () => {
    const { chain, fake, watch, news } = await world();
    await watch(fundingWatch([1, 3]));
    fake.mine([funding]);
    fake.mine();
    await chain.poke();
    news();
    fake.rewind(2);
    fake.mineMany(3);
    await chain.poke();
    expect(news()).toEqual([{ watch: 'f', kind: 'reorged', txid: fundingTxid, height: 1 }]);
    fake.mine([funding]);
    await chain.poke();
    expect(news()).toEqual([{ watch: 'f', kind: 'confirmed', txid: fundingTxid, height: 4, depth: 1 }]);
  });

  it('the same transaction in another block of the better branch: gone and back, in this order', async () => {
    const { chain, fake, watch, news } = await world();
    await watch(fundingWatch([1]));
    fake.mine([funding]);
    await chain.poke();
    news();
    fake.rewind(1);
    fake.mine();
    fake.mine([funding]);
    await chain.poke();
    expect(news().map((event) => [event.kind, event.height])).toEqual([
      ['reorged', 1],
      ['confirmed', 2],
    ]);
  });

  it('a chain that moves while it is read: nothing is told of the branch that lost', async () => {
    const { chain, fake, watch, news } = await world();
    await watch(fundingWatch([1]), { id: 's', kind: 'script', script: '51' });
    fake.mine([funding]);
    fake.mine();
    fake.overrides.set('getblockhash', ([height]) => {
      if (height === 2) {
        fake.overrides.clear();
        fake.rewind(2);
        fake.mineMany(2);
        fake.mine([makeTx([coin(5)], ['51'])]);
      }
      return fake.at(Number(height)).hash;
    });
    await chain.poke();
    await chain.poke();
    expect(news()).toMatchObject([{ watch: 's', kind: 'paid', height: 3 }]);
    expect(await chain.tip()).toMatchObject({ value: { height: 3, hash: fake.tip.hash } });
  });

  it('a block that is read again, for a watch that was added later, tells the others nothing new', async () => {
    const { chain, fake, watch, news } = await world();
    const first: Watch = { id: 's', kind: 'script', script: '51' };
    await watch(first, fundingWatch([1]));
    fake.mine([makeTx([coin(5)], ['51', '52']), funding]);
    await chain.poke();
    expect(news()).toHaveLength(2);
    await watch(first, fundingWatch([1]), { id: 't', kind: 'script', script: '52' });
    expect(news()).toMatchObject([{ watch: 't', kind: 'paid' }]);
  });

  it('a re-org that shortens the chain', async () => {
    const { chain, fake, watch, news } = await world();
    await watch(fundingWatch([1]));
    fake.mineMany(2);
    fake.mine([funding]);
    await chain.poke();
    news();
    fake.rewind(2);
    await chain.poke();
    expect(news()).toMatchObject([{ kind: 'reorged', height: 3 }]);
    expect(await chain.tip()).toMatchObject({ value: { height: 1 } });
  });

  it('an outpoint and a script, and their undoing', async () => {
    const { chain, fake, watch, news } = await world();
    fake.mine([funding]);
    const spend = makeTx([{ txid: fundingTxid, vout: 0 }], ['51'], 100);
    await watch({ id: 'o', kind: 'outpoint', txid: fundingTxid, vout: 0, script }, { id: 's', kind: 'script', script: '51' });
    expect(news()).toEqual([]);
    fake.mine([spend]);
    await chain.poke();
    const txid = txidOf(spend);
    const both = [
      { watch: 'o', kind: 'spent', txid, height: 2 },
      { watch: 's', kind: 'paid', txid, height: 2 },
    ];
    expect(news()).toEqual(both);
    fake.rewind(1);
    fake.mineMany(2);
    await chain.poke();
    expect(news()).toEqual(both.map((event) => ({ ...event, kind: 'reorged' })));
  });

  it('a script that two transactions of one block pay is told twice', async () => {
    const { chain, fake, watch, news } = await world();
    await watch({ id: 's', kind: 'script', script });
    fake.mine([makeTx([coin(1)], [script]), makeTx([coin(2)], [script, script])]);
    await chain.poke();
    expect(news().map((event) => event.kind)).toEqual(['paid', 'paid']);
    await chain.poke();
    expect(news()).toEqual([]);
  });

  it.each<Manners>(['bitcoind', 'bitcoind-without-index', 'btcd', 'bcoin'])(
    '%s: what had happened before the watch is found',
    async (manners) => {
      const fake = new FakeNode(manners);
      fake.mine([funding]);
      const spend = makeTx([{ txid: fundingTxid, vout: 0 }], ['6a']);
      fake.mine([spend]);
      fake.mineMany(40);
      const { watch, news } = await world({ fake });
      await watch(
        fundingWatch([1, 6]),
        { id: 'o', kind: 'outpoint', txid: fundingTxid, vout: 0, script },
        { id: 's', kind: 'script', script: '6a' },
      );
      expect(news().sort((a, b) => (a.watch < b.watch ? -1 : 1))).toEqual([
        { watch: 'f', kind: 'confirmed', txid: fundingTxid, height: 1, depth: 42 },
        { watch: 'o', kind: 'spent', txid: txidOf(spend), height: 2 },
        { watch: 's', kind: 'paid', txid: txidOf(spend), height: 2 },
      ]);
    },
  );

  it.each<Manners>(['bitcoind-without-index', 'bitcoind'])('%s: a transaction that was confirmed before, alone', async (manners) => {
    const fake = new FakeNode(manners);
    fake.mine([funding]);
    fake.mineMany(3);
    const { watch, news, chain } = await world({ fake });
    fake.calls.length = 0;
    await watch(fundingWatch([1]));
    expect(news()).toMatchObject([{ kind: 'confirmed', height: 1, depth: 4 }]);
    // With an index it is one question, without one a look through the blocks.
    expect(fake.calls.includes('getblock')).toBe(manners === 'bitcoind-without-index');
    expect(await chain.tx({ txid: fundingTxid })).toMatchObject({ ok: true, value: { height: 1, pos: 1 } });
  });

  it('an outpoint that the node calls unspent costs no look into old blocks', async () => {
    const fake = new FakeNode();
    fake.mine([funding]);
    fake.mineMany(20);
    const { watch, fake: node } = await world({ fake });
    node.calls.length = 0;
    await watch({ id: 'o', kind: 'outpoint', txid: fundingTxid, vout: 0, script });
    expect(node.calls).not.toContain('getblock');
  });

  it('nobody watches: no block is fetched, only headers', async () => {
    const { chain, fake } = await world();
    fake.calls.length = 0;
    fake.mineMany(3);
    await chain.poke();
    expect(fake.calls).not.toContain('getblock');
    expect(fake.calls.filter((call) => call === 'getblockheader')).toHaveLength(3);
  });

  it('a pruned node that has lost an old block is still of use', async () => {
    const fake = new FakeNode('bitcoind-without-index');
    fake.mine([funding]);
    fake.mineMany(20);
    const old = fake.at(1).hash;
    const { chain, watch, news } = await world({ fake });
    fake.overrides.set('getblock', ([hash]) =>
      hash === old ? fake.refuse(-1, 'Block not available (pruned data)') : blockHex(fake, hash),
    );
    await watch(fundingWatch());
    expect(news()).toEqual([]);
    expect(chain.status()).toMatchObject({ state: 'up' });
  });

  it('a list replaces the one before; what stays keeps what it has told', async () => {
    const { chain, fake, watch, news } = await world();
    await watch(fundingWatch([1]), { id: 's', kind: 'script', script: '51' });
    fake.mine([funding]);
    await chain.poke();
    news();
    await watch(fundingWatch([1]));
    fake.mine([makeTx([coin(5)], ['51'])]);
    await chain.poke();
    expect(news()).toEqual([]);
  });

  it('events wait until they are acknowledged, for their own account', async () => {
    const { chain, fake, news } = await world();
    chain.setWatches('a', [fundingWatch([1])]);
    chain.setWatches('b', [fundingWatch([1])]);
    await chain.poke();
    fake.mine([funding]);
    await chain.poke();
    const [event] = chain.pendingEvents('a');
    expect(chain.pendingEvents('a')).toHaveLength(1);
    chain.ack('b', [event?.id ?? '']);
    expect(chain.pendingEvents('a')).toEqual([event]);
    expect(news('a')).toHaveLength(1);
    expect(chain.pendingEvents('a')).toEqual([]);
    expect(chain.pendingEvents('b')).toHaveLength(1);
  });

  it('events that nobody fetches are told of again, less and less often', async () => {
    const { chain, fake, watch, told, timers, news } = await world();
    await watch(fundingWatch([1]));
    fake.mine([funding]);
    await chain.poke();
    expect(told).toHaveLength(1);
    const at: number[] = [];
    for (let minute = 1; minute <= 240; minute++) {
      await timers.advance(60_000);
      await chain.poke();
      if (told.length > at.length + 1) at.push(minute);
    }
    expect(at).toEqual([30, 90, 210]);
    news();
    const before = told.length;
    await timers.advance(86_400_000);
    await chain.poke();
    expect(told).toHaveLength(before);
  });

  it('a restart goes on where it stopped: blocks in between are read, nothing is told twice', async () => {
    const store = openStore(null);
    const fake = new FakeNode();
    const first = await world({ fake, store });
    await first.watch(fundingWatch([1, 3]), { id: 's', kind: 'script', script: '51' });
    fake.mine([funding]);
    await first.chain.poke();
    expect(first.news()).toHaveLength(1);
    await first.chain.stop();
    fake.mine([makeTx([coin(5)], ['51'])]);
    fake.mine();
    const second = await world({ fake, store, url: first.url });
    expect(second.news().map((event) => event.kind)).toEqual(['paid', 'confirmed']);
    ends.unshift(() => store.close());
  });
});

function blockHex(fake: FakeNode, hash: unknown): string {
  for (let height = 0; height <= fake.tip.height; height++) if (fake.at(height).hash === hash) return fake.at(height).hex;
  return '';
}
