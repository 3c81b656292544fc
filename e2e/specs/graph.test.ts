/**
 * The graph's whole way: two LDK nodes announce a channel, the relay reads their gossip, looks at the funding output, makes a snapshot,
 * and the app fetches it; later changes come as a delta, and a close takes the channel out.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadGraph, refreshGraph } from '../../app/runtime/graph.ts';
import { readConfig } from '../../relay/config.ts';
import { type Relay, startRelay } from '../../relay/server.ts';
import { fromHex } from '../../shared/lib/bytes.ts';
import { edgeFlags, type Graph, nodeIndex } from '../../shared/ln/gossip/graph.ts';
import { type Chain, startChain } from '../lab/chain.ts';
import { type RpcServer, startRpc } from '../lab/rpc.ts';
import { waitFor } from '../lab/wait.ts';
import { createLdkPeer, type LdkPeer } from '../peers/ldk.ts';
import { makeWallet, type Self, startSelf } from '../peers/self.ts';
import { temporary } from './small-world.ts';

const CAPACITY_SAT = 1_000_000;
let chain: Chain;
let rpc: RpcServer;
let relay: Relay;
let alice: LdkPeer;
let bob: LdkPeer;
let self: Self;
let now = Date.now();
const dataDir = temporary('relay');

async function relayOn(port: number): Promise<Relay> {
  const config = readConfig({
    PORT: String(port),
    BECKON_DATA: dataDir,
    BECKON_CHAIN: rpc.url,
    BECKON_NETWORK: 'regtest',
    BECKON_CHAIN_POLL_MS: '50',
    BECKON_GOSSIP: [alice, bob].map((peer) => `${peer.id}@${peer.host}:${peer.port}`).join(' '),
  });
  if (!config.ok) throw new Error(config.error.problems.join('\n'));
  return startRelay({ ...config.value, limits: { ...config.value.limits, graphSoonestMs: 50 } });
}

beforeAll(async () => {
  chain = await startChain();
  rpc = await startRpc(chain);
  alice = await createLdkPeer({ alias: 'Alice', source: chain, dir: temporary('alice') });
  bob = await createLdkPeer({ alias: 'Bob', source: chain, dir: temporary('bob') });
  for (const peer of [alice, bob]) await peer.start();
  await chain.fund(await alice.address(), 10_000_000n);
  await chain.mine();
  await alice.settled();
  relay = await relayOn(0);
  self = await startSelf({ relayUrl: relay.url, now: () => now });
  await makeWallet(self);
}, 60_000);
afterAll(async () => {
  self.close();
  await relay.stop();
  for (const peer of [alice, bob]) await peer.stop();
  await rpc.stop();
  await chain.stop();
});

/** The app's graph once the relay's is as it should be: an hour goes by for the app before each try. */
const graphWhen = (what: string, isIt: (graph: Graph) => boolean): Promise<Graph> =>
  waitFor(
    async () => {
      now += 3_600_000;
      await refreshGraph(self.ports);
      const graph = await loadGraph(self.ports);
      return isIt(graph) && graph;
    },
    { what, timeoutMs: 20_000 },
  );
const knownEdges = (graph: Graph): number => [...graph.flags].filter((flags) => (flags & edgeFlags.known) !== 0).length;

test('a relay that has heard of no channel has no graph, and the app an empty one', async () => {
  expect(await refreshGraph(self.ports)).toMatchObject({ ok: false, error: { code: 'graph-unavailable' } });
  expect((await loadGraph(self.ports)).channelCount).toBe(0);
});

test('a channel that LDK announces is in the graph, with its capacity and both policies', async () => {
  await alice.connect(bob.id, bob.host, bob.port);
  const opened = await alice.openChannel(bob.id, BigInt(CAPACITY_SAT), { public: true, pushSat: 100_000n });
  if (!opened.ok) throw new Error(opened.error);
  await chain.mine();
  const block = chain.height();
  await chain.mine(5);
  await Promise.all([alice.settled(), bob.settled()]);
  const graph = await graphWhen('the channel with both policies', (graph) => knownEdges(graph) === 2);
  expect([graph.channelCount, graph.nodeCount, [...graph.capacitySat]]).toEqual([1, 2, [CAPACITY_SAT]]);
  expect(Number((graph.shortChannelIds[0] ?? 0n) >> 40n)).toBe(block);
  for (const peer of [alice, bob]) expect(nodeIndex(graph, fromHex(peer.id))).toBeGreaterThanOrEqual(0);
  for (const edge of [0, 1]) {
    expect(graph.cltvExpiryDelta[edge]).toBeGreaterThan(0);
    expect(graph.htlcMaximumMsat[edge]).toBeGreaterThan(0);
    expect(graph.timestamp[edge]).toBeGreaterThan(1_700_000_000);
  }
  const health = await (await fetch(`${relay.url}/health`)).json();
  expect(health).toMatchObject({ graph: { state: 'kept', channels: 1, peers: 2 } });
}, 60_000);

test('a relay that starts again has the graph from its disk', async () => {
  const { port } = relay;
  await relay.stop();
  relay = await relayOn(port);
  // The first try may take up a connection to the relay that was.
  const health = await waitFor(async () => (await fetch(`${relay.url}/health`)).json(), { what: 'the relay' });
  expect(health).toMatchObject({ graph: { state: 'kept', channels: 1 } });
  expect((await fetch(`${relay.url}/api/graph/snapshot`)).status).toBe(200);
}, 30_000);

test('a close that the chain shows takes the channel out', async () => {
  await alice.forceClose(bob.id);
  await alice.settled();
  await chain.mine();
  const graph = await graphWhen('the channel to be gone', ({ channelCount }) => channelCount === 0);
  expect(graph.nodeCount).toBe(0);
}, 60_000);
