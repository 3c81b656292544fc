/**
 * How an HTLC of a peer ends, as BOLT 2 says it, with what BOLT 4 § Returning Errors adds for the payer: how long each hop held it. What the
 * next node added, where there is one, goes along under a layer of ours; where it added nothing, attribution begins with us.
 *
 * `heldMs`: since the HTLC was ours to answer. Whoever does not know says zero.
 */
import { type AttributionData, attribute } from '../onion/attribution.ts';
import { type FailureReturn, failHtlc, relayFailure } from '../onion/failure-packet.ts';
import type { Refusal } from '../onion/htlc.ts';
import type { PartEnd } from './command.ts';

export type HtlcEnd =
  | { readonly kind: 'fulfill'; readonly preimage: Uint8Array; readonly attribution?: AttributionData }
  | { readonly kind: 'fail'; readonly reason: Uint8Array; readonly attribution?: AttributionData }
  | { readonly kind: 'fail-malformed'; readonly sha256OfOnion: Uint8Array; readonly failureCode: number };
export type Fulfilment = Extract<HtlcEnd, { readonly kind: 'fulfill' }>;

// BOLT 4: "The `htlc_hold_times` field specifies the htlc hold time for each hop in units of 100 milliseconds."
const holdTimeOf = (heldMs: number): number => Math.floor(heldMs / 100);
const failing = ({ reason, attributionData: attribution }: FailureReturn): HtlcEnd => ({ kind: 'fail', reason, attribution });

/** Of an HTLC without `path_key`: within a blinded path nobody tells times. */
// BOLT 2: "MUST initialize `attribution_data` and include it in `update_fail_htlc` and `update_fulfill_htlc`."
export function endOfFulfilment(
  sharedSecret: Uint8Array,
  { preimage, attribution: downstream }: Omit<Fulfilment, 'kind'>,
  heldMs: number,
): Fulfilment {
  const packet = new Uint8Array(0);
  const attribution = attribute({ sharedSecret, packet, holdTime: holdTimeOf(heldMs), ...(downstream ? { downstream } : {}) });
  return { kind: 'fulfill', preimage, attribution };
}

/** Made by us. */
export function endOfRefusal(refused: Refusal, heldMs: number): HtlcEnd {
  if (refused.reply === 'malformed')
    return { kind: 'fail-malformed', sha256OfOnion: refused.sha256OfOnion, failureCode: refused.failureCode };
  const { sharedSecret, failure } = refused;
  return failing(failHtlc({ sharedSecret, failure, holdTime: holdTimeOf(heldMs) }));
}

/** Of the next node, in one more layer. */
// BOLT 4: "if `attribution_data` is received from downstream: MUST transform `attribution_data` as described above"
export function endOfFailure(
  sharedSecret: Uint8Array,
  { reason, attribution: attributionData }: Omit<Extract<PartEnd, { readonly kind: 'fail' }>, 'kind'>,
  heldMs: number,
): HtlcEnd {
  return failing(relayFailure({ sharedSecret, reason, holdTime: holdTimeOf(heldMs), ...(attributionData ? { attributionData } : {}) }));
}
