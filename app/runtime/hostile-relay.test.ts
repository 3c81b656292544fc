/**
 * A relay that fails or lies, in front of a peer with real keys. After each lie: the stored state thaws, no commitment has two
 * signatures, the money is where it was, and as soon as the relay behaves the channel goes on.
 */
import { describe, expect, test } from 'vitest';
import { toBase64Url, toHex } from '../../shared/lib/bytes.ts';
import { err, ok } from '../../shared/lib/result.ts';
import { commitmentsOf } from '../../shared/ln/channel/state.ts';
import { encode, type PeerMessage } from '../../shared/ln/peer/wire.ts';
import { makeOpener } from '../../shared/ln/testing/opener.ts';
import type { SyncAnswer } from '../../shared/protocol/session.ts';
import { networkOf } from './network.ts';
import { round } from './round.ts';
import {
  checkNothingLost,
  FakeRelay,
  isSettled,
  type Meddle,
  peerAddress,
  peerIdHex,
  storedPeer,
  type TestNode,
  wakeUntilSettled,
  walletNode,
} from './testing.ts';

type Honest = Parameters<Meddle>[2];
const unreachable = err({ code: 'unreachable', detail: 'made for a test' } as const);
const allZero = new Uint8Array(32);
const text = (of: string): Uint8Array => Uint8Array.from(of, (char) => char.charCodeAt(0));

async function connected(relay = new FakeRelay()): Promise<TestNode> {
  const node = await walletNode({ relay });
  await node.call('connect-peer', { address: peerAddress });
  return node;
}

async function settled(): Promise<TestNode> {
  const node = await connected();
  await wakeUntilSettled(node);
  return node;
}

test('an honest relay: connected, opened, signed, nothing repeated', async () => {
  const node = await settled();
  expect(node.relay.peer.heard.map(({ name }) => name)).toEqual(['accept_channel', 'funding_signed']);
});

describe('each request of connecting and opening in turn', () => {
  const faults: Record<string, (relay: FakeRelay, honest: Honest) => ReturnType<Honest>> = {
    'is answered with a fault': async () => err({ code: 'internal', detail: 'made for a test' }),
    'never arrives': async () => unreachable,
    'is done, and the answer is lost': async (_, honest) => {
      await honest();
      return unreachable;
    },
    'arrives twice': async (_, honest) => {
      await honest();
      return honest();
    },
    'finds the relay dead, its database gone': async (relay) => {
      relay.forgetEverything();
      return unreachable;
    },
    'is the last before the relay dies with its database': async (relay, honest) => {
      await honest();
      relay.forgetEverything();
      return unreachable;
    },
  };
  test.each(Object.entries(faults))('%s', { timeout: 60_000 }, async (_, fault) => {
    let at = 0;
    for (let reached = true; reached; ) {
      at += 1;
      reached = false;
      const relay = new FakeRelay();
      let passed = 0;
      relay.meddle = async (_op, _body, honest) => {
        passed += 1;
        if (passed !== at) return honest();
        reached = true;
        return fault(relay, honest);
      };
      const node = await connected(relay);
      await wakeUntilSettled(node);
      await checkNothingLost(node);
      // And the relay still dies later: the channel is there, and goes on by reestablish.
      relay.forgetEverything();
      await node.wake();
      // The fault may have met this wake.
      await node.wake();
      await wakeUntilSettled(node);
      expect(relay.peer.heard.at(-1)?.name).toBe('channel_reestablish');
    }
    expect(at).toBeGreaterThan(5);
  });
});

