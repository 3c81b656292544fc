/**
 * The commitment transaction. BOLT 3 § Commitment Transaction and § Commitment Transaction Construction.
 *
 * "local" of BOLT 3 is the **holder** here: the side that could broadcast this transaction. Both sides build it with this one
 * function. Callers still check that the points of the peer are points (BOLT 2 asks for it when they arrive) and, before they
 * agree to a state, `checkBalances`: the builder makes what BOLT 3 prescribes even where the opener cannot pay the whole fee.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { derivePubkey, revocationPubkey } from '../keys/derive.ts';
import { isPoint } from '../keys/secp.ts';
import {
  anchorWitnessScript,
  fundingWitnessScript,
  htlcWitnessScripts,
  p2wpkh,
  p2wsh,
  toLocalWitnessScript,
  toRemoteAnchorsWitnessScript,
} from './scripts.ts';
import {
  compareBytes,
  compareOutputs,
  derSignature,
  type Outpoint,
  serializeTransaction,
  sighashAll,
  type Transaction,
  withWitnesses,
} from './transaction.ts';
import { type TemplateHtlc, untrimmed } from './trim.ts';
import { anchorSat, anchorsSat, type ChannelKind, commitmentFeeSat } from './weight.ts';

export type { Outpoint } from './transaction.ts';
export type { TemplateHtlc } from './trim.ts';
export type { ChannelKind } from './weight.ts';

export type Basepoints = {
  readonly fundingPubkey: Uint8Array;
  readonly revocationBasepoint: Uint8Array;
  readonly paymentBasepoint: Uint8Array;
  readonly delayedPaymentBasepoint: Uint8Array;
  readonly htlcBasepoint: Uint8Array;
};

/** One commitment transaction, seen from its **holder** (the side that could broadcast it). */
export type CommitmentTemplate = {
  readonly kind: ChannelKind;
  /** Counts up from 0. */
  readonly number: bigint;
  readonly fundingOutpoint: Outpoint;
  readonly fundingAmountSat: bigint;
  /** True if the holder opened the channel: it pays the fee and the anchors. */
  readonly holderIsOpener: boolean;
  /** The balances are what is left beside the HTLCs: with them they are the funding amount. */
  readonly toHolderMsat: bigint;
  readonly toCounterpartyMsat: bigint;
  /** In any order, trimmed ones among them. */
  readonly htlcs: readonly TemplateHtlc[];
  readonly feeratePerKw: number;
  /** The holder's own dust limit. */
  readonly dustLimitSat: bigint;
  /** The delay the holder must wait (chosen by the counterparty). */
  readonly toSelfDelay: number;
  readonly holder: Basepoints;
  readonly counterparty: Basepoints;
  /** The holder's per-commitment point for this number. */
  readonly perCommitmentPoint: Uint8Array;
};

/** BOLT 3's names: "local" is the holder, who offers an offered HTLC. */
export type BalanceRole = 'to-local' | 'to-remote' | 'to-local-anchor' | 'to-remote-anchor';
export type HtlcRole = 'offered-htlc' | 'received-htlc';
export type OutputRole = BalanceRole | HtlcRole;

type OutputOf<Role> = { readonly role: Role; readonly amountSat: bigint; readonly scriptPubKey: Uint8Array };
/** `witnessScript`: what spends the output must show; absent for the P2WPKH `to_remote` of `static_remotekey`. */
export type BalanceOutput = OutputOf<BalanceRole> & { readonly witnessScript?: Uint8Array };
export type HtlcOutput = OutputOf<HtlcRole> & { readonly witnessScript: Uint8Array; readonly htlc: TemplateHtlc };
export type CommitmentOutput = BalanceOutput | HtlcOutput;

/** The derived keys of one commitment; with `option_static_remotekey` the counterparty's payment key is its basepoint. */
export type CommitmentKeys = {
  readonly revocationPubkey: Uint8Array;
  readonly delayedPubkey: Uint8Array;
  readonly holderHtlcPubkey: Uint8Array;
  readonly counterpartyHtlcPubkey: Uint8Array;
};

export type CommitmentTx = {
  readonly transaction: Transaction;
  /** The serialised transaction without witness. */
  readonly unsigned: Uint8Array;
  /** In wire (internal) byte order. */
  readonly txid: Uint8Array;
  /** The digest both sides sign. */
  readonly sighash: Uint8Array;
  readonly fundingWitnessScript: Uint8Array;
  readonly keys: CommitmentKeys;
  /** In transaction order. */
  readonly outputs: readonly CommitmentOutput[];
  /** What miners would get: funding minus outputs, so trimmed balances count. */
  readonly feeSat: bigint;
};

