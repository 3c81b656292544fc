/**
 * Bug classes of other implementations, one test each (specs/perf-and-reliability.md B2; the number is its row), and what a close does
 * with fees, coins and re-orgs. BOLT 5.
 */
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import {
  balanceOf,
  bury,
  chainFor,
  faults,
  feesOf,
  makePlayer,
  type Player,
  pass,
  reorganise,
  tell,
  wake,
} from '../testing/closing-player.ts';
import { type ClosingWorld, makeClosingWorld, sixHtlcs } from '../testing/closing-world.ts';
import { p2wpkhWitness } from '../tx/claim.ts';
import { legacyClosing, signedClosing } from '../tx/closing.ts';
import { buildCommitment } from '../tx/commitment.ts';
import { htlcTransactions, htlcTxWitness } from '../tx/htlc.ts';
import { parseTransaction } from '../tx/parse.ts';
import { serializeTransaction, type Transaction, withWitnesses } from '../tx/transaction.ts';
import { broadcasts, isResolved, outputWatches, owed, sweeps } from './machine.ts';

function must<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
const ends = ({ effects }: Player): readonly string[] =>
  effects.flatMap((effect) => ('id' in effect ? [`${effect.tag} ${effect.id}`] : []));
const notes = ({ effects }: Player): readonly string[] => effects.flatMap((effect) => (effect.tag === 'note' ? [effect.kind] : []));
const parse = (raw: Uint8Array) => must(parseTransaction(raw));

const offered = (amountSat: bigint, cltvExpiry: number, moments: readonly number[] = [1, 2], hash?: string) =>
  ({ offered: true, amountSat, cltvExpiry, moments, ...(hash !== undefined && { hash }) }) as const;

