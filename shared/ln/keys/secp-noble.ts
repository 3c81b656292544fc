/** The reference behind the port of `secp.ts`: @noble/secp256k1 with synchronous hashes. It runs wherever JavaScript runs. */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { etc, getPublicKey, hashes, sign as nobleSign, Point, utils } from '@noble/secp256k1';
import { sumOfProducts } from '../../lib/products.ts';
import { recoverPubkey } from '../../lib/recover.ts';
import { verifyCompact } from '../../lib/verify.ts';
import type { Curve } from './secp-curve.ts';

hashes.sha256 = sha256;
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

export const nobleCurve: Curve = {
  sign: (digest, secret) => nobleSign(digest, secret, { prehash: false, lowS: true, format: 'compact', extraEntropy: false }),
  verify: verifyCompact,
  recover: recoverPubkey,
  pointFromSecret: (secret) => getPublicKey(secret, true),
  isPoint: (bytes) => utils.isValidPublicKey(bytes, true),
  addTweak(point, tweak) {
    const p = parsePoint(point);
    const t = etc.bytesToNumberBE(tweak);
    return p && toBytes(t === 0n ? p : p.add(Point.BASE.multiply(t)));
  },
  multiply: (point, scalar) => {
    const p = parsePoint(point);
    return p && toBytes(p.multiply(etc.bytesToNumberBE(scalar)));
  },
  combine(a, m, b, n) {
    const [p, q] = [parsePoint(a), parsePoint(b)];
    if (p === undefined || q === undefined) return undefined;
    const { X, Y, Z } = sumOfProducts([
      { point: p, scalar: etc.bytesToNumberBE(m) },
      { point: q, scalar: etc.bytesToNumberBE(n) },
    ]);
    // Jacobian to projective: x = X/Z² = XZ/Z³ and y = Y/Z³.
    return toBytes(Z === 0n ? Point.ZERO : new Point(etc.mod(X * Z), Y, etc.mod(Z * Z * Z)));
  },
};

/** The sum of two points given as x ‖ y (64 bytes), known to be on the curve: what a library without an addition of points lacks. */
export function addAffine(a: Uint8Array, b: Uint8Array): Uint8Array | undefined {
  const read = (xy: Uint8Array): Point =>
    Point.fromAffine({ x: etc.bytesToNumberBE(xy.subarray(0, 32)), y: etc.bytesToNumberBE(xy.subarray(32)) });
  return toBytes(read(a).add(read(b)));
}

function parsePoint(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}

/** Undefined for infinity. */
function toBytes(point: Point): Uint8Array | undefined {
  if (point.is0()) return undefined;
  const { x, y } = point.toAffine();
  const bytes = new Uint8Array(33);
  bytes[0] = y & 1n ? 3 : 2;
  bytes.set(etc.numberToBytesBE(x), 1);
  return bytes;
}
