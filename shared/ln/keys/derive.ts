/**
 * Keys of one commitment from basepoints and the per-commitment point. BOLT 3 § Key Derivation.
 * Points may come from a peer: a derivation over something that is not a point is `undefined`, never an exception.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { addToSecret, addTweak, combine, combineSecrets, pointFromSecret } from './secp.ts';

const tweak = (first: Uint8Array, second: Uint8Array): Uint8Array => sha256(concat(first, second));

/** BOLT 3: "pubkey = basepoint + SHA256(per_commitment_point || basepoint) * G" */
export const derivePubkey = (basepoint: Uint8Array, perCommitmentPoint: Uint8Array): Uint8Array | undefined =>
  addTweak(basepoint, tweak(perCommitmentPoint, basepoint));

/** BOLT 3: "privkey = basepoint_secret + SHA256(per_commitment_point || basepoint)". `basepoint`: for who has it already. */
export const derivePrivkey = (
  basepointSecret: Uint8Array,
  perCommitmentPoint: Uint8Array,
  basepoint = pointFromSecret(basepointSecret),
): Uint8Array => addToSecret(basepointSecret, tweak(perCommitmentPoint, basepoint));

/** The blinded key that punishes a revoked commitment: our basepoint with the other side's per-commitment point, or the reverse. */
export const revocationPubkey = (revocationBasepoint: Uint8Array, perCommitmentPoint: Uint8Array): Uint8Array | undefined =>
  combine(
    revocationBasepoint,
    tweak(revocationBasepoint, perCommitmentPoint),
    perCommitmentPoint,
    tweak(perCommitmentPoint, revocationBasepoint),
  );

/** Known only to a side that holds its basepoint secret and has been given the other's per-commitment secret. */
export function revocationPrivkey(revocationBasepointSecret: Uint8Array, perCommitmentSecret: Uint8Array): Uint8Array {
  const basepoint = pointFromSecret(revocationBasepointSecret);
  const point = pointFromSecret(perCommitmentSecret);
  return combineSecrets(revocationBasepointSecret, tweak(basepoint, point), perCommitmentSecret, tweak(point, basepoint));
}
