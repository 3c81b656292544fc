/** The WebSocket door: the same operations, updates without asking, and no patience with those who do not play along. */
import { createConnection } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ConfigInput } from '../config.ts';
import { messageOf, must, TestPeer, until } from '../keeper/testing.ts';
import { bytesOf, outFrame, startTestRelay, TestApp, type TestRelay, type TestSocket } from './testing.ts';

const COMMITMENT_SIGNED = 132;
const UPDATE_ADD = 128;
const REVOKE = 133;

let lab: TestRelay;
let app: TestApp;
let peer: TestPeer;

async function start(config: ConfigInput = {}): Promise<void> {
  lab = await startTestRelay(config);
  app = new TestApp(lab.relay.url);
  await app.login();
  must(await app.call('push/subscribe', lab.pushes.subscription));
}
beforeEach(async () => {
  peer = await TestPeer.start();
});
afterEach(async () => {
  await lab.stop();
  await peer.stop();
});
const framesOf = (socket: TestSocket) => socket.updates.flatMap((update) => update.in);

describe('a page that is open', () => {
  beforeEach(() => start());

  test('hello brings everything that waits; then frames come by themselves, each once, and answers go out', async () => {
    const live = await app.open(peer);
    peer.end.send(messageOf(16, 0, 0, 0, 0));
    await app.waiting(1);
    const socket = await app.socket().hello(app.token);
    await until(() => framesOf(socket).length === 1, 'the first update');
    expect(socket.updates[0]).toMatchObject({ sessions: [{ ...live, state: 'live' }], events: [], more: false });
    peer.end.send(messageOf(UPDATE_ADD, 1));
    peer.end.send(messageOf(COMMITMENT_SIGNED, 2));
    await until(() => framesOf(socket).length === 3, 'two more frames');
    expect(framesOf(socket).map((frame) => [frame.n, bytesOf(frame)[1]])).toEqual([
      [1, 16],
      [2, UPDATE_ADD],
      [3, COMMITMENT_SIGNED],
    ]);
    const answer = await socket.call('sync', { lastIn: [{ ...live, n: 2 }], out: [outFrame(live, 1, messageOf(REVOKE))] });
    // A sync answers with all that is not acknowledged, told before or not.
    expect(answer).toMatchObject({ ok: true, body: { in: [{ n: 3 }], receipts: [{ ...live, m: 1 }] } });
    await until(() => peer.end.types().includes(REVOKE), 'the frame at the peer');
    expect(lab.pushes.payloads).toEqual([]);
  });

  test('a lost session is told at once', async () => {
    await app.open(peer);
    const socket = await app.socket().hello(app.token);
    peer.end.socket.destroy();
    await until(() => socket.updates.at(-1)?.sessions[0]?.state === 'lost', 'the loss');
  });

  test('errors are the same as over HTTP, and leave the socket open', async () => {
    const socket = await app.socket().hello(app.token);
    expect(await socket.call('sync', { nonsense: 1 })).toMatchObject({ ok: false, error: { code: 'bad-request' } });
    expect(await socket.call('no/such', {})).toMatchObject({ ok: false, error: { code: 'not-found' } });
    expect(await socket.call('disconnect', { session: 'x' })).toMatchObject({ ok: false, error: { code: 'session-unknown' } });
    expect(socket.ws.readyState).toBe(WebSocket.OPEN);
  });

  test('requests are answered as they are done: a long poll does not hold up the others', async () => {
    const socket = await app.socket().hello(app.token);
    const poll = socket.call('sync', { lingerMs: 20_000 });
    expect(await socket.call('backup', {})).toMatchObject({ ok: true });
    await app.open(peer);
    peer.end.send(messageOf(COMMITMENT_SIGNED));
    expect(await poll).toMatchObject({ ok: true, body: { in: [{ n: 1 }] } });
  });

  test('a page that goes with a message unanswered: the push carries it', async () => {
    await app.open(peer);
    const socket = await app.socket().hello(app.token);
    peer.end.send(messageOf(COMMITMENT_SIGNED, 7));
    await until(() => framesOf(socket).length === 1, 'the frame');
    socket.ws.terminate();
    await until(() => lab.pushes.payloads.length === 1, 'the push');
    expect(lab.pushes.payloads[0]).toMatchObject({ reason: 'message', frames: [{ n: 1 }], sessions: [{ state: 'live' }] });
  });
});

