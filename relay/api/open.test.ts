import { createServer, type Server } from 'node:http';
import { LightningMessage, Message } from 'bolt02';
import { Handshake, Role } from 'bolt08';
import express from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { err, ok } from '../../shared/lib/result.ts';
import type { TransportKeys } from '../../shared/ln/transport/cipher.ts';
import { parseConfig } from '../config.ts';
import { Buckets } from '../keeper/buckets.ts';
import { createDial, type Dialler, tcpDialler } from '../keeper/dial.ts';
import { createPeerDialler } from '../keeper/peer.ts';
import { appHandshake, keysHex, messageOf, must, type PeerEnd, TestPeer, until } from '../keeper/testing.ts';
import { Wheel } from '../keeper/wheel.ts';
import { fakeTimers, systemTimers, type Timers } from '../timers.ts';
import { createClosedApi, createOpenApi, defaultOpenLimits, mirroredInit, type OpenLimits, parsePeerUrl } from './open.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const features = [0x00, 0x02, 0x22, 0x00, 0x00, 0x03, 0x0a, 0x8a, 0x59];
/** With a TLV (networks) at its end, as real nodes send it. */
const peerInit = messageOf(16, ...features, 0x01, 0x20, ...new Array<number>(32).fill(6));
const jsonOf = async (response: Response) => JSON.parse(await response.text());
const errorCode = async (response: Response): Promise<string> => (await jsonOf(response)).error.code;

type Options = {
  readonly limits?: Partial<OpenLimits>;
  readonly timers?: Timers;
  readonly allow?: readonly string[];
  readonly dialler?: Dialler;
  readonly init?: Uint8Array | null;
};

