/**
 * The talk with the relay: what has been committed goes out, what waited comes in, until both are quiet.
 * Every part may be repeated or lost: outbound frames carry (epoch, m), inbound (epoch, n), and the peer machine keeps both.
 */
import { fromBase64Url, toBase64Url } from '../../shared/lib/bytes.ts';
import type { Note } from '../../shared/ln/peer/effect.ts';
import { nextDeadlineMs, nextHeight, watches } from '../../shared/ln/peer/machine.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import {
  type Frame,
  limits,
  type SessionStatus,
  type SyncAnswer,
  type SyncRequest,
  type WakeReceipt,
} from '../../shared/protocol/session.ts';
import type { PeerRecord } from '../store/schema.ts';
import { commit, loadPeers, setting } from '../store/store.ts';
import { sayUpdates } from './announce.ts';
import { sealBackup } from './backup.ts';
import { sendBroadcasts } from './broadcast.ts';
import { followChain } from './chain.ts';
import { connectPeer } from './connect.ts';
import { drivePayments, nextPaymentMs } from './payments/drive.ts';
import { type Receiving, settleSets } from './payments/receive-sets.ts';
import { tellTerms } from './payments/terms.ts';
import { Collected, collect, type Live, livePeers } from './peers.ts';
import type { Ports } from './ports.ts';
import { retryLater } from './retry.ts';
import { round } from './round.ts';
import { watchList } from './spends.ts';
import { timed } from './timing.ts';
import { noteWakeBudgets } from './wake-budget.ts';

export type SyncReport = {
  /** False: the relay did not answer; everything stays in the outbox. */
  readonly reached: boolean;
  readonly notes: readonly { readonly peerId: string; readonly note: Note }[];
  /** Names of the messages that were made, in order. */
  readonly spoken: readonly string[];
  /** Peers that a connection was tried to and failed. */
  readonly unreachable: readonly string[];
  readonly error?: string;
};
/** A worker that is woken must end well inside the browser's patience (30 s). */
const MAX_ROUNDS = 40;
const PATIENCE_MS = 20_000;

async function tick(ports: Ports, live: readonly Live[], into: Collected): Promise<void> {
  for (const { record } of live) {
    const stepped = await round(ports, record.peerId, [{ tag: 'tick' }]);
    if (stepped.ok) collect(into, record.peerId, stepped.value);
  }
}

/** Time passed or blocks came: deadlines are looked at. */
export async function tickAll(ports: Ports, into: Collected): Promise<void> {
  const { live } = await settleSets(ports, into);
  await tick(ports, live, into);
}

/**
 * Frames from the relay (a push, an answer, the page's socket) to the machines, in the order of their numbers whatever the
 * order they came in. True if any was new to a peer.
 */
export async function takeFrames(ports: Ports, frames: readonly Frame[], into: Collected): Promise<boolean> {
  const records = await loadPeers(ports.db);
  let fresh = false;
  for (const record of records) {
    const own = frames.filter((frame) => frame.session === record.session).sort((a, b) => a.epoch - b.epoch || a.n - b.n);
    if (own.length === 0) continue;
    const commands = own.map((frame) => ({ tag: 'frame' as const, epoch: frame.epoch, n: frame.n, bytes: fromBase64Url(frame.bytes) }));
    const stepped = await round(ports, record.peerId, commands);
    if (!stepped.ok) {
      // A peer is told of once, at the step that failed; afterwards it is left alone.
      if (stepped.error.code === 'quarantined' && record.quarantined === undefined)
        into.notes.push({ peerId: record.peerId, note: { kind: 'fault' } });
      continue;
    }
    fresh ||= stepped.value.changed;
    collect(into, record.peerId, stepped.value);
    if (stepped.value.disconnect !== undefined) await endSession(ports, record, stepped.value.state.epoch, into);
  }
  return fresh;
}

