/** Expected weights and the fees that follow from them. BOLT 3 § Fee Calculation and Appendix A. One function for both sides. */

export type ChannelKind = 'static_remotekey' | 'anchors_zero_fee_htlc_tx';

const commitmentWeight: { readonly [kind in ChannelKind]: number } = { static_remotekey: 724, anchors_zero_fee_htlc_tx: 1124 };
const htlcOutputWeight = 172;
/** Only without anchors do second-stage transactions pay for themselves. */
const htlcTimeoutWeight = 663;
const htlcSuccessWeight = 703;

/** The value of one anchor output: "The amount of the output is fixed at 330 sats" */
export const anchorSat = 330n;

/** The base fee, in satoshi, that the opener pays for a commitment with `htlcCount` untrimmed HTLCs. */
export const commitmentFeeSat = (kind: ChannelKind, feeratePerKw: number, htlcCount: number): bigint =>
  // BOLT 3: "Multiply `feerate_per_kw` by `weight`, divide by 1000 (rounding down)."
  (BigInt(feeratePerKw) * BigInt(commitmentWeight[kind] + htlcOutputWeight * htlcCount)) / 1000n;

/** What the opener gives up for both anchors, in satoshi: paid even where an anchor is not made. */
export const anchorsSat = (kind: ChannelKind): bigint => (kind === 'anchors_zero_fee_htlc_tx' ? 2n * anchorSat : 0n);

/** What an HTLC transaction pays, in satoshi. BOLT 3: "If `option_anchors` applies: 1. MUST be 0." */
const htlcFeeSat = (kind: ChannelKind, feeratePerKw: number, weight: number): bigint =>
  kind === 'anchors_zero_fee_htlc_tx' ? 0n : (BigInt(feeratePerKw) * BigInt(weight)) / 1000n;
export const htlcTimeoutFeeSat = (kind: ChannelKind, feeratePerKw: number): bigint => htlcFeeSat(kind, feeratePerKw, htlcTimeoutWeight);
export const htlcSuccessFeeSat = (kind: ChannelKind, feeratePerKw: number): bigint => htlcFeeSat(kind, feeratePerKw, htlcSuccessWeight);

/** BOLT 3: "Signatures are 73 bytes long (the maximum length)." */
export const signatureBytes = 73;

const sizeBytes = (count: number): number => (count < 0xfd ? 1 : count <= 0xffff ? 3 : 5);

/** Of one input's witness: its bytes count once. */
export const witnessWeight = (itemBytes: readonly number[]): number =>
  itemBytes.reduce((sum, bytes) => sum + sizeBytes(bytes) + bytes, sizeBytes(itemBytes.length));

/** Of a transaction with these witnesses, one for each input, and these output scripts. */
export function transactionWeight(witnessWeights: readonly number[], outputScripts: readonly Uint8Array[]): number {
  const inputs = sizeBytes(witnessWeights.length) + 41 * witnessWeights.length;
  const outputs = outputScripts.reduce((sum, { length }) => sum + 8 + sizeBytes(length) + length, sizeBytes(outputScripts.length));
  // Version, locktime, and the marker and flag of segwit.
  return 4 * (4 + inputs + outputs + 4) + 2 + witnessWeights.reduce((sum, weight) => sum + weight, 0);
}
