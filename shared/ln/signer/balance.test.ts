/** What we have in the channel falls only for a reason. Each refusal stands beside the same step made right. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TemplateHtlc } from '../tx/commitment.ts';
import { freshGuard } from './signer.ts';
import { codeOf, guardAt, guardOf, htlc, mirrored, preimageOf, revoke, sign, theirs } from './testing.ts';

/** In the peer's commitment an HTLC of ours is one that its holder did not offer. */
const mine = (id: bigint, amountSat?: bigint, change?: Partial<TemplateHtlc>) => htlc(false, id, amountSat, change);
const theirOwn = (id: bigint, amountSat?: bigint) => htlc(true, id, amountSat);
/** Commitment 1 of the peer with these HTLCs; we have 120,000 sat, our HTLCs among them. Ready for commitment 2. */
const flight = (...htlcs: readonly TemplateHtlc[]) => guardAt(1n, htlcs.map(mirrored));
const next = (usSat: bigint, ...htlcs: readonly TemplateHtlc[]) => theirs(2n, usSat, htlcs);

describe('what the peer’s next commitment gives us', () => {
  it('is remembered: our balance, our HTLCs by id, what the peer offers us', () => {
    expect(flight(mine(3n), theirOwn(0n, 5_000n), mine(1n)).holding).toEqual({
      toUsMsat: 100_000_000n,
      offered: [1n, 3n].map((id) => {
        const { offered: _, ...rest } = mine(id);
        return rest;
      }),
      nextOfferedId: 4n,
      receivedMsat: 5_000_000n,
    });
  });

  it('may rise, and stay; our balance alone does not fall by a msat', () => {
    expect(codeOf(sign(next(120_000n), flight()))).toBe('ok');
    expect(codeOf(sign(next(120_001n), flight()))).toBe('ok');
    expect(codeOf(sign(next(119_999n), flight()))).toBe('balance-falls');
    const template = next(120_000n);
    const less = { ...template, toHolderMsat: template.toHolderMsat + 1n, toCounterpartyMsat: template.toCounterpartyMsat - 1n };
    expect(codeOf(sign(less, flight()))).toBe('balance-falls');
  });

  it('an HTLC of ours leaves our balance and is still ours', () => {
    expect(codeOf(sign(next(120_000n, mine(0n)), flight()))).toBe('ok');
    expect(codeOf(sign(next(119_999n, mine(0n)), flight()))).toBe('balance-falls');
  });

  it('an HTLC of ours goes to the peer against its preimage, and else comes back to us', () => {
    const guard = flight(mine(0n), mine(1n));
    expect(codeOf(sign(next(110_000n, mine(1n)), guard, [preimageOf(0n)]))).toBe('ok');
    expect(codeOf(sign(next(110_000n, mine(1n)), guard, [preimageOf(1n)]))).toBe('balance-falls');
    expect(codeOf(sign(next(110_000n, mine(1n)), guard))).toBe('balance-falls');
    expect(codeOf(sign(next(109_999n, mine(1n)), guard, [preimageOf(0n)]))).toBe('balance-falls');
    expect(codeOf(sign(next(120_000n, mine(1n)), guard))).toBe('ok');
    expect(codeOf(sign(next(100_000n), guard, [preimageOf(0n), preimageOf(1n)]))).toBe('ok');
  });

  it('a preimage takes nothing while its HTLC is still there, and nothing of another HTLC', () => {
    const guard = flight(mine(0n), mine(1n, 2_000n));
    expect(codeOf(sign(next(110_000n, mine(0n), mine(1n, 2_000n)), guard, [preimageOf(0n)]))).toBe('balance-falls');
    expect(codeOf(sign(next(110_000n, mine(0n)), guard, [preimageOf(1n)]))).toBe('balance-falls');
    expect(codeOf(sign(next(118_000n, mine(0n)), guard, [preimageOf(1n)]))).toBe('ok');
  });

  it('no preimage of another length counts: the chain would not take it', () => {
    const short = preimageOf(0n).subarray(1);
    const odd = mine(0n, 10_000n, { paymentHash: htlc(false, 0n, 1n).paymentHash });
    expect(codeOf(sign(next(110_000n), flight(odd), [preimageOf(0n)]))).toBe('ok');
    expect(codeOf(sign(next(110_000n), flight(odd), [short]))).toBe('balance-falls');
  });

  it.each([
    ['amount', { amountMsat: 10_000_001n }],
    ['payment hash', { paymentHash: new Uint8Array(32).fill(7) }],
    ['expiry', { cltvExpiry: 800_001 }],
  ])('an HTLC of ours that stays keeps its %s', (_, change) => {
    const guard = flight(mine(0n));
    expect(codeOf(sign(next(120_000n, mine(0n)), guard))).toBe('ok');
    expect(codeOf(sign(next(120_000n, mine(0n, 10_000n, change)), guard))).toBe('balance-falls');
    expect(codeOf(sign(next(120_000n, mine(0n), mine(1n, 10_000n, change)), guard))).toBe('ok');
  });

  it('an HTLC of ours that has ended does not come back, even as it was', () => {
    const ended = guardOf(revoke(1n, guardOf(sign(next(120_000n), flight(mine(5n))))));
    expect(codeOf(sign(theirs(3n, 120_000n, [mine(6n)]), ended))).toBe('ok');
    expect(codeOf(sign(theirs(3n, 120_000n, [mine(5n)]), ended))).toBe('balance-falls');
    expect(codeOf(sign(theirs(3n, 120_000n, [mine(4n)]), ended))).toBe('balance-falls');
    const oneLeft = guardOf(revoke(1n, guardOf(sign(next(120_000n, mine(5n)), flight(mine(5n), mine(6n))))));
    expect(codeOf(sign(theirs(3n, 120_000n, [mine(5n), mine(7n)]), oneLeft))).toBe('ok');
    expect(codeOf(sign(theirs(3n, 120_000n, [mine(5n), mine(6n)]), oneLeft))).toBe('balance-falls');
  });

  it('an HTLC of the peer’s may come, change and go: it is not ours yet', () => {
    const guard = flight(theirOwn(0n));
    expect(codeOf(sign(next(120_000n), guard))).toBe('ok');
    expect(codeOf(sign(next(130_000n), guard))).toBe('ok');
    expect(codeOf(sign(next(119_999n), guard))).toBe('balance-falls');
    expect(codeOf(sign(next(120_000n, theirOwn(0n, 20_000n)), guard))).toBe('ok');
  });

  it('the same commitment again leaves what is remembered as it was', () => {
    const guard = flight(mine(0n));
    expect(guardOf(sign(theirs(1n, 120_000n, [mine(0n)]), guard))).toEqual(guard);
  });

  it('begins with the first commitment, whatever that gives us', () => {
    for (const usSat of [0n, 120_000n, 190_000n]) expect(codeOf(sign(theirs(0n, usSat), freshGuard))).toBe('ok');
  });
});

