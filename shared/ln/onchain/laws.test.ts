/**
 * Random closes: who publishes what, which HTLCs, who sleeps, which blocks are taken off again, what fees do. Whatever happens, every
 * transaction that we send is one that the chain can take, and in the end what is ours is ours. BOLT 5.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toHex } from '../../lib/bytes.ts';
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
import { makeClosingWorld, sixHtlcs, type WorldHtlc } from '../testing/closing-world.ts';
import { buildCommitment } from '../tx/commitment.ts';
import { parseTransaction } from '../tx/parse.ts';
import { isResolved, owed, startOnchain, stepOnchain, sweeps } from './machine.ts';
import type { OnchainEnv, OnchainEvent } from './types.ts';

const moments = fc.constantFrom([1], [2], [1, 2], [2, 3], [1, 2, 3]);
const htlc: fc.Arbitrary<WorldHtlc & { readonly ourPreimage: boolean; readonly theirPreimage: boolean }> = fc.record({
  offered: fc.boolean(),
  amountSat: fc.oneof(fc.bigInt({ min: 1n, max: 2000n }), fc.bigInt({ min: 1000n, max: 60_000n })),
  cltvExpiry: fc.integer({ min: 101, max: 130 }),
  moments,
  hash: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  ourPreimage: fc.boolean(),
  theirPreimage: fc.boolean(),
});
const act = fc.oneof(
  { weight: 4, arbitrary: fc.record({ tag: fc.constant('pass' as const), blocks: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('alone' as const), blocks: fc.integer({ min: 1, max: 15 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ tag: fc.constant('reorg' as const), blocks: fc.integer({ min: 1, max: 5 }), forgotten: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('fees' as const), feerate: fc.integer({ min: 0, max: 30_000 }) }) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('preimage' as const), at: fc.nat() }) },
);
const schedule = fc.record({
  kind: fc.constantFrom('anchors_zero_fee_htlc_tx' as const, 'static_remotekey' as const),
  weOpened: fc.boolean(),
  publisher: fc.constantFrom('us', 'newest', 'next', 'revoked', 'newer'),
  both: fc.boolean(),
  coins: fc.integer({ min: 1, max: 4 }),
  htlcs: fc.array(htlc, { maxLength: 4 }),
  acts: fc.array(act, { minLength: 1, maxLength: 8 }),
});

function checked(player: Player): void {
  expect(faults(player)).toEqual([]);
  const ends = player.effects.flatMap((effect) => ('id' in effect ? [effect.id] : []));
  expect(new Set(ends).size).toBe(ends.length);
}

it('row 19: nothing that we send is invalid, and the sum is whole, through random closes', () => {
  fc.assert(
    fc.property(schedule, ({ kind, weOpened, publisher, both, coins, htlcs, acts }) => {
      const next = publisher === 'next';
      const world = makeClosingWorld({ kind, weOpened, htlcs, next });
      const chain = chainFor(world, 100, coins);
      const known = (whose: 'ourPreimage' | 'theirPreimage', offered: boolean): readonly Uint8Array[] =>
        world.htlcs.filter((one, at) => one.offered === offered && htlcs[at]?.[whose]).map(({ preimage }) => preimage);
      const us = makePlayer(world, 'us', {
        publishing: publisher === 'us' || both,
        preimages: known('ourPreimage', false),
        ...(publisher === 'newer' && { moment: 1, dataLost: true }),
      });
      const them = makePlayer(world, 'them', {
        publishing: publisher !== 'us',
        preimages: known('theirPreimage', true),
        ...(publisher === 'revoked' && { moment: 1 }),
        ...(next && { moment: 3 }),
      });
      const before = balanceOf(world, chain, 'us');
      for (const player of [them, us]) wake(world, chain, player);
      let lowest = chain.height;
      for (const one of acts) {
        if (one.tag === 'pass') pass(world, chain, [them, us], one.blocks);
        if (one.tag === 'alone') pass(world, chain, [them], one.blocks);
        if (one.tag === 'fees') us.feerateFor = (blocks) => one.feerate / blocks;
        // No block twice: what was six deep stays.
        if (one.tag === 'reorg' && chain.height - one.blocks >= lowest) {
          lowest = chain.height;
          reorganise(world, chain, [us, them], one.blocks, one.forgotten);
        }
        const late = one.tag === 'preimage' ? world.htlcs[one.at % Math.max(htlcs.length, 1)] : undefined;
        if (late && !late.offered) tell(world, chain, us, { tag: 'preimage', preimage: late.preimage });
        checked(us);
      }
      us.feerateFor = () => 300;
      pass(world, chain, [them, us], 100);
      bury(world, chain, [them, us]);
      bury(world, chain, [them, us]);

      checked(us);
      expect(isResolved(us.state, us.facts, chain.height)).toBe(true);
      expect(balanceOf(world, chain, 'us') - before + feesOf(chain, us)).toBe(owed(us.state, us.facts));
      const told = us.effects.flatMap((effect) => ('id' in effect ? [effect.id] : []));
      expect(told.toSorted()).toEqual(
        us.facts.htlcs
          .filter(({ offered }) => offered)
          .map(({ id }) => id)
          .toSorted(),
      );
    }),
    { numRuns: 5 },
  );
});

it('who wakes at each block loses nothing: each output goes to whom it belongs', () => {
  const fair = fc.record({
    kind: fc.constantFrom('anchors_zero_fee_htlc_tx' as const, 'static_remotekey' as const),
    weOpened: fc.boolean(),
    publisher: fc.constantFrom('us', 'newest', 'next', 'revoked'),
    feerate: fc.integer({ min: 253, max: 1500 }),
    htlcs: fc.array(
      fc.record({
        offered: fc.boolean(),
        amountSat: fc.oneof(fc.bigInt({ min: 1n, max: 353n }), fc.bigInt({ min: 5000n, max: 60_000n })),
        cltvExpiry: fc.integer({ min: 110, max: 140 }),
        moments,
        known: fc.boolean(),
      }),
      { maxLength: 5 },
    ),
  });
  fc.assert(
    fc.property(fair, ({ kind, weOpened, publisher, feerate, htlcs }) => {
      const next = publisher === 'next';
      const world = makeClosingWorld({ kind, weOpened, htlcs, next });
      const chain = chainFor(world);
      // Whoever an HTLC is for knows its preimage, or nobody does.
      const known = (offered: boolean) =>
        world.htlcs.filter((one, at) => one.offered === offered && htlcs[at]?.known).map(({ preimage }) => preimage);
      const moment = publisher === 'revoked' ? 1 : next ? 3 : 2;
      const us = makePlayer(world, 'us', { publishing: publisher === 'us', preimages: known(false), feerateFor: () => feerate });
      const them = makePlayer(world, 'them', { publishing: publisher !== 'us', preimages: known(true), moment });
      const holder = publisher === 'us' ? us : them;
      const built = buildCommitment(holder.facts.local.template);
      if (!built.ok) throw new Error(built.error.detail);
      const before = balanceOf(world, chain, 'us');
      wake(world, chain, holder);
      const anchor = us.state.attempts[1] === undefined ? 0n : 330n;
      pass(world, chain, [them, us], 90);
      bury(world, chain, [them, us]);

      const weHold = holder === us;
      const rightful = built.value.outputs.filter((output) => {
        if (output.role === 'to-local') return weHold || publisher === 'revoked';
        if (output.role === 'to-remote') return !weHold;
        if (!('htlc' in output)) return false;
        if (publisher === 'revoked') return true;
        const ours = output.htlc.offered === weHold;
        const paid = htlcs.some(
          (one, at) => one.known && toHex(world.htlcs[at]?.paymentHash ?? new Uint8Array(0)) === toHex(output.htlc.paymentHash),
        );
        return ours !== paid;
      });
      const owedSat = rightful.reduce((sum, { amountSat }) => sum + amountSat, anchor);
      const gained = balanceOf(world, chain, 'us') - before + feesOf(chain, us);
      // Without anchors a cheat's second stage pays its fee out of the HTLC, and may be mined before our penalty is.
      const taken = publisher === 'revoked' && kind === 'static_remotekey' ? feesOf(chain, them) : 0n;
      expect(gained + taken).toBe(owedSat);
      expect(faults(us)).toEqual([]);
    }),
    { numRuns: 5 },
  );
});

const htlcsOfAll = sixHtlcs.map((one) => ({ ...one, moments: one.moments.filter((moment) => moment < 3) }));

/** A close lived through, and what it takes to hear of it all at once. */
function past(publisher: 'us' | 'newest' | 'revoked') {
  const world = makeClosingWorld({ htlcs: htlcsOfAll });
  const chain = chainFor(world);
  const us = makePlayer(world, 'us', { publishing: publisher === 'us', preimages: [world.preimage(3)] });
  const them = makePlayer(world, 'them', {
    publishing: publisher !== 'us',
    preimages: [world.preimage(0)],
    ...(publisher === 'revoked' && { moment: 1 }),
  });
  for (const player of [them, us]) wake(world, chain, player);
  pass(world, chain, [them], publisher === 'revoked' ? 12 : 0);
  pass(world, chain, [them, us], 80);
  const env: OnchainEnv = { height: chain.height, signer: world.signers.us, wallet: world.wallets.us, coins: [], feerateFor: () => 1000 };
  const events: OnchainEvent[] = us.state.spends.map((spend) => ({ tag: 'spent', spend }));
  if (us.state.archive) events.push({ tag: 'archive', ...us.state.archive });
  return { world, us, env, events };
}
const pasts = (['us', 'newest', 'revoked'] as const).map(past);