describe('what it makes of the answers', () => {
  type Tamper = (answer: SyncAnswer, relay: FakeRelay) => SyncAnswer;
  const forged = (answer: SyncAnswer, relay: FakeRelay, ...messages: PeerMessage[]): SyncAnswer => {
    const next = answer.in.at(-1)?.n ?? 100;
    const frames = messages.map((msg, i) => ({
      session: relay.session,
      epoch: relay.epoch,
      n: next + 1 + i,
      bytes: toBase64Url(encode(msg)),
    }));
    return { ...answer, in: [...answer.in, ...frames] };
  };
  const raw =
    (bytes: string): Tamper =>
    (answer) => ({ ...answer, in: answer.in.map((frame) => ({ ...frame, bytes })) });
  const tampers: Record<string, Tamper> = {
    'frames twice': (answer) => ({ ...answer, in: answer.in.flatMap((frame) => [frame, frame]) }),
    'frames backwards': (answer) => ({ ...answer, in: [...answer.in].reverse() }),
    'the first frame dropped': (answer) => ({ ...answer, in: answer.in.slice(1) }),
    'all frames held back': (answer) => ({ ...answer, in: [] }),
    'frames under another session': (answer) => ({ ...answer, in: answer.in.map((frame) => ({ ...frame, session: 'foreign' })) }),
    'frames of an older epoch': (answer) => ({ ...answer, in: answer.in.map((frame) => ({ ...frame, epoch: frame.epoch - 1 })) }),
    'frames of an epoch to come': (answer) => ({ ...answer, in: answer.in.map((frame) => ({ ...frame, epoch: frame.epoch + 1 })) }),
    'frames of garbage': raw('_____w'),
    'empty frames': raw(''),
    'frames that are no base64url': raw('A'),
    'the same message under every number': (answer) => raw(answer.in[0]?.bytes ?? '')(answer, new FakeRelay()),
    'numbers far ahead': (answer) => ({ ...answer, in: answer.in.map((frame) => ({ ...frame, n: frame.n + 1_000 })) }),
    'the greatest number': (answer) => ({ ...answer, in: answer.in.map((frame) => ({ ...frame, n: Number.MAX_SAFE_INTEGER })) }),
    'receipts for what was never sent': (answer, { session, epoch }) => ({ ...answer, receipts: [{ session, epoch, m: 1_000_000 }] }),
    'no receipts': (answer) => ({ ...answer, receipts: [] }),
    'a lost session that lives': (answer) => ({ ...answer, sessions: answer.sessions.map((one) => ({ ...one, state: 'lost' as const })) }),
    'no sessions': (answer) => ({ ...answer, sessions: [] }),
    'an epoch without end': (answer) => ({
      ...answer,
      sessions: answer.sessions.map((one) => ({ ...one, epoch: Number.MAX_SAFE_INTEGER })),
    }),
    'always more to come': (answer) => ({ ...answer, more: true }),
    'chain events about nothing': (answer) => ({
      ...answer,
      events: [{ id: 'e', watch: 'w', kind: 'spent', txid: '00'.repeat(32), height: 1 }],
    }),
    'a forged open_channel after each': (answer, relay) =>
      forged(answer, relay, makeOpener({ name: 'forged', open: { chainHash: networkOf('regtest').chainHash } }).open),
    'a forged ping, pong and warning': (answer, relay) =>
      forged(
        answer,
        relay,
        { name: 'ping', numPongBytes: 4, ignored: allZero },
        { name: 'pong', ignored: allZero },
        { name: 'warning', channelId: allZero, data: text('forged') },
      ),
    'a second init': (answer, relay) => forged(answer, relay, relay.peer.connected()[0] ?? relay.peer.opener.open),
  };
  test.each(Object.entries(tampers))('%s', async (_, tamper) => {
    const relay = new FakeRelay();
    let lies = 0;
    let asked = 0;
    relay.meddle = async (op, _body, honest) => {
      const answer = await honest();
      asked += 1;
      if (!answer.ok || op !== 'sync' || lies >= 6) return answer;
      lies += 1;
      return ok(tamper(answer.value as SyncAnswer, relay));
    };
    const node = await connected(relay);
    for (let i = 0; i < 4; i += 1) {
      await node.wake();
      await checkNothingLost(node);
    }
    expect(lies).toBeGreaterThan(2);
    await wakeUntilSettled(node);
    // Whatever it says, a wake comes to an end.
    expect(asked).toBeLessThan(150);
    expect(node.notices.length).toBeGreaterThanOrEqual(4);
  });

  test('frames backwards in one answer cost no connection', async () => {
    const relay = new FakeRelay();
    relay.meddle = async (op, _body, honest) => {
      const answer = await honest();
      if (op !== 'sync' || !answer.ok) return answer;
      const value = answer.value as SyncAnswer;
      return ok({ ...value, in: [...value.in].reverse() });
    };
    const node = await connected(relay);
    await wakeUntilSettled(node);
    expect(relay.ops.filter((op) => op === 'connect')).toHaveLength(1);
  });

  test('lies for ever: the wake ends, and writes nothing for what is only repeated', async () => {
    const node = await settled();
    const before = await node.ports.db.get('peers', peerIdHex);
    const frames = [1, 2, 3].map((n) => ({ session: node.relay.session, epoch: node.relay.epoch, n, bytes: 'AAAA' }));
    let asked = 0;
    node.relay.meddle = async (op, _body, honest) => {
      const answer = await honest();
      asked += 1;
      return op === 'sync' && answer.ok ? ok({ ...(answer.value as SyncAnswer), in: frames, more: true }) : answer;
    };
    await node.wake();
    expect(asked).toBeLessThan(100);
    expect((await node.ports.db.get('peers', peerIdHex))?.fence).toBe(before?.fence);
  });
});

/**
 * The relay holds the transport keys, so an `error` that it makes up looks like the peer's. The machine believes it, as BOLT 1
 * asks: the channel fails. Nothing goes on chain for it, and the commitments stay; before an answer on chain is built, it must be
 * confirmed over a handshake that the relay only carries.
 */
test.each(['that channel', 'all channels'])(
  'a forged error for %s: the channel fails, nothing is lost, nothing goes on chain',
  async (which) => {
    const node = await settled();
    const { relay } = node;
    const before = (await storedPeer(node))?.channels[0];
    const channelId = which === 'all channels' ? allZero : (relay.peer.funded?.channelId ?? allZero);
    relay.deliver([{ name: 'error', channelId, data: text('forged') }]);
    await node.wake();
    await checkNothingLost(node);
    const [after] = (await storedPeer(node))?.channels ?? [];
    expect(after?.tag).toBe('failed');
    expect(after && commitmentsOf(after)).toEqual(before && commitmentsOf(before));
    expect(relay.ops).not.toContain('chain/broadcast');
    expect(node.notices.at(-1)?.body).toContain('forged');
  },
);

