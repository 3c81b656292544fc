/**
 * BIP 32 private derivation, hardened steps only: one HMAC-SHA512 each and no curve point, so that a worker that wakes to sign
 * has its keys in well under a millisecond. An extended key is its 64 bytes: key ‖ chain code.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { concat } from '../../lib/bytes.ts';
import { addToSecret, isScalar } from './secp.ts';

/** 64 bytes: private key ‖ chain code. As secret as the words. */
export type ExtendedKey = Uint8Array;

export const secretOf = (key: ExtendedKey): Uint8Array => key.slice(0, 32);

/** BIP 32 master key of a seed (16 to 64 bytes). */
export function masterKey(seed: Uint8Array): ExtendedKey {
  if (seed.length < 16 || seed.length > 64) throw new RangeError('masterKey: expected a seed of 16 to 64 bytes');
  const master = hmac(sha512, utf8ToBytes('Bitcoin seed'), seed);
  if (!isScalar(secretOf(master))) throw new RangeError('masterKey: unusable seed');
  return master;
}

/** The hardened child at each of `path` in turn (numbers below 2³¹, written i' in BIP 32). */
export const descend = (key: ExtendedKey, ...path: readonly number[]): ExtendedKey => path.reduce(hardenedChild, key);

function hardenedChild(parent: ExtendedKey, index: number): ExtendedKey {
  if (parent.length !== 64) throw new RangeError('extended key: expected 64 bytes');
  if (!Number.isInteger(index) || index < 0 || index >= 2 ** 31) throw new RangeError('child index: expected a 31-bit number');
  const data = new Uint8Array(37);
  data.set(parent.subarray(0, 32), 1);
  new DataView(data.buffer).setUint32(33, index + 2 ** 31);
  const i = hmac(sha512, parent.subarray(32), data);
  // BIP 32 skips a child whose tweak is not below n (one in 2¹²⁷): nobody meets it, so it is an exception.
  if (!isScalar(i.subarray(0, 32))) throw new RangeError('unusable child key');
  return concat(addToSecret(secretOf(parent), i.subarray(0, 32)), i.subarray(32));
}
