/**
 * Is a gossip message what it says it is? BOLT 7 § The `channel_announcement` Message, § The `node_announcement` Message, § The
 * `channel_update` Message. Signatures come last, for they cost a thousand times what the rest does; whether a message is known already is
 * cheaper still, and asked before (`book.ts`).
 *
 * Callers must still check that the output at `shortChannelId` is there, unspent, 6 blocks deep, and is the P2WSH of BOLT 3 for the two
 * `bitcoinKey`s: without it anybody can announce channels that do not exist. Of a `channel_update` and a `node_announcement` they must
 * know the channel, or a channel of the node, before.
 */
import { compare } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { features as knownFeatures, parseFeatures } from '../wire/features.ts';
import type { ChannelAnnouncement, ChannelUpdate, NodeAnnouncement } from '../wire/messages/gossip.ts';
import { type NodeAddress, parseAddresses } from './addresses.ts';
import { channelFlags, messageFlags, signedDigest } from './announce.ts';

/** True for a good ECDSA signature (64 bytes, r ‖ s) of the digest under the compressed key; false for anything malformed. */
export type Verify = (signature: Uint8Array, digest: Uint8Array, pubkey: Uint8Array) => boolean;

export type GossipError = {
  readonly code:
    | 'other-chain'
    /** `node_id_1` is not the lesser of the two. */
    | 'node-order'
    | 'bad-signature'
    /** Older than two weeks: it would be pruned at once. */
    | 'too-old'
    | 'from-the-future'
    /** For the channel's peer alone. */
    | 'not-public'
    | 'bad-addresses';
  readonly detail: string;
  /** BOLT 7 wants the peer told: a `warning`, and the connection may be closed. */
  readonly warn: boolean;
};
const fail = (code: GossipError['code'], detail: string, warn = false): Result<never, GossipError> => err({ code, detail, warn });

export const TWO_WEEKS_SECONDS = 1_209_600;
/** Clocks differ; a day and the update would stay the newest for as long. */
export const MAX_AHEAD_SECONDS = 24 * 3600;

const otherChain = (theirs: Uint8Array, ours: Uint8Array): boolean => compare(theirs, ours) !== 0;

/** `routable`: whether a payment may use the channel. */
export type CheckedChannel = { readonly routable: boolean };

export function checkChannelAnnouncement(
  msg: ChannelAnnouncement,
  { chainHash, verify }: { readonly chainHash: Uint8Array; readonly verify: Verify },
): Result<CheckedChannel, GossipError> {
  // BOLT 7: "if the specified `chain_hash` is unknown to the receiver: MUST ignore the message."
  if (otherChain(msg.chainHash, chainHash)) return fail('other-chain', 'a channel of another chain');
  // BOLT 7: "`node_id_1` is the lexicographically-lesser of the two compressed keys"
  if (compare(msg.nodeId1, msg.nodeId2) >= 0) return fail('node-order', 'node ids that are not in order');
  // BOLT 7: "MUST verify the integrity AND authenticity of the message by verifying the signatures."
  const digest = signedDigest(msg);
  const signatures = [
    ['node_signature_1', msg.nodeSignature1, msg.nodeId1],
    ['node_signature_2', msg.nodeSignature2, msg.nodeId2],
    ['bitcoin_signature_1', msg.bitcoinSignature1, msg.bitcoinKey1],
    ['bitcoin_signature_2', msg.bitcoinSignature2, msg.bitcoinKey2],
  ] as const;
  const wrong = signatures.find(([, signature, key]) => !verify(signature, digest, key));
  // BOLT 7: "are invalid OR NOT correct: SHOULD send a `warning`. MAY close the connection. MUST ignore the message."
  if (wrong) return fail('bad-signature', wrong[0], true);
  // BOLT 7: "if there is an unknown even bit in the `features` field: MUST NOT attempt to route messages through the channel."
  // BOLT 9 assigns no bit to this message, so every even one is unknown.
  return ok({ routable: parseFeatures(msg.features).every((bit) => bit % 2 === 1) });
}

/** `nodeId`: of the end that the `direction` bit names, from the `channel_announcement`. */
// BOLT 7: "`node_id_1` if the least-significant bit of flags is 0 or `node_id_2` otherwise"
export const directionOf = (msg: ChannelUpdate): 0 | 1 => ((msg.channelFlags & channelFlags.direction) === 0 ? 0 : 1);
export const isDisabled = (msg: ChannelUpdate): boolean => (msg.channelFlags & channelFlags.disable) !== 0;