export type CommitmentError = {
  readonly code:
    | 'number-out-of-range'
    | 'amount-out-of-range'
    | 'feerate-out-of-range'
    | 'delay-out-of-range'
    | 'outpoint-invalid'
    | 'point-invalid'
    | 'htlc-invalid'
    | 'no-outputs'
    | 'outputs-exceed-funding';
  readonly detail: string;
};

const maxMoneySat = 21_000_000n * 100_000_000n;
const isU32 = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

/** BOLT 2: `cltv_expiry` is a block height, so below 500000000. */
const isHtlc = ({ amountMsat, cltvExpiry, paymentHash }: TemplateHtlc): boolean =>
  amountMsat >= 0n && isU32(cltvExpiry) && cltvExpiry < 500_000_000 && paymentHash.length === 32;

/**
 * Builds the unsigned transaction. Every error is a template that no honest channel has. `keys`: those of `commitmentKeys`, for a
 * caller that has them already: without HTLCs they are nearly all the work.
 */
export function buildCommitment(template: CommitmentTemplate, keys = commitmentKeys(template)): Result<CommitmentTx, CommitmentError> {
  const invalid = findInvalid(template);
  if (invalid !== undefined) return err(invalid);
  if (keys === undefined) return err({ code: 'point-invalid', detail: 'a basepoint or the per-commitment point is not on the curve' });
  const outputs = buildOutputs(template, keys);
  if (outputs.length === 0) return err({ code: 'no-outputs', detail: 'every amount is below the dust limit' });

  const { fundingOutpoint, fundingAmountSat, holder, counterparty } = template;
  const feeSat = fundingAmountSat - outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  // An opener that cannot pay for the anchors leaves the other side's anchor without funds.
  if (feeSat < 0n) return err({ code: 'outputs-exceed-funding', detail: `outputs exceed ${fundingAmountSat} sat by ${-feeSat} sat` });
  const obscured = template.number ^ obscuringFactor(template);
  const transaction: Transaction = {
    version: 2,
    // BOLT 3: "locktime: upper 8 bits are 0x20, lower 24 bits are the lower 24 bits of the obscured commitment number"
    lockTime: 0x2000_0000 + Number(obscured & 0xff_ffffn),
    // BOLT 3: "sequence: upper 8 bits are 0x80, lower 24 bits are upper 24 bits of the obscured commitment number"
    inputs: [{ outpoint: fundingOutpoint, sequence: 0x8000_0000 + Number(obscured >> 24n), witness: [] }],
    outputs: outputs.map(({ amountSat, scriptPubKey }) => ({ amountSat, scriptPubKey })),
  };
  const witnessScript = fundingWitnessScript(holder.fundingPubkey, counterparty.fundingPubkey);
  const unsigned = serializeTransaction(transaction);
  return ok({
    transaction,
    unsigned,
    txid: sha256(sha256(unsigned)),
    sighash: sighashAll(transaction, 0, witnessScript, fundingAmountSat),
    fundingWitnessScript: witnessScript,
    keys,
    outputs,
    feeSat,
  });
}

function findInvalid(template: CommitmentTemplate): CommitmentError | undefined {
  const { number, fundingOutpoint, fundingAmountSat, toHolderMsat, toCounterpartyMsat, dustLimitSat, feeratePerKw, toSelfDelay } = template;
  if (number < 0n || number >= 2n ** 48n) return { code: 'number-out-of-range', detail: `commitment number ${number}` };
  if (fundingOutpoint.txid.length !== 32 || !isU32(fundingOutpoint.vout)) return { code: 'outpoint-invalid', detail: 'funding outpoint' };
  if (fundingAmountSat <= 0n || fundingAmountSat > maxMoneySat || dustLimitSat < 0n || toHolderMsat < 0n || toCounterpartyMsat < 0n)
    return { code: 'amount-out-of-range', detail: 'an amount is negative, or the funding is not an amount of bitcoin' };
  const totalMsat = template.htlcs.reduce((sum, { amountMsat }) => sum + amountMsat, toHolderMsat + toCounterpartyMsat);
  if (totalMsat > fundingAmountSat * 1000n)
    return { code: 'amount-out-of-range', detail: `balances and HTLCs of ${totalMsat} msat exceed ${fundingAmountSat} sat` };
  const htlc = template.htlcs.find((one) => !isHtlc(one));
  if (htlc !== undefined) return { code: 'htlc-invalid', detail: `HTLC ${htlc.id}: its amount, expiry or payment hash` };
  if (!isU32(feeratePerKw)) return { code: 'feerate-out-of-range', detail: `feerate ${feeratePerKw}` };
  if (!isU32(toSelfDelay) || toSelfDelay > 0xffff) return { code: 'delay-out-of-range', detail: `delay ${toSelfDelay}` };
  // Funding keys and the payment basepoint enter scripts as they are; a wrong length would change a push.
  const raw = [template.holder.fundingPubkey, template.counterparty.fundingPubkey, template.counterparty.paymentBasepoint];
  if (raw.some(({ length }) => length !== 33)) return { code: 'point-invalid', detail: 'expected 33-byte compressed points' };
  return undefined;
}