/**
 * The peers, after what is due was done: whenever we look, whether or not the relay told us of the hour. Payments to us come first: what is
 * decided of one is with all its peers before anything leaves.
 */
async function afterDue(ports: Ports, into: Collected): Promise<Receiving> {
  let receiving = await settleSets(ports, into);
  const told = await tellTerms(ports, receiving.live, into);
  if ((await sayUpdates(ports, told ? await livePeers(ports) : receiving.live, into)) || told) receiving = await settleSets(ports, into);
  const due = receiving.live.filter(({ state }) => (nextDeadlineMs(state) ?? Number.POSITIVE_INFINITY) <= ports.now());
  if (due.length === 0) return receiving;
  await tick(ports, due, into);
  return settleSets(ports, into);
}

/** The machine asked for the end of this transport: what it still had to say goes first. */
async function endSession(ports: Ports, record: PeerRecord, epoch: number, into: Collected): Promise<void> {
  const relay = await ports.relay();
  await relay.call('sync', await buildRequest(ports, await settleSets(ports, into), []));
  if (record.session !== undefined) await relay.call('disconnect', { session: record.session });
  const stepped = await round(ports, record.peerId, [{ tag: 'disconnected', epoch }], retryLater(ports, record));
  if (stepped.ok) collect(into, record.peerId, stepped.value);
}

async function buildRequest(ports: Ports, { live, due }: Receiving, fresh: readonly WakeReceipt[]): Promise<SyncRequest> {
  const lastIn: NonNullable<SyncRequest['lastIn']> = [];
  const out: NonNullable<SyncRequest['out']> = [];
  const alarms: NonNullable<SyncRequest['alarms']> = [];
  const heights: typeof alarms = [];
  const keys = await ports.keys();
  const height = (await setting(ports.db, 'chain'))?.height ?? 0;
  for (const { record, state } of live) {
    if (record.session !== undefined) {
      lastIn.push({ session: record.session, epoch: state.epoch, n: state.lastInSeq });
      for (const frame of state.outbox)
        out.push({ session: record.session, epoch: frame.epoch, m: frame.m, bytes: toBase64Url(frame.bytes) });
    }
    const deadline = nextDeadlineMs(state);
    if (deadline !== undefined) alarms.push({ id: `deadline-${record.peerId.slice(0, 16)}`, atMs: deadline, reason: 'deadline' });
    if (state.link === 'offline' && record.retryAtMs !== undefined)
      alarms.push({ id: `retry-${record.peerId.slice(0, 16)}`, atMs: record.retryAtMs, reason: 'retry' });
    const atHeight = keys === undefined ? undefined : nextHeight(state, height, keys.openSigner);
    // What is due at our tip already was looked at with the tick of that block.
    if (atHeight !== undefined && atHeight > height)
      heights.push({ id: `height-${record.peerId.slice(0, 16)}`, atHeight, reason: 'deadline' });
  }
  if (due.atMs !== undefined) alarms.unshift({ id: 'parts', atMs: due.atMs, reason: 'deadline' });
  if (due.height !== undefined && due.height > height) heights.push({ id: 'parts-height', atHeight: due.height, reason: 'deadline' });
  const paymentMs = await nextPaymentMs(ports);
  if (paymentMs !== undefined) alarms.push({ id: 'payments', atMs: paymentMs, reason: 'deadline' });
  const receipts = [...fresh, ...((await setting(ports.db, 'unsentReceipts')) ?? [])];
  const backup = out.length > 0 ? await sealBackup(ports) : undefined;
  return {
    lastIn: lastIn.slice(0, 64),
    out: out.slice(0, limits.framesPerSync),
    // Money hangs on the heights.
    alarms: [...heights, ...alarms].slice(0, 64),
    watches: await watchList(ports, live),
    ...(receipts.length > 0 ? { wakes: receipts.slice(0, 32).map((receipt) => ({ ...receipt })) } : {}),
    ...(backup === undefined ? {} : { backup }),
  };
}

