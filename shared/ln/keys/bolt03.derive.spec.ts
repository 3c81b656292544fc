/** BOLT 3 appendix E: key derivation. */
import { expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import vectors from '../vectors/bolt03/appendix-e-derivation.json' with { type: 'json' };
import { derivePrivkey, derivePubkey, revocationPrivkey, revocationPubkey } from './derive.ts';
import { pointFromSecret } from './secp.ts';

const baseSecret = fromHex(vectors.baseSecret);
const perCommitmentSecret = fromHex(vectors.perCommitmentSecret);
const basePoint = fromHex(vectors.basePoint);
const perCommitmentPoint = fromHex(vectors.perCommitmentPoint);
const hexOf = (bytes: Uint8Array | undefined): string => toHex(bytes ?? new Uint8Array(0));

it('the points of the appendix', () => {
  expect(hexOf(pointFromSecret(baseSecret))).toBe(vectors.basePoint);
  expect(hexOf(pointFromSecret(perCommitmentSecret))).toBe(vectors.perCommitmentPoint);
});

it('derivation of pubkey from basepoint and per_commitment_point', () => {
  expect(hexOf(derivePubkey(basePoint, perCommitmentPoint))).toBe(vectors.localpubkey);
});

it('derivation of private key from basepoint secret and per_commitment_secret', () => {
  expect(hexOf(derivePrivkey(baseSecret, perCommitmentPoint))).toBe(vectors.localprivkey);
});

it('derivation of revocation pubkey from basepoint and per_commitment_point', () => {
  expect(hexOf(revocationPubkey(basePoint, perCommitmentPoint))).toBe(vectors.revocationpubkey);
});

it('derivation of revocation secret from basepoint_secret and per_commitment_secret', () => {
  expect(hexOf(revocationPrivkey(baseSecret, perCommitmentSecret))).toBe(vectors.revocationprivkey);
});
