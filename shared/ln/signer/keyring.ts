/**
 * The keys of one channel, derived when they are needed and remembered while the signer lives (one round). BOLT 3 § Key Derivation.
 * Nothing here asks what a key is used for: the operations beside this file do.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal, toHex } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { derivePrivkey, derivePubkey, revocationPrivkey } from '../keys/derive.ts';
import { pointFromSecret } from '../keys/secp.ts';
import type { ChannelSecrets } from '../keys/seed.ts';
import { secretFromSeed } from '../keys/shachain.ts';
import {
  type Basepoints,
  buildCommitment,
  type CommitmentKeys,
  type CommitmentTemplate,
  type CommitmentTx,
  commitmentKeys,
} from '../tx/commitment.ts';
import { type HtlcTx, htlcTransactions } from '../tx/htlc.ts';
import type { SignerError, SignerErrorCode } from './signer.ts';

export const refuse = (code: SignerErrorCode, detail: string): { readonly ok: false; readonly error: SignerError } => err({ code, detail });

/** A commitment with its HTLC transactions, and the digest that stands for all that is signed of it. */
export type Built = { readonly commitment: CommitmentTx; readonly htlcTxs: readonly HtlcTx[]; readonly digest: Uint8Array };

export type Keyring = {
  readonly secrets: Pick<ChannelSecrets, 'funding' | 'payment'>;
  readonly basepoints: () => Basepoints;
  readonly perCommitmentSecret: (n: bigint) => Uint8Array;
  readonly perCommitmentPoint: (n: bigint) => Uint8Array;
  /** By a per-commitment point (33 bytes) of either side. */
  readonly htlcSecret: (perCommitmentPoint: Uint8Array) => Uint8Array;
  readonly delayedSecret: (perCommitmentPoint: Uint8Array) => Uint8Array;
  /** By the peer's per-commitment secret, a scalar. */
  readonly revocationSecret: (perCommitmentSecret: Uint8Array) => Uint8Array;
  readonly build: (template: CommitmentTemplate) => Result<Built, SignerError>;
};

export function keyringOf(secrets: ChannelSecrets): Keyring {
  const points = new Map<bigint, Uint8Array>();
  const builds = new WeakMap<CommitmentTemplate, Result<Built, SignerError>>();
  const basepoints = once(() => ({
    fundingPubkey: pointFromSecret(secrets.funding),
    revocationBasepoint: pointFromSecret(secrets.revocation),
    paymentBasepoint: pointFromSecret(secrets.payment),
    delayedPaymentBasepoint: pointFromSecret(secrets.delayedPayment),
    htlcBasepoint: pointFromSecret(secrets.htlc),
  }));
  const htlcSecret = byBytes((point) => derivePrivkey(secrets.htlc, point, basepoints().htlcBasepoint));
  const delayedSecret = byBytes((point) => derivePrivkey(secrets.delayedPayment, point, basepoints().delayedPaymentBasepoint));
  /** The same key as from points alone; a multiple of the generator costs half as much as a sum with another point. */
  const derive = (basepoint: Uint8Array, point: Uint8Array): Uint8Array | undefined => {
    const { htlcBasepoint, delayedPaymentBasepoint } = basepoints();
    if (equal(basepoint, htlcBasepoint)) return pointFromSecret(htlcSecret(point));
    if (equal(basepoint, delayedPaymentBasepoint)) return pointFromSecret(delayedSecret(point));
    return derivePubkey(basepoint, point);
  };
  return {
    secrets,
    basepoints,
    perCommitmentSecret: (n) => secretFromSeed(secrets.commitmentSeed, n),
    perCommitmentPoint: (n) => remembered(points, n, () => pointFromSecret(secretFromSeed(secrets.commitmentSeed, n))),
    htlcSecret,
    delayedSecret,
    revocationSecret: byBytes((secret) => revocationPrivkey(secrets.revocation, secret)),
    // The second-stage transactions of a close are signed one by one over the same template.
    build: (template) => remembered(builds, template, () => build(template, commitmentKeys(template, derive))),
  };
}

function build(template: CommitmentTemplate, keys: CommitmentKeys | undefined): Result<Built, SignerError> {
  const built = buildCommitment(template, keys);
  if (!built.ok) return refuse('template-invalid', `${built.error.code}: ${built.error.detail}`);
  const commitment = built.value;
  const htlcTxs = htlcTransactions(template, commitment);
  const digest =
    htlcTxs.length === 0 ? commitment.sighash : sha256(concat(commitment.sighash, ...htlcTxs.map(({ remoteSighash }) => remoteSighash)));
  return ok({ commitment, htlcTxs, digest });
}

function once<T>(compute: () => T): () => T {
  let value: T | undefined;
  return () => {
    value ??= compute();
    return value;
  };
}

type Memory<K, T> = { get(key: K): T | undefined; set(key: K, value: T): unknown };

export function remembered<K, T>(memory: Memory<K, T>, key: K, compute: () => T): T {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const value = compute();
  memory.set(key, value);
  return value;
}

function byBytes<T>(compute: (bytes: Uint8Array) => T): (bytes: Uint8Array) => T {
  const memory = new Map<string, T>();
  return (bytes) => remembered(memory, toHex(bytes), () => compute(bytes));
}