async function world(options: Options = {}) {
  const peer = await TestPeer.start();
  const limits = must(parseConfig({})).limits;
  const wheel = new Wheel(Date.now, 5);
  const silent = () => {};
  const counted: string[] = [];
  const dial = createDial({
    policy: { allow: options.allow ?? ['127.0.0.0/8'], ports: [], own: ['127.0.0.1'] },
    resolve: async () => ['10.0.0.1'],
    dialler: options.dialler ?? tcpDialler,
    timeoutMs: 2000,
    perTarget: new Buckets(Date.now, 1000),
  });
  const open = createOpenApi({
    dialPeer: createPeerDialler(dial, { limits, clock: Date.now, wheel }),
    timers: options.timers ?? systemTimers,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    metrics: { count: (name, label) => counted.push(`${name}/${label}`), observe: silent, gauge: silent },
    limits: { ...defaultOpenLimits, connectsPerMinute: 100, handshakesPerMinute: 100, ...options.limits },
  });
  const url = await listen(express().use('/api', open.router));
  ends.push(
    () => peer.stop(),
    () => wheel.stop(),
    open.stop,
  );

  const post = (path: string, body: unknown) =>
    fetch(`${url}/api${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const peerUrl = () => `${peer.idHex}@127.0.0.1:${peer.port}`;
  const connect = async () => {
    const app = appHandshake(peer.id);
    const response = await post('/connect', { url: peerUrl(), message: toHex(app.act1) });
    const { id, message } = await jsonOf(response);
    const { act3, keys } = app.finish(Uint8Array.from(Buffer.from(String(message), 'hex')));
    return { id: String(id), body: { message: toHex(act3), keys: keysHex(keys) } };
  };
  /** The peer speaks as soon as the handshake is done, as LND and LDK do. */
  const speak = async (init: Uint8Array | null): Promise<PeerEnd> => {
    await until(() => peer.ends.length > 0 && peer.end.cipher !== undefined, 'act three at the peer');
    if (init !== null) peer.end.send(init);
    return peer.end;
  };
  const handshake = async (init: Uint8Array | null = peerInit) => {
    const { id, body } = await connect();
    const [response, end] = await Promise.all([post(`/handshake/${id}`, body), speak(init)]);
    return { id, body, response, end };
  };
  return { peer, open, url, post, peerUrl, connect, handshake, counted };
}

async function listen(app: express.Express): Promise<string> {
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

/** bolt08 keeps the keys in private fields; its users read them all the same. */
function keyOf(handler: object, name: 'sendingKey' | 'receivingKey' | 'chainingKey'): string {
  const key: unknown = Reflect.get(handler, name);
  if (!Buffer.isBuffer(key)) throw new Error(`bolt08 has no ${name}`);
  return key.toString('hex');
}

describe('the older contract, driven by bolt08 and bolt02', () => {
  it('connect, handshake, and the answer is the init of the peer', async () => {
    const { post, peer, peerUrl } = await world();
    const client = new Handshake({});
    const first = client.actDynamically({ role: Role.INITIATOR, remotePublicKey: Buffer.from(peer.id) });
    const connected = await jsonOf(await post('/connect', { url: peerUrl(), message: first.responseBuffer?.toString('hex') }));
    expect(connected.id).toMatch(/^[0-9a-f]{32}$/);
    expect(connected.message).toMatch(/^00[0-9a-f]{98}$/);

    const second = client.actDynamically({ role: Role.INITIATOR, incomingBuffer: Buffer.from(connected.message, 'hex') });
    const handler = second.transmissionHandler ?? {};
    const keys = {
      sending: keyOf(handler, 'sendingKey'),
      receiving: keyOf(handler, 'receivingKey'),
      chaining: keyOf(handler, 'chainingKey'),
    };
    const answering = post(`/handshake/${connected.id}`, { message: second.responseBuffer?.toString('hex'), keys });
    await until(() => peer.end.cipher !== undefined, 'act three at the peer');
    peer.end.send(peerInit);
    const answer = await jsonOf(await answering);

    expect(answer).toEqual({ message: toHex(peerInit) });
    const message = LightningMessage.parse(Buffer.from(answer.message, 'hex'));
    expect(message).toBeInstanceOf(Message.InitMessage);
    expect(message.getTypeName()).toBe('INIT');

    // The relay is the encryptor now: it has answered with an init of its own and goes on answering pings.
    await until(() => peer.end.messages.length > 0, 'the init of the relay');
    expect(peer.end.messages[0]).toEqual(messageOf(16, ...features));
    peer.end.send(messageOf(18, 0, 4, 0, 0));
    await until(() => peer.end.messages.length > 1, 'the pong of the relay');
    expect(peer.end.messages[1]).toEqual(messageOf(19, 0, 4, 0, 0, 0, 0));
  });
});

describe('the open API', () => {
  it('ids are single use: a second hand-over closes the connection', async () => {
    const { handshake, post, open } = await world();
    const { id, body, response, end } = await handshake();
    expect(response.status).toBe(200);
    const again = await post(`/handshake/${id}`, body);
    expect([again.status, await errorCode(again)]).toEqual([409, 'handover-used']);
    await until(() => end.closed, 'the end of the connection');
    expect(open.connections()).toBe(0);
    expect((await post(`/handshake/${id}`, body)).status).toBe(404);
  });

  it('an unknown id', async () => {
    const { post } = await world();
    const response = await post(`/handshake/${'0'.repeat(32)}`, {});
    expect([response.status, await errorCode(response)]).toEqual([404, 'session-unknown']);
  });

  it('a bad body spends nothing: the id still works', async () => {
    const { connect, post, peer } = await world();
    const { id, body } = await connect();
    for (const bad of [
      {},
      { ...body, message: `${body.message}00` },
      { ...body, keys: { ...body.keys, sending: 'zz' } },
      { message: body.message },
      'no json',
      '[]',
    ]) {
      const response = await post(`/handshake/${id}`, bad);
      expect([response.status, await errorCode(response)]).toEqual([400, 'bad-request']);
    }
    const answering = post(`/handshake/${id}`, body);
    await until(() => peer.end.cipher !== undefined, 'act three at the peer');
    peer.end.send(peerInit);
    expect((await answering).status).toBe(200);
  });

  it.each([
    ['no url', { message: '00'.repeat(50) }],
    ['a short act one', { url: `02${'11'.repeat(32)}@127.0.0.1:9735`, message: '00'.repeat(49) }],
    ['a long act one', { url: `02${'11'.repeat(32)}@127.0.0.1:9735`, message: '00'.repeat(51) }],
    ['a url without a key', { url: '127.0.0.1:9735', message: '00'.repeat(50) }],
    ['a url without a port', { url: `02${'11'.repeat(32)}@127.0.0.1`, message: '00'.repeat(50) }],
  ])('%s is a bad request', async (_, body) => {
    const { post } = await world();
    const response = await post('/connect', body);
    expect([response.status, await errorCode(response)]).toEqual([400, 'bad-request']);
  });

  it('a body that is too large', async () => {
    const { post } = await world();
    const response = await post('/connect', { url: 'x'.repeat(5000) });
    expect([response.status, await errorCode(response)]).toEqual([413, 'too-large']);
  });

  it.each(['127.0.0.1', '10.1.2.3', '169.254.169.254', '[::1]', 'internal.example', 'x.onion'])('%s is not dialled', async (host) => {
    const dialled: string[] = [];
    const dialler: Dialler = async ({ address }) => {
      dialled.push(address);
      return err('failed');
    };
    const { post, open } = await world({ allow: [], dialler });
    const response = await post('/connect', { url: `02${'11'.repeat(32)}@${host}:9735`, message: '00'.repeat(50) });
    expect(['dial-refused', 'onion-unsupported']).toContain(await errorCode(response));
    expect(dialled).toEqual([]);
    expect(open.connections()).toBe(0);
  });

  it('a peer that closes or says nonsense instead of act two', async () => {
    const { peer, post, peerUrl, open } = await world();
    for (const onAct1 of [
      'close',
      (end: PeerEnd) => end.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n secrets of an internal service'),
    ] as const) {
      peer.behaviour = { onAct1 };
      const response = await post('/connect', { url: peerUrl(), message: toHex(appHandshake(peer.id).act1) });
      const text = await response.text();
      expect([response.status, JSON.parse(text).error.code]).toEqual([502, 'peer-closed']);
      expect(text).not.toContain('secrets');
    }
    expect(open.connections()).toBe(0);
  });

  it('a peer that hangs up on act three', async () => {
    const { connect, post, peer, open } = await world();
    const { id, body } = await connect();
    const answering = post(`/handshake/${id}`, body);
    await until(() => peer.end.cipher !== undefined, 'act three at the peer');
    peer.end.socket.destroy();
    expect(await errorCode(await answering)).toBe('peer-closed');
    expect(open.connections()).toBe(0);
  });

  it('a peer that says nothing after act three is given up', async () => {
    const timers = fakeTimers();
    const { connect, post, peer, open } = await world({ timers });
    const { id, body } = await connect();
    const answering = post(`/handshake/${id}`, body);
    await until(() => peer.ends.length > 0 && peer.end.cipher !== undefined, 'act three at the peer');
    await timers.advance(defaultOpenLimits.firstMessageMs);
    const response = await answering;
    expect([response.status, await errorCode(response)]).toEqual([504, 'act-timeout']);
    expect(open.connections()).toBe(0);
  });

  it('the connection is kept for a bounded time', async () => {
    const timers = fakeTimers();
    const { handshake, open } = await world({ timers });
    const { end, response } = await handshake();
    expect(response.status).toBe(200);
    await timers.advance(defaultOpenLimits.holdMs - 1);
    expect(open.connections()).toBe(1);
    await timers.advance(1);
    await until(() => end.closed, 'the end of the connection');
    expect(open.connections()).toBe(0);
    expect(timers.waiting()).toBe(0);
  });

  it('a peer that hangs up ends it, and its timer', async () => {
    const timers = fakeTimers();
    const { handshake, open } = await world({ timers });
    const { end, response } = await handshake();
    expect(response.status).toBe(200);
    expect(timers.waiting()).toBe(1);
    end.socket.destroy();
    await until(() => open.connections() === 0, 'the end of the connection');
    expect(timers.waiting()).toBe(0);
  });

  it('the keys are overwritten once the link has them', async () => {
    const handed: { keys?: TransportKeys; atHandover?: string } = {};
    const silent = () => {};
    const open = createOpenApi({
      dialPeer: async (_target, events) =>
        ok({
          act2: new Uint8Array(50),
          establish: (_act3, keys) => {
            handed.keys = keys;
            handed.atHandover = toHex(keys.sending);
            setImmediate(() => events.message(peerInit));
            return true;
          },
          send: () => true,
          resume: silent,
          end: () => events.ended('disconnected'),
        }),
      timers: fakeTimers(),
      logger: { debug: silent, info: silent, warn: silent, error: silent },
      metrics: { count: silent, observe: silent, gauge: silent },
    });
    const url = await listen(express().use('/api', open.router));
    const post = (path: string, body: object) =>
      fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const { id } = await jsonOf(await post('/api/connect', { url: `02${'11'.repeat(32)}@127.0.0.1:9735`, message: '00'.repeat(50) }));
    const keys = { sending: 'a1'.repeat(32), receiving: 'b2'.repeat(32), chaining: 'c3'.repeat(32) };
    await post(`/api/handshake/${id}`, { message: '00'.repeat(66), keys });
    expect(handed.atHandover).toBe(keys.sending);
    for (const key of Object.values(handed.keys ?? {})) expect(toHex(key)).toBe('00'.repeat(32));
    open.stop();
  });

  it('a first message that is no init is handed out, and that is all', async () => {
    const { handshake } = await world();
    const { response, end } = await handshake(messageOf(17, 1, 2));
    expect(await response.json()).toEqual({ message: '00110102' });
    await until(() => end.closed, 'the end of the connection');
  });

  it('a hand-over that nobody brings: stop ends it', async () => {
    const { connect, open, peer, post, peerUrl } = await world();
    await connect();
    expect(open.connections()).toBe(1);
    open.stop();
    await until(() => peer.end.closed, 'the end of the connection');
    const late = await post('/connect', { url: peerUrl(), message: toHex(appHandshake(peer.id).act1) });
    expect(await errorCode(late)).toBe('quota-sessions');
  });

  it('so many connections for one address, and so many in all', async () => {
    const { connect, post, peerUrl, peer } = await world({ limits: { connectionsPerAddress: 2 } });
    await connect();
    await connect();
    const third = await post('/connect', { url: peerUrl(), message: toHex(appHandshake(peer.id).act1) });
    expect([third.status, await errorCode(third)]).toEqual([429, 'quota-sessions']);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
    const other = await world({ limits: { connectionsTotal: 1 } });
    await other.connect();
    const second = await other.post('/connect', { url: other.peerUrl(), message: toHex(appHandshake(other.peer.id).act1) });
    expect(await errorCode(second)).toBe('quota-sessions');
  });

  it('so many connects a minute, whatever comes of them', async () => {
    const { post } = await world({ limits: { connectsPerMinute: 3, handshakesPerMinute: 2 } });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await post('/connect', {})).status);
    expect(statuses).toEqual([400, 400, 400, 429]);
    const handshakes = [];
    for (let i = 0; i < 3; i++) handshakes.push((await post('/handshake/x', {})).status);
    expect(handshakes).toEqual([404, 404, 429]);
  });

  it('a client that leaves while the peer is dialled leaves no connection behind', async () => {
    const gate: { open: () => void } = { open: () => {} };
    const waiting = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const { peer, open, url, peerUrl } = await world({
      dialler: async (target) => {
        await waiting;
        return tcpDialler(target);
      },
    });
    const leaving = new AbortController();
    const body = JSON.stringify({ url: peerUrl(), message: toHex(appHandshake(peer.id).act1) });
    const asking = fetch(`${url}/api/connect`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: leaving.signal,
    });
    await until(() => open.connections() === 1, 'the request to arrive');
    leaving.abort();
    await expect(asking).rejects.toThrow();
    gate.open();
    await until(() => open.connections() === 0, 'the connection to be dropped');
  });

  it('any page may ask, without credentials', async () => {
    const { url, post } = await world();
    const preflight = await fetch(`${url}/api/connect`, {
      method: 'OPTIONS',
      headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'content-type',
    });
    const response = await post('/connect', {});
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    expect((await fetch(`${url}/api/connect`)).status).toBe(404);
  });

  it('switched off, it says so', async () => {
    const url = await listen(express().use('/api', createClosedApi()));
    for (const path of ['/connect', '/handshake/x']) {
      const response = await fetch(`${url}/api${path}`, { method: 'POST' });
      expect([response.status, await errorCode(response)]).toEqual([404, 'not-found']);
    }
  });
});

describe('what is read', () => {
  const key = `03${'ab'.repeat(32)}`;
  it.each([
    [`${key}@example.org:9735`, { host: 'example.org', port: 9735 }],
    [`${key}@1.2.3.4:1`, { host: '1.2.3.4', port: 1 }],
    [`${key}@[2001:db8::1]:9735`, { host: '2001:db8::1', port: 9735 }],
    [`${key.toUpperCase()}@example.org:65535`, { host: 'example.org', port: 65_535 }],
    [`${key}@example.org:0`, undefined],
    [`${key}@example.org:65536`, undefined],
    [`${key}@2001:db8::1:9735`, undefined],
    [`${key}@a@b:9735`, undefined],
    [`04${'ab'.repeat(32)}@example.org:9735`, undefined],
    [`${key}@:9735`, undefined],
    [`${key}@exa mple.org:9735`, undefined],
    ['', undefined],
  ])('%s', (url, expected) => {
    expect(parsePeerUrl(url)).toEqual(expected);
  });

  it('an init is mirrored without its TLVs, and only when it is one', () => {
    expect(mirroredInit(peerInit)).toEqual(messageOf(16, ...features));
    expect(mirroredInit(messageOf(16, 0, 0, 0, 0))).toEqual(messageOf(16, 0, 0, 0, 0));
    for (const wrong of [
      [],
      [0, 16],
      [0, 16, 0, 0, 0],
      [0, 16, 0, 9, 0, 0],
      [0, 16, 0, 0, 0, 1],
      [0, 17, 0, 0, 0, 0],
      [0, 16, 255, 255, 255, 255],
    ]) {
      expect(mirroredInit(Uint8Array.from(wrong))).toBeUndefined();
    }
  });
});
