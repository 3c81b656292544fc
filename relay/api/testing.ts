/** For tests: a relay on loopback and an app that speaks the protocol over HTTP and over the WebSocket. */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import * as secp from '@noble/secp256k1';
import { WebSocket } from 'ws';
import { toHex } from '../../shared/lib/bytes.ts';
import { authDigest } from '../../shared/protocol/digests.ts';
import type { AnswerOf, Op, RequestOf, SyncAnswer, WakePayload } from '../../shared/protocol/session.ts';
import { type ConfigInput, parseConfig } from '../config.ts';
import { fromBase64Url, toBase64Url } from '../keeper/bytes.ts';
import { appHandshake, keysHex, must, type TestPeer, until } from '../keeper/testing.ts';
import type { MetricsBook } from '../metrics.ts';
import type { GaugeName } from '../ports.ts';
import { type Relay, type RelayDeps, startRelay } from '../server.ts';
import type { Post } from '../wake/post.ts';
import { deviceKeys } from '../wake/testing.ts';

secp.hashes.sha256 = sha256;
secp.hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

/** A push service that takes everything; what the device would see is kept. */
export type PushLog = { readonly post: Post; readonly payloads: WakePayload[]; readonly subscription: RequestOf<'push/subscribe'> };

function pushLog(): PushLog {
  const device = deviceKeys();
  const payloads: WakePayload[] = [];
  const post: Post = async ({ body }) => {
    payloads.push(JSON.parse(device.open(body)));
    return { status: 201, retryAfter: undefined };
  };
  return {
    post,
    payloads,
    subscription: { device: 'phone', endpoint: 'https://fcm.googleapis.com/fcm/send/x', keys: device.subscription },
  };
}

export type TestRelay = {
  readonly relay: Relay;
  readonly pushes: PushLog;
  readonly gauge: (name: GaugeName) => number;
  readonly stop: () => Promise<void>;
};

export async function startTestRelay(input: ConfigInput = {}, deps: RelayDeps = {}): Promise<TestRelay> {
  const pushes = pushLog();
  const config = must(parseConfig({ port: 0, dataFolder: null, dialAllow: ['127.0.0.0/8'], logLevel: 'silent', ...input }));
  const gauges = new Map<GaugeName, () => number>();
  const metrics: MetricsBook = {
    count: () => undefined,
    observe: () => undefined,
    gauge: (name, read) => void gauges.set(name, read),
    text: async () => 'counted',
    contentType: 'text/plain',
  };
  const relay = await startRelay(config, { post: pushes.post, metrics, tickMs: 5, ...deps });
  return { relay, pushes, gauge: (name) => gauges.get(name)?.() ?? Number.NaN, stop: () => relay.stop() };
}

export type Failure = { readonly status: number; readonly code: string; readonly message: string; readonly retryAfterMs?: number };
export type Answered<O extends Op> = { readonly ok: true; readonly value: AnswerOf<O> } | { readonly ok: false; readonly error: Failure };
export type LiveSession = { readonly session: string; readonly epoch: number };

const INIT = Uint8Array.of(0, 16, 0, 0, 0, 0);

export class TestApp {
  readonly url: string;
  readonly secret: Uint8Array;
  token = '';

  constructor(url: string, secret: Uint8Array = randomBytes(32)) {
    this.url = url;
    this.secret = secret;
  }

  get account(): string {
    return toHex(secp.getPublicKey(this.secret, true));
  }

  sign(digest: Uint8Array): string {
    return toHex(secp.sign(digest, this.secret, { prehash: false }));
  }

