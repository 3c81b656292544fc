/**
 * BOLT 4 § Failure Messages, "An erring node": the checks that need more than the onion. A value is the failure to answer with.
 * Callers must still give the failure its form with `refusal` (`htlc.ts`).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import type { Failure } from './failure.ts';
import type { Hop, IncomingHtlc, Receipt } from './htlc.ts';
import { sameMac } from './stream.ts';

/** BOLT 4: "This `max_htlc_cltv` value is defined as 2016 blocks". */
export const MAX_HTLC_CLTV = 2016;

/** What our `channel_update` for the outgoing channel says. */
export type ForwardingPolicy = {
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimumMsat: bigint;
  readonly htlcMaximumMsat: bigint;
  readonly disabled: boolean;
};
type Htlc = Pick<IncomingHtlc, 'amountMsat' | 'cltvExpiry'>;

/** BOLT 7 § HTLC Fees. */
export const forwardingFeeMsat = (amtToForward: bigint, { feeBaseMsat, feeProportionalMillionths }: ForwardingPolicy): bigint =>
  BigInt(feeBaseMsat) + (amtToForward * BigInt(feeProportionalMillionths)) / 1_000_000n;

/**
 * In the order of the list of codes: BOLT 4: "if there is more than one error: SHOULD select the first error it encounters from the list
 * above". No failure carries a `channel_update`: "a massive fingerprinting vulnerability". `tooSoonBlocks` is what we need to claim on chain.
 */
export function checkForward(input: {
  readonly htlc: Htlc;
  readonly hop: Pick<Hop, 'amtToForward' | 'outgoingCltvValue'>;
  readonly policy: ForwardingPolicy;
  readonly height: number;
  readonly tooSoonBlocks: number;
}): Failure | undefined {
  const { htlc, hop, policy, height, tooSoonBlocks } = input;
  const channelUpdate = new Uint8Array(0);
  const { amtToForward, outgoingCltvValue } = hop;
  if (amtToForward > policy.htlcMaximumMsat) return { name: 'temporary_channel_failure', channelUpdate };
  // BOLT 4: "report the amount of the outgoing HTLC and the current channel setting for the outgoing channel"
  if (amtToForward < policy.htlcMinimumMsat) return { name: 'amount_below_minimum', htlcMsat: amtToForward, channelUpdate };
  // BOLT 4: "incoming `amount_msat` - `fee` < `amt_to_forward`"
  const fee = forwardingFeeMsat(amtToForward, policy);
  if (htlc.amountMsat - fee < amtToForward) return { name: 'fee_insufficient', htlcMsat: htlc.amountMsat, channelUpdate };
  // BOLT 4: "`cltv_expiry` - `cltv_expiry_delta` < `outgoing_cltv_value`", and "report the `cltv_expiry` of the outgoing HTLC"
  if (htlc.cltvExpiry - policy.cltvExpiryDelta < outgoingCltvValue) {
    return { name: 'incorrect_cltv_expiry', cltvExpiry: outgoingCltvValue, channelUpdate };
  }
  // BOLT 4: "if the `cltv_expiry` is unreasonably near the present"
  if (outgoingCltvValue < height + tooSoonBlocks) return { name: 'expiry_too_soon', channelUpdate };
  if (policy.disabled) return { name: 'channel_disabled', disabledFlags: 0, channelUpdate };
  // BOLT 4: "if the `cltv_expiry` is more than `max_htlc_cltv` in the future: return an `expiry_too_far` error"
  return htlc.cltvExpiry > height + MAX_HTLC_CLTV ? { name: 'expiry_too_far' } : undefined;
}

/** What a receipt is held against: an invoice of ours, or what we ask of a payment without one. */
export type Expected = {
  /** Undefined where the payment needs none (keysend), or where a blinded path stands for it. */
  readonly paymentSecret?: Uint8Array;
  /** Undefined for an invoice that left it open. */
  readonly amountMsat?: bigint;
  readonly minFinalCltvExpiryDelta: number;
  /** As the invoice had it. */
  readonly paymentMetadata?: Uint8Array;
  readonly basicMpp: boolean;
};

/**
 * A final node's checks of one part; whether the parts reach `totalMsat` is for the set. All but one failure look like an unknown hash,
 * so that nobody learns by guessing who is paid: BOLT 4: "MUST return an `incorrect_or_unknown_payment_details` error".
 */
export function checkReceipt(input: {
  readonly htlc: Htlc;
  readonly receipt: Receipt;
  readonly expected: Expected;
  readonly height: number;
}): Failure | undefined {
  const { htlc, receipt, expected, height } = input;
  const secretFits = fits(expected.paymentSecret, receipt.paymentSecret);
  const metadataFits = fits(expected.paymentMetadata, receipt.paymentMetadata);
  const { amountMsat } = expected;
  // BOLT 4: "if the amount paid is less than the amount expected", and "if the amount paid is more than twice the amount expected"
  const amountFits = amountMsat === undefined || (receipt.totalMsat >= amountMsat && receipt.totalMsat <= 2n * amountMsat);
  // BOLT 4: "MUST fail the HTLC if `total_msat` is not exactly equal to `amt_to_forward`"
  const partFits = expected.basicMpp || receipt.totalMsat === receipt.amtToForward;
  // BOLT 4: "incoming `cltv_expiry` < `current_block_height` + `min_final_cltv_expiry_delta`"
  const timeFits = htlc.cltvExpiry >= height + expected.minFinalCltvExpiryDelta;
  return secretFits && metadataFits && amountFits && partFits && timeFits ? undefined : unknownPayment(htlc, height);
}

const fits = (expected: Uint8Array | undefined, given: Uint8Array | undefined): boolean =>
  expected === undefined || (given !== undefined && sameMac(expected, given));

/** A payment without an invoice: whoever sent it knows the preimage, so it proves nothing. */
export const isKeysend = ({ keysendPreimage }: Receipt, paymentHash: Uint8Array): boolean =>
  keysendPreimage !== undefined && sameMac(sha256(keysendPreimage), paymentHash);

/** The answer for a hash that we do not know, too. */
export const unknownPayment = ({ amountMsat }: Pick<Htlc, 'amountMsat'>, height: number): Failure => ({
  name: 'incorrect_or_unknown_payment_details',
  htlcMsat: amountMsat,
  height,
});
