/** What lets the signer sign an announcement, and that it is nothing else. */
import { describe, expect, it } from 'vitest';
import { channelToAnnounce, directionFrom, signedDigest } from '../gossip/announce.ts';
import { pointFromSecret, verify } from '../keys/secp.ts';
import { nodeSecret } from '../keys/seed.ts';
import { freshGuard, type SignerGuard } from './signer.ts';
import { codeOf, guardAt, guardOf, sign, theirs, them, us } from './testing.ts';

const ourId = pointFromSecret(nodeSecret(new Uint8Array(64).fill(1)));
const peerId = pointFromSecret(nodeSecret(new Uint8Array(64).fill(2)));
const request = {
  chainHash: new Uint8Array(32).fill(0xc4),
  shortChannelId: 5n << 40n,
  peerId,
  remoteFundingPubkey: them.basepoints.fundingPubkey,
};
/** Of a channel that was opened as public. */
const announced = (): SignerGuard => guardOf(sign(theirs(0n), guardOf(us.allowAnnouncement(freshGuard))));

describe('allowAnnouncement', () => {
  it('only before the first signature of the channel', () => {
    expect(guardOf(us.allowAnnouncement(freshGuard))).toEqual({ ...freshGuard, announced: true });
    expect(codeOf(us.allowAnnouncement(guardAt(0n)))).toBe('announcement-refused');
  });
});

describe('signAnnouncement', () => {
  it('signs with the node key and the funding key what both sides build, the same bytes each time', () => {
    const signed = us.signAnnouncement(request, announced());
    if (!signed.ok) throw new Error(signed.error.detail);
    const ours = { nodeId: ourId, fundingPubkey: us.basepoints.fundingPubkey };
    const peer = { nodeId: peerId, fundingPubkey: them.basepoints.fundingPubkey };
    const { digest } = channelToAnnounce({ ...request, ours: peer, theirs: ours });
    expect(signedDigest(signed.value.message)).toEqual(digest);
    expect(signed.value.direction).toBe(directionFrom(ourId, peerId));
    expect(verify(signed.value.signatures.node, digest, ourId)).toBe(true);
    expect(verify(signed.value.signatures.bitcoin, digest, us.basepoints.fundingPubkey)).toBe(true);
    expect(us.signAnnouncement(request, announced())).toEqual(signed);
  });

  it('refuses a channel that was not opened as public, and one without funding', () => {
    expect(codeOf(us.signAnnouncement(request, guardAt(0n)))).toBe('announcement-refused');
    expect(codeOf(us.signAnnouncement(request, { ...freshGuard, announced: true }))).toBe('announcement-refused');
    expect(codeOf(us.signAnnouncement(request, announced()))).toBe('ok');
  });
});
