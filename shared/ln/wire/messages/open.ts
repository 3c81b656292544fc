/** BOLT 2 § Channel Establishment v1. Limits of amounts, delays and counts are the channel's to check. */
import { byte, bytes32, chainHash, channelId, point, rest, sha256, shortChannelId, signature, u16, u32, u64 } from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

/** An empty `upfrontShutdownScript` means "none", as does no record. `channelType` is a feature vector. */
const openTlvs = { upfrontShutdownScript: tlv(0, rest), channelType: tlv(1, rest) };

/** BOLT 2 § The `open_channel` Message */
export const openChannel = message(
  32,
  'open_channel',
  {
    chainHash,
    temporaryChannelId: bytes32,
    fundingSatoshis: u64,
    pushMsat: u64,
    dustLimitSatoshis: u64,
    maxHtlcValueInFlightMsat: u64,
    channelReserveSatoshis: u64,
    htlcMinimumMsat: u64,
    feeratePerKw: u32,
    toSelfDelay: u16,
    maxAcceptedHtlcs: u16,
    fundingPubkey: point,
    revocationBasepoint: point,
    paymentBasepoint: point,
    delayedPaymentBasepoint: point,
    htlcBasepoint: point,
    firstPerCommitmentPoint: point,
    channelFlags: byte,
  },
  openTlvs,
);
export type OpenChannel = Message<typeof openChannel>;

/** BOLT 2 § The `accept_channel` Message */
export const acceptChannel = message(
  33,
  'accept_channel',
  {
    temporaryChannelId: bytes32,
    dustLimitSatoshis: u64,
    maxHtlcValueInFlightMsat: u64,
    channelReserveSatoshis: u64,
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
  },
  openTlvs,
);
export type AcceptChannel = Message<typeof acceptChannel>;

/** BOLT 2 § The `funding_created` Message. `fundingTxid` is in wire order. */
export const fundingCreated = message(34, 'funding_created', {
  temporaryChannelId: bytes32,
  fundingTxid: sha256,
  fundingOutputIndex: u16,
  signature,
});
export type FundingCreated = Message<typeof fundingCreated>;

/** BOLT 2 § The `funding_signed` Message */
export const fundingSigned = message(35, 'funding_signed', { channelId, signature });
export type FundingSigned = Message<typeof fundingSigned>;

/** BOLT 2 § The `channel_ready` Message. The record `shortChannelId` is the sender's alias. */
export const channelReady = message(
  36,
  'channel_ready',
  { channelId, secondPerCommitmentPoint: point },
  { shortChannelId: tlv(1, shortChannelId) },
);
export type ChannelReady = Message<typeof channelReady>;

export const openMessages = [openChannel, acceptChannel, fundingCreated, fundingSigned, channelReady] as const;
