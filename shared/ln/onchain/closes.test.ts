/** Every kind of close, both channel kinds, both sides alive: who gets what, and what is told of the HTLCs that we offered. BOLT 5. */
import { describe, expect, it } from 'vitest';
import {
  balanceOf,
  bury,
  chainFor,
  faults,
  feesOf,
  makePlayer,
  type Player,
  type PlayerOptions,
  pass,
  wake,
} from '../testing/closing-player.ts';
import { type ClosingWorld, makeClosingWorld, sixHtlcs, type WorldOptions } from '../testing/closing-world.ts';
import type { MiniChain } from '../testing/mini-chain.ts';
import { broadcasts, isResolved, nextHeight, outputWatches, owed, sweeps } from './machine.ts';

type Setting = { readonly world?: WorldOptions; readonly us?: PlayerOptions; readonly them?: PlayerOptions; readonly asleep?: number };

const worlds = new Map<string, ClosingWorld>();
function worldOf(options: WorldOptions): ClosingWorld {
  const key = JSON.stringify([options.kind, options.next, options.htlcs?.length]);
  const world = worlds.get(key) ?? makeClosingWorld({ htlcs: sixHtlcs, ...options });
  worlds.set(key, world);
  return world;
}

function live({ world: options = {}, us: ourOptions = {}, them: theirOptions = {}, asleep = 0 }: Setting) {
  const world = worldOf(options);
  const chain = chainFor(world);
  const us = makePlayer(world, 'us', { ...(ourOptions.preimages === undefined && { preimages: [world.preimage(3)] }), ...ourOptions });
  const them = makePlayer(world, 'them', {
    ...(theirOptions.preimages === undefined && { preimages: [world.preimage(0)] }),
    ...theirOptions,
  });
  const before = { us: balanceOf(world, chain, 'us'), them: balanceOf(world, chain, 'them') };
  for (const player of [them, us]) if (player.state.publishing) wake(world, chain, player);
  pass(world, chain, [them], asleep);
  pass(world, chain, [them, us], 90);
  bury(world, chain, [them, us]);
  const gained = (player: Player): bigint => balanceOf(world, chain, player.side) - before[player.side];
  return { world, chain, us, them, ours: gained(us), theirs: gained(them) };
}

/** Nothing left over, nothing invalid sent, and the sum of what came in and what it cost is what we were owed. */
function expectWhole(chain: MiniChain, player: Player, gained: bigint, owedSat: bigint): void {
  expect(faults(player)).toEqual([]);
  expect(gained + feesOf(chain, player)).toBe(owedSat);
  expect(owed(player.state, player.facts)).toBe(owedSat);
  expect(isResolved(player.state, player.facts, chain.height)).toBe(true);
  expect(broadcasts(player.state)).toEqual([]);
  expect(nextHeight(player.state, player.facts, chain.height)).toBeUndefined();
}

const ends = ({ effects }: Player): readonly string[] =>
  effects.flatMap((effect) => ('id' in effect ? [`${effect.tag} ${effect.id}`] : [])).toSorted();
const notes = ({ effects }: Player): readonly string[] =>
  effects.flatMap((effect) => (effect.tag === 'note' ? [`${effect.kind} ${effect.detail ?? ''}`.trim()] : []));
/** Ids follow the moments: the HTLC that ends by its preimage came last. */
const whenAllEnd = ['htlc-failed 0', 'htlc-failed 1', 'htlc-settled 2'];

/** We opened: the fee of the commitment, its anchors and its trimmed HTLCs are ours to bear. */
const feeSat = { anchors_zero_fee_htlc_tx: 1124n + 4n * 172n + 660n, static_remotekey: 724n + 4n * 172n } as const;
const inFlightSat = 20_000n + 30_000n + 300n;

