/** Both implementations of the curve answer with the same bytes, whatever they are asked. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { etc, Point } from '@noble/secp256k1';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { concat, fromHex, toHex } from '../../shared/lib/bytes.ts';
import { groupOrder } from '../../shared/lib/products.ts';
import * as port from '../../shared/ln/keys/secp.ts';
import type { Curve } from '../../shared/ln/keys/secp-curve.ts';
import { nobleCurve } from '../../shared/ln/keys/secp-noble.ts';
import { wasmCurve } from '../../shared/ln/keys/secp-wasm.ts';
import { openCurve, openLibsecp } from './curve.ts';

const bytes = etc.numberToBytesBE;
const libauth = dirname(createRequire(import.meta.url).resolve('@bitauth/libauth'));
const wasm = () => readFile(join(libauth, 'lib/bin/secp256k1/secp256k1.wasm'));
let fast: Curve;
beforeAll(async () => {
  fast = await openCurve(await wasm(), new Uint8Array(randomBytes(32)));
});
afterEach(() => port.useCurve(nobleCurve));

/** What the port answers, or how it refuses, with each implementation behind it. */
function both<T>(ask: () => T): readonly [unknown, unknown] {
  const [reference, other] = [nobleCurve, fast].map((curve) => {
    port.useCurve(curve);
    try {
      const answer = ask();
      return answer instanceof Uint8Array ? toHex(answer) : answer;
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : error;
    }
  });
  return [reference, other];
}
function agree<T>(ask: () => T): unknown {
  const [reference, other] = both(ask);
  expect(other).toEqual(reference);
  return reference;
}

const edges = [0n, 1n, 2n, groupOrder >> 1n, (groupOrder >> 1n) + 1n, groupOrder - 2n, groupOrder - 1n, groupOrder, groupOrder + 1n];
const edge = fc.constantFrom(...[...edges, Point.CURVE().p, 2n ** 256n - 1n].map(bytes));
const sized = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Any 32 bytes, those around 0, n/2 and n among them. */
const words = fc.oneof({ arbitrary: sized(32), weight: 3 }, { arbitrary: edge, weight: 1 });
const secrets = fc.bigInt({ min: 1n, max: groupOrder - 1n }).map(bytes);
const points = secrets.map(nobleCurve.pointFromSecret);
const xs = fc.oneof(sized(32), edge);
const notPoints = fc.oneof(
  sized(33),
  fc.tuple(fc.constantFrom(0, 2, 3, 4, 5, 6, 7), xs).map(([prefix, x]) => concat(Uint8Array.of(prefix), x)),
  fc.uint8Array({ maxLength: 66 }),
  points.map((point) => Point.fromBytes(point).toBytes(false)),
);
const anyPoint = fc.oneof({ arbitrary: points, weight: 3 }, { arbitrary: notPoints, weight: 1 });
const sum = (a: Uint8Array, b: Uint8Array): bigint => etc.mod(etc.bytesToNumberBE(a) + etc.bytesToNumberBE(b), groupOrder);

