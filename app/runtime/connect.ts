/**
 * A new transport to a peer: BOLT 8 acts through the relay, then the hand-over (DESIGN: one encryptor).
 * The new epoch is committed before the keys leave: a worker that dies in between finds a session that is not live, and
 * starts over with fresh ephemeral keys.
 */
import { fromHex, toBase64Url, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { thawPeer } from '../../shared/ln/peer/freeze.ts';
import { ourInit } from '../../shared/ln/peer/machine.ts';
import { receiveAct2, startInitiator } from '../../shared/ln/transport/handshake.ts';
import type { CallError } from '../net/relay.ts';
import { loadPeer, setting } from '../store/store.ts';
import { networkOf } from './network.ts';
import type { Ports } from './ports.ts';
import { retryLater } from './retry.ts';
import { round } from './round.ts';

export type ConnectError = {
  readonly code: CallError['code'] | 'handshake-failed' | 'no-wallet' | 'peer-unknown' | 'stale-epoch' | 'storage-failed';
  readonly detail: string;
};

const HANDSHAKE_TIMEOUT_MS = 25_000;
/**
 * Epochs only grow, also from one relay to the next, and an honest one is at most the Unix time or a little more. A relay that
 * gave the greatest number there is would lock this peer out for ever.
 */
const MAX_EPOCH_STEP = 2 ** 32;
/** One attempt per peer at a time in this context (events have ports of their own, but one database); another is held off by the fence. */
const running = new WeakMap<Ports['db'], Map<string, Promise<Result<null, ConnectError>>>>();

export function connectPeer(ports: Ports, peerId: string): Promise<Result<null, ConnectError>> {
  const attempts = running.get(ports.db) ?? new Map<string, Promise<Result<null, ConnectError>>>();
  running.set(ports.db, attempts);
  const current = attempts.get(peerId);
  if (current !== undefined) return current;
  const attempt = handshake(ports, peerId).finally(() => attempts.delete(peerId));
  attempts.set(peerId, attempt);
  return attempt;
}

async function handshake(ports: Ports, peerId: string): Promise<Result<null, ConnectError>> {
  const [record, keys, relay, network] = await Promise.all([
    loadPeer(ports.db, peerId),
    ports.keys(),
    ports.relay(),
    setting(ports.db, 'network'),
  ]);
  if (keys === undefined) return err({ code: 'no-wallet', detail: 'no wallet on this device' });
  if (record === undefined) return err({ code: 'peer-unknown', detail: peerId });
  const thawed = thawPeer(record.frozen);
  if (!thawed.ok) return err({ code: 'storage-failed', detail: thawed.error.detail });
  const failed = async (error: ConnectError): Promise<Result<null, ConnectError>> => {
    await round(ports, peerId, [], { reason: error.code, ...retryLater(ports, record) });
    ports.broadcast({ t: 'changed' });
    return err(error);
  };

  const started = startInitiator({ ephemeralSecret: ports.entropy(32), remoteStatic: fromHex(peerId) });
  if (!started.ok) return failed({ code: 'handshake-failed', detail: started.error.code });
  const target = { peer: peerId, host: record.host, port: record.port, act1: toHex(started.value.act1), afterEpoch: thawed.value.epoch };
  const dialled = await relay.call('connect', target, { timeoutMs: HANDSHAKE_TIMEOUT_MS });
  if (!dialled.ok) return failed(dialled.error);
  const { session, epoch } = dialled.value;
  const answered = receiveAct2(started.value.state, fromHex(dialled.value.act2), keys.nodeSecret());
  if (!answered.ok) {
    await relay.call('disconnect', { session });
    return failed({ code: 'handshake-failed', detail: answered.error.code });
  }
  const known = thawed.value.epoch;
  if (epoch <= known || epoch > known + MAX_EPOCH_STEP) {
    await relay.call('disconnect', { session });
    return failed({ code: 'stale-epoch', detail: `${epoch} after ${known}` });
  }

  const stepped = await round(ports, peerId, [{ tag: 'connected', epoch }], {
    session,
    reason: undefined,
    retryAtMs: undefined,
    failures: 0,
  });
  if (!stepped.ok) return failed({ code: 'storage-failed', detail: stepped.error.detail });
  const { act3, keys: transport } = answered.value;
  const body = {
    session,
    epoch,
    act3: toHex(act3),
    keys: { sending: toHex(transport.sending), receiving: toHex(transport.receiving), chaining: toHex(transport.chaining) },
    init: toBase64Url(ourInit(networkOf(network).chainHash)),
  };
  // After this the relay is the only encryptor: our copy goes before the request does.
  for (const key of [transport.sending, transport.receiving, transport.chaining]) key.fill(0);
  const established = await relay.call('establish', body, { timeoutMs: HANDSHAKE_TIMEOUT_MS });
  ports.broadcast({ t: 'changed' });
  if (established.ok) return ok(null);
  await round(ports, peerId, [{ tag: 'disconnected', epoch }], { reason: established.error.code, ...retryLater(ports, record) });
  return err(established.error);
}
