/** What becomes a fact for a channel and for our wallet: only what our headers prove, witnesses included, whatever the relay says. */
import { describe, expect, test } from 'vitest';
import { equal, fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import type { Outpoint } from '../../shared/ln/tx/transaction.ts';
import type { AnswerOf, SyncAnswer } from '../../shared/protocol/session.ts';
import { followChain } from './chain.ts';
import { Collected } from './peers.ts';
import { round } from './round.ts';
import { outpointId } from './spends.ts';
import { syncAll } from './sync.ts';
import { FakeRelay, peerAddress, peerIdHex, storedPeer, type TestNode, walletNode } from './testing.ts';
import { makeTx, TestChain, txidOf, withChain } from './testing-chain.ts';
import { coinViews, receiveAddress } from './wallet.ts';

const out = (text: string, amountSat = 10_000n) => ({ amountSat, scriptPubKey: Uint8Array.of(0x51, 0x20, ...hash(text)) });

/** A node with one channel whose funding output is `outpoint`, on a chain of some blocks. */
async function withChannel(): Promise<{ node: TestNode; relay: FakeRelay; chain: TestChain; outpoint: Outpoint }> {
  const [relay, chain] = [new FakeRelay(), new TestChain()];
  chain.mine([], 4);
  withChain(relay, chain);
  const node = await walletNode({ relay });
  await node.call('connect-peer', { address: peerAddress });
  await syncAll(node.ports, { lingerMs: 0 });
  const { funded } = relay.peer;
  if (funded === undefined) throw new Error('no channel');
  return { node, relay, chain, outpoint: funded.outpoint };
}

const sync = (node: TestNode) => syncAll(node.ports, { lingerMs: 0 });
const spendsOf = async (node: TestNode) => {
  const [channel] = (await storedPeer(node))?.channels ?? [];
  return channel?.tag === 'closing' ? channel.onchain.spends : channel === undefined ? undefined : [];
};

describe('a channel output is spent', () => {
  test('and the channel has the whole transaction, and the relay is told that it may forget', async () => {
    const { node, relay, chain, outpoint } = await withChannel();
    expect(relay.syncs.at(-1)?.watches?.map(({ id }) => id)).toContain(outpointId(outpoint));
    const spend = makeTx([outpoint], [out('theirs')]);
    chain.mine([makeTx([{ txid: hash('other'), vout: 0 }], [out('other')]), spend], 2);
    await sync(node);
    expect(await spendsOf(node)).toEqual([{ outpoint, txid: txidOf(spend), transaction: spend, height: 6 }]);
    expect(chain.acked.size).toBeGreaterThan(0);
    expect(chain.hintsFor(relay.syncs.at(-1)?.watches ?? [])).toEqual([]);
  });

  const other = makeTx([{ txid: hash('other'), vout: 0 }], [out('other')]);
  type Tx = AnswerOf<'chain/tx'>;
  const lies: Record<string, (honest: Tx, otherProof: Tx) => Tx> = {
    'another transaction with its own good proof': (_, proof) => proof,
    'another transaction with the proof of this one': (honest) => ({ ...honest, raw: toHex(other) }),
    'the witness cut out': (honest) => ({ ...honest, raw: bare(honest.raw) }),
    'the witness cut out, and no branch for it': ({ witnessSiblings: _, ...honest }) => ({ ...honest, raw: bare(honest.raw) }),
    'another witness': (honest) => ({ ...honest, raw: honest.raw.replace('00'.repeat(71), '11'.repeat(71)) }),
    'no branch for the witness': ({ witnessSiblings: _, ...honest }) => honest,
    'a branch of another witness': (honest) => ({ ...honest, witnessSiblings: (honest.witnessSiblings ?? []).map(() => 'ab'.repeat(32)) }),
    'a longer branch for the witness': (honest) => ({ ...honest, witnessSiblings: [...(honest.witnessSiblings ?? []), 'ab'.repeat(32)] }),
    'a coinbase that commits to nothing': (honest) => ({ ...honest, coinbase: toHex(makeTx([nowhere], [out('x')], [])) }),
    'a block that we do not have': (honest) => ({ ...honest, height: 1_000 }),
    'another block': (honest) => ({ ...honest, height: 2 }),
    'another place in the block': (honest) => ({ ...honest, pos: 1 }),
    'a proof without end': (honest) => ({ ...honest, siblings: Array<string>(40).fill('ab'.repeat(32)) }),
    'half a proof': ({ coinbase: _, ...honest }) => honest,
    'bytes that are no transaction': (honest) => ({ ...honest, raw: '00' }),
  };
  const nowhere = { txid: new Uint8Array(32), vout: 0xffff_ffff };
  test.each(Object.entries(lies))('says a relay that shows %s: nothing happens, until it tells the truth', async (_, lie) => {
    const { node, chain, outpoint } = await withChannel();
    const spend = makeTx([outpoint], [out('theirs')]);
    chain.mine([other, spend]);
    const proof = chain.answer('chain/tx', { txid: toHex(reversed(txidOf(other))) });
    if (proof?.ok !== true) throw new Error('no proof');
    let lied = 0;
    chain.lie = {
      'chain/tx': (honest) => {
        lied += 1;
        return lie(honest, proof.value as Tx);
      },
    };
    await sync(node);
    expect(lied).toBeGreaterThan(0);
    expect(await spendsOf(node)).toEqual([]);
    chain.lie = {};
    await sync(node);
    expect(await spendsOf(node)).toMatchObject([{ txid: txidOf(spend) }]);
  });

  test.each(['spent', 'paid'] as const)(
    'says a hint (%s) of a transaction that spends something else: nothing, and it is not repeated',
    async (kind) => {
      const { node, relay, chain, outpoint } = await withChannel();
      chain.mine([other]);
      const meddle = relay.meddle;
      const acked: string[] = [];
      relay.meddle = async (op, body, honest) => {
        const answer = (await meddle?.(op, body, honest)) ?? (await honest());
        if (op !== 'sync' || !answer.ok) return answer;
        acked.push(...((body as { ackEvents?: string[] }).ackEvents ?? []));
        const hint = { id: 'lie', watch: outpointId(outpoint), kind, txid: toHex(reversed(txidOf(other))), height: 6 };
        return { ok: true, value: { ...(answer.value as SyncAnswer), events: acked.includes('lie') ? [] : [hint] } };
      };
      await sync(node);
      expect(acked).toEqual(['lie']);
      expect(await spendsOf(node)).toEqual([]);
    },
  );

  test('one hint that cannot be proved does not hold up the others', async () => {
    const { node, relay, chain, outpoint } = await withChannel();
    const spend = makeTx([outpoint], [out('theirs')]);
    chain.mine([other, spend]);
    const meddle = relay.meddle;
    relay.meddle = async (op, body, honest) => {
      const answer = (await meddle?.(op, body, honest)) ?? (await honest());
      if (op === 'chain/tx' && (body as { txid: string }).txid === 'ee'.repeat(32))
        return { ok: false, error: { code: 'unreachable', detail: '' } };
      if (op !== 'sync' || !answer.ok) return answer;
      const value = answer.value as SyncAnswer;
      return {
        ok: true,
        value: { ...value, events: [{ id: 'stuck', watch: 'x', kind: 'spent', txid: 'ee'.repeat(32), height: 1 }, ...value.events] },
      };
    };
    await sync(node);
    expect(await spendsOf(node)).toHaveLength(1);
    expect(chain.acked.has('stuck')).toBe(false);
    expect(chain.hintsFor(relay.syncs.at(-1)?.watches ?? [])).toEqual([]);
  });
});

describe('a spend that is in no block yet', () => {
  test('is handed to the channel as seen only, and acknowledged; mined, it is a spend', async () => {
    const { node, relay, chain, outpoint } = await withChannel();
    const spend = makeTx([outpoint], [out('theirs')]);
    chain.mempool = [spend];
    await sync(node);
    expect(await spendsOf(node)).toEqual([]);
    expect(chain.hintsFor(relay.syncs.at(-1)?.watches ?? []), 'acknowledged').toEqual([]);
    chain.mempool = [];
    chain.mine([spend]);
    await sync(node);
    expect(await spendsOf(node)).toMatchObject([{ transaction: spend, height: 6 }]);
  });

  test('of another txid than was hinted at is not believed', async () => {
    const { node, chain, outpoint } = await withChannel();
    chain.mempool = [makeTx([outpoint], [out('theirs')])];
    chain.lie = { 'chain/tx': () => ({ raw: toHex(makeTx([outpoint], [out('made up')])) }) };
    await sync(node);
    expect(chain.acked.size).toBe(0);
  });
});

describe('a re-org', () => {
  test('takes the spend away, and the new one is proved anew', async () => {
    const { node, chain, outpoint } = await withChannel();
    const spend = makeTx([outpoint], [out('theirs')]);
    chain.mine([spend]);
    await sync(node);
    expect(await spendsOf(node)).toMatchObject([{ height: 6 }]);
    chain.rewind(1);
    chain.mine([], 1);
    await followChain(node.ports, new Collected());
    expect(await spendsOf(node)).toEqual([]);
    const double = makeTx([outpoint], [out('another')]);
    chain.mine([double]);
    await sync(node);
    expect(await spendsOf(node)).toEqual([{ outpoint, txid: txidOf(double), transaction: double, height: 8 }]);
  });

  test('that leaves its block alone leaves the spend alone', async () => {
    const { node, chain, outpoint } = await withChannel();
    chain.mine([makeTx([outpoint], [out('theirs')])], 1);
    await sync(node);
    chain.rewind(1);
    chain.mine([], 1);
    await followChain(node.ports, new Collected());
    expect(await spendsOf(node)).toMatchObject([{ height: 6 }]);
  });

  test('killed between the channels and the headers: told again', async () => {
    const { node, chain, outpoint } = await withChannel();
    chain.mine([makeTx([outpoint], [out('theirs')])]);
    await sync(node);
    chain.rewind(1);
    chain.mine([], 1);
    // The half of it: the channel knows, the headers are the old ones.
    await round(node.ports, peerIdHex, [{ tag: 'chain', event: { tag: 'reorged', height: 5 } }]);
    const after = await node.again();
    await followChain(after.ports, new Collected());
    expect(await spendsOf(after)).toEqual([]);
    const chainNow = await after.call('snapshot', null);
    expect(chainNow).toMatchObject({ value: { chain: { height: 7 } } });
  });
});

describe('our wallet', () => {
  test('is paid, its coin is watched in the same run, and spent', async () => {
    const { node, relay, chain } = await withChannel();
    const address = await receiveAddress(node.ports);
    if (!address.ok) throw new Error('no address');
    const keys = await node.ports.keys();
    const scriptPubKey = keys?.wallet.scriptPubKey(address.value.index) ?? new Uint8Array(0);
    await sync(node);
    const paid = makeTx([{ txid: hash('a friend'), vout: 0 }], [out('change'), { amountSat: 70_000n, scriptPubKey }]);
    chain.mine([paid]);
    await sync(node);
    expect(await coinViews(node.ports)).toMatchObject([{ amountSat: '70000', confirmations: 1 }]);
    const coin = { txid: txidOf(paid), vout: 1 };
    expect(relay.syncs.at(-1)?.watches?.map(({ id }) => id)).toContain(outpointId(coin));
    chain.mine([makeTx([coin], [out('gone')])]);
    await sync(node);
    expect(await coinViews(node.ports)).toEqual([]);
    chain.rewind(2);
    chain.mine([], 2);
    await followChain(node.ports, new Collected());
    expect(await coinViews(node.ports)).toEqual([]);
    chain.mine([paid]);
    await sync(node);
    expect(await coinViews(node.ports)).toMatchObject([{ amountSat: '70000', confirmations: 1 }]);
  });
});

/** The same transaction without its witnesses. */
function bare(raw: string): string {
  const bytes = fromHex(raw);
  const body = bytes.subarray(6, bytes.length - 4 - 73);
  const stripped = Uint8Array.of(...bytes.subarray(0, 4), ...body, ...bytes.subarray(bytes.length - 4));
  if (!equal(txidOf(stripped), txidOf(bytes))) throw new Error('a test cut too much');
  return toHex(stripped);
}
