/**
 * The hand-over rules R1–R10, as far as a relay can keep them, against a peer that decrypts every byte: a nonce used twice or
 * skipped would break its side. R7's new handshake and R9's commit before speaking are the app's to do; here is the relay's half.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { bytesOf, type LiveSession, outFrame, startTestRelay, TestApp, type TestRelay } from '../api/testing.ts';
import { toBase64Url } from './bytes.ts';
import { Epoch } from './session.ts';
import { appHandshake, keysHex, messageOf, must, TestPeer, until } from './testing.ts';

const REVOKE = 133;
const COMMITMENT_SIGNED = 132;
const PING = 18;

let folder: string;
let lab: TestRelay;
let peer: TestPeer;
let app: TestApp;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'beckon-relay-'));
  lab = await startTestRelay({ dataFolder: folder });
  peer = await TestPeer.start();
  app = new TestApp(lab.relay.url);
  await app.login();
});
afterEach(async () => {
  await lab.stop();
  await peer.stop();
  rmSync(folder, { recursive: true });
});

/** The relay begins anew on the same folder, and the app logs in again. */
async function restart(limits = {}): Promise<void> {
  lab = await startTestRelay({ dataFolder: folder, limits });
  app = new TestApp(lab.relay.url, app.secret);
  await app.login();
}

/** Act one to keys, without the hand-over. */
async function shake() {
  const handshake = appHandshake(peer.id);
  const connected = must(await app.call('connect', { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: toHex(handshake.act1) }));
  const { act3, keys } = handshake.finish(Uint8Array.from(Buffer.from(connected.act2, 'hex')));
  const { session, epoch } = connected;
  const request = { session, epoch, act3: toHex(act3), keys: keysHex(keys), init: toBase64Url(messageOf(16, 0, 0, 0, 0)) };
  return { session, epoch, keys, request };
}
const stateOf = async (live: LiveSession) => (await app.sync()).sessions.find((status) => status.session === live.session);

test('R1: after the hand-over the relay alone seals: pongs and frames of the app share one line of nonces', async () => {
  const live = await app.open(peer);
  for (let m = 1; m <= 20; m++) {
    peer.end.send(messageOf(PING, 0, m, 0, 0));
    await app.sync({ out: [outFrame(live, m, messageOf(REVOKE, m))] });
  }
  // Ten pings at once are answered (the rest is over the cap); every frame decrypts, so no nonce was used twice or left out.
  await until(() => peer.end.types().filter((type) => type === REVOKE).length === 20, '20 frames');
  await until(() => peer.end.types().filter((type) => type === 19).length >= 10, 'pongs');
  expect(peer.end.closed).toBe(false);
});

test('R2: a second hand-over of the same epoch closes the link', async () => {
  const { request, ...live } = await shake();
  must(await app.call('establish', request));
  await until(() => peer.end.messages.length === 1, 'init');
  const again = await app.call('establish', request);
  expect(again).toMatchObject({ ok: false, error: { code: 'handover-used', status: 409 } });
  await until(() => peer.end.closed, 'the socket to close');
  expect(await stateOf(live)).toMatchObject({ state: 'lost', reason: 'handover-used' });
  expect(peer.end.messages).toHaveLength(1);
});

test('R2: a hand-over is bound to its account, its socket and its epoch', async () => {
  const { request } = await shake();
  const stranger = new TestApp(lab.relay.url);
  await stranger.login();
  expect(await stranger.call('establish', request)).toMatchObject({ ok: false, error: { code: 'session-unknown' } });
  expect(await app.call('establish', { ...request, epoch: request.epoch + 1 })).toMatchObject({ ok: false, error: { code: 'epoch-over' } });
  // A newer handshake has replaced the socket that the first one was for.
  const first = peer.end;
  await shake();
  await until(() => first.closed, 'the older socket to close');
  expect(await app.call('establish', request)).toMatchObject({ ok: false, error: { code: 'epoch-over' } });
});

test('R3: no transport key ever reaches the disk, and a restart ends the epoch', async () => {
  const { request, keys, ...live } = await shake();
  must(await app.call('establish', request));
  await app.sync({ backup: { seq: 1, bytes: 'AAAA' } });
  const stored = () => Buffer.concat(readdirSync(folder).map((file) => readFileSync(join(folder, file))));
  for (const key of [keys.sending, keys.receiving, keys.chaining]) {
    for (const form of [Buffer.from(key).toString('latin1'), toHex(key), toBase64Url(key)])
      expect(stored().includes(form, 0, 'latin1')).toBe(false);
  }
  await lab.stop();
  await until(() => peer.end.closed, 'the socket to close');
  await restart();
  expect(await stateOf(live)).toMatchObject({ state: 'lost', reason: 'relay-restarted', epoch: live.epoch });
  const next = await app.open(peer);
  expect(next.session).toBe(live.session);
  expect(next.epoch).toBeGreaterThan(live.epoch);
});

