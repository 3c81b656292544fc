/**
 * The channel graph that routes are searched in: fetched from the relay as a snapshot, later as a delta to it, and kept in the database.
 * A relay can leave channels out or invent them: a graph is a hint for where to look for a route, and costs a failed payment at most.
 * What it cannot do is cost memory, time or anything but the graph: sizes, form and order, chain and times are checked before it is kept.
 *
 * Nothing here runs when the worker starts: payments ask for the graph, and a page that is open asks that it be fresh.
 */
import { equal } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { applyDelta } from '../../shared/ln/gossip/delta.ts';
import { type Graph, incidence } from '../../shared/ln/gossip/graph.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../shared/ln/gossip/snapshot.ts';
import type { DownloadError, DownloadLimits } from '../net/download.ts';
import type { RelayClient } from '../net/relay.ts';
import type { Database, GraphRecord } from '../store/schema.ts';
import { commit, setting } from '../store/store.ts';
import { networkOf } from './network.ts';
import type { Ports } from './ports.ts';

export type GraphPorts = Pick<Ports, 'db' | 'relay' | 'now'>;
/** `malformed`: it came, and is not a graph of our chain and time. */
export type GraphError = { readonly code: DownloadError['code'] | 'storage-failed'; readonly detail: string };

/** A page that is open has the graph no older than this. */
export const GRAPH_PAGE_MS = 3_600_000;
/** The whole network is about 2 MB, unpacked 4. */
export const graphDownload: DownloadLimits = { maxPackedBytes: 8 * 1024 * 1024, maxBytes: 32 * 1024 * 1024, timeoutMs: 60_000 };
/** Relays keep the beginnings of deltas for about two days. */
const DELTA_SECONDS = 2 * 86_400;
/** A clock that is wrong by less than this is nobody's fault. */
const AHEAD_SECONDS = 86_400;
/** After a try that failed. */
const AGAIN_MS = 600_000;
const KEY = 'network';

type Memory = {
  held?: Promise<Snapshot | undefined>;
  refreshing?: Promise<Result<'updated' | 'fresh', GraphError>>;
  failedAtMs?: number;
};
/** For the life of the worker, by its connection to the database. */
const memories = new WeakMap<Database, Memory>();

function memoryOf(db: Database): Memory {
  const memory = memories.get(db) ?? {};
  memories.set(db, memory);
  return memory;
}

function emptyGraph(): Graph {
  const [node1, node2] = [new Uint32Array(0), new Uint32Array(0)];
  return {
    nodeCount: 0,
    channelCount: 0,
    nodeIds: new Uint8Array(0),
    shortChannelIds: new BigUint64Array(0),
    node1,
    node2,
    capacitySat: new Float64Array(0),
    flags: new Uint8Array(0),
    cltvExpiryDelta: new Uint16Array(0),
    feeBaseMsat: new Uint32Array(0),
    feeProportionalMillionths: new Uint32Array(0),
    htlcMinimumMsat: new Float64Array(0),
    htlcMaximumMsat: new Float64Array(0),
    timestamp: new Uint32Array(0),
    ...incidence(0, node1, node2),
  };
}

/** The graph of the last fetch; an empty one when there is none. */
export async function loadGraph({ db }: Pick<Ports, 'db'>): Promise<Graph> {
  return (await heldGraph(db))?.graph ?? emptyGraph();
}

function heldGraph(db: Database): Promise<Snapshot | undefined> {
  const memory = memoryOf(db);
  memory.held ??= readGraph(db).catch(() => undefined);
  return memory.held;
}

async function readGraph(db: Database): Promise<Snapshot | undefined> {
  const record = await db.get('graph', KEY);
  if (record === undefined) return undefined;
  const read = await snapshotOf(db, record.bytes);
  return read.ok ? read.value : undefined;
}

/**
 * Fetches what is new when the graph is older than `olderThanMs`: a delta where the relay has one, else the whole. One at a time; after a
 * failure not again for ten minutes, or for as long as its age is borne with if that is less. An error leaves the graph as it is.
 */