describe('row 6', () => {
  it('a revoked second stage with many outputs: every one of them is taken', () => {
    const world = makeClosingWorld({ htlcs: [offered(20_000n, 140, [1]), offered(30_000n, 150, [1])] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us');
    const cheat = makePlayer(world, 'them', { publishing: true, moment: 1 });
    wake(world, chain, cheat);
    chain.mine();
    chain.send(combinedSecondStage(world, cheat));
    chain.mine();
    const before = balanceOf(world, chain, 'us');
    wake(world, chain, us);
    expect(outputWatches(us.state, us.facts).length).toBeGreaterThan(5);
    pass(world, chain, [us], 3);
    expect(faults(us)).toEqual([]);
    const taken = sweeps(us.state, us.facts, chain.height).filter(({ what, status }) => what === 'penalty' && status === 'claimed');
    expect(taken.map(({ amountSat }) => amountSat).toSorted()).toEqual([20_000n, 30_000n, 400_000n]);
    expect(balanceOf(world, chain, 'us') - before + feesOf(chain, us)).toBe(owed(us.state, us.facts));
  });

  it('an archive that is lost: what goes through a second stage is ours all the same', () => {
    const whole = makeClosingWorld({ htlcs: [offered(20_000n, 140, [1])] });
    const world: ClosingWorld = { ...whole, archive: () => [] };
    const chain = chainFor(world);
    const us = makePlayer(world, 'us');
    const cheat = makePlayer(world, 'them', { publishing: true, moment: 1, preimages: [world.preimage(0)] });
    wake(world, chain, cheat);
    pass(world, chain, [cheat, us], 8);
    expect(faults(us)).toEqual([]);
    expect(owed(us.state, us.facts)).toBe(20_000n + 400_000n + 580_000n - 1124n - 172n - 660n);
    bury(world, chain, [us]);
    expect(isResolved(us.state, us.facts, chain.height)).toBe(true);
  });

  /** Both HTLCs of the cheat's commitment by their preimages, in one transaction, with a coin for the fee. */
  function combinedSecondStage(world: ClosingWorld, cheat: Player): Uint8Array {
    const { template, htlcSignatures } = cheat.facts.local;
    const built = must(buildCommitment(template));
    const stages = htlcTransactions(template, built);
    const [coin] = chainCoin(world);
    const transaction: Transaction = {
      version: 2,
      lockTime: 0,
      inputs: [...stages.flatMap(({ transaction: { inputs } }) => inputs), { outpoint: coin.outpoint, sequence: 0xffff_fffd, witness: [] }],
      outputs: [
        ...stages.flatMap(({ transaction: { outputs } }) => outputs),
        { amountSat: coin.amountSat - 5_000n, scriptPubKey: world.wallets.them.scriptPubKey(7) },
      ],
    };
    const witnesses = stages.map((stage, inputIndex) => {
      const ours = must(
        world.signers.them.signHtlc({ template, vout: stage.vout, transaction, inputIndex, sweepIndex: 7 }, cheat.facts.guard),
      );
      const preimage = world.htlcs.find(({ paymentHash }) => toHex(paymentHash) === toHex(stage.htlc.paymentHash))?.preimage;
      const theirs = htlcSignatures[inputIndex];
      if (theirs === undefined || preimage === undefined) throw new Error('no signature or preimage');
      return htlcTxWitness(stage, template.kind, theirs, ours, preimage);
    });
    const coinWitness = p2wpkhWitness(world.wallets.them.sign(transaction, stages.length, coin.amountSat, 5), world.wallets.them.pubkey(5));
    return serializeTransaction(withWitnesses(transaction, [...witnesses, coinWitness]));
  }
  const chainCoin = (world: ClosingWorld) => {
    const script = toHex(world.wallets.them.scriptPubKey(5));
    const coins = [...chainFor(world).confirmed().values()].filter(({ scriptPubKey }) => toHex(scriptPubKey) === script);
    const [coin] = coins;
    if (coin === undefined) throw new Error('no coin');
    return [coin] as const;
  };
});

describe('row 8', () => {
  const world = makeClosingWorld({ htlcs: [offered(20_000n, 140)] });

  it('what is not mined is sent again at each block', () => {
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { publishing: true });
    wake(world, chain, us);
    const [first] = broadcasts(us.state);
    for (let block = 0; block < 5; block++) {
      chain.mine(() => false);
      wake(world, chain, us);
      expect(broadcasts(us.state)[0]).toEqual(first);
    }
  });

  it('a preimage seen in a mempool settles, though the transaction is cycled out and we take the HTLC back', () => {
    const chain = chainFor(world);
    const us = makePlayer(world, 'us');
    const them = makePlayer(world, 'them', { publishing: true, preimages: [world.preimage(0)] });
    wake(world, chain, them);
    pass(world, chain, [them, us]);
    const spend = fromHex([...them.sent.keys()].at(-1) ?? '');
    tell(world, chain, us, { tag: 'seen', transaction: spend });
    expect(ends(us)).toEqual(['htlc-settled 0']);
    for (let block = 0; block < 60; block++) {
      chain.mine((raw) => toHex(raw) !== toHex(spend));
      wake(world, chain, us);
    }
    expect(ends(us)).toEqual(['htlc-settled 0']);
    expect(sweeps(us.state, us.facts, chain.height).filter(({ what }) => what === 'offered-htlc')).toMatchObject([{ status: 'claimed' }]);
  });
});

describe('row 17', () => {
  it('an HTLC without an output, its preimage known: settled, and not failed when the commitment is deep', () => {
    const world = makeClosingWorld({ htlcs: [offered(300n, 140), offered(300n, 140)] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { publishing: true });
    wake(world, chain, us);
    pass(world, chain, [us], 5);
    expect(ends(us)).toEqual([]);
    tell(world, chain, us, { tag: 'preimage', preimage: world.preimage(1) });
    expect(ends(us)).toEqual(['htlc-settled 1']);
    pass(world, chain, [us], 1);
    expect(ends(us)).toEqual(['htlc-settled 1', 'htlc-failed 0']);
    pass(world, chain, [us], 10);
    expect(ends(us)).toHaveLength(2);
  });
});

describe('row 20', () => {
  it('two HTLCs of one hash and one amount end each at its own time', () => {
    const world = makeClosingWorld({ htlcs: [offered(20_000n, 150, [1, 2], 'same'), offered(20_000n, 130, [1, 2], 'same')] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { publishing: true });
    wake(world, chain, us);
    pass(world, chain, [us], 36);
    expect(ends(us)).toEqual(['htlc-failed 1']);
    pass(world, chain, [us], 20);
    expect(ends(us)).toEqual(['htlc-failed 1', 'htlc-failed 0']);
    expect(faults(us)).toEqual([]);
  });

  it('two that cannot be told apart in a revoked commitment: neither is failed while it is unspent', () => {
    const world = makeClosingWorld({ htlcs: [offered(20_000n, 130, [1, 2], 'same'), offered(20_000n, 130, [1, 2], 'same')] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us');
    const cheat = makePlayer(world, 'them', { publishing: true, moment: 1 });
    wake(world, chain, cheat);
    chain.mine();
    for (let block = 0; block < 12; block++) {
      wake(world, chain, us);
      chain.mine((raw) => !us.sent.has(toHex(raw)));
    }
    expect(ends(us)).toEqual([]);
    pass(world, chain, [us], 6);
    expect(ends(us).toSorted()).toEqual(['htlc-failed 0', 'htlc-failed 1']);
  });

  it('the peer that pays one hash twice is claimed from twice, by the right signatures', () => {
    const received = { offered: false, amountSat: 20_000n, moments: [1, 2], hash: 'same' } as const;
    const world = makeClosingWorld({
      htlcs: [
        { ...received, cltvExpiry: 150 },
        { ...received, cltvExpiry: 130 },
        { ...received, cltvExpiry: 130 },
      ],
    });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { publishing: true, preimages: [world.preimage(0)] });
    wake(world, chain, us);
    pass(world, chain, [us], 3);
    const claimed = sweeps(us.state, us.facts, chain.height).filter(({ what, status }) => what === 'received-htlc' && status === 'claimed');
    expect(claimed).toHaveLength(3);
    expect(faults(us)).toEqual([]);
  });
});

describe('rows 21 and 22', () => {
  it('an unmined claim pays more with each step and never less, and no more than half of it before its deadline is near', () => {
    const world = makeClosingWorld({ htlcs: [{ offered: false, amountSat: 20_000n, cltvExpiry: 160, moments: [1, 2] }] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { preimages: [world.preimage(0)], feerateFor: (blocks) => 40_000 / blocks });
    const them = makePlayer(world, 'them', { publishing: true });
    wake(world, chain, them);
    chain.mine();
    const rates: (readonly [left: number, feerate: number, feeSat: bigint])[] = [];
    for (let block = 0; block < 76; block++) {
      wake(world, chain, us);
      const claim = us.state.attempts.find(
        ({ transaction }) => parse(transaction).outputs[0]?.amountSat !== undefined && parse(transaction).inputs[0]?.witness.length === 3,
      );
      if (claim === undefined) throw new Error('no claim');
      rates.push([160 - chain.height, claim.feeratePerKw, 20_000n - (parse(claim.transaction).outputs[0]?.amountSat ?? 0n)]);
      // The peer pins: nothing of ours is mined.
      chain.mine((raw) => ![...us.sent.keys()].includes(toHex(raw)));
    }
    for (const [at, [left, feerate, fee]] of rates.entries()) {
      const [, prior] = rates[at - 1] ?? [0, 0];
      expect(feerate === prior || feerate >= prior * 1.25).toBe(true);
      expect(fee).toBeLessThanOrEqual(left > 18 ? 10_000n : 20_000n - 294n);
    }
    expect(rates.at(-1)?.[2]).toBeGreaterThan(15_000n);
    expect(new Set(rates.map(([, feerate]) => feerate)).size).toBeGreaterThan(4);
    expect([...us.sent.values()].every((verdict) => verdict === 'accepted')).toBe(true);
  });

  it('a claim that cannot pay a whole step more stands as it is', () => {
    const world = makeClosingWorld({ htlcs: [{ offered: false, amountSat: 1_000n, cltvExpiry: 110, moments: [1, 2] }] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { preimages: [world.preimage(0)], feerateFor: () => 500 });
    const them = makePlayer(world, 'them', { publishing: true });
    us.watches = outputWatches(us.state, us.facts);
    wake(world, chain, them);
    chain.mine();
    const feerates = new Set<number>();
    for (let block = 0; block < 8; block++) {
      wake(world, chain, us);
      const claim = us.state.attempts.find(({ transaction }) => parse(transaction).inputs[0]?.witness.length === 3);
      feerates.add(claim?.feeratePerKw ?? 0);
      chain.mine((raw) => !us.sent.has(toHex(raw)));
    }
    expect([...feerates]).toEqual([500, 753, 1006]);
    expect([...us.sent.values()].every((verdict) => verdict === 'accepted')).toBe(true);
  });

  it('row 25: an estimate without measure takes no more than half of what is claimed', () => {
    const world = makeClosingWorld();
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { feerateFor: () => Number.MAX_VALUE });
    const them = makePlayer(world, 'them', { publishing: true });
    const before = balanceOf(world, chain, 'us');
    wake(world, chain, them);
    pass(world, chain, [them, us], 3);
    const gained = balanceOf(world, chain, 'us') - before;
    expect(gained).toBeGreaterThan(owed(us.state, us.facts) / 2n - 1n);
    expect(faults(us)).toEqual([]);
  });

  it('a re-org puts the other commitment in: what we claimed is claimed anew, and a late preimage too', () => {
    const world = makeClosingWorld({ htlcs: sixHtlcs });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { publishing: true });
    const them = makePlayer(world, 'them', { preimages: [world.preimage(0)] });
    const before = balanceOf(world, chain, 'us');
    wake(world, chain, us);
    pass(world, chain, [us, them], 3);
    expect(notes(us)).toEqual(['close-seen']);
    them.state = { ...them.state, publishing: true };
    chain.reorganise(3, true);
    tell(world, chain, them, { tag: 'reorged', height: chain.height });
    for (const raw of broadcasts(them.state)) chain.send(raw);
    chain.mine();
    tell(world, chain, us, { tag: 'reorged', height: chain.height - 1 });
    pass(world, chain, [us, them], 2);
    expect(notes(us)).toEqual(['close-seen', 'close-seen', 'output-claimed']);
    tell(world, chain, us, { tag: 'preimage', preimage: world.preimage(3) });
    pass(world, chain, [us, them], 80);
    bury(world, chain, [us, them]);
    expect(isResolved(us.state, us.facts, chain.height)).toBe(true);
    expect(balanceOf(world, chain, 'us') - before + feesOf(chain, us)).toBe(owed(us.state, us.facts));
    expect(ends(us).toSorted()).toEqual(['htlc-failed 0', 'htlc-failed 1', 'htlc-settled 2']);
    // What hung on the commitment that is gone was refused, or not sent at all.
    expect(faults(us).every((fault) => fault.includes('missing'))).toBe(true);
  });
});

describe('row 23', () => {
  it('a mutual close that a re-org takes out does not hide a revoked commitment', () => {
    const world = makeClosingWorld({ htlcs: [] });
    const chain = chainFor(world);
    const closeScript = world.wallets.us.scriptPubKey(7);
    const us = makePlayer(world, 'us');
    us.facts = { ...us.facts, guard: { ...us.facts.guard, closeScript } };
    const before = balanceOf(world, chain, 'us');
    chain.send(mutualClose(world, closeScript));
    pass(world, chain, [us], 6);
    expect(sweeps(us.state, us.facts, chain.height)).toMatchObject([{ what: 'closing', amountSat: 599_000n, status: 'claimed' }]);
    expect(notes(us)).toEqual(['close-seen']);
    expect(outputWatches(us.state, us.facts)).toHaveLength(1);
    expect(isResolved(us.state, us.facts, chain.height)).toBe(false);

    const cheat = makePlayer(world, 'them', { publishing: true, moment: 1 });
    reorganise(world, chain, [us], 6, true);
    wake(world, chain, cheat);
    pass(world, chain, [us], 4);
    expect(notes(us)).toContain('revoked-seen');
    expect(balanceOf(world, chain, 'us') - before + feesOf(chain, us)).toBe(owed(us.state, us.facts));
    expect(owed(us.state, us.facts)).toBeGreaterThan(990_000n);
  });

  it('one that does not pay us is told of as a loss', () => {
    const world = makeClosingWorld({ htlcs: [] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us');
    chain.send(mutualClose(world, world.wallets.us.scriptPubKey(3)));
    us.facts = { ...us.facts, guard: { ...us.facts.guard, closeScript: world.wallets.us.scriptPubKey(7) } };
    us.watches = outputWatches(us.state, us.facts);
    pass(world, chain, [us], 1);
    expect(notes(us)).toEqual(['close-seen', 'output-lost']);
    bury(world, chain, [us]);
    expect(isResolved(us.state, us.facts, chain.height)).toBe(true);
  });

  function mutualClose(world: ClosingWorld, closeScript: Uint8Array): Uint8Array {
    const keys = { us: world.signers.us.basepoints.fundingPubkey, them: world.signers.them.basepoints.fundingPubkey };
    const { fundingOutpoint } = world;
    const { fundingSat: fundingAmountSat } = world.options;
    const scripts = { us: closeScript, them: world.wallets.them.scriptPubKey(7) };
    const closing = must(
      legacyClosing({
        channel: { fundingOutpoint, fundingAmountSat, localFundingPubkey: keys.us, remoteFundingPubkey: keys.them },
        local: { balanceMsat: 600_000_000n, scriptPubKey: scripts.us },
        remote: { balanceMsat: 400_000_000n, scriptPubKey: scripts.them },
        localIsOpener: true,
        feeSat: 1000n,
        dustLimitSat: 354n,
      }),
    );
    const signedBy = (side: 'us' | 'them', toUsMsat: bigint) => {
      const guard = { ...world.facts(side).guard, closeScript: scripts[side] };
      const remoteFundingPubkey = keys[side === 'us' ? 'them' : 'us'];
      const { transaction } = closing;
      const signature = must(
        world.signers[side].signClosing(
          { fundingOutpoint, fundingAmountSat, remoteFundingPubkey, transaction, toUsMsat, maxFeeSat: 1000n },
          guard,
        ),
      );
      return { pubkey: keys[side], signature };
    };
    return signedClosing(closing, signedBy('us', 600_000_000n), signedBy('them', 400_000_000n));
  }
});

it('what a re-org takes out of the chain is sent again as it was, whatever fees are now', () => {
  const world = makeClosingWorld();
  const chain = chainFor(world);
  const us = makePlayer(world, 'us', { feerateFor: () => 5000 });
  const them = makePlayer(world, 'them', { publishing: true });
  us.watches = outputWatches(us.state, us.facts);
  wake(world, chain, them);
  pass(world, chain, [us], 2);
  const [claim] = us.state.attempts;
  expect(broadcasts(us.state)).toEqual([]);
  us.feerateFor = () => 300;
  reorganise(world, chain, [us], 1, true);
  expect(broadcasts(us.state)).toEqual([claim?.transaction]);
  pass(world, chain, [us], 6);
  expect(us.state.attempts).toEqual([]);
});

it('a spend that is told twice is kept once, the newest word for each output', () => {
  const world = makeClosingWorld();
  const chain = chainFor(world);
  const us = makePlayer(world, 'us', { publishing: true });
  wake(world, chain, us);
  pass(world, chain, [us], 1);
  const [spend] = us.state.spends;
  if (spend === undefined) throw new Error('no spend');
  tell(world, chain, us, { tag: 'spent', spend: { ...spend, height: spend.height + 1 } });
  expect(us.state.spends).toEqual([{ ...spend, height: spend.height + 1 }]);
});

describe.each(['anchors_zero_fee_htlc_tx', 'static_remotekey'] as const)('%s', (kind) => {
  it('an HTLC that costs more to claim than it is worth is let go, and failed once the peer has had its time', () => {
    const amountSat = kind === 'static_remotekey' ? 1060n : 600n;
    const world = makeClosingWorld({ kind, htlcs: [offered(amountSat, 130)] });
    const chain = chainFor(world);
    const us = makePlayer(world, 'us', { publishing: true, feerateFor: () => 253 });
    wake(world, chain, us);
    pass(world, chain, [us], 35);
    expect(ends(us)).toEqual([]);
    pass(world, chain, [us], 1);
    expect(ends(us)).toEqual(['htlc-failed 0']);
    bury(world, chain, [us]);
    expect(isResolved(us.state, us.facts, chain.height)).toBe(true);
    expect([...us.sent.keys()].some((raw) => parse(fromHex(raw)).lockTime === 130)).toBe(false);
  });
});