test('R4: nothing moves a live socket: a stopping relay ends it, and takes no hand-over any more', async () => {
  const { request } = await shake();
  const stopping = lab.stop();
  const late = await app.call('establish', request).catch(() => ({ ok: false, error: { code: 'connection refused' } }));
  await stopping;
  expect(late.ok).toBe(false);
  await until(() => peer.end.closed, 'the socket to close');
  expect(peer.end.raw).toHaveLength(50);
});

test('R5: a frame is sealed once: a retry is receipted and writes no byte', async () => {
  const live = await app.open(peer);
  const out = [outFrame(live, 1, messageOf(REVOKE, 1)), outFrame(live, 2, messageOf(REVOKE, 2))];
  for (let i = 0; i < 3; i++) expect((await app.sync({ out })).receipts).toEqual([{ ...live, m: 2 }]);
  await app.sync({ out: [...out, outFrame(live, 3, messageOf(REVOKE, 3))] });
  await until(() => peer.end.messages.length >= 4, 'three frames');
  expect(peer.end.messages.slice(1).map((message) => message[2])).toEqual([1, 2, 3]);
});

test('R5: what does not fit into the buffer is not sealed, has no receipt, and goes later without a gap', async () => {
  await lab.stop();
  await restart({ outBufferBytes: 200_000 });
  const live = await app.open(peer);
  peer.end.socket.pause();
  const body = messageOf(REVOKE, ...new Array<number>(60_000).fill(1));
  const big = (m: number) => outFrame(live, m, body);
  let written = 0;
  let m = 0;
  // The kernel takes some megabytes before the relay's own buffer fills.
  while (written === m && m < 400) {
    m += 1;
    written = (await app.sync({ out: [big(m)] })).receipts[0]?.m ?? 0;
  }
  expect(written).toBe(m - 1);
  peer.end.socket.resume();
  await until(() => peer.end.messages.length === m, 'what was sealed');
  expect((await app.sync({ out: [big(m)] })).receipts).toEqual([{ ...live, m }]);
  await until(() => peer.end.messages.length === m + 1, 'the rest');
  expect(peer.end.closed).toBe(false);
});

test('R6: keys rotate at 1000 nonces in both directions and no (key, nonce) comes twice', async () => {
  const live = await app.open(peer);
  const sent = 1100;
  for (let m = 1; m <= sent; m += 50) {
    const out = Array.from({ length: 50 }, (_, i) => outFrame(live, m + i, messageOf(REVOKE, (m + i) >> 8, (m + i) & 0xff)));
    await app.sync({ out });
    for (let i = 0; i < 50; i++) peer.end.send(messageOf(COMMITMENT_SIGNED, 1));
    await app.waiting(50);
    await app.sync({ lastIn: [{ ...live, n: m + 49 }] });
  }
  await until(() => peer.end.messages.length === sent + 1, 'all frames');
  // A sealed frame of the same plaintext length that comes twice would mean the same key and nonce.
  const wire = Buffer.concat(peer.end.wire);
  const heads = new Set<string>();
  // After the hand-over: init (6 bytes), then frames of 4 bytes.
  for (let at = 18 + 6 + 16; at < wire.length; at += 18 + 4 + 16) heads.add(wire.subarray(at, at + 18).toString('hex'));
  expect(heads.size).toBe(sent);
});

test('R7: the old link lives until the new one is established, then the peer sees it close', async () => {
  const old = await app.open(peer);
  const oldEnd = peer.end;
  const { request, ...next } = await shake();
  expect(await stateOf(old)).toEqual({ ...old, peer: peer.idHex, state: 'live' });
  await app.sync({ out: [outFrame(old, 1, messageOf(REVOKE, 1))] });
  await until(() => oldEnd.messages.length === 2, 'a frame on the old link');
  must(await app.call('establish', request));
  await until(() => oldEnd.closed, 'the old socket to close');
  expect(await stateOf(old)).toEqual({ session: old.session, epoch: next.epoch, peer: peer.idHex, state: 'live' });
  // What was meant for the old epoch is not said in the new one.
  const after = await app.sync({ out: [outFrame(old, 2, messageOf(REVOKE, 2))] });
  expect(after.receipts).toEqual([]);
  expect(peer.end.types()).toEqual([16]);
});

