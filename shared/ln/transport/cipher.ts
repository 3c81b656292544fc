/**
 * BOLT 8 § Lightning Message Specification and § Lightning Message Key Rotation: frames of one connection, sealed and opened.
 *
 * The only file of the transport that the relay imports, its gossip aside. Callers must still: keep exactly one `Sealer` for a set of keys
 * (two of them repeat a nonce), never store one (the keys die with the socket), retry sealed bytes and never the plaintext,
 * close the socket after any error, and check the decoded messages themselves.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { err, ok, type Result } from '../../lib/result.ts';

export const MAX_MESSAGE_BYTES = 65_535;
const TAG_BYTES = 16;
const HEADER_BYTES = 2 + TAG_BYTES;
/** The largest frame on the wire, and the most that an `Opener` ever buffers. */
export const MAX_FRAME_BYTES = HEADER_BYTES + MAX_MESSAGE_BYTES + TAG_BYTES;
const KEY_LIFE = 1000;
const EMPTY = new Uint8Array(0);

/** ChaCha20-Poly1305 (RFC 8439). 32-byte key, 12-byte nonce; a sealed text is 16 bytes longer than its plaintext. */
export type Aead = {
  readonly seal: (key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array) => Uint8Array;
  /** `undefined` when the tag does not fit. Never throws on sealed bytes of any content. */
  readonly open: (key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array) => Uint8Array | undefined;
};

export const nobleAead: Aead = {
  seal: (key, nonce, associated, plaintext) => chacha20poly1305(key, nonce, associated).encrypt(plaintext),
  open: (key, nonce, associated, sealed) => {
    const cipher = chacha20poly1305(key, nonce, associated);
    try {
      return cipher.decrypt(sealed);
    } catch {
      return undefined;
    }
  },
};

/** 32 bytes each, as this side sees them: `sending` encrypts what this side writes. */
export type TransportKeys = { readonly sending: Uint8Array; readonly receiving: Uint8Array; readonly chaining: Uint8Array };

/** Overwrites in place; the copies inside a cipher live on until its own `wipe`. */
export function wipeKeys(keys: TransportKeys): void {
  keys.sending.fill(0);
  keys.receiving.fill(0);
  keys.chaining.fill(0);
}

/**
 * `bad-length-tag`, `bad-message-tag`: forged or damaged bytes, or the wrong keys. `closed`: pushed after an error or after `wipe`.
 * `messages` arrived intact ahead of the fault in the same chunk, so what a peer said does not depend on how TCP cut it.
 */
export type CipherError = { readonly code: 'bad-length-tag' | 'bad-message-tag' | 'closed'; readonly messages: readonly Uint8Array[] };

/** BOLT 8 HKDF: two 32-byte keys from a 32-byte salt and an input of any length. */
export function hkdfPair(salt: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const both = hkdf(sha256, input, salt, EMPTY, 64);
  const pair = [both.slice(0, 32), both.slice(32)] as const;
  both.fill(0);
  return pair;
}

/** BOLT 8: "32 bits of leading 0s followed by a 64-bit value", little-endian; ours never passes 999. */
export function nonceBytes(n: number): Uint8Array {
  if (!Number.isInteger(n) || n < 0 || n >= KEY_LIFE) throw new RangeError('nonceBytes: expected 0..999');
  const nonce = new Uint8Array(12);
  nonce[4] = n & 0xff;
  nonce[5] = n >> 8;
  return nonce;
}

/** One direction's key, its chaining key and its counter. A (key, nonce) pair is handed out at most once. */
class KeyLine {
  readonly #key: Uint8Array;
  readonly #chaining: Uint8Array;
  #n = 0;
  #alive = true;

