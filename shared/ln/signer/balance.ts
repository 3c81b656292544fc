/**
 * What the peer's commitment gives us, and that the next one gives us no less without a reason. Every amount is a balance of BOLT 3
 * before the fee, so the feerate does not come into it. An HTLC of ours may leave for the peer's benefit only against its preimage.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal, toHex } from '../../lib/bytes.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { CommitmentTemplate } from '../tx/commitment.ts';
import { refuse } from './keyring.ts';
import type { Holding, OfferedHtlc, SignerError } from './signer.ts';

/** `template`: a commitment of the peer. `settled`: the preimages for which the peer may keep what was in our HTLCs. */
export function nextHolding(
  template: CommitmentTemplate,
  settled: readonly Uint8Array[],
  before: Holding | undefined,
): Result<Holding, SignerError> {
  const after = holdingOf(template, before?.nextOfferedId ?? 0n);
  if (before === undefined) return ok(after);
  const known = new Map(before.offered.map((htlc) => [htlc.id, htlc]));
  for (const htlc of after.offered) {
    if (htlc.id >= before.nextOfferedId) continue;
    const old = known.get(htlc.id);
    if (old === undefined) return refuse('balance-falls', `HTLC ${htlc.id} of ours comes back`);
    if (!sameHtlc(old, htlc)) return refuse('balance-falls', `HTLC ${htlc.id} of ours has changed`);
    known.delete(htlc.id);
  }
  // BOLT 3's scripts take a preimage of 32 bytes and no other.
  const hashes = new Set(settled.filter(({ length }) => length === 32).map((preimage) => toHex(sha256(preimage))));
  const paid = [...known.values()].filter(({ paymentHash }) => hashes.has(toHex(paymentHash)));
  const shortMsat = before.toUsMsat + sumMsat(before.offered) - sumMsat(paid) - (after.toUsMsat + sumMsat(after.offered));
  if (shortMsat > 0n) return refuse('balance-falls', `${shortMsat} msat of ours are missing in remote commitment ${template.number}`);
  return ok(after);
}

function holdingOf({ htlcs, toCounterpartyMsat }: CommitmentTemplate, nextOfferedId: bigint): Holding {
  const offered = htlcs
    .filter((htlc) => !htlc.offered)
    .map(({ id, amountMsat, paymentHash, cltvExpiry }) => ({ id, amountMsat, paymentHash, cltvExpiry }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const newest = offered.at(-1);
  return {
    toUsMsat: toCounterpartyMsat,
    offered,
    nextOfferedId: newest !== undefined && newest.id >= nextOfferedId ? newest.id + 1n : nextOfferedId,
    receivedMsat: sumMsat(htlcs.filter((htlc) => htlc.offered)),
  };
}

const sumMsat = (htlcs: readonly { readonly amountMsat: bigint }[]): bigint => htlcs.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);

const sameHtlc = (a: OfferedHtlc, b: OfferedHtlc): boolean =>
  a.amountMsat === b.amountMsat && a.cltvExpiry === b.cltvExpiry && equal(a.paymentHash, b.paymentHash);