it('the order in which the chain is heard of does not matter', () => {
  fc.assert(
    fc.property(fc.constantFrom(...pasts), fc.infiniteStream(fc.nat()), ({ world, us, env, events }, stream) => {
      const rest = [...events];
      const shuffled = events.flatMap(() => rest.splice((stream.next().value ?? 0) % rest.length, 1));
      let state = startOnchain({ publishing: false, sweepIndex: us.state.sweepIndex, preimages: [world.preimage(3)] });
      for (const event of shuffled) state = stepOnchain(state, us.facts, event, env).state;
      expect(sweeps(state, us.facts, env.height)).toEqual(sweeps(us.state, us.facts, env.height));
      expect(state.told.toSorted()).toEqual(us.state.told.toSorted());
    }),
    { numRuns: 10 },
  );
});

it('whatever bytes are said to be in the chain, a step is a step', () => {
  const mutated = fc.constantFrom(...pasts).chain(({ world, us, env }) =>
    fc.record({
      us: fc.constant(us),
      env: fc.constant(env),
      spend: fc.constantFrom(...us.state.spends),
      at: fc.nat(),
      byte: fc.integer({ min: 0, max: 255 }),
      cut: fc.nat(),
      preimages: fc.constantFrom([], [world.preimage(3)]),
      height: fc.constantFrom(0, 101, 0xffff_ffff),
      expiry: fc.constantFrom(0, 0xffff_ffff),
    }),
  );
  fc.assert(
    fc.property(mutated, ({ us, env, spend, at, byte, cut, preimages, height, expiry }) => {
      const transaction = spend.transaction
        .with(at % spend.transaction.length, byte)
        .subarray(0, cut % 4 === 0 ? cut % spend.transaction.length : undefined);
      const parsed = parseTransaction(transaction);
      const txid = parsed.ok ? parsed.value.txid : spend.txid;
      const htlcs = us.facts.htlcs.map((htlc) => ({ ...htlc, cltvExpiry: expiry }));
      let state = startOnchain({ publishing: false, sweepIndex: us.state.sweepIndex, preimages });
      const events: readonly OnchainEvent[] = [
        { tag: 'seen', transaction },
        { tag: 'spent', spend: { ...spend, txid, transaction, height } },
        { tag: 'archive', number: 1n, htlcs },
        { tag: 'preimage', preimage: transaction },
        { tag: 'tick' },
        { tag: 'reorged', height: -1 },
      ];
      for (const event of events) state = stepOnchain(state, us.facts, event, env).state;
      expect(state.spends).toEqual([]);
    }),
    { numRuns: 20 },
  );
});
