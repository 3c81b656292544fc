/**
 * BOLT 4 § `payload` format, "The reader": what an HTLC with its onion asks of us. Either a hop, or a receipt, or the one failure that
 * answers it.
 *
 * Callers must still: find the payment (hash, secret, amount, `pathId`, parts of a set) of a receipt, find the channel of a hop and hold
 * it against `checkForward`, and turn every later failure of the HTLC, also one from downstream, into an answer with `refusal`.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { err, ok, type Result } from '../../lib/result.ts';
import type { UnknownTlv } from '../wire/tlv.ts';
import { type EncryptedData, relayedAmountMsat, unblind } from './blinding.ts';
import { badOnion } from './codes.ts';
import type { AnyFailure, Failure } from './failure.ts';
import { decodePayload, invalidRecord, type PayloadName, type PaymentPayload } from './payload.ts';
import { type PeeledOnion, peelOnion } from './sphinx.ts';

/** Of `update_add_htlc`. */
export type IncomingHtlc = {
  readonly amountMsat: bigint;
  readonly paymentHash: Uint8Array;
  readonly cltvExpiry: number;
  readonly onionRoutingPacket: Uint8Array;
  readonly pathKey?: Uint8Array;
};

/** How failures of this HTLC are told: in plain; as the entrance of a blinded path; from within one. */
export type FailureVoice =
  | { readonly voice: 'plain' | 'introduction'; readonly sharedSecret: Uint8Array; readonly sha256OfOnion: Uint8Array }
  | { readonly voice: 'blinded'; readonly sha256OfOnion: Uint8Array };

export type Hop = {
  readonly tag: 'hop';
  readonly answer: FailureVoice;
  /** Wraps what comes back (`relayFailure`, `attribute`) where the voice is plain; else every failure is `refusal`'s. */
  readonly sharedSecret: Uint8Array;
  readonly to: { readonly shortChannelId: bigint } | { readonly nextNodeId: Uint8Array };
  readonly amtToForward: bigint;
  readonly outgoingCltvValue: number;
  readonly next: Uint8Array;
  readonly nextPathKey?: Uint8Array;
};
export type Receipt = {
  readonly tag: 'receipt';
  readonly answer: FailureVoice;
  readonly sharedSecret: Uint8Array;
  readonly amtToForward: bigint;
  readonly outgoingCltvValue: number;
  /** Of the whole set of parts. */
  readonly totalMsat: bigint;
  readonly paymentSecret?: Uint8Array;
  readonly paymentMetadata?: Uint8Array;
  readonly keysendPreimage?: Uint8Array;
  /** The end of a blinded path that somebody made; whether it was us, `pathId` says. */
  readonly blinded: boolean;
  readonly pathId?: Uint8Array;
  readonly customRecords: readonly UnknownTlv[];
};

/** The answer to an HTLC that fails: to the sender, or to the peer alone. */
export type Refusal =
  | { readonly reply: 'fail'; readonly sharedSecret: Uint8Array; readonly failure: AnyFailure }
  | { readonly reply: 'malformed'; readonly failureCode: number; readonly sha256OfOnion: Uint8Array };

export function refusal(answer: FailureVoice, failure: AnyFailure): Refusal {
  const { sha256OfOnion } = answer;
  // BOLT 4: "if `path_key` is set in the incoming `update_add_htlc`: MUST return an `invalid_onion_blinding` error"
  if (answer.voice === 'blinded') return { reply: 'malformed', failureCode: badOnion.invalid_onion_blinding, sha256OfOnion };
  const { sharedSecret } = answer;
  // BOLT 4: "if `current_path_key` is set in the onion payload and it is not the final node: MUST return an `invalid_onion_blinding` error"
  if (answer.voice === 'introduction') return { reply: 'fail', sharedSecret, failure: { name: 'invalid_onion_blinding', sha256OfOnion } };
  return { reply: 'fail', sharedSecret, failure };
}

