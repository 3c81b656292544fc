import { afterEach, expect, it } from 'vitest';
import { type Chain, startChain } from './chain.ts';
import { follow, REGTEST_GENESIS } from './source.ts';
import { createWallet, labKey } from './wallet.ts';

let chain: Chain | undefined;
afterEach(() => chain?.stop());

it('who pays more for the same coin replaces what waits; who pays as much, or signs wrongly, leaves it', async () => {
  chain = await startChain();
  await chain.fund(createWallet(labKey('somebody')).address, 50_000n);
  await chain.mine();
  /** Each from a wallet that does not know of the others. */
  const pay = async (amountSat: bigint): Promise<{ readonly raw: Uint8Array; readonly txid: string }> => {
    const wallet = createWallet(labKey('somebody'));
    if (chain) await follow(chain, { height: 0, hash: REGTEST_GENESIS }, wallet);
    const paid = wallet.pay(wallet.script, amountSat);
    if (!paid.ok) throw new Error(paid.error);
    return paid.value;
  };
  const first = await pay(20_000n);
  expect(await chain.submit(first.raw)).toEqual({ ok: true, value: first.txid });
  expect(await chain.submit((await pay(21_000n)).raw)).toEqual({ ok: false, error: 'bad-txns-inputs-spent' });

  // Too little is left for change: all of it is fee.
  const dearer = await pay(49_000n);
  const wrong = dearer.raw.map((byte, at) => (at === dearer.raw.length - 60 ? byte ^ 1 : byte));
  expect(await chain.submit(wrong)).toMatchObject({ ok: false });
  expect(await chain.rpc('getrawmempool', [])).toEqual([first.txid]);
  expect(await chain.submit(dearer.raw)).toEqual({ ok: true, value: dearer.txid });
  expect(await chain.rpc('getrawmempool', [])).toEqual([dearer.txid]);
});
