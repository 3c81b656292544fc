/** When a snapshot is made, which ones are kept, and that a delta from any of these leads to the newest. */
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyDelta } from '../../shared/ln/gossip/delta.ts';
import { type Graph, incidence } from '../../shared/ln/gossip/graph.ts';
import { decodeSnapshot, type Snapshot } from '../../shared/ln/gossip/snapshot.ts';
import { parseConfig } from '../config.ts';
import { must, until } from '../keeper/testing.ts';
import type { Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import { fakeTimers } from '../timers.ts';
import { createSnapshots, type GraphFile, type Snapshots } from './snapshots.ts';
import { regtest, signer } from './testing.ts';

const HOUR_MS = 3_600_000;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
/** On the hour. */
const START_MS = 1_800_000_000_000 - (1_800_000_000_000 % HOUR_MS);

/** One channel, its fee in both directions. */
function graphOf(fee: number): Graph {
  const nodes = [signer('alice').id, signer('bob').id].sort(Buffer.compare);
  const [node1, node2] = [Uint32Array.of(0), Uint32Array.of(1)];
  return {
    nodeCount: 2,
    channelCount: 1,
    nodeIds: Uint8Array.from(nodes.flatMap((id) => [...id])),
    shortChannelIds: BigUint64Array.of(7n << 40n),
    node1,
    node2,
    capacitySat: Float64Array.of(1_000_000),
    flags: Uint8Array.of(1, 1),
    cltvExpiryDelta: Uint16Array.of(40, 40),
    feeBaseMsat: Uint32Array.of(fee, fee),
    feeProportionalMillionths: Uint32Array.of(1, 1),
    htlcMinimumMsat: Float64Array.of(1, 1),
    htlcMaximumMsat: Float64Array.of(9, 9),
    timestamp: Uint32Array.of(1_800_000_000, 1_800_000_000),
    ...incidence(2, node1, node2),
  };
}

let store: Store;
let timers: ReturnType<typeof fakeTimers>;
let snapshots: Snapshots;
let fee = 1;
let changes = 0;
let size = 1_000;
let errors: object[] = [];

function open(): void {
  snapshots = createSnapshots({
    store,
    chainHash: regtest,
    graph: () => graphOf(fee),
    size: () => size,
    changes: () => changes,
    limits: must(parseConfig({ limits: { graphsKept: 4 } })).limits,
    timers,
    log: { ...silent, error: (fields) => void errors.push(fields) },
  });
}
beforeEach(() => {
  store = openStore(null);
  timers = fakeTimers(START_MS);
  fee = 1;
  changes = 1;
  size = 1_000;
  errors = [];
  open();
});
afterEach(async () => {
  await snapshots.stop();
  store.close();
  expect(errors).toEqual([]);
});

const read = (file: GraphFile | undefined): Snapshot => must(decodeSnapshot(new Uint8Array(gunzipSync(file?.gzip ?? new Uint8Array(0)))));
const kept = (): number[] =>
  store.db
    .prepare('SELECT at FROM graph_snapshots ORDER BY at')
    .all()
    .map(({ at }) => Number(at));
/** Time goes on until the next beat waits: a snapshot is packed by another thread. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 60_000) {
    await timers.advance(Math.min(left, 60_000));
    await until(() => timers.waiting() > 0, 'the next beat');
  }
}

test('the first is made as soon as there is something, the next an hour later, if something is new', async () => {
  changes = 0;
  size = 0;
  await pass(5 * 60_000);
  expect(snapshots.newest()).toBeUndefined();
  [changes, size] = [1, 1_000];
  await pass(60_000);
  const first = snapshots.newest();
  expect(read(first)).toEqual({ graph: graphOf(1), chainHash: regtest, timestamp: START_MS / 1000 + 360 });
  await pass(2 * HOUR_MS);
  expect(snapshots.newest()).toBe(first);
  changes += 1;
  fee = 2;
  await pass(60_000);
  expect(read(snapshots.newest()).graph).toEqual(graphOf(2));
  changes += 1;
  await pass(HOUR_MS - 60_000);
  expect(kept()).toHaveLength(2);
});

test('while much is new it is made each minute, and of each hour the newest stays', async () => {
  for (let minute = 0; minute < 150; minute += 1) {
    changes += 50;
    await pass(60_000);
  }
  const start = START_MS / 1000;
  expect(kept()).toEqual([start + 59 * 60, start + 119 * 60, start + 150 * 60]);
});

test('so many hours are kept; a delta from each of them leads to the newest, and from no other', async () => {
  for (let hour = 0; hour < 7; hour += 1) {
    changes += 1;
    fee += 1;
    await pass(HOUR_MS);
  }
  const times = kept();
  expect(times).toHaveLength(4);
  const newest = read(snapshots.newest());
  expect(newest.timestamp).toBe(times.at(-1));
  for (const at of times) {
    const row = store.db.prepare('SELECT bytes FROM graph_snapshots WHERE at = ?').get(at);
    const before = read({ timestamp: at, gzip: row?.bytes instanceof Uint8Array ? row.bytes : new Uint8Array(0) });
    const delta = await snapshots.delta(at);
    expect(must(applyDelta(before, new Uint8Array(gunzipSync(delta?.gzip ?? new Uint8Array(0)))))).toEqual(newest);
    // Made once, however often it is asked for.
    expect(await snapshots.delta(at)).toBe(delta);
  }
  expect(await snapshots.delta((times[0] ?? 0) - 3_600)).toBeUndefined();
  expect(await snapshots.delta((times[0] ?? 0) + 1)).toBeUndefined();
});

test('after a restart the newest is there at once, and the old ones lead to it', async () => {
  await pass(60_000);
  const first = read(snapshots.newest());
  [changes, fee] = [changes + 1, 9];
  await pass(HOUR_MS);
  await snapshots.stop();
  changes = 0;
  open();
  const newest = read(snapshots.newest());
  expect(newest.graph).toEqual(graphOf(9));
  const delta = await snapshots.delta(first.timestamp);
  expect(must(applyDelta(first, new Uint8Array(gunzipSync(delta?.gzip ?? new Uint8Array(0)))))).toEqual(newest);
});

test('a clock that was set back gives no snapshot the name of another', async () => {
  await pass(60_000);
  const first = snapshots.newest();
  await snapshots.stop();
  timers = fakeTimers(START_MS - 24 * HOUR_MS);
  open();
  changes += 500;
  await pass(60_000);
  expect(snapshots.newest()?.timestamp).toBe((first?.timestamp ?? 0) + 1);
});