it('law: over any history of honest updates nothing is refused, and in none does a msat less pass', () => {
  type Move = { readonly what: 'add' | 'fulfil' | 'fail' | 'receive' | 'settle'; readonly sat: bigint; readonly at: number };
  const move = fc.record<Move>({
    what: fc.constantFrom('add', 'fulfil', 'fail', 'receive', 'settle'),
    sat: fc.bigInt({ min: 1n, max: 3_000n }),
    at: fc.nat({ max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(move, { maxLength: 4 }), { minLength: 1, maxLength: 5 }), (rounds) => {
      let guard = guardOf(sign(theirs(0n), freshGuard));
      let [usSat, id, number] = [120_000n, 0n, 0n];
      let [offered, received]: [readonly TemplateHtlc[], readonly TemplateHtlc[]] = [[], []];
      for (const moves of rounds) {
        const settled: Uint8Array[] = [];
        const before = new Set(offered.map((one) => one.id));
        for (const { what, sat, at } of moves) {
          const [gone, coming] = [offered[at], received[at]];
          if (what === 'add') offered = [...offered, mine(id++, sat)];
          else if (what === 'receive') received = [...received, theirOwn(id++, sat)];
          else if (what === 'settle' && coming) {
            received = received.filter((one) => one !== coming);
            usSat += coming.amountMsat / 1000n;
          } else if (gone && before.has(gone.id) && (what === 'fulfil' || what === 'fail')) {
            offered = offered.filter((one) => one !== gone);
            if (what === 'fail') continue;
            settled.push(preimageOf(gone.id));
            usSat -= gone.amountMsat / 1000n;
          }
        }
        number += 1n;
        const template = theirs(number, usSat, [...offered, ...received]);
        const stolen = { ...template, toHolderMsat: template.toHolderMsat + 1n, toCounterpartyMsat: template.toCounterpartyMsat - 1n };
        const result = sign(template, guard, settled);
        expect(codeOf(result)).toBe('ok');
        // What the peer pays us is ours only once it is in a commitment that we signed.
        if (moves.every(({ what }) => what !== 'settle')) expect(codeOf(sign(stolen, guard, settled))).toBe('balance-falls');
        guard = guardOf(revoke(number - 1n, guardOf(result)));
      }
    }),
    { numRuns: 20 },
  );
});
