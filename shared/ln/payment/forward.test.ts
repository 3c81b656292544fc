import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { freeze, thaw } from '../../lib/freeze.ts';
import type { Plain } from '../../lib/plain.ts';
import { attribute, readHoldTimes } from '../onion/attribution.ts';
import type { Failure } from '../onion/failure.ts';
import { failHtlc, type ReadFailure, readFailure } from '../onion/failure-packet.ts';
import type { FailureVoice, Hop } from '../onion/htlc.ts';
import { hash } from '../testing/opener.ts';
import {
  type Forward,
  type ForwardCommand,
  type ForwardEffect,
  forwardMs,
  foundForward,
  type IncomingStanding,
  newForward,
  outgoingOf,
  stepForward,
  type Way,
  type WayFound,
} from './forward.ts';
import type { HtlcEnd } from './htlc-end.ts';
import type { Moment } from './receive-set.ts';

const preimage = hash('a preimage');
const paymentHash = sha256(preimage);
const [ours, theirs] = [hash('shared with us'), hash('shared with the next')];
const now: Moment = { nowMs: 1_000_000, height: 1_000, fresh: true };
/** When the next node has answered. */
const laterMs = now.nowMs + 700;
const policy = {
  feeBaseMsat: 1_000,
  feeProportionalMillionths: 100,
  cltvExpiryDelta: 80,
  htlcMinimumMsat: 1_000n,
  htlcMaximumMsat: 90_000_000n,
  disabled: false,
};
const way: Way = { peerId: 'bob', channel: 'to bob', policy };
const sha256OfOnion = hash('an onion');
const plain: FailureVoice = { voice: 'plain', sharedSecret: ours, sha256OfOnion };

const hop = (change: Partial<Hop> = {}): Hop => ({
  tag: 'hop',
  answer: plain,
  sharedSecret: ours,
  to: { shortChannelId: 7n },
  amtToForward: 10_000_000n,
  outgoingCltvValue: 1_100,
  next: hash('the next onion'),
  ...change,
});
const incoming = { peerId: 'anna', channel: 'from anna', id: 3n, amountMsat: 10_002_000n, cltvExpiry: 1_180 };
const planned = (change: Partial<Hop> = {}): Forward => newForward(incoming, paymentHash, hop(change), now.nowMs);
const played = (forward: Forward, ...commands: readonly ForwardCommand[]): Forward =>
  commands.reduce((at, command) => stepForward(at, command).forward, forward);
const tick = (change: { incoming?: IncomingStanding; way?: WayFound; moment?: Moment } = {}): ForwardCommand => ({
  tag: 'tick',
  incoming: 'open',
  way,
  moment: now,
  ...change,
});
const offered = played(planned(), { tag: 'offered', htlc: 'out' });
const said = (forward: Forward, command: ForwardCommand): readonly ForwardEffect[] => stepForward(forward, command).effects;

/** As the payer reads it: who, and what. */
function read(end: HtlcEnd | undefined): string {
  if (end?.kind !== 'fail') return end?.kind ?? 'nothing';
  const { source } = readFailure({ sharedSecrets: [ours, theirs], reason: end.reason });
  return source === undefined ? 'unreadable' : `${source.failure.name} of ${source.hop}`;
}
const endOf = ({ stage }: Forward): string => read(stage.state === 'failed' ? stage.end : undefined);

