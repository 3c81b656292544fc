/**
 * BOLT 7 § Query Messages: the lists inside them. Only plain lists are written and read; zlib's are refused, as BOLT 7 now wants.
 * Callers must still match replies to what they asked: ranges of blocks that go on where the last reply ended, one query at a time.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { Writer } from '../../lib/writer.ts';
import { bigsize } from '../wire/codec.ts';
import { Reader } from '../wire/cursor.ts';
import { registry } from '../wire/message.ts';
import { type ChannelUpdate, channelUpdate } from '../wire/messages/gossip.ts';
import { guarded } from '../wire/tlv.ts';

export type QueryError = {
  readonly code: /** Neither 0, nor anything that is known. */
    | 'encoding'
    /** Not a whole number of elements, or not one for each channel. */
    | 'length'
    | 'order'
    /** A flag that is not a minimal bigsize. */
    | 'flag';
  readonly detail: string;
};
const fail = (code: QueryError['code'], detail: string): Result<never, QueryError> => err({ code, detail });

/** BOLT 7: "uncompressed array of `short_channel_id` types, in ascending order." */
const PLAIN = 0;
const SHORT_ID = 8;
/** As many as one `query_short_channel_ids` carries, with a byte of flags for each. */
export const MAX_SHORT_IDS = 7_000;

/** Sorted and without repetition, as BOLT 7 wants them. */
export function encodeShortIds(shortChannelIds: readonly bigint[]): Uint8Array {
  const to = new Writer();
  to.uint(1, PLAIN);
  for (const id of [...new Set(shortChannelIds)].sort((a, b) => (a < b ? -1 : 1))) to.big(SHORT_ID, id);
  return to.done();
}

export function decodeShortIds(encoded: Uint8Array): Result<readonly bigint[], QueryError> {
  // BOLT 7: "if the first byte of `encoded_short_ids` is not a known encoding type: MAY send a `warning`."
  if (encoded[0] !== PLAIN) return fail('encoding', `encoding ${encoded[0]}`);
  // BOLT 7: "if `encoded_short_ids` does not decode into a whole number of `short_channel_id`: MAY send a `warning`."
  if ((encoded.length - 1) % SHORT_ID !== 0) return fail('length', `${encoded.length - 1} bytes of ids`);
  const from = new Reader(encoded, 1);
  const ids: bigint[] = [];
  while (from.left > 0) {
    const id = from.big(SHORT_ID);
    if (id <= (ids.at(-1) ?? -1n)) return fail('order', `${id} after ${ids.at(-1)}`);
    ids.push(id);
  }
  return ok(ids);
}

/** For both directions; 0 where there is no `channel_update`. */
export type UpdateTimestamps = readonly [node1: number, node2: number];
/** As in the `timestamps_tlv` of the message. */
export type EncodedTimestamps = { readonly encodingType: number; readonly encodedTimestamps: Uint8Array };

export function encodeTimestamps(timestamps: readonly UpdateTimestamps[]): EncodedTimestamps {
  const to = new Writer();
  for (const time of timestamps.flat()) to.uint(4, time);
  return { encodingType: PLAIN, encodedTimestamps: to.done() };
}

/** `count`: of the channels in the same message. */
export function decodeTimestamps(
  { encodingType, encodedTimestamps }: EncodedTimestamps,
  count: number,
): Result<readonly UpdateTimestamps[], QueryError> {
  if (encodingType !== PLAIN) return fail('encoding', `encoding ${encodingType}`);
  if (encodedTimestamps.length !== 8 * count) return fail('length', `${encodedTimestamps.length} bytes of times for ${count} channels`);
  const from = new Reader(encodedTimestamps);
  return ok(Array.from({ length: count }, () => [from.uint(4), from.uint(4)] as const));
}

/** Bits of what the asker wants of one channel. */
export const queryFlags = { announcement: 1, update1: 2, update2: 4, node1: 8, node2: 16 } as const;
/** As in the `query_flags` of the message. */
export type EncodedFlags = { readonly encodingType: number; readonly encodedQueryFlags: Uint8Array };

export function encodeQueryFlags(flags: readonly bigint[]): EncodedFlags {
  const to = new Writer();
  for (const flag of flags) bigsize.write(to, flag);
  return { encodingType: PLAIN, encodedQueryFlags: to.done() };
}

// BOLT 7: "if `encoded_query_flags` does not decode to exactly one flag per `short_channel_id`: MAY send a `warning`."
export function decodeQueryFlags({ encodingType, encodedQueryFlags }: EncodedFlags, count: number): Result<readonly bigint[], QueryError> {
  if (encodingType !== PLAIN) return fail('encoding', `encoding ${encodingType}`);
  const read = guarded(() => {
    const from = new Reader(encodedQueryFlags);
    const flags: bigint[] = [];
    while (from.left > 0) flags.push(bigsize.read(from));
    return flags;
  });
  if (!read.ok) return fail('flag', read.error.detail);
  return read.value.length === count ? ok(read.value) : fail('length', `${read.value.length} flags for ${count} channels`);
}

const SIGNATURE_END = 2 + 64;
const TIMESTAMP_AT = SIGNATURE_END + 32 + SHORT_ID;
const codec = registry([channelUpdate]);

/** BOLT 7: "the CRC32C checksum as specified in RFC3720 of this `channel_update` without its `signature` and `timestamp` fields" */
export function updateChecksum(update: ChannelUpdate): number {
  const bytes = codec.encode(update);
  return crc32c([bytes.subarray(SIGNATURE_END, TIMESTAMP_AT), bytes.subarray(TIMESTAMP_AT + 4)]);
}

/** Castagnoli's polynomial, the lowest bit first. Bit by bit: an update is a hundred bytes. */
export function crc32c(parts: readonly Uint8Array[]): number {
  let crc = 0xffff_ffff;
  for (const part of parts) {
    for (const byte of part) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
    }
  }
  return ~crc >>> 0;
}
