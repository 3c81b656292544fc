/**
 * BOLT 4 § Returning Errors: a failure made where an HTLC fails, wrapped by each hop on its way back, read by the origin.
 *
 * Callers must still: keep the shared secret of an HTLC that they forward until it is settled, and believe of the hop that is found
 * only that it, or the one before it, wrote this.
 */
import { concat } from '../../lib/bytes.ts';
import { Writer } from '../../lib/writer.ts';
import { Reader } from '../wire/cursor.ts';
import { guarded } from '../wire/tlv.ts';
import { type AttributionData, attribute, MAX_ATTRIBUTED_HOPS, readAttribution } from './attribution.ts';
import { type AnyFailure, decodeFailure, encodeFailure } from './failure.ts';
import { deriveKey, hmac256, sameMac, streamOver } from './stream.ts';

const MAC_BYTES = 32;
/** BOLT 4: "SHOULD set `pad` such that the `failure_len` plus `pad_len` is equal to 256". */
const PADDED_BYTES = 256;
/** BOLT 4: "SHOULD continue decrypting, until the loop has been repeated 27 times". */
const CYCLES = 27;

/** What goes into `update_fail_htlc`. */
export type FailureReturn = { readonly reason: Uint8Array; readonly attributionData: AttributionData };

/** By the node where the HTLC fails. `holdTime` in units of 100 ms. A failure longer than `paddedBytes` gets no padding. */
export function failHtlc(input: {
  readonly sharedSecret: Uint8Array;
  readonly failure: AnyFailure;
  readonly holdTime: number;
  readonly paddedBytes?: number;
}): FailureReturn {
  const { sharedSecret, failure, holdTime, paddedBytes = PADDED_BYTES } = input;
  const message = encodeFailure(failure);
  const padding = new Uint8Array(Math.max(0, paddedBytes - message.length));
  const to = new Writer();
  to.uint(2, message.length);
  to.bytes(message);
  to.uint(2, padding.length);
  to.bytes(padding);
  const packet = concat(hmac256(deriveKey('um', sharedSecret), to.done()), to.done());
  return relayFailure({ sharedSecret, reason: packet, holdTime });
}

/** By a hop on the way back: `reason` and `attributionData` are those of the next node. */
export function relayFailure(input: {
  readonly sharedSecret: Uint8Array;
  readonly reason: Uint8Array;
  readonly attributionData?: AttributionData;
  readonly holdTime: number;
}): FailureReturn {
  const { sharedSecret, reason, attributionData, holdTime } = input;
  const downstream = attributionData === undefined ? {} : { downstream: attributionData };
  return {
    reason: streamOver(deriveKey('ammag', sharedSecret), reason),
    attributionData: attribute({ sharedSecret, packet: reason, holdTime, ...downstream }),
  };
}

export type ReadFailure = {
  /** Which hop wrote it, from 0, and what; undefined where no hop's code fits: somebody changed the packet. */
  readonly source?: { readonly hop: number; readonly failure: AnyFailure };
  /** By hop, in units of 100 ms, as far as the attribution is sound. */
  readonly holdTimes: readonly number[];
  /**
   * The first hop whose attribution does not fit, at or before the source: it or the one before it changed something, or it takes no
   * part in attribution. Undefined without attribution data.
   */
  readonly suspect?: number;
};

/** By the origin, with the shared secrets of `buildOnion`. Takes the same number of cycles for every route. */
export function readFailure(input: {
  readonly sharedSecrets: readonly Uint8Array[];
  readonly reason: Uint8Array;
  readonly attributionData?: AttributionData;
}): ReadFailure {
  const { sharedSecrets, reason } = input;
  let packet = reason;
  // Longer routes have no attribution.
  let attribution = sharedSecrets.length > MAX_ATTRIBUTED_HOPS ? undefined : input.attributionData;
  const holdTimes: number[] = [];
  let suspect: number | undefined;
  let source: ReadFailure['source'];
  for (let hop = 0; hop < Math.max(CYCLES, sharedSecrets.length); hop++) {
    const sharedSecret = sharedSecrets[hop] ?? new Uint8Array(32);
    packet = streamOver(deriveKey('ammag', sharedSecret), packet);
    const isSource = sameMac(hmac256(deriveKey('um', sharedSecret), packet.subarray(MAC_BYTES)), packet.subarray(0, MAC_BYTES));
    if (source !== undefined || hop >= sharedSecrets.length) continue;
    if (attribution !== undefined) {
      const read = readAttribution({ sharedSecret, packet, data: attribution, following: sharedSecrets.length - 1 - hop });
      if (read === undefined) suspect = hop;
      else holdTimes.push(read.holdTime);
      attribution = read?.next;
    }
    if (isSource) source = { hop, failure: decodeFailure(messageOf(packet.subarray(MAC_BYTES))) };
  }
  return { ...(source ? { source } : {}), holdTimes, ...(suspect === undefined ? {} : { suspect }) };
}

/** Its author's code fits, so the author wrote these lengths; where they lie the failure has no code. */
function messageOf(bytes: Uint8Array): Uint8Array {
  const read = guarded(() => {
    const from = new Reader(bytes);
    return from.bytes(from.uint(2));
  });
  return read.ok ? read.value : new Uint8Array(0);
}
