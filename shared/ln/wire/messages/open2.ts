/** BOLT 2 § Channel Establishment v2 */
import { byte, chainHash, channelId, point, present, rest, u16, u32, u64 } from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

const openTlvs = { upfrontShutdownScript: tlv(0, rest), channelType: tlv(1, rest), requireConfirmedInputs: tlv(2, present) };

/** BOLT 2 § The `open_channel2` Message */
export const openChannel2 = message(
  64,
  'open_channel2',
  {
    chainHash,
    temporaryChannelId: channelId,
    fundingFeeratePerkw: u32,
    commitmentFeeratePerkw: u32,
    fundingSatoshis: u64,
    dustLimitSatoshis: u64,
    maxHtlcValueInFlightMsat: u64,
    htlcMinimumMsat: u64,
    toSelfDelay: u16,
    maxAcceptedHtlcs: u16,
    locktime: u32,
    fundingPubkey: point,
    revocationBasepoint: point,
    paymentBasepoint: point,
    delayedPaymentBasepoint: point,
    htlcBasepoint: point,
    firstPerCommitmentPoint: point,
    secondPerCommitmentPoint: point,
    channelFlags: byte,
  },
  openTlvs,
);
export type OpenChannel2 = Message<typeof openChannel2>;

/** BOLT 2 § The `accept_channel2` Message */
export const acceptChannel2 = message(
  65,
  'accept_channel2',
  {
    temporaryChannelId: channelId,
    fundingSatoshis: u64,
    dustLimitSatoshis: u64,
    maxHtlcValueInFlightMsat: u64,
    htlcMinimumMsat: u64,
    minimumDepth: u32,
    toSelfDelay: u16,
    maxAcceptedHtlcs: u16,
    fundingPubkey: point,
    revocationBasepoint: point,
    paymentBasepoint: point,
    delayedPaymentBasepoint: point,
    htlcBasepoint: point,
    firstPerCommitmentPoint: point,
    secondPerCommitmentPoint: point,
  },
  openTlvs,
);
export type AcceptChannel2 = Message<typeof acceptChannel2>;

export const open2Messages = [openChannel2, acceptChannel2] as const;
