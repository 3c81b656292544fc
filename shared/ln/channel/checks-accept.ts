/** `accept_channel`, judged. BOLT 2 § The `accept_channel` Message. */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { above, below, checkSide, remoteSide } from './checks.ts';
import type { ChannelError } from './error.ts';
import * as limits from './limits.ts';
import type { AcceptChannel } from './message.ts';
import type { ChannelTerms, Offer } from './terms.ts';

/** The terms that both sides now hold to, or why the channel cannot be. */
export function judgeAcceptChannel(
  { shutdownForms, fundingFeeratePerKw: _, ...offer }: Offer,
  msg: AcceptChannel,
): Result<ChannelTerms, ChannelError> {
  const fault =
    // BOLT 2: "if `channel_type` does not match the `channel_type` from `open_channel`: MUST fail the channel."
    checkChannelType(offer, msg) ??
    // BOLT 2: "if `minimum_depth` is unreasonably large: MAY fail the channel." and, of its sender,
    // "if `channel_type` includes `option_zeroconf`: MUST set `minimum_depth` to zero."
    above('min-depth-too-large', BigInt(msg.minimumDepth), offer.zeroConf ? 0n : BigInt(limits.maxMinDepth)) ??
    // BOLT 2: "if `channel_reserve_satoshis` is less than `dust_limit_satoshis` within the `open_channel` message: MUST fail the channel."
    below('reserve-too-small', msg.channelReserveSatoshis, offer.local.dustLimitSat) ??
    // BOLT 2: "if `channel_reserve_satoshis` from the `open_channel` message is less than `dust_limit_satoshis`: MUST fail the channel."
    above('dust-over-reserve', msg.dustLimitSatoshis, offer.local.channelReserveSat) ??
    checkSide(msg, offer.fundingAmountSat, shutdownForms);
  if (fault) return err(fault);
  return ok({
    ...offer,
    // Who opens could go on at once; but a channel that is not zero-conf stands on a block.
    minDepth: offer.zeroConf ? 0 : Math.max(1, msg.minimumDepth),
    remote: remoteSide(msg),
    remoteFirstPerCommitmentPoint: msg.firstPerCommitmentPoint,
  });
}

function checkChannelType({ channelType }: Pick<Offer, 'channelType'>, msg: AcceptChannel): ChannelError | undefined {
  // BOLT 2: "if the message doesn't include a `channel_type`: MUST fail the channel."
  if (!msg.channelType) return { code: 'channel-type-missing' };
  return equal(msg.channelType, channelType) ? undefined : { code: 'channel-type-differs' };
}
