/**
 * The port to secp256k1: everything under `shared/ln` reaches the curve through these few functions, so that a faster
 * implementation can stand behind them (`useCurve`). Without one it is @noble/secp256k1, which is always enough.
 *
 * Secrets here are our own, so a bad one is a bug and throws. Points and signatures come from peers, so a bad one is a value.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { etc, utils } from '@noble/secp256k1';
import { groupOrder } from '../../lib/products.ts';
import type { Curve } from './secp-curve.ts';
import { nobleCurve } from './secp-noble.ts';

let curve: Curve = nobleCurve;

/** From now on, for the whole process or worker. Since all answer the same, only the time shows which one it is. */
export function useCurve(implementation: Curve): void {
  curve = implementation;
}

/** Compact 64-byte low-S signature of a 32-byte digest; RFC 6979, so the same input gives the same bytes. */
export function sign(digest: Uint8Array, secret: Uint8Array): Uint8Array {
  if (digest.length !== 32) throw new RangeError('sign: expected a 32-byte digest');
  return curve.sign(reduced(digest), checkedSecret(secret));
}

/**
 * True if `signature` (64 bytes, r ‖ s) is a valid **low-S** signature of the 32-byte `digest` under the compressed `pubkey`.
 * False for anything malformed; never throws.
 */
export const verify = (signature: Uint8Array, digest: Uint8Array, pubkey: Uint8Array): boolean =>
  signature.length === 64 && digest.length === 32 && pubkey.length === 33 && curve.verify(signature, reduced(digest), pubkey);

/**
 * The compressed key under which `signature` (64 bytes, r ‖ s, of either S) is valid for the 32-byte `digest`; `recovery` of 0 to 3 picks
 * among the candidates. Undefined where there is none, and for anything malformed; never throws.
 */
export const recover = (signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined =>
  signature.length === 64 && digest.length === 32 && [0, 1, 2, 3].includes(recovery)
    ? curve.recover(signature, recovery, reduced(digest))
    : undefined;

/** The compressed point of a secret. Throws if the secret is not a scalar. */
export const pointFromSecret = (secret: Uint8Array): Uint8Array => curve.pointFromSecret(checkedSecret(secret));

/** True for the 33-byte compressed encoding of a point on the curve. */
export const isPoint = (bytes: Uint8Array): boolean => bytes.length === 33 && curve.isPoint(bytes);

/** True for 32 bytes that encode a number in 1 … n-1. */
export const isScalar = (bytes: Uint8Array): boolean => bytes.length === 32 && utils.isValidSecretKey(bytes);

/** Makes the curve's tables (tens of milliseconds, once per context), for a caller that would only wait for I/O meanwhile. */
export function warmUp(): void {
  pointFromSecret(Uint8Array.from({ length: 32 }, () => 1));
}

/** `point + tweak·G`, or undefined if `point` is not a point or the sum is infinity. Tweak: any 32 bytes, taken modulo n. */
export const addTweak = (point: Uint8Array, tweak: Uint8Array): Uint8Array | undefined =>
  point.length === 33 ? curve.addTweak(point, reduced(tweak)) : undefined;

/** `point · scalar`, or undefined if `point` is not a point. Throws if the scalar is not one: a secret of ours, or made from one. */
export const multiply = (point: Uint8Array, scalar: Uint8Array): Uint8Array | undefined =>
  point.length === 33 ? curve.multiply(point, checkedSecret(scalar)) : undefined;

/** BOLT 4 and BOLT 8: the SHA-256 of the compressed product of their point and our secret; undefined and throws as `multiply`. */
export function ecdh(point: Uint8Array, secret: Uint8Array): Uint8Array | undefined {
  const product = multiply(point, secret);
  return product && sha256(product);
}

/** `secret · factor` modulo n, for a factor of any 32 bytes. Throws as `combineSecrets`. */
export const multiplySecret = (secret: Uint8Array, factor: Uint8Array): Uint8Array =>
  toScalar(etc.secretKeyToScalar(secret) * etc.bytesToNumberBE(factor));

/** `a·m + b·n` for points a, b and public multipliers m, n (32 bytes, modulo n); undefined as in `addTweak`. Not constant-time. */
export const combine = (a: Uint8Array, m: Uint8Array, b: Uint8Array, n: Uint8Array): Uint8Array | undefined =>
  a.length === 33 && b.length === 33 ? curve.combine(a, reduced(m), b, reduced(n)) : undefined;

/** `a·m + b·n` of scalars. Throws if `a` or `b` is not a scalar or the sum is zero (which no honest input reaches). */
export const combineSecrets = (a: Uint8Array, m: Uint8Array, b: Uint8Array, n: Uint8Array): Uint8Array =>
  toScalar(etc.secretKeyToScalar(a) * etc.bytesToNumberBE(m) + etc.secretKeyToScalar(b) * etc.bytesToNumberBE(n));

/** `secret + tweak` modulo n. Throws as `combineSecrets`. */
export const addToSecret = (secret: Uint8Array, tweak: Uint8Array): Uint8Array =>
  toScalar(etc.secretKeyToScalar(secret) + etc.bytesToNumberBE(tweak));

function checkedSecret(secret: Uint8Array): Uint8Array {
  if (!isScalar(secret)) throw new RangeError('expected a secret: 32 bytes, 1 … n-1');
  return secret;
}

/** 32 bytes modulo n. Nothing that does not start with 0xff reaches n. */
function reduced(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== 32) throw new RangeError('expected 32 bytes');
  return bytes[0] === 0xff ? etc.numberToBytesBE(etc.bytesToNumberBE(bytes) % groupOrder) : bytes;
}

function toScalar(sum: bigint): Uint8Array {
  const scalar = etc.mod(sum, groupOrder);
  if (scalar === 0n) throw new RangeError('scalar sum is zero');
  return etc.numberToBytesBE(scalar);
}
