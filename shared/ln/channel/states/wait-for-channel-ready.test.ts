import { expect, test } from 'vitest';
import { toHex } from '../../../lib/bytes.ts';
import { optional, peerInit } from '../../testing/node.ts';
import { confirmed, reachAccepted, reachConfirmed, reorged } from '../../testing/reach.ts';
import { commitmentsOf } from '../state.ts';

test('recv channel_ready -- open', () => {
  const { node, opener } = reachConfirmed();
  expect(node.hear(opener.channelReady(77n)).kinds).toEqual(['channel-ready']);
  expect(node.tags).toEqual(['normal']);
  expect(commitmentsOf(node.channel)).toMatchObject({
    remoteAlias: 77n,
    remoteNextPerCommitmentPoint: opener.signer.perCommitmentPoint(1n),
  });
});

test('our channel_ready names the point of commitment 1', () => {
  const { node, accept } = reachConfirmed();
  const commitments = commitmentsOf(node.channel);
  const ready = node
    .env()
    .openSigner(commitments?.terms.keyPath ?? [0, 0])
    .perCommitmentPoint(1n);
  expect(ready).not.toEqual(accept.firstPerCommitmentPoint);
  expect(node.state.outbox.map(({ bytes }) => toHex(bytes)).at(-1)).toContain(toHex(ready));
});

test('without option_scid_alias there is no alias', () => {
  const { node, opener, accept } = reachAccepted();
  expect(accept.name).toBe('accept_channel');
  node.disconnect();
  node.connect({ ...peerInit, features: optional('option_static_remotekey', 'option_anchors') });
  const second = node.hear(opener.open).message('accept_channel');
  node.hear(opener.fundingCreated(second));
  expect(node.chain(confirmed(opener, 3)).message('channel_ready')).not.toHaveProperty('shortChannelId');
});

test('chain funding-reorged -- back to waiting; channel_ready again when it is deep again', () => {
  const { node, opener } = reachConfirmed();
  expect(node.chain(reorged(opener)).said).toEqual([]);
  expect(node.channel).toMatchObject({ tag: 'wait-for-funding-confirmed', since: { height: node.height } });
  expect(node.hear(opener.channelReady()).kinds).toEqual([]);
  const heard = node.chain(confirmed(opener, 3, 1_005));
  expect(heard.names).toEqual(['channel_ready']);
  expect(node.tags).toEqual(['normal']);
});

test('chain funding-reorged -- the alias stays the same', () => {
  const scene = reachAccepted();
  scene.node.hear(scene.opener.fundingCreated(scene.accept));
  const first = scene.node.chain(confirmed(scene.opener, 3)).message('channel_ready');
  scene.node.chain(reorged(scene.opener));
  expect(scene.node.chain(confirmed(scene.opener, 3)).message('channel_ready')).toEqual(first);
});

test('zero-conf, chain funding-confirmed and funding-reorged -- only noted', () => {
  const { node, opener } = reachConfirmed({ zeroConf: true }, { zeroConf: true });
  expect(node.chain(confirmed(opener, 1)).kinds).toEqual(['channel-confirmed']);
  expect(node.chain(reorged(opener)).said).toEqual([]);
  expect(node.tags).toEqual(['wait-for-channel-ready']);
});

test('tick -- never forgotten once our channel_ready is out', () => {
  const { node } = reachConfirmed({ zeroConf: true }, { zeroConf: true });
  node.height += 10_000;
  node.now += 100 * 24 * 3_600_000;
  node.tick();
  expect(node.tags).toEqual(['wait-for-channel-ready']);
});

test('disconnected, connected -- channel_ready is repeated', () => {
  // BOLT 2: "if `next_commitment_number` is 1 in both the `channel_reestablish` it sent and received [...]: MUST retransmit `channel_ready`."
  const { node, opener } = reachConfirmed();
  node.disconnect();
  expect(node.connect().names).toEqual(['channel_reestablish']);
  const heard = node.hear(opener.reestablish());
  expect(heard.names).toEqual(['channel_ready']);
  expect(heard.kinds).toEqual(['channel-reestablished']);
  expect(node.hear(opener.channelReady()).kinds).toEqual(['channel-ready']);
});
