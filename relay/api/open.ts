/**
 * The older HTTP contract, for clients without an account:
 *   POST /api/connect {url: "pubkey@host:port", message: act one} → {id, message: act two}
 *   POST /api/handshake/:id {message: act three, keys: {sending, receiving, chaining}} → {message: the peer's first message, decrypted}
 * all in hex. As in the original, the relay then answers `init` with the peer's own features and keeps the connection alive;
 * here for a bounded time. Nobody logs in, so the limits are tight and count by address; the dial guard is the keeper's.
 */
import { randomBytes } from 'node:crypto';
import express, { type Request, type Response, type Router } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import * as v from 'valibot';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { type TransportKeys, wipeKeys } from '../../shared/ln/transport/cipher.ts';
import { type RelayError, relayErrors } from '../../shared/protocol/errors.ts';
import type { Logger, Metrics, PeerDialler, PeerLink } from '../ports.ts';
import type { Timers } from '../timers.ts';

export type OpenLimits = {
  /** Of one address (an IPv6 /56 counts as one). */
  readonly connectsPerMinute: number;
  readonly handshakesPerMinute: number;
  readonly connectionsPerAddress: number;
  readonly connectionsTotal: number;
  /** From act three to the peer's first message. LND says nothing until its chain is synced. */
  readonly firstMessageMs: number;
  /** How long the connection is kept alive afterwards. */
  readonly holdMs: number;
};
export const defaultOpenLimits: OpenLimits = {
  connectsPerMinute: 10,
  handshakesPerMinute: 20,
  connectionsPerAddress: 4,
  connectionsTotal: 64,
  firstMessageMs: 20_000,
  holdMs: 600_000,
};
export type OpenApiParts = {
  readonly dialPeer: PeerDialler;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: OpenLimits;
};
export type OpenApi = { readonly router: Router; readonly connections: () => number; readonly stop: () => void };

const maxBodyBytes = 4096;
const initType = 16;

