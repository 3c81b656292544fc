/** Nodes that announce channels, with real signatures. */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { channelToAnnounce, directionFrom, type OwnPolicy, signedDigest, updateToSign, withSignatures } from '../gossip/announce.ts';
import { pointFromSecret, sign } from '../keys/secp.ts';
import type { ChannelAnnouncement, ChannelUpdate, NodeAnnouncement } from '../wire/messages/gossip.ts';

export const chainHash = new Uint8Array(32).fill(0xc4);
export const NOW = 1_770_076_800;

export type Announcer = {
  readonly secret: Uint8Array;
  readonly nodeId: Uint8Array;
  readonly fundingSecret: Uint8Array;
  readonly fundingPubkey: Uint8Array;
};

export function announcer(seed: number): Announcer {
  const [secret, fundingSecret] = [sha256(Uint8Array.of(1, seed)), sha256(Uint8Array.of(2, seed))];
  return { secret, nodeId: pointFromSecret(secret), fundingSecret, fundingPubkey: pointFromSecret(fundingSecret) };
}

export function announced(
  shortChannelId: bigint,
  a: Announcer,
  b: Announcer,
  change: Partial<ChannelAnnouncement> = {},
): ChannelAnnouncement {
  const { message } = channelToAnnounce({ chainHash, shortChannelId, ours: a, theirs: b });
  const changed = { ...message, ...change };
  const digest = signedDigest(changed);
  const signatures = (end: Announcer) => ({ node: sign(digest, end.secret), bitcoin: sign(digest, end.fundingSecret) });
  return withSignatures(changed, directionFrom(a.nodeId, b.nodeId), signatures(a), signatures(b));
}

export const policy: OwnPolicy = {
  chainHash,
  shortChannelId: 1n,
  cltvExpiryDelta: 40,
  htlcMinimumMsat: 1n,
  feeBaseMsat: 1000,
  feeProportionalMillionths: 10,
  htlcMaximumMsat: 500_000_000n,
  direction: 0,
  isPublic: true,
  disabled: false,
  capacitySat: 1_000_000n,
  peerMaxHtlcValueInFlightMsat: 900_000_000n,
  now: NOW,
  lastTimestamp: 0,
};

export const signed = <M extends ChannelUpdate | NodeAnnouncement>(message: M, by: Announcer): M => ({
  ...message,
  signature: sign(signedDigest(message), by.secret),
});

/** `by`'s update for its channel with `peer`. */
export function updated(by: Announcer, peer: Announcer, change: Partial<OwnPolicy> = {}, raw: Partial<ChannelUpdate> = {}): ChannelUpdate {
  const direction = directionFrom(by.nodeId, peer.nodeId);
  return signed({ ...updateToSign({ ...policy, direction, ...change }).message, ...raw }, by);
}

/** Another signature of the same length. */
export const spoiled = (signature: Uint8Array): Uint8Array => concat(signature.subarray(0, 63), Uint8Array.of((signature[63] ?? 0) ^ 1));
