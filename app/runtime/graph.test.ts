/** The graph is fetched, kept, and brought up to date by deltas; a relay that lies about it costs nothing but the graph. */
import 'fake-indexeddb/auto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeDelta } from '../../shared/ln/gossip/delta.ts';
import { type Graph, incidence } from '../../shared/ln/gossip/graph.ts';
import { encodeSnapshot } from '../../shared/ln/gossip/snapshot.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { relayErrors } from '../../shared/protocol/errors.ts';
import { relayClient } from '../net/relay.ts';
import { type Database, openDatabase } from '../store/schema.ts';
import { commit } from '../store/store.ts';
import { GRAPH_PAGE_MS, type GraphPorts, graphDownload, loadGraph, refreshGraph } from './graph.ts';
import { networkOf } from './network.ts';

const { chainHash } = networkOf('regtest');
const START_MS = 1_800_000_000_000;
const START = START_MS / 1000;

/** A ring of channels; `fee` tells one from another. */
function ring(nodes: number, fee: number): Graph {
  const ids = Array.from({ length: nodes }, (_, i) => Uint8Array.of(2, ...hash(`node ${i}`))).sort((a, b) => Buffer.compare(a, b));
  const ends = ids.map((_, i) => [i, (i + 1) % nodes].sort((a, b) => a - b));
  const node1 = Uint32Array.from(ends.map(([least = 0]) => least));
  const node2 = Uint32Array.from(ends.map(([, most = 0]) => most));
  const edges = 2 * nodes;
  return {
    nodeCount: nodes,
    channelCount: nodes,
    nodeIds: Uint8Array.from(ids.flatMap((id) => [...id])),
    shortChannelIds: BigUint64Array.from(ids, (_, i) => (BigInt(500 + i) << 40n) | (1n << 16n)),
    node1,
    node2,
    capacitySat: new Float64Array(nodes).fill(1_000_000),
    flags: new Uint8Array(edges).fill(1),
    cltvExpiryDelta: new Uint16Array(edges).fill(40),
    feeBaseMsat: new Uint32Array(edges).fill(fee),
    feeProportionalMillionths: new Uint32Array(edges).fill(100),
    htlcMinimumMsat: new Float64Array(edges).fill(1),
    htlcMaximumMsat: new Float64Array(edges).fill(900_000_000),
    timestamp: new Uint32Array(edges).fill(START - 1_000),
    ...incidence(nodes, node1, node2),
  };
}
const snapshot = (graph: Graph, timestamp: number, chain = chainHash) => encodeSnapshot(graph, { chainHash: chain, timestamp });
const feeOf = (graph: Graph): number | undefined => graph.feeBaseMsat[0];

let server: Server;
let url = '';
let asked: string[] = [];
/** Path → what is said. */
let answers: { [path: string]: (response: ServerResponse) => void } = {};
const file = (bytes: Uint8Array) => (response: ServerResponse) => void response.end(gzipSync(bytes));
const refuse = (code: keyof typeof relayErrors) => (response: ServerResponse) =>
  void response.writeHead(relayErrors[code]).end(JSON.stringify({ error: { code, message: 'no' } }));

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/api/graph/', '');
    asked.push(path);
    (answers[path] ?? refuse('not-found'))(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let made = 0;
let db: Database;
let ports: GraphPorts;
let nowMs = START_MS;
const open = async (name: string): Promise<void> => {
  db = await openDatabase(name);
  const client = relayClient(url, {
    fetch: (input, init) => fetch(input, init),
    now: () => nowMs,
    sign: async () => undefined,
    loadToken: async () => undefined,
    saveToken: async () => undefined,
  });
  ports = { db, relay: async () => client, now: () => nowMs };
};
/** The worker ends and starts again. */
const again = async (): Promise<void> => {
  db.close();
  await open(`graph-${made}`);
};
beforeEach(async () => {
  made += 1;
  nowMs = START_MS;
  asked = [];
  answers = { snapshot: file(snapshot(ring(8, 1), START)) };
  await open(`graph-${made}`);
  await commit(db, { settings: { network: 'regtest' } });
});

describe('a relay that is honest', () => {
  test('before the first fetch the graph is empty', async () => {
    const graph = await loadGraph(ports);
    expect([graph.nodeCount, graph.channelCount, graph.firstIn.length]).toEqual([0, 0, 1]);
    expect(asked).toEqual([]);
  });

  test('the graph is fetched, and is there the next time the worker starts', async () => {
    expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'updated' });
    const graph = await loadGraph(ports);
    expect(graph).toEqual(ring(8, 1));
    expect(await loadGraph(ports)).toBe(graph);
    await again();
    expect(await loadGraph(ports)).toEqual(ring(8, 1));
    expect(asked).toEqual(['snapshot']);
  });

  test('a page asks again after an hour, a payment after six', async () => {
    await refreshGraph(ports);
    nowMs += GRAPH_PAGE_MS - 1;
    expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'fresh' });
    nowMs += 1;
    expect(await refreshGraph(ports, 6 * GRAPH_PAGE_MS)).toEqual({ ok: true, value: 'fresh' });
    expect(asked).toEqual(['snapshot']);
    expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'updated' });
    expect(asked).toEqual(['snapshot', `delta?from=${START}`, 'snapshot']);
  });

  test('later a delta is enough, also after a restart, and the next one goes on from there', async () => {
    await refreshGraph(ports);
    const [first, second, third] = [
      { graph: ring(8, 1), chainHash, timestamp: START },
      { graph: ring(8, 2), chainHash, timestamp: START + 3_600 },
      { graph: ring(9, 3), chainHash, timestamp: START + 7_200 },
    ];
    answers[`delta?from=${START}`] = file(encodeDelta(first, second));
    answers[`delta?from=${START + 3_600}`] = file(encodeDelta(second, third));
    for (const { graph } of [second, third]) {
      nowMs += GRAPH_PAGE_MS;
      await again();
      expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'updated' });
      expect(await loadGraph(ports)).toEqual(graph);
    }
    expect(asked).toEqual(['snapshot', `delta?from=${START}`, `delta?from=${START + 3_600}`]);
    await again();
    expect(await loadGraph(ports)).toEqual(third.graph);
  });

  test('after two days the whole is fetched', async () => {
    await refreshGraph(ports);
    nowMs += 2 * 86_400_000;
    answers.snapshot = file(snapshot(ring(8, 5), START + 2 * 86_400));
    await refreshGraph(ports);
    expect(asked).toEqual(['snapshot', 'snapshot']);
    expect(feeOf(await loadGraph(ports))).toBe(5);
  });

  test('who asks at the same time waits for the same answer', async () => {
    const outcomes = await Promise.all([refreshGraph(ports), refreshGraph(ports), refreshGraph(ports)]);
    expect(outcomes).toEqual([1, 2, 3].map(() => ({ ok: true, value: 'updated' })));
    expect(asked).toEqual(['snapshot']);
  });

  test('a clock that was set back does not keep an old graph', async () => {
    await refreshGraph(ports);
    nowMs -= 86_400_000 / 2;
    expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'updated' });
  });

  test('after a failure it is left alone for ten minutes', async () => {
    answers.snapshot = refuse('graph-unavailable');
    expect(await refreshGraph(ports)).toMatchObject({ ok: false, error: { code: 'graph-unavailable' } });
    nowMs += 599_999;
    expect(await refreshGraph(ports)).toMatchObject({ ok: false });
    expect(asked).toEqual(['snapshot']);
    nowMs += 1;
    await refreshGraph(ports);
    expect(asked).toEqual(['snapshot', 'snapshot']);
  });
});

