/**
 * The side of a push service that application servers see (RFC 8030, 8188 framing, 8292): one HTTPS server that judges each POST
 * as the real ones do and hands on the sealed body. Decryption is the browser's.
 */
import { createPublicKey, verify } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Certificates } from './certificates.ts';
import { listen, type Running, shut } from './serve.ts';

/** RFC 8030 §7.2: services must take 4096 bytes; the real ones take no more. */
const MAX_BODY_BYTES = 4096;
const MAX_EXPIRY_SECONDS = 24 * 60 * 60;

export type Post = {
  readonly id: string;
  readonly status: number;
  /** Why it was refused. */
  readonly reason?: string;
  readonly ttl?: number;
  readonly urgency?: string;
  readonly topic?: string;
  readonly bytes: number;
  /** Claims of the VAPID token, if it was a good one. */
  readonly subject?: string;
};
export type Sealed = { readonly body: Buffer; readonly encoding: string; readonly ttl: number; readonly topic?: string };
/** What the browser registered under the last part of the endpoint's path. */
export type Subscription = { readonly applicationServerKey: string; readonly accept: (message: Sealed) => void };

const header = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
};

function part(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text ?? '', 'base64url').toString());
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function p256(key: string) {
  const raw = Buffer.from(key, 'base64url');
  if (raw.length !== 65 || raw[0] !== 4) return undefined;
  const [x, y] = [raw.subarray(1, 33).toString('base64url'), raw.subarray(33).toString('base64url')];
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x, y } });
  } catch {
    return undefined;
  }
}

/** RFC 8292: the token is signed by the subscription's own key, for this service, and not for long. */
export function checkVapid(
  authorization: string | undefined,
  audience: string,
  applicationServerKey: string,
): { readonly ok: true; readonly subject: string } | { readonly ok: false; readonly status: 401 | 403; readonly reason: string } {
  const refuse = (reason: string, status: 401 | 403 = 403) => ({ ok: false, status, reason }) as const;
  const [, token, k] = /^vapid t=([^, ]+), ?k=([\w-]+)$/.exec(authorization ?? '') ?? [];
  if (token === undefined || k === undefined) return refuse('no VAPID authorization', 401);
  if (k !== applicationServerKey.replace(/=+$/, '')) return refuse('not the key of the subscription');
  const [head, payload, signature] = token.split('.');
  const [algorithm, claims, key] = [part(head)?.alg, part(payload), p256(k)];
  if (algorithm !== 'ES256' || !claims || !key) return refuse('not an ES256 token');
  const signed = Buffer.from(`${head}.${payload}`);
  if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature ?? '', 'base64url'))) {
    return refuse('bad signature');
  }
  const now = Date.now() / 1000;
  const { aud, exp, sub } = claims;
  if (aud !== audience) return refuse(`audience ${String(aud)}, expected ${audience}`);
  if (typeof exp !== 'number' || exp < now || exp > now + MAX_EXPIRY_SECONDS + 60) return refuse('bad expiry');
  if (typeof sub !== 'string' || !/^(mailto|https):/.test(sub)) return refuse('bad subject');
  return { ok: true, subject: sub };
}

export type Endpoint = Running & { readonly posts: readonly Post[]; readonly origin: string };

/** `posts` grows with every request, refused ones too. `find` gets the last part of the path. */
export async function startEndpoint(certificates: Certificates, find: (id: string) => Subscription | undefined): Promise<Endpoint> {
  const posts: Post[] = [];
  const judge = (request: IncomingMessage, id: string, body: Buffer): Post => {
    const [ttl, urgency, topic] = [header(request, 'ttl'), header(request, 'urgency'), header(request, 'topic')];
    const common = {
      id,
      bytes: body.length,
      ...(ttl === undefined ? {} : { ttl: Number(ttl) }),
      ...(urgency === undefined ? {} : { urgency }),
      ...(topic === undefined ? {} : { topic }),
    };
    const refuse = (status: number, reason: string): Post => ({ ...common, status, reason });
    if (request.method !== 'POST') return refuse(405, 'not a POST');
    const subscription = find(id);
    if (!subscription) return refuse(410, 'gone');
    if (ttl === undefined || !/^\d+$/.test(ttl)) return refuse(400, 'no TTL');
    if (urgency !== undefined && !['very-low', 'low', 'normal', 'high'].includes(urgency)) return refuse(400, 'bad Urgency');
    if (topic !== undefined && !/^[\w-]{1,32}$/.test(topic)) return refuse(400, 'bad Topic');
    if (body.length > MAX_BODY_BYTES) return refuse(413, 'too large');
    const encoding = header(request, 'content-encoding') ?? '';
    if (body.length > 0 && encoding !== 'aes128gcm') return refuse(415, 'not aes128gcm');
    const vapid = checkVapid(header(request, 'authorization'), `https://${request.headers.host}`, subscription.applicationServerKey);
    if (!vapid.ok) return refuse(vapid.status, vapid.reason);
    subscription.accept({ body, encoding, ttl: Number(ttl), ...(topic === undefined ? {} : { topic }) });
    return { ...common, status: 201, subject: vapid.subject };
  };

  const server = https.createServer({ key: certificates.key, cert: certificates.cert }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const post = judge(request, request.url?.split('/').pop() ?? '', Buffer.concat(chunks));
      posts.push(post);
      response.writeHead(post.status, post.status === 201 ? { location: `https://${request.headers.host}/m/${posts.length}` } : {});
      response.end(post.reason);
    });
  });
  const port = await listen(server);
  return { port, posts, origin: `https://127.0.0.1:${port}`, stop: () => shut(server) };
}