  constructor(key: Uint8Array, chaining: Uint8Array) {
    if (key.length !== 32 || chaining.length !== 32) throw new RangeError('newCipher: expected 32-byte keys');
    this.#key = Uint8Array.from(key);
    this.#chaining = Uint8Array.from(chaining);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The counter moves before the key is used, so a throw inside `use` can cost a nonce but never repeat one. */
  spend<T>(use: (key: Uint8Array, nonce: Uint8Array) => T): T {
    if (!this.#alive) throw new Error('transport key used after it was wiped');
    const nonce = nonceBytes(this.#n);
    this.#n += 1;
    const result = use(this.#key, nonce);
    // BOLT 8: "A key is to be rotated after a party encrypts or decrypts 1000 times with it (i.e. every 500 messages)."
    if (this.#n === KEY_LIFE) this.#rotate();
    return result;
  }

  /** BOLT 8: "ck', k' = HKDF(ck, k)", "Reset the nonce for the key to n = 0." Both old keys are overwritten. */
  #rotate(): void {
    const [chaining, key] = hkdfPair(this.#chaining, this.#key);
    this.#chaining.set(chaining);
    this.#key.set(key);
    chaining.fill(0);
    key.fill(0);
    this.#n = 0;
  }

  wipe(): void {
    this.#alive = false;
    this.#key.fill(0);
    this.#chaining.fill(0);
  }
}

/** Encrypts what this side writes. A throw from inside (a faulty AEAD) poisons it: every later call throws. */
export class Sealer {
  readonly #line: KeyLine;
  readonly #aead: Aead;

  constructor(key: Uint8Array, chaining: Uint8Array, aead: Aead) {
    this.#line = new KeyLine(key, chaining);
    this.#aead = aead;
  }

  /** One whole frame, to be written once and in order. Throws when the message is over 65,535 bytes or the keys are gone. */
  seal(message: Uint8Array): Uint8Array {
    // BOLT 8: "The *maximum* size of _any_ Lightning message MUST NOT exceed `65535` bytes."
    if (message.length > MAX_MESSAGE_BYTES) throw new RangeError('seal: expected at most 65535 bytes');
    const length = Uint8Array.of(message.length >> 8, message.length & 0xff);
    try {
      const header = this.#line.spend((key, nonce) => this.#aead.seal(key, nonce, EMPTY, length));
      const body = this.#line.spend((key, nonce) => this.#aead.seal(key, nonce, EMPTY, message));
      const frame = new Uint8Array(HEADER_BYTES + body.length);
      frame.set(header);
      frame.set(body, HEADER_BYTES);
      return frame;
    } catch (cause) {
      this.#line.wipe();
      throw cause;
    }
  }

  wipe(): void {
    this.#line.wipe();
  }
}

/** Decrypts the stream that the other side writes, in whatever pieces it comes. Holds no buffer between frames. */
export class Opener {
  readonly #line: KeyLine;
  readonly #aead: Aead;
  /** Size of the sealed unit being read: a header, or a body with its tag. */
  #want = HEADER_BYTES;
  #inBody = false;
  /** Grows with what has really arrived, not with what a header announced. */
  #partial = EMPTY;
  #have = 0;

  constructor(key: Uint8Array, chaining: Uint8Array, aead: Aead) {
    this.#line = new KeyLine(key, chaining);
    this.#aead = aead;
  }

  /** Bytes still missing before the next header or body can be opened. */
  get needed(): number {
    return this.#want - this.#have;
  }

  /** Never throws on bytes. After an error the keys are wiped and the socket must be closed. */
  push(chunk: Uint8Array): Result<{ readonly messages: readonly Uint8Array[] }, CipherError> {
    const messages: Uint8Array[] = [];
    if (!this.#line.alive) return err({ code: 'closed', messages });
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + this.needed);
      at += piece.length;
      const sealed = this.#gather(piece);
      if (sealed === undefined) break;
      const opened = this.#line.spend((key, nonce) => this.#aead.open(key, nonce, EMPTY, sealed));
      if (opened === undefined) {
        const code = this.#inBody ? 'bad-message-tag' : 'bad-length-tag';
        this.wipe();
        return err({ code, messages });
      }
      if (this.#inBody) messages.push(opened);
      this.#want = this.#inBody ? HEADER_BYTES : ((opened[0] ?? 0) << 8) + (opened[1] ?? 0) + TAG_BYTES;
      this.#inBody = !this.#inBody;
    }
    return ok({ messages });
  }

  wipe(): void {
    this.#line.wipe();
    this.#partial = EMPTY;
    this.#have = 0;
  }

  /** The whole unit once its last byte is here. */
  #gather(piece: Uint8Array): Uint8Array | undefined {
    if (piece.length === this.#want) return piece;
    const have = this.#have + piece.length;
    if (have > this.#partial.length) {
      const room = new Uint8Array(Math.min(this.#want, have * 2));
      room.set(this.#partial.subarray(0, this.#have));
      this.#partial = room;
    }
    this.#partial.set(piece, this.#have);
    this.#have = have;
    if (have < this.#want) return undefined;
    const whole = this.#partial;
    this.#partial = EMPTY;
    this.#have = 0;
    return whole.subarray(0, have);
  }
}

export type Cipher = { readonly sealer: Sealer; readonly opener: Opener; readonly wipe: () => void };

/** Copies the keys: the caller wipes its own with `wipeKeys`. Throws unless each key is 32 bytes. */
export function newCipher(keys: TransportKeys, aead: Aead = nobleAead): Cipher {
  const sealer = new Sealer(keys.sending, keys.chaining, aead);
  const opener = new Opener(keys.receiving, keys.chaining, aead);
  const wipe = () => {
    sealer.wipe();
    opener.wipe();
  };
  return { sealer, opener, wipe };
}