const hexOf = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`)), v.transform(fromHex));
const connectBody = v.object({ url: v.pipe(v.string(), v.maxLength(512)), message: hexOf(50) });
const handshakeBody = v.object({ message: hexOf(66), keys: v.object({ sending: hexOf(32), receiving: hexOf(32), chaining: hexOf(32) }) });

/** `pubkey@host:port`, an IPv6 address in brackets. The key is the client's matter: it goes into act one. */
export function parsePeerUrl(url: string): { readonly host: string; readonly port: number } | undefined {
  const parts = /^0[23][0-9a-fA-F]{64}@(?:\[([0-9a-fA-F:.]{2,45})\]|([^\s@:/[\]]{1,253})):(\d{1,5})$/.exec(url);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

type First = Uint8Array | 'late' | 'ended';
/** One TCP connection of a client, from act two to its end. `tell` is called for every message; the first call counts. */
type Connection = { link?: PeerLink; used: boolean; over: boolean; tell: (first: First) => void; cancelHold: () => void };

export function createOpenApi({ dialPeer, timers, logger, metrics, limits = defaultOpenLimits }: OpenApiParts): OpenApi {
  const connections = new Map<string, Connection>();
  const byAddress = new Map<string, number>();
  let total = 0;
  let stopped = false;

  const enter = (address: string): boolean => {
    const mine = byAddress.get(address) ?? 0;
    if (stopped || mine >= limits.connectionsPerAddress || total >= limits.connectionsTotal) return false;
    byAddress.set(address, mine + 1);
    total += 1;
    return true;
  };
  const leave = (address: string): void => {
    const mine = byAddress.get(address) ?? 1;
    if (mine > 1) byAddress.set(address, mine - 1);
    else byAddress.delete(address);
    total -= 1;
  };

  const connect = async (request: Request, response: Response): Promise<void> => {
    const body = v.safeParse(connectBody, request.body);
    const target = body.success ? parsePeerUrl(body.output.url) : undefined;
    if (!body.success || target === undefined) {
      return refuse(response, { code: 'bad-request', message: 'wanted: url "pubkey@host:port" and message, act one in hex' });
    }
    const address = addressOf(request);
    if (!enter(address)) return refuse(response, { code: 'quota-sessions', message: 'too many connections', retryAfterMs: limits.holdMs });
    const id = randomBytes(16).toString('hex');
    const connection: Connection = { used: false, over: false, tell: () => {}, cancelHold: () => {} };
    const dialled = await dialPeer(
      { ...target, act1: body.output.message },
      {
        message: (bytes) => {
          connection.tell(bytes);
          return true;
        },
        ended: () => {
          connection.over = true;
          connection.cancelHold();
          connections.delete(id);
          leave(address);
          connection.tell('ended');
        },
      },
    );
    if (!dialled.ok) {
      leave(address);
      return refuse(response, dialled.error);
    }
    const link = dialled.value;
    if (connection.over) return refuse(response, { code: 'peer-closed', message: 'the peer closed the connection' });
    // Whoever asked has gone, or we are about to: nobody will bring the keys.
    if (response.destroyed || stopped) return link.end('disconnected');
    connection.link = link;
    connections.set(id, connection);
    metrics.count('beckon_connects_total', 'open-api');
    response.json({ id, message: toHex(link.act2) });
  };

  const handshake = async (request: Request, response: Response): Promise<void> => {
    const id = String(request.params.id);
    const connection = connections.get(id);
    const link = connection?.link;
    if (connection === undefined || link === undefined)
      return refuse(response, { code: 'session-unknown', message: 'no such connection, or it is over' });
    if (connection.used) {
      // R2: two holders of the same keys would use a nonce twice.
      link.end('handover-used');
      return refuse(response, { code: 'handover-used', message: 'these keys were handed over before; the connection is closed' });
    }
    const body = v.safeParse(handshakeBody, request.body);
    if (!body.success)
      return refuse(response, { code: 'bad-request', message: 'wanted: message, act three in hex, and keys of 32 bytes each' });
    connection.used = true;
    const message = await firstMessage(connection, link, body.output.message, body.output.keys);
    if (message === 'late') {
      link.end('handover-timeout');
      return refuse(response, { code: 'act-timeout', message: 'the peer said nothing after the handshake' });
    }
    if (message === 'ended')
      return refuse(response, { code: 'peer-closed', message: 'the peer closed the connection after the handshake' });
    const init = mirroredInit(message);
    if (init === undefined) link.end('bad-frame');
    else {
      link.send(init);
      connection.cancelHold = timers.after(limits.holdMs, () => link.end('disconnected'));
      // The peer may have hung up in between.
      if (connection.over) connection.cancelHold();
    }
    response.json({ message: toHex(message) });
  };

  const firstMessage = (connection: Connection, link: PeerLink, act3: Uint8Array, keys: TransportKeys): Promise<First> =>
    new Promise((resolve) => {
      const cancel = timers.after(limits.firstMessageMs, () => connection.tell('late'));
      connection.tell = (first) => {
        connection.tell = () => {};
        cancel();
        resolve(first);
      };
      const taken = link.establish(act3, keys);
      wipeKeys(keys);
      if (!taken) connection.tell('ended');
    });

  const perMinute = (limit: number) =>
    rateLimit({
      windowMs: 60_000,
      limit,
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      // Behind a proxy that the operator has not named, all clients count as one: tight, but safe.
      validate: { xForwardedForHeader: false },
      keyGenerator: addressOf,
      handler: (_request, response) => refuse(response, { code: 'quota-requests', message: 'too many requests', retryAfterMs: 60_000 }),
    });

  const router = express.Router();
  const paths = ['/connect', '/handshake/:id'];
  router.use(paths, (_request, response, next) => {
    // There is no account and no cookie here, so every page may ask.
    response.set({ 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin', 'cache-control': 'no-store' });
    next();
  });
  router.options(paths, (_request, response) => {
    response.set({
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'content-type',
      'access-control-max-age': '600',
    });
    response.status(204).end();
  });
  const json = express.json({ limit: maxBodyBytes });
  router.post('/connect', perMinute(limits.connectsPerMinute), json, connect);
  router.post('/handshake/:id', perMinute(limits.handshakesPerMinute), json, handshake);
  router.all(paths, (_request, response) => refuse(response, { code: 'not-found', message: 'POST is wanted here' }));
  router.use(paths, (error: unknown, _request: Request, response: Response, _next: unknown) => {
    const type = error instanceof Error && 'type' in error ? String(error.type) : '';
    if (type === 'entity.too.large') return refuse(response, { code: 'too-large', message: 'the body is too large' });
    if (type.startsWith('entity.') || type.startsWith('encoding.') || type.startsWith('charset.') || type.startsWith('request.')) {
      return refuse(response, { code: 'bad-request', message: 'the body is no JSON' });
    }
    logger.error({ err: error }, 'a request to the open API failed with a fault of ours');
    refuse(response, { code: 'internal', message: 'a fault of the relay' });
  });

  return {
    router,
    connections: () => total,
    stop: () => {
      stopped = true;
      for (const { link } of [...connections.values()]) link?.end('relay-stopped');
    },
  };
}

/** `BECKON_OPEN_API=off`: says so. */
export function createClosedApi(): Router {
  const router = express.Router();
  router.all(['/connect', '/handshake/:id'], (_request, response) =>
    refuse(response, { code: 'not-found', message: 'this relay does not offer the older HTTP contract (BECKON_OPEN_API)' }),
  );
  return router;
}

/**
 * The client's node is not there to say what it supports, and a peer hangs up on one that lacks what it requires: so its own
 * features, without its TLVs, are the answer. Undefined: not an `init`.
 */
export function mirroredInit(message: Uint8Array): Uint8Array | undefined {
  const u16 = (at: number): number => ((message[at] ?? 0) << 8) | (message[at + 1] ?? 0);
  if (message.length < 6 || u16(0) !== initType) return undefined;
  const featuresAt = 4 + u16(2);
  const end = featuresAt + 2 + u16(featuresAt);
  return featuresAt + 2 <= message.length && end <= message.length ? message.slice(0, end) : undefined;
}

const addressOf = (request: Request): string => ipKeyGenerator(request.ip ?? '', 56);

function refuse(response: Response, error: RelayError): void {
  if (error.retryAfterMs !== undefined) response.set('retry-after', String(Math.ceil(error.retryAfterMs / 1000)));
  response.status(relayErrors[error.code]).json({ error });
}
