/** What is sent, when, and with what; heights to be woken at; and what a fee may be. */
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { channelIdOf } from '../../shared/ln/channel/state.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import type { SyncAnswer, SyncRequest } from '../../shared/protocol/session.ts';
import { readActivity } from '../store/store.ts';
import { sendings } from './broadcast.ts';
import { followChain } from './chain.ts';
import { feerateFor } from './fees.ts';
import { Collected } from './peers.ts';
import { round } from './round.ts';
import { syncAll } from './sync.ts';
import { FakeRelay, peerAddress, peerIdHex, storedPeer, type TestNode, walletNode } from './testing.ts';
import { makeTx, TestChain, txidOf, withChain } from './testing-chain.ts';

const sync = (node: TestNode) => syncAll(node.ports, { lingerMs: 0 });

/** A node that has just decided to close its channel by its own commitment. */
async function closing(): Promise<{ node: TestNode; relay: FakeRelay; chain: TestChain }> {
  const [relay, chain] = [new FakeRelay(), new TestChain()];
  chain.mine([], 4);
  withChain(relay, chain);
  const node = await walletNode({ relay });
  await node.call('connect-peer', { address: peerAddress });
  await sync(node);
  await followChain(node.ports, new Collected());
  const [channel] = (await storedPeer(node))?.channels ?? [];
  if (channel === undefined) throw new Error('no channel');
  const command = { tag: 'channel', channelId: channelIdOf(channel), command: { tag: 'force-close' } } as const;
  await round(node.ports, peerIdHex, [command]);
  return { node, relay, chain };
}
const channelOf = async (node: TestNode) => (await storedPeer(node))?.channels[0];
const faults = async (node: TestNode) =>
  (await readActivity(node.ports.db, { limit: 50, matches: ({ kind }) => kind === 'fault' })).map(({ detail }) => detail);

describe('a transaction of ours', () => {
  test('is sent in the sync after the step, once at each tip', async () => {
    const { node, chain } = await closing();
    expect(chain.sent).toEqual([]);
    await sync(node);
    expect(chain.sent).toHaveLength(1);
    await sync(node);
    await (await node.again()).wake();
    expect(chain.sent).toHaveLength(1);
    chain.mine();
    await followChain(node.ports, new Collected());
    expect(chain.sent).toHaveLength(2);
    expect(chain.sent[1]).toEqual(chain.sent[0]);
    expect(await faults(node)).toEqual([]);
  });

  test('is found in the chain although nobody hinted at it, and not sent again', async () => {
    const { node, chain } = await closing();
    await sync(node);
    chain.hints = false;
    const raw = fromHex(chain.sent[0]?.raw ?? '');
    chain.mine([raw]);
    await followChain(node.ports, new Collected());
    expect(await channelOf(node)).toMatchObject({ tag: 'closing', onchain: { spends: [{ txid: txidOf(raw), height: 6 }] } });
    chain.mine();
    await followChain(node.ports, new Collected());
    expect(chain.sent).toHaveLength(1);
  });

  test('of which a re-org makes an unmined one is sent again', async () => {
    const { node, chain } = await closing();
    await sync(node);
    chain.mine([fromHex(chain.sent[0]?.raw ?? '')]);
    await sync(node);
    expect(chain.sent).toHaveLength(1);
    chain.rewind(1);
    chain.mine([], 1);
    await followChain(node.ports, new Collected());
    expect(chain.sent).toHaveLength(2);
  });

  test('that is refused: told once for each reason, and tried at every tip', async () => {
    const { node, chain } = await closing();
    chain.refusal = 'min relay fee not met';
    await sync(node);
    chain.mine();
    await followChain(node.ports, new Collected());
    expect(chain.sent).toHaveLength(2);
    expect(await faults(node)).toEqual(['a transaction of ours was refused: min relay fee not met']);
    chain.refusal = 'mempool full';
    chain.mine();
    await followChain(node.ports, new Collected());
    expect(await faults(node)).toHaveLength(2);
  });

  test.each(['bad-txns-inputs-missingorspent', 'txn-mempool-conflict', 'insufficient fee, rejecting replacement'])(
    'that another one is ahead of (%s): no fault to tell of, and tried at every tip',
    async (refusal) => {
      const { node, chain } = await closing();
      chain.refusal = refusal;
      await sync(node);
      chain.mine();
      await followChain(node.ports, new Collected());
      expect(chain.sent).toHaveLength(2);
      expect(await faults(node)).toEqual([]);
    },
  );

  test('that could not be handed over is tried at the next sync, at the same tip', async () => {
    const { node, relay, chain } = await closing();
    const meddle = relay.meddle;
    relay.meddle = async (op, body, honest) =>
      op === 'chain/broadcast'
        ? { ok: false, error: { code: 'unreachable', detail: '' } }
        : ((await meddle?.(op, body, honest)) ?? honest());
    await sync(node);
    expect(chain.sent).toEqual([]);
    relay.meddle = meddle;
    await sync(node);
    expect(chain.sent).toHaveLength(1);
    expect(await faults(node)).toEqual([]);
  });

  test('wakes us at the next block, at a height that the relay is told', async () => {
    const { node, relay } = await closing();
    await sync(node);
    const alarm = relay.syncs.at(-1)?.alarms?.find((one) => 'atHeight' in one);
    expect(alarm).toEqual({ id: `height-${peerIdHex.slice(0, 16)}`, atHeight: 6, reason: 'deadline' });
  });
});