export type SyncOptions = {
  readonly lingerMs: number;
  /** For an answer that does not linger. */
  readonly patienceMs?: number;
  readonly until?: () => Promise<boolean>;
};

/** Goes on until nothing is waiting on either side and one long poll of `lingerMs` brought nothing. */
export async function syncAll(ports: Ports, options: SyncOptions, into = new Collected()): Promise<SyncReport> {
  const relay = await ports.relay();
  const attempted = new Set<string>();
  let acks: readonly string[] = [];
  let chainAsked = false;
  for (let rounds = 0; rounds < MAX_ROUNDS; rounds += 1) {
    let receiving = await afterDue(ports, into);
    if (receiving.wantsChain && !chainAsked) {
      chainAsked = true;
      await followChain(ports, into);
      receiving = await afterDue(ports, into);
    }
    const { live } = receiving;
    const request = await buildRequest(ports, receiving, into.receipts);
    const quiet = rounds > 0 && request.out?.length === 0 && acks.length === 0;
    const lingering = quiet && options.lingerMs > 0;
    const body = { ...request, ...(acks.length > 0 ? { ackEvents: [...acks] } : {}), ...(lingering ? { lingerMs: options.lingerMs } : {}) };
    const call = () => relay.call('sync', body, { timeoutMs: (options.patienceMs ?? PATIENCE_MS) + options.lingerMs });
    const answer = await (lingering ? call() : timed(ports.stopwatch, into.parts, 'sendMs', call));
    if (!answer.ok) {
      await keepReceipts(ports, into.receipts.splice(0));
      // The relay lost count of what it wrote: that transport cannot be trusted to go on, a new one starts from nothing.
      if (answer.error.code === 'out-gap' && rounds === 0) {
        for (const { record, state } of live) if (state.outbox.length > 0) await endSession(ports, record, state.epoch, into);
        continue;
      }
      await noteRelay(ports, `${answer.error.code}: ${answer.error.detail}`);
      return { ...reportOf(into), reached: false, error: answer.error.code };
    }
    await noteRelay(ports, undefined);
    into.receipts.length = 0;
    await forgetReceipts(ports, request.wakes?.map((wake) => wake.wakeId) ?? []);
    acks = [];
    const news = await takeAnswer(ports, answer.value, live, attempted, into);
    if (answer.value.events.length > 0) {
      // Events are hints; they are forgotten by the relay only after what they hint at was checked and committed.
      acks = (await followChain(ports, into, answer.value.events)).settled;
      chainAsked = true;
    } else if (!chainAsked && rounds === 0 && live.some(({ state }) => watches(state).length > 0 && state.link === 'offline')) {
      chainAsked = true;
      await followChain(ports, into);
    }
    // What came may have moved a payment, or its time has.
    const paying = await drivePayments(ports, into);
    let more = news || paying || answer.value.more || acks.length > 0;
    if (!more) {
      // Nobody waits for an answer now: the time to look at the chain, if this run has any to spare.
      if (lingering && !chainAsked && live.some(({ state }) => watches(state).length > 0)) {
        chainAsked = true;
        await followChain(ports, into);
      } else await sendBroadcasts(ports, relay, into);
      more = await hasMoreToSay(ports, request, into);
    }
    if (!more && (lingering || options.lingerMs === 0) && rounds > 0) break;
    if (!more && options.lingerMs === 0) break;
    if (await options.until?.()) break;
  }
  ports.broadcast({ t: 'changed' });
  return { ...reportOf(into), reached: true };
}

/** Whether what was learned since that request changed what the relay is to write, or to look out for. */
async function hasMoreToSay(ports: Ports, request: SyncRequest, into: Collected): Promise<boolean> {
  const { live } = await settleSets(ports, into);
  const asked = new Set(request.watches?.map(({ id }) => id));
  const unasked = (await watchList(ports, live)).some(({ id }) => !asked.has(id));
  return (
    unasked ||
    live.some(({ record, state }) => record.session !== undefined && state.link !== 'offline' && unsent(state, request, record.session))
  );
}

