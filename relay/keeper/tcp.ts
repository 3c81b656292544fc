/**
 * One TCP socket to a Lightning peer: 50 bytes out, exactly 50 bytes in, then the hand-over, then BOLT 8 frames.
 * From `establish` on this object is the only encryptor of its keys (rule R1); they live in it alone and die with the
 * socket (R3). Every message is sealed once, straight into the socket's buffer (R5).
 */
import type { Socket } from 'node:net';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { type Cipher, newCipher, type TransportKeys } from '../../shared/ln/transport/cipher.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { Limits } from '../config.ts';
import type { Clock, LinkEnd, LinkEvents, PeerLink } from '../ports.ts';
import { isPing, isPong, ourPing, pongFor } from './pings.ts';
import type { Timed, Wheel } from './wheel.ts';

const ACT2_BYTES = 50;
/** A closing socket gets this long to flush what was written. */
const FLUSH_MS = 2_000;

export type TcpDeps = {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly onPing?: () => void;
};

/** Ends that let the bytes already written leave: we chose to close. */
const gentle: ReadonlySet<LinkEnd> = new Set(['disconnected', 'superseded', 'relay-stopped']);

/** Version 0 and the sign byte of a compressed point: what answers otherwise does not speak BOLT 8, and its bytes are not passed on. */
const looksLikeAct2 = (act2: Uint8Array) => act2[0] === 0 && (act2[1] === 2 || act2[1] === 3);

/** Writes act one and waits for act two. The socket is closed on every error. */
export function exchangeActs(socket: Socket, act1: Uint8Array, events: LinkEvents, deps: TcpDeps): Promise<Result<PeerLink, RelayError>> {
  return new Promise((resolve) => {
    const act2 = new Uint8Array(ACT2_BYTES);
    let have = 0;
    const timer: Timed = { due: () => finish(err({ code: 'act-timeout', message: 'the peer did not answer the handshake in time' })) };
    const closed = () => finish(err({ code: 'peer-closed', message: 'the peer did not complete the handshake' }));
    const onData = (chunk: Uint8Array) => {
      if (have + chunk.length > ACT2_BYTES) {
        closed();
        return;
      }
      act2.set(chunk, have);
      have += chunk.length;
      if (have < ACT2_BYTES) return;
      if (looksLikeAct2(act2)) finish(ok(new TcpLink(socket, act2, events, deps)));
      else closed();
    };
    const finish = (result: Result<PeerLink, RelayError>) => {
      deps.wheel.cancel(timer);
      socket.off('data', onData);
      socket.off('close', closed);
      if (!result.ok) socket.destroy();
      resolve(result);
    };
    socket.on('error', ignore);
    socket.on('data', onData);
    socket.on('close', closed);
    deps.wheel.set(timer, deps.clock() + deps.limits.actTimeoutMs);
    if (socket.destroyed) closed();
    else socket.write(act1);
  });
}

/** `close` follows every `error`. */
const ignore = () => undefined;

class TcpLink implements PeerLink, Timed {
  readonly act2: Uint8Array;
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #deps: TcpDeps;
  #cipher: Cipher | undefined;
  #over = false;
  #paused = false;
  /** 0: no ping of ours is open. */
  #pongDueMs = 0;
  #pongTokens: number;
  #pongTokensAtMs: number;

