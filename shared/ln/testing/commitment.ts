/** Keys, templates and spends for the tests of shared/ln/tx. Every secret is one byte, repeated. */
import { sha256 } from '@noble/hashes/sha2.js';
import { derivePrivkey, revocationPrivkey } from '../keys/derive.ts';
import { pointFromSecret, sign } from '../keys/secp.ts';
import { buildClaim, claimSighash, claimWeight } from '../tx/claim.ts';
import {
  type Basepoints,
  buildCommitment,
  type ChannelKind,
  type CommitmentOutput,
  type CommitmentTemplate,
  type CommitmentTx,
  type OutputRole,
  type TemplateHtlc,
} from '../tx/commitment.ts';
import { p2wpkh } from '../tx/scripts.ts';
import { derSignature, serializeTransaction, type TxOutput, withWitnesses } from '../tx/transaction.ts';
import { idAndWeight, spends } from './interpreter.ts';

export const kinds: readonly ChannelKind[] = ['static_remotekey', 'anchors_zero_fee_htlc_tx'];
export const secret = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const basepointsFrom = (byte: number): Basepoints => ({
  fundingPubkey: pointFromSecret(secret(byte)),
  revocationBasepoint: pointFromSecret(secret(byte + 1)),
  paymentBasepoint: pointFromSecret(secret(byte + 2)),
  delayedPaymentBasepoint: pointFromSecret(secret(byte + 3)),
  htlcBasepoint: pointFromSecret(secret(byte + 4)),
});
export const holderByte = 0x10;
export const counterpartyByte = 0x20;
const perCommitmentSecret = secret(0x30);

/** No HTLCs. */
export const template: CommitmentTemplate = {
  kind: 'anchors_zero_fee_htlc_tx',
  number: 3n,
  fundingOutpoint: { txid: secret(0xaa), vout: 1 },
  fundingAmountSat: 200_000n,
  holderIsOpener: false,
  toHolderMsat: 50_000_999n,
  toCounterpartyMsat: 149_999_001n,
  htlcs: [],
  feeratePerKw: 2500,
  dustLimitSat: 354n,
  toSelfDelay: 144,
  holder: basepointsFrom(holderByte),
  counterparty: basepointsFrom(counterpartyByte),
  perCommitmentPoint: pointFromSecret(perCommitmentSecret),
};

/** The secrets behind the keys of `template`. */
export const secrets = {
  holderFunding: secret(holderByte),
  counterpartyFunding: secret(counterpartyByte),
  counterpartyPayment: secret(counterpartyByte + 2),
  delayed: derivePrivkey(secret(holderByte + 3), template.perCommitmentPoint),
  revocation: revocationPrivkey(secret(counterpartyByte + 1), perCommitmentSecret),
  holderHtlc: derivePrivkey(secret(holderByte + 4), template.perCommitmentPoint),
  counterpartyHtlc: derivePrivkey(secret(counterpartyByte + 4), template.perCommitmentPoint),
};

export const preimageOf = (id: bigint): Uint8Array => secret(0x80 + Number(id));
export const htlc = (id: bigint, offered: boolean, amountMsat: bigint, cltvExpiry: number): TemplateHtlc => ({
  id,
  offered,
  amountMsat,
  cltvExpiry,
  paymentHash: sha256(preimageOf(id)),
});

/** The template with these HTLCs, taken from its holder's balance if it offers them, else from the counterparty's. */
export const withHtlcs = (of: CommitmentTemplate, htlcs: readonly TemplateHtlc[]): CommitmentTemplate => {
  const total = (offered: boolean) => htlcs.reduce((sum, one) => (one.offered === offered ? sum + one.amountMsat : sum), 0n);
  return { ...of, htlcs, toHolderMsat: of.toHolderMsat - total(true), toCounterpartyMsat: of.toCounterpartyMsat - total(false) };
};

/** The same channel seen from the other side's commitment. */
export const mirrored = (of: CommitmentTemplate): CommitmentTemplate => ({
  ...of,
  holderIsOpener: !of.holderIsOpener,
  toHolderMsat: of.toCounterpartyMsat,
  toCounterpartyMsat: of.toHolderMsat,
  htlcs: of.htlcs.map((one) => ({ ...one, offered: !one.offered })),
  holder: of.counterparty,
  counterparty: of.holder,
});

export const build = (of: CommitmentTemplate): CommitmentTx => {
  const built = buildCommitment(of);
  if (!built.ok) throw new Error(`${built.error.code}: ${built.error.detail}`);
  return built.value;
};

/** An output on chain. */
export type Left = TxOutput & { readonly txid: Uint8Array; readonly vout: number; readonly witnessScript?: Uint8Array };

export function leftBy(commitment: CommitmentTx, role: OutputRole): Left & { readonly output: CommitmentOutput } {
  const vout = commitment.outputs.findIndex((output) => output.role === role);
  const output = commitment.outputs[vout];
  if (output === undefined) throw new Error(`no ${role}`);
  return { ...output, txid: commitment.txid, vout, output };
}

export type Attempt = {
  readonly key: Uint8Array;
  readonly sequence?: number;
  readonly lockTime?: number;
  readonly witness: (signature: Uint8Array, script: Uint8Array) => readonly Uint8Array[];
};

const nobody = p2wpkh(pointFromSecret(secret(1)));

/** Signs a claim of one output and asks bcoin. `weight`: as if the signature were as long as weights assume. */
export function claim(left: Left, { key, sequence = 0xffff_fffd, lockTime = 0, witness }: Attempt): { valid: boolean; weight: number } {
  const outpoint = { txid: left.txid, vout: left.vout };
  const tx = buildClaim({ inputs: [{ outpoint, sequence }], outputs: [{ amountSat: 300n, scriptPubKey: nobody }], lockTime });
  const { witnessScript, amountSat } = left;
  const spent = witnessScript === undefined ? { amountSat, pubkey: pointFromSecret(key) } : { amountSat, witnessScript };
  const signature = sign(claimSighash(tx, 0, spent), key);
  const raw = serializeTransaction(withWitnesses(tx, [witness(signature, witnessScript ?? new Uint8Array(0))]));
  return { valid: spends(raw, left), weight: idAndWeight(raw).weight + 73 - derSignature(signature).length };
}

/** Of such a claim, by its witness's weight. */
export const claimOfWeight = (witness: number): number => claimWeight([{ weight: witness }], [nobody]);
