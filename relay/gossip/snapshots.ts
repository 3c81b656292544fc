/**
 * Snapshots of the graph as apps fetch them: made on a beat, kept by the hour for two days, and deltas between a kept one and the newest.
 * A snapshot that is served is one that is kept: an app that comes back finds the beginning of its delta.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { encodeDelta } from '../../shared/ln/gossip/delta.ts';
import type { Graph } from '../../shared/ln/gossip/graph.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../shared/ln/gossip/snapshot.ts';
import type { Limits } from '../config.ts';
import type { Logger, Store } from '../ports.ts';
import type { Cancel, Timers } from '../timers.ts';

export type GraphFile = { readonly timestamp: number; readonly gzip: Uint8Array };
export type Snapshots = {
  readonly newest: () => GraphFile | undefined;
  /** From a kept snapshot to the newest, which may be the same one. Undefined: that one is not kept (any more). */
  delta(from: number): Promise<GraphFile | undefined>;
  stop(): Promise<void>;
};
export type SnapshotParts = {
  readonly store: Store;
  readonly chainHash: Uint8Array;
  /** The graph of now. It takes a while to make. */
  readonly graph: () => Graph;
  /** How much is in it, and how much of that is new since it was asked for last. */
  readonly size: () => number;
  readonly changes: () => number;
  readonly limits: Limits;
  readonly timers: Timers;
  readonly log: Logger;
};

const HOUR_SECONDS = 3_600;
/** This part of a graph new: the next snapshot need not wait for its hour. */
const MUCH = 0.05;
/** What gunzip may make of one of our own files. */
const MAX_BYTES = 256 * 1024 * 1024;
const pack = promisify(gzip);
const unpack = promisify(gunzip);

export function createSnapshots({ store, chainHash, graph, size, changes, limits, timers, log }: SnapshotParts): Snapshots {
  const { db } = store;
  const hourOf = (timestamp: number): number => Math.floor(timestamp / HOUR_SECONDS);
  const read = (at: number): Uint8Array | undefined => {
    const row = db.prepare('SELECT bytes FROM graph_snapshots WHERE at = ?').get(at);
    return row?.bytes instanceof Uint8Array ? row.bytes : undefined;
  };
  const kept = (): readonly number[] =>
    db
      .prepare('SELECT at FROM graph_snapshots ORDER BY at')
      .all()
      .map(({ at }) => Number(at));

  let newest: GraphFile | undefined;
  let newestSnapshot: Snapshot | undefined;
  let changesThen = 0;
  const last = kept().at(-1);
  const lastBytes = last === undefined ? undefined : read(last);
  if (last !== undefined && lastBytes !== undefined) newest = { timestamp: last, gzip: lastBytes };

  /** By their beginning; the end is always the newest. */
  let deltas = new Map<number, Promise<GraphFile | undefined>>();
  let working: Promise<unknown> = Promise.resolve();
  let cancelTimer: Cancel = () => {};
  let stopped = false;

  const isDue = (nowSeconds: number): boolean => {
    const fresh = changes() - changesThen;
    if (fresh === 0) return false;
    if (newest === undefined) return size() > 0;
    return nowSeconds - newest.timestamp >= limits.graphEveryMs / 1000 || fresh >= MUCH * size();
  };

  const make = async (timestamp: number): Promise<void> => {
    const startedMs = performance.now();
    changesThen = changes();
    const made: Snapshot = { graph: graph(), chainHash, timestamp };
    const bytes = encodeSnapshot(made.graph, made);
    const encodeMs = Math.round(performance.now() - startedMs);
    const file = { timestamp, gzip: new Uint8Array(await pack(bytes)) };
    if (stopped) return;
    store.transaction(() => {
      db.prepare('INSERT INTO graph_snapshots (at, bytes) VALUES (?, ?)').run(timestamp, file.gzip);
      thin(timestamp);
    });
    newest = file;
    newestSnapshot = made;
    deltas = new Map();
    const { channelCount: channels, nodeCount: nodes } = made.graph;
    log.info({ channels, nodes, size: bytes.length, packed: file.gzip.length, encodeMs }, 'a snapshot of the graph');
  };

  /** The newest of each hour, and of as many hours as are kept. */
  const thin = (newestAt: number): void => {
    const newestOfHour = new Map(kept().map((at) => [hourOf(at), at]));
    const stay = new Set([...newestOfHour.values()].slice(-limits.graphsKept));
    for (const at of kept()) if (!stay.has(at) && at !== newestAt) db.prepare('DELETE FROM graph_snapshots WHERE at = ?').run(at);
  };

  const snapshotIn = async (packed: Uint8Array): Promise<Snapshot | undefined> => {
    const decoded = decodeSnapshot(new Uint8Array(await unpack(packed, { maxOutputLength: MAX_BYTES })));
    return decoded.ok ? decoded.value : undefined;
  };

  const makeDelta = async (from: number): Promise<GraphFile | undefined> => {
    const to = newest;
    const packed = read(from);
    if (to === undefined || packed === undefined || from > to.timestamp) return undefined;
    const before = await snapshotIn(packed);
    newestSnapshot ??= await snapshotIn(to.gzip);
    if (before === undefined || newestSnapshot === undefined) return undefined;
    return { timestamp: to.timestamp, gzip: new Uint8Array(await pack(encodeDelta(before, newestSnapshot))) };
  };

  /** One at a time: each holds a whole graph or two. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = working.then(work);
    working = done.catch(() => undefined);
    return done;
  };

  const beat = (): void => {
    cancelTimer = timers.after(limits.graphSoonestMs, () => {
      const nowSeconds = Math.floor(timers.nowMs() / 1000);
      // Its name must be new: two in one second, or a clock that was set back.
      const timestamp = Math.max(nowSeconds, (newest?.timestamp ?? 0) + 1);
      const made = isDue(nowSeconds) ? inTurn(() => make(timestamp)) : Promise.resolve();
      made
        .catch((cause: unknown) => log.error({ err: cause }, 'a snapshot of the graph could not be made'))
        .finally(() => stopped || beat());
    });
  };
  beat();

  return {
    newest: () => newest,
    delta(from) {
      const known = deltas.get(from);
      if (known !== undefined) return known;
      // Asked for by whoever likes: only what is kept is remembered.
      if (read(from) === undefined) return Promise.resolve(undefined);
      const made = inTurn(() => makeDelta(from)).catch((cause: unknown) => {
        log.error({ err: cause }, 'a delta of the graph could not be made');
        return undefined;
      });
      deltas.set(from, made);
      return made;
    },
    async stop() {
      stopped = true;
      cancelTimer();
      await working;
    },
  };
}