describe.each(['anchors_zero_fee_htlc_tx', 'static_remotekey'] as const)('%s', (kind) => {
  const mainSat = 600_000n - inFlightSat - feeSat[kind];

  it('our own commitment: to_local late, both kinds of HTLC by their second stages', () => {
    const { chain, us, them, ours, theirs } = live({ world: { kind }, us: { publishing: true } });
    expectWhole(chain, us, ours, mainSat + 30_000n + 40_000n);
    expectWhole(chain, them, theirs, 400_000n - 40_000n - 200n + 20_000n);
    expect(ends(us)).toEqual(whenAllEnd);
    expect(notes(us)[0]).toBe('close-seen local');
    expect(
      sweeps(us.state, us.facts, chain.height)
        .map(({ what, status }) => `${what} ${status}`)
        .toSorted(),
    ).toEqual([
      'offered-htlc final',
      'offered-htlc lost',
      'received-htlc final',
      'second-stage final',
      'second-stage final',
      'to-local final',
    ]);
  });

  it("the peer's newest: to_remote and HTLCs directly", () => {
    const { chain, us, them, ours, theirs } = live({ world: { kind }, them: { publishing: true } });
    expectWhole(chain, us, ours, mainSat + 30_000n + 40_000n);
    expectWhole(chain, them, theirs, 400_000n - 40_000n - 200n + 20_000n);
    expect(ends(us)).toEqual(whenAllEnd);
    expect(ends(them)).toEqual(['htlc-failed 1', 'htlc-failed 2', 'htlc-settled 0']);
    expect(us.sent.size).toBe(3);
  });

  it("the peer's next, which it got before it revoked: an HTLC that only the other one had is failed", () => {
    const { chain, us, ours } = live({ world: { kind, next: true }, them: { publishing: true, moment: 3 } });
    // The dust is gone from the next commitment, back with whoever offered it.
    expectWhole(chain, us, ours, mainSat + 300n + 30_000n + 40_000n);
    expect(ends(us)).toEqual(whenAllEnd);
    expect(notes(us)[0]).toBe('close-seen remote-next');
  });

  it('a revoked one, caught at once: all of it is ours', () => {
    const { chain, us, them, ours, theirs } = live({ world: { kind }, them: { publishing: true, moment: 1 } });
    const costSat = feeSat[kind] - 2n * 172n;
    expectWhole(chain, us, ours, 1_000_000n - costSat - 500n);
    // The cheat keeps what is not worth a fee.
    expect(theirs).toBeLessThanOrEqual(0n);
    expect(faults(them).every((fault) => fault.includes('missing'))).toBe(true);
    expect(ends(us)).toEqual(['htlc-failed 0', 'htlc-failed 1', 'htlc-failed 2']);
    expect(us.effects.filter(({ tag }) => tag === 'need-archive')).toHaveLength(1);
    expect(notes(us)[0]).toBe('revoked-seen revoked');
  });

  it('a revoked one, found after its second stages: those are ours too, and a preimage that they showed counts', () => {
    const world = worldOf({ kind });
    const them = { publishing: true, moment: 1, preimages: [world.preimage(1)] };
    const { chain, us, ours } = live({ world: { kind }, them, us: { preimages: [] }, asleep: 12 });
    const costSat = feeSat[kind] - 2n * 172n;
    const secondStageFee = kind === 'static_remotekey' ? 703n : 0n;
    expectWhole(chain, us, ours, 1_000_000n - costSat - 500n - secondStageFee);
    expect(ends(us)).toEqual(['htlc-failed 1', 'htlc-failed 2', 'htlc-settled 0']);
    expect(notes(us)).toContain('output-lost penalty');
  });

  it('a revoked one, found too late: to_local is lost and said to be, the rest is ours', () => {
    const { chain, us, ours } = live({ world: { kind }, them: { publishing: true, moment: 1 }, asleep: 40 });
    expect(faults(us)).toEqual([]);
    expect(ours + feesOf(chain, us)).toBe(owed(us.state, us.facts));
    expect(sweeps(us.state, us.facts, chain.height).filter(({ status }) => status === 'lost')).toMatchObject([
      { what: 'penalty', amountSat: 359_800n },
    ]);
    expect(isResolved(us.state, us.facts, chain.height)).toBe(true);
  });

  it('row 33: a newer one than we know of: to_remote is ours, ours is never published, no HTLC is failed before its expiry', () => {
    const { chain, us, ours } = live({
      world: { kind },
      us: { publishing: true, dataLost: true, moment: 1, preimages: [] },
      them: { publishing: true },
    });
    expectWhole(chain, us, ours, mainSat);
    expect(us.sent.size).toBe(1);
    expect(notes(us).slice(0, 2)).toEqual(['close-seen future', 'output-lost future']);
    expect(ends(us)).toEqual(['htlc-failed 0', 'htlc-failed 1']);
  });
});

