/** The relay and its gossip peers over loopback: what is heard is served, and a peer that means harm costs no more than its limits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chainHashOf } from '../../shared/lib/networks.ts';
import { applyDelta } from '../../shared/ln/gossip/delta.ts';
import { edgeFlags, type Graph } from '../../shared/ln/gossip/graph.ts';
import { decodeShortIds, encodeShortIds } from '../../shared/ln/gossip/queries.ts';
import { decodeSnapshot, type Snapshot } from '../../shared/ln/gossip/snapshot.ts';
import { decodeMessage, encodeMessage } from '../../shared/ln/wire/registry.ts';
import { startTestRelay, type TestRelay } from '../api/testing.ts';
import { FakeNode } from '../chain/testing.ts';
import { messageOf, must, type PeerEnd, until } from '../keeper/testing.ts';
import { createMetrics } from '../metrics.ts';
import { announcement, forged, GossipSource, nodeAnnouncement, pair, regtest, scid, signer, theirInit, update } from './testing.ts';

const NOW = Math.floor(Date.now() / 1000);
/** Between two looks at what the relay serves. */
const POLL_MS = 25;
const quick = { graphsPerAddressPerMinute: 10_000, graphSoonestMs: 20, gossipRetryFirstMs: 20, gossipTurnMs: 5 };
const [alice, bob, carol] = [signer('alice'), signer('bob'), signer('carol')];
const ab = pair(scid(500), alice, bob);
const bc = pair(scid(501), bob, carol);
const wholeChannel = [announcement(ab), update(ab, 0, NOW - 100), update(ab, 1, NOW - 90)];

let lab: TestRelay;
let source: GossipSource;
let folder: string;
const counts = new Map<string, number>();
const counted = (kind: string): number => counts.get(kind) ?? 0;

async function start(limits: Record<string, number> = {}, sources = [source], chain: string | null = null): Promise<void> {
  counts.clear();
  lab = await startTestRelay(
    { chain, gossip: sources.map(({ address }) => address), network: 'regtest', dataFolder: folder, limits: { ...quick, ...limits } },
    {
      metrics: {
        ...createMetrics(),
        count: (_name, label = '') => void counts.set(label, (counts.get(label) ?? 0) + 1),
      },
    },
  );
}
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'beckon-gossip-'));
  source = await GossipSource.start();
});
afterEach(async () => {
  await lab.stop();
  await source.stop();
  rmSync(folder, { recursive: true });
});

