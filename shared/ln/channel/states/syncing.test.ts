import { describe, expect, test } from 'vitest';
import { channelSecrets, nodeSecret, walletKeyFromSeed } from '../../keys/seed.ts';
import { secretFromSeed } from '../../keys/shachain.ts';
import { memorySigner } from '../../signer/memory.ts';
import { openWalletSigner } from '../../signer/wallet.ts';
import type { TestNode } from '../../testing/node.ts';
import { hash, type Opener } from '../../testing/opener.ts';
import { reachConfirmed, reachNormal, reachSigned, spent } from '../../testing/reach.ts';
import type { ChannelReestablish } from '../message.ts';
import { commitmentsOf } from '../state.ts';

const ways = [
  ['wait-for-funding-confirmed', reachSigned],
  ['wait-for-channel-ready', reachConfirmed],
  ['normal', reachNormal],
] as const;

function back(reach: () => { readonly node: TestNode; readonly opener: Opener }): { readonly node: TestNode; readonly opener: Opener } {
  const scene = reach();
  scene.node.disconnect();
  scene.node.connect();
  return scene;
}

function termsOf(node: TestNode) {
  const commitments = commitmentsOf(node.channel);
  if (!commitments) throw new Error('no commitments');
  return commitments.terms;
}

/** The secret of our own commitment `n`, which we would have revealed had we not lost the state. */
function ourSecret(node: TestNode, n: bigint): Uint8Array {
  const walletKey = walletKeyFromSeed(hash('our seed'), 1);
  const secrets = channelSecrets(walletKey, termsOf(node).keyPath);
  expect(memorySigner(secrets, openWalletSigner(walletKey), () => nodeSecret(walletKey)).basepoints).toEqual(
    termsOf(node).local.basepoints,
  );
  return secretFromSeed(secrets.commitmentSeed, n);
}

