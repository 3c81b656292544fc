/** Which messages belong to a channel. */
import type { PeerMessage } from '../wire/registry.ts';

type Named<N extends PeerMessage['name']> = Extract<PeerMessage, { name: N }>;
export type OpenChannel = Named<'open_channel'>;
export type AcceptChannel = Named<'accept_channel'>;
export type FundingCreated = Named<'funding_created'>;
export type ChannelReady = Named<'channel_ready'>;
export type ChannelReestablish = Named<'channel_reestablish'>;
export type Shutdown = Named<'shutdown'>;
export type FundingSigned = Named<'funding_signed'>;
export type UpdateAddHtlc = Named<'update_add_htlc'>;
export type UpdateFulfillHtlc = Named<'update_fulfill_htlc'>;
export type UpdateFailHtlc = Named<'update_fail_htlc'>;
export type UpdateFailMalformedHtlc = Named<'update_fail_malformed_htlc'>;
export type UpdateFee = Named<'update_fee'>;
export type CommitmentSigned = Named<'commitment_signed'>;
export type RevokeAndAck = Named<'revoke_and_ack'>;
export type ClosingSigned = Named<'closing_signed'>;
export type ClosingComplete = Named<'closing_complete'>;
export type ClosingSig = Named<'closing_sig'>;
export type Stfu = Named<'stfu'>;
export type AnnouncementSignatures = Named<'announcement_signatures'>;

/** What a channel hears: every message that names a channel, without those that start one or end several. */
export type ChannelMessage = Exclude<
  Extract<PeerMessage, { readonly channelId: Uint8Array } | { readonly temporaryChannelId: Uint8Array }>,
  { readonly name: 'open_channel' | 'error' | 'warning' }
>;

/** What a channel says. */
export type OutMessage = Named<
  | 'open_channel'
  | 'accept_channel'
  | 'funding_created'
  | 'funding_signed'
  | 'channel_ready'
  | 'channel_reestablish'
  | 'update_add_htlc'
  | 'update_fulfill_htlc'
  | 'update_fail_htlc'
  | 'update_fail_malformed_htlc'
  | 'update_fee'
  | 'commitment_signed'
  | 'revoke_and_ack'
  | 'stfu'
  | 'shutdown'
  | 'closing_signed'
  | 'closing_complete'
  | 'closing_sig'
  | 'announcement_signatures'
  | 'channel_announcement'
  | 'error'
  | 'warning'
>;

export const addressOf = (msg: ChannelMessage): Uint8Array => ('channelId' in msg ? msg.channelId : msg.temporaryChannelId);

/** Our own text for `error` and `warning`; ASCII, so bytes are characters. */
export const textBytes = (text: string): Uint8Array => Uint8Array.from(text.slice(0, 1024), (char) => Math.min(char.charCodeAt(0), 0x7e));
