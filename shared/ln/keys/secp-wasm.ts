/**
 * libsecp256k1, compiled to WebAssembly, behind the port of `secp.ts`. This file knows its C functions and its memory only; whoever
 * can instantiate WebAssembly hands both over. Everything passes through one block of its memory, and secrets are wiped from there.
 */

import type { Curve } from './secp-curve.ts';
import { addAffine } from './secp-noble.ts';

/** `memory` must not move: the module's may not grow. */
export type Libsecp = { readonly memory: Uint8Array; readonly exports: { readonly [name: string]: unknown } };

// secp256k1.h: SECP256K1_CONTEXT_SIGN | _VERIFY, SECP256K1_EC_COMPRESSED and _UNCOMPRESSED.
const SIGN_AND_VERIFY = 0x301;
const COMPRESSED = 0x102;
const UNCOMPRESSED = 0x002;

type Native = (...args: readonly number[]) => number;

/** `entropy`: 32 random bytes that blind the multiplications with secrets against what their time and power show. */
export function wasmCurve({ memory, exports }: Libsecp, entropy: Uint8Array): Curve {
  const native = (name: string): Native => {
    const found = exports[name];
    if (typeof found !== 'function') throw new Error(`libsecp256k1 has no ${name}`);
    return found as Native;
  };
  const parsePoint = native('_secp256k1_ec_pubkey_parse');
  const serializePoint = native('_secp256k1_ec_pubkey_serialize');
  const createPoint = native('_secp256k1_ec_pubkey_create');
  const addToPoint = native('_secp256k1_ec_pubkey_tweak_add');
  const multiplyPoint = native('_secp256k1_ec_pubkey_tweak_mul');
  const parseSignature = native('_secp256k1_ecdsa_signature_parse_compact');
  const serializeSignature = native('_secp256k1_ecdsa_signature_serialize_compact');
  const signDigest = native('_secp256k1_ecdsa_sign');
  const parseRecoverable = native('_secp256k1_ecdsa_recoverable_signature_parse_compact');
  const recoverSigner = native('_secp256k1_ecdsa_recover');
  const verifySignature = native('_secp256k1_ecdsa_verify');

  const context = native('_secp256k1_context_create')(SIGN_AND_VERIFY);
  // Parsed points and signatures are 64 bytes of the library's own; `INPUT` and `OUTPUT` take up to 65.
  const POINT = native('_malloc')(512);
  const SIGNATURE = POINT + 64;
  const SCALAR = POINT + 128;
  const DIGEST = POINT + 160;
  const LENGTH = POINT + 192;
  const INPUT = POINT + 256;
  const OUTPUT = POINT + 384;

  const must = (result: number): void => {
    if (result !== 1) throw new Error('libsecp256k1 refused what the port had checked');
  };
  const put = (at: number, bytes: Uint8Array): number => {
    memory.set(bytes, at);
    return at;
  };
  const read = (at: number, length: number): Uint8Array => memory.slice(at, at + length);

  /** With a secret in `SCALAR` only as long as `use` takes. */
  function withSecret<T>(secret: Uint8Array, use: () => T): T {
    try {
      put(SCALAR, secret);
      return use();
    } finally {
      memory.fill(0, SCALAR, SCALAR + 32);
    }
  }
  /** Into `POINT`; false if the bytes are no point. */
  const take = (bytes: Uint8Array): boolean => parsePoint(context, POINT, put(INPUT, bytes), bytes.length) === 1;
  function give(length: 33 | 65): Uint8Array {
    put(LENGTH, Uint8Array.of(length, 0, 0, 0));
    must(serializePoint(context, OUTPUT, LENGTH, POINT, length === 33 ? COMPRESSED : UNCOMPRESSED));
    return read(OUTPUT, length);
  }
  const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

  withSecret(entropy, () => must(native('_secp256k1_context_randomize')(context, SCALAR)));

  return {
    sign: (digest, secret) =>
      withSecret(secret, () => {
        must(signDigest(context, SIGNATURE, put(DIGEST, digest), SCALAR, 0, 0));
        must(serializeSignature(context, OUTPUT, SIGNATURE));
        return read(OUTPUT, 64);
      }),
    // The library's own check refuses a high S.
    verify: (signature, digest, pubkey) =>
      parseSignature(context, SIGNATURE, put(INPUT, signature)) === 1 &&
      take(pubkey) &&
      verifySignature(context, SIGNATURE, put(DIGEST, digest), POINT) === 1,
    // A recoverable signature is 65 bytes of the library's own, which `SIGNATURE` has no room for.
    recover: (signature, recovery, digest) =>
      parseRecoverable(context, OUTPUT, put(INPUT, signature), recovery) === 1 &&
      recoverSigner(context, POINT, OUTPUT, put(DIGEST, digest)) === 1
        ? give(33)
        : undefined,
    pointFromSecret: (secret) =>
      withSecret(secret, () => {
        must(createPoint(context, POINT, SCALAR));
        return give(33);
      }),
    isPoint: take,
    addTweak: (point, tweak) => (take(point) && addToPoint(context, POINT, put(SCALAR, tweak)) === 1 ? give(33) : undefined),
    // The library's product of any point takes a time that depends on the scalar: this build of it exports no ECDH of its own.
    multiply: (point, scalar) =>
      take(point)
        ? withSecret(scalar, () => {
            must(multiplyPoint(context, POINT, SCALAR));
            return give(33);
          })
        : undefined,
    combine(a, m, b, n) {
      const product = (point: Uint8Array, scalar: Uint8Array): Uint8Array => {
        must(take(point) ? multiplyPoint(context, POINT, put(SCALAR, scalar)) : 0);
        return give(65).subarray(1);
      };
      if (!take(a) || !take(b)) return undefined;
      // The library multiplies by no zero, and this build of it exports no sum of two points.
      const products = [...(isZero(m) ? [] : [product(a, m)]), ...(isZero(n) ? [] : [product(b, n)])];
      const [first, second] = products;
      const nothing = new Uint8Array(64);
      return addAffine(first ?? nothing, second ?? nothing);
    },
  };
}