  async call<O extends Op>(op: O, body: RequestOf<O>, headers: Record<string, string> = {}): Promise<Answered<O>> {
    const response = await fetch(`${this.url}/api/v1/${op}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(this.token === '' ? {} : { authorization: `Bearer ${this.token}` }), ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return response.ok
      ? { ok: true, value: JSON.parse(text) }
      : { ok: false, error: { status: response.status, ...JSON.parse(text).error } };
  }

  async login(audience = this.url): Promise<Answered<'auth/login'>> {
    const { challenge } = must(await this.call('auth/challenge', {}));
    const answer = await this.call('auth/login', {
      relayKey: this.account,
      audience,
      challenge,
      signature: this.sign(authDigest(audience, challenge)),
    });
    if (answer.ok) this.token = answer.value.token;
    return answer;
  }

  /** Acts and hand-over with a peer that plays along. */
  async open(peer: TestPeer): Promise<LiveSession> {
    const handshake = appHandshake(peer.id);
    const connected = must(
      await this.call('connect', { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: toHex(handshake.act1) }),
    );
    const { act3, keys } = handshake.finish(Uint8Array.from(Buffer.from(connected.act2, 'hex')));
    const { session, epoch } = connected;
    must(await this.call('establish', { session, epoch, act3: toHex(act3), keys: keysHex(keys), init: toBase64Url(INIT) }));
    const end = peer.end;
    await until(() => end.messages.length > 0, "the app's init at the peer");
    return { session, epoch };
  }

  /** As an app does: told to come later, it comes later. How often a burst is asked for depends on the machine, the quota does not. */
  async sync(request: RequestOf<'sync'> = {}): Promise<SyncAnswer> {
    for (;;) {
      const answer = await this.call('sync', request);
      if (answer.ok) return answer.value;
      if (answer.error.retryAfterMs === undefined) throw new Error(`unexpected: ${JSON.stringify(answer.error)}`);
      await setTimeout(answer.error.retryAfterMs);
    }
  }

  /** Long polls until that many frames wait. */
  async waiting(count: number): Promise<SyncAnswer> {
    for (;;) {
      const answer = await this.sync({ lingerMs: 5_000 });
      if (answer.in.length >= count) return answer;
    }
  }

  socket(headers: Record<string, string> = {}): TestSocket {
    return new TestSocket(new WebSocket(`${this.url.replace('http', 'ws')}/api/v1/ws`, { headers }));
  }
}

export const outFrame = ({ session, epoch }: LiveSession, m: number, bytes: Uint8Array) => ({
  session,
  epoch,
  m,
  bytes: toBase64Url(bytes),
});
export const bytesOf = (frame: { readonly bytes: string }): Uint8Array => Uint8Array.from(fromBase64Url(frame.bytes) ?? []);

type WsAnswer = { readonly id: number; readonly ok: boolean; readonly body?: unknown; readonly error?: { readonly code: string } };

export class TestSocket {
  readonly ws: WebSocket;
  readonly updates: SyncAnswer[] = [];
  readonly answers: WsAnswer[] = [];
  closeCode: number | undefined;
  /** Status of a refused upgrade. */
  refused: number | undefined;
  #id = 0;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.event === 'update') this.updates.push(message.body);
      else this.answers.push(message);
    });
    ws.on('error', () => undefined);
    ws.on('unexpected-response', (request, response) => {
      this.refused = response.statusCode;
      request.destroy();
    });
    ws.on('close', (code) => {
      this.closeCode = code;
    });
  }

  async opened(): Promise<this> {
    await until(() => this.ws.readyState !== WebSocket.CONNECTING || this.refused !== undefined, 'the WebSocket to open');
    return this;
  }

  /** Sends and does not wait. */
  ask(op: string, body: unknown): number {
    const id = ++this.#id;
    this.ws.send(JSON.stringify({ id, op, body }));
    return id;
  }

  answerTo(id: number): WsAnswer | undefined {
    return this.answers.find((answer) => answer.id === id);
  }

  async call(op: string, body: unknown): Promise<WsAnswer> {
    const id = this.ask(op, body);
    await until(() => this.answerTo(id) !== undefined, `the answer to ${op}`);
    const answer = this.answerTo(id);
    if (answer === undefined) throw new Error('unreachable');
    return answer;
  }

  async hello(token: string): Promise<this> {
    await this.opened();
    await this.call('hello', { token });
    return this;
  }
}
