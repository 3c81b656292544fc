/** One peer connection as a value. `type`, not `interface`: it must fit `Plain`. */
import type { Plain } from '../../lib/plain.ts';
import type { Refusal } from '../channel/effect.ts';
import type { ChannelState } from '../channel/state.ts';

export type OutFrame = { readonly epoch: number; readonly m: number; readonly bytes: Uint8Array };

/**
 * `connected`: transport up, the peer's `init` not seen yet. `ready`: `init` went both ways.
 * `closing`: the machine has asked for the end of this transport; the outbox is still to be delivered, inbound frames are
 * ignored, and only `disconnected` (or a newer epoch) leads out. A runtime that finds a stored `closing` ends the session.
 */
export type Link = 'offline' | 'connected' | 'ready' | 'closing';

export type PeerState = {
  readonly peerId: Uint8Array;
  readonly link: Link;
  /** The newest epoch ever used with this peer: the fence against an old transport. 0 before the first. */
  readonly epoch: number;
  readonly lastInSeq: number;
  readonly outSeq: number;
  /** Frames of the current epoch that the relay has not confirmed to have written. */
  readonly outbox: readonly OutFrame[];
  /** The features of the peer's last `init`, feature bits big-endian as on the wire. */
  readonly remoteFeatures: Uint8Array;
  /** Offers that the user refused on this connection, the newest last. */
  readonly refused: readonly Refusal[];
  readonly channels: readonly ChannelState[];
};

/** What may be frozen: a compile error here names the field that does not fit. */
export const plain = (state: PeerState): Plain => state;
