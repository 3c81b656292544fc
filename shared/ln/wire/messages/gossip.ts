/**
 * BOLT 7, and BOLT 4's `onion_message`. Signatures, timestamps, address lists and compressed id lists are the caller's to check.
 * The three signed announcements keep whatever follows their fields in `extension`: it is under the signature.
 */
import {
  bigsize,
  byte,
  bytes,
  bytes16,
  chainHash,
  channelId,
  listRest,
  point,
  rest,
  shortChannelId,
  signature,
  struct,
  u16,
  u32,
  u64,
} from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

/** BOLT 7 § The `announcement_signatures` Message */
export const announcementSignatures = message(259, 'announcement_signatures', {
  channelId,
  shortChannelId,
  nodeSignature: signature,
  bitcoinSignature: signature,
});
export type AnnouncementSignatures = Message<typeof announcementSignatures>;

/** BOLT 7 § The `channel_announcement` Message */
export const channelAnnouncement = message(
  256,
  'channel_announcement',
  {
    nodeSignature1: signature,
    nodeSignature2: signature,
    bitcoinSignature1: signature,
    bitcoinSignature2: signature,
    features: bytes16,
    chainHash,
    shortChannelId,
    nodeId1: point,
    nodeId2: point,
    bitcoinKey1: point,
    bitcoinKey2: point,
  },
  'opaque',
);
export type ChannelAnnouncement = Message<typeof channelAnnouncement>;

/** BOLT 7 § The `node_announcement` Message. `alias` is the peer's text, padded with zeros. */
export const nodeAnnouncement = message(
  257,
  'node_announcement',
  { signature, features: bytes16, timestamp: u32, nodeId: point, rgbColor: bytes(3), alias: bytes(32), addresses: bytes16 },
  'opaque',
);
export type NodeAnnouncement = Message<typeof nodeAnnouncement>;

/** BOLT 7 § The `channel_update` Message */
export const channelUpdate = message(
  258,
  'channel_update',
  {
    signature,
    chainHash,
    shortChannelId,
    timestamp: u32,
    messageFlags: byte,
    channelFlags: byte,
    cltvExpiryDelta: u16,
    htlcMinimumMsat: u64,
    feeBaseMsat: u32,
    feeProportionalMillionths: u32,
    htlcMaximumMsat: u64,
  },
  'opaque',
);
export type ChannelUpdate = Message<typeof channelUpdate>;

/** BOLT 7 § Query Messages. `encodedShortIds` starts with its encoding byte. */
export const queryShortChannelIds = message(
  261,
  'query_short_channel_ids',
  { chainHash, encodedShortIds: bytes16 },
  { queryFlags: tlv(1, struct({ encodingType: byte, encodedQueryFlags: rest })) },
);
export type QueryShortChannelIds = Message<typeof queryShortChannelIds>;
export const replyShortChannelIdsEnd = message(262, 'reply_short_channel_ids_end', { chainHash, fullInformation: byte });
export type ReplyShortChannelIdsEnd = Message<typeof replyShortChannelIdsEnd>;

export const queryChannelRange = message(
  263,
  'query_channel_range',
  { chainHash, firstBlocknum: u32, numberOfBlocks: u32 },
  { queryOption: tlv(1, bigsize) },
);
export type QueryChannelRange = Message<typeof queryChannelRange>;
export const replyChannelRange = message(
  264,
  'reply_channel_range',
  { chainHash, firstBlocknum: u32, numberOfBlocks: u32, syncComplete: byte, encodedShortIds: bytes16 },
  {
    timestampsTlv: tlv(1, struct({ encodingType: byte, encodedTimestamps: rest })),
    checksumsTlv: tlv(3, listRest(struct({ checksumNodeId1: u32, checksumNodeId2: u32 }))),
  },
);
export type ReplyChannelRange = Message<typeof replyChannelRange>;

/** BOLT 7 § The `gossip_timestamp_filter` Message */
export const gossipTimestampFilter = message(265, 'gossip_timestamp_filter', { chainHash, firstTimestamp: u32, timestampRange: u32 });
export type GossipTimestampFilter = Message<typeof gossipTimestampFilter>;

/** BOLT 4 § The `onion_message` Message. The packet is opaque here. */
export const onionMessage = message(513, 'onion_message', { pathKey: point, onionMessagePacket: bytes16 });
export type OnionMessage = Message<typeof onionMessage>;

export const gossipMessages = [
  announcementSignatures,
  channelAnnouncement,
  nodeAnnouncement,
  channelUpdate,
  queryShortChannelIds,
  replyShortChannelIdsEnd,
  queryChannelRange,
  replyChannelRange,
  gossipTimestampFilter,
  onionMessage,
] as const;
