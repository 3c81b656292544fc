/** A set of parts over several peers, and a node that dies, sleeps for long, or comes back from a backup: paid whole or not at all. */
import { expect, test } from 'vitest';
import { commit, loadPeer, loadReceiving } from '../../store/store.ts';
import { Collected } from '../peers.ts';
import type { PagePorts } from '../requests.ts';
import { round } from '../round.ts';
import { takeFrames } from '../sync.ts';
import type { TestNode } from '../testing.ts';
import { settleSets } from './receive-sets.ts';
import { type Asked, atHeight, HEIGHT, invoiceOf, type Payer, payScene, type Scene, sync, viewOf } from './testing.ts';
import { Killed, killer } from './testing-kill.ts';

/** The next life of the same node. */
const again = ({ node, relay }: Scene, wrap: (ports: PagePorts) => PagePorts = (ports) => ports): Promise<TestNode> =>
  node.again({ wrap: (ports) => wrap({ ...ports, relay: async () => relay.client }) });

const ends = (payers: readonly Payer[]) => payers.map(({ ends: of }) => of.get('part')?.tag);
const offerAll = (payers: readonly Payer[], asked: Asked, count = payers.length): void => {
  for (const payer of payers.slice(0, count))
    payer.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: BigInt(payers.length) * 1_000_000n });
};

test('killed at any write or request from the first frame to the last fulfilment: every part is paid', { timeout: 120_000 }, async () => {
  const scene = await payScene(['anna', 'bert']);
  let at = 1;
  for (; ; at += 1) {
    const asked = await invoiceOf(scene.node, 2_000_000n);
    offerAll(scene.payers, asked);
    const axe = killer(at);
    const doomed = await again(scene, axe.wrap);
    const survived = await sync(doomed).then(
      () => axe.passed < at,
      () => false,
    );
    const next = await again(scene);
    await sync(next);
    expect([at, ends(scene.payers)]).toEqual([at, ['paid', 'paid']]);
    expect(await viewOf(next, asked.id)).toMatchObject({ state: 'paid', parts: [{ state: 'settled' }, { state: 'settled' }] });
    if (survived) break;
  }
  expect(at).toBeGreaterThan(8);
});

test('killed at any write or request while a set is failed: every part goes back, none is paid', { timeout: 120_000 }, async () => {
  const scene = await payScene(['anna', 'bert']);
  let at = 1;
  for (; ; at += 1) {
    const asked = await invoiceOf(scene.node, 3_000_000n);
    for (const payer of scene.payers) payer.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: 3_000_000n });
    await sync(scene.node);
    expect(ends(scene.payers)).toEqual(['held', 'held']);
    scene.node.later(60_000);
    const axe = killer(at);
    const doomed = await again(scene, axe.wrap);
    const survived = await sync(doomed).then(
      () => axe.passed < at,
      () => false,
    );
    const next = await again(scene);
    await sync(next);
    expect([at, ends(scene.payers)]).toEqual([at, ['failed', 'failed']]);
    expect(await viewOf(next, asked.id)).toMatchObject({ state: 'open', parts: [] });
    if (survived) break;
  }
  expect(at).toBeGreaterThan(5);
});

/** Anna's part is held; Bert's word that makes the set whole is on its way, and this life does not hear it. Gives his frames. */
async function allButTheLastWord({ node, relay, payers }: Scene, asked: Asked) {
  payers[0]?.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: 2_000_000n });
  await sync(node);
  payers[1]?.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: 2_000_000n });
  relay.after = () => {
    if (relay.left.at(-1)?.includes('bert revoke_and_ack')) throw new Killed();
  };
  await expect(sync(node)).rejects.toThrow(Killed);
  relay.after = () => undefined;
  return payers.flatMap(({ waiting }) => waiting);
}

test('killed between the decision and the other peer’s round: the first request of the next life carries both', async () => {
  const scene = await payScene(['anna', 'bert']);
  const { node, relay, payers } = scene;
  const asked = await invoiceOf(node, 2_000_000n);
  const frames = await allButTheLastWord(scene, asked);
  // A push brings it: the decision is made and stored, and the worker dies.
  await takeFrames(node.ports, frames, new Collected());
  expect(await viewOf(node, asked.id)).toMatchObject({ state: 'settling' });
  expect(ends(payers)).toEqual(['held', 'held']);
  const left = relay.left.length;
  await sync(await again(scene));
  expect(relay.left[left]?.filter((name) => name.endsWith('update_fulfill_htlc'))).toEqual([
    'anna update_fulfill_htlc',
    'bert update_fulfill_htlc',
  ]);
  expect(ends(payers)).toEqual(['paid', 'paid']);
});

