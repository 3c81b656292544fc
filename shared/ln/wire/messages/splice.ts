/** BOLT 2 § Channel Splicing */
import { channelId, point, present, s64, sha256, u32 } from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

const spliceTlvs = { requireConfirmedInputs: tlv(2, present) };

/** BOLT 2 § The `splice_init` Message */
export const spliceInit = message(
  80,
  'splice_init',
  { channelId, fundingContributionSatoshis: s64, fundingFeeratePerkw: u32, locktime: u32, fundingPubkey: point },
  spliceTlvs,
);
export type SpliceInit = Message<typeof spliceInit>;

/** BOLT 2 § The `splice_ack` Message */
export const spliceAck = message(81, 'splice_ack', { channelId, fundingContributionSatoshis: s64, fundingPubkey: point }, spliceTlvs);
export type SpliceAck = Message<typeof spliceAck>;

/** BOLT 2 § Splice Completion */
export const spliceLocked = message(77, 'splice_locked', { channelId, spliceTxid: sha256 });
export type SpliceLocked = Message<typeof spliceLocked>;

export const spliceMessages = [spliceInit, spliceAck, spliceLocked] as const;