describe('planned', () => {
  test('it leaves with what the onion says, as often as it is asked for', () => {
    const add = { amountMsat: 10_000_000n, cltvExpiry: 1_100, paymentHash, onion: hash('the next onion') };
    for (let i = 0; i < 2; i += 1) expect(said(planned(), tick())).toEqual([{ tag: 'offer', way, add }]);
    const pathKey = hash('a path key');
    expect(said(planned({ nextPathKey: pathKey }), tick())).toEqual([{ tag: 'offer', way, add: { ...add, pathKey } }]);
  });

  test('what there is no channel for, or none now, or no time, goes back', () => {
    expect(endOf(played(planned(), tick({ way: 'unknown' })))).toBe('unknown_next_peer of 0');
    expect(endOf(played(planned(), tick({ way: 'away' })))).toBe('temporary_channel_failure of 0');
    expect(endOf(played(planned(), { tag: 'refused', nowMs: laterMs }))).toBe('temporary_channel_failure of 0');
    const late = { ...now, nowMs: now.nowMs + forwardMs };
    expect(endOf(played(planned(), tick({ moment: late })))).toBe('temporary_channel_failure of 0');
    expect(endOf(played(planned(), tick({ moment: { ...late, nowMs: late.nowMs - 1 } })))).toBe('nothing');
  });

  test('nothing leaves for an HTLC whose channel ends, or is not seen, or by a height of long ago', () => {
    for (const state of ['chain', 'given', 'gone'] as const)
      expect(played(planned(), tick({ incoming: state })).stage.state).toBe('failed');
    expect(stepForward(planned(), tick({ incoming: 'unread' }))).toEqual({ forward: planned(), effects: [] });
    expect(stepForward(planned(), tick({ moment: { ...now, fresh: false } }))).toEqual({ forward: planned(), effects: [] });
  });

  test('the failures of what does not fit our terms', () => {
    const failing = (change: Partial<Hop>) => endOf(played(planned(change), tick()));
    expect(failing({ amtToForward: 10_000_001n })).toBe('fee_insufficient of 0');
    expect(failing({ amtToForward: 90_000_001n })).toBe('temporary_channel_failure of 0');
    expect(failing({ amtToForward: 999n })).toBe('amount_below_minimum of 0');
    expect(failing({ outgoingCltvValue: 1_101 })).toBe('incorrect_cltv_expiry of 0');
    expect(failing({ outgoingCltvValue: 1_005 })).toBe('expiry_too_soon of 0');
  });
});

