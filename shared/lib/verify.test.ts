import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { etc, getPublicKey, hashes, verify as nobleVerify, Point, sign } from '@noble/secp256k1';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { concat } from './bytes.ts';
import { groupOrder } from './products.ts';
import { verifyCompact } from './verify.ts';

hashes.sha256 = sha256;
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

const bytes = etc.numberToBytesBE;
const reference = (signature: Uint8Array, digest: Uint8Array, pubkey: Uint8Array): boolean =>
  nobleVerify(signature, digest, pubkey, { prehash: false, lowS: true, format: 'compact' });
const secrets = fc.bigInt({ min: 1n, max: groupOrder - 1n }).map(bytes);
const sized = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const digests = fc.oneof(sized(32), fc.constantFrom(0n, 1n, groupOrder - 1n, groupOrder, groupOrder + 1n, 2n ** 256n - 1n).map(bytes));

it('agrees with the library on good signatures, and on those with one byte changed', () => {
  let good = 0;
  fc.assert(
    fc.property(secrets, digests, fc.nat(128), fc.nat(255), (secret, digest, at, change) => {
      const fields = [sign(digest, secret, { prehash: false }), digest, getPublicKey(secret)] as const;
      const all = concat(...fields);
      all[at] = (all[at] ?? 0) ^ change;
      const [signature, changed, pubkey] = [all.slice(0, 64), all.slice(64, 96), all.slice(96)];
      const verdict = verifyCompact(signature, changed, pubkey);
      expect(verdict).toBe(reference(signature, changed, pubkey));
      expect(verifyCompact(...fields)).toBe(true);
      if (verdict) good += 1;
    }),
    { numRuns: 100, examples: [[bytes(5n), bytes(9n), 0, 0]] },
  );
  expect(good).toBeGreaterThan(0);
});

it('agrees with the library on r and s at their bounds', () => {
  const bounds = [0n, 1n, 2n, groupOrder >> 1n, (groupOrder >> 1n) + 1n, groupOrder - 1n, groupOrder, 2n ** 256n - 1n];
  const pubkey = getPublicKey(bytes(3n));
  for (const r of bounds) {
    for (const s of bounds) {
      const signature = concat(bytes(r), bytes(s));
      expect(verifyCompact(signature, bytes(77n), pubkey), `${r} ${s}`).toBe(reference(signature, bytes(77n), pubkey));
    }
  }
});

it('refuses the high-S twin of a signature that it takes', () => {
  const [digest, pubkey] = [bytes(77n), getPublicKey(bytes(3n))];
  const signature = sign(digest, bytes(3n), { prehash: false });
  const twin = concat(signature.slice(0, 32), bytes(groupOrder - etc.bytesToNumberBE(signature.subarray(32))));
  expect(nobleVerify(twin, digest, pubkey, { prehash: false, lowS: false })).toBe(true);
  expect(verifyCompact(signature, digest, pubkey)).toBe(true);
  expect(verifyCompact(twin, digest, pubkey)).toBe(false);
});

it('takes r for the x of a point whose x is not below n', () => {
  // 2¹²⁸ to one against meeting one by chance, so the key is made for the signature: Q = r⁻¹(s·R - e·G).
  let x = groupOrder;
  const parse = (): Point | undefined => {
    try {
      return Point.fromBytes(concat(Uint8Array.of(2), bytes(x)));
    } catch {
      return undefined;
    }
  };
  while (parse() === undefined || x === groupOrder) x += 1n;
  const R = parse() ?? Point.ZERO;
  const [r, s, e] = [x - groupOrder, 11n, 13n];
  const Q = R.multiplyUnsafe(s)
    .add(Point.BASE.multiplyUnsafe(groupOrder - e))
    .multiplyUnsafe(etc.invert(r, groupOrder));
  const signature = concat(bytes(r), bytes(s));
  expect(reference(signature, bytes(e), Q.toBytes())).toBe(true);
  expect(verifyCompact(signature, bytes(e), Q.toBytes())).toBe(true);
  expect(verifyCompact(signature, bytes(e + 1n), Q.toBytes())).toBe(false);
});

it('is false where the sum is infinity', () => {
  // e = -r·d makes s⁻¹(e + r·d) zero.
  const [r, d] = [21n, 22n];
  const digest = bytes(etc.mod(-r * d, groupOrder));
  const signature = concat(bytes(r), bytes(5n));
  expect(verifyCompact(signature, digest, getPublicKey(bytes(d)))).toBe(false);
});

it('is false, never an exception, for any bytes', () => {
  const key = fc.oneof(
    sized(33),
    sized(32).map((x) => concat(Uint8Array.of(2), x)),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ maxLength: 40 }), key, (a, b, c) => !verifyCompact(a, b, c)));
  fc.assert(
    fc.property(sized(64), sized(32), key, (a, b, c) => !verifyCompact(a, b, c)),
    { numRuns: 100 },
  );
  expect(verifyCompact(sign(bytes(1n), bytes(1n), { prehash: false }), bytes(1n), Point.BASE.toBytes(false))).toBe(false);
});