test('R8: inbound frames repeat, in order and numbered by epoch, until they are acknowledged', async () => {
  const live = await app.open(peer);
  for (let i = 1; i <= 5; i++) peer.end.send(messageOf(COMMITMENT_SIGNED, i));
  const first = await app.waiting(5);
  expect((await app.sync()).in).toEqual(first.in);
  expect(first.in.map((frame) => [frame.epoch, frame.n, bytesOf(frame)[2]])).toEqual([1, 2, 3, 4, 5].map((i) => [live.epoch, i, i]));
  expect((await app.sync({ lastIn: [{ ...live, n: 3 }] })).in.map((frame) => frame.n)).toEqual([4, 5]);
  // An acknowledgement of another epoch means nothing here.
  expect((await app.sync({ lastIn: [{ ...live, epoch: live.epoch - 1, n: 5 }] })).in.map((frame) => frame.n)).toEqual([4, 5]);
  const next = await app.open(peer);
  peer.end.send(messageOf(COMMITMENT_SIGNED, 9));
  const fresh = await app.waiting(1);
  expect(fresh.in.map((frame) => [frame.epoch, frame.n])).toEqual([[next.epoch, 1]]);
});

test('R8: an outbound number that skips one is refused whole', async () => {
  const live = await app.open(peer);
  const answer = await app.call('sync', {
    out: [outFrame(live, 1, messageOf(REVOKE, 1)), outFrame(live, 3, messageOf(REVOKE, 3))],
    backup: { seq: 9, bytes: 'AAAA' },
  });
  expect(answer).toMatchObject({ ok: false, error: { code: 'out-gap', status: 409 } });
  expect(must(await app.call('backup', {}))).toEqual({});
  await app.sync({ out: [outFrame(live, 1, messageOf(REVOKE, 1))] });
  await until(() => peer.end.messages.length === 2, 'the frame');
});

test('R8 in the machine: an outbound number is never written out of turn', () => {
  const epoch = new Epoch(1, { queueFrames: 4, queueBytes: 100 });
  expect([epoch.place(1, 0), epoch.place(2, 0), epoch.place(2, 1)]).toEqual(['next', 'gap', 'next']);
  epoch.wrote(1);
  expect([epoch.place(1, 0), epoch.place(2, 0), epoch.place(3, 0)]).toEqual(['written', 'next', 'gap']);
  expect(() => epoch.wrote(1)).toThrow();
  expect(() => epoch.wrote(3)).toThrow();
});

test('R9: the backup that travels with frames is on disk before the first of them is on the wire', async () => {
  const live = await app.open(peer);
  // The relay's disk fails: then nothing may leave.
  const { DatabaseSync } = await import('node:sqlite');
  const other = new DatabaseSync(join(folder, 'relay.sqlite'));
  other.exec("CREATE TRIGGER full BEFORE INSERT ON backups BEGIN SELECT raise(ABORT, 'disk full'); END");
  const failed = await app.call('sync', { backup: { seq: 1, bytes: 'AAAA' }, out: [outFrame(live, 1, messageOf(REVOKE, 1))] });
  expect(failed).toMatchObject({ ok: false, error: { code: 'internal', status: 500 } });
  other.exec('DROP TRIGGER full');
  other.close();
  const retried = await app.sync({ backup: { seq: 1, bytes: 'AAAB' }, out: [outFrame(live, 1, messageOf(REVOKE, 2))] });
  expect(retried.receipts).toEqual([{ ...live, m: 1 }]);
  await until(() => peer.end.messages.length === 2, 'the frame');
  // The frame of the failed request was never sealed.
  expect([...(peer.end.messages[1] ?? [])]).toEqual([0, REVOKE, 2]);
  expect(must(await app.call('backup', {}))).toEqual({ seq: 1, bytes: 'AAAB' });
});

test('a disk that fails ends no session, and a loss that could not be stored is known after a restart', async () => {
  const live = await app.open(peer);
  const other = await TestPeer.start();
  const kept = await app.open(other);
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(join(folder, 'relay.sqlite'));
  db.exec("CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT raise(ABORT, 'disk full'); END");
  peer.end.socket.destroy();
  for (let state = ''; state !== 'lost'; ) state = (await stateOf(live))?.state ?? '';
  expect(await stateOf(kept)).toMatchObject({ state: 'live' });
  other.end.send(messageOf(COMMITMENT_SIGNED));
  expect((await app.waiting(1)).in).toMatchObject([{ session: kept.session }]);
  db.exec('DROP TRIGGER full');
  db.close();
  await lab.stop();
  await restart();
  expect(await stateOf(live)).toMatchObject({ state: 'lost', reason: 'relay-restarted' });
  await other.stop();
});

test('R10: an act one is dialled once: its ephemeral key is never used for a second handshake', async () => {
  const { act1 } = appHandshake(peer.id);
  const request = { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: toHex(act1) };
  must(await app.call('connect', request));
  expect(await app.call('connect', request)).toMatchObject({ ok: false, error: { code: 'handover-used' } });
  const otherTag = toHex(Uint8Array.from([...act1.slice(0, 49), (act1[49] ?? 0) ^ 1]));
  expect(await app.call('connect', { ...request, act1: otherTag })).toMatchObject({ ok: false, error: { code: 'handover-used' } });
  expect(peer.ends).toHaveLength(1);
});
