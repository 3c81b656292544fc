/**
 * What is signed in gossip, and what our own node says there of a public channel and of itself. BOLT 7 § The `channel_announcement`
 * Message, § The `node_announcement` Message, § The `channel_update` Message. No keys here: each builder gives the message with empty
 * signatures and the digest, and the caller puts in what signers answer.
 * Callers must still wait: for `channel_ready` from both sides, and for the 6 confirmations that BOLT 7 asks before an announcement.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { compare } from '../../lib/bytes.ts';
import { unfit } from '../../lib/writer.ts';
import { registry } from '../wire/message.ts';
import {
  type ChannelAnnouncement,
  type ChannelUpdate,
  channelAnnouncement,
  channelUpdate,
  type NodeAnnouncement,
  nodeAnnouncement,
} from '../wire/messages/gossip.ts';

export type Announcement = ChannelAnnouncement | NodeAnnouncement | ChannelUpdate;
/** `message` still has zeros where its signatures belong. */
export type Unsigned<M extends Announcement> = { readonly message: M; readonly digest: Uint8Array };

const codec = registry([channelAnnouncement, nodeAnnouncement, channelUpdate]);
const TYPE = 2;
const SIGNATURE = 64;

// BOLT 7: "MUST compute the double-SHA256 hash `h` of the message, beginning at offset 256, up to the end of the message."
// BOLT 7: "MUST set `signature` to the signature of the double-SHA256 of the entire remaining packet after `signature`"
export function signedDigest(message: Announcement): Uint8Array {
  const signatures = message.name === 'channel_announcement' ? 4 : 1;
  return sha256(sha256(codec.encode(message).subarray(TYPE + signatures * SIGNATURE)));
}

const unsigned = <M extends Announcement>(message: M): Unsigned<M> => ({ message, digest: signedDigest(message) });
const empty = (): Uint8Array => new Uint8Array(SIGNATURE);

export type ChannelEnd = { readonly nodeId: Uint8Array; readonly fundingPubkey: Uint8Array };
export type ChannelToAnnounce = {
  readonly chainHash: Uint8Array;
  readonly shortChannelId: bigint;
  readonly ours: ChannelEnd;
  readonly theirs: ChannelEnd;
};

/** 0 where we are `node_1` of the channel, 1 where we are `node_2`: the `direction` of our `channel_update`. */
// BOLT 7: "such that `node_id_1` is the lexicographically-lesser of the two compressed keys sorted in ascending lexicographic order"
export const directionFrom = (ours: Uint8Array, theirs: Uint8Array): 0 | 1 => (compare(ours, theirs) < 0 ? 0 : 1);

/** Both the node's key and the funding key sign the one digest; the peer's two signatures come in its `announcement_signatures`. */
export function channelToAnnounce({ chainHash, shortChannelId, ours, theirs }: ChannelToAnnounce): Unsigned<ChannelAnnouncement> {
  const [one, two] = directionFrom(ours.nodeId, theirs.nodeId) === 0 ? [ours, theirs] : [theirs, ours];
  return unsigned({
    name: 'channel_announcement',
    nodeSignature1: empty(),
    nodeSignature2: empty(),
    bitcoinSignature1: empty(),
    bitcoinSignature2: empty(),
    // BOLT 9 has no feature that is presented in this message.
    features: new Uint8Array(),
    chainHash,
    shortChannelId,
    nodeId1: one.nodeId,
    nodeId2: two.nodeId,
    // BOLT 7: "MUST set `bitcoin_key_1` and `bitcoin_key_2` to `node_id_1` and `node_id_2`'s respective `funding_pubkey`s."
    bitcoinKey1: one.fundingPubkey,
    bitcoinKey2: two.fundingPubkey,
  });
}

export type EndSignatures = { readonly node: Uint8Array; readonly bitcoin: Uint8Array };

/** `checkChannelAnnouncement` says whether the peer's are good. */
export function withSignatures(
  message: ChannelAnnouncement,
  direction: 0 | 1,
  ours: EndSignatures,
  theirs: EndSignatures,
): ChannelAnnouncement {
  const [one, two] = direction === 0 ? [ours, theirs] : [theirs, ours];
  return { ...message, nodeSignature1: one.node, nodeSignature2: two.node, bitcoinSignature1: one.bitcoin, bitcoinSignature2: two.bitcoin };
}