describe('noble and wasm agree', () => {
  it('sign', () => {
    fc.assert(
      fc.property(words, words, (digest, secret) => void agree(() => port.sign(digest, secret))),
      { numRuns: 200 },
    );
    agree(() => port.sign(new Uint8Array(31), bytes(1n)));
    agree(() => port.sign(new Uint8Array(32), new Uint8Array(33)));
    expect(agree(() => port.sign(bytes(groupOrder + 5n), bytes(7n)))).toBe(agree(() => port.sign(bytes(5n), bytes(7n))));
  });

  it('verify, of good signatures and of those with one byte changed', () => {
    const verdicts = new Set<unknown>();
    fc.assert(
      fc.property(secrets, words, fc.nat(128), fc.nat(3), (secret, digest, at, change) => {
        const all = concat(nobleCurve.sign(digest, secret), digest, nobleCurve.pointFromSecret(secret));
        all[at] = (all[at] ?? 0) ^ change;
        verdicts.add(agree(() => port.verify(all.slice(0, 64), all.slice(64, 96), all.slice(96))));
      }),
      { numRuns: 150 },
    );
    expect(verdicts).toEqual(new Set([true, false]));
  });

  it('verify, of any r, s and key, and of the high-S twin', () => {
    fc.assert(
      fc.property(words, words, words, anyPoint, (r, s, digest, key) => void agree(() => port.verify(concat(r, s), digest, key))),
      { numRuns: 200 },
    );
    const anyBytes = fc.uint8Array({ maxLength: 70 });
    fc.assert(fc.property(anyBytes, anyBytes, anyBytes, (a, b, c) => agree(() => port.verify(a, b, c)) === false));
    const [digest, secret] = [bytes(77n), bytes(5n)];
    const signature = nobleCurve.sign(digest, secret);
    const twin = concat(signature.slice(0, 32), bytes(groupOrder - etc.bytesToNumberBE(signature.subarray(32))));
    expect(agree(() => port.verify(signature, digest, nobleCurve.pointFromSecret(secret)))).toBe(true);
    expect(agree(() => port.verify(twin, digest, nobleCurve.pointFromSecret(secret)))).toBe(false);
  });

  it('verify, where the sum is infinity and where its x is not below n', () => {
    const d = nobleCurve.pointFromSecret(bytes(22n));
    expect(agree(() => port.verify(concat(bytes(21n), bytes(5n)), bytes(groupOrder - 21n * 22n), d))).toBe(false);
    // Of the test of `verifyCompact`: the first x from n on that belongs to a point.
    let x = groupOrder + 1n;
    while (!nobleCurve.isPoint(concat(Uint8Array.of(2), bytes(x)))) x += 1n;
    const r = x - groupOrder;
    const key = Point.fromBytes(concat(Uint8Array.of(2), bytes(x)))
      .multiplyUnsafe(11n)
      .add(Point.BASE.multiplyUnsafe(groupOrder - 13n))
      .multiplyUnsafe(etc.invert(r, groupOrder));
    expect(agree(() => port.verify(concat(bytes(r), bytes(11n)), bytes(13n), key.toBytes()))).toBe(true);
  });

  it('recover, of good signatures and their high-S twins, and of any r, s and digest', () => {
    const found = new Set<boolean>();
    fc.assert(
      fc.property(secrets, words, fc.integer({ min: -1, max: 4 }), (secret, digest, recovery) => {
        const signature = nobleCurve.sign(
          digest.map((byte, i) => (i === 0 ? byte & 0x7f : byte)),
          secret,
        );
        const twin = concat(signature.slice(0, 32), bytes(groupOrder - etc.bytesToNumberBE(signature.subarray(32))));
        for (const one of [signature, twin]) found.add(agree(() => port.recover(one, recovery, digest)) !== undefined);
      }),
      { numRuns: 60 },
    );
    expect(found).toEqual(new Set([true, false]));
    fc.assert(
      fc.property(words, words, fc.nat(3), words, (r, s, id, digest) => void agree(() => port.recover(concat(r, s), id, digest))),
      { numRuns: 200 },
    );
    const digest = bytes(77n);
    const signers = [0, 1, 2, 3].map((id) => agree(() => port.recover(nobleCurve.sign(digest, bytes(5n)), id, digest)));
    expect(signers).toContain(toHex(nobleCurve.pointFromSecret(bytes(5n))));
    agree(() => port.recover(new Uint8Array(63), 0, digest));
    agree(() => port.recover(new Uint8Array(64), 0, new Uint8Array(33)));
  });

  it('recover, of an r that stands for an x of n or more', () => {
    // As above; recovery ids of 2 and 3 say that r is the point's x less n.
    let x = groupOrder + 1n;
    while (!nobleCurve.isPoint(concat(Uint8Array.of(2), bytes(x)))) x += 1n;
    const signature = concat(bytes(x - groupOrder), bytes(11n));
    for (const id of [2, 3]) expect(agree(() => port.recover(signature, id, bytes(13n)))).toBeTypeOf('string');
    expect(agree(() => port.recover(concat(bytes(groupOrder - 1n), bytes(11n)), 2, bytes(13n)))).toBeUndefined();
  });

  it('pointFromSecret and isScalar', () => {
    fc.assert(
      fc.property(fc.oneof(words, fc.uint8Array({ maxLength: 40 })), (secret) => {
        agree(() => port.pointFromSecret(secret));
        agree(() => port.isScalar(secret));
      }),
      { numRuns: 200 },
    );
  });

  it('isPoint', () => {
    const verdicts = new Set<unknown>();
    fc.assert(
      fc.property(anyPoint, (point) => void verdicts.add(agree(() => port.isPoint(point)))),
      { numRuns: 500 },
    );
    expect(verdicts).toEqual(new Set([true, false]));
  });

  it('multiply and ecdh', () => {
    fc.assert(
      fc.property(anyPoint, words, secrets, (point, scalar, secret) => {
        agree(() => port.multiply(point, scalar));
        agree(() => port.ecdh(point, scalar));
        // A product of secrets is the product of their points, with either of them behind the port.
        const product = port.multiplySecret(secret, secret);
        expect(agree(() => port.multiply(nobleCurve.pointFromSecret(secret), secret))).toBe(toHex(nobleCurve.pointFromSecret(product)));
      }),
      { numRuns: 60 },
    );
  });

  it('addTweak and addToSecret', () => {
    fc.assert(
      fc.property(anyPoint, secrets, words, (point, secret, tweak) => {
        agree(() => port.addTweak(point, tweak));
        agree(() => port.addToSecret(secret, tweak));
        const twice = agree(() => port.addTweak(nobleCurve.pointFromSecret(secret), secret));
        expect(twice).toBe(sum(secret, secret) === 0n ? undefined : toHex(nobleCurve.pointFromSecret(bytes(sum(secret, secret)))));
        const opposite = bytes(groupOrder - etc.bytesToNumberBE(secret));
        expect(agree(() => port.addTweak(nobleCurve.pointFromSecret(secret), opposite))).toBeUndefined();
      }),
      { numRuns: 100 },
    );
    agree(() => port.addTweak(nobleCurve.pointFromSecret(bytes(1n)), new Uint8Array(31)));
  });

  it('combine and combineSecrets', () => {
    fc.assert(
      fc.property(anyPoint, words, anyPoint, words, secrets, (a, m, b, n, secret) => {
        agree(() => port.combine(a, m, b, n));
        agree(() => port.combine(a, m, a, n));
        agree(() => port.combineSecrets(secret, m, secret, n));
      }),
      { numRuns: 100 },
    );
    const [p, q] = [nobleCurve.pointFromSecret(bytes(6n)), nobleCurve.pointFromSecret(bytes(groupOrder - 3n))];
    expect(agree(() => port.combine(p, bytes(1n), q, bytes(2n)))).toBeUndefined();
    expect(agree(() => port.combine(p, bytes(groupOrder), q, bytes(0n)))).toBeUndefined();
    expect(agree(() => port.combine(p, bytes(5n), q, bytes(10n)))).toBeUndefined();
    expect(agree(() => port.combine(p, bytes(1n), p, bytes(1n)))).toBe(toHex(nobleCurve.pointFromSecret(bytes(12n))));
    expect(agree(() => port.combine(p, bytes(0n), q, bytes(1n)))).toBe(toHex(q));
  });
});