const unsent = (state: PeerState, request: SyncRequest, session: string): boolean =>
  state.outbox.some(({ epoch, m }) => !request.out?.some((frame) => frame.session === session && frame.epoch === epoch && frame.m === m));

/** One answer of the relay. True if there is something to go on with. */
export async function takeAnswer(
  ports: Ports,
  answer: SyncAnswer,
  live: readonly Live[],
  attempted: Set<string>,
  into: Collected,
): Promise<boolean> {
  for (const receipt of answer.receipts) {
    const peer = live.find(({ record }) => record.session === receipt.session);
    if (peer !== undefined && peer.state.outbox.length > 0)
      await round(ports, peer.record.peerId, [{ tag: 'receipt', epoch: receipt.epoch, m: receipt.m }]);
  }
  await noteWakeBudgets(ports, live, answer.sessions);
  let news = await takeFrames(ports, answer.in, into);
  for (const { record, state } of await livePeers(ports)) {
    // Killed between the step that asked for the end of a transport and the end.
    if (state.link === 'closing') {
      await endSession(ports, record, state.epoch, into);
      news = true;
      continue;
    }
    const status = answer.sessions.find((session) => session.session === record.session);
    if (isOver(state, live.find((peer) => peer.record.peerId === record.peerId)?.state, status)) {
      const reason = status?.reason === undefined ? {} : { reason: status.reason };
      const stepped = await round(ports, record.peerId, [{ tag: 'disconnected', epoch: state.epoch }], reason);
      if (stepped.ok) collect(into, record.peerId, stepped.value);
      news = true;
    } else if (state.link !== 'offline') continue;
    if (attempted.has(record.peerId) || (record.retryAtMs ?? 0) > ports.now()) continue;
    attempted.add(record.peerId);
    const connected = await connectPeer(ports, record.peerId);
    if (connected.ok) news = true;
    else into.unreachable.push(record.peerId);
  }
  return news;
}

/**
 * Whether the answer means that the epoch of `state` is over. `asked` is the state when the question was put: a
 * connection made meanwhile (a page and a push at once) is not judged by an answer that could not know of it.
 */
function isOver(state: PeerState, asked: PeerState | undefined, status: SessionStatus | undefined): boolean {
  if (state.link === 'offline' || asked?.link === 'offline' || asked?.epoch !== state.epoch) return false;
  return status === undefined || (status.state === 'lost' && status.epoch >= state.epoch) || status.epoch > state.epoch;
}

const reportOf = ({ notes, spoken, unreachable }: Collected): Omit<SyncReport, 'reached'> => ({ notes, spoken, unreachable });

async function noteRelay(ports: Ports, error: string | undefined): Promise<void> {
  const known = await setting(ports.db, 'relayState');
  const reachable = error === undefined;
  if (known?.reachable === reachable) return;
  await commit(ports.db, { settings: { relayState: { reachable, sinceMs: ports.now(), ...(error === undefined ? {} : { error }) } } });
  ports.broadcast({ t: 'changed' });
}

async function keepReceipts(ports: Ports, receipts: readonly WakeReceipt[]): Promise<void> {
  if (receipts.length === 0) return;
  const waiting = (await setting(ports.db, 'unsentReceipts')) ?? [];
  await commit(ports.db, { settings: { unsentReceipts: [...waiting, ...receipts].slice(-32) } });
}

async function forgetReceipts(ports: Ports, sent: readonly string[]): Promise<void> {
  const waiting = (await setting(ports.db, 'unsentReceipts')) ?? [];
  if (!waiting.some((receipt) => sent.includes(receipt.wakeId))) return;
  await commit(ports.db, { settings: { unsentReceipts: waiting.filter((receipt) => !sent.includes(receipt.wakeId)) } });
}
