/**
 * A stand-in for Google's cloud messaging, enough for stock Chromium's own `pushManager.subscribe()` and its own decryption:
 * check-in and registration over HTTP, the MCS stream over TLS, and the HTTPS endpoint that the relay posts to.
 * TTL and Topic act on messages that wait for a browser. It says nothing about Google's limits and delays.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import type { Certificates } from './certificates.ts';
import { type Post, type Sealed, startEndpoint } from './endpoint.ts';
import * as pb from './protobuf.ts';
import { listen, shut } from './serve.ts';

const MCS_VERSION = 41;
const TAG = { heartbeatPing: 0, heartbeatAck: 1, loginRequest: 2, loginResponse: 3, iqStanza: 7, dataMessage: 8 } as const;
const ANDROID_ID = 4_611_686_018_427_387_905n;
const SECURITY_TOKEN = 1_234_567_890_123_456_789n;

type Waiting = Sealed & { readonly id: string; readonly expiresMs: number };
type Registration = {
  readonly app: string;
  /** `wp:<origin>#<guid>-V2` */
  readonly subtype: string;
  readonly applicationServerKey: string;
  waiting: Waiting[];
};

export type Gcm = {
  /** Command line of a Chromium that is to use this service. */
  readonly flags: readonly string[];
  /** For whatever posts to the endpoints, which carry Google's host name: goes to this server instead. */
  readonly agent: https.Agent;
  /** The same address for a process of its own. */
  readonly pushPort: number;
  /** Every POST so far, refused ones too. */
  readonly posts: readonly Post[];
  /** Browsers on the MCS stream now. */
  readonly connected: () => number;
  readonly stop: () => Promise<void>;
};

/** Sends every request to one port of the loopback address, whatever host it names. */
export class LoopbackAgent extends https.Agent {
  readonly #port: number;
  readonly #ca: string;

  constructor(port: number, ca: string) {
    super({ keepAlive: false });
    this.#port = port;
    this.#ca = ca;
  }

  override createConnection(): tls.TLSSocket {
    return tls.connect({ host: '127.0.0.1', port: this.#port, servername: 'localhost', ca: this.#ca });
  }
}

export async function startGcm(certificates: Certificates): Promise<Gcm> {
  const registrations = new Map<string, Registration>();
  const streams = new Set<tls.TLSSocket>();
  const sockets = new Set<tls.TLSSocket>();

  const packet = (tag: number, body: Buffer) => Buffer.concat([Buffer.of(tag), pb.varint(body.length), body]);
  const appData = (key: string, value: string) => pb.bytes(7, Buffer.concat([pb.bytes(1, key), pb.bytes(2, value)]));
  const deliver = ({ app, subtype, applicationServerKey }: Registration, message: Waiting) => {
    const stanza = Buffer.concat([
      pb.bytes(3, applicationServerKey),
      pb.bytes(5, app),
      appData('subtype', subtype),
      ...(message.encoding === '' ? [] : [appData('content-encoding', message.encoding)]),
      pb.bytes(9, message.id),
      pb.number(17, message.ttl),
      pb.number(18, Date.now()),
      ...(message.body.length === 0 ? [] : [pb.bytes(21, message.body)]),
    ]);
    for (const stream of streams) stream.write(packet(TAG.dataMessage, stanza));
  };

  const web = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url?.startsWith('/checkin')) {
        const ids = [pb.fixed64(7, ANDROID_ID), pb.fixed64(8, SECURITY_TOKEN)];
        response.writeHead(200, { 'content-type': 'application/x-protobuf' });
        response.end(Buffer.concat([pb.number(1, 1), pb.number(3, Date.now()), ...ids, pb.bytes(11, 'v1')]));
        return;
      }
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const subtype = form.get('X-subtype') ?? '';
      if (form.get('delete') === 'true') {
        for (const [token, registration] of registrations) if (registration.subtype === subtype) registrations.delete(token);
        response.end(`token=${subtype}`);
        return;
      }
      const token = randomBytes(16).toString('hex');
      registrations.set(token, { app: form.get('app') ?? '', subtype, applicationServerKey: form.get('sender') ?? '', waiting: [] });
      response.end(`token=${token}`);
    });
  });

  const onPacket = (stream: tls.TLSSocket, tag: number, body: Buffer, count: number) => {
    if (tag === TAG.heartbeatPing) stream.write(packet(TAG.heartbeatAck, pb.number(2, count)));
    if (tag !== TAG.loginRequest) return;
    const login = pb.readFields(body);
    const received = new Set((login.get(10) ?? []).map(String));
    const answer = Buffer.concat([pb.bytes(1, login.get(1)?.[0] ?? ''), pb.number(8, Date.now())]);
    stream.write(Buffer.concat([Buffer.of(MCS_VERSION), packet(TAG.loginResponse, answer)]));
    streams.add(stream);
    for (const registration of registrations.values()) {
      registration.waiting = registration.waiting.filter((message) => !received.has(message.id));
      for (const message of registration.waiting) if (message.expiresMs > Date.now()) deliver(registration, message);
    }
  };
  const mcs = tls.createServer({ key: certificates.key, cert: certificates.cert }, (stream) => {
    let buffer = Buffer.alloc(0);
    let count = -1;
    sockets.add(stream);
    stream.on('error', () => stream.destroy());
    stream.on('close', () => {
      streams.delete(stream);
      sockets.delete(stream);
    });
    stream.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      if (count < 0) {
        // The first byte is the client's protocol version.
        buffer = buffer.subarray(1);
        count = 0;
      }
      for (;;) {
        const size = pb.readVarint(buffer, 1);
        if (!size || buffer.length < size.end + size.value) return;
        const body = buffer.subarray(size.end, size.end + size.value);
        count++;
        onPacket(stream, buffer[0] ?? 0, body, count);
        buffer = buffer.subarray(size.end + size.value);
      }
    });
  });

  const endpoint = await startEndpoint(certificates, (token) => {
    const registration = registrations.get(token);
    if (!registration) return undefined;
    const accept = (message: Sealed) => {
      const waiting = { ...message, id: `0:${randomUUID()}`, expiresMs: Date.now() + message.ttl * 1000 };
      const others = registration.waiting.filter(({ topic }) => topic === undefined || topic !== message.topic);
      registration.waiting = [...others, waiting];
      deliver(registration, waiting);
    };
    return { applicationServerKey: registration.applicationServerKey, accept };
  });
  const [webPort, mcsPort] = await Promise.all([listen(web), listen(mcs)]);
  const agent = new LoopbackAgent(endpoint.port, certificates.ca);

  return {
    flags: [
      `--gcm-checkin-url=http://127.0.0.1:${webPort}/checkin`,
      `--gcm-registration-url=http://127.0.0.1:${webPort}/register3`,
      `--gcm-mcs-endpoint=https://127.0.0.1:${mcsPort}`,
      `--ignore-certificate-errors-spki-list=${certificates.spki}`,
    ],
    agent,
    pushPort: endpoint.port,
    posts: endpoint.posts,
    connected: () => streams.size,
    stop: async () => {
      agent.destroy();
      for (const socket of sockets) socket.destroy();
      await Promise.all([endpoint.stop(), shut(web), shut(mcs)]);
    },
  };
}
