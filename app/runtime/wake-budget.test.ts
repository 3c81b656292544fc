import { expect, test } from 'vitest';
import { payScene, sync } from './payments/testing.ts';
import type { TestNode } from './testing.ts';

const seen = async (node: TestNode) => {
  const view = await node.call('snapshot', null);
  const activity = await node.call('activity', { limit: 50, kind: 'wakes-spent' });
  return {
    peers: view.ok && view.value.peers.map((peer) => [peer.alias, peer.wakeBudgetSpent]),
    told: activity.ok && activity.value.length,
  };
};

test('a peer that woke us too often is shown and told of once, until the relay takes it back', async () => {
  const { node, payers } = await payScene(['anna', 'bert']);
  const bert = payers[1];
  if (bert === undefined) throw new Error('nobody');
  const byName = async () => {
    const { peers, told } = await seen(node);
    return { spent: Object.fromEntries(peers || []), told };
  };
  expect(await byName()).toEqual({ spent: { anna: undefined, bert: undefined }, told: 0 });
  bert.wakeBudgetSpent = true;
  await sync(node);
  await sync(node);
  expect(await byName()).toEqual({ spent: { anna: undefined, bert: true }, told: 1 });
  bert.wakeBudgetSpent = false;
  await sync(node);
  expect(await byName()).toEqual({ spent: { anna: undefined, bert: undefined }, told: 1 });
});