/**
 * What each side has, in whole satoshi, once the opener has paid the base fee, its untrimmed HTLCs included, and the anchors: the
 * opener's may be below zero.
 */
export function balancesAfterFee(template: CommitmentTemplate): { readonly toHolderSat: bigint; readonly toCounterpartySat: bigint } {
  return balancesWith(template, untrimmed(template).length);
}

function balancesWith(template: CommitmentTemplate, htlcCount: number) {
  const costSat = commitmentFeeSat(template.kind, template.feeratePerKw, htlcCount) + anchorsSat(template.kind);
  // BOLT 3: "The amounts for each output MUST be rounded down to whole satoshis."
  const toHolderSat = template.toHolderMsat / 1000n;
  const toCounterpartySat = template.toCounterpartyMsat / 1000n;
  return template.holderIsOpener
    ? { toHolderSat: toHolderSat - costSat, toCounterpartySat }
    : { toHolderSat, toCounterpartySat: toCounterpartySat - costSat };
}

type Derive = (basepoint: Uint8Array, perCommitmentPoint: Uint8Array) => Uint8Array | undefined;

/**
 * Undefined if a point is not on the curve. Those of the HTLCs are derived when they are asked for: every other commitment has none.
 * `derive`: for who knows the secrets of one side, and has its keys for less.
 */
export function commitmentKeys(
  { holder, counterparty, perCommitmentPoint }: Pick<CommitmentTemplate, 'holder' | 'counterparty' | 'perCommitmentPoint'>,
  derive: Derive = derivePubkey,
): CommitmentKeys | undefined {
  const revocation = revocationPubkey(counterparty.revocationBasepoint, perCommitmentPoint);
  const delayedPubkey = derive(holder.delayedPaymentBasepoint, perCommitmentPoint);
  if (!revocation || !delayedPubkey || !isPoint(holder.htlcBasepoint) || !isPoint(counterparty.htlcBasepoint)) return undefined;
  const known: { holder?: Uint8Array; counterparty?: Uint8Array } = {};
  const htlcPubkey = ({ htlcBasepoint }: Basepoints): Uint8Array => {
    const pubkey = derive(htlcBasepoint, perCommitmentPoint);
    // Only infinity is left, and that takes a hash of the point that undoes it.
    if (!pubkey) throw new RangeError('commitmentKeys: a key at infinity');
    return pubkey;
  };
  return {
    revocationPubkey: revocation,
    delayedPubkey,
    get holderHtlcPubkey() {
      known.holder ??= htlcPubkey(holder);
      return known.holder;
    },
    get counterpartyHtlcPubkey() {
      known.counterparty ??= htlcPubkey(counterparty);
      return known.counterparty;
    },
  };
}

/** The outputs in transaction order. */
function buildOutputs(template: CommitmentTemplate, keys: CommitmentKeys): readonly CommitmentOutput[] {
  const { kind, dustLimitSat, holder, counterparty } = template;
  const anchors = kind === 'anchors_zero_fee_htlc_tx';
  const htlcs = untrimmed(template);
  const { toHolderSat, toCounterpartySat } = balancesWith(template, htlcs.length);
  const outputs: CommitmentOutput[] = htlcs.length > 0 ? htlcOutputs(htlcs, htlcWitnessScripts(anchors, keys)) : [];
  const addP2wsh = (role: BalanceRole, amountSat: bigint, witnessScript: Uint8Array): number =>
    outputs.push({ role, amountSat, scriptPubKey: p2wsh(witnessScript), witnessScript });

  // BOLT 3: "If the `to_local` amount is greater or equal to `dust_limit_satoshis`" it is an output; likewise `to_remote`.
  const toLocal = toHolderSat >= dustLimitSat;
  const toRemote = toCounterpartySat >= dustLimitSat;
  if (toLocal) addP2wsh('to-local', toHolderSat, toLocalWitnessScript(keys.revocationPubkey, template.toSelfDelay, keys.delayedPubkey));
  if (toRemote && anchors) addP2wsh('to-remote', toCounterpartySat, toRemoteAnchorsWitnessScript(counterparty.paymentBasepoint));
  else if (toRemote) outputs.push({ role: 'to-remote', amountSat: toCounterpartySat, scriptPubKey: p2wpkh(counterparty.paymentBasepoint) });
  // BOLT 3: "if `to_local` exists or there are untrimmed HTLCs, add a [`to_local_anchor` output]"; likewise `to_remote_anchor`.
  if (anchors && (toLocal || htlcs.length > 0)) addP2wsh('to-local-anchor', anchorSat, anchorWitnessScript(holder.fundingPubkey));
  if (anchors && (toRemote || htlcs.length > 0)) addP2wsh('to-remote-anchor', anchorSat, anchorWitnessScript(counterparty.fundingPubkey));
  return outputs.sort(compareCommitmentOutputs);
}

