import { expect, test } from 'vitest';
import { broadcasts } from '../../peer/machine.ts';
import { confirmed, reachNormal, reorged, spent } from '../../testing/reach.ts';
import { commitmentsOf } from '../state.ts';

test('recv channel_ready -- redundant', () => {
  // BOLT 2: "MUST ignore any redundant `channel_ready` it receives."
  const { node, opener } = reachNormal();
  const heard = node.hear(opener.channelReady());
  expect(heard.said).toEqual([]);
  expect(heard.notes).toEqual([]);
  expect(node.tags).toEqual(['normal']);
});

test('recv channel_ready -- with another alias', () => {
  const { node, opener } = reachNormal();
  node.hear(opener.channelReady(9n));
  expect(commitmentsOf(node.channel)?.remoteAlias).toBe(9n);
});

test('recv channel_ready -- another second_per_commitment_point', () => {
  const { node, opener } = reachNormal();
  const heard = node.hear({ ...opener.channelReady(), secondPerCommitmentPoint: opener.signer.perCommitmentPoint(2n) });
  expect(heard.names).toEqual(['warning']);
  expect(heard.disconnects).toEqual([]);
  expect(commitmentsOf(node.channel)?.remoteNextPerCommitmentPoint).toEqual(opener.signer.perCommitmentPoint(1n));
});

test('recv channel_reestablish -- without a reconnection', () => {
  const { node, opener } = reachNormal();
  expect(node.hear(opener.reestablish()).names).toEqual(['warning']);
  expect(node.tags).toEqual(['normal']);
});

test('chain funding-reorged -- the channel goes on, unconfirmed', () => {
  const { node, opener } = reachNormal();
  expect(node.chain(reorged(opener)).kinds).toEqual(['fault']);
  expect(node.tags).toEqual(['normal']);
  expect(node.channel).not.toHaveProperty('confirmed');
  node.chain(confirmed(opener, 1, 1_009));
  expect(node.channel).toMatchObject({ tag: 'normal', confirmed: { height: 1_009 } });
});

test('chain spent -- over', () => {
  const { node, opener } = reachNormal();
  const spending = spent(opener);
  const heard = node.chain(spending);
  expect(heard.kinds).toEqual(['channel-closing', 'close-seen']);
  expect(node.channel).toMatchObject({
    tag: 'closing',
    cause: { code: 'spent' },
    onchain: { publishing: false, spends: [{ txid: spending.txid }] },
  });
});

test('force-close -- the peer is told, and our commitment goes out', () => {
  const { node, opener } = reachNormal();
  const heard = node.step({ tag: 'channel', channelId: opener.channelId, command: { tag: 'force-close' } });
  expect(heard.names).toEqual(['error']);
  expect(heard.kinds).toEqual(['channel-closing']);
  expect(node.channel).toMatchObject({ tag: 'closing', cause: { code: 'user' }, onchain: { publishing: true } });
  expect(broadcasts(node.state)).toHaveLength(1);
});

test('disconnected, connected -- both at commitment 0: channel_ready is repeated', () => {
  const { node, opener } = reachNormal();
  node.disconnect();
  expect(node.tags).toEqual(['offline normal']);
  const sent = node.connect().message('channel_reestablish');
  expect(sent).toMatchObject({ nextCommitmentNumber: 1n, nextRevocationNumber: 0n, yourLastPerCommitmentSecret: new Uint8Array(32) });
  expect(node.tags).toEqual(['syncing normal']);
  expect(node.hear(opener.reestablish()).names).toEqual(['channel_ready']);
  expect(node.tags).toEqual(['normal']);
  expect(node.hear(opener.channelReady()).said).toEqual([]);
});
