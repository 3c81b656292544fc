/** Watches, heights and payments on a real chain: bcoin's blocks and proofs, the relay over HTTP, the node's own runtime. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { provenTx } from '../../app/runtime/proofs.ts';
import { readConfig } from '../../relay/config.ts';
import { type Relay, startRelay } from '../../relay/server.ts';
import { fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { parseRawTx } from '../../shared/ln/spv/rawtx.ts';
import type { ChainHint, SyncRequest } from '../../shared/protocol/session.ts';
import { type Chain, startChain } from '../lab/chain.ts';
import { type RpcServer, startRpc } from '../lab/rpc.ts';
import { waitFor } from '../lab/wait.ts';
import { makeWallet, type Self, startSelf } from '../peers/self.ts';
import { temporary } from './small-world.ts';

let chain: Chain;
let rpc: RpcServer;
let relay: Relay;
let self: Self;
let address: string;

beforeAll(async () => {
  chain = await startChain();
  rpc = await startRpc(chain);
  const config = readConfig({
    PORT: '0',
    BECKON_DATA: temporary('relay'),
    BECKON_CHAIN: rpc.url,
    BECKON_NETWORK: 'regtest',
    BECKON_CHAIN_POLL_MS: '50',
  });
  if (!config.ok) throw new Error(config.error.problems.join('\n'));
  relay = await startRelay(config.value);
  self = await startSelf({ relayUrl: `http://localhost:${relay.port}` });
  await makeWallet(self);
  const receiving = await self.call('receive-address', null);
  if (!receiving.ok) throw new Error(receiving.error.code);
  address = receiving.value.address;
  await self.call('refresh', null);
}, 60_000);
afterAll(async () => {
  self.close();
  await relay.stop();
  await rpc.stop();
  await chain.stop();
});

const coins = async () => {
  const listed = await self.call('coins', null);
  return listed.ok ? listed.value : [];
};
const wakeUntil = (what: string, condition: () => Promise<boolean>) =>
  waitFor(
    async () => {
      await self.wake(undefined, 50);
      return condition();
    },
    { what },
  );
/** As a second device of the account would ask: these lists take the place of the node's. */
async function ask(body: SyncRequest): Promise<readonly ChainHint[]> {
  const answer = await (await self.ports.relay()).call('sync', body);
  if (!answer.ok) throw new Error(answer.error.detail);
  return answer.value.events;
}

test('a payment to us becomes a coin with its proof, leaves with its block, and is back with the next', async () => {
  const txid = await chain.fund(address, 70_000n);
  await chain.mine(1);
  await wakeUntil('the coin', async () => (await coins()).length === 1);
  expect(await coins()).toMatchObject([{ txid, amountSat: '70000', confirmations: 1 }]);
  const proven = await provenTx(self.ports, await self.ports.relay(), reversed(fromHex(txid)));
  expect(proven).toMatchObject({ ok: true, value: { witnessed: true, height: chain.height() } });
  // The transaction goes back to the mempool; the blocks of the other branch hold nothing of it.
  await chain.reorg(1);
  await wakeUntil('the coin to be gone', async () => {
    await self.call('refresh', null);
    return (await coins()).length === 0;
  });
  await chain.mine(1);
  await wakeUntil('the coin to be back', async () => (await coins()).length === 1);
  expect(await coins()).toMatchObject([{ txid, confirmations: 1 }]);
});

test('an output that was spent long before anybody watched it', async () => {
  const txid = await chain.fund(address, 30_000n);
  await chain.mine(200);
  const height = chain.height() - 199;
  const relayClient = await self.ports.relay();
  const found = await waitFor(
    async () => {
      const answer = await relayClient.call('chain/tx', { txid });
      return answer.ok && answer.value.height !== undefined ? answer.value : undefined;
    },
    { what: 'the relay to see the block' },
  );
  const tx = parseRawTx(fromHex(found.raw));
  const input = tx.ok ? tx.value.inputs[0] : undefined;
  if (input === undefined) throw new Error('no input');
  const watches: SyncRequest['watches'] = [
    { id: 'early', kind: 'outpoint', txid: toHex(reversed(input.txid)), vout: input.vout, script: '' },
  ];
  const events = await waitFor(
    async () => {
      const all = await ask({ watches });
      return all.some((event) => event.watch === 'early') ? all : undefined;
    },
    { what: 'the spend' },
  );
  expect(events.filter((event) => event.watch === 'early')).toMatchObject([{ kind: 'spent', txid, height }]);
});

test('an alarm of a height rings there and not before, and once', async () => {
  const alarms = [{ id: 'block', atHeight: chain.height() + 2, reason: 'test' }];
  const tips = async () => (await ask({ alarms })).filter((event) => event.kind === 'tip');
  const seen = (height: number) =>
    waitFor(
      async () => {
        const tip = await (await self.ports.relay()).call('chain/tip', {});
        return tip.ok && tip.value.height === height;
      },
      { what: 'the relay to see the block' },
    );
  expect(await tips()).toEqual([]);
  await chain.mine(1);
  await seen(chain.height());
  expect(await tips()).toEqual([]);
  await chain.mine(1);
  const event = await waitFor(async () => (await tips())[0], { what: 'the alarm' });
  expect(event).toMatchObject({ watch: 'block', height: chain.height() });
  await ask({ alarms, ackEvents: [event.id] });
  await chain.mine(1);
  await seen(chain.height());
  expect(await tips()).toEqual([]);
});
