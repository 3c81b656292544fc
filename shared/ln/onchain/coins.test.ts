/** What pays for those that cannot pay for themselves: HTLC transactions and the child of our anchor. BOLT 5 § Generation of HTLC Transactions. */
import { describe, expect, it } from 'vitest';
import { chainFor, coinsOf, faults, makePlayer, type Player, pass, stepPlayer, wake } from '../testing/closing-player.ts';
import { makeClosingWorld } from '../testing/closing-world.ts';
import { buildClaim, p2wpkhWitness } from '../tx/claim.ts';
import { parseTransaction } from '../tx/parse.ts';
import { serializeTransaction, withWitnesses } from '../tx/transaction.ts';
import { fundFee } from './coins.ts';
import { broadcasts } from './machine.ts';
import type { Coin } from './types.ts';

const ends = ({ effects }: Player): readonly string[] =>
  effects.flatMap((effect) => ('id' in effect ? [`${effect.tag} ${effect.id}`] : []));
const notes = ({ effects }: Player): readonly string[] => effects.flatMap((effect) => (effect.tag === 'note' ? [effect.kind] : []));
function parse(raw: Uint8Array) {
  const parsed = parseTransaction(raw);
  if (!parsed.ok) throw new Error(parsed.error.reason);
  return parsed.value;
}
const offered = (amountSat: bigint, cltvExpiry: number) => ({ offered: true, amountSat, cltvExpiry, moments: [1, 2] }) as const;

describe('which coins', () => {
  const coins = [5_000n, 1_000n, 3_000n, 2_000n].map(
    (amountSat, index): Coin => ({ outpoint: { txid: new Uint8Array(32), vout: index }, amountSat, index }),
  );
  const script = new Uint8Array(22).fill(0x14).with(0, 0);
  /** A fee of 100 sat and 10 for each coin. */
  const chosen = (spareSat: bigint, fixedSat = 100n) => {
    const funding = fundFee(coins, spareSat, script, (count) => fixedSat + 10n * BigInt(count));
    return funding && { amounts: funding.coins.map(({ amountSat }) => amountSat), changeSat: funding.change.amountSat };
  };
  it('the smallest that suffices and leaves change that is no dust', () => {
    expect(chosen(0n)).toEqual({ amounts: [1_000n], changeSat: 890n });
    expect(chosen(0n, 1_696n)).toEqual({ amounts: [2_000n], changeSat: 294n });
    expect(chosen(0n, 1_697n)).toEqual({ amounts: [3_000n], changeSat: 1_293n });
    expect(chosen(330n, 1_697n)).toEqual({ amounts: [2_000n], changeSat: 623n });
  });
  it('or the largest together, as few as will do', () => {
    expect(chosen(0n, 6_000n)).toEqual({ amounts: [5_000n, 3_000n], changeSat: 1_980n });
    expect(chosen(0n, 10_666n)).toEqual({ amounts: [5_000n, 3_000n, 2_000n, 1_000n], changeSat: 294n });
    expect(chosen(0n, 10_667n)).toBeUndefined();
  });
});