describe('how it ends', () => {
  const failure: Failure = { name: 'mpp_timeout' };
  const end = { kind: 'fail', reason: failHtlc({ sharedSecret: theirs, failure, holdTime: 0 }).reason } as const;

  test('paid: fulfilled while anything can be, on chain too, and earned when it is over', () => {
    const paid = played(offered, { tag: 'fulfilled', nowMs: laterMs, preimage });
    const answer = [{ tag: 'answer', end: { kind: 'fulfill', preimage } }];
    expect(said(paid, tick())).toMatchObject(answer);
    expect(said(paid, tick({ incoming: 'chain' }))).toMatchObject(answer);
    for (const state of ['given', 'unread'] as const)
      expect(stepForward(paid, tick({ incoming: state }))).toEqual({ forward: paid, effects: [] });
    const { forward, effects } = stepForward(paid, tick({ incoming: 'gone' }));
    expect([forward.stage, effects]).toEqual([{ state: 'settled', preimage }, [{ tag: 'earned', feeMsat: 2_000n }]]);
    expect(said(forward, tick({ incoming: 'gone' }))).toEqual([]);
  });

  test('by a preimage of something else nothing changes', () => {
    expect(played(offered, { tag: 'fulfilled', nowMs: laterMs, preimage: hash('another') })).toBe(offered);
  });

  test('failed by the next node: one more layer, and the payer reads who it was', () => {
    const failed = played(offered, { tag: 'failed', nowMs: laterMs, end });
    expect(endOf(failed)).toBe('mpp_timeout of 1');
    expect(said(failed, tick())).toMatchObject([{ tag: 'answer', end: { kind: 'fail' } }]);
    for (const state of ['chain', 'given', 'unread'] as const) expect(said(failed, tick({ incoming: state }))).toEqual([]);
    expect(stepForward(failed, tick({ incoming: 'gone' }))).toMatchObject({ forward: { stage: { state: 'settled' } }, effects: [] });
  });

  test('an onion that it cannot read: our word for it', () => {
    const malformed = { kind: 'fail-malformed', sha256OfOnion, failureCode: 0xc006 } as const;
    expect(endOf(played(offered, { tag: 'failed', nowMs: laterMs, end: malformed }))).toBe('invalid_onion_key of 0');
  });

  test('never left, or back by the chain', () => {
    const failed = played(offered, { tag: 'failed', nowMs: laterMs });
    expect([endOf(failed), outgoingOf(failed)]).toEqual(['temporary_channel_failure of 0', undefined]);
  });

  test('in a blinded path nobody learns what it was, and at its entrance only that it failed', () => {
    const within = played(
      planned({ answer: { voice: 'blinded', sha256OfOnion } }),
      { tag: 'offered', htlc: 'out' },
      { tag: 'failed', nowMs: laterMs, end },
    );
    expect(within.stage).toMatchObject({ end: { kind: 'fail-malformed', failureCode: 0xc018, sha256OfOnion } });
    const entrance = planned({ answer: { ...plain, voice: 'introduction' } });
    expect(endOf(played(entrance, { tag: 'offered', htlc: 'out' }, { tag: 'failed', nowMs: laterMs, end }))).toBe(
      'invalid_onion_blinding of 0',
    );
    expect(endOf(played(entrance, tick({ way: 'unknown' })))).toBe('invalid_onion_blinding of 0');
  });

  test('a preimage after a failure that the peer had signed still counts', () => {
    const failed = played(offered, { tag: 'failed', nowMs: laterMs, end });
    expect(played(failed, { tag: 'fulfilled', nowMs: laterMs, preimage }).stage).toMatchObject({ state: 'fulfilled', preimage });
  });

  test('found by a life that does not remember it', () => {
    expect(foundForward(planned(), 'out', undefined, laterMs).stage).toEqual({ state: 'offered', htlc: 'out' });
    expect(foundForward(planned(), 'out', preimage, laterMs).stage).toMatchObject({ state: 'fulfilled', preimage });
  });
});