test('an epoch of the greatest number is refused: it would lock the peer out for ever', async () => {
  const relay = new FakeRelay();
  relay.meddle = async (op, _body, honest) => {
    const answer = await honest();
    return op === 'connect' && answer.ok ? ok({ ...answer.value, epoch: Number.MAX_SAFE_INTEGER }) : answer;
  };
  const node = await walletNode({ relay });
  expect(await node.call('connect-peer', { address: peerAddress })).toMatchObject({ ok: false, error: { code: 'peer-unreachable' } });
  expect((await storedPeer(node))?.epoch).toBe(0);
  relay.meddle = undefined;
  await wakeUntilSettled(node);
});

test('killed after the step that ends a transport, before its end: the next wake ends it and connects anew', async () => {
  const node = await settled();
  const { relay } = node;
  const { epoch } = relay;
  await round(node.ports, peerIdHex, [{ tag: 'frame', epoch, n: 1_000, bytes: new Uint8Array(2) }]);
  expect((await storedPeer(node))?.link).toBe('closing');
  const after = await node.again();
  await after.wake();
  expect(relay.ops).toContain('disconnect');
  await wakeUntilSettled(after);
  expect(relay.epoch).toBeGreaterThan(epoch);
});

test('an epoch that was before is refused, and its keys stay here', async () => {
  const node = await settled();
  const { relay } = node;
  const epoch = (await storedPeer(node))?.epoch ?? 0;
  relay.lose();
  relay.meddle = async (op, _body, honest) => {
    const answer = await honest();
    return op === 'connect' && answer.ok ? ok({ ...answer.value, epoch }) : answer;
  };
  const established = relay.ops.filter((op) => op === 'establish').length;
  await node.wake();
  expect(relay.ops.filter((op) => op === 'establish')).toHaveLength(established);
  relay.meddle = undefined;
  await wakeUntilSettled(node);
});

test.each(['00', 'ff'])('an act two of %s bytes is nobody: the node says so and hands no keys over', async (byte) => {
  const relay = new FakeRelay();
  relay.meddle = async (op, _body, honest) => {
    const answer = await honest();
    return op === 'connect' && answer.ok ? ok({ ...answer.value, act2: byte.repeat(50) }) : answer;
  };
  const node = await walletNode({ relay });
  expect(await node.call('connect-peer', { address: peerAddress })).toMatchObject({ ok: false, error: { code: 'handshake-failed' } });
  expect(relay.ops).not.toContain('establish');
});

describe('a push', () => {
  const push = (more: object): string =>
    JSON.stringify({ v: 1, wakeId: 'wake-1', reason: 'message', sentAtMs: 1_799_999_999_000, ...more });
  const pushes: Record<string, (relay: FakeRelay) => string | undefined> = {
    'without a payload': () => undefined,
    'with an empty payload': () => '',
    'of garbage': () => '\u0000\uffff{{{',
    'of other JSON': () => '[1,2,3]',
    'of null': () => 'null',
    'of another version': () => push({ v: 2 }),
    'for a reason nobody knows': () => push({ reason: 'because' }),
    'with an id that is none': () => push({ wakeId: '../../x' }),
    'with foreign frames': () => push({ frames: [{ session: 'foreign', epoch: 1, n: 1, bytes: 'AAAA' }] }),
    'with frames of an old epoch': (relay) => push({ frames: [{ session: relay.session, epoch: 1, n: 1, bytes: 'AAAA' }] }),
    'with frames that were taken before': (relay) =>
      push({ frames: [1, 2].map((n) => ({ session: relay.session, epoch: relay.epoch, n, bytes: 'AAAA' })) }),
    'with frames that leave a gap': (relay) => push({ frames: [{ session: relay.session, epoch: relay.epoch, n: 1_000, bytes: 'AAAA' }] }),
    'with a frame of garbage that is next': (relay) =>
      push({ frames: [{ session: relay.session, epoch: relay.epoch, n: 4, bytes: '__8' }] }),
    'with frames that are no base64url': (relay) => push({ frames: [{ session: relay.session, epoch: relay.epoch, n: 4, bytes: 'A' }] }),
    'from the future': () => push({ sentAtMs: Number.MAX_SAFE_INTEGER }),
    'that says the session is lost': (relay) =>
      push({
        reason: 'session-lost',
        sessions: [{ session: relay.session, peer: peerIdHex, epoch: relay.epoch, state: 'lost' }],
      }),
  };
  test.each(Object.entries(pushes))('%s: shown, and nothing lost', async (_, make) => {
    const node = await settled();
    const shown = node.notices.length;
    await node.wake(make(node.relay));
    expect(node.notices.length).toBeGreaterThan(shown);
    await checkNothingLost(node);
    await wakeUntilSettled(node);
    expect(await isSettled(node)).toBe(true);
    expect([...node.relay.peer.signatures.keys()]).toEqual([toHex(node.relay.peer.funded?.channelId ?? allZero)]);
  });
});
