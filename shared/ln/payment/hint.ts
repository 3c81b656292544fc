/**
 * BOLT 7 § The `channel_update` Message, as a failure carries one: what a node says of its own channel. It came under that node's own key,
 * so its signature would say no more; the channel and the direction must be the ones that failed.
 *
 * Callers must still: tell nobody of it, and believe of it only that the node wants this, for now. A lie costs the liar's own fees.
 */
import type { EdgeName, Policy } from '../route/liquidity.ts';
import { Reader } from '../wire/cursor.ts';
import { guarded } from '../wire/tlv.ts';

const TYPE = 258;
const SIGNATURE_AND_CHAIN_BYTES = 64 + 32;
const BARE_BYTES = SIGNATURE_AND_CHAIN_BYTES + 40;

/** With its message type in front of it, or, as it was once, without. Undefined where it is of another channel, or none. */
export function hintedPolicy(channelUpdate: Uint8Array, edge: EdgeName): Policy | undefined {
  const typed = channelUpdate[0] === TYPE >> 8 && channelUpdate[1] === (TYPE & 0xff) && channelUpdate.length >= BARE_BYTES + 2;
  const read = guarded(() => {
    const from = new Reader(typed ? channelUpdate.subarray(2) : channelUpdate);
    from.bytes(SIGNATURE_AND_CHAIN_BYTES);
    const shortChannelId = from.big(8);
    const timestamp = from.uint(4);
    from.uint(1);
    const channelFlags = from.uint(1);
    const policy: Policy = {
      cltvExpiryDelta: from.uint(2),
      htlcMinimumMsat: Number(from.big(8)),
      feeBaseMsat: from.uint(4),
      feeProportionalMillionths: from.uint(4),
      htlcMaximumMsat: Number(from.big(8)),
      disabled: (channelFlags & 2) !== 0,
      timestamp,
    };
    return `${shortChannelId}/${channelFlags & 1}` === edge ? policy : undefined;
  });
  return read.ok ? read.value : undefined;
}
