/** For tests: a Lightning peer on loopback that does as it is told, and the app's side of a handshake. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { getPublicKey } from '@noble/secp256k1';
import { toHex } from '../../shared/lib/bytes.ts';
import type { Result } from '../../shared/lib/result.ts';
import { type Cipher, newCipher, type TransportKeys } from '../../shared/ln/transport/cipher.ts';
import { receiveAct1, receiveAct2, receiveAct3, startInitiator } from '../../shared/ln/transport/handshake.ts';
import { isPing } from './pings.ts';

/** A test has no use for an error that it did not expect. */
export function must<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`unexpected: ${JSON.stringify(result.error)}`);
  return result.value;
}

/** Waits for a condition: looks again after everything that is ready has run. */
export async function until(condition: () => boolean, what = 'the condition', timeoutMs = 5_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const secret = () => Uint8Array.from(randomBytes(32));

/** The peer's end of one TCP connection. */
export class PeerEnd {
  readonly socket: Socket;
  /** All bytes that came, in the order they came, before the handshake was done. */
  raw = new Uint8Array(0);
  /** Every byte after act three, as on the wire. */
  wire: Uint8Array[] = [];
  /** Decrypted messages. */
  readonly messages: Uint8Array[] = [];
  answersPings = true;
  closed = false;
  cipher: Cipher | undefined;
  remoteStatic: Uint8Array | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  send(message: Uint8Array): void {
    if (this.cipher === undefined) throw new Error('no handshake yet');
    this.socket.write(this.cipher.sealer.seal(message));
  }

  types(): number[] {
    return this.messages.map((message) => ((message[0] ?? 0) << 8) | (message[1] ?? 0));
  }
}

/** `act1`: the peer answers; `hang`: it says nothing; a function does what it likes with the socket once act one is there. */
export type Behaviour = {
  readonly onConnect?: 'hang' | 'close';
  readonly onAct1?: 'hang' | 'close' | ((end: PeerEnd, act2: Uint8Array) => void);
};

export class TestPeer {
  readonly #server: Server;
  readonly #static = secret();
  readonly ends: PeerEnd[] = [];
  behaviour: Behaviour = {};

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#onConnection(socket));
  }

  static async start(): Promise<TestPeer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TestPeer(server);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get id(): Uint8Array {
    return Uint8Array.from(getPublicKey(this.#static, true));
  }

  get idHex(): string {
    return toHex(this.id);
  }

  /** The newest connection. */
  get end(): PeerEnd {
    const end = this.ends.at(-1);
    if (end === undefined) throw new Error('nobody connected');
    return end;
  }

  async stop(): Promise<void> {
    for (const end of this.ends) end.socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  #onConnection(socket: Socket): void {
    const end = new PeerEnd(socket);
    this.ends.push(end);
    if (this.behaviour.onConnect === 'close') socket.destroy();
    let state: ReturnType<typeof receiveAct1> | undefined;
    socket.on('data', (chunk: Uint8Array) => {
      if (end.cipher !== undefined) return receive(end, chunk);
      end.raw = Uint8Array.from([...end.raw, ...chunk]);
      if (this.behaviour.onConnect === 'hang') return;
      if (state === undefined && end.raw.length >= 50) {
        state = receiveAct1({ staticSecret: this.#static, ephemeralSecret: secret(), act1: end.raw.slice(0, 50) });
        const { act2 } = must(state);
        const onAct1 = this.behaviour.onAct1;
        if (onAct1 === 'close') socket.destroy();
        else if (typeof onAct1 === 'function') onAct1(end, act2);
        else if (onAct1 === undefined) socket.write(act2);
      }
      if (state !== undefined && end.raw.length >= 116) {
        const { keys, remoteStatic } = must(receiveAct3(must(state).state, end.raw.slice(50, 116)));
        end.cipher = newCipher(keys);
        end.remoteStatic = remoteStatic;
        const rest = end.raw.slice(116);
        if (rest.length > 0) receive(end, rest);
      }
    });
  }
}

function receive(end: PeerEnd, chunk: Uint8Array): void {
  end.wire.push(Uint8Array.from(chunk));
  const opened = end.cipher?.opener.push(chunk);
  if (opened === undefined) return;
  const messages = opened.ok ? opened.value.messages : opened.error.messages;
  for (const message of messages) {
    end.messages.push(message);
    if (isPing(message) && end.answersPings) end.send(messageOf(19, 0, 0));
  }
  if (!opened.ok) end.socket.destroy();
}

/** The app's side: act one, then act three and the keys from act two. */
export function appHandshake(peerId: Uint8Array, staticSecret = secret()) {
  const { act1, state } = must(startInitiator({ ephemeralSecret: secret(), remoteStatic: peerId }));
  return {
    act1,
    finish: (act2: Uint8Array): { readonly act3: Uint8Array; readonly keys: TransportKeys } => must(receiveAct2(state, act2, staticSecret)),
  };
}

export const keysHex = (keys: TransportKeys) => ({
  sending: toHex(keys.sending),
  receiving: toHex(keys.receiving),
  chaining: toHex(keys.chaining),
});

/** A message of a type with a body that says which one it is. */
export const messageOf = (type: number, ...body: number[]): Uint8Array => Uint8Array.from([type >> 8, type & 0xff].concat(body));
