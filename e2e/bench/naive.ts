/**
 * BOLT 8 frames and ping → pong on node:crypto, as one would first write it: a cipher object for every seal and open, buffers
 * joined as they come. Right, rotation included, and nothing else: no session, no limit, no handshake (fixed keys).
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { Socket } from 'node:net';

export const fixedKeys = { chaining: Buffer.alloc(32, 1), toServer: Buffer.alloc(32, 2), toClient: Buffer.alloc(32, 3) };
const OPTIONS = { authTagLength: 16 } as const;

class Line {
  key: Buffer;
  chaining: Buffer;
  n = 0;

  constructor(key: Buffer, chaining: Buffer) {
    this.key = key;
    this.chaining = chaining;
  }

  nonce(): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(this.n, 4);
    return nonce;
  }

  advance(): void {
    this.n += 1;
    if (this.n < 1000) return;
    const both = Buffer.from(hkdfSync('sha256', this.key, this.chaining, Buffer.alloc(0), 64));
    this.chaining = both.subarray(0, 32);
    this.key = both.subarray(32);
    this.n = 0;
  }

  seal(plain: Buffer): Buffer {
    const cipher = createCipheriv('chacha20-poly1305', this.key, this.nonce(), OPTIONS);
    const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    this.advance();
    return sealed;
  }

  open(sealed: Buffer): Buffer {
    const decipher = createDecipheriv('chacha20-poly1305', this.key, this.nonce(), OPTIONS);
    decipher.setAuthTag(sealed.subarray(sealed.length - 16));
    const plain = Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()]);
    this.advance();
    return plain;
  }
}

export class NaiveSealer {
  readonly #line: Line;
  constructor(key: Buffer, chaining: Buffer) {
    this.#line = new Line(key, chaining);
  }
  seal(message: Buffer): Buffer {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    return Buffer.concat([this.#line.seal(length), this.#line.seal(message)]);
  }
}

export class NaiveOpener {
  readonly #line: Line;
  #buffer = Buffer.alloc(0);
  #length = -1;
  constructor(key: Buffer, chaining: Buffer) {
    this.#line = new Line(key, chaining);
  }
  push(chunk: Buffer): Buffer[] {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    const messages: Buffer[] = [];
    for (;;) {
      const want = this.#length < 0 ? 18 : this.#length + 16;
      if (this.#buffer.length < want) return messages;
      const opened = this.#line.open(this.#buffer.subarray(0, want));
      this.#buffer = this.#buffer.subarray(want);
      if (this.#length < 0) this.#length = opened.readUInt16BE();
      else {
        messages.push(opened);
        this.#length = -1;
      }
    }
  }
}

export function naivePong(ping: Buffer): Buffer | undefined {
  if (ping.readUInt16BE() !== 18) return undefined;
  const count = ping.readUInt16BE(2);
  const pong = Buffer.alloc(4 + count);
  pong.writeUInt16BE(19);
  pong.writeUInt16BE(count, 2);
  return pong;
}

export function naiveLink(socket: Socket): void {
  const opener = new NaiveOpener(fixedKeys.toServer, fixedKeys.chaining);
  const sealer = new NaiveSealer(fixedKeys.toClient, fixedKeys.chaining);
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    for (const message of opener.push(chunk)) {
      const pong = naivePong(message);
      if (pong !== undefined) socket.write(sealer.seal(pong));
    }
  });
}