  constructor(socket: Socket, act2: Uint8Array, events: LinkEvents, deps: TcpDeps) {
    this.act2 = act2;
    this.#socket = socket;
    this.#events = events;
    this.#deps = deps;
    const now = deps.clock();
    this.#pongTokens = deps.limits.pongBurst;
    this.#pongTokensAtMs = now;
    socket.on('data', (chunk: Uint8Array) => this.#onData(chunk));
    socket.on('close', (hadError: boolean) => this.end(hadError ? 'connection-error' : 'peer-closed'));
    deps.wheel.set(this, now + deps.limits.handoverTimeoutMs);
  }

  establish(act3: Uint8Array, keys: TransportKeys): boolean {
    if (this.#over) return false;
    if (this.#cipher !== undefined) {
      // R2: a second hand-over means that somebody else may hold these keys.
      this.end('handover-used');
      return false;
    }
    this.#cipher = newCipher(keys);
    // Act three and the first message leave in one packet.
    this.#socket.cork();
    process.nextTick(() => this.#socket.uncork());
    this.#socket.write(act3);
    this.#deps.wheel.set(this, this.#deps.clock() + this.#deps.limits.pingIntervalMs);
    return true;
  }

  send(message: Uint8Array): boolean {
    if (this.#over || this.#cipher === undefined) return false;
    if (this.#socket.writableLength + message.length > this.#deps.limits.outBufferBytes) return false;
    this.#socket.write(this.#cipher.sealer.seal(message));
    return true;
  }

  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#socket.resume();
    // What was asked while we did not listen cannot have been answered.
    this.#pongDueMs = 0;
    this.#deps.wheel.set(this, this.#deps.clock() + this.#deps.limits.pingIntervalMs);
  }

  end(reason: LinkEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#cipher?.wipe();
    this.#cipher = undefined;
    this.#deps.wheel.cancel(this);
    if (gentle.has(reason)) {
      this.#socket.destroySoon();
      const hardEnd: Timed = { due: () => this.#socket.destroy() };
      this.#deps.wheel.set(hardEnd, this.#deps.clock() + FLUSH_MS);
      this.#socket.once('close', () => this.#deps.wheel.cancel(hardEnd));
    } else {
      this.#socket.destroy();
    }
    this.#events.ended(reason);
  }

  due(nowMs: number): void {
    if (this.#cipher === undefined) {
      this.end('handover-timeout');
    } else if (this.#paused) {
      // While we do not read we cannot see a pong.
      this.#deps.wheel.set(this, nowMs + this.#deps.limits.pingIntervalMs);
    } else if (this.#pongDueMs > 0) {
      this.end('ping-timeout');
    } else {
      // With a full buffer it is not sent: a peer that takes nothing for so long is as dead as one that does not answer.
      this.send(ourPing());
      this.#pongDueMs = nowMs + this.#deps.limits.pongTimeoutMs;
      this.#deps.wheel.set(this, this.#pongDueMs);
    }
  }

  #onData(chunk: Uint8Array): void {
    if (this.#over) return;
    // BOLT 8: the responder sends nothing between act two and act three.
    if (this.#cipher === undefined) {
      this.end('bad-frame');
      return;
    }
    const opened = this.#cipher.opener.push(chunk);
    const messages = opened.ok ? opened.value.messages : opened.error.messages;
    for (const message of messages) {
      this.#onMessage(message);
      if (this.#over) return;
    }
    if (!opened.ok) this.end('bad-frame');
  }

  #onMessage(message: Uint8Array): void {
    if (isPing(message)) {
      this.#onPing(message);
    } else if (isPong(message)) {
      this.#onPong();
    } else if (!this.#events.message(message) && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  #onPong(): void {
    if (this.#pongDueMs === 0) return;
    this.#pongDueMs = 0;
    this.#deps.wheel.set(this, this.#deps.clock() + this.#deps.limits.pingIntervalMs);
  }

  #onPing(ping: Uint8Array): void {
    const now = this.#deps.clock();
    const { pongsPerSecond, pongBurst } = this.#deps.limits;
    this.#pongTokens = Math.min(pongBurst, this.#pongTokens + ((now - this.#pongTokensAtMs) / 1000) * pongsPerSecond);
    this.#pongTokensAtMs = now;
    if (this.#pongTokens < 1) return;
    this.#pongTokens -= 1;
    const pong = pongFor(ping);
    if (pong !== undefined && this.send(pong)) this.#deps.onPing?.();
  }
}