const sendAll = (end: PeerEnd, messages: readonly Uint8Array[]): void => {
  for (const message of messages) end.send(message);
};
const get = (path: string, headers: Record<string, string> = {}) => fetch(`${lab.relay.url}${path}`, { headers });
const bodyOf = async (response: Response): Promise<Uint8Array> => new Uint8Array(gunzipSync(await response.arrayBuffer()));
const snapshot = async (): Promise<Snapshot | undefined> => {
  const response = await get('/api/graph/snapshot');
  return response.status === 200 ? must(decodeSnapshot(await bodyOf(response))) : undefined;
};
async function snapshotWhen(what: string, isIt: (graph: Graph) => boolean): Promise<Snapshot> {
  const end = Date.now() + 10_000;
  for (;;) {
    const got = await snapshot();
    if (got !== undefined && isIt(got.graph)) return got;
    if (Date.now() > end) throw new Error(`waited for a snapshot with ${what}`);
    // Whoever asks without end is refused.
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
const known = ({ flags }: Graph): number => [...flags].filter((bits) => (bits & edgeFlags.known) !== 0).length;
const jsonOf = async (response: Response) => JSON.parse(await response.text());
const status = async () => (await jsonOf(await get('/health'))).graph;

describe('what is heard', () => {
  test('is in the snapshot: the channel, both policies, its chain', async () => {
    await start();
    const end = await source.greeted();
    sendAll(end, [...wholeChannel, nodeAnnouncement(alice, NOW - 80)]);
    const { graph, chainHash } = await snapshotWhen('both policies', (graph) => known(graph) === 2);
    expect([graph.channelCount, graph.nodeCount]).toEqual([1, 2]);
    expect(graph.shortChannelIds[0]).toBe(scid(500));
    expect([...graph.feeBaseMsat]).toEqual([1_000, 1_000]);
    expect(chainHash).toEqual(regtest);
    expect(await status()).toMatchObject({ state: 'kept', channels: 1, nodes: 2, peers: 1, ageSeconds: expect.any(Number) });
  });

  test('the newest update of each direction counts, and an older one changes nothing', async () => {
    await start();
    const end = await source.greeted();
    sendAll(end, [...wholeChannel, update(ab, 0, NOW - 10, { feeBaseMsat: 7 }), update(ab, 0, NOW - 50, { feeBaseMsat: 8 })]);
    await until(() => counted('known') === 1, 'the older one to be refused');
    const { graph } = await snapshotWhen('the newest', (graph) => graph.feeBaseMsat[0] === 7);
    expect([...graph.feeBaseMsat]).toEqual([7, 1_000]);
  });

  test('is there after a restart, and the peer is asked for what is new only', async () => {
    await start();
    sendAll(await source.greeted(), wholeChannel);
    const before = await snapshotWhen('both policies', (graph) => known(graph) === 2);
    await lab.stop();
    await start();
    expect(must(decodeSnapshot(await bodyOf(await get('/api/graph/snapshot'))))).toEqual(before);
    const end = await source.greeted(2);
    const asked = end.messages.map((message) => must(decodeMessage(message))).find(({ name }) => name === 'gossip_timestamp_filter');
    expect(asked).toMatchObject({ chainHash: regtest, firstTimestamp: NOW - 90 - 7_200 });
    sendAll(end, [announcement(ab), update(ab, 0, NOW - 100), announcement(bc), update(bc, 1, NOW - 5)]);
    const { graph } = await snapshotWhen('the second channel', (graph) => graph.channelCount === 2);
    expect([known(graph), counted('known')]).toEqual([3, 2]);
  });

  test('a new transport key at each start: nobody can tell that it is the same relay', async () => {
    await start();
    const first = await source.greeted();
    await lab.stop();
    await start();
    const second = await source.greeted(2);
    expect(first.remoteStatic).not.toEqual(second.remoteStatic);
  });

  test('a peer that tells nothing of the past is asked for what it has, in pieces', async () => {
    await start({ gossipQuietMs: 20 });
    const end = await source.greeted();
    await until(() => end.types().includes(263), 'the question for ids');
    const ids = Array.from({ length: 600 }, (_, i) => scid(600 + i));
    const reply = (firstBlocknum: number, numberOfBlocks: number, part: readonly bigint[]) => {
      const encodedShortIds = encodeShortIds(part);
      return encodeMessage({
        name: 'reply_channel_range',
        chainHash: regtest,
        firstBlocknum,
        numberOfBlocks,
        syncComplete: 1,
        encodedShortIds,
      });
    };
    sendAll(end, [reply(0, 700, ids.slice(0, 100)), reply(700, 0xffffffff - 700, ids.slice(100))]);
    const questions = () =>
      end.messages.flatMap((message) => {
        const decoded = must(decodeMessage(message));
        return decoded.name === 'query_short_channel_ids' ? [must(decodeShortIds(decoded.encodedShortIds))] : [];
      });
    await until(() => questions().length === 1, 'the first question');
    end.send(encodeMessage({ name: 'reply_short_channel_ids_end', chainHash: regtest, fullInformation: 1 }));
    await until(() => questions().length === 2, 'the second question');
    expect(questions()).toEqual([ids.slice(0, 500), ids.slice(500)]);
  });
});

describe('the files', () => {
  test('a delta from a snapshot that is kept leads to the newest; caches may keep both', async () => {
    await start();
    const end = await source.greeted();
    sendAll(end, wholeChannel);
    const before = await snapshotWhen('both policies', (graph) => known(graph) === 2);
    const whole = await get('/api/graph/snapshot');
    expect(whole.headers.get('content-type')).toBe('application/gzip');
    expect(whole.headers.get('content-encoding')).toBeNull();
    expect(whole.headers.get('etag')).toBe(`"${before.timestamp}"`);
    expect(whole.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    // As a browser's cache asks.
    const again = await get('/api/graph/snapshot', { 'if-none-match': `"${before.timestamp}"`, 'cache-control': 'max-age=0' });
    expect(again.status).toBe(304);

    const same = must(applyDelta(before, await bodyOf(await get(`/api/graph/delta?from=${before.timestamp}`))));
    expect(same).toEqual(before);
    sendAll(end, [announcement(bc), update(bc, 0, NOW - 5)]);
    const after = await snapshotWhen('the second channel', (graph) => known(graph) === 3);
    // Of the same hour: the newer one takes its place.
    expect((await get(`/api/graph/delta?from=${before.timestamp}`)).status).toBe(404);
    expect(must(applyDelta(after, await bodyOf(await get(`/api/graph/delta?from=${after.timestamp}`))))).toEqual(after);
  });

  test.each([
    ['nothing', '/api/graph/delta', 400, 'bad-request'],
    ['no number', '/api/graph/delta?from=yesterday', 400, 'bad-request'],
    ['two numbers', '/api/graph/delta?from=1&from=2', 400, 'bad-request'],
    ['one that was never there', '/api/graph/delta?from=12345', 404, 'not-found'],
    ['something else', '/api/graph/other', 404, 'not-found'],
  ])('asked for %s', async (_name, path, code, error) => {
    await start();
    sendAll(await source.greeted(), wholeChannel);
    await snapshotWhen('a channel', (graph) => graph.channelCount === 1);
    const response = await get(path);
    expect([response.status, (await jsonOf(response)).error.code]).toEqual([code, error]);
  });

  test('a relay without gossip, and one that has heard nothing yet, say that they have none', async () => {
    lab = await startTestRelay();
    for (const path of ['/api/graph/snapshot', '/api/graph/delta?from=1']) {
      const response = await get(path);
      expect([response.status, (await jsonOf(response)).error.code]).toEqual([404, 'graph-unavailable']);
    }
    expect(await status()).toEqual({ state: 'none' });
    await lab.stop();
    await start();
    expect((await get('/api/graph/snapshot')).status).toBe(404);
    expect(await status()).toEqual({ state: 'kept', channels: 0, nodes: 0, peers: 0 });
  });

  test('pages of other origins are refused, and whoever asks without end', async () => {
    await start({ graphsPerAddressPerMinute: 3 });
    const answers = [];
    for (let i = 0; i < 3; i += 1) answers.push((await get('/api/graph/snapshot')).status);
    expect(answers).toEqual([404, 404, 404]);
    expect((await get('/api/graph/snapshot')).status).toBe(429);
    expect((await get('/api/graph/snapshot', { origin: 'https://evil.example' })).status).toBe(403);
  });
});

describe('a peer that', () => {
  const cases: [string, string, (end: PeerEnd) => void, Record<string, number>][] = [
    ['announces a channel that nobody signed', 'bad-signature', (end) => end.send(forged(announcement(ab))), {}],
    [
      'floods with announcements that nobody signed',
      'bad-signature',
      (end) =>
        sendAll(
          end,
          Array.from({ length: 80 }, (_, i) => forged(announcement(pair(scid(600, i), alice, bob)))),
        ),
      {},
    ],
    ['forges an update', 'bad-signature', (end) => sendAll(end, [announcement(ab), forged(update(ab, 0, NOW))]), {}],
    ['sends half a message', 'malformed', (end) => end.send(announcement(ab).slice(0, 300)), {}],
    [
      'sends a message that is too long',
      'oversized',
      (end) => end.send(nodeAnnouncement(alice, NOW, { addresses: new Uint8Array(9_000) })),
      {},
    ],
    [
      'sends the same again and again',
      'flood',
      (end) => sendAll(end, [...wholeChannel, ...Array.from({ length: 120 }, () => announcement(ab))]),
      { gossipUselessPerHour: 100 },
    ],
    [
      'sends updates of channels that nobody knows',
      'flood',
      (end) =>
        sendAll(
          end,
          Array.from({ length: 120 }, () => update(bc, 0, NOW)),
        ),
      { gossipUselessPerHour: 100 },
    ],
    [
      'sends what is not gossip',
      'flood',
      (end) =>
        sendAll(
          end,
          Array.from({ length: 120 }, () => messageOf(513, 1)),
        ),
      { gossipUselessPerHour: 100 },
    ],
  ];
  test.each(cases)('%s is hung up on, and left alone for long', async (_name, why, act, limits) => {
    const honest = await GossipSource.start();
    await start(limits, [source, honest]);
    const end = await source.greeted();
    act(end);
    await until(() => end.closed, 'the relay to hang up');
    await until(() => counted(why) >= 1, why);
    // Signatures are expensive: after the first that is wrong none is checked any more.
    expect(counted('bad-signature')).toBeLessThanOrEqual(2);
    // Meanwhile another one that only hangs up is there again and again, and is listened to.
    for (let i = 1; i <= 2; i += 1) (await honest.greeted(i)).socket.destroy();
    sendAll(await honest.greeted(3), wholeChannel);
    await snapshotWhen('both policies', (graph) => known(graph) === 2);
    expect(source.peer.ends).toHaveLength(1);
    await honest.stop();
  });

  test.each([
    ['speaks of another chain', 'wrong-chain', () => theirInit(chainHashOf('mainnet'))],
    ['speaks before it greets', 'no-init', () => announcement(ab)],
    ['greets with half an init', 'no-init', () => theirInit().slice(0, 5)],
  ])('%s is hung up on', async (_name, why, said) => {
    await start();
    await until(() => source.peer.ends.length === 1 && source.peer.end.types().includes(16), "the relay's init");
    source.peer.end.send(said());
    await until(() => source.peer.end.closed, 'the relay to hang up');
    expect(counted(why)).toBe(1);
  });

  test('goes away is dialled again, after longer and longer waits', async () => {
    await start();
    for (let i = 1; i <= 4; i += 1) (await source.greeted(i)).socket.destroy();
    const startedMs = Date.now();
    await source.greeted(5);
    // 20, 40, 80 and 160 ms.
    expect(Date.now() - startedMs).toBeGreaterThan(100);
  });

  test('announces channels that the chain does not have is hung up on, after some that may be mistakes', async () => {
    const node = new FakeNode('bitcoind');
    node.mineMany(20);
    const made = Array.from({ length: 5 }, (_, i) => announcement(pair(scid(5 + i, 0), alice, bob)));
    // The chain has these blocks, each with a coinbase that pays something else.
    node.overrides.set('getblock', () => ({ tx: ['ab'.repeat(32)] }));
    node.overrides.set('gettxout', () => ({ confirmations: 9, value: 1, scriptPubKey: { hex: '51' } }));
    await start({ gossipUnfunded: 3 }, [source], await node.start());
    const end = await source.greeted();
    sendAll(end, made.slice(0, 3));
    await until(() => counted('unfunded') === 3, 'three to be refused');
    expect(end.closed).toBe(false);
    end.send(made[3] ?? new Uint8Array(0));
    await until(() => end.closed, 'the relay to hang up');
    expect(await status()).toMatchObject({ channels: 0 });
    await lab.stop();
    await node.stop();
  });

  test('lies does not spoil what another one says', async () => {
    const honest = await GossipSource.start();
    await start({}, [source, honest]);
    const [liar, friend] = [await source.greeted(), await honest.greeted()];
    liar.send(forged(announcement(ab)));
    sendAll(friend, wholeChannel);
    const { graph } = await snapshotWhen('both policies', (graph) => known(graph) === 2);
    expect(graph.channelCount).toBe(1);
    await honest.stop();
  });
});

describe('limits', () => {
  test('no more channels than there may be', async () => {
    await start({ gossipChannels: 3 });
    sendAll(
      await source.greeted(),
      Array.from({ length: 5 }, (_, i) => announcement(pair(scid(600 + i), alice, bob))),
    );
    await until(() => counted('full') === 2, 'two to be refused');
    expect(await status()).toMatchObject({ channels: 3 });
  });

  test('amounts that no channel has do no harm', async () => {
    await start();
    sendAll(await source.greeted(), [...wholeChannel, announcement(bc), update(bc, 0, NOW, { htlcMaximumMsat: 2n ** 64n - 1n })]);
    await until(() => counted('channel_update') === 3, 'three updates');
    const { graph } = await snapshotWhen('both policies', (graph) => known(graph) === 2);
    expect([...graph.shortChannelIds]).toEqual([ab.shortChannelId]);
  });

  test('no node without a channel', async () => {
    await start();
    sendAll(await source.greeted(), [announcement(ab), nodeAnnouncement(alice, NOW), nodeAnnouncement(carol, NOW)]);
    await until(() => counted('no-channel') === 1, 'one to be refused');
    expect(await status()).toMatchObject({ nodes: 2 });
  });

  test('an owner that signs an update each second is heard only so often', async () => {
    await start({ gossipUpdatesPerHour: 5 });
    const end = await source.greeted();
    sendAll(end, [announcement(ab), ...Array.from({ length: 20 }, (_, i) => update(ab, 0, NOW - 100 + i))]);
    await until(() => counted('too-often') === 15, 'fifteen to be refused');
    expect(counted('channel_update')).toBe(5);
  });
});