/** `shortChannelId`: the real one, or for a channel that is not public an alias that the peer gave. */
export type OwnPolicy = Pick<
  ChannelUpdate,
  'chainHash' | 'shortChannelId' | 'cltvExpiryDelta' | 'htlcMinimumMsat' | 'feeBaseMsat' | 'feeProportionalMillionths' | 'htlcMaximumMsat'
> & {
  readonly direction: 0 | 1;
  readonly isPublic: boolean;
  readonly disabled: boolean;
  readonly capacitySat: bigint;
  readonly peerMaxHtlcValueInFlightMsat: bigint;
  readonly now: number;
  /** Of the last update that we made for this channel; 0 if there is none. */
  readonly lastTimestamp: number;
};

/** `htlc_maximum_msat` is what is asked, or the most that BOLT 7 lets it be. Throws where no maximum is left: a channel that can carry nothing. */
export function updateToSign(policy: OwnPolicy): Unsigned<ChannelUpdate> {
  const { chainHash, shortChannelId, cltvExpiryDelta, htlcMinimumMsat, feeBaseMsat, feeProportionalMillionths } = policy;
  // BOLT 7: "MUST set this to less than or equal to the channel capacity."
  // BOLT 7: "MUST set this to less than or equal to `max_htlc_value_in_flight_msat` it received from the peer."
  const bounds = [policy.htlcMaximumMsat, 1000n * policy.capacitySat, policy.peerMaxHtlcValueInFlightMsat];
  const htlcMaximumMsat = bounds.reduce((least, bound) => (bound < least ? bound : least));
  // BOLT 7: "MUST set this to greater than or equal to `htlc_minimum_msat`."
  if (htlcMaximumMsat < htlcMinimumMsat) unfit(`an htlc_minimum_msat of ${htlcMinimumMsat} over ${htlcMaximumMsat}`);
  return unsigned({
    name: 'channel_update',
    signature: empty(),
    chainHash,
    shortChannelId,
    // BOLT 7: "MUST set `timestamp` to greater than 0, AND to greater than any previously-sent `channel_update` for this `short_channel_id`."
    timestamp: Math.max(policy.now, policy.lastTimestamp + 1),
    // BOLT 7: "MUST set `must_be_one` in `message_flags` to 1.", "MUST set `dont_forward` to 1 in `message_flags`"
    messageFlags: messageFlags.mustBeOne | (policy.isPublic ? 0 : messageFlags.dontForward),
    channelFlags: policy.direction | (policy.disabled ? channelFlags.disable : 0),
    cltvExpiryDelta,
    htlcMinimumMsat,
    feeBaseMsat,
    feeProportionalMillionths,
    htlcMaximumMsat,
  });
}

export const messageFlags = { mustBeOne: 1, dontForward: 2 } as const;
export const channelFlags = { direction: 1, disable: 2 } as const;

export type OwnNode = {
  readonly nodeId: Uint8Array;
  /** For the context `N` of BOLT 9. */
  readonly features: Uint8Array;
  readonly alias: string;
  readonly rgbColor: Uint8Array;
  readonly now: number;
  readonly lastTimestamp: number;
};

/** Without addresses: a node in a browser takes no connections. An alias that is too long loses whole characters at its end. */
export function nodeToAnnounce({ nodeId, features, alias, rgbColor, now, lastTimestamp }: OwnNode): Unsigned<NodeAnnouncement> {
  return unsigned({
    name: 'node_announcement',
    signature: empty(),
    features,
    // BOLT 7: "MUST set `timestamp` to be greater than that of any previous `node_announcement` it has previously created."
    timestamp: Math.max(now, lastTimestamp + 1),
    nodeId,
    rgbColor,
    alias: paddedAlias(alias),
    addresses: new Uint8Array(),
  });
}

const ALIAS = 32;
// BOLT 7: "MUST set `alias` to a valid UTF-8 string, with any `alias` trailing-bytes equal to 0."
function paddedAlias(alias: string): Uint8Array {
  const whole = utf8ToBytes(alias);
  let end = Math.min(ALIAS, whole.length);
  // A byte that begins with the bits 10 belongs to the character before it.
  while (end < whole.length && end > 0 && ((whole[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  const bytes = new Uint8Array(ALIAS);
  bytes.set(whole.subarray(0, end));
  return bytes;
}