describe.each(ways)('%s', (tag, reach) => {
  test('recv channel_reestablish -- both sides where they were', () => {
    const { node, opener } = back(reach);
    const heard = node.hear(opener.reestablish());
    expect(heard.kinds).toEqual(['channel-reestablished']);
    expect(heard.names).toEqual(tag === 'wait-for-funding-confirmed' ? [] : ['channel_ready']);
    expect(node.tags).toEqual([tag]);
  });

  test.each<readonly [string, Partial<ChannelReestablish>, string]>([
    ['next_commitment_number zero', { nextCommitmentNumber: 0n }, 'reestablish-zero'],
    ['next_commitment_number too large', { nextCommitmentNumber: 2n }, 'reestablish-commitment-number'],
    ['next_commitment_number absurd', { nextCommitmentNumber: (1n << 64n) - 1n }, 'reestablish-commitment-number'],
    ['next_revocation_number too large, no secret', { nextRevocationNumber: 1n }, 'reestablish-revocation-number'],
    ['next_revocation_number absurd', { nextRevocationNumber: (1n << 64n) - 1n }, 'reestablish-revocation-number'],
    [
      'next_revocation_number absurd, with a secret',
      { nextRevocationNumber: (1n << 64n) - 1n, yourLastPerCommitmentSecret: new Uint8Array(32).fill(1) },
      'reestablish-revocation-number',
    ],
    [
      'next_revocation_number too large, a wrong secret',
      { nextRevocationNumber: 1n, yourLastPerCommitmentSecret: new Uint8Array(32).fill(1) },
      'reestablish-revocation-number',
    ],
    ['a secret where there is none', { yourLastPerCommitmentSecret: new Uint8Array(32).fill(1) }, 'reestablish-secret'],
  ])('recv channel_reestablish -- %s', (_, change, code) => {
    const { node, opener } = back(reach);
    const heard = node.hear(opener.reestablish(change));
    expect(heard.message('error').channelId).toEqual(opener.channelId);
    expect(heard.names).toEqual(['error']);
    expect(node.channel).toMatchObject({ tag: 'failed', code, doNotBroadcast: false });
  });

  test.each([1n, 5n, 281_474_976_710_655n])('recv channel_reestablish -- the peer proves that we lost data (%i revocations)', (count) => {
    // BOLT 2: "MUST NOT broadcast its commitment transaction. SHOULD send an `error` to request the peer to fail the channel."
    const { node, opener } = back(reach);
    const yourLastPerCommitmentSecret = ourSecret(node, count - 1n);
    const heard = node.hear(
      opener.reestablish({ nextCommitmentNumber: count + 1n, nextRevocationNumber: count, yourLastPerCommitmentSecret }),
    );
    expect(heard.names).toEqual(['error']);
    expect(node.channel).toMatchObject({ tag: 'failed', code: 'data-lost', doNotBroadcast: true });
  });

  test('recv channel_reestablish -- the secret of another commitment proves nothing', () => {
    const { node, opener } = back(reach);
    const yourLastPerCommitmentSecret = ourSecret(node, 1n);
    node.hear(opener.reestablish({ nextCommitmentNumber: 2n, nextRevocationNumber: 1n, yourLastPerCommitmentSecret }));
    expect(node.channel).toMatchObject({ tag: 'failed', code: 'reestablish-revocation-number', doNotBroadcast: false });
  });

  test('recv channel_ready -- before channel_reestablish', () => {
    const { node, opener } = back(reach);
    expect(node.hear(opener.channelReady()).said).toEqual([]);
    node.hear(opener.reestablish());
    expect(node.tags).toEqual([tag === 'wait-for-channel-ready' ? 'normal' : tag]);
  });

  test('recv channel_ready -- before channel_reestablish, with a point off the curve', () => {
    const { node, opener } = back(reach);
    const heard = node.hear({ ...opener.channelReady(), secondPerCommitmentPoint: new Uint8Array(33).fill(0xff).fill(2, 0, 1) });
    if (tag === 'normal') expect(node.tags).toEqual(['syncing normal']);
    else expect(node.channel).toMatchObject({ tag: 'failed', code: 'point-invalid' });
    expect(heard.names).toEqual(tag === 'normal' ? [] : ['error']);
  });

  test('recv update_fee -- before channel_reestablish', () => {
    const { node, opener } = back(reach);
    const heard = node.hear({ name: 'update_fee', channelId: opener.channelId, feeratePerKw: 300 });
    expect(heard.names).toEqual(['warning']);
    expect(heard.disconnects).toHaveLength(1);
    expect(node.tags).toEqual([`offline ${tag}`]);
  });

  test('recv error -- before channel_reestablish', () => {
    const { node, opener } = back(reach);
    const heard = node.hear({ name: 'error', channelId: opener.channelId, data: Uint8Array.from([0x6e, 0x6f]) });
    expect(heard.said).toEqual([]);
    expect(node.channel).toMatchObject({ tag: 'failed', code: 'peer-error', detail: 'no' });
  });

  test('disconnected again, and again', () => {
    const { node, opener } = back(reach);
    for (let i = 0; i < 3; i++) {
      node.disconnect();
      expect(node.tags).toEqual([`offline ${tag}`]);
      expect(node.connect().names).toEqual(['channel_reestablish']);
    }
    node.hear(opener.reestablish());
    expect(node.tags).toEqual([tag]);
  });

  test('chain funding-wrong -- with and without a connection', () => {
    for (const online of [true, false]) {
      const { node, opener } = back(reach);
      if (!online) node.disconnect();
      const heard = node.chain({ tag: 'funding-wrong', outpoint: opener.outpoint, detail: 'x' });
      expect(heard.names).toEqual(online ? ['error'] : []);
      expect(node.channel).toMatchObject({ tag: 'failed', code: 'funding-wrong' });
      node.disconnect();
      expect(node.connect().message('error').channelId).toEqual(opener.channelId);
    }
  });

  test('chain spent -- with and without a connection', () => {
    for (const online of [true, false]) {
      const { node, opener } = back(reach);
      if (!online) node.disconnect();
      expect(node.chain(spent(opener)).names).toEqual([]);
      expect(node.tags).toEqual(['closing']);
      if (online) node.disconnect();
      expect(node.connect().said).toEqual([]);
    }
  });
});

test('our channel_reestablish', () => {
  const { node, opener } = reachNormal();
  node.disconnect();
  const sent = node.connect().message('channel_reestablish');
  expect(sent.channelId).toEqual(opener.channelId);
  expect(sent.myCurrentPerCommitmentPoint).toEqual(node.env().openSigner(termsOf(node).keyPath).perCommitmentPoint(0n));
});

test('recv channel_reestablish -- of a channel that is not ours', () => {
  // BOLT 1: "SHOULD send `error` with the unknown `channel_id` in reply to messages of type `32`-`255` related to unknown channels."
  const { node, opener } = reachNormal();
  const channelId = hash('nobody knows');
  expect(node.hear(opener.reestablish({ channelId })).message('error').channelId).toEqual(channelId);
  expect(node.tags).toEqual(['normal']);
});
