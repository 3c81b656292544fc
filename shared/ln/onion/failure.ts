/**
 * BOLT 4 § Failure Messages: what a node of a route says when it fails an HTLC.
 *
 * Callers must still: trust the message as far as its author (any node of the route may lie about others), and leave a
 * `channel_update` in it out of the graph. BOLT 4: "MUST NOT expose the `channel_update` to third-parties in any other context".
 */
import { concat } from '../../lib/bytes.ts';
import { Writer } from '../../lib/writer.ts';
import { bigsize, bytes16, type Fields, readFields, sha256, u16, u32, u64, type ValuesOf, writeFields } from '../wire/codec.ts';
import { Reader } from '../wire/cursor.ts';
import { guarded } from '../wire/tlv.ts';
import { type FailureName, failureCodes, flags } from './codes.ts';

const update = { channelUpdate: bytes16 };
const badOnion = { sha256OfOnion: sha256 };
const fields = {
  temporary_node_failure: {},
  permanent_node_failure: {},
  required_node_feature_missing: {},
  invalid_onion_version: badOnion,
  invalid_onion_hmac: badOnion,
  invalid_onion_key: badOnion,
  temporary_channel_failure: update,
  permanent_channel_failure: {},
  required_channel_feature_missing: {},
  unknown_next_peer: {},
  amount_below_minimum: { htlcMsat: u64, ...update },
  fee_insufficient: { htlcMsat: u64, ...update },
  incorrect_cltv_expiry: { cltvExpiry: u32, ...update },
  expiry_too_soon: update,
  incorrect_or_unknown_payment_details: { htlcMsat: u64, height: u32 },
  final_incorrect_cltv_expiry: { cltvExpiry: u32 },
  final_incorrect_htlc_amount: { incomingHtlcAmt: u64 },
  channel_disabled: { disabledFlags: u16, ...update },
  expiry_too_far: {},
  invalid_onion_payload: { type: bigsize, offset: u16 },
  mpp_timeout: {},
  invalid_onion_blinding: badOnion,
} as const satisfies { readonly [N in FailureName]: Fields };
const table: { readonly [name: string]: Fields } = fields;

type Flat<T> = { readonly [K in keyof T]: T[K] };
/** `extension`: what follows the data, unread. An empty `channelUpdate` is the usual one. */
export type Failure = {
  [N in FailureName]: Flat<{ readonly name: N } & ValuesOf<(typeof fields)[N]> & { readonly extension?: Uint8Array }>;
}[FailureName];
/** A code that nobody here knows, or data that ends too early: the flags of the code still say what failed. */
export type UnreadableFailure = { readonly name: 'unreadable'; readonly code: number; readonly data: Uint8Array };
export type AnyFailure = Failure | UnreadableFailure;

const names = Object.keys(failureCodes).filter((name): name is FailureName => name in fields);
const nameOf = new Map<number, FailureName>(names.map((name) => [failureCodes[name], name]));

export const codeOf = (failure: AnyFailure): number => (failure.name === 'unreadable' ? failure.code : failureCodes[failure.name]);
export const hasFlag = (failure: AnyFailure, flag: keyof typeof flags): boolean => (codeOf(failure) & flags[flag]) !== 0;
/** The peer may only say such codes in `update_fail_malformed_htlc`. */
export const isBadOnion = (code: number): boolean => (code & flags.BADONION) !== 0;

export function encodeFailure(failure: AnyFailure): Uint8Array {
  const to = new Writer();
  to.uint(2, codeOf(failure));
  if (failure.name === 'unreadable') {
    to.bytes(failure.data);
    return to.done();
  }
  writeFields(table[failure.name] ?? {}, to, failure);
  if (failure.extension) to.bytes(failure.extension);
  return to.done();
}

/** Total: whatever the bytes are, there is something that can be acted on. */
export function decodeFailure(bytes: Uint8Array): AnyFailure {
  const code = (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
  const name = nameOf.get(code);
  const data = bytes.slice(2);
  const read = guarded(() => {
    const from = new Reader(data);
    const values = readFields(table[name ?? ''] ?? {}, from);
    // BOLT 4: "MUST ignore any extra bytes in `failuremsg`"
    return { name, ...values, ...(from.left > 0 ? { extension: from.bytes(from.left) } : {}) };
  });
  if (name === undefined || !read.ok || bytes.length < 2) return { name: 'unreadable', code, data };
  return read.value as Failure;
}

/**
 * What goes upstream for an `update_fail_malformed_htlc` of the next node. BOLT 2: "MUST return an error in the `update_fail_htlc` sent to
 * the link which originally sent the HTLC, using the `failure_code` given and setting the data to `sha256_of_onion`".
 */
export const failureOfMalformed = (failureCode: number, sha256OfOnion: Uint8Array): AnyFailure =>
  decodeFailure(concat(Uint8Array.of(failureCode >> 8, failureCode & 0xff), sha256OfOnion));
