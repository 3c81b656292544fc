/**
 * What all onions are made of, BOLT 4 § Key Generation and § Pseudo Random Byte Stream: keys from a shared secret, the stream of
 * bytes that hides, the codes that prove. A key serves for one text only, which is why a nonce of zeros is safe.
 */
import { chacha20 } from '@noble/ciphers/chacha.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/** `rho` hides payloads, `mu` proves them; `um` proves an error, `ammag` hides it, `ammagext` hides its attribution; `pad` fills. */
export type KeyType = 'rho' | 'mu' | 'um' | 'ammag' | 'ammagext' | 'pad' | 'blinded_node_id';

const names: Readonly<Record<KeyType, Uint8Array>> = {
  rho: utf8ToBytes('rho'),
  mu: utf8ToBytes('mu'),
  um: utf8ToBytes('um'),
  ammag: utf8ToBytes('ammag'),
  ammagext: utf8ToBytes('ammagext'),
  pad: utf8ToBytes('pad'),
  blinded_node_id: utf8ToBytes('blinded_node_id'),
};
export const ZERO_NONCE = new Uint8Array(12);

export const hmac256 = (key: Uint8Array, message: Uint8Array): Uint8Array => hmac(sha256, key, message);
export const deriveKey = (type: KeyType, sharedSecret: Uint8Array): Uint8Array => hmac256(names[type], sharedSecret);

/** `bytes` with the stream of `key` over them, as if they stood `offset` bytes from its start. A copy. */
export function streamOver(key: Uint8Array, bytes: Uint8Array, offset = 0): Uint8Array {
  const padded = new Uint8Array(offset + bytes.length);
  padded.set(bytes, offset);
  return chacha20(key, ZERO_NONCE, padded).subarray(offset);
}

/** In a time that does not tell where they differ. */
export function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  return a.reduce((difference, byte, i) => difference | (byte ^ (b[i] ?? 0)), 0) === 0;
}