describe('who does not play along', () => {
  test.each<[string, (app: TestApp) => unknown, number]>([
    ['does not begin with hello', () => ({ id: 1, op: 'sync', body: {} }), 1008],
    ['says hello without a token', () => ({ id: 1, op: 'hello', body: {} }), 1008],
    ['says hello with a token that is none', () => ({ id: 1, op: 'hello', body: { token: 'x' } }), 4002],
    ['does not speak the protocol', () => ({ hello: 1 }), 1008],
    ['speaks something else', () => 'GET / HTTP/1.0', 1008],
  ])('one that %s', async (_name, message, code) => {
    await start();
    const socket = await app.socket().opened();
    socket.ws.send(JSON.stringify(message(app)));
    await until(() => socket.closeCode !== undefined, 'the close');
    expect(socket.closeCode).toBe(code);
    expect(lab.gauge('beckon_websockets')).toBe(0);
  });

  test('one that sends binary', async () => {
    await start();
    const socket = await app.socket().hello(app.token);
    socket.ws.send(Uint8Array.of(1, 2, 3));
    await until(() => socket.closeCode !== undefined, 'the close');
    expect(socket.closeCode).toBe(1008);
  });

  test('one that says nothing', async () => {
    await start({ limits: { websocketHelloMs: 30 } });
    const socket = await app.socket().opened();
    await until(() => socket.closeCode !== undefined, 'the close');
    expect(socket.closeCode).toBe(4001);
  });

  test('one that sends too much', async () => {
    await start({ limits: { bodyBytes: 5_000 } });
    const socket = await app.socket().hello(app.token);
    socket.ws.send('x'.repeat(6_000));
    await until(() => socket.closeCode !== undefined, 'the close');
    expect(socket.closeCode).toBe(1009);
  });

  test('one that answers no heartbeat', async () => {
    await start({ limits: { websocketHeartbeatMs: 30 } });
    const key = 'dGhlIHNhbXBsZSBub25jZQ==';
    const raw = createConnection(lab.relay.port, '127.0.0.1');
    let closed = false;
    raw.on('close', () => {
      closed = true;
    });
    raw.resume();
    raw.write(
      `GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    await until(() => closed, 'the relay to hang up');
  });

  test('one that answers heartbeats stays', async () => {
    await start({ limits: { websocketHeartbeatMs: 10 } });
    const socket = await app.socket().hello(app.token);
    let pings = 0;
    socket.ws.on('ping', () => {
      pings += 1;
    });
    await until(() => pings >= 5, 'heartbeats');
    expect(socket.ws.readyState).toBe(WebSocket.OPEN);
  });

  test('a reader that does not keep up is dropped, and what it did not take stays', async () => {
    await start({ limits: { websocketBufferBytes: 20_000, requestsInFlight: 5_000, requestsPerMinute: 10_000 } });
    await app.sync({ backup: { seq: 1, bytes: 'A'.repeat(300_000) } });
    const socket = await app.socket().hello(app.token);
    socket.ws.pause();
    await until(() => {
      if (socket.ws.readyState === WebSocket.OPEN)
        for (let i = 0; i < 20; i++) socket.ws.send(JSON.stringify({ id: 100, op: 'backup', body: {} }));
      return lab.gauge('beckon_websockets') === 0;
    }, 'the drop');
  });

  test('requests at once on one socket, sockets of one account, sockets in all', async () => {
    await start({ limits: { requestsInFlight: 2, websocketsPerAccount: 2, websocketsTotal: 3 } });
    const socket = await app.socket().hello(app.token);
    socket.ask('sync', { lingerMs: 20_000 });
    socket.ask('sync', { lingerMs: 20_000 });
    expect(await socket.call('backup', {})).toMatchObject({ ok: false, error: { code: 'quota-requests' } });
    await app.socket().hello(app.token);
    const third = await app.socket().hello(app.token);
    await until(() => third.closeCode !== undefined, 'the close');
    expect(third.closeCode).toBe(4003);
    await app.socket().opened();
    const fourth = await app.socket().opened();
    expect(fourth.refused).toBe(503);
  });

  test('one that connects again and again', async () => {
    await start({ limits: { requestsPerAddressPerMinute: 3 } });
    const refused = [];
    for (let i = 0; i < 4; i++) refused.push((await app.socket().opened()).refused);
    expect(refused).toEqual([undefined, undefined, undefined, 429]);
  });

  test('behind a proxy the address that it forwards counts', async () => {
    await start({ trustProxy: 1, limits: { requestsPerAddressPerMinute: 50 } });
    const from = async (address: string) => (await app.socket({ 'x-forwarded-for': `6.6.6.6, ${address}` }).opened()).refused;
    const refused = [];
    for (let i = 0; i < 51; i++) refused.push(await from('9.9.9.9'));
    expect([refused.at(-2), refused.at(-1), await from('9.9.9.8')]).toEqual([undefined, 429, undefined]);
  });

  test('pages of other origins, and other paths', async () => {
    await start({ origins: ['https://app.example'] });
    const status = async (origin: string) => (await app.socket({ origin }).opened()).refused;
    expect(await status('https://evil.example')).toBe(403);
    expect(await status('null')).toBe(403);
    expect(await status('https://app.example')).toBeUndefined();
    expect(await status(lab.relay.url)).toBeUndefined();
    const elsewhere = new WebSocket(`${lab.relay.url.replace('http', 'ws')}/api/v1/wss`);
    const refused = await new Promise((resolve) =>
      elsewhere.on('unexpected-response', (_request, response) => resolve(response.statusCode)),
    );
    elsewhere.on('error', () => undefined).terminate();
    expect(refused).toBe(404);
  });
});

test('a relay that stops says so', async () => {
  await start();
  const socket = await app.socket().hello(app.token);
  await lab.stop();
  await until(() => socket.closeCode !== undefined, 'the close');
  expect(socket.closeCode).toBe(1001);
});