describe('what the payer learns of the time that it took', () => {
  const answered = (forward: Forward): HtlcEnd => {
    const [effect] = said(forward, tick());
    if (effect?.tag !== 'answer') throw new Error('nothing is said');
    return effect.end;
  };
  const readBack = (end: HtlcEnd): ReadFailure => {
    if (end.kind !== 'fail') throw new Error(`the end is ${end.kind}`);
    const attributionData = end.attribution ? { attributionData: end.attribution } : {};
    return readFailure({ sharedSecrets: [ours, theirs], reason: end.reason, ...attributionData });
  };
  const timesOf = (end: HtlcEnd): readonly number[] | undefined =>
    end.kind === 'fulfill' && end.attribution ? readHoldTimes([ours, theirs], end.attribution) : undefined;
  const failed = failHtlc({ sharedSecret: theirs, failure: { name: 'mpp_timeout' }, holdTime: 4 });
  const back = (change: object): HtlcEnd =>
    answered(played(offered, { tag: 'failed', nowMs: laterMs, end: { kind: 'fail', reason: failed.reason, ...change } }));

  test('of a failure of the next node: its time and ours', () => {
    const source = { hop: 1, failure: { name: 'mpp_timeout' } };
    expect(readBack(back({ attribution: failed.attributionData }))).toEqual({ source, holdTimes: [7, 4] });
  });

  test('of one that takes no part: our time, and who takes none', () => {
    expect(readBack(back({}))).toEqual({ source: { hop: 1, failure: { name: 'mpp_timeout' } }, holdTimes: [7], suspect: 1 });
  });

  test('of an answer that nobody can read: the next node is named, and not we', () => {
    for (const attribution of [failed.attributionData, undefined])
      expect(readBack(back({ reason: hash('spoilt'), ...(attribution ? { attribution } : {}) }))).toEqual({ holdTimes: [7], suspect: 1 });
  });

  test('of a failure of our own, and of an onion that the next node could not read', () => {
    expect(readBack(answered(played(planned(), { tag: 'refused', nowMs: laterMs })))).toMatchObject({ source: { hop: 0 }, holdTimes: [7] });
    const late = { ...now, nowMs: now.nowMs + forwardMs };
    expect(readBack(answered(played(planned(), tick({ moment: late }))))).toMatchObject({ source: { hop: 0 }, holdTimes: [600] });
    const malformed = { kind: 'fail-malformed', sha256OfOnion, failureCode: 0xc006 } as const;
    const end = answered(played(offered, { tag: 'failed', nowMs: laterMs, end: malformed }));
    expect(readBack(end)).toMatchObject({ source: { hop: 0 }, holdTimes: [7] });
  });

  test('of a payment: both times, or ours alone', () => {
    const attribution = attribute({ sharedSecret: theirs, packet: new Uint8Array(0), holdTime: 4 });
    expect(timesOf(answered(played(offered, { tag: 'fulfilled', nowMs: laterMs, preimage, attribution })))).toEqual([7, 4]);
    expect(timesOf(answered(played(offered, { tag: 'fulfilled', nowMs: laterMs, preimage })))).toEqual([7]);
  });

  test('nothing from within a blinded path, our time at its entrance', () => {
    const paidAs = (answer: FailureVoice): HtlcEnd =>
      answered(played(planned({ answer }), { tag: 'offered', htlc: 'out' }, { tag: 'fulfilled', nowMs: laterMs, preimage }));
    expect(paidAs({ voice: 'blinded', sha256OfOnion })).toEqual({ kind: 'fulfill', preimage });
    expect(timesOf(paidAs({ ...plain, voice: 'introduction' }))).toEqual([7]);
  });

  test('zero where nobody remembers since when: a forward of an older version, a clock that was set back', () => {
    const end = { kind: 'fail', reason: failed.reason } as const;
    expect(
      readBack(answered(played({ ...offered, stage: { state: 'offered', htlc: 'out' } }, { tag: 'failed', nowMs: laterMs, end })))
        .holdTimes,
    ).toEqual([0]);
    expect(readBack(answered(played(offered, { tag: 'failed', nowMs: 0, end }))).holdTimes).toEqual([0]);
  });
});

/** The channels around a forward as a test plays them, and what was said to them. */
type World = {
  out: 'none' | 'there' | 'paid' | 'failed';
  in: 'open' | 'fulfilled' | 'failed';
  known: boolean;
};
type Move =
  | {
      readonly move: 'tick';
      readonly incoming: IncomingStanding;
      readonly way: 'here' | 'unknown' | 'away';
      readonly fresh: boolean;
      readonly ms: number;
    }
  | { readonly move: 'refuse' | 'pay' | 'lie' | 'fail' | 'lost' };
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      move: fc.constant('tick' as const),
      incoming: fc.constantFrom<IncomingStanding>('open', 'open', 'open', 'chain', 'unread'),
      way: fc.constantFrom('here' as const, 'here' as const, 'here' as const, 'unknown' as const, 'away' as const),
      fresh: fc.boolean(),
      ms: fc.constantFrom(0, 100, forwardMs),
    }),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('refuse' as const, 'pay' as const, 'lie' as const, 'fail' as const, 'lost' as const)
      .map((name) => ({ move: name })),
  },
);