/** Never throws on what a peer sent. */
export function readHtlc(htlc: IncomingHtlc, nodeSecret: Uint8Array): Result<Hop | Receipt, Refusal> {
  const { onionRoutingPacket: packet, paymentHash: associatedData, pathKey } = htlc;
  const peeled = peelOnion({ packet, associatedData, nodeSecret, ...(pathKey ? { pathKey } : {}) });
  const sha256OfOnion = sha256(packet);
  if (!peeled.ok) {
    if (peeled.error.reply === 'malformed') return err(peeled.error);
    const { sharedSecret } = peeled.error;
    return err(refusal({ voice: 'plain', sharedSecret, sha256OfOnion }, { name: 'invalid_onion_payload', type: 0n, offset: 0 }));
  }
  const { sharedSecret, next } = peeled.value;
  const outside: FailureVoice = pathKey ? { voice: 'blinded', sha256OfOnion } : { voice: 'plain', sharedSecret, sha256OfOnion };
  const payload = decodePayload(peeled.value.payload);
  if (!payload.ok) return err(refusal(outside, payload.error));
  const introduces = payload.value.currentPathKey !== undefined && next !== undefined && pathKey === undefined;
  const answer: FailureVoice = introduces ? { voice: 'introduction', sharedSecret, sha256OfOnion } : outside;
  const read =
    payload.value.encryptedRecipientData === undefined
      ? readPlain(htlc, payload.value, peeled.value, answer)
      : readBlinded(htlc, payload.value, payload.value.encryptedRecipientData, peeled.value, answer, nodeSecret);
  return 'tag' in read ? ok(read) : err(refusal(answer, read));
}

function readPlain(
  htlc: IncomingHtlc,
  payload: PaymentPayload,
  { sharedSecret, next }: PeeledOnion,
  answer: FailureVoice,
): Hop | Receipt | Failure {
  const { amtToForward, outgoingCltvValue, shortChannelId, paymentData } = payload;
  // BOLT 4: "MUST return an error if `path_key` is set in the incoming `update_add_htlc` or `current_path_key` is present"
  if (htlc.pathKey !== undefined || payload.currentPathKey !== undefined) return invalidRecord('encryptedRecipientData');
  // BOLT 4: "MUST return an error if `amt_to_forward` or `outgoing_cltv_value` are not present"
  if (amtToForward === undefined) return invalidRecord('amtToForward');
  if (outgoingCltvValue === undefined) return invalidRecord('outgoingCltvValue');
  if (next !== undefined) {
    if (shortChannelId === undefined) return invalidRecord('shortChannelId');
    return { tag: 'hop', answer, sharedSecret, to: { shortChannelId }, amtToForward, outgoingCltvValue, next };
  }
  return (
    belowOnion(htlc, amtToForward, outgoingCltvValue) ?? {
      tag: 'receipt',
      answer,
      sharedSecret,
      amtToForward,
      outgoingCltvValue,
      // BOLT 4: "MUST treat `total_msat` as if it were equal to `amt_to_forward` if it is not present"
      totalMsat: paymentData?.totalMsat ?? amtToForward,
      ...(paymentData ? { paymentSecret: paymentData.paymentSecret } : {}),
      ...(payload.paymentMetadata ? { paymentMetadata: payload.paymentMetadata } : {}),
      ...(payload.keysendPreimage ? { keysendPreimage: payload.keysendPreimage } : {}),
      blinded: false,
      customRecords: payload.unknownTlvs ?? [],
    }
  );
}

/** The first of the checks of a final node, which need no more than the onion. */
function belowOnion(htlc: IncomingHtlc, amtToForward: bigint, outgoingCltvValue: number): Failure | undefined {
  // BOLT 4: "MUST return `final_incorrect_cltv_expiry` error"
  if (htlc.cltvExpiry < outgoingCltvValue) return { name: 'final_incorrect_cltv_expiry', cltvExpiry: htlc.cltvExpiry };
  // BOLT 4: "MUST return a `final_incorrect_htlc_amount` error"
  if (htlc.amountMsat < amtToForward) return { name: 'final_incorrect_htlc_amount', incomingHtlcAmt: htlc.amountMsat };
  return undefined;
}

const inBlindedHop: readonly PayloadName[] = ['encryptedRecipientData', 'currentPathKey'];
const inBlindedReceipt: readonly PayloadName[] = [...inBlindedHop, 'amtToForward', 'outgoingCltvValue', 'totalAmountMsat'];
/** A record that the BOLT does not allow here; unknown ones count. */
const isForeign = (payload: PaymentPayload, allowed: readonly string[]): boolean =>
  Object.keys(payload).some((name) => !allowed.includes(name));

