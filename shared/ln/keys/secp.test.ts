import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { derivePrivkey, derivePubkey, revocationPrivkey, revocationPubkey } from './derive.ts';
import {
  addToSecret,
  addTweak,
  combine,
  ecdh,
  isPoint,
  isScalar,
  multiply,
  multiplySecret,
  pointFromSecret,
  sign,
  verify,
} from './secp.ts';

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const scalar = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0'));
const secrets = fc.bigInt({ min: 1n, max: order - 1n }).map(scalar);
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** The generator in its 65-byte form: a point, but not in the compressed encoding that Lightning uses. */
const uncompressed = fromHex(
  `04${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}${'483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8'}`,
);

describe('sign', () => {
  it('is RFC 6979 with a low S', () => {
    const digest = sha256(utf8ToBytes('Satoshi Nakamoto'));
    expect(toHex(sign(digest, scalar(1n)))).toBe(
      '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
    );
  });

  it('is verified by its key, and is deterministic', () => {
    fc.assert(
      fc.property(secrets, digests, (secret, digest) => {
        const signature = sign(digest, secret);
        expect(sign(digest, secret)).toEqual(signature);
        expect(verify(signature, digest, pointFromSecret(secret))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('throws on a digest or secret of a wrong form: that is our bug', () => {
    expect(() => sign(new Uint8Array(31), scalar(1n))).toThrow();
    expect(() => sign(new Uint8Array(32), scalar(order))).toThrow();
  });
});

describe('verify', () => {
  const digest = sha256(utf8ToBytes('commitment'));
  const secret = scalar(7n);
  const pubkey = pointFromSecret(secret);
  const signature = sign(digest, secret);

  it('refuses the high-S twin of a valid signature', () => {
    const s = BigInt(`0x${toHex(signature.subarray(32))}`);
    const twin = Uint8Array.from([...signature.subarray(0, 32), ...scalar(order - s)]);
    expect(verify(signature, digest, pubkey)).toBe(true);
    expect(verify(twin, digest, pubkey)).toBe(false);
  });

  it('refuses another digest, another key, and zero', () => {
    expect(verify(signature, sha256(digest), pubkey)).toBe(false);
    expect(verify(signature, digest, pointFromSecret(scalar(8n)))).toBe(false);
    expect(verify(new Uint8Array(64), digest, pubkey)).toBe(false);
  });

  it('is false, never an exception, for any bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 70 });
    fc.assert(fc.property(bytes, bytes, bytes, (a, b, c) => !verify(a, b, c)));
    const sized = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(sized(64), sized(32), sized(33), (a, b, c) => !verify(a, b, c)),
      { numRuns: 50 },
    );
    expect(verify(sign(digest, scalar(1n)), digest, uncompressed)).toBe(false);
  });
});

describe('points and scalars', () => {
  it('know their own forms', () => {
    const point = pointFromSecret(scalar(1n));
    expect(isPoint(point)).toBe(true);
    expect(isPoint(Uint8Array.from([4, ...point.subarray(1)]))).toBe(false);
    expect(isPoint(Uint8Array.from([2, ...new Uint8Array(32).fill(0xff)]))).toBe(false);
    expect(isPoint(uncompressed)).toBe(false);
    expect(isPoint(new Uint8Array(33))).toBe(false);
    expect(isPoint(new Uint8Array(0))).toBe(false);
    expect([0n, 1n, order - 1n, order].map((value) => isScalar(scalar(value)))).toEqual([false, true, true, false]);
    expect(isScalar(new Uint8Array(31).fill(1))).toBe(false);
  });

  it('tweaking a secret and tweaking its point agree, whatever the tweak', () => {
    fc.assert(
      fc.property(secrets, digests, (secret, tweak) => {
        expect(addTweak(pointFromSecret(secret), tweak)).toEqual(pointFromSecret(addToSecret(secret, tweak)));
      }),
      { numRuns: 20 },
    );
    const point = pointFromSecret(scalar(5n));
    expect(addTweak(point, new Uint8Array(32))).toEqual(point);
  });

  it('both sides of an ECDH agree, and it is the hash of the compressed product', () => {
    fc.assert(
      fc.property(secrets, secrets, (a, b) => {
        const shared = ecdh(pointFromSecret(b), a);
        expect(ecdh(pointFromSecret(a), b)).toEqual(shared);
        expect(sha256(pointFromSecret(multiplySecret(a, b)))).toEqual(shared);
      }),
      { numRuns: 10 },
    );
    const point = pointFromSecret(scalar(5n));
    expect(multiply(point, scalar(2n))).toEqual(pointFromSecret(scalar(10n)));
    expect(multiply(uncompressed, scalar(2n))).toBeUndefined();
    expect(ecdh(new Uint8Array(33), scalar(2n))).toBeUndefined();
    expect(() => multiply(point, scalar(0n))).toThrow(RangeError);
    expect(() => multiply(point, scalar(order))).toThrow(RangeError);
    expect(() => multiplySecret(scalar(5n), scalar(order))).toThrow(RangeError);
  });

  it('infinity and what is no point are undefined', () => {
    const point = pointFromSecret(scalar(5n));
    const notPoint = new Uint8Array(33).fill(2);
    notPoint.fill(0xff, 1);
    expect(addTweak(point, scalar(order - 5n))).toBeUndefined();
    expect(combine(point, scalar(1n), point, scalar(order - 1n))).toBeUndefined();
    expect(addTweak(uncompressed, scalar(1n))).toBeUndefined();
    expect(addTweak(notPoint, scalar(1n))).toBeUndefined();
    expect(combine(point, scalar(1n), notPoint, scalar(1n))).toBeUndefined();
    expect(combine(uncompressed, scalar(1n), point, scalar(1n))).toBeUndefined();
    expect(() => addToSecret(scalar(5n), scalar(order - 5n))).toThrow(RangeError);
  });

  it('private and public derivation agree', () => {
    fc.assert(
      fc.property(secrets, secrets, (base, perCommitment) => {
        const point = pointFromSecret(perCommitment);
        expect(derivePubkey(pointFromSecret(base), point)).toEqual(pointFromSecret(derivePrivkey(base, point)));
        expect(revocationPubkey(pointFromSecret(base), point)).toEqual(pointFromSecret(revocationPrivkey(base, perCommitment)));
      }),
      { numRuns: 10 },
    );
  });
});