test('law: never fulfilled without the preimage, never failed while the outgoing HTLC is there, no preimage lost, never less than the fee', () => {
  const cheap = fc.record({
    amountMsat: fc.bigInt({ min: 0n, max: 12_000_000n }),
    cltvExpiry: fc.integer({ min: 0, max: 1_300 }),
    amtToForward: fc.bigInt({ min: 0n, max: 12_000_000n }),
    outgoingCltvValue: fc.integer({ min: 0, max: 1_300 }),
  });
  const good = fc.constant({ amountMsat: 10_002_000n, cltvExpiry: 1_180, amtToForward: 10_000_000n, outgoingCltvValue: 1_100 });
  fc.assert(
    fc.property(fc.oneof(good, good, cheap), fc.array(move, { maxLength: 24 }), (terms, moves) => {
      const { amountMsat, cltvExpiry, ...asked } = terms;
      let forward = newForward({ ...incoming, amountMsat, cltvExpiry }, paymentHash, hop(asked), now.nowMs);
      const world: World = { out: 'none', in: 'open', known: false };
      const take = (effect: ForwardEffect): void => {
        switch (effect.tag) {
          case 'offer': {
            expect(world).toMatchObject({ out: 'none', in: 'open' });
            const { add } = effect;
            const fee = 1_000n + (add.amountMsat * 100n) / 1_000_000n;
            expect(add.amountMsat + fee <= amountMsat && add.cltvExpiry + 80 <= cltvExpiry).toBe(true);
            world.out = 'there';
            forward = stepForward(forward, { tag: 'offered', htlc: 'out' }).forward;
            return;
          }
          case 'answer':
            if (effect.end.kind === 'fulfill') {
              expect([sha256(effect.end.preimage), world.known]).toEqual([paymentHash, true]);
              expect(world.in).not.toBe('failed');
              world.in = 'fulfilled';
            } else {
              expect(['none', 'failed']).toContain(world.out);
              expect(world.in).not.toBe('fulfilled');
              world.in = 'failed';
            }
            return;
          case 'earned':
            expect(world.in).toBe('fulfilled');
        }
      };
      const step = (command: ForwardCommand): void => {
        // It may have slept between any two steps.
        const slept = thaw(freeze(forward as Plain));
        if (!slept.ok) throw new Error(slept.error.detail);
        const stepped = stepForward(slept.value as Forward, command);
        expect(stepForward(forward, command)).toEqual(stepped);
        forward = stepped.forward;
        for (const effect of stepped.effects) take(effect);
      };
      const play = (one: Move): void => {
        switch (one.move) {
          case 'tick': {
            const seen = one.incoming === 'open' || one.incoming === 'chain' ? 'given' : one.incoming;
            const found = one.way === 'here' ? way : one.way;
            const moment = { ...now, nowMs: now.nowMs + one.ms, fresh: one.fresh };
            step(tick({ incoming: world.in === 'open' ? one.incoming : seen, way: found, moment }));
            break;
          }
          case 'refuse':
            if (world.out === 'none') step({ tag: 'refused', nowMs: laterMs });
            break;
          case 'pay':
            if (world.out !== 'there' && world.out !== 'paid') break;
            world.out = 'paid';
            world.known = true;
            step({ tag: 'fulfilled', nowMs: laterMs, preimage });
            break;
          case 'lie':
            step({ tag: 'fulfilled', nowMs: laterMs, preimage: hash('a lie') });
            break;
          case 'fail':
          case 'lost':
            // After the preimage the peer may end it as it likes.
            if (world.out !== 'there' && world.out !== 'paid') break;
            if (world.out === 'there') world.out = 'failed';
            step({ tag: 'failed', nowMs: laterMs, ...(one.move === 'fail' ? { end: { kind: 'fail', reason: new Uint8Array(292) } } : {}) });
            break;
        }
      };
      for (const one of moves) play(one);
      // Whatever came before: once the incoming channel can be spoken to, the payee's preimage reaches the payer.
      if (world.in === 'open') step(tick());
      if (world.known) expect(world.in).toBe('fulfilled');
      if (world.in !== 'open') {
        step(tick({ incoming: 'gone' }));
        expect(forward.stage).toEqual(world.known ? { state: 'settled', preimage } : { state: 'settled' });
      }
    }),
  );
});