function readBlinded(
  htlc: IncomingHtlc,
  payload: PaymentPayload,
  encryptedRecipientData: Uint8Array,
  { sharedSecret, next }: PeeledOnion,
  answer: FailureVoice,
  nodeSecret: Uint8Array,
): Hop | Receipt | Failure {
  const { currentPathKey } = payload;
  // BOLT 4: "If `path_key` is set in the incoming `update_add_htlc`: MUST return an error if `current_path_key` is present"
  const pathKey = htlc.pathKey ?? currentPathKey;
  if (pathKey === undefined || (htlc.pathKey !== undefined && currentPathKey !== undefined)) return invalidRecord('currentPathKey');
  const read = unblind({ pathKey, encryptedRecipientData, nodeSecret });
  if (!read.ok || breaksConstraints(htlc, read.value.data)) return invalidRecord('encryptedRecipientData');
  const { data, nextPathKey } = read.value;
  if (next !== undefined) {
    const relayed = isForeign(payload, inBlindedHop) ? undefined : relay(htlc, data);
    return relayed ? { tag: 'hop', answer, sharedSecret, ...relayed, next, nextPathKey } : invalidRecord('encryptedRecipientData');
  }
  const { amtToForward, outgoingCltvValue, totalAmountMsat: totalMsat } = payload;
  // BOLT 4: "MUST return an error if `amt_to_forward`, `outgoing_cltv_value` or `total_amount_msat` are not present"
  if (amtToForward === undefined) return invalidRecord('amtToForward');
  if (outgoingCltvValue === undefined) return invalidRecord('outgoingCltvValue');
  if (totalMsat === undefined) return invalidRecord('totalAmountMsat');
  if (isForeign(payload, inBlindedReceipt)) return { name: 'invalid_onion_payload', type: 0n, offset: 0 };
  const { pathId } = data;
  return (
    belowOnion(htlc, amtToForward, outgoingCltvValue) ?? {
      tag: 'receipt',
      answer,
      sharedSecret,
      amtToForward,
      outgoingCltvValue,
      totalMsat,
      blinded: true,
      ...(pathId ? { pathId } : {}),
      customRecords: [],
    }
  );
}

/** Where the maker of the path did not want it used like this. */
function breaksConstraints({ amountMsat, cltvExpiry }: IncomingHtlc, data: EncryptedData): boolean {
  const { paymentConstraints: constraints, allowedFeatures } = data;
  // BOLT 4: "`encrypted_recipient_data` contains both `short_channel_id` and `next_node_id`"
  if (data.shortChannelId !== undefined && data.nextNodeId !== undefined) return true;
  // BOLT 4: "`encrypted_recipient_data.allowed_features.features` contains an unknown feature bit (even if it is odd)". We know none.
  if (allowedFeatures?.some((byte) => byte !== 0)) return true;
  return constraints !== undefined && (cltvExpiry > constraints.maxCltvExpiry || amountMsat < constraints.htlcMinimumMsat);
}

function relay(htlc: IncomingHtlc, data: EncryptedData): Pick<Hop, 'to' | 'amtToForward' | 'outgoingCltvValue'> | undefined {
  const { paymentRelay, shortChannelId, nextNodeId } = data;
  // BOLT 4: "MUST return an error if `encrypted_recipient_data` does not contain `payment_relay`"
  if (paymentRelay === undefined) return undefined;
  const amtToForward = relayedAmountMsat(htlc.amountMsat, paymentRelay);
  // BOLT 4: "`outgoing_cltv_value = cltv_expiry - payment_relay.cltv_expiry_delta`"
  const outgoingCltvValue = htlc.cltvExpiry - paymentRelay.cltvExpiryDelta;
  if (amtToForward === undefined || outgoingCltvValue < 0) return undefined;
  // BOLT 4: "MUST return an error if `encrypted_recipient_data` does not contain either `short_channel_id` or `next_node_id`"
  if (shortChannelId !== undefined) return { to: { shortChannelId }, amtToForward, outgoingCltvValue };
  return nextNodeId && { to: { nextNodeId }, amtToForward, outgoingCltvValue };
}
