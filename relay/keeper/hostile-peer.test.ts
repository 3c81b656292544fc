/** A peer that says too much, too little, the wrong thing, or nothing, at each step. The limits that a test is about are small in it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { bytesOf, outFrame, startTestRelay, TestApp, type TestRelay } from '../api/testing.ts';
import { toBase64Url } from './bytes.ts';
import { appHandshake, type Behaviour, keysHex, messageOf, must, type PeerEnd, TestPeer, until } from './testing.ts';

const COMMITMENT_SIGNED = 132;
const REVOKE = 133;

let lab: TestRelay;
let peer: TestPeer;
let app: TestApp;

async function start(limits = {}): Promise<void> {
  lab = await startTestRelay({ limits });
  app = new TestApp(lab.relay.url);
  await app.login();
}
beforeEach(async () => {
  peer = await TestPeer.start();
});
afterEach(async () => {
  await lab.stop();
  await peer.stop();
});

const connect = () =>
  app.call('connect', { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: toHex(appHandshake(peer.id).act1) });
const sessions = async () => (await app.sync()).sessions;

describe('before the hand-over', () => {
  const noise = (length: number, first = 0x53) => new Uint8Array(length).fill(first);
  const write = (bytes: (act2: Uint8Array) => Uint8Array): Behaviour => ({ onAct1: (end, act2) => void end.socket.write(bytes(act2)) });
  const cases: [string, Behaviour, string][] = [
    ['takes the connection and hangs', { onConnect: 'hang' }, 'act-timeout'],
    ['closes at once', { onConnect: 'close' }, 'peer-closed'],
    ['reads act one and hangs', { onAct1: 'hang' }, 'act-timeout'],
    ['reads act one and closes', { onAct1: 'close' }, 'peer-closed'],
    ['sends half of act two and hangs', write((act2) => act2.slice(0, 25)), 'act-timeout'],
    ['sends 49 bytes and closes', { onAct1: (end, act2) => void end.socket.end(act2.slice(0, 49)) }, 'peer-closed'],
    ['sends one byte too many', write((act2) => Uint8Array.of(...act2, 0)), 'peer-closed'],
    ['sends a banner', write(() => new TextEncoder().encode('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n')), 'act-timeout'],
    ['sends a long banner', write(() => new TextEncoder().encode(`220 mail.example.com ESMTP ${'x'.repeat(40)}\r\n`)), 'peer-closed'],
    ['sends 50 bytes that are no act two', write(() => noise(50)), 'peer-closed'],
    ['sends another version', write((act2) => Uint8Array.of(1, ...act2.slice(1))), 'peer-closed'],
    ['sends no compressed point', write((act2) => Uint8Array.of(0, 4, ...act2.slice(2))), 'peer-closed'],
    ['floods', write(() => noise(1_000_000, 0)), 'peer-closed'],
  ];
  test.each(cases)('a peer that %s', async (_name, behaviour, code) => {
    await start(code === 'act-timeout' ? { actTimeoutMs: 60 } : {});
    peer.behaviour = behaviour;
    const answer = await connect();
    expect(answer).toMatchObject({ ok: false, error: { code } });
    // Nothing of what it said comes back.
    expect(JSON.stringify(answer)).not.toMatch(/SSH|ESMTP|mail|53535353/);
    await until(() => peer.end.closed, 'the socket to close');
    expect(await sessions()).toEqual([]);
  });

  test('a wrong act two of the right shape reaches the app, which sees that it is wrong', async () => {
    await start();
    peer.behaviour = { onAct1: (end, act2) => void end.socket.write(Uint8Array.of(...act2.slice(0, 49), (act2[49] ?? 0) ^ 1)) };
    const handshake = appHandshake(peer.id);
    const answer = must(await app.call('connect', { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: toHex(handshake.act1) }));
    expect(() => handshake.finish(Uint8Array.from(Buffer.from(answer.act2, 'hex')))).toThrow('bad-tag');
  });

  test('act two in single bytes', async () => {
    await start();
    peer.behaviour = {
      onAct1: async (end, act2) => {
        end.socket.setNoDelay(true);
        for (const byte of act2) await new Promise((resolve) => end.socket.write(Uint8Array.of(byte), resolve));
      },
    };
    expect(must(await connect()).act2).toHaveLength(100);
  });

  test('an app that does not hand over in time', async () => {
    await start({ handoverTimeoutMs: 80 });
    const { session, epoch } = must(await connect());
    await until(() => peer.end.closed, 'the socket to close');
    expect(await sessions()).toMatchObject([{ session, epoch, state: 'lost' }]);
  });

  test.each<[string, (end: PeerEnd) => void]>([
    ['speaks between act two and act three', (end) => void end.socket.write(noise(1))],
    ['closes between act two and act three', (end) => end.socket.destroy()],
  ])('a peer that %s', async (_name, act) => {
    await start();
    const handshake = appHandshake(peer.id);
    const connected = must(
      await app.call('connect', { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: toHex(handshake.act1) }),
    );
    act(peer.end);
    await until(() => peer.end.closed, 'the socket to close');
    for (let state = ''; state !== 'lost'; ) state = (await sessions())[0]?.state ?? '';
    const { act3, keys } = handshake.finish(Uint8Array.from(Buffer.from(connected.act2, 'hex')));
    const request = {
      session: connected.session,
      epoch: connected.epoch,
      act3: toHex(act3),
      keys: keysHex(keys),
      init: toBase64Url(messageOf(16)),
    };
    expect(await app.call('establish', request)).toMatchObject({ ok: false, error: { code: 'epoch-over' } });
    expect(lab.pushes.payloads).toEqual([]);
  });

  test('an act one that is none is not dialled', async () => {
    await start();
    const answer = await app.call('connect', { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: 'ff'.repeat(50) });
    expect(answer).toMatchObject({ ok: false, error: { code: 'bad-request' } });
    expect(peer.ends).toEqual([]);
  });

  test('nobody listens there', async () => {
    await start();
    const port = peer.port;
    await peer.stop();
    const answer = await app.call('connect', { peer: peer.idHex, host: '127.0.0.1', port, act1: toHex(appHandshake(peer.id).act1) });
    expect(answer).toMatchObject({ ok: false, error: { code: 'dial-failed', status: 502 } });
  });
});

describe('after the hand-over', () => {
  /** Waits until the app is told that the session is lost. */
  async function loss() {
    for (;;) {
      const answer = await app.sync({ lingerMs: 5_000 });
      const lost = answer.sessions.find((status) => status.state === 'lost');
      if (lost !== undefined) return { reason: lost.reason, in: answer.in };
    }
  }

  test.each<[string, (end: PeerEnd) => void, string]>([
    ['sends garbage', (end) => void end.socket.write(new Uint8Array(100).fill(7)), 'bad-frame'],
    ['flips a bit of a header', (end) => void end.socket.write(flipped(end, 0)), 'bad-frame'],
    ['flips a bit of a body', (end) => void end.socket.write(flipped(end, 20)), 'bad-frame'],
    ['closes', (end) => void end.socket.end(), 'peer-closed'],
    ['resets', (end) => void end.socket.resetAndDestroy(), 'connection-error'],
    ['cuts a frame short and closes', (end) => void end.socket.end(sealed(end).slice(0, 30)), 'peer-closed'],
  ])('a peer that %s', async (_name, act, reason) => {
    await start();
    const live = await app.open(peer);
    peer.end.send(messageOf(COMMITMENT_SIGNED, 5));
    await app.waiting(1);
    act(peer.end);
    const lost = await loss();
    expect(lost.reason).toBe(reason);
    // What it said before stays until it is acknowledged.
    expect(lost.in.map((frame) => [frame.epoch, frame.n, ...bytesOf(frame)])).toEqual([[live.epoch, 1, 0, COMMITMENT_SIGNED, 5]]);
    const after = await app.sync({ lastIn: [{ ...live, n: 1 }], out: [outFrame(live, 1, messageOf(REVOKE))] });
    expect(after).toMatchObject({ in: [], receipts: [] });
    await until(() => peer.end.closed, 'the socket to close');
  });

  test('an intact message ahead of garbage in one chunk is delivered', async () => {
    await start();
    await app.open(peer);
    peer.end.socket.write(Buffer.concat([sealed(peer.end), new Uint8Array(50)]));
    const lost = await loss();
    expect(lost).toMatchObject({ reason: 'bad-frame', in: [{ n: 1 }] });
  });

  test('a message of 65,535 bytes in single-byte pieces of its start', async () => {
    await start();
    await app.open(peer);
    const frame = peer.end.cipher?.sealer.seal(messageOf(COMMITMENT_SIGNED, ...new Array<number>(65_533).fill(3))) ?? new Uint8Array();
    for (const byte of frame.slice(0, 40)) await new Promise((resolve) => peer.end.socket.write(Uint8Array.of(byte), resolve));
    peer.end.socket.write(frame.slice(40));
    const answer = await app.waiting(1);
    expect(answer.in.map((inbound) => bytesOf(inbound).length)).toEqual([65_535]);
  });

  test('a peer that hangs: our ping has no pong and the link ends', async () => {
    await start({ pingIntervalMs: 20, pongTimeoutMs: 30 });
    await app.open(peer);
    peer.end.answersPings = false;
    const lost = await loss();
    expect(lost.reason).toBe('ping-timeout');
    expect(peer.end.types().at(-1)).toBe(18);
  });

  test('a peer that answers our pings is kept', async () => {
    await start({ pingIntervalMs: 15, pongTimeoutMs: 200 });
    const live = await app.open(peer);
    await until(() => peer.end.types().filter((type) => type === 18).length >= 5, 'five pings');
    expect(await sessions()).toMatchObject([{ ...live, state: 'live' }]);
  });

  test('a flood stops the reading until the app has taken half; nothing is lost and the relay holds no more than that', async () => {
    await start({ queueFrames: 32, queueBytes: 20_000, pingIntervalMs: 20, pongTimeoutMs: 500 });
    const live = await app.open(peer);
    const total = 1_500;
    const body = new Array<number>(1_000).fill(1);
    for (let i = 0; i < total; i++) peer.end.send(messageOf(COMMITMENT_SIGNED, i >> 8, i & 0xff, ...body));
    await app.waiting(20);
    // One read of the socket (64 KiB) may come on top of the limit. Over a megabyte waits in front of it.
    const most = 20_000 + 65_536;
    await until(() => lab.gauge('beckon_queued_bytes') >= 20_000, 'a full queue');
    expect(lab.gauge('beckon_queued_bytes')).toBeLessThan(most);
    const seen: number[] = [];
    while (seen.length < total) {
      const answer = await app.sync({ lingerMs: 1_000 });
      expect(answer.in.length).toBeLessThanOrEqual(64);
      for (const frame of answer.in) {
        expect(frame.n).toBe(seen.length + 1);
        seen.push(((bytesOf(frame)[2] ?? 0) << 8) | (bytesOf(frame)[3] ?? 0));
      }
      expect(lab.gauge('beckon_queued_bytes')).toBeLessThan(most);
      await app.sync({ lastIn: [{ ...live, n: seen.length }] });
    }
    expect(seen).toEqual(Array.from({ length: total }, (_, i) => i));
  });

  test('gossip and unknown odd messages have no number and take no room', async () => {
    await start({ queueFrames: 4 });
    await app.open(peer);
    for (let i = 0; i < 200; i++) for (const type of [256, 257, 265, 32_769]) peer.end.send(messageOf(type, i));
    peer.end.send(messageOf(COMMITMENT_SIGNED, 1));
    const answer = await app.waiting(1);
    expect(answer.in.map((frame) => [frame.n, bytesOf(frame)[1]])).toEqual([[1, COMMITMENT_SIGNED]]);
  });
});

const sealed = (end: PeerEnd) => end.cipher?.sealer.seal(messageOf(COMMITMENT_SIGNED, 1)) ?? new Uint8Array();
function flipped(end: PeerEnd, at: number): Uint8Array {
  const frame = sealed(end);
  frame[at] = (frame[at] ?? 0) ^ 1;
  return frame;
}
