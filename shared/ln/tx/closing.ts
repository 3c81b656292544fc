/**
 * The closing transaction, legacy (`closing_signed`) and simple (`closing_complete`, `closing_sig`). BOLT 3 § Legacy Closing
 * Transaction and § Closing Transaction.
 *
 * Callers check who may leave out whose output (BOLT 2), that scripts are of an allowed form, and the peer's signature over `sighash`.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { type FundingSignature, fundingWitness } from './commitment.ts';
import { isDust } from './dust.ts';
import { fundingWitnessScript } from './scripts.ts';
import {
  compareOutputs,
  type Outpoint,
  serializeTransaction,
  sighashAll,
  type Transaction,
  type TxOutput,
  txidOf,
  withWitnesses,
} from './transaction.ts';
import { signatureBytes, transactionWeight, witnessWeight } from './weight.ts';

export type ClosingChannel = {
  readonly fundingOutpoint: Outpoint;
  readonly fundingAmountSat: bigint;
  readonly localFundingPubkey: Uint8Array;
  readonly remoteFundingPubkey: Uint8Array;
};

/** `outputs` in any order. */
export type ClosingPlan = ClosingChannel & {
  readonly outputs: readonly TxOutput[];
  readonly lockTime: number;
  readonly sequence: number;
};

export type ClosingTx = {
  readonly transaction: Transaction;
  readonly txid: Uint8Array;
  /** The digest both sides sign. */
  readonly sighash: Uint8Array;
  /** Of the signed transaction, at most. */
  readonly weight: number;
  /** Funding minus outputs: what is rounded off or left out counts. */
  readonly feeSat: bigint;
  readonly fundingWitnessScript: Uint8Array;
};

export type ClosingError = {
  readonly code: 'fee-exceeds-balance' | 'outputs-exceed-funding' | 'no-outputs';
  readonly detail: string;
};

/** What a side has, before the fee, and where it wants it. */
export type ClosingSide = { readonly balanceMsat: bigint; readonly scriptPubKey: Uint8Array };

/** BOLT 3: "`txin[0]` sequence: 0xFFFFFFFF" */
const legacySequence = 0xffff_ffff;
/** BOLT 3: "`txin[0]` sequence: 0xFFFFFFFD" */
const simpleSequence = 0xffff_fffd;

export function buildClosing(plan: ClosingPlan): Result<ClosingTx, ClosingError> {
  const { fundingOutpoint, fundingAmountSat, outputs } = plan;
  if (outputs.length === 0) return err({ code: 'no-outputs', detail: 'nobody would be paid' });
  const feeSat = fundingAmountSat - outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  if (feeSat < 0n) return err({ code: 'outputs-exceed-funding', detail: `outputs exceed ${fundingAmountSat} sat by ${-feeSat} sat` });
  const witnessScript = fundingWitnessScript(plan.localFundingPubkey, plan.remoteFundingPubkey);
  const transaction: Transaction = {
    version: 2,
    lockTime: plan.lockTime,
    inputs: [{ outpoint: fundingOutpoint, sequence: plan.sequence, witness: [] }],
    outputs: [...outputs].sort(compareOutputs),
  };
  return ok({
    transaction,
    txid: txidOf(transaction),
    sighash: sighashAll(transaction, 0, witnessScript, fundingAmountSat),
    weight: closingWeight(outputs.map(({ scriptPubKey }) => scriptPubKey)),
    feeSat,
    fundingWitnessScript: witnessScript,
  });
}

/** Of a signed closing transaction that pays these scripts, at most. */
export const closingWeight = (scripts: readonly Uint8Array[]): number =>
  transactionWeight([witnessWeight([0, signatureBytes, signatureBytes, 71])], scripts);

export type LegacyClosing = {
  readonly channel: ClosingChannel;
  readonly local: ClosingSide;
  readonly remote: ClosingSide;
  readonly localIsOpener: boolean;
  readonly feeSat: bigint;
  /** Of the side that signs: its own `dust_limit_satoshis`. */
  readonly dustLimitSat: bigint;
  /** BOLT 3: "MAY eliminate its own output." The side that does. */
  readonly omitted?: 'local' | 'remote';
};

