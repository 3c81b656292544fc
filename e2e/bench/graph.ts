/**
 * The real graph of mainnet as a snapshot: how many bytes come, how long until it can be searched, how much memory it takes, and what a day
 * adds, beside LDK that takes the same graph as its own snapshot. Then how fast announcements are checked with three implementations of the curve, and how fast those that are known are put aside.
 */
import { createHash, createPublicKey, type KeyObject, verify as nodeVerify, randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openCurve } from '../../app/runtime/curve.ts';
import { verifyCompact } from '../../shared/lib/verify.ts';
import { addChannel, hear, newBook } from '../../shared/ln/gossip/book.ts';
import { checkChannelAnnouncement, type Verify } from '../../shared/ln/gossip/check.ts';
import { applyDelta, encodeDelta } from '../../shared/ln/gossip/delta.ts';
import type { Graph } from '../../shared/ln/gossip/graph.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../shared/ln/gossip/snapshot.ts';
import { announced, announcer, chainHash, NOW } from '../../shared/ln/testing/gossip.ts';
import type { ChannelAnnouncement } from '../../shared/ln/wire/messages/gossip.ts';
import { decodeMessage, encodeMessage } from '../../shared/ln/wire/registry.ts';
import { fastCurve, readLibsecp } from '../lab/curve.ts';
import { REAL_GRAPH_TIME, realGraph } from '../lab/gossip-store.ts';
import { changesOfADay, inDays, isOff, nextDay, rebuilt } from './graph-days.ts';
import { ldkTakes, rapidSnapshot } from './graph-ldk.ts';
import { type Bench, median, type Options, text } from './report.ts';

const DAY = 86_400;
const ANNOUNCEMENTS = 60;

type Times = { readonly best: number; readonly median: number };
function timed(run: () => unknown, rounds: number): Times {
  const times = Array.from({ length: rounds }, () => {
    const from = performance.now();
    run();
    return performance.now() - from;
  });
  return { best: Math.min(...times), median: median(times) };
}
const ms = ({ best, median }: Times): string => `${text(best, 1)} (${text(median, 1)})`;

const memoryOf = (graph: Graph): number =>
  Object.values(graph).reduce<number>((sum, value) => sum + (typeof value === 'number' ? 0 : value.byteLength), 0);

function measureGraph(name: string, graph: Graph, rounds: number) {
  const before: Snapshot = { graph, chainHash, timestamp: REAL_GRAPH_TIME };
  const after: Snapshot = { graph: nextDay(graph, REAL_GRAPH_TIME + DAY), chainHash, timestamp: REAL_GRAPH_TIME + DAY };
  const bytes = encodeSnapshot(graph, before);
  const zipped = gzipSync(bytes, { level: 9 });
  const delta = encodeDelta(before, after);
  const zippedDelta = gzipSync(delta, { level: 9 });
  const back = decodeSnapshot(bytes);
  const applied = applyDelta(before, delta);
  if (!back.ok || !applied.ok || applied.value.graph.channelCount !== after.graph.channelCount)
    throw new Error('the graph did not come back');
  return {
    name,
    graph,
    gzip: zipped.length / 1000,
    delta: zippedDelta.length / 1000,
    plain: bytes.length / 1000,
    memory: memoryOf(back.value.graph) / 1e6,
    decode: timed(() => decodeSnapshot(bytes), rounds),
    unzip: timed(() => gunzipSync(zipped), rounds),
    apply: timed(() => applyDelta(before, delta), rounds),
  };
}

/** Both from unzipped bytes; LDK once, for it takes many seconds: it logs each update, which its wasm cannot be told not to. */
async function besideLdk(graph: Graph) {
  await fastCurve();
  const bytes = encodeSnapshot(graph, { chainHash, timestamp: REAL_GRAPH_TIME });
  const rapid = rapidSnapshot(graph);
  const { ms, channels } = await ldkTakes(rapid);
  if (channels !== graph.channelCount) throw new Error(`LDK took ${channels} of ${graph.channelCount} channels`);
  return { ours: timed(() => decodeSnapshot(bytes), 10).best, ldk: ms, zipped: gzipSync(rapid, { level: 9 }).length / 1000 };
}

const SPKI = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex');
const SIGNED_FROM = 2 + 4 * 64;
const nodeKey = (point: Uint8Array): KeyObject => createPublicKey({ key: Buffer.concat([SPKI, point]), format: 'der', type: 'spki' });

function decoded(bytes: Uint8Array): ChannelAnnouncement {
  const msg = decodeMessage(bytes);
  if (!msg.ok || msg.value.name !== 'channel_announcement') throw new Error('not an announcement');
  return msg.value;
}

/** node:crypto makes the second of the two hashes itself, so it can not be given a digest: the same four checks, by hand. */
function checkedByNode(bytes: Uint8Array): boolean {
  const msg = decoded(bytes);
  const once = createHash('sha256').update(bytes.subarray(SIGNED_FROM)).digest();
  const check = (signature: Uint8Array, key: Uint8Array) =>
    nodeVerify('sha256', once, { key: nodeKey(key), dsaEncoding: 'ieee-p1363' }, signature);
  return (
    check(msg.nodeSignature1, msg.nodeId1) &&
    check(msg.nodeSignature2, msg.nodeId2) &&
    check(msg.bitcoinSignature1, msg.bitcoinKey1) &&
    check(msg.bitcoinSignature2, msg.bitcoinKey2)
  );
}

