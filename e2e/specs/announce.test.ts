/**
 * A public channel with LDK, from either side: LDK takes our signatures, tells the network of the channel with both policies, and a relay that reads
 * its gossip checks all of it, looks at the funding output, and gives the channel to every app. We sleep but for the moments of a wake.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadGraph, refreshGraph } from '../../app/runtime/graph.ts';
import { livePeers } from '../../app/runtime/peers.ts';
import { fromHex } from '../../shared/lib/bytes.ts';
import { edgeFlags, type Graph, nodeIndex } from '../../shared/ln/gossip/graph.ts';
import { waitFor } from '../lab/wait.ts';
import type { Self } from '../peers/self.ts';
import { channelTags, connectedSelf, type SmallWorld, startSmallWorld, wakeUntil } from './small-world.ts';

const CAPACITY_SAT = 500_000n;
let world: SmallWorld;
let self: Self;
let nodeId: string;
/** How far the app's clock is ahead: it asks for the graph once an hour. */
let ahead = 0;

beforeAll(async () => {
  world = await startSmallWorld({ gossip: true, limits: { graphSoonestMs: 50 } });
  ({ self, nodeId } = await connectedSelf(world, { allowPublic: true, now: () => Date.now() + ahead }));
}, 60_000);
afterAll(async () => {
  self.close();
  await world.stop();
});

/** Channels whose update was said. */
async function updated(): Promise<number> {
  const live = await livePeers(self.ports);
  return live.reduce((sum, { record }) => sum + Object.keys(record.announced ?? {}).length, 0);
}
const graphWhen = (what: string, isIt: (graph: Graph) => boolean): Promise<Graph> =>
  waitFor(
    async () => {
      ahead += 3_600_000;
      await refreshGraph(self.ports);
      const graph = await loadGraph(self.ports);
      return isIt(graph) && graph;
    },
    { what, timeoutMs: 20_000 },
  );
const knownEdges = (graph: Graph): number => [...graph.flags].filter((flags) => (flags & edgeFlags.known) !== 0).length;
const disabledEdges = (graph: Graph): number => [...graph.flags].filter((flags) => (flags & edgeFlags.disabled) !== 0).length;

async function deep(channels: number): Promise<void> {
  await world.chain.mine(5);
  await world.alice.settled();
  await wakeUntil(self, 'the channel to be ready', async () => {
    const tags = await channelTags(self);
    return tags.length === channels && tags.every((tag) => tag === 'normal');
  });
  expect(await updated()).toBe(channels - 1);
  await world.chain.mine(1);
  await world.alice.settled();
  await wakeUntil(self, 'the announcement', async () => (await updated()) === channels);
}

test('one that LDK opens is announced at six blocks, not at five: all see it, with both policies, ours disabled', {
  timeout: 60_000,
}, async () => {
  let outcome: { readonly ok: boolean } | undefined;
  void world.alice.openChannel(nodeId, CAPACITY_SAT, { public: true, pushSat: 300_000n }).then((done) => {
    outcome = done;
  });
  await wakeUntil(self, 'the funding', async () => outcome !== undefined);
  expect(outcome).toMatchObject({ ok: true });
  const block = world.chain.height() + 1;
  await deep(1);
  const graph = await graphWhen('the channel with both policies', (graph) => knownEdges(graph) === 2);
  expect([graph.channelCount, graph.nodeCount, [...graph.capacitySat]]).toEqual([1, 2, [Number(CAPACITY_SAT)]]);
  expect(Number((graph.shortChannelIds[0] ?? 0n) >> 40n)).toBe(block);
  for (const id of [nodeId, world.alice.id]) expect(nodeIndex(graph, fromHex(id))).toBeGreaterThanOrEqual(0);
  expect(disabledEdges(graph)).toBe(1);
  expect(await world.alice.channels()).toMatchObject([{ public: true, active: true }]);
});

test('one that we open is announced too, and with forwarding on our policies are open ones', {
  timeout: 60_000,
}, async () => {
  const given = await self.call('receive-address', null);
  if (!given.ok) throw new Error(given.error.code);
  await world.chain.fund(given.value.address, 400_000n);
  await world.chain.mine(1);
  await wakeUntil(self, 'a coin', async () => {
    const coins = await self.call('coins', null);
    return coins.ok && coins.value.length === 1;
  });
  const view = await self.call('snapshot', null);
  if (!view.ok) throw new Error(view.error.code);
  await self.call('set-forwarding', { ...view.value.forwarding, on: true });
  const order = { peerId: world.alice.id, amountSat: '300000', isPublic: true, feerateSatPerVb: 2 };
  expect(await self.call('open-channel', order)).toMatchObject({ ok: true });
  await wakeUntil(self, 'the first signatures', async () => (await channelTags(self)).includes('wait-for-funding-confirmed'));
  await deep(2);
  const graph = await graphWhen('both channels with both policies', (graph) => knownEdges(graph) === 4 && disabledEdges(graph) === 0);
  expect([...graph.capacitySat].sort()).toEqual([300_000, Number(CAPACITY_SAT)]);
  expect([graph.channelCount, graph.nodeCount]).toEqual([2, 2]);
});