describe('wasm', () => {
  it('is behind the port from `useCurve` on', () => {
    const asked: string[] = [];
    port.useCurve({ ...fast, isPoint: (point) => asked.push(toHex(point)) > 0 });
    expect(port.isPoint(new Uint8Array(33))).toBe(true);
    port.useCurve(nobleCurve);
    expect(port.isPoint(new Uint8Array(33))).toBe(false);
    expect(asked).toEqual(['00'.repeat(33)]);
  });

  it('keeps no secret in its block of memory', async () => {
    const { exports, memory } = await openLibsecp(await wasm());
    const curve = wasmCurve({ exports, memory }, new Uint8Array(32).fill(0xee));
    const secret = fromHex(`${'c0ffee'.repeat(10)}beef`);
    curve.sign(new Uint8Array(32).fill(1), secret);
    curve.pointFromSecret(secret);
    expect(Buffer.from(memory).includes(Buffer.from(secret))).toBe(false);
    expect(Buffer.from(memory).includes(Buffer.alloc(32, 0xee))).toBe(false);
  });

  it('is refused when it is not the library, and noble stays', async () => {
    await expect(openCurve(new Uint8Array(8), new Uint8Array(32))).rejects.toThrow();
    await expect(openCurve(Uint8Array.from(fromHex('0061736d01000000')), new Uint8Array(32))).rejects.toThrow('libsecp256k1 has no');
    expect(() => wasmCurve({ memory: new Uint8Array(0), exports: {} }, new Uint8Array(32))).toThrow('libsecp256k1 has no');
  });
});
