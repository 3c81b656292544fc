/** BOLT 2 § Channel Close. Which scripts and fees are acceptable is the channel's to check. */
import { bytes16, channelId, signature, struct, u32, u64 } from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

/** BOLT 2 § Closing Initiation: `shutdown` */
export const shutdown = message(38, 'shutdown', { channelId, scriptpubkey: bytes16 });
export type Shutdown = Message<typeof shutdown>;

const closing = { channelId, closerScriptpubkey: bytes16, closeeScriptpubkey: bytes16, feeSatoshis: u64, locktime: u32 };
const closingTlvs = {
  closerOutputOnly: tlv(1, signature),
  closeeOutputOnly: tlv(2, signature),
  closerAndCloseeOutputs: tlv(3, signature),
};
/** BOLT 2 § Closing Negotiation: `closing_complete` and `closing_sig` */
export const closingComplete = message(40, 'closing_complete', closing, closingTlvs);
export type ClosingComplete = Message<typeof closingComplete>;
export const closingSig = message(41, 'closing_sig', closing, closingTlvs);
export type ClosingSig = Message<typeof closingSig>;

/** BOLT 2 § Legacy Closing Negotiation: `closing_signed` */
export const closingSigned = message(
  39,
  'closing_signed',
  { channelId, feeSatoshis: u64, signature },
  { feeRange: tlv(1, struct({ minFeeSatoshis: u64, maxFeeSatoshis: u64 })) },
);
export type ClosingSigned = Message<typeof closingSigned>;

export const closeMessages = [shutdown, closingComplete, closingSig, closingSigned] as const;
