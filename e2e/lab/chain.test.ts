import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { startChain } from './chain.ts';
import { startRpc } from './rpc.ts';
import { follow, REGTEST_GENESIS } from './source.ts';
import { createWallet, labKey } from './wallet.ts';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

describe('the lab chain', () => {
  it('is taken up again with its blocks and its mempool, also after a torn write', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'beckon-chain-'));
    stops.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const first = await startChain({ dataDir });
    const wallet = createWallet(labKey('somebody'));
    await first.fund(wallet.address, 50_000n);
    await first.mine(2);
    await first.reorg(1);
    const waiting = await first.fund(wallet.address, 60_000n);
    const tip = await first.tip();
    await first.stop();

    const journal = join(dataDir, 'chain.journal');
    writeFileSync(journal, Buffer.concat([readFileSync(journal), Buffer.from([1, 255, 0, 0, 0, 7])]));
    const second = await startChain({ dataDir });
    expect(await second.tip()).toEqual(tip);
    expect(await second.rpc('getrawmempool', [])).toEqual([waiting]);
    await second.mine();
    await second.stop();

    const third = await startChain({ dataDir });
    stops.push(() => third.stop());
    expect(third.height()).toBe(tip.height + 1);
    await follow(third, { height: 0, hash: REGTEST_GENESIS }, wallet);
    expect(wallet.balanceSat()).toBe(110_000n);
  });

  it('gives transactions of a lost block back to the mempool, and a wallet follows', async () => {
    const chain = await startChain();
    stops.push(() => chain.stop());
    const wallet = createWallet(labKey('somebody'));
    await chain.fund(wallet.address, 50_000n);
    await chain.mine(2);
    await follow(chain, { height: 0, hash: REGTEST_GENESIS }, wallet);
    expect(wallet.balanceSat()).toBe(50_000n);
    const spent = wallet.pay(wallet.script, 20_000n);
    if (!spent.ok) throw new Error(spent.error);
    expect(await chain.submit(spent.value.raw)).toEqual({ ok: true, value: spent.value.txid });
    expect(wallet.pay(wallet.script, 20_000n)).toEqual({ ok: false, error: 'not-enough-coins' });

    // A second wallet with that key has no memory of what the first one sent: it shows what the blocks say.
    const observer = createWallet(labKey('somebody'));
    let seen = await follow(chain, { height: 0, hash: REGTEST_GENESIS }, observer);
    expect(observer.balanceSat()).toBe(50_000n);
    await chain.mine();
    seen = await follow(chain, seen, observer);
    const after = observer.balanceSat();
    expect(after).toBeGreaterThan(49_000n);
    expect(after).toBeLessThan(50_000n);

    await chain.reorg(1);
    seen = await follow(chain, seen, observer);
    expect([seen.height, observer.balanceSat()]).toEqual([454, 50_000n]);
    await chain.reorg(4);
    seen = await follow(chain, seen, observer);
    expect([seen.height, observer.balanceSat()]).toEqual([455, 0n]);
    expect(await chain.rpc('getrawmempool', [])).toHaveLength(2);
    await chain.mine();
    await follow(chain, seen, observer);
    expect(observer.balanceSat()).toBe(after);
  });

  it('answers as bitcoind over RPC, to those who have the password', async () => {
    const chain = await startChain();
    stops.push(() => chain.stop());
    const rpc = await startRpc(chain);
    stops.push(() => rpc.stop());
    const url = new URL(rpc.url);
    const authorization = `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`;
    const call = async (
      method: string,
      ...params: unknown[]
    ): Promise<{ result: unknown; error: { code: number; message: string } | null }> => {
      const response = await fetch(`http://${url.host}/`, {
        method: 'POST',
        headers: { authorization },
        body: JSON.stringify({ jsonrpc: '1.0', id: 1, method, params }),
      });
      return (await response.json()) as Awaited<ReturnType<typeof call>>;
    };
    expect((await fetch(`http://${url.host}/`, { method: 'POST', body: '{}' })).status).toBe(401);

    const wallet = createWallet(labKey('somebody'));
    const txid = await chain.fund(wallet.address, 50_000n);
    await chain.mine();
    const { height, hash } = await chain.tip();
    expect((await call('getblockcount')).result).toBe(height);
    expect((await call('getblockhash', height)).result).toBe(hash);
    expect((await call('getblockchaininfo')).result).toMatchObject({ chain: 'regtest', blocks: height, bestblockhash: hash });
    const block = (await call('getblock', hash, 0)).result;
    expect(block).toBe(toHex(await chain.rawBlock(hash)));
    expect((await call('getblockheader', hash, false)).result).toBe(String(block).slice(0, 160));
    expect((await call('getblock', hash, 1)).result).toMatchObject({ height, tx: [expect.any(String), txid] });
    expect((await call('getrawtransaction', txid, true)).result).toMatchObject({ txid, blockhash: hash, confirmations: 1 });
    expect((await call('estimatesmartfee', 6)).result).toEqual({ errors: [expect.any(String)], blocks: 6 });

    await follow(chain, { height: 0, hash: REGTEST_GENESIS }, wallet);
    const spent = wallet.pay(wallet.script, 20_000n);
    if (!spent.ok) throw new Error(spent.error);
    expect((await call('sendrawtransaction', toHex(spent.value.raw))).result).toBe(spent.value.txid);
    const broken = toHex(spent.value.raw).replace(/00000000$/, '01000000');
    expect((await call('sendrawtransaction', broken)).error).toMatchObject({ code: -26, message: expect.any(String) });
    expect((await call('stop')).error?.code).toBe(-32601);
  });
});
