/** Every push ends in a notification, a log entry and a signed receipt, whatever came and whoever could be reached. */
import { describe, expect, test } from 'vitest';
import { fromHex } from '../../shared/lib/bytes.ts';
import { err } from '../../shared/lib/result.ts';
import { verifyCompact } from '../../shared/lib/verify.ts';
import { wakeReceiptDigest } from '../../shared/protocol/digests.ts';
import type { WakeReason, WakeReceipt } from '../../shared/protocol/session.ts';
import { setting } from '../store/store.ts';
import { FakeRelay, peerAddress, peerIdHex, storedPeer, type TestNode, testNode, wakeUntilSettled, walletNode } from './testing.ts';

const payload = (node: TestNode, more: { reason?: WakeReason; wakeId?: string; frames?: unknown } = {}): string =>
  JSON.stringify({ v: 1, wakeId: 'wake-1', reason: 'message', sentAtMs: node.ports.now() - 250, ...more });
const unreachable = async () => err({ code: 'unreachable', detail: 'made for a test' } as const);

async function isSigned(node: TestNode, { wakeId, reason, result, ms, signature }: WakeReceipt): Promise<boolean> {
  const keys = await node.ports.keys();
  const publicKey = keys?.signForRelay(new Uint8Array(32)).publicKey;
  return publicKey !== undefined && verifyCompact(fromHex(signature), wakeReceiptDigest(wakeId, reason, result, ms), publicKey);
}
async function lastWake(node: TestNode) {
  const log = await node.call('activity', { limit: 1, kind: 'wake' });
  return log.ok ? log.value[0]?.wake : undefined;
}
/** The peer's offer waits at the relay; the node sleeps. */
async function offered(onOpen: 'sign' | 'ask'): Promise<TestNode> {
  const node = await walletNode({ onOpen });
  node.relay.peer.offers = false;
  await node.call('connect-peer', { address: peerAddress });
  await node.wake();
  node.relay.deliver([node.relay.peer.opener.open]);
  node.notices.length = 0;
  return node;
}

describe('a wake', () => {
  test('with the frames in it: answered in the first request, with its receipt, and told', async () => {
    const node = await offered('sign');
    const asked = node.relay.ops.length;
    await node.wake(payload(node, { frames: node.relay.waiting }));
    expect(node.relay.ops[asked]).toBe('sync');
    const first = node.relay.syncs.find((sync) => (sync.wakes?.length ?? 0) > 0);
    expect(first?.out).toHaveLength(1);
    expect(first?.backup).toBeDefined();
    expect(node.relay.peer.heard.map(({ name }) => name)).toEqual(['accept_channel', 'funding_signed']);
    expect(node.notices.at(-1)?.title).toMatch(/^Channel signed/);
    expect(await lastWake(node)).toMatchObject({
      wakeId: 'wake-1',
      reason: 'message',
      result: 'done',
      transitMs: 250,
      signed: ['accept_channel', 'funding_signed'],
      receiptSent: true,
    });
  });

  test('that needs the user says so in its receipt, and shows the prompt', async () => {
    const node = await offered('ask');
    await node.wake(payload(node, { frames: node.relay.waiting }));
    expect(node.notices.map(({ prompt }) => prompt?.peerId)).toContain(peerIdHex);
    const [receipt] = node.relay.receipts;
    expect(receipt).toMatchObject({ wakeId: 'wake-1', reason: 'message', result: 'needs-user' });
    expect(receipt && (await isSigned(node, receipt))).toBe(true);
    expect(await lastWake(node)).toMatchObject({ result: 'needs-user' });
  });

  test.each(['message', 'session-lost', 'chain', 'deadline', 'test'] as const)(
    'for %s with nothing to do: a quiet notice, a receipt, an entry',
    async (reason) => {
      const node = await walletNode();
      await node.wake(payload(node, { reason }));
      expect(node.notices).toHaveLength(1);
      expect(node.notices[0]?.tag).toBe(reason === 'test' ? 'test' : 'checked');
      expect(node.relay.receipts).toMatchObject([{ wakeId: 'wake-1', reason, result: 'done' }]);
      expect(await lastWake(node)).toMatchObject({ reason, result: 'nothing', receiptSent: true });
      expect(node.broadcasts).toContainEqual(expect.objectContaining({ t: 'wake', wakeId: 'wake-1' }));
    },
  );

  test('with a peer that cannot be reached says which', async () => {
    const node = await offered('sign');
    node.relay.lose();
    node.relay.meddle = async (op, _body, honest) => (op === 'connect' ? err({ code: 'dial-timeout', detail: 'late' }) : honest());
    await node.call('rename-peer', { peerId: peerIdHex, alias: 'Alice' });
    await node.wake(payload(node, { reason: 'session-lost' }));
    expect(node.notices.map(({ title }) => title)).toEqual(['Alice is not reachable']);
    expect(await node.call('snapshot', null)).toMatchObject({ value: { peers: [{ link: 'offline', reason: 'dial-timeout' }] } });
  });

  test('without a wallet', async () => {
    const node = await testNode();
    await node.wake(payload(node));
    expect(node.notices).toHaveLength(1);
  });

  test('of a browser that refuses to show: the work is done all the same', async () => {
    const relay = new FakeRelay();
    const node = await walletNode({ relay });
    await node.call('connect-peer', { address: peerAddress });
    const denied = await node.again({
      wrap: (ports) => ({ ...ports, notify: () => Promise.reject(new TypeError('No notification permission has been granted')) }),
    });
    await denied.wake().catch(() => undefined);
    await wakeUntilSettled(node);
  });
});