describe('coins', () => {
  const world = makeClosingWorld({ htlcs: [offered(30_000n, 110), offered(20_000n, 112)] });

  it('without any, the commitment goes out alone and HTLCs wait; it is said once; a coin sets them going', () => {
    const poor = chainFor(world, 100, 0);
    const us = makePlayer(world, 'us', { publishing: true, feerateFor: () => 500 });
    wake(world, poor, us);
    pass(world, poor, [us], 15);
    expect(notes(us)).toEqual(['close-seen', 'coins-needed']);
    expect(us.sent.size).toBe(1);
    // The first coin is our own to_local.
    pass(world, poor, [us], 70);
    expect(notes(us).filter((kind) => kind === 'output-claimed')).toHaveLength(5);
    expect(ends(us).toSorted()).toEqual(['htlc-failed 0', 'htlc-failed 1']);
    expect(faults(us)).toEqual([]);
  });

  it('a coin that comes from elsewhere is found at the next block', () => {
    const chain = chainFor(world, 115, 1);
    const us = makePlayer(world, 'us', { publishing: true, feerateFor: () => 500 });
    const [ours] = coinsOf(world, chain, 'us');
    const [theirs] = coinsOf(world, chain, 'them');
    if (ours === undefined || theirs === undefined) throw new Error('no coin');
    const pay = (from: 'us' | 'them', coin: Coin, to: 'us' | 'them'): void => {
      const outputs = [{ amountSat: coin.amountSat - 1000n, scriptPubKey: world.wallets[to].scriptPubKey(1) }];
      const transaction = buildClaim({ inputs: [{ outpoint: coin.outpoint, sequence: 0xffff_fffd }], outputs, lockTime: 0 });
      const signature = world.wallets[from].sign(transaction, 0, coin.amountSat, coin.index);
      chain.send(serializeTransaction(withWitnesses(transaction, [p2wpkhWitness(signature, world.wallets[from].pubkey(coin.index))])));
    };
    pay('us', ours, 'them');
    chain.mine();
    wake(world, chain, us);
    pass(world, chain, [us], 1);
    expect(us.state.coinsShort).toBe(true);
    pass(world, chain, [us], 3);
    pay('them', theirs, 'us');
    pass(world, chain, [us], 1);
    expect(broadcasts(us.state)).toHaveLength(1);
  });

  it('one coin serves one claim after the other, the most urgent first', () => {
    const chain = chainFor(world, 115, 1);
    const us = makePlayer(world, 'us', { publishing: true, feerateFor: () => 500 });
    wake(world, chain, us);
    pass(world, chain, [us], 1);
    const firstOf = (raw: Uint8Array): number => parse(raw).lockTime;
    expect(broadcasts(us.state).map(firstOf)).toEqual([110]);
    pass(world, chain, [us], 1);
    expect(broadcasts(us.state).map(firstOf)).toEqual([112]);
    expect(notes(us).filter((kind) => kind === 'coins-needed')).toHaveLength(1);
    expect(faults(us)).toEqual([]);
  });

  it('a commitment below the feerate of the day is paid for by a child of its anchor, which is replaced as the deadline nears', () => {
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { publishing: true, feerateFor: (blocks) => 20_000 / blocks });
    wake(world, chain, us);
    const packageRates: number[] = [];
    for (let block = 0; block < 12; block++) {
      const [commitment, child] = us.state.attempts;
      if (commitment === undefined || child === undefined) throw new Error('no child');
      packageRates.push(child.feeratePerKw);
      chain.mine(() => false);
      wake(world, chain, us);
    }
    expect(packageRates[0]).toBe(2000);
    expect(packageRates).toEqual(packageRates.toSorted((a, b) => a - b));
    expect(packageRates.at(-1)).toBeGreaterThanOrEqual(20_000);
    expect([...us.sent.values()].every((verdict) => verdict === 'accepted')).toBe(true);
    pass(world, chain, [us], 1);
    expect(notes(us)).toEqual(['close-seen']);
  });

  it('with too little for the feerate of the day, a little more than the commitment pays by itself', () => {
    const chain = chainFor(world, 100, 1);
    const us = makePlayer(world, 'us', { publishing: true, feerateFor: () => 100_000 });
    wake(world, chain, us);
    expect(us.state.attempts).toHaveLength(2);
    expect(us.state.attempts[1]?.feeratePerKw).toBeGreaterThan(1000);
    expect(us.state.attempts[1]?.feeratePerKw).toBeLessThan(1020);
    expect(faults(us)).toEqual([]);
  });

  it('many small coins do not make a claim cost more than its cap', () => {
    const chain = chainFor(world, 115, 1);
    const us = makePlayer(world, 'us', { publishing: true, feerateFor: () => 20_000 });
    const crumbs = Array.from(
      { length: 60 },
      (_, index): Coin => ({ outpoint: { txid: world.fundingOutpoint.txid, vout: 100 + index }, amountSat: 6_000n, index: 1 }),
    );
    wake(world, chain, us);
    chain.mine();
    const [spend] = [chain.spentIn(world.fundingOutpoint)];
    if (spend === undefined) throw new Error('not mined');
    stepPlayer(world, us, { tag: 'spent', spend }, chain.height, crumbs);
    const claims = us.state.attempts
      .filter(({ transaction }) => [110, 112].includes(parse(transaction).lockTime))
      .map(({ transaction }) => parse(transaction));
    expect(claims).toHaveLength(2);
    for (const { inputs, outputs } of claims) {
      const [stage, change] = outputs;
      if (stage === undefined || change === undefined) throw new Error('no change');
      expect(BigInt(inputs.length - 1) * 6_000n - change.amountSat).toBeLessThanOrEqual(stage.amountSat);
    }
  });

  it('no child is paid for that would cost more than half of what is ours', () => {
    const poor = makeClosingWorld({ name: 'poor', weOpened: false, ourSat: 1_000n });
    const chain = chainFor(poor);
    const us = makePlayer(poor, 'us', { publishing: true, feerateFor: () => 5_000 });
    wake(poor, chain, us);
    expect(us.sent.size).toBe(1);
    expect(notes(us)).toEqual([]);
  });
});
