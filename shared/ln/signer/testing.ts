/** Two enforcing signers with a channel between them, for the tests beside this file. "Ours" and "theirs": whose commitment it is. */
import { sha256 } from '@noble/hashes/sha2.js';
import type { CommitmentTemplate, TemplateHtlc } from '../tx/commitment.ts';
import { openSignerFrom } from './memory.ts';
import { type ChannelSigner, freshGuard, type SignerGuard } from './signer.ts';
import { openWalletSigner } from './wallet.ts';

const ourWallet = new Uint8Array(64).fill(1);
export const us = openSignerFrom(ourWallet)([3, 4]);
export const them = openSignerFrom(new Uint8Array(64).fill(2))([3, 4]);
export const wallet = openWalletSigner(ourWallet);
export const outpoint = { txid: new Uint8Array(32).fill(0xaa), vout: 0 };

/** Commitment `number` of `holder`, toward `other`; they opened the channel. The HTLCs come out of the balance of who offers them. */
function templateOf(holder: ChannelSigner, other: ChannelSigner, number: bigint, usSat: bigint, htlcs: readonly TemplateHtlc[]) {
  const sumMsat = (offered: boolean): bigint =>
    htlcs.filter((htlc) => htlc.offered === offered).reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
  const holderSat = holder === us ? usSat : 200_000n - usSat;
  const template: CommitmentTemplate = {
    kind: 'anchors_zero_fee_htlc_tx',
    number,
    fundingOutpoint: outpoint,
    fundingAmountSat: 200_000n,
    holderIsOpener: holder === them,
    toHolderMsat: holderSat * 1000n - sumMsat(true),
    toCounterpartyMsat: (200_000n - holderSat) * 1000n - sumMsat(false),
    htlcs,
    feeratePerKw: 1000,
    dustLimitSat: 354n,
    toSelfDelay: 144,
    holder: holder.basepoints,
    counterparty: other.basepoints,
    perCommitmentPoint: holder.perCommitmentPoint(number),
  };
  return template;
}
export const theirs = (number: bigint, usSat = 120_000n, htlcs: readonly TemplateHtlc[] = []) => templateOf(them, us, number, usSat, htlcs);
export const ours = (number: bigint, usSat = 120_000n, htlcs: readonly TemplateHtlc[] = []) => templateOf(us, them, number, usSat, htlcs);

export const preimageOf = (id: bigint): Uint8Array => new Uint8Array(32).fill(Number(id) + 1);
/** `offered`: by the holder of the commitment that it stands in. */
export const htlc = (offered: boolean, id: bigint, amountSat = 10_000n, change: Partial<TemplateHtlc> = {}): TemplateHtlc => ({
  offered,
  id,
  amountMsat: amountSat * 1000n,
  paymentHash: sha256(preimageOf(id)),
  cltvExpiry: 800_000 + Number(id),
  ...change,
});

/** The peer's signatures on our commitment, whatever its own guard would say. */
export function peerSigns(template: CommitmentTemplate): { signature: Uint8Array; htlcSignatures: readonly Uint8Array[] } {
  const before = template.number === 0n ? {} : { remoteNumber: template.number - 1n, revokedBelow: template.number - 1n };
  const signed = them.signRemoteCommitment(template, [], { ...freshGuard, ...before });
  if (!signed.ok) throw new Error(signed.error.detail);
  return signed.value;
}

export const sign = (template: CommitmentTemplate, guard: SignerGuard, settled: readonly Uint8Array[] = []) =>
  us.signRemoteCommitment(template, settled, guard);
export const accept = (template: CommitmentTemplate, guard: SignerGuard, { signature, htlcSignatures } = peerSigns(template)) =>
  us.acceptLocalCommitment(template, signature, htlcSignatures, guard);

/** The peer's secret of its commitment n, as its `revoke_and_ack` brings it. */
export function theirSecret(n: bigint): Uint8Array {
  const released = them.releaseSecret(n, { ...freshGuard, localNumber: n + 1n, releasedBelow: n });
  if (!released.ok) throw new Error(released.error.detail);
  return released.value.secret;
}
export const revoke = (n: bigint, guard: SignerGuard) => us.acceptRevocation(n, theirSecret(n), them.perCommitmentPoint(n), guard);

type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: { readonly code: string } };
export const codeOf = (result: Outcome): string => (result.ok ? 'ok' : result.error.code);
type Guarded = { readonly ok: true; readonly value: { readonly guard: SignerGuard } };
type Refused = { readonly ok: false; readonly error: { readonly code: string; readonly detail: string } };
export function guardOf(result: Guarded | Refused): SignerGuard {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.detail}`);
  return result.value.guard;
}

/** Our guard after both sides signed their commitments 0 … n, each old one revoked. The newest has these HTLCs, as their holder sees them. */
export function guardAt(n: bigint, ourHtlcs: readonly TemplateHtlc[] = []): SignerGuard {
  let guard = freshGuard;
  for (let number = 0n; number <= n; number++) {
    const htlcs = number === n ? ourHtlcs : [];
    guard = guardOf(sign(theirs(number, 120_000n, htlcs.map(mirrored)), guard));
    guard = guardOf(accept(ours(number, 120_000n, htlcs), guard));
    if (number > 0n) guard = guardOf(us.releaseSecret(number - 1n, guard));
    if (number > 0n) guard = guardOf(revoke(number - 1n, guard));
  }
  return guard;
}
export const mirrored = (one: TemplateHtlc): TemplateHtlc => ({ ...one, offered: !one.offered });
