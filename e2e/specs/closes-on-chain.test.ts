/** Channels that end on a real chain: our commitment is taken by bcoin, the peer's is seen, balances come back as coins. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { followChain } from '../../app/runtime/chain.ts';
import { Collected, livePeers } from '../../app/runtime/peers.ts';
import { round } from '../../app/runtime/round.ts';
import { channelIdOf } from '../../shared/ln/channel/state.ts';
import { waitFor } from '../lab/wait.ts';
import type { Self } from '../peers/self.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

let world: SmallWorld;
let self: Self;
let nodeId: string;
beforeAll(async () => {
  world = await startSmallWorld({ limits: { handoverTimeoutMs: 10_000 } });
  ({ self, nodeId } = await connectedSelf(world));
}, 60_000);
afterAll(() => world.stop());

const channelOf = async () => (await livePeers(self.ports))[0]?.state.channels.at(-1);
const spends = async () => {
  const channel = await channelOf();
  return channel?.tag === 'closing' ? channel.onchain.spends : [];
};
const coinsSat = async () => {
  const listed = await self.call('coins', null);
  return listed.ok ? listed.value.map(({ amountSat }) => Number(amountSat)) : [];
};

/** Half of it is ours from the start. */
async function openOne(): Promise<void> {
  const opening = world.alice.openChannel(nodeId, 200_000n, { pushSat: 100_000n });
  let opened: Awaited<typeof opening> | undefined;
  void opening.then((outcome) => {
    opened = outcome;
  });
  await wakeUntil(self, 'the funding to be broadcast', async () => opened !== undefined);
  expect(opened).toMatchObject({ ok: true });
  await world.chain.mine(3);
  await world.alice.settled();
  await wakeUntil(self, 'the channel to be open', async () => (await channelTags(self)).at(-1) === 'normal');
}
/** Until her commitment waits for a block. */
async function closedByAlice(): Promise<void> {
  await world.alice.forceClose(nodeId);
  const waiting = async () => {
    const txids = await world.chain.rpc('getrawmempool', []);
    return Array.isArray(txids) && txids.length > 0;
  };
  await waitFor(waiting, { what: 'her commitment' });
}
/** Blocks one after the other, awake at each. */
async function pass(blocks: number, until: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < blocks && !(await until()); i += 1) {
    await world.chain.mine(1);
    await wakeUntil(self, 'the block', async () => {
      const view = await self.call('snapshot', null);
      await followChain(self.ports, new Collected());
      return view.ok && view.value.chain.height === world.chain.height();
    });
  }
  expect(await until()).toBe(true);
}

describe('our balance', () => {
  test('by our own commitment: taken, seen, and swept after its delay', async () => {
    await openOne();
    const channel = await channelOf();
    if (channel === undefined) throw new Error('no channel');
    const [peer] = await livePeers(self.ports);
    const before = (await coinsSat()).length;
    await round(self.ports, peer?.record.peerId ?? '', [
      { tag: 'channel', channelId: channelIdOf(channel), command: { tag: 'force-close' } },
    ]);
    // Before the peer hears of it, who would answer with its own.
    await followChain(self.ports, new Collected());
    const closing = await channelOf();
    const ours = closing?.tag === 'closing' ? closing.onchain.attempts.map(({ txid }) => txid) : [];
    await world.chain.mine(1);
    await wakeUntil(self, 'our commitment to be seen in a block', async () => (await spends()).length === 1);
    expect((await spends()).map(({ txid }) => txid)).toEqual(ours);
    // Five days of sleep: the delay is 720 blocks.
    await world.chain.mine(715);
    await pass(10, async () => (await coinsSat()).length > before);
    expect((await coinsSat())[0]).toBeGreaterThan(95_000);
  }, 60_000);

  test('by the peer’s commitment: seen, and swept at once', async () => {
    await openOne();
    const before = (await coinsSat()).length;
    await closedByAlice();
    await world.chain.mine(1);
    await wakeUntil(self, 'the close to be seen', async () => (await spends()).length > 0);
    await pass(20, async () => (await coinsSat()).length > before);
    expect((await coinsSat())[0]).toBeGreaterThan(95_000);
  }, 60_000);

  test('closed days ago, while the relay lost its database: found by the new one', async () => {
    await openOne();
    const before = (await coinsSat()).length;
    await closedByAlice();
    await world.chain.mine(300);
    await world.restartRelay('lost');
    await wakeUntil(self, 'the close to be seen', async () => (await spends()).length > 0);
    await pass(20, async () => (await coinsSat()).length > before);
  }, 60_000);
});