describe('receipts', () => {
  test('are kept while the relay cannot be reached, and sent once when it can', async () => {
    const node = await walletNode();
    node.relay.meddle = unreachable;
    for (const wakeId of ['wake-1', 'wake-2']) {
      await node.wake(payload(node, { wakeId }));
      expect(await lastWake(node)).toMatchObject({ wakeId, result: 'failed', receiptSent: false });
    }
    expect(node.notices.map(({ tag }) => tag)).toEqual(['relay', 'relay']);
    expect(await setting(node.ports.db, 'unsentReceipts')).toHaveLength(2);
    node.relay.meddle = undefined;
    await node.wake(payload(node, { wakeId: 'wake-3' }));
    expect(node.relay.receipts.map(({ wakeId }) => wakeId).sort()).toEqual(['wake-1', 'wake-2', 'wake-3']);
    for (const receipt of node.relay.receipts) expect(await isSigned(node, receipt)).toBe(true);
    expect(await setting(node.ports.db, 'unsentReceipts')).toEqual([]);
  });

  test('are bounded, and the newest is never the one that is left behind', async () => {
    const node = await walletNode();
    node.relay.meddle = unreachable;
    for (let i = 0; i < 35; i += 1) await node.wake(payload(node, { wakeId: `old-${i}` }));
    expect(await setting(node.ports.db, 'unsentReceipts')).toHaveLength(32);
    node.relay.meddle = undefined;
    await node.wake(payload(node, { wakeId: 'newest' }));
    const sent = node.relay.receipts.map(({ wakeId }) => wakeId);
    expect(sent).toContain('newest');
    expect(sent).not.toContain('old-2');
    expect(new Set(sent).size).toBe(33);
  });

  test('of a clock that was set back meanwhile are such as the relay takes', async () => {
    const clock = { now: 1_800_000_000_000 };
    const node = await walletNode({ clock, wrap: (ports) => ({ ...ports, now: () => (clock.now -= 1_000) }) });
    await node.wake(payload(node));
    expect(node.relay.receipts).toMatchObject([{ ms: 0 }]);
  });
});

describe('a prompt that nobody answers', () => {
  const MINUTES = 5 * 60_000;

  test('has its alarm at the relay; when it rings the peer is told and the user reads that it was missed', async () => {
    const node = await offered('ask');
    await node.wake(payload(node, { frames: node.relay.waiting }));
    const alarms = node.relay.syncs.at(-1)?.alarms ?? [];
    expect(alarms).toMatchObject([{ atMs: node.ports.now() + MINUTES, reason: 'deadline' }]);
    node.later(MINUTES);
    await node.wake(payload(node, { wakeId: 'wake-2', reason: 'deadline' }));
    expect(node.relay.peer.heard.map(({ name }) => name)).toEqual(['error']);
    expect(node.notices.at(-1)?.title).toMatch(/^Missed/);
    expect((await storedPeer(node))?.channels).toEqual([]);
    expect(node.relay.syncs.at(-1)?.alarms).toEqual([]);
  });

  test('is given up at any later wake, should the alarm never ring', async () => {
    const node = await offered('ask');
    await node.wake(payload(node, { frames: node.relay.waiting }));
    node.later(MINUTES);
    await node.wake();
    expect(node.relay.peer.heard.map(({ name }) => name)).toEqual(['error']);
    expect(node.notices.at(-1)?.title).toMatch(/^Missed/);
  });

  test('an alarm that rings early changes nothing, and rings again', async () => {
    const node = await offered('ask');
    await node.wake(payload(node, { frames: node.relay.waiting }));
    node.later(MINUTES - 1);
    await node.wake(payload(node, { wakeId: 'wake-2', reason: 'deadline' }));
    expect(node.relay.peer.heard).toEqual([]);
    expect(node.relay.syncs.at(-1)?.alarms).toMatchObject([{ atMs: node.ports.now() + 1 }]);
  });
});
