/**
 * BOLT 4 § `payload` format: what one hop of a payment is told. Decoded here; `htlc.ts` holds it against the HTLC that it came with.
 * Unknown odd records of a final hop are kept (`unknownTlvs`): custom records of the sender, text that nobody has checked.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { bigsize, bytes32, point, rest, shortChannelId, struct, tu32, tu64 } from '../wire/codec.ts';
import { Reader } from '../wire/cursor.ts';
import { decodeTlvs, encodeTlvs, guarded, type TlvValues, tlv } from '../wire/tlv.ts';
import type { Failure } from './failure.ts';

export const paymentPayloadTlvs = {
  amtToForward: tlv(2, tu64),
  outgoingCltvValue: tlv(4, tu32),
  shortChannelId: tlv(6, shortChannelId),
  paymentData: tlv(8, struct({ paymentSecret: bytes32, totalMsat: tu64 })),
  encryptedRecipientData: tlv(10, rest),
  currentPathKey: tlv(12, point),
  paymentMetadata: tlv(16, rest),
  totalAmountMsat: tlv(18, tu64),
  /** A payment without an invoice: the sender chose the preimage. Not of the BOLTs; every implementation has it. */
  keysendPreimage: tlv(5_482_373_484n, bytes32),
};
export type PaymentPayload = TlvValues<typeof paymentPayloadTlvs>;
export type PayloadName = keyof typeof paymentPayloadTlvs;
type InvalidPayload = Extract<Failure, { readonly name: 'invalid_onion_payload' }>;

/** Throws when a value does not fit its record: a bug of ours. */
export const encodePayload = (payload: PaymentPayload): Uint8Array => encodeTlvs(paymentPayloadTlvs, payload);

/** Never throws. The failure names the record at fault where there is one. */
export function decodePayload(bytes: Uint8Array): Result<PaymentPayload, InvalidPayload> {
  const decoded = decodeTlvs(paymentPayloadTlvs, bytes);
  return decoded.ok ? ok(decoded.value) : err(invalidPayload(...faultOf(bytes)));
}

const invalidPayload = (type: bigint, offset: number): InvalidPayload => ({ name: 'invalid_onion_payload', type, offset });
/** For a record that is missing, or has no place here. */
export const invalidRecord = (name: PayloadName): InvalidPayload => invalidPayload(paymentPayloadTlvs[name].type, 0);

/** The first record with which the stream up to it cannot be read, and where it begins. */
function faultOf(bytes: Uint8Array): readonly [bigint, number] {
  const from = new Reader(bytes);
  let fault: readonly [bigint, number] = [0n, 0];
  guarded(() => {
    while (from.left > 0) {
      const { at } = from;
      const type = bigsize.read(from);
      fault = [type, at];
      from.sub(Number(bigsize.read(from)));
      if (!decodeTlvs(paymentPayloadTlvs, bytes.subarray(0, from.at)).ok) return;
    }
  });
  return fault;
}