describe('a relay that lies', () => {
  const whole = snapshot(ring(8, 2), START);
  const lies: [string, (response: ServerResponse) => void][] = [
    ['garbage', (response) => void response.end('no gzip at all')],
    ['garbage in gzip', file(Buffer.from('no snapshot at all'))],
    ['a snapshot that is cut', file(whole.subarray(0, whole.length - 1))],
    ['a snapshot with more behind it', file(Buffer.concat([whole, Buffer.of(0)]))],
    ['the graph of another chain', file(snapshot(ring(8, 2), START, networkOf('mainnet').chainHash))],
    ['a graph of the future', file(snapshot(ring(8, 2), START + 2 * 86_400 + 4_000))],
    ['fifty megabytes of zeros', file(new Uint8Array(50 * 1024 * 1024))],
    ['nine megabytes that do not pack', (response) => void response.end(Buffer.alloc(graphDownload.maxPackedBytes + 1, 1))],
    [
      'bytes without end',
      (response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 7)));
        };
        response.on('drain', more);
        more();
      },
    ],
  ];

  test.each(lies)('%s: refused, and the graph of before stays', async (_name, lie) => {
    await refreshGraph(ports);
    nowMs += GRAPH_PAGE_MS;
    answers = { snapshot: lie };
    expect(await refreshGraph(ports)).toMatchObject({ ok: false, error: { code: 'malformed' } });
    expect(feeOf(await loadGraph(ports))).toBe(1);
    await again();
    expect(feeOf(await loadGraph(ports))).toBe(1);
    // And the truth is taken afterwards.
    answers = { snapshot: file(whole) };
    expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'updated' });
    expect(feeOf(await loadGraph(ports))).toBe(2);
  });

  test.each(lies.slice(0, 4))('%s in place of a delta: the whole is fetched instead', async (_name, lie) => {
    await refreshGraph(ports);
    nowMs += GRAPH_PAGE_MS;
    answers = { snapshot: file(snapshot(ring(8, 9), START + 9)), [`delta?from=${START}`]: lie };
    expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'updated' });
    expect(feeOf(await loadGraph(ports))).toBe(9);
  });

  test('a delta to another graph: the whole is fetched instead', async () => {
    await refreshGraph(ports);
    nowMs += GRAPH_PAGE_MS;
    const other = { graph: ring(8, 7), chainHash, timestamp: START };
    answers[`delta?from=${START}`] = file(encodeDelta(other, { graph: ring(8, 8), chainHash, timestamp: START + 9 }));
    answers.snapshot = file(snapshot(ring(8, 9), START + 9));
    expect(await refreshGraph(ports)).toEqual({ ok: true, value: 'updated' });
    expect(feeOf(await loadGraph(ports))).toBe(9);
  });

  test('a record that storage has mangled is no graph, and no fault', async () => {
    await refreshGraph(ports);
    const record = await db.get('graph', 'network');
    await db.put('graph', { bytes: (record?.bytes ?? new Uint8Array(0)).slice(0, 40), fetchedAtMs: nowMs }, 'network');
    await again();
    expect((await loadGraph(ports)).channelCount).toBe(0);
  });
});
