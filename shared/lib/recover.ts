/** ECDSA public-key recovery, for BOLT 11: who signed this? Both runtimes may ask. */
import { etc, Point } from '@noble/secp256k1';
import { fieldPrime, groupOrder, sumOfProducts } from './products.ts';

/**
 * The compressed key under which `signature` (64 bytes, r ‖ s, of either S) is valid for the 32-byte `digest`; `recovery` of 0 to 3 picks
 * among the candidates. Undefined where there is none; never throws.
 */
export function recoverPubkey(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined {
  if (signature.length !== 64 || digest.length !== 32 || ![0, 1, 2, 3].includes(recovery)) return undefined;
  const r = etc.bytesToNumberBE(signature.subarray(0, 32));
  const s = etc.bytesToNumberBE(signature.subarray(32));
  if (r === 0n || r >= groupOrder || s === 0n || s >= groupOrder) return undefined;
  const point = lift(recovery & 2 ? r + groupOrder : r, recovery & 1);
  if (point === undefined) return undefined;
  const inverse = etc.invert(r, groupOrder);
  const z = etc.bytesToNumberBE(digest) % groupOrder;
  const { X, Y, Z } = sumOfProducts([
    { point: Point.BASE, scalar: ((groupOrder - z) * inverse) % groupOrder },
    { point, scalar: (s * inverse) % groupOrder },
  ]);
  if (Z === 0n) return undefined;
  const byZ = etc.invert(Z, fieldPrime);
  const byZ2 = (byZ * byZ) % fieldPrime;
  const pubkey = new Uint8Array(33);
  pubkey[0] = etc.mod(Y * byZ2 * byZ, fieldPrime) & 1n ? 3 : 2;
  pubkey.set(etc.numberToBytesBE(etc.mod(X * byZ2, fieldPrime)), 1);
  return pubkey;
}

function lift(x: bigint, odd: number): Point | undefined {
  if (x >= fieldPrime) return undefined;
  const bytes = new Uint8Array(33);
  bytes[0] = 2 + odd;
  bytes.set(etc.numberToBytesBE(x), 1);
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}
