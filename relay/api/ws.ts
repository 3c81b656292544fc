/**
 * `/api/v1/ws`: the page that is open holds one. First frame `hello` with a token (never in the URL), then requests in any
 * number and updates from the relay. A reader that does not keep up is dropped, and so is one that answers no heartbeat.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import type { RelayError } from '../../shared/protocol/errors.ts';
import { helloRequest, wsRequest } from '../../shared/protocol/session.ts';
import type { Limits } from '../config.ts';
import { Buckets } from '../keeper/buckets.ts';
import type { Keeper } from '../keeper/keeper.ts';
import type { Cursor } from '../keeper/pick.ts';
import type { ChainPort, Clock, Logger, Metrics, WakeModule } from '../ports.ts';
import type { Accounts } from './accounts.ts';
import type { Handle } from './handle.ts';
import type { Origins } from './origins.ts';
import { answerTo } from './sync.ts';

export type WsDeps = {
  readonly handle: Handle;
  readonly accounts: Accounts;
  readonly origins: Origins;
  readonly keeper: Keeper;
  readonly chain: ChainPort;
  readonly wake: Pick<WakeModule, 'answered'>;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The network address behind an upgrade request, as for HTTP. */
  readonly addressOf: (request: IncomingMessage) => string;
};

const PATH = '/api/v1/ws';
/** Close codes of RFC 6455 and, from 4000, our own. */
const closeCodes = { goingAway: 1001, badMessage: 1008, fault: 1011, helloMissing: 4001, authFailed: 4002, tooMany: 4003 } as const;

export type WsApi = { stop(): void };

export function attachWs(server: Server, deps: WsDeps): WsApi {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: deps.limits.bodyBytes,
    perMessageDeflate: false,
    clientTracking: false,
  });
  const open = new Set<Connection>();
  const ofAccount = new Map<string, number>();
  const upgrades = new Buckets(deps.clock, deps.limits.requestsPerAddressPerMinute);
  deps.metrics.gauge('beckon_websockets', () => open.size);

  const book = (account: string, change: 1 | -1) => {
    const count = (ofAccount.get(account) ?? 0) + change;
    if (count <= 0) ofAccount.delete(account);
    else ofAccount.set(account, count);
    return count;
  };

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (URL.parse(request.url ?? '', 'http://relay')?.pathname !== PATH) return refuse(socket, '404 Not Found');
    if (!deps.origins.isAllowed(request.headers.origin)) return refuse(socket, '403 Forbidden');
    if (upgrades.take(deps.addressOf(request)) > 0) return refuse(socket, '429 Too Many Requests');
    if (open.size >= deps.limits.websocketsTotal) return refuse(socket, '503 Service Unavailable');
    sockets.handleUpgrade(request, socket, head, (ws) => {
      const connection: Connection = new Connection(ws, deps, deps.addressOf(request), book, () => open.delete(connection));
      open.add(connection);
    });
  };
  server.on('upgrade', onUpgrade);
  const heartbeat = setInterval(() => {
    for (const connection of open) connection.beat();
  }, deps.limits.websocketHeartbeatMs).unref();

  return {
    stop() {
      clearInterval(heartbeat);
      server.off('upgrade', onUpgrade);
      for (const connection of open) connection.close(closeCodes.goingAway);
      sockets.close();
    },
  };
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

class Connection {
  readonly #ws: WebSocket;
  readonly #deps: WsDeps;
  readonly #address: string;
  readonly #book: (account: string, change: 1 | -1) => number;
  readonly #gone = new AbortController();
  readonly #cursor: Cursor = new Map();
  readonly #helloTimer: NodeJS.Timeout;
  #account: string | undefined;
  #leave: (() => void) | undefined;
  #inFlight = 0;
  #flushing = false;
  #answered = true;

