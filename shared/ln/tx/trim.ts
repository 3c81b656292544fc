/**
 * Which HTLCs of a commitment are too small to be outputs, and how much is at stake in them. BOLT 3 § Trimmed Outputs; BOLT 2
 * § Bounding exposure to trimmed in-flight HTLCs. "Offered" is meant of the holder of the commitment: of two mirrored commitments
 * an HTLC may be trimmed in one and not in the other.
 */
import { type ChannelKind, htlcSuccessFeeSat, htlcTimeoutFeeSat } from './weight.ts';

export { htlcSuccessFeeSat, htlcTimeoutFeeSat } from './weight.ts';

/** An HTLC in flight, as the holder of a commitment sees it. */
export type TemplateHtlc = {
  /** By the holder. */
  readonly offered: boolean;
  /** The `id` of its `update_add_htlc`: counted by the side that offers it. */
  readonly id: bigint;
  readonly amountMsat: bigint;
  readonly paymentHash: Uint8Array;
  readonly cltvExpiry: number;
};

/** What decides which outputs are trimmed: any commitment template has it. `dustLimitSat`: the holder's own. */
export type TrimRules = { readonly kind: ChannelKind; readonly dustLimitSat: bigint; readonly feeratePerKw: number };

/** What the second-stage transaction of an HTLC pays, in satoshi. */
export const htlcTxFeeSat = ({ kind, feeratePerKw }: TrimRules, { offered }: Pick<TemplateHtlc, 'offered'>): bigint =>
  offered ? htlcTimeoutFeeSat(kind, feeratePerKw) : htlcSuccessFeeSat(kind, feeratePerKw);

// BOLT 3: "if the HTLC amount minus the HTLC-timeout fee would be less than `dust_limit_satoshis` set by the transaction owner: MUST NOT
// contain that output." Likewise a received one, by the HTLC-success fee.
export const isTrimmed = (rules: TrimRules, htlc: Pick<TemplateHtlc, 'offered' | 'amountMsat'>): boolean =>
  htlc.amountMsat / 1000n - htlcTxFeeSat(rules, htlc) < rules.dustLimitSat;

/** The least amount that is an output, for one direction: what decides many HTLCs at once. */
export const outputFromMsat = (rules: TrimRules, offered: boolean): bigint =>
  (rules.dustLimitSat + htlcTxFeeSat(rules, { offered })) * 1000n;

/** The HTLCs that are outputs. */
export const untrimmed = (template: TrimRules & { readonly htlcs: readonly TemplateHtlc[] }): readonly TemplateHtlc[] =>
  template.htlcs.filter((htlc) => !isTrimmed(template, htlc));

/** What miners would take of these HTLCs, at the feerate of `rules`, if the commitment were broadcast. */
export const dustExposureMsat = (rules: TrimRules, htlcs: readonly Pick<TemplateHtlc, 'offered' | 'amountMsat'>[]): bigint =>
  htlcs.reduce((sum, htlc) => (isTrimmed(rules, htlc) ? sum + htlc.amountMsat : sum), 0n);
