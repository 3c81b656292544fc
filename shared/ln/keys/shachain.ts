/**
 * Per-commitment secrets: ours from one seed, the peer's in at most 49 entries. BOLT 3 § Per-commitment Secret Requirements
 * and § Efficient Per-commitment Secret Storage.
 *
 * Callers count commitments up from 0; the 48-bit index that BOLT 3 counts down stays in this file. Before inserting a peer's
 * secret, check that its point is the per-commitment point that the peer had announced.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';

const firstIndex = 2n ** 48n - 1n;

/** BOLT 3: "MUST be index 281474976710655, - and from there, the index is decremented." */
export function secretIndex(commitmentNumber: bigint): bigint {
  // Index 0 would be the seed itself. BOLT 3: "Up to (2^48 - 1) per-commitment secrets can be generated."
  if (commitmentNumber < 0n || commitmentNumber >= firstIndex) throw new RangeError('commitment number out of range');
  return firstIndex - commitmentNumber;
}

/** Our secret (32 bytes) of a commitment number. `seed`: 32 bytes, of one channel only. */
export const secretFromSeed = (seed: Uint8Array, commitmentNumber: bigint): Uint8Array =>
  deriveSecret(seed, 48, secretIndex(commitmentNumber));

/** BOLT 3 `derive_secret`: the secret at `index` under a base whose index agrees with it from bit `bits` up. */
export function deriveSecret(base: Uint8Array, bits: number, index: bigint): Uint8Array {
  let secret = Uint8Array.from(base);
  for (let bit = bits - 1; bit >= 0; bit--) {
    if (((index >> BigInt(bit)) & 1n) === 0n) continue;
    const at = bit >> 3;
    secret[at] = (secret[at] ?? 0) ^ (1 << (bit & 7));
    secret = sha256(secret);
  }
  return secret;
}

/** What we keep of the peer's secrets; entry b holds the newest secret whose index ends in b zero bits. Plain, at most 49 entries. */
export type SecretStore = readonly { readonly index: bigint; readonly secret: Uint8Array }[];

export const emptySecretStore: SecretStore = [];

export type SecretStoreError = { readonly code: 'secret-mismatch' | 'secret-out-of-order'; readonly detail: string };

/** The number of commitments that the stored secrets revoke: they cover 0 … count-1 without a gap. */
export function secretCount(store: SecretStore): bigint {
  let oldest = firstIndex + 1n;
  for (const { index } of store) if (index < oldest) oldest = index;
  return firstIndex + 1n - oldest;
}

/**
 * Stores the peer's secret of a commitment number; numbers must come in order, without a gap.
 * `secret-mismatch`: the peer does not use one seed, so fail the channel.
 */
export function insertSecret(store: SecretStore, commitmentNumber: bigint, secret: Uint8Array): Result<SecretStore, SecretStoreError> {
  const expected = secretCount(store);
  if (commitmentNumber !== expected || expected >= firstIndex)
    return err({ code: 'secret-out-of-order', detail: `secret ${commitmentNumber} where ${expected} is next` });
  if (secret.length !== 32) return err({ code: 'secret-mismatch', detail: 'a secret has 32 bytes' });
  const index = secretIndex(commitmentNumber);
  const bucket = trailingZeros(index);
  for (const known of store.slice(0, bucket)) {
    if (!equal(deriveSecret(secret, bucket, known.index), known.secret))
      return err({ code: 'secret-mismatch', detail: `secret ${commitmentNumber} does not lead to secret ${firstIndex - known.index}` });
  }
  return ok([...store.slice(0, bucket), { index, secret }, ...store.slice(bucket + 1)]);
}

/** The peer's secret of a revoked commitment, or undefined if it has not been revoked. */
export function findSecret(store: SecretStore, commitmentNumber: bigint): Uint8Array | undefined {
  const index = secretIndex(commitmentNumber);
  for (const [bits, known] of store.entries()) {
    if (index >> BigInt(bits) === known.index >> BigInt(bits)) return deriveSecret(known.secret, bits, index);
  }
  return undefined;
}

function trailingZeros(index: bigint): number {
  let zeros = 0;
  while (((index >> BigInt(zeros)) & 1n) === 0n) zeros++;
  return zeros;
}
