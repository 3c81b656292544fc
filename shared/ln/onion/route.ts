/**
 * BOLT 4 § `payload` format, "The writer": the payloads of a payment's route, and its onion.
 *
 * Callers must still: compute the amounts and expiries (`htlcs[0]` is what they offer themselves), keep the last expiry at or above the
 * present height and the recipient's delta, and never send a second part once `totalMsat` is on its way.
 */
import type { Result } from '../../lib/result.ts';
import type { UnknownTlv } from '../wire/tlv.ts';
import type { BlindedPath } from './blinding.ts';
import { encodePayload, type PaymentPayload } from './payload.ts';
import { type BuildError, type BuiltOnion, buildOnion, type OnionHop } from './sphinx.ts';

/** An HTLC of the route: over this channel, to this node. */
export type RouteHtlc = {
  readonly nodeId: Uint8Array;
  readonly shortChannelId: bigint;
  readonly amountMsat: bigint;
  readonly cltvExpiry: number;
};

/** Whom the route ends at. */
export type Recipient =
  | {
      readonly tag: 'node';
      /** Of all parts together. */
      readonly totalMsat: bigint;
      readonly paymentSecret?: Uint8Array;
      readonly paymentMetadata?: Uint8Array;
      readonly keysendPreimage?: Uint8Array;
      /** Of odd types: even ones would be refused by who does not know them. */
      readonly customRecords?: readonly UnknownTlv[];
    }
  /** The route ends at the introduction node; what arrives after the path is this. */
  | {
      readonly tag: 'blinded';
      readonly path: BlindedPath;
      readonly amountMsat: bigint;
      readonly totalMsat: bigint;
      readonly cltvExpiry: number;
    };

/** Hops for `buildOnion`, from our peer on. */
export function routeHops(htlcs: readonly RouteHtlc[], recipient: Recipient): readonly OnionHop[] {
  return htlcs.flatMap(({ nodeId, amountMsat, cltvExpiry }, i) => {
    const next = htlcs[i + 1];
    if (next !== undefined) {
      const { shortChannelId, amountMsat: amtToForward, cltvExpiry: outgoingCltvValue } = next;
      return [{ nodeId, payload: encodePayload({ amtToForward, outgoingCltvValue, shortChannelId }) }];
    }
    if (recipient.tag === 'blinded') return blindedHops(nodeId, recipient);
    const { totalMsat, paymentSecret, customRecords: unknownTlvs, tag: _, ...told } = recipient;
    const paymentData = paymentSecret === undefined ? {} : { paymentData: { paymentSecret, totalMsat } };
    const records = unknownTlvs === undefined ? {} : { unknownTlvs };
    return [
      { nodeId, payload: encodePayload({ amtToForward: amountMsat, outgoingCltvValue: cltvExpiry, ...paymentData, ...told, ...records }) },
    ];
  });
}

function blindedHops(
  introduction: Uint8Array,
  { path, amountMsat, totalMsat, cltvExpiry }: Extract<Recipient, { tag: 'blinded' }>,
): OnionHop[] {
  return path.hops.map(({ blindedNodeId, encryptedRecipientData }, i) => {
    const isLast = i === path.hops.length - 1;
    const payload: PaymentPayload = {
      // BOLT 4: "MUST include the `encrypted_recipient_data` provided by the recipient"
      encryptedRecipientData,
      // BOLT 4: "MUST include the `path_key` provided by the recipient in `current_path_key`"
      ...(i === 0 ? { currentPathKey: path.firstPathKey } : {}),
      // BOLT 4: "MUST include `amt_to_forward`, `outgoing_cltv_value` and `total_amount_msat`"
      ...(isLast ? { amtToForward: amountMsat, outgoingCltvValue: cltvExpiry, totalAmountMsat: totalMsat } : {}),
    };
    // BOLT 4: "SHOULD create an unblinded onion payment to `first_node_id`"
    return { nodeId: i === 0 ? introduction : blindedNodeId, payload: encodePayload(payload) };
  });
}

/** `sessionKey` must be fresh. */
export const paymentOnion = (input: {
  readonly sessionKey: Uint8Array;
  readonly paymentHash: Uint8Array;
  readonly htlcs: readonly RouteHtlc[];
  readonly recipient: Recipient;
}): Result<BuiltOnion, BuildError> =>
  buildOnion({ sessionKey: input.sessionKey, hops: routeHops(input.htlcs, input.recipient), associatedData: input.paymentHash });
