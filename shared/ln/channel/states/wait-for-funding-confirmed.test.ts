import { expect, test } from 'vitest';
import { confirmed, reachAccepted, reachSigned, reorged } from '../../testing/reach.ts';
import { forgetAfterBlocks } from '../limits.ts';
import { commitmentsOf } from '../state.ts';

const fortnight = 14 * 24 * 3_600_000;

test('chain funding-confirmed -- below minimum_depth, then at it', () => {
  const { node, opener } = reachSigned({ minDepth: 3 });
  expect(node.chain(confirmed(opener, 1)).kinds).toEqual(['channel-confirmed']);
  expect(node.chain(confirmed(opener, 2)).kinds).toEqual([]);
  expect(node.state.outbox.length).toBe(2);
  expect(node.channel).toMatchObject({ tag: 'wait-for-funding-confirmed', confirmed: { height: 1_001, txIndex: 7 } });
  const ready = node.chain(confirmed(opener, 3));
  expect(ready.names).toEqual(['channel_ready']);
  expect(node.channel).toMatchObject({ tag: 'wait-for-channel-ready', confirmed: { height: 1_001, txIndex: 7 } });
});

test('chain funding-confirmed -- deep at once', () => {
  const { node, opener } = reachSigned({ minDepth: 3 });
  const heard = node.chain(confirmed(opener, 100));
  expect(heard.kinds).toEqual(['channel-confirmed']);
  expect(heard.message('channel_ready').channelId).toEqual(opener.channelId);
});

test('channel_ready carries an alias that is not the scid', () => {
  const { node, opener } = reachSigned();
  const { shortChannelId } = node.chain(confirmed(opener, 3)).message('channel_ready');
  // Block 1001, position 7, output 1 would be the real one.
  expect(shortChannelId).not.toBe((1_001n << 40n) | (7n << 16n) | 1n);
  expect((shortChannelId ?? 0n) >> 56n).toBe(0x7fn);
});

test('chain funding-confirmed -- of another output', () => {
  const { node, opener } = reachSigned();
  expect(node.chain({ ...confirmed(opener, 3), outpoint: { ...opener.outpoint, vout: 0 } }).said).toEqual([]);
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('chain funding-reorged -- waits again', () => {
  const { node, opener } = reachSigned({ minDepth: 2 });
  node.chain(confirmed(opener, 1));
  node.chain(reorged(opener));
  expect(node.channel).not.toHaveProperty('confirmed');
  node.chain(confirmed(opener, 2, 1_003));
  expect(node.channel).toMatchObject({ tag: 'wait-for-channel-ready', confirmed: { height: 1_003 } });
});

test('chain funding-wrong', () => {
  const { node, opener } = reachSigned();
  const heard = node.chain({ tag: 'funding-wrong', outpoint: opener.outpoint, detail: 'value 1' });
  expect(heard.message('error').channelId).toEqual(opener.channelId);
  expect(heard.kinds).toEqual(['channel-failed']);
  expect(node.channel).toMatchObject({ tag: 'failed', code: 'funding-wrong', doNotBroadcast: false });
});

test('recv channel_ready -- early', () => {
  // BOLT 2: "the opener is free to send this message at any time (since it presumably trusts itself)"
  const { node, opener } = reachSigned();
  expect(node.hear(opener.channelReady(5n)).said).toEqual([]);
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
  const heard = node.chain(confirmed(opener, 3));
  expect(heard.names).toEqual(['channel_ready']);
  expect(heard.kinds).toEqual(['channel-confirmed', 'channel-ready']);
  expect(node.tags).toEqual(['normal']);
  expect(commitmentsOf(node.channel)?.remoteAlias).toBe(5n);
});

test('recv channel_ready -- second_per_commitment_point off the curve', () => {
  const { node, opener } = reachSigned();
  const off = new Uint8Array(33).fill(0xff).fill(2, 0, 1);
  expect(node.hear({ ...opener.channelReady(), secondPerCommitmentPoint: off }).names).toEqual(['error']);
  expect(node.channel).toMatchObject({ tag: 'failed', code: 'point-invalid' });
});

test('tick -- 2016 blocks without a funding transaction', () => {
  const { node } = reachSigned();
  node.now += fortnight;
  node.height += forgetAfterBlocks - 1;
  expect(node.tick().notes).toEqual([]);
  node.height += 1;
  expect(node.tick().kinds).toEqual(['channel-abandoned']);
  expect(node.tags).toEqual([]);
});

test('tick -- 2016 blocks that we had only missed are not a wait', () => {
  const { node } = reachSigned();
  node.height += 5_000;
  node.now += 3_600_000;
  node.tick();
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('tick -- confirmed, if not deep enough, is not forgotten', () => {
  const { node, opener } = reachSigned();
  node.chain(confirmed(opener, 1));
  node.height += forgetAfterBlocks;
  node.now += fortnight;
  node.tick();
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('disconnected, confirmed, connected -- channel_ready only after channel_reestablish', () => {
  const { node, opener } = reachSigned();
  node.disconnect();
  expect(node.tags).toEqual(['offline wait-for-funding-confirmed']);
  expect(node.chain(confirmed(opener, 3)).said).toEqual([]);
  expect(node.tags).toEqual(['offline wait-for-channel-ready']);
  expect(node.connect().names).toEqual(['channel_reestablish']);
  expect(node.hear(opener.reestablish()).names).toEqual(['channel_ready']);
  expect(node.tags).toEqual(['wait-for-channel-ready']);
});

test('disconnected, connected, confirmed while syncing -- channel_ready only after channel_reestablish', () => {
  const { node, opener } = reachSigned();
  node.disconnect();
  node.connect();
  expect(node.chain(confirmed(opener, 3)).said).toEqual([]);
  expect(node.tags).toEqual(['syncing wait-for-channel-ready']);
  expect(node.hear(opener.reestablish()).names).toEqual(['channel_ready']);
});

test('disconnected, connected -- nothing to repeat before the first channel_ready', () => {
  const { node, opener } = reachSigned();
  node.disconnect();
  node.connect();
  expect(node.hear(opener.reestablish()).said).toEqual([]);
  expect(node.tags).toEqual(['wait-for-funding-confirmed']);
});

test('zero-conf -- channel_ready goes with funding_signed', () => {
  const { node, opener, accept } = reachAccepted({ zeroConf: true }, { zeroConf: true });
  const heard = node.hear(opener.fundingCreated(accept));
  expect(heard.names).toEqual(['funding_signed', 'channel_ready']);
  expect(node.tags).toEqual(['wait-for-channel-ready']);
  expect(node.channel).not.toHaveProperty('confirmed');
});
