import { expect, test } from 'vitest';
import { err, ok } from '../../shared/lib/result.ts';
import type { RpcFault } from '../chain/rpc.ts';
import { createFunding, fundingScript } from './funding.ts';
import { pair, scid, signer } from './testing.ts';

const [alice, bob] = [signer('alice'), signer('bob')];
const refused = (message: string) => err<RpcFault>({ tag: 'refused', rpcCode: -8, message });
const named = (shortChannelId: bigint) => {
  const { bitcoin1, bitcoin2 } = pair(shortChannelId, alice, bob);
  return { shortChannelId, bitcoinKeys: [bitcoin1.id, bitcoin2.id] as const };
};
const txid = (block: number, tx: number) => `${block}`.padStart(32, '0') + `${tx}`.padStart(32, '0');

/** Blocks 1 to 100 of three transactions; the second one of each pays the channel that it would be named after, at output 1. */
function chain() {
  const calls: string[] = [];
  let most = 0;
  let now = 0;
  let away = false;
  const asked = async <T>(what: string, answer: T) => {
    calls.push(what);
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    return away ? err<RpcFault>({ tag: 'unreachable', message: 'away' }) : answer;
  };
  const pays = (block: number) => fundingScript(...named(scid(block, 1, 1)).bitcoinKeys);
  return {
    calls,
    most: () => most,
    goAway: () => {
      away = true;
    },
    node: {
      hashAt: (height: number) => asked(`hash ${height}`, height <= 100 ? ok(`${height}`) : refused('Block height out of range.')),
      txids: (hash: string) =>
        asked(
          `block ${hash}`,
          hash === '1' ? refused('Block not available (pruned data)') : ok([0, 1, 2].map((tx) => txid(Number(hash), tx))),
        ),
      output: (id: string, vout: number) =>
        asked(
          `output ${vout}`,
          ok(
            id.endsWith('1') && vout === 1
              ? { script: pays(Number(id.slice(0, 32))), sat: 250_000, confirmations: 101 - Number(id.slice(0, 32)) }
              : undefined,
          ),
        ),
    },
  };
}

test('the script of BOLT 3, whichever key comes first', () => {
  // Appendix B of BOLT 3: the two keys of its funding output, and what a decoder makes of them.
  const local = Uint8Array.from(Buffer.from('023da092f6980e58d2c037173180e9a465476026ee50f96695963e8efe436f54eb', 'hex'));
  const remote = Uint8Array.from(Buffer.from('030e9f7b623d2ccc7c9bd44d66d5ce21ce504c0acf6385a132cec6d3c39fa711c1', 'hex'));
  const script = '0020c015c4a6be010e21657068fc2e6a9d02b27ebe4d490a25846f7237f104d1a3cd';
  expect([fundingScript(local, remote), fundingScript(remote, local)]).toEqual([script, script]);
});

test('an output that is there, with its amount and its name', async () => {
  const { node } = chain();
  expect(await createFunding(node, 2).look([named(scid(50, 1, 1))])).toEqual([
    { kind: 'there', capacitySat: 250_000, outpoint: `${txid(50, 1)}:1` },
  ]);
});

test.each([
  ['another output of it', named(scid(50, 1, 0)), 'not-there'],
  ['a transaction that the block has not', named(scid(50, 3, 1)), 'not-there'],
  ['the output of other keys', { ...named(scid(60, 1, 1)), shortChannelId: scid(50, 1, 1) }, 'not-there'],
  ['a block that is not there yet', named(scid(101, 1, 1)), 'not-yet'],
  ['a block that is too new', named(scid(98, 1, 1)), 'not-yet'],
])('%s', async (_name, channel, kind) => {
  const { node } = chain();
  expect(await createFunding(node, 2).look([channel])).toEqual([{ kind }]);
});

test('a block that was pruned away: taken unseen, its capacity unknown', async () => {
  const { node } = chain();
  expect(await createFunding(node, 2).look([named(scid(1, 1, 1))])).toEqual([{ kind: 'there', capacitySat: 0, outpoint: undefined }]);
});

test('the list of a block is asked for once, and so many calls are under way at most', async () => {
  const { node, calls, most } = chain();
  const funding = createFunding(node, 3);
  await funding.look([named(scid(50, 1, 1))]);
  const verdicts = await funding.look(Array.from({ length: 20 }, (_, i) => named(scid(50, 1, i))));
  expect(verdicts.map(({ kind }) => kind)).toEqual(Array.from({ length: 20 }, (_, i) => (i === 1 ? 'there' : 'not-there')));
  expect(calls.filter((call) => call === 'block 50')).toHaveLength(1);
  expect(most()).toBe(3);
});

test('a node that is away is asked no more than there are calls at a time', async () => {
  const { node, calls, goAway } = chain();
  goAway();
  const verdicts = await createFunding(node, 2).look(Array.from({ length: 50 }, (_, i) => named(scid(50 + i, 1, 1))));
  expect(verdicts).toEqual(Array.from({ length: 50 }, () => ({ kind: 'cannot-tell' })));
  expect(calls).toHaveLength(2);
});