export type UpdateEnv = {
  readonly nodeId: Uint8Array;
  readonly chainHash: Uint8Array;
  /** Seconds since 1970. */
  readonly now: number;
  readonly verify: Verify;
  /** Where it is known. */
  readonly capacitySat?: number;
  /** Of our own channel, told to us by its peer: it may be one that is not public. */
  readonly own?: boolean;
};

/** `routable`: whether a payment may use this direction while it is not disabled. */
export type CheckedUpdate = { readonly direction: 0 | 1; readonly disabled: boolean; readonly routable: boolean };

export function checkChannelUpdate(msg: ChannelUpdate, env: UpdateEnv): Result<CheckedUpdate, GossipError> {
  // BOLT 7: "if the specified `chain_hash` value is unknown (meaning it isn't active on the specified chain): MUST ignore the channel update."
  if (otherChain(msg.chainHash, env.chainHash)) return fail('other-chain', 'an update of another chain');
  // BOLT 7: "MUST NOT forward such a `channel_update` to other peers, for privacy reasons."
  if (env.own !== true && (msg.messageFlags & messageFlags.dontForward) !== 0)
    return fail('not-public', 'an update that is not to be forwarded');
  // BOLT 7: "if the `timestamp` is unreasonably far in the future: MAY discard the `channel_update`."
  if (msg.timestamp > env.now + MAX_AHEAD_SECONDS) return fail('from-the-future', `${msg.timestamp - env.now} s ahead`);
  // BOLT 7: "older than two weeks (1209600 seconds): MAY prune the channel."
  if (env.own !== true && msg.timestamp <= env.now - TWO_WEEKS_SECONDS) return fail('too-old', `${env.now - msg.timestamp} s old`);
  // BOLT 7: "SHOULD send a `warning` and close the connection. MUST NOT process the message further."
  if (!env.verify(msg.signature, signedDigest(msg), env.nodeId)) return fail('bad-signature', 'signature', true);
  // BOLT 7: "if `htlc_maximum_msat` < `htlc_minimum_msat`: SHOULD ignore this channel during route considerations."
  // BOLT 7: "if `htlc_maximum_msat` is greater than channel capacity: MAY blacklist this `node_id` SHOULD ignore this channel during route considerations."
  const routable = msg.htlcMaximumMsat >= msg.htlcMinimumMsat && !isOverCapacity(msg.htlcMaximumMsat, env.capacitySat);
  return ok({ direction: directionOf(msg), disabled: isDisabled(msg), routable });
}

export const isOverCapacity = (msat: bigint | number, capacitySat: number | undefined): boolean =>
  capacitySat !== undefined && msat > 1000 * capacitySat;

/** `routable`: whether a payment may go through the node. `forward`: whether its announcement may be passed on. */
export type CheckedNode = { readonly routable: boolean; readonly forward: boolean; readonly addresses: readonly NodeAddress[] };

const knownBits = (): ReadonlySet<number> => new Set(Object.values(knownFeatures).map(({ bit }) => bit));

export function checkNodeAnnouncement(msg: NodeAnnouncement, { verify }: { readonly verify: Verify }): Result<CheckedNode, GossipError> {
  // BOLT 7: "if `addrlen` is insufficient to hold the address descriptors of the known types: SHOULD send a `warning`. MAY close the connection."
  const parsed = parseAddresses(msg.addresses);
  if (!parsed.ok) return fail('bad-addresses', parsed.error.detail, true);
  // BOLT 7: "if `signature` is NOT a valid signature [...] MUST NOT process the message further."
  if (!verify(msg.signature, signedDigest(msg), msg.nodeId)) return fail('bad-signature', 'signature', true);
  const known = knownBits();
  return ok({
    // BOLT 7: "if `features` field contains _unknown even bits_", "MUST NOT route a payment _through_ the node."
    routable: parseFeatures(msg.features).every((bit) => bit % 2 === 1 || known.has(bit)),
    // BOLT 7: "MUST not forward the `node_announcement`."
    forward: !parsed.value.manyNames,
    addresses: parsed.value.addresses,
  });
}