it('a newer one than we know of: a preimage that its spends show settles what we know', () => {
  const htlcs = [{ offered: true, amountSat: 20_000n, cltvExpiry: 140, moments: [1, 2] }];
  const world = worldOf({ htlcs });
  const them = { publishing: true, preimages: [world.preimage(0)] };
  const { us } = live({ world: { htlcs }, us: { dataLost: true, moment: 1, preimages: [] }, them });
  expect(ends(us)).toEqual(['htlc-settled 0']);
});

it('a newer one than we know of: deep as it is, no HTLC is failed while the peer may still take it', () => {
  const world = worldOf({ kind: 'anchors_zero_fee_htlc_tx' });
  const chain = chainFor(world);
  const us = makePlayer(world, 'us', { dataLost: true, moment: 1 });
  const them = makePlayer(world, 'them', { publishing: true });
  us.watches = outputWatches(us.state, us.facts);
  wake(world, chain, them);
  pass(world, chain, [them, us], 55);
  expect(ends(us)).toEqual([]);
  pass(world, chain, [them, us], 1);
  expect(ends(us)).toEqual(['htlc-failed 0', 'htlc-failed 1']);
});

it('our own commitment, not mined yet: what will be ours is shown as waiting', () => {
  const world = worldOf({ kind: 'anchors_zero_fee_htlc_tx' });
  const chain = chainFor(world);
  const us = makePlayer(world, 'us', { publishing: true, preimages: [world.preimage(3)] });
  wake(world, chain, us);
  const lines = (): readonly string[] =>
    sweeps(us.state, us.facts, chain.height).map((line) => `${line.what} ${line.amountSat} ${line.status} ${line.atHeight}`);
  const mainSat = 600_000n - inFlightSat - feeSat.anchors_zero_fee_htlc_tx;
  const expected = [
    ['offered-htlc', 20_000n, 140],
    ['offered-htlc', 30_000n, 150],
    ['received-htlc', 40_000n, 101],
    ['to-local', mainSat, 120],
  ] as const;
  expect(lines()).toEqual(expected.map(([what, amountSat]) => `${what} ${amountSat} waiting undefined`));
  pass(world, chain, [us], 1);
  const [, , received] = expected;
  expect(lines()).toEqual(
    expected.map((line) => (line === received ? `${line[0]} ${line[1]} due undefined` : `${line[0]} ${line[1]} waiting ${line[2]}`)),
  );
  us.state = { ...us.state, publishing: false, spends: [] };
  expect(lines()).toEqual([]);
});

it('row 33: our commitment whose secret has left is not published, and it is said why', () => {
  const world = makeClosingWorld();
  const chain = chainFor(world);
  const us = makePlayer(world, 'us', { publishing: true });
  us.facts = { ...us.facts, guard: { ...us.facts.guard, releasedBelow: 3n } };
  wake(world, chain, us);
  expect(us.sent.size).toBe(0);
  expect(us.effects).toMatchObject([{ kind: 'claim-refused', detail: expect.stringMatching(/^state-revoked/) }]);
});

it('row 18: the preimage of an HTLC that is only in our newest is learned from any commitment of the peer', () => {
  // The peer takes the first HTLC from its next commitment; we know the HTLC from that set alone.
  const htlcs = [{ offered: true, amountSat: 20_000n, cltvExpiry: 140, moments: [3] }];
  const world = worldOf({ htlcs, next: true });
  const them = { publishing: true, moment: 3, preimages: [world.preimage(0)] };
  const { us } = live({ world: { htlcs, next: true }, us: { preimages: [] }, them });
  expect(us.effects).toContainEqual({ tag: 'htlc-settled', id: 0n, preimage: world.preimage(0) });
  expect(ends(us)).toEqual(['htlc-settled 0']);
});