test('woken at a height: headers are followed, what is due is done at that height, and the event is acknowledged', async () => {
  const { node, relay, chain } = await closing();
  await sync(node);
  chain.hints = false;
  chain.mine([], 2);
  const meddle = relay.meddle;
  const acked: string[] = [];
  relay.meddle = async (op, body, honest) => {
    const answer = (await meddle?.(op, body, honest)) ?? (await honest());
    if (op !== 'sync' || !answer.ok) return answer;
    acked.push(...((body as SyncRequest).ackEvents ?? []));
    const tip = { id: 'tip', watch: 'height', kind: 'tip' as const, height: 6 };
    return { ok: true, value: { ...(answer.value as SyncAnswer), events: acked.length > 0 ? [] : [tip] } };
  };
  await node.wake(JSON.stringify({ v: 1, wakeId: 'w', reason: 'deadline', sentAtMs: 1_800_000_000_000 }));
  expect(acked).toEqual(['tip']);
  expect(await node.call('snapshot', null)).toMatchObject({ value: { chain: { height: 8 } } });
  expect(chain.sent, 'sent again at the new tip').toHaveLength(2);
  expect(relay.syncs.at(-1)?.alarms?.find((one) => 'atHeight' in one)).toMatchObject({ atHeight: 9 });
});

describe('packages', () => {
  const out = { amountSat: 1_000n, scriptPubKey: Uint8Array.of(0x51) };
  const spending = (...raws: Uint8Array[]) =>
    makeTx(
      raws.map((raw) => ({ txid: txidOf(raw), vout: 0 })),
      [out],
    );
  const root = (name: string) => makeTx([{ txid: hash(name), vout: 0 }], [out]);
  const shape = (raws: readonly Uint8Array[]) =>
    sendings(raws).map(({ raw, parents }) => ({ raw: raws.indexOf(raw), parents: parents.map((parent) => raws.indexOf(parent)) }));
  const [a, b] = [root('a'), root('b')];

  test('strangers go alone', () => {
    expect(shape([a, b])).toEqual([
      { raw: 0, parents: [] },
      { raw: 1, parents: [] },
    ]);
  });
  test('a parent goes with its child, and with each of two', () => {
    const [one, two] = [spending(a), spending(a, b)];
    expect(shape([a, one])).toEqual([{ raw: 1, parents: [0] }]);
    expect(shape([a, b, one, two])).toEqual([
      { raw: 2, parents: [0] },
      { raw: 3, parents: [0, 1] },
    ]);
  });
  test('grandparents go along, oldest first', () => {
    const child = spending(a);
    expect(shape([a, child, spending(child)])).toEqual([{ raw: 2, parents: [0, 1] }]);
  });
  test('more parents than travel together: each of them is sent all the same', () => {
    const parents = Array.from({ length: 9 }, (_, i) => root(`p${i}`));
    const sent = shape([...parents, spending(...parents)]);
    expect(sent).toEqual(Array.from({ length: 10 }, (_, i) => ({ raw: i, parents: [] })));
  });
});

describe('fees', () => {
  const ask = async (satPerKw: { fast: number; normal: number; slow: number; floor: number } | undefined) => {
    const { node, chain } = await closing();
    chain.fees = satPerKw;
    node.later(600_000);
    await followChain(node.ports, new Collected());
    return { node, chain, rate: await feerateFor(node.ports) };
  };

  test('by target; never less than what is relayed, never absurd, never cheaper for being faster', async () => {
    const { rate } = await ask({ fast: 9_000, normal: 4_000, slow: 300, floor: 253 });
    expect([1, 2, 5, 6, 71, 72, 2016].map(rate)).toEqual([9_000, 9_000, 9_000, 4_000, 4_000, 300, 300]);
    const low = await ask({ fast: 0, normal: 0, slow: 0, floor: 0 });
    expect([1, 10, 100].map(low.rate)).toEqual([253, 253, 253]);
    const absurd = await ask({ fast: Number.MAX_SAFE_INTEGER, normal: 1_000, slow: 5_000, floor: 253 });
    expect([1, 10, 100].map(absurd.rate)).toEqual([250_000, 5_000, 5_000]);
  });

  test('the last good ones stay when the relay has none, and are asked for every ten minutes', async () => {
    const { node, chain } = await ask({ fast: 9_000, normal: 4_000, slow: 300, floor: 253 });
    chain.fees = undefined;
    node.later(600_000);
    await followChain(node.ports, new Collected());
    expect((await feerateFor(node.ports))(1)).toBe(9_000);
    chain.fees = { fast: 1_000, normal: 1_000, slow: 1_000, floor: 253 };
    await followChain(node.ports, new Collected());
    expect((await feerateFor(node.ports))(1)).toBe(1_000);
    chain.fees = { fast: 2_000, normal: 2_000, slow: 2_000, floor: 253 };
    await followChain(node.ports, new Collected());
    expect((await feerateFor(node.ports))(1), 'asked a moment ago').toBe(1_000);
  });

  test('without any answer yet there is a guess', async () => {
    const { rate } = await ask(undefined);
    expect([1, 10, 100].map(rate)).toEqual([5_000, 2_500, 1_000]);
  });
});

test('raws in hex are what a relay is given', async () => {
  const { node, chain } = await closing();
  await sync(node);
  const channel = await channelOf(node);
  expect(channel?.tag === 'closing' && channel.onchain.attempts.map(({ transaction }) => toHex(transaction))).toEqual(
    chain.sent.map(({ raw }) => raw),
  );
});