/** µs for one announcement, from its bytes. */
async function measureChecks(count: number, rounds: number) {
  await fastCurve();
  const curve = await openCurve(await readLibsecp(), randomBytes(32));
  const people = Array.from({ length: count + 1 }, (_, i) => announcer(i));
  const messages = people.slice(1).map((one, i) => announced(BigInt(i), one, people[i] ?? one));
  const withVerify = (verify: Verify) => (bytes: Uint8Array) => checkChannelAnnouncement(decoded(bytes), { chainHash, verify }).ok;
  const book = newBook();
  const env = { chainHash, now: NOW, verify: () => true };
  for (const msg of messages) {
    const heard = hear(book, msg, env);
    if (heard.tag === 'new-channel') addChannel(book, heard.channel, { capacitySat: 1, now: NOW });
  }
  const wires = messages.map(encodeMessage);
  const ways: { readonly [name: string]: (bytes: Uint8Array) => boolean } = {
    noble: withVerify(verifyCompact),
    'node:crypto': checkedByNode,
    libsecp256k1: withVerify(curve.verify),
    known: (bytes) => hear(book, decoded(bytes), env).tag === 'known',
  };
  const times = new Map<string, number[]>();
  // In turns, so that what else the machine does hits all of them.
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, way] of Object.entries(ways)) {
      const repeat = name === 'known' ? 50 : 1;
      const from = performance.now();
      for (let i = 0; i < repeat; i += 1) for (const bytes of wires) if (!way(bytes)) throw new Error(`${name} refused what is good`);
      times.set(name, [...(times.get(name) ?? []), ((performance.now() - from) * 1000) / (messages.length * repeat)]);
    }
  }
  return (name: string): number => Math.min(...(times.get(name) ?? [Number.NaN]));
}

export async function graph({ smoke, tell }: Options): ReturnType<Bench> {
  const rounds = smoke ? 1 : 25;
  const real = realGraph();
  const open = rebuilt(inDays(real), (channel) => !isOff(real, channel));
  const whole = measureGraph('all channels, times to the second', real, rounds);
  const sent = measureGraph('those that are not switched off, times in days: as a relay sends them', open, rounds);
  const rows = [whole, ...(smoke ? [] : [measureGraph('all channels, times in days', inDays(real), rounds)]), sent];
  tell(`a day: of 1,000 directions or channels ${JSON.stringify(changesOfADay)}`);
  const checks = await measureChecks(smoke ? 4 : ANNOUNCEMENTS, smoke ? 2 : 8);
  const ldk = await besideLdk(smoke ? rebuilt(open, (channel) => channel < 500) : open);
  const names = ['noble', 'node:crypto', 'libsecp256k1', 'known'] as const;
  return {
    name: 'graph',
    tables: [
      {
        title: 'The graph of mainnet of 2026-02-03; times in ms: best (median)',
        columns: [
          '',
          'nodes',
          'channels',
          'kB',
          'gzip, kB',
          "a day's delta, gzip, kB",
          'memory, MB',
          'decoded',
          'unzipped',
          'delta applied',
        ],
        rows: rows.map(({ name, graph, plain, gzip, delta, memory, decode, unzip, apply }) => [
          name,
          `${graph.nodeCount}`,
          `${graph.channelCount}`,
          text(plain),
          text(gzip),
          text(delta),
          text(memory, 1),
          ms(decode),
          ms(unzip),
          ms(apply),
        ]),
      },
      {
        title: 'The graph as sent, from unzipped bytes until it can be asked; best',
        columns: ['', 'ms', 'gzip, kB'],
        rows: [
          ['typed arrays', text(ldk.ours, 1), text(sent.gzip)],
          ['LDK wasm, rapid gossip sync', text(ldk.ldk), text(ldk.zipped)],
        ],
      },
      {
        title: 'A channel_announcement with its four signatures; best',
        columns: ['', 'µs', 'a second', 'over noble'],
        rows: names.map((name) => [
          name === 'known' ? 'known already: no signature is checked' : name,
          text(checks(name), 1),
          text(1e6 / checks(name)),
          `${text(checks('noble') / checks(name), 1)} ×`,
        ]),
      },
    ],
    figures: [
      { name: 'snapshot of all channels, gzip', value: whole.gzip, unit: 'kB', limit: { at: 'most', value: 3000 } },
      {
        name: 'snapshot as sent, gzip',
        value: sent.gzip,
        unit: 'kB',
        limit: { at: 'most', value: 3000 },
        target: { at: 'most', value: 1000 },
      },
      { name: "a day's delta as sent, gzip", value: sent.delta, unit: 'kB', limit: { at: 'most', value: 300 } },
      { name: 'memory of the graph of all channels', value: whole.memory, unit: 'MB', limit: { at: 'most', value: 25 } },
      { name: 'decoded, all channels, best', value: whole.decode.best, unit: 'ms', target: { at: 'most', value: 30 } },
      { name: 'decoded as sent, best', value: sent.decode.best, unit: 'ms', target: { at: 'most', value: 30 } },
      { name: 'LDK takes the same graph over ours decoded', value: ldk.ldk / ldk.ours, unit: '×', target: { at: 'least', value: 50 } },
      { name: 'announcement: noble over node:crypto', value: checks('noble') / checks('node:crypto'), unit: '×' },
      {
        name: 'announcement: noble over libsecp256k1',
        value: checks('noble') / checks('libsecp256k1'),
        unit: '×',
        target: { at: 'least', value: 3 },
      },
      {
        name: 'announcement: checked with libsecp256k1 over known already',
        value: checks('libsecp256k1') / checks('known'),
        unit: '×',
        target: { at: 'least', value: 100 },
      },
    ],
  };
}
