import { expect, test } from 'vitest';
import { broadcasts } from '../../peer/machine.ts';
import { confirmed, reachNormal, reachSigned, reorged, spent } from '../../testing/reach.ts';
import { forgetAfterBlocks, publishAfterBlocks } from '../limits.ts';

const text = (words: string): Uint8Array => Uint8Array.from(words, (char) => char.charCodeAt(0));

function reachFailed() {
  const scene = reachNormal();
  scene.node.hear({ name: 'error', channelId: scene.opener.channelId, data: text('internal \u0007error') });
  return scene;
}

test('recv error -- the commitments are kept, the text is cleaned', () => {
  const scene = reachNormal();
  const heard = scene.node.hear({ name: 'error', channelId: scene.opener.channelId, data: text('internal \u0007error') });
  expect(heard.said).toEqual([]);
  expect(heard.note('channel-failed')).toMatchObject({ detail: 'internal ?error', amountSat: 200_000n });
  expect(scene.node.channel).toMatchObject({ tag: 'failed', code: 'peer-error', detail: 'internal ?error', doNotBroadcast: false });
  expect(scene.node.channel).toHaveProperty('commitments.localCommit.remoteSignature');
});

test('connected -- the error is said again, everything else ignored', () => {
  // BOLT 2: "if a channel is in an error state: SHOULD retransmit the error packet and ignore any other packets for that channel."
  const { node, opener } = reachFailed();
  for (const msg of [opener.channelReady(), opener.reestablish()]) expect(node.hear(msg).said).toEqual([]);
  node.disconnect();
  const heard = node.connect();
  expect(heard.names).toEqual(['error']);
  expect(heard.message('error').channelId).toEqual(opener.channelId);
  expect(node.hear(opener.channelReady()).said).toEqual([]);
  expect(node.tags).toEqual(['failed']);
});

test('recv error or channel_reestablish in a later connection -- the peer means it: our commitment is published', () => {
  for (const insist of ['error', 'channel_reestablish'] as const) {
    const { node, opener } = reachFailed();
    // The same connection could be forged whole; it costs nothing yet.
    node.hear({ name: 'error', channelId: opener.channelId, data: text('again') });
    expect(node.tags).toEqual(['failed']);
    node.disconnect();
    node.connect();
    node.hear(insist === 'error' ? { name: 'error', channelId: opener.channelId, data: text('again') } : opener.reestablish());
    expect(node.channel).toMatchObject({ tag: 'closing', cause: { code: 'peer-error' }, onchain: { publishing: true } });
    expect(broadcasts(node.state)).toHaveLength(1);
  }
});

test('tick -- published by us after a day that the peer let pass', () => {
  const { node } = reachFailed();
  node.height += publishAfterBlocks - 1;
  node.tick();
  expect(node.tags).toEqual(['failed']);
  node.height += 1;
  node.tick();
  expect(node.tags).toEqual(['closing']);
});

test('chain -- goes on being recorded', () => {
  const { node, opener } = reachFailed();
  node.chain(reorged(opener));
  expect(node.channel).not.toHaveProperty('confirmed');
  node.chain(confirmed(opener, 1, 1_020));
  expect(node.channel).toMatchObject({ confirmed: { height: 1_020 } });
  const spending = spent(opener, 1_030);
  expect(node.chain(spending).kinds).toEqual(['channel-closing', 'close-seen']);
  expect(node.chain(spending).kinds).toEqual([]);
  expect(node.channel).toMatchObject({ tag: 'closing', cause: { code: 'peer-error' }, onchain: { spends: [{ txid: spending.txid }] } });
});

test('tick -- forgotten when it was never funded', () => {
  const { node, opener } = reachSigned();
  node.hear({ name: 'error', channelId: opener.channelId, data: text('no coins') });
  node.height += forgetAfterBlocks;
  node.now += 14 * 24 * 3_600_000;
  expect(node.tick().kinds).toEqual(['channel-abandoned']);
  expect(node.tags).toEqual([]);
});

test('recv error -- a second one changes nothing', () => {
  const { node, opener } = reachFailed();
  const heard = node.hear({ name: 'error', channelId: opener.channelId, data: text('again') });
  expect(heard.notes).toEqual([]);
  expect(node.channel).toMatchObject({ detail: 'internal ?error' });
});
