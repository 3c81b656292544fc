/**
 * The HTLC-timeout and HTLC-success transactions of a commitment: how its holder reaches the HTLC outputs. BOLT 3 § HTLC-Timeout
 * and HTLC-Success Transactions. Callers check the counterparty's signatures (BOLT 2 § `commitment_signed`) over `remoteSighash`
 * before they revoke the commitment before, and a preimage against its payment hash.
 */
import type { CommitmentTemplate, CommitmentTx } from './commitment.ts';
import { p2wsh, toLocalWitnessScript } from './scripts.ts';
import {
  derSignature,
  SIGHASH,
  type SighashType,
  serializeTransaction,
  sighash,
  sighashAll,
  type Transaction,
  withWitnesses,
} from './transaction.ts';
import { htlcTxFeeSat, type TemplateHtlc } from './trim.ts';
import type { ChannelKind } from './weight.ts';

export type HtlcTx = {
  readonly htlc: TemplateHtlc;
  /** Which output of the commitment it spends. */
  readonly vout: number;
  /** Of an HTLC that the holder received, or of one that it offered. */
  readonly kind: 'success' | 'timeout';
  /** Unsigned. */
  readonly transaction: Transaction;
  /** Of the output it spends. */
  readonly amountSat: bigint;
  /** Of the output it spends. */
  readonly witnessScript: Uint8Array;
  /** What the counterparty signs. */
  readonly remoteSighash: Uint8Array;
  /** Of its one output: delayed as `to_local` is, and revocable. */
  readonly outputWitnessScript: Uint8Array;
};

const anchors = (kind: ChannelKind): boolean => kind === 'anchors_zero_fee_htlc_tx';

/** BOLT 3: "if `option_anchors` applies to this commitment transaction, `SIGHASH_SINGLE|SIGHASH_ANYONECANPAY` is used" */
export const remoteSighashType = (kind: ChannelKind): SighashType => (anchors(kind) ? SIGHASH.SINGLE_ANYONECANPAY : SIGHASH.ALL);

/** One for each HTLC output, in the order of the outputs: that of `htlc_signatures`. `built`: what `template` builds. */
export function htlcTransactions(template: CommitmentTemplate, built: CommitmentTx): readonly HtlcTx[] {
  const outputWitnessScript = toLocalWitnessScript(built.keys.revocationPubkey, template.toSelfDelay, built.keys.delayedPubkey);
  const scriptPubKey = p2wsh(outputWitnessScript);
  const remoteType = remoteSighashType(template.kind);
  return built.outputs.flatMap((output, vout): HtlcTx[] => {
    if (!('htlc' in output)) return [];
    const { htlc, amountSat, witnessScript } = output;
    const transaction: Transaction = {
      version: 2,
      // BOLT 3: "locktime: `0` for HTLC-success, `cltv_expiry` for HTLC-timeout"
      lockTime: htlc.offered ? htlc.cltvExpiry : 0,
      // BOLT 3: "`txin[0]` sequence: `0` (set to `1` for `option_anchors`)"
      inputs: [{ outpoint: { txid: built.txid, vout }, sequence: anchors(template.kind) ? 1 : 0, witness: [] }],
      outputs: [{ amountSat: amountSat - htlcTxFeeSat(template, htlc), scriptPubKey }],
    };
    const remoteSighash = sighash(transaction, 0, witnessScript, amountSat, remoteType);
    const kind = htlc.offered ? 'timeout' : 'success';
    return [{ htlc, vout, kind, transaction, amountSat, witnessScript, remoteSighash, outputWitnessScript }];
  });
}

/** What the holder signs, if it broadcasts the transaction as it is: with anchors its fee must come from another input. */
export const holderSighash = ({ transaction, witnessScript, amountSat }: HtlcTx): Uint8Array =>
  sighashAll(transaction, 0, witnessScript, amountSat);

/** The witness of input 0. Signatures are compact; `preimage`: of the payment hash, for HTLC-success and only for it. */
export function htlcTxWitness(
  htlcTx: Pick<HtlcTx, 'kind' | 'witnessScript'>,
  kind: ChannelKind,
  remoteSignature: Uint8Array,
  holderSignature: Uint8Array,
  preimage?: Uint8Array,
): readonly Uint8Array[] {
  if ((htlcTx.kind === 'success') !== (preimage !== undefined)) throw new RangeError('htlcTxWitness: a preimage is for HTLC-success');
  // BOLT 3: "`0 <remotehtlcsig> <localhtlcsig>  <payment_preimage>` for HTLC-success, `0 <remotehtlcsig> <localhtlcsig> <>` for HTLC-timeout"
  return [
    new Uint8Array(0),
    derSignature(remoteSignature, remoteSighashType(kind)),
    derSignature(holderSignature),
    preimage ?? new Uint8Array(0),
    htlcTx.witnessScript,
  ];
}

/** The transaction with its one input, serialised for broadcast. With anchors it pays no fee. */
export function signedHtlcTx(
  htlcTx: HtlcTx,
  kind: ChannelKind,
  remoteSignature: Uint8Array,
  holderSignature: Uint8Array,
  preimage?: Uint8Array,
): Uint8Array {
  const witness = htlcTxWitness(htlcTx, kind, remoteSignature, holderSignature, preimage);
  return serializeTransaction(withWitnesses(htlcTx.transaction, [witness]));
}
