/**
 * A `channel_update` of the peer for a channel with us: what it asks for passing payments on to us. BOLT 7 § The `channel_update` Message:
 * "SHOULD accept `channel_update`s for its own channels (even if non-public)". Nothing of it is part of the peer's state; callers must still
 * keep the newest by `timestamp`, and hold `direction` against both node ids.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal } from '../../lib/bytes.ts';
import { scidsOf } from '../channel/scid.ts';
import { isLive, liveOf } from '../channel/state.ts';
import { verify } from '../keys/secp.ts';
import type { ChannelUpdate } from '../wire/messages/gossip.ts';
import type { PeerState } from './state.ts';
import { encode } from './wire.ts';

export type PeerPolicy = {
  readonly channelId: Uint8Array;
  /** Seconds since 1970. */
  readonly timestamp: number;
  /** 0 if the peer is `node_id_1`, the lesser id. */
  readonly direction: 0 | 1;
  readonly disabled: boolean;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimumMsat: bigint;
  readonly htlcMaximumMsat: bigint;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
};

/** The type of a message and the signature: what is not signed. */
const UNSIGNED_BYTES = 2 + 64;
/** Of `channel_flags`. */
const DIRECTION = 1;
const DISABLE = 2;

const MUST_BE_ONE = 1;
const DONT_FORWARD = 2;

/**
 * A `channel_update` of ours for one peer alone, whose channel nobody else knows: `dont_forward`. BOLT 7: "MUST set the `short_channel_id` to
 * either an `alias` it has received from the peer, or the real channel `short_channel_id`."
 */
export function signUpdate(
  policy: Omit<PeerPolicy, 'channelId'> & { readonly chainHash: Uint8Array; readonly shortChannelId: bigint },
  signDigest: (digest: Uint8Array) => Uint8Array,
): ChannelUpdate {
  const { direction, disabled, ...terms } = policy;
  const channelFlags = (direction === 1 ? DIRECTION : 0) | (disabled ? DISABLE : 0);
  const unsigned: ChannelUpdate = {
    name: 'channel_update',
    signature: new Uint8Array(64),
    messageFlags: MUST_BE_ONE | DONT_FORWARD,
    channelFlags,
    ...terms,
  };
  return { ...unsigned, signature: signDigest(sha256(sha256(encode(unsigned).subarray(UNSIGNED_BYTES)))) };
}

/** Undefined: of no channel of ours, of another chain, or not signed by the peer. The cheap checks come first. */
export function peerPolicy(
  { peerId, channels }: Pick<PeerState, 'peerId' | 'channels'>,
  msg: ChannelUpdate,
  chainHash: Uint8Array,
): PeerPolicy | undefined {
  if (!equal(msg.chainHash, chainHash)) return undefined;
  const live = channels.map(liveOf).find((channel) => isLive(channel) && scidsOf(channel).includes(msg.shortChannelId));
  if (!live || !isLive(live)) return undefined;
  const digest = sha256(sha256(encode(msg).subarray(UNSIGNED_BYTES)));
  if (!verify(msg.signature, digest, peerId)) return undefined;
  const { timestamp, cltvExpiryDelta, htlcMinimumMsat, htlcMaximumMsat, feeBaseMsat, feeProportionalMillionths } = msg;
  return {
    channelId: live.commitments.channelId,
    timestamp,
    direction: (msg.channelFlags & DIRECTION) === 0 ? 0 : 1,
    disabled: (msg.channelFlags & DISABLE) !== 0,
    cltvExpiryDelta,
    htlcMinimumMsat,
    htlcMaximumMsat,
    feeBaseMsat,
    feeProportionalMillionths,
  };
}