  constructor(ws: WebSocket, deps: WsDeps, address: string, book: (account: string, change: 1 | -1) => number, onClosed: () => void) {
    this.#ws = ws;
    this.#deps = deps;
    this.#address = address;
    this.#book = book;
    this.#helloTimer = setTimeout(() => this.close(closeCodes.helloMissing), deps.limits.websocketHelloMs);
    ws.on('message', (data, isBinary) => void this.#onMessage(data, isBinary).catch((cause: unknown) => this.#fault(cause)));
    ws.on('pong', () => {
      this.#answered = true;
    });
    // Too large, not UTF-8 and the like: `ws` closes with the right code by itself.
    ws.on('error', () => undefined);
    ws.on('close', () => {
      clearTimeout(this.#helloTimer);
      this.#gone.abort();
      if (this.#account !== undefined) this.#book(this.#account, -1);
      this.#leave?.();
      onClosed();
    });
  }

  beat(): void {
    if (!this.#answered) {
      this.#ws.terminate();
      return;
    }
    this.#answered = false;
    this.#ws.ping();
  }

  /** One that does not take part in the closing is cut off at the next heartbeat by `ws` itself (30 s). */
  close(code: number): void {
    this.#ws.close(code);
  }

  async #onMessage(data: RawData, isBinary: boolean): Promise<void> {
    const request = isBinary ? undefined : parseRequest(String(data));
    if (request === undefined) return this.close(closeCodes.badMessage);
    if (this.#account === undefined) return this.#onHello(request);
    if (this.#inFlight >= this.#deps.limits.requestsInFlight) {
      return this.#answer(request.id, { code: 'quota-requests', message: 'too many requests at once' });
    }
    this.#inFlight += 1;
    const result = await this.#deps.handle(request.op, request.body, {
      account: this.#account,
      address: this.#address,
      signal: this.#gone.signal,
    });
    this.#inFlight -= 1;
    if (result.ok) this.#send({ id: request.id, ok: true, body: result.value });
    else this.#answer(request.id, result.error);
  }

  #onHello(request: { id: number; op: string; body?: unknown }): void {
    const hello = v.safeParse(helloRequest, request.body);
    if (request.op !== 'hello' || !hello.success) {
      this.close(closeCodes.badMessage);
      return;
    }
    const account = this.#deps.accounts.who(hello.output.token);
    if (account === undefined) {
      this.#answer(request.id, { code: 'auth-failed', message: 'log in anew' });
      this.close(closeCodes.authFailed);
      return;
    }
    if (this.#book(account, 1) > this.#deps.limits.websocketsPerAccount) {
      this.#book(account, -1);
      this.#answer(request.id, { code: 'quota-requests', message: 'too many WebSockets' });
      this.close(closeCodes.tooMany);
      return;
    }
    clearTimeout(this.#helloTimer);
    this.#account = account;
    this.#deps.wake.answered(account);
    this.#leave = this.#deps.keeper.listen(account, () => this.#flushSoon());
    this.#send({ id: request.id, ok: true, body: {} });
    this.#flush(account);
  }

  /** What one read of a peer's socket brought goes out as one update. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      if (this.#account !== undefined) this.#flush(this.#account);
    });
  }

  #flush(account: string): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    try {
      const body = answerTo(this.#deps, account, this.#cursor);
      this.#send({ event: 'update', body });
      if (body.more) this.#flushSoon();
    } catch (cause) {
      this.#fault(cause);
    }
  }

  /** Ours: it ends this socket and nothing else. */
  #fault(cause: unknown): void {
    this.#deps.log.error({ err: cause }, 'a WebSocket failed with a fault of ours');
    this.close(closeCodes.fault);
  }

  #answer(id: number, error: RelayError): void {
    this.#send({ id, ok: false, error });
  }

  #send(message: object): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (this.#ws.bufferedAmount > this.#deps.limits.websocketBufferBytes) {
      this.#ws.terminate();
      return;
    }
    this.#ws.send(JSON.stringify(message));
  }
}

function parseRequest(text: string): v.InferOutput<typeof wsRequest> | undefined {
  try {
    const parsed = v.safeParse(wsRequest, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