export function legacyClosing({
  channel,
  local,
  remote,
  localIsOpener,
  feeSat,
  dustLimitSat,
  omitted,
}: LegacyClosing): Result<ClosingTx, ClosingError> {
  // BOLT 3: "MUST subtract the fee given by `fee_satoshis` from the output to the funder."
  const localSat = local.balanceMsat / 1000n - (localIsOpener ? feeSat : 0n);
  const remoteSat = remote.balanceMsat / 1000n - (localIsOpener ? 0n : feeSat);
  if (localSat < 0n || remoteSat < 0n) return err({ code: 'fee-exceeds-balance', detail: `a fee of ${feeSat} sat` });
  // BOLT 3: "MUST remove any output below its own `dust_limit_satoshis`."
  const outputs: TxOutput[] = [];
  if (localSat >= dustLimitSat && omitted !== 'local') outputs.push({ amountSat: localSat, scriptPubKey: local.scriptPubKey });
  if (remoteSat >= dustLimitSat && omitted !== 'remote') outputs.push({ amountSat: remoteSat, scriptPubKey: remote.scriptPubKey });
  return buildClosing({ ...channel, outputs, lockTime: 0, sequence: legacySequence });
}

/** Which outputs there are: the names of the TLV fields that carry the signatures. */
export type ClosingVariant = 'closer_output_only' | 'closee_output_only' | 'closer_and_closee_outputs';

export type SimpleClosing = {
  readonly channel: ClosingChannel;
  /** The sender of `closing_complete`, who pays the fee. */
  readonly closer: ClosingSide;
  readonly closee: ClosingSide;
  readonly feeSat: bigint;
  readonly lockTime: number;
  readonly variant: ClosingVariant;
};

export function simpleClosing({ channel, closer, closee, feeSat, lockTime, variant }: SimpleClosing): Result<ClosingTx, ClosingError> {
  if (closer.balanceMsat / 1000n < feeSat) return err({ code: 'fee-exceeds-balance', detail: `a fee of ${feeSat} sat` });
  const all = [simpleOutput(closer, feeSat), simpleOutput(closee, 0n)];
  const outputs = variant === 'closer_output_only' ? all.slice(0, 1) : variant === 'closee_output_only' ? all.slice(1) : all;
  return buildClosing({ ...channel, outputs, lockTime, sequence: simpleSequence });
}

/**
 * BOLT 3: "MUST set the output amount to 0 if the `scriptpubkey` is `OP_RETURN`." and "MUST subtract the fee given by `fee_satoshis`
 * from the closer output." The closee's pays none.
 */
const simpleOutput = ({ balanceMsat, scriptPubKey }: ClosingSide, feeSat: bigint): TxOutput => ({
  amountSat: scriptPubKey[0] === 0x6a ? 0n : balanceMsat / 1000n - feeSat,
  scriptPubKey,
});

/**
 * Which signatures a `closing_complete` carries, from a closer that leaves out no output but dust. BOLT 2 § Closing Negotiation.
 * Callers choose a fee that the closer has, and that leaves an output above dust.
 */
export function closerVariants({ closer, closee, feeSat }: Pick<SimpleClosing, 'closer' | 'closee' | 'feeSat'>): readonly ClosingVariant[] {
  // BOLT 2: "If the local outstanding balance (in millisatoshi) is less than the remote outstanding balance: MUST NOT set
  // `closer_output_only`. MUST set `closee_output_only` if the local output amount is dust."
  if (closer.balanceMsat < closee.balanceMsat)
    return isDust(simpleOutput(closer, feeSat)) ? ['closee_output_only'] : ['closer_and_closee_outputs'];
  // BOLT 2: "If the closee's output amount is dust: MUST set `closer_output_only`. MUST NOT set `closer_and_closee_outputs`.
  // Otherwise: MUST set both `closer_output_only` and `closer_and_closee_outputs`."
  return isDust(simpleOutput(closee, 0n)) ? ['closer_output_only'] : ['closer_output_only', 'closer_and_closee_outputs'];
}

/** The one signature of a `closing_complete` that the closee must check and answer: it may be absent from `offered`, a fault. */
export function closeeVariant(closee: ClosingSide, offered: readonly ClosingVariant[]): ClosingVariant {
  // BOLT 2: "If the local output amount is dust: MUST use `closer_output_only`."
  if (isDust(simpleOutput(closee, 0n))) return 'closer_output_only';
  // BOLT 2: "Otherwise, if `closer_and_closee_outputs` is present: MUST use `closer_and_closee_outputs`. Otherwise: MUST use
  // `closee_output_only`."
  return offered.includes('closer_and_closee_outputs') ? 'closer_and_closee_outputs' : 'closee_output_only';
}

/** Ready to broadcast, serialised. Check both signatures before. */
export const signedClosing = ({ transaction, fundingWitnessScript }: ClosingTx, a: FundingSignature, b: FundingSignature): Uint8Array =>
  serializeTransaction(withWitnesses(transaction, [fundingWitness(fundingWitnessScript, a, b)]));
