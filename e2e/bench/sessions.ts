/**
 * Held sessions at a relay, made through its whole protocol. The relay never sees a static key and takes acts for bytes, so the acts
 * here are random bytes of the right form and both ends draw the transport keys together: the relay's work is the same, and
 * thousands of handshakes cost this process nothing.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { toBase64Url, toHex } from '../../shared/lib/bytes.ts';
import { pointFromSecret, sign } from '../../shared/ln/keys/secp.ts';
import { type Cipher, newCipher, type TransportKeys } from '../../shared/ln/transport/cipher.ts';
import { authDigest } from '../../shared/protocol/digests.ts';
import type { AnswerOf, Op, RequestOf } from '../../shared/protocol/session.ts';
import { listen } from '../push/serve.ts';

const INIT = Uint8Array.of(0, 16, 0, 0, 0, 0);
const PONG = Uint8Array.of(0, 19, 0, 0);
const ACT_BYTES = 50;
const ACT3_BYTES = 66;
const PING = 18;

/** The peer's end of a session. */
export type Line = { readonly socket: Socket; readonly cipher: Cipher };
export type Sessions = {
  readonly port: number;
  /** One more account with one live session: logged in, handed over, `init` both ways and acknowledged. */
  open(): Promise<Line>;
  /** Ends the HTTP connections; the sessions stay. */
  rest(): void;
  readonly stop: () => Promise<void>;
};

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
function fakeAct(bytes: number): Uint8Array {
  const act = random(bytes);
  act.set([0, 2]);
  return act;
}

export async function startSessions(relayPort: number): Promise<Sessions> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const url = `http://127.0.0.1:${relayPort}`;
  /** By act one in hex: who dialled. */
  const arrived = new Map<string, Socket>();
  const peers: Server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (act1: Buffer) => {
      arrived.set(act1.toString('hex'), socket);
      socket.write(fakeAct(ACT_BYTES));
    });
  });
  const sockets = new Set<Socket>();
  peers.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listen(peers);

  const call = <O extends Op>(op: O, body: RequestOf<O>, token?: string): Promise<AnswerOf<O>> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
      const out = request(`${url}/api/v1/${op}`, { method: 'POST', agent, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk;
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`${op}: ${response.statusCode} ${text}`));
        });
      });
      out.on('error', reject);
      out.end(JSON.stringify(body));
    });

  async function login(): Promise<string> {
    const secret = random(32);
    const { challenge } = await call('auth/challenge', {});
    const signature = toHex(sign(authDigest(url, challenge), secret));
    return (await call('auth/login', { relayKey: toHex(pointFromSecret(secret)), audience: url, challenge, signature })).token;
  }

  async function open(): Promise<Line> {
    const token = await login();
    const act1 = toHex(fakeAct(ACT_BYTES));
    const peer = `02${toHex(random(32))}`;
    const { session, epoch } = await call('connect', { peer, host: '127.0.0.1', port, act1 }, token);
    const socket = arrived.get(act1);
    arrived.delete(act1);
    if (socket === undefined) throw new Error('the relay has not dialled');
    const keys: TransportKeys = { sending: random(32), receiving: random(32), chaining: random(32) };
    const cipher = newCipher({ sending: keys.receiving, receiving: keys.sending, chaining: keys.chaining });
    const said = hearInit(socket, cipher);
    const hex = { sending: toHex(keys.sending), receiving: toHex(keys.receiving), chaining: toHex(keys.chaining) };
    await call('establish', { session, epoch, act3: toHex(fakeAct(ACT3_BYTES)), keys: hex, init: toBase64Url(INIT) }, token);
    await said;
    socket.write(cipher.sealer.seal(INIT));
    const { in: frames } = await call('sync', { lingerMs: 10_000 }, token);
    if (frames[0]?.n !== 1) throw new Error('the init of the peer did not come');
    await call('sync', { lastIn: [{ session, epoch, n: 1 }] }, token);
    return { socket, cipher };
  }

  return {
    port,
    open,
    rest: () => agent.destroy(),
    stop: async () => {
      agent.destroy();
      for (const socket of sockets) socket.destroy();
      const closed = once(peers, 'close');
      peers.close();
      await closed;
    },
  };
}

/** Resolves with the app's `init`; answers pings from then on. */
function hearInit(socket: Socket, cipher: Cipher): Promise<void> {
  let act3Bytes = ACT3_BYTES;
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      const skip = Math.min(act3Bytes, chunk.length);
      act3Bytes -= skip;
      const opened = cipher.opener.push(chunk.subarray(skip));
      if (!opened.ok) return reject(new Error(opened.error.code));
      for (const message of opened.value.messages) {
        if (message[1] === INIT[1]) resolve();
        else if (message[1] === PING) socket.write(cipher.sealer.seal(PONG));
      }
    });
  });
}
