/** What comes in to the peer machine. One peer connection is the unit we freeze. */
import type { ChainEvent, ChannelCommand } from '../channel/command.ts';
import type { OpenRequest } from '../channel/offer.ts';
import type { ChannelUpdate } from '../wire/messages/gossip.ts';

export type { ChainEvent } from '../channel/command.ts';

/** What a payment or the user asks of one channel. */
export type ChannelRequest = Extract<
  ChannelCommand,
  { readonly tag: 'add' | 'remove' | 'set-fee' | 'close' | 'force-close' | 'funded' | 'not-funded' | 'archive' }
>;

export type PeerCommand =
  /** The handshake of a new epoch is done and our `init` (see `ourInit`) went with it. Epochs only grow. */
  | { readonly tag: 'connected'; readonly epoch: number }
  /** Inbound message n (1, 2, 3 …) of an epoch, decrypted. At least once; duplicates are ignored. */
  | { readonly tag: 'frame'; readonly epoch: number; readonly n: number; readonly bytes: Uint8Array }
  /** The relay has written every outbound frame of that epoch up to and with m. */
  | { readonly tag: 'receipt'; readonly epoch: number; readonly m: number }
  | { readonly tag: 'disconnected'; readonly epoch: number }
  /** The user's answer to a prompt. */
  | { readonly tag: 'answer'; readonly channelId: Uint8Array; readonly approve: boolean }
  /** Time passed: deadlines are looked at. Harmless at any moment. */
  | { readonly tag: 'tick' }
  | { readonly tag: 'chain'; readonly event: ChainEvent }
  /** We open a channel. `request` names it in the answer. */
  | { readonly tag: 'open'; readonly request: string; readonly open: OpenRequest }
  /** `channelId`: the temporary one before funding. */
  | { readonly tag: 'channel'; readonly channelId: Uint8Array; readonly command: ChannelRequest }
  /** What we ask for passing payments on to this peer, signed with the node's key. Said if there is a connection, and not kept. */
  | { readonly tag: 'say-update'; readonly update: ChannelUpdate }
  /** The end of a batch: every channel signs what is due, once. */
  | { readonly tag: 'flush' };
