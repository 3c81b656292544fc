import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { scidForPeer, scidsOf, shortChannelIdOf } from '../channel/scid.ts';
import { liveOf } from '../channel/state.ts';
import { sign } from '../keys/secp.ts';
import { hash, regtestChain } from '../testing/opener.ts';
import { confirmed, reachConfirmed } from '../testing/reach.ts';
import { peerPolicy, signUpdate } from './policy.ts';
import { encode, type PeerMessage } from './wire.ts';

type ChannelUpdate = Extract<PeerMessage, { readonly name: 'channel_update' }>;

const signed = (update: ChannelUpdate, secret = hash('the peer')): ChannelUpdate => ({
  ...update,
  signature: sign(sha256(sha256(encode(update).subarray(66))), secret),
});

/** A channel with a name of each kind: in the chain, ours and the peer's. */
function scene() {
  const { node, opener } = reachConfirmed({}, { scidAlias: true });
  node.chain(confirmed(opener, 1));
  node.hear(opener.channelReady(77n));
  const channel = liveOf(node.channel);
  if (channel.tag !== 'normal') throw new Error(channel.tag);
  const update: ChannelUpdate = {
    name: 'channel_update',
    signature: new Uint8Array(64),
    chainHash: regtestChain,
    shortChannelId: channel.commitments.terms.localAlias,
    timestamp: 5,
    messageFlags: 3,
    channelFlags: 3,
    cltvExpiryDelta: 40,
    htlcMinimumMsat: 1n,
    feeBaseMsat: 1_000,
    feeProportionalMillionths: 10,
    htlcMaximumMsat: 1_000_000n,
  };
  return { node, channel, update, policyOf: (msg: ChannelUpdate) => peerPolicy(node.state, msg, regtestChain) };
}

test('a channel has a name in the chain, and one by which the peer finds it', () => {
  const { channel } = scene();
  const { height, txIndex } = channel.confirmed ?? { height: 0, txIndex: 0 };
  const real = (BigInt(height) << 40n) | (BigInt(txIndex) << 16n) | 1n;
  expect(shortChannelIdOf(channel)).toBe(real);
  expect(scidForPeer(channel)).toBe(77n);
  expect(scidsOf(channel)).toEqual([real, 77n, channel.commitments.terms.localAlias]);
  const { confirmed: _, ...unconfirmed } = channel;
  const { remoteAlias: __, ...commitments } = channel.commitments;
  expect(scidForPeer({ ...unconfirmed, commitments })).toBeUndefined();
});

test('a channel_update of ours is what a peer takes for one', () => {
  const { channel, update, policyOf } = scene();
  const { channelId } = channel.commitments;
  const policy = {
    timestamp: 9,
    direction: 1 as const,
    disabled: true,
    cltvExpiryDelta: 80,
    htlcMinimumMsat: 2n,
    htlcMaximumMsat: 3_000_000n,
    feeBaseMsat: 4,
    feeProportionalMillionths: 5,
  };
  const { shortChannelId } = update;
  // The peer of this scene stands for us.
  const said = signUpdate({ ...policy, chainHash: regtestChain, shortChannelId }, (digest) => sign(digest, hash('the peer')));
  expect(policyOf(said)).toEqual({ ...policy, channelId });
  expect(said).toMatchObject({ messageFlags: 3, channelFlags: 3 });
  const plain = signUpdate({ ...policy, direction: 0, disabled: false, chainHash: regtestChain, shortChannelId }, () => new Uint8Array(64));
  expect(plain).toMatchObject({ messageFlags: 3, channelFlags: 0 });
});

describe('a channel_update of the peer', () => {
  test('is taken by every name of the channel, and leaves the state as it is', () => {
    const { node, channel, update, policyOf } = scene();
    for (const shortChannelId of scidsOf(channel)) {
      expect(policyOf(signed({ ...update, shortChannelId }))).toEqual({
        channelId: channel.commitments.channelId,
        timestamp: 5,
        direction: 1,
        disabled: true,
        cltvExpiryDelta: 40,
        htlcMinimumMsat: 1n,
        htlcMaximumMsat: 1_000_000n,
        feeBaseMsat: 1_000,
        feeProportionalMillionths: 10,
      });
    }
    const before = { ...node.state, lastInSeq: 0 };
    node.hear(signed(update));
    expect({ ...node.state, lastInSeq: 0 }).toEqual(before);
  });

  test('with fields of a later time behind it is signed with them', () => {
    const { update, policyOf } = scene();
    const longer = signed({ ...update, extension: Uint8Array.of(1, 2, 3) });
    expect(policyOf(longer)).toBeDefined();
    expect(policyOf({ ...longer, extension: Uint8Array.of(1, 2, 4) })).toBeUndefined();
  });

  test.each<readonly [string, (update: ChannelUpdate) => ChannelUpdate]>([
    ['signed by somebody else', (update) => signed(update, hash('another'))],
    ['changed after it was signed', (update) => ({ ...signed(update), feeBaseMsat: 0 })],
    ['of another chain', (update) => signed({ ...update, chainHash: hash('other') })],
    ['of another channel', (update) => signed({ ...update, shortChannelId: 78n })],
  ])('%s says nothing', (_, change) => {
    const { update, policyOf } = scene();
    expect(policyOf(change(update))).toBeUndefined();
  });
});