export function refreshGraph(ports: GraphPorts, olderThanMs = GRAPH_PAGE_MS): Promise<Result<'updated' | 'fresh', GraphError>> {
  const memory = memoryOf(ports.db);
  memory.refreshing ??= refresh(ports, memory, olderThanMs).finally(() => {
    delete memory.refreshing;
  });
  return memory.refreshing;
}

async function refresh(ports: GraphPorts, memory: Memory, olderThanMs: number): Promise<Result<'updated' | 'fresh', GraphError>> {
  const { db, now } = ports;
  const kept = await db.get('graph', KEY).catch(() => undefined);
  const ageMs = now() - (kept?.fetchedAtMs ?? 0);
  // An age below zero: the clock was set back.
  if (kept !== undefined && ageMs >= 0 && ageMs < olderThanMs) return ok('fresh');
  const sinceFailureMs = now() - (memory.failedAtMs ?? Number.NEGATIVE_INFINITY);
  if (olderThanMs > 0 && sinceFailureMs >= 0 && sinceFailureMs < AGAIN_MS)
    return err({ code: 'unreachable', detail: 'it failed a moment ago' });
  const fetched = await fetchGraph(ports, await ports.relay());
  if (!fetched.ok) {
    memory.failedAtMs = now();
    return fetched;
  }
  const { bytes, ...held } = fetched.value;
  delete memory.failedAtMs;
  // Good for this life of the worker, also where the disk is full.
  memory.held = Promise.resolve(held);
  const { nodeCount: nodes, channelCount: channels } = held.graph;
  const record: GraphRecord = { bytes, fetchedAtMs: now() };
  try {
    await db.put('graph', record, KEY);
  } catch (error) {
    memory.failedAtMs = now();
    return err({ code: 'storage-failed', detail: String(error) });
  }
  await commit(db, { settings: { graph: { nodes, channels, fetchedAtMs: now() } } });
  return ok('updated');
}

type Fetched = Snapshot & { readonly bytes: Uint8Array };

async function fetchGraph(ports: GraphPorts, relay: RelayClient): Promise<Result<Fetched, GraphError>> {
  const nowSeconds = Math.floor(ports.now() / 1000);
  const held = await heldGraph(ports.db);
  if (held !== undefined && nowSeconds - held.timestamp < DELTA_SECONDS) {
    const delta = await relay.download(`/api/graph/delta?from=${held.timestamp}`, graphDownload);
    const next = delta.ok ? applyDelta(held, delta.value) : undefined;
    if (next?.ok && isOfNow(next.value, nowSeconds)) {
      return ok({ ...next.value, bytes: encodeSnapshot(next.value.graph, next.value) });
    }
    // Away altogether: the whole would not come either.
    if (!delta.ok && delta.error.code === 'unreachable') return delta;
  }
  const answer = await relay.download('/api/graph/snapshot', graphDownload);
  if (!answer.ok) return answer;
  const read = await snapshotOf(ports.db, answer.value);
  if (!read.ok) return read;
  return isOfNow(read.value, nowSeconds)
    ? ok({ ...read.value, bytes: answer.value })
    : err({ code: 'malformed', detail: 'a graph of the future' });
}

const isOfNow = ({ timestamp }: Snapshot, nowSeconds: number): boolean => timestamp <= nowSeconds + AHEAD_SECONDS;

async function snapshotOf(db: Database, bytes: Uint8Array): Promise<Result<Snapshot, GraphError>> {
  const decoded = decodeSnapshot(bytes);
  if (!decoded.ok) return err({ code: 'malformed', detail: `${decoded.error.code}: ${decoded.error.detail}` });
  const { chainHash } = networkOf(await setting(db, 'network'));
  return equal(decoded.value.chainHash, chainHash) ? ok(decoded.value) : err({ code: 'malformed', detail: 'a graph of another chain' });
}
