/** BOLT 2 § Normal Operation, quiescence and § Message Retransmission */
import { byte, bytes, bytes16, bytes32, channelId, list, list16, point, sha256, signature, struct, u8, u16, u32, u64 } from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

/** BOLT 2 § Adding an HTLC */
export const updateAddHtlc = message(
  128,
  'update_add_htlc',
  { channelId, id: u64, amountMsat: u64, paymentHash: sha256, cltvExpiry: u32, onionRoutingPacket: bytes(1366) },
  { blindedPath: tlv(0, point) },
);
export type UpdateAddHtlc = Message<typeof updateAddHtlc>;

/** BOLT 4 § Returning Errors: 20 hops' hold times, and their 210 HMACs of four bytes each. */
const attributionTlvs = { attributionData: tlv(1, struct({ htlcHoldTimes: list(20, u32), truncatedHmacs: bytes(840) })) };

/** BOLT 2 § Removing an HTLC */
export const updateFulfillHtlc = message(130, 'update_fulfill_htlc', { channelId, id: u64, paymentPreimage: bytes32 }, attributionTlvs);
export type UpdateFulfillHtlc = Message<typeof updateFulfillHtlc>;
export const updateFailHtlc = message(131, 'update_fail_htlc', { channelId, id: u64, reason: bytes16 }, attributionTlvs);
export type UpdateFailHtlc = Message<typeof updateFailHtlc>;
export const updateFailMalformedHtlc = message(135, 'update_fail_malformed_htlc', {
  channelId,
  id: u64,
  sha256OfOnion: sha256,
  failureCode: u16,
});
export type UpdateFailMalformedHtlc = Message<typeof updateFailMalformedHtlc>;

/** BOLT 2 § Batching channel messages */
export const startBatch = message(127, 'start_batch', { channelId, batchSize: u16 }, { messageType: tlv(1, u16) });
export type StartBatch = Message<typeof startBatch>;

/** BOLT 2 § Committing Updates So Far. `fundingTxid` says which funding output a splice commits to. */
export const commitmentSigned = message(
  132,
  'commitment_signed',
  { channelId, signature, htlcSignature: list16(signature) },
  { fundingTxid: tlv(1, sha256) },
);
export type CommitmentSigned = Message<typeof commitmentSigned>;

/** BOLT 2 § Completing the Transition to the Updated State */
export const revokeAndAck = message(133, 'revoke_and_ack', { channelId, perCommitmentSecret: bytes32, nextPerCommitmentPoint: point });
export type RevokeAndAck = Message<typeof revokeAndAck>;

/** BOLT 2 § Updating Fees */
export const updateFee = message(134, 'update_fee', { channelId, feeratePerKw: u32 });
export type UpdateFee = Message<typeof updateFee>;

/** BOLT 2 § Channel Quiescence */
export const stfu = message(2, 'stfu', { channelId, initiator: u8 });
export type Stfu = Message<typeof stfu>;

/** BOLT 2 § Message Retransmission */
export const channelReestablish = message(
  136,
  'channel_reestablish',
  {
    channelId,
    nextCommitmentNumber: u64,
    nextRevocationNumber: u64,
    yourLastPerCommitmentSecret: bytes32,
    myCurrentPerCommitmentPoint: point,
  },
  {
    nextFunding: tlv(1, struct({ nextFundingTxid: sha256, retransmitFlags: byte })),
    myCurrentFundingLocked: tlv(5, struct({ myCurrentFundingLockedTxid: sha256, retransmitFlags: byte })),
  },
);
export type ChannelReestablish = Message<typeof channelReestablish>;

export const commitMessages = [
  updateAddHtlc,
  updateFulfillHtlc,
  updateFailHtlc,
  updateFailMalformedHtlc,
  startBatch,
  commitmentSigned,
  revokeAndAck,
  updateFee,
  stfu,
  channelReestablish,
] as const;
