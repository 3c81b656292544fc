import { expect, test } from 'vitest';
import { reachApproval } from '../../testing/reach.ts';

const answer = (scene: ReturnType<typeof reachApproval>, approve: boolean) =>
  scene.node.step({ tag: 'answer', channelId: scene.opener.open.temporaryChannelId, approve });

test('answer -- approved', () => {
  const scene = reachApproval();
  const heard = answer(scene, true);
  expect(heard.names).toEqual(['accept_channel']);
  expect(heard.kinds).toEqual(['open-approved']);
  expect(scene.node.tags).toEqual(['wait-for-funding-created']);
});

test('answer -- approved, then funded like any other', () => {
  const scene = reachApproval();
  const accept = answer(scene, true).message('accept_channel');
  const signed = scene.node.hear(scene.opener.fundingCreated(accept)).message('funding_signed');
  expect(scene.opener.checksFundingSigned(accept, signed.signature)).toBe(true);
});

test('answer -- denied', () => {
  const scene = reachApproval();
  const heard = answer(scene, false);
  expect(heard.message('error').channelId).toEqual(scene.opener.open.temporaryChannelId);
  expect(heard.text).toMatch(/declined/);
  expect(heard.kinds).toEqual(['open-denied']);
  expect(scene.node.tags).toEqual([]);
});

test('recv open_channel -- the same again after a denial: the same answer, and nobody is asked', () => {
  // LDK does this with a lesser channel type when its offer is refused.
  const scene = reachApproval();
  const denied = answer(scene, false);
  const again = scene.node.hear(scene.opener.open);
  expect(again.said).toEqual(denied.said);
  expect(again.notes).toEqual([]);
  expect(scene.node.tags).toEqual([]);
  scene.node.disconnect();
  scene.node.connect();
  expect(scene.node.hear(scene.opener.open).kinds).toEqual(['open-asked']);
});

test('recv open_channel -- again after the prompt ran out', () => {
  const scene = reachApproval();
  scene.node.later(scene.node.policy.promptMs);
  expect(scene.node.hear(scene.opener.open).text).toMatch(/did not answer in time/);
  expect(scene.node.tags).toEqual([]);
});

test('answer -- twice: the second one finds nothing', () => {
  const scene = reachApproval();
  answer(scene, true);
  expect(answer(scene, false).said).toEqual([]);
  expect(scene.node.tags).toEqual(['wait-for-funding-created']);
});

test('answer -- for another channel', () => {
  const scene = reachApproval();
  expect(scene.node.step({ tag: 'answer', channelId: new Uint8Array(32).fill(9), approve: true }).said).toEqual([]);
  expect(scene.node.tags).toEqual(['wait-for-approval']);
});

test.each([
  [-1, ['accept_channel'], ['open-approved']],
  [0, ['error'], ['open-expired']],
])('answer -- approved %i ms from the deadline', (late, names, kinds) => {
  const scene = reachApproval();
  scene.node.now += scene.node.policy.promptMs + late;
  const heard = answer(scene, true);
  expect(heard.names).toEqual(names);
  expect(heard.kinds).toEqual(kinds);
});

test('tick -- before the deadline and at it', () => {
  const { node, opener } = reachApproval();
  node.now += node.policy.promptMs - 1;
  expect(node.tick().said).toEqual([]);
  node.now += 1;
  const heard = node.tick();
  expect(heard.message('error').channelId).toEqual(opener.open.temporaryChannelId);
  expect(heard.kinds).toEqual(['open-expired']);
  expect(node.tags).toEqual([]);
});

test('recv funding_created -- before accept_channel', () => {
  const { node, opener } = reachApproval();
  const { temporaryChannelId } = opener.open;
  const heard = node.hear({
    name: 'funding_created',
    temporaryChannelId,
    fundingTxid: new Uint8Array(32).fill(1),
    fundingOutputIndex: 0,
    signature: new Uint8Array(64),
  });
  expect(heard.message('error').channelId).toEqual(temporaryChannelId);
  expect(node.tags).toEqual([]);
});

test('recv error -- the peer takes its offer back', () => {
  const { node, opener } = reachApproval();
  const heard = node.hear({ name: 'error', channelId: opener.open.temporaryChannelId, data: Uint8Array.from([111, 107]) });
  expect(heard.said).toEqual([]);
  expect(heard.note('channel-abandoned').detail).toBe('ok');
  expect(node.tags).toEqual([]);
});

test('disconnected -- forgotten, and the prompt is void', () => {
  const scene = reachApproval();
  expect(scene.node.disconnect().kinds).toEqual(['channel-abandoned']);
  expect(scene.node.tags).toEqual([]);
  scene.node.connect();
  expect(answer(scene, true).said).toEqual([]);
});
