/** What a close is taken for, which words of the chain count, and when the machine is done. BOLT 5. */
import { describe, expect, it } from 'vitest';
import { bury, chainFor, makePlayer, pass, tell, wake } from '../testing/closing-player.ts';
import { makeClosingWorld, sixHtlcs } from '../testing/closing-world.ts';
import { parseTransaction } from '../tx/parse.ts';
import { serializeTransaction, type Transaction } from '../tx/transaction.ts';
import { classify, isResolved, outputWatches } from './machine.ts';
import type { ChannelFacts } from './types.ts';

const world = makeClosingWorld({ htlcs: sixHtlcs, next: true });

function published(side: 'us' | 'them', moment: number): Uint8Array {
  const { local, guard } = world.facts(side, moment);
  const signed = world.signers[side].signLocalCommitment(local.template, local.remoteSignature, guard);
  if (!signed.ok) throw new Error(signed.error.detail);
  return signed.value.transaction;
}

describe('classify', () => {
  const facts = world.facts('us');
  it.each([
    ['local', 2n, published('us', 2)],
    ['remote', 2n, published('them', 2)],
    ['remote-next', 3n, published('them', 3)],
    ['revoked', 1n, published('them', 1)],
    ['revoked', 0n, published('them', 0)],
  ] as const)('%s %s', (kind, number, transaction) => {
    expect(classify(transaction, facts)).toEqual({ kind, number });
  });

  it('a number that is not revoked, of a transaction that we do not know, is a state that we lost', () => {
    const past: ChannelFacts = world.facts('us', 1);
    expect(classify(published('them', 2), past)).toEqual({ kind: 'future', number: 2n });
    expect(classify(published('them', 1), past)).toEqual({ kind: 'remote', number: 1n });
    // The number of our newest, in a commitment that is not the one: believed of nobody.
    const { remoteNext: _, ...withoutNext } = facts;
    expect(classify(published('them', 3), withoutNext)).toEqual({ kind: 'future', number: 3n });
  });

  const changed = (change: (transaction: Transaction) => Transaction): Uint8Array => {
    const parsed = parseTransaction(published('them', 2));
    if (!parsed.ok) throw new Error(parsed.error.code);
    return serializeTransaction(change(parsed.value));
  };
  it.each([
    ['no mark in the locktime', changed((tx) => ({ ...tx, lockTime: tx.lockTime & 0xff_ffff }))],
    ['another mark in the locktime', changed((tx) => ({ ...tx, lockTime: tx.lockTime + 0x0100_0000 }))],
    ['no mark in the sequence', changed((tx) => ({ ...tx, inputs: tx.inputs.map((input) => ({ ...input, sequence: 0xffff_fffd })) }))],
    [
      'another outpoint',
      changed((tx) => ({ ...tx, inputs: tx.inputs.map((input) => ({ ...input, outpoint: { ...input.outpoint, vout: 9 } })) })),
    ],
    ['no transaction', new Uint8Array(7)],
  ])('%s: no commitment', (_, transaction) => {
    expect(classify(transaction, facts)).toEqual({ kind: 'mutual', number: 0n });
  });

  it('any 48 bits are a number', () => {
    const allOnes = changed((tx) => ({
      ...tx,
      lockTime: 0x20ff_ffff,
      inputs: tx.inputs.map((input) => ({ ...input, sequence: 0x80ff_ffff })),
    }));
    expect(classify(allOnes, facts).kind).toBe('future');
  });
});

it('a transaction that is not what it is said to be, or spends something else, is not heard', () => {
  const chain = chainFor(world);
  const us = makePlayer(world, 'us');
  const spend = { outpoint: world.fundingOutpoint, transaction: published('them', 2), height: 101 };
  const parsed = parseTransaction(spend.transaction);
  if (!parsed.ok) throw new Error(parsed.error.code);
  const { txid } = parsed.value;
  tell(world, chain, us, { tag: 'spent', spend: { ...spend, txid: world.fundingOutpoint.txid } });
  tell(world, chain, us, { tag: 'spent', spend: { ...spend, txid, outpoint: { ...spend.outpoint, vout: 0 } } });
  tell(world, chain, us, { tag: 'spent', spend: { ...spend, txid, transaction: spend.transaction.subarray(1) } });
  expect(us.state.spends).toEqual([]);
  tell(world, chain, us, { tag: 'spent', spend: { ...spend, txid } });
  expect(us.state.spends).toHaveLength(1);
});

it('is done when everything is a hundred deep, everything was told, and nothing waits for an archive', () => {
  const chain = chainFor(world);
  const us = makePlayer(world, 'us');
  const cheat = makePlayer(world, 'them', { publishing: true, moment: 1 });
  us.watches = outputWatches(us.state, us.facts);
  wake(world, chain, cheat);
  pass(world, chain, [us], 2);
  const done = (change: object = {}): boolean => isResolved({ ...us.state, ...change }, us.facts, chain.height);
  for (let block = 0; block < 98; block++) chain.mine();
  wake(world, chain, us);
  expect(done()).toBe(false);
  chain.mine();
  wake(world, chain, us);
  expect(done()).toBe(true);
  expect(done({ told: [] })).toBe(false);
  const { archive: _, ...withoutArchive } = us.state;
  expect(isResolved(withoutArchive, us.facts, chain.height)).toBe(false);
  expect(done({ archive: { number: 0n, htlcs: [] } })).toBe(false);
  expect(done({ spends: us.state.spends.slice(0, -1) })).toBe(false);
});

it('a preimage of the wrong length is none, one of ours settles at once', () => {
  const chain = chainFor(world);
  const us = makePlayer(world, 'us');
  const them = makePlayer(world, 'them', { publishing: true, moment: 2 });
  us.watches = outputWatches(us.state, us.facts);
  wake(world, chain, them);
  pass(world, chain, [us], 3);
  tell(world, chain, us, { tag: 'preimage', preimage: world.preimage(4).subarray(1) });
  tell(world, chain, us, { tag: 'preimage', preimage: world.preimage(0) });
  expect(us.state.preimages).toEqual([world.preimage(0)]);
  bury(world, chain, [us]);
  expect(us.effects).toContainEqual({ tag: 'htlc-settled', id: 2n, preimage: world.preimage(0) });
});