const htlcOutputs = (htlcs: readonly TemplateHtlc[], scripts: ReturnType<typeof htlcWitnessScripts>): HtlcOutput[] =>
  htlcs.map((htlc) => {
    const witnessScript = (htlc.offered ? scripts.offered : scripts.received)(htlc.paymentHash, htlc.cltvExpiry);
    const role = htlc.offered ? 'offered-htlc' : 'received-htlc';
    return { role, amountSat: htlc.amountMsat / 1000n, scriptPubKey: p2wsh(witnessScript), witnessScript, htlc };
  });

/**
 * BOLT 3: "finally, for HTLC outputs, in increasing `cltv_expiry` order". Where even that is the same (so are the second-stage
 * transactions) the id decides, that signatures once stored stay with their HTLC.
 */
function compareCommitmentOutputs(a: CommitmentOutput, b: CommitmentOutput): number {
  const byOutput = compareOutputs(a, b);
  if (byOutput !== 0 || !('htlc' in a) || !('htlc' in b)) return byOutput;
  return a.htlc.cltvExpiry - b.htlc.cltvExpiry || (a.htlc.id < b.htlc.id ? -1 : 1);
}

/** BOLT 3: "the lower 48 bits of: SHA256(payment_basepoint from open_channel || payment_basepoint from accept_channel)" */
export function obscuringFactor({
  holderIsOpener,
  holder,
  counterparty,
}: Pick<CommitmentTemplate, 'holderIsOpener' | 'holder' | 'counterparty'>): bigint {
  const [opener, accepter] = holderIsOpener ? [holder, counterparty] : [counterparty, holder];
  const hash = sha256(concat(opener.paymentBasepoint, accepter.paymentBasepoint));
  return hash.subarray(26).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

export type BalanceError =
  | { readonly code: 'opener-cannot-pay-fee'; readonly shortSat: bigint }
  | { readonly code: 'both-below-reserve'; readonly reserveSat: bigint };

/** The two balance rules of an initial commitment, BOLT 2 § `open_channel`. `reserveSat`: the opener's `channel_reserve_satoshis`. */
export function checkBalances(template: CommitmentTemplate, reserveSat: bigint): Result<void, BalanceError> {
  const { toHolderSat, toCounterpartySat } = balancesAfterFee(template);
  const openerSat = template.holderIsOpener ? toHolderSat : toCounterpartySat;
  // BOLT 2: "the funder's amount for the initial commitment transaction is not sufficient for full" fee payment
  if (openerSat < 0n) return err({ code: 'opener-cannot-pay-fee', shortSat: -openerSat });
  // BOLT 2: "both `to_local` and `to_remote` amounts for the initial commitment transaction are less than or equal to `channel_reserve_satoshis`"
  if (toHolderSat <= reserveSat && toCounterpartySat <= reserveSat) return err({ code: 'both-below-reserve', reserveSat });
  return ok(undefined);
}

/** A compact signature and the funding key it belongs to. */
export type FundingSignature = { readonly pubkey: Uint8Array; readonly signature: Uint8Array };

/** What spends the funding output. Check both signatures before. */
export function fundingWitness(fundingWitnessScript: Uint8Array, a: FundingSignature, b: FundingSignature): readonly Uint8Array[] {
  // BOLT 3: "`txin[0]` witness: `0 <signature_for_pubkey1> <signature_for_pubkey2>`"
  const [first, second] = compareBytes(a.pubkey, b.pubkey) <= 0 ? [a, b] : [b, a];
  return [new Uint8Array(0), derSignature(first.signature), derSignature(second.signature), fundingWitnessScript];
}

/** The transaction ready to broadcast, serialised. */
export const signedCommitment = (
  { transaction, fundingWitnessScript }: Pick<CommitmentTx, 'transaction' | 'fundingWitnessScript'>,
  a: FundingSignature,
  b: FundingSignature,
): Uint8Array => serializeTransaction(withWitnesses(transaction, [fundingWitness(fundingWitnessScript, a, b)]));