test('the last part comes just after another part’s channel has ended: the preimage stays here', async () => {
  const scene = await payScene(['anna', 'bert']);
  const { node, payers } = scene;
  const asked = await invoiceOf(node, 2_000_000n);
  const frames = await allButTheLastWord(scene, asked);
  const [anna] = payers;
  const channelId = anna?.channelIds[0];
  if (anna === undefined || channelId === undefined) throw new Error('no channel');
  await round(node.ports, anna.peerId, [{ tag: 'channel', channelId, command: { tag: 'force-close' } }]);
  await takeFrames(node.ports, frames, new Collected());
  expect(await viewOf(node, asked.id)).toMatchObject({ state: 'holding', parts: [{ peerAlias: 'bert' }] });
});

test('with a height of long ago nothing is fulfilled before the chain was looked at', async () => {
  const { node, relay, payers } = await payScene(['anna']);
  const lookedUpAt = (height: number): void => {
    relay.before = async (op) => {
      if (op === 'chain/tip') await atHeight(node, height);
    };
  };
  node.later(2 * 3_600_000);
  offerAll(payers, await invoiceOf(node, 1_000_000n));
  // The relay has no word of the chain.
  await sync(node);
  expect(ends(payers)).toEqual(['held']);
  // It has, and too little time is left.
  lookedUpAt(HEIGHT + 100 - 36);
  await sync(node);
  expect(ends(payers)).toEqual(['failed']);
  await atHeight(node, HEIGHT);
  node.later(2 * 3_600_000);
  offerAll(payers, await invoiceOf(node, 1_000_000n));
  lookedUpAt(HEIGHT + 1);
  await sync(node);
  expect(ends(payers)).toEqual(['paid']);
});

test('while one peer says nothing to its fulfilment, the other’s, which is over, is not written again and again', async () => {
  const scene = await payScene(['anna', 'bert']);
  const { node, payers } = scene;
  const asked = await invoiceOf(node, 2_000_000n);
  await takeFrames(node.ports, await allButTheLastWord(scene, asked), new Collected());
  const [, bert] = payers;
  if (bert === undefined) throw new Error('no bert');
  bert.hear = () => undefined;
  await sync(node);
  const before = (await loadReceiving(node.ports.db)).unsettled;
  expect(before).toMatchObject([{ state: 'settling', parts: [{ state: 'fulfilled' }, { state: 'fulfilling' }] }]);
  await sync(node);
  await sync(node);
  expect((await loadReceiving(node.ports.db)).unsettled).toEqual(before);
});

test('a part whose channel ends is counted no more', async () => {
  const { node, payers } = await payScene(['anna', 'bert']);
  const [anna, bert] = payers;
  const asked = await invoiceOf(node, 2_000_000n);
  anna?.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: 2_000_000n });
  await sync(node);
  const channelId = anna?.channelIds[0];
  if (anna === undefined || channelId === undefined) throw new Error('no channel');
  const closed = await round(node.ports, anna.peerId, [{ tag: 'channel', channelId, command: { tag: 'force-close' } }]);
  expect(closed.ok).toBe(true);
  bert?.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: 2_000_000n });
  await sync(node);
  expect(ends(payers)).toEqual(['held', 'held']);
  expect(await viewOf(node, asked.id)).toMatchObject({ state: 'holding', parts: [{ peerAlias: 'bert' }] });
  node.later(60_000);
  await sync(node);
  expect(bert?.ends.get('part')?.tag).toBe('failed');
});

test('after a restore, which brings no invoices, what was held goes back', async () => {
  const { node, payers } = await payScene(['anna']);
  const asked = await invoiceOf(node, 2_000_000n);
  payers[0]?.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: 2_000_000n });
  await sync(node);
  await node.ports.db.clear('invoices');
  await sync(node);
  expect(payers[0]?.ends.get('part')).toEqual({ tag: 'failed', why: 'incorrect_or_unknown_payment_details' });
});

test('of two contexts that write one invoice, the later one decides anew', async () => {
  const { node, payers } = await payScene(['anna', 'bert']);
  const asked = await invoiceOf(node, 2_000_000n);
  payers[0]?.offer('part', { ...asked, amountMsat: 1_000_000n, totalMsat: 2_000_000n });
  await sync(node);
  const {
    unsettled: [held],
  } = await loadReceiving(node.ports.db);
  if (held === undefined) throw new Error('nothing held');
  // Somebody writes between our read and our write.
  expect(await commit(node.ports.db, { writes: [{ store: 'invoices', value: { ...held, description: 'changed' } }] })).toMatchObject({
    ok: true,
  });
  const record = await loadPeer(node.ports.db, payers[0]?.peerId ?? '');
  const stale = await commit(node.ports.db, { ...(record ? { peer: record } : {}), writes: [{ store: 'invoices', value: held }] });
  expect(stale).toMatchObject({ ok: false, error: { code: 'fence-lost' } });
  expect((await loadPeer(node.ports.db, payers[0]?.peerId ?? ''))?.fence).toBe(record?.fence);
  node.later(60_000);
  const { due, live } = await settleSets(node.ports, new Collected());
  expect([due, live.length]).toEqual([{}, 2]);
});
