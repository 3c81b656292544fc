import { describe, expect, test } from 'vitest';
import { commit } from '../store/store.ts';
import { peerAddress, peerIdHex, type TestNode, testNode, wakeUntilSettled, walletNode } from './testing.ts';

async function look(node: TestNode) {
  const view = await node.call('snapshot', null);
  if (!view.ok) throw new Error(view.error.code);
  // What a page gets went through structured clone or JSON: nothing may be lost on the way.
  expect(JSON.parse(JSON.stringify(view.value))).toEqual(view.value);
  return view.value;
}

describe('what a page sees', () => {
  test('before there is a wallet', async () => {
    const view = await look(await testNode());
    expect(view).toMatchObject({ wallet: 'none', peers: [], channels: [], prompts: [], wordsSaved: false, push: { subscribed: false } });
    expect(view.nodeId).toBeUndefined();
  });

  test('a prompt, with its deadline and both amounts', async () => {
    const node = await walletNode({ onOpen: 'ask' });
    await node.call('connect-peer', { address: peerAddress });
    const { prompts, channels, peers } = await look(node);
    const deadlineMs = node.ports.now() + 5 * 60_000;
    expect(prompts).toMatchObject([{ peerId: peerIdHex, amountSat: '200000', pushSat: '0', isPublic: false, zeroConf: false, deadlineMs }]);
    expect(channels).toMatchObject([
      { id: prompts[0]?.channelId, tag: 'wait-for-approval', capacitySat: '200000', oursSat: '0', theirsSat: '200000' },
    ]);
    expect(peers).toMatchObject([{ link: 'ready', onOpen: 'default' }]);
  });

  test('a funded channel, on and off line', async () => {
    const node = await walletNode();
    await node.call('connect-peer', { address: peerAddress });
    await wakeUntilSettled(node);
    const [channel] = (await look(node)).channels;
    expect(channel).toMatchObject({ tag: 'wait-for-funding-confirmed', online: true, confirmations: 0, minDepth: 3, fundingVout: 1 });
    expect(channel?.fundingTxid).toMatch(/^[0-9a-f]{64}$/);
    node.relay.lose();
    node.relay.meddle = async (op, _body, honest) =>
      op === 'connect' ? { ok: false, error: { code: 'dial-failed', detail: '' } } : honest();
    await node.wake();
    const after = await look(node);
    expect(after.channels).toMatchObject([{ id: channel?.id, tag: 'wait-for-funding-confirmed', online: false }]);
    expect(after.peers).toMatchObject([{ link: 'offline', reason: 'dial-failed' }]);
  });

  test('a tip of yesterday is stale, but not on regtest, where nobody mines', async () => {
    const node = await walletNode();
    const chain = { state: new Uint8Array(0), height: 5, tipTimeMs: node.ports.now() - 86_400_000, checkedAtMs: node.ports.now() };
    await commit(node.ports.db, { settings: { chain } });
    expect((await look(node)).chain).toMatchObject({ height: 5, stale: false });
    await commit(node.ports.db, { settings: { network: 'mainnet' } });
    expect((await look(node)).chain).toMatchObject({ height: 5, stale: true });
  });

  test('the relay, as it was last met', async () => {
    const node = await walletNode();
    await node.wake();
    expect((await look(node)).relay).toMatchObject({ reachable: true });
    node.relay.meddle = async () => ({ ok: false, error: { code: 'unreachable', detail: 'no route' } });
    await node.wake();
    expect((await look(node)).relay).toMatchObject({ reachable: false, error: 'unreachable: no route' });
  });

  test('the log: newest first, in pieces, by words, without secrets', async () => {
    const node = await walletNode();
    await node.call('connect-peer', { address: peerAddress });
    await wakeUntilSettled(node);
    const all = await node.call('activity', { limit: 200 });
    if (!all.ok) throw new Error('no log');
    expect(all.value.map(({ id }) => id)).toEqual(all.value.map(({ id }) => id).sort((a, b) => b - a));
    const older = await node.call('activity', { limit: 1, beforeId: all.value[1]?.id ?? 0 });
    expect(older).toMatchObject({ value: [{ id: all.value[2]?.id }] });
    const signed = await node.call('activity', { limit: 5, text: 'FUNDING-signed' });
    expect(signed).toMatchObject({ value: [{ kind: 'funding-signed', peerId: peerIdHex, amountSat: '200000' }] });
    const log = await node.call('export-log', null);
    const words = await node.call('words', null);
    if (!log.ok || !words.ok) throw new Error('no log');
    expect(log.value.json).toContain('funding-signed');
    expect(log.value.json).not.toContain(words.value.entropy);
  });
});
