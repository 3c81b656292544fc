/** ECDSA verification alone: what the relay may hold of secp256k1 without reaching the signer. */
import { etc, Point } from '@noble/secp256k1';
import { fieldPrime, groupOrder, sumOfProducts } from './products.ts';

/**
 * True if `signature` (64 bytes, r ‖ s) is a valid **low-S** signature of the 32-byte `digest` under the compressed `pubkey` (33 bytes).
 * Any malformed input is false; never throws. A high-S twin is refused because nodes do not relay a transaction that carries one.
 */
export function verifyCompact(signature: Uint8Array, digest: Uint8Array, pubkey: Uint8Array): boolean {
  if (signature.length !== 64 || digest.length !== 32 || pubkey.length !== 33) return false;
  const r = etc.bytesToNumberBE(signature.subarray(0, 32));
  const s = etc.bytesToNumberBE(signature.subarray(32));
  if (r === 0n || r >= groupOrder || s === 0n || s > groupOrder >> 1n) return false;
  const point = parse(pubkey);
  if (point === undefined) return false;
  const inverse = etc.invert(s, groupOrder);
  const times = (value: bigint): bigint => (value * inverse) % groupOrder;
  const { X, Z } = sumOfProducts([
    { point: Point.BASE, scalar: times(etc.bytesToNumberBE(digest)) },
    { point, scalar: times(r) },
  ]);
  if (Z === 0n) return false;
  // r is the sum's x modulo n: x itself, or, once in 2¹²⁸, x - n. Compared as X = x·Z², which spares an inversion.
  const isX = (x: bigint): boolean => x < fieldPrime && (x * Z * Z - X) % fieldPrime === 0n;
  return isX(r) || isX(r + groupOrder);
}

function parse(pubkey: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(pubkey);
  } catch {
    return undefined;
  }
}
