/** Random schedules for the payment model, the smallest first so that a failing one shrinks well. */
import fc from 'fast-check';
import type { PartyName } from './pair.ts';
import type { PayOptions } from './pay-ground.ts';
import type { Mood, PayMove, Plan, PlanKind, Shape } from './pay-moves.ts';
import { PayWorld } from './pay-world.ts';

export type PaySchedule = { readonly shape: Shape; readonly options: PayOptions; readonly moves: readonly PayMove[] };

const who = fc.constantFrom<PartyName>('alice', 'bob');
const at = fc.nat({ max: 2 });
const node = fc.nat({ max: 2 });
const pick = fc.nat({ max: 5 });
/** Dust, ordinary, most of a channel, and more than one has. */
const amountMsat = fc.constantFrom(1_000n, 400_000n, 20_000_000n, 150_000_000n, 450_000_000n, 600_000_000n);

const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom<PlanKind>('wise', 'blind') },
    { weight: 3, arbitrary: fc.constantFrom<PlanKind>('none', 'short', 'dear', 'unsound') },
  ),
  shares: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
  turn: fc.nat({ max: 3 }),
  feeMsat: fc.constantFrom(0n, 100n, 2_500n),
});

const move: fc.Arbitrary<PayMove> = fc.oneof(
  { weight: 7, arbitrary: fc.record({ move: fc.constant('dance' as const), at, count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 6, arbitrary: fc.record({ move: fc.constant('deliver' as const), at, to: who, count: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      move: fc.constant('pay' as const),
      from: node,
      to: fc.nat({ max: 1 }),
      amountMsat,
      maxParts: fc.constantFrom(1, 2, 3, 4),
      plan,
    }),
  },
  { weight: 9, arbitrary: fc.record({ move: fc.constant('drive' as const), pick, plan }) },
  { weight: 6, arbitrary: fc.record({ move: fc.constant('carry' as const), node, channels: fc.constantFrom(7, 7, 1, 2, 4, 0) }) },
  { weight: 3, arbitrary: fc.record({ move: fc.constant('rest' as const), plan }) },
  {
    weight: 2,
    arbitrary: fc.record({ move: fc.constant('die' as const), at, who, when: fc.constantFrom('before' as const, 'after' as const) }),
  },
  { weight: 5, arbitrary: fc.record({ move: fc.constant('connect' as const), at }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('cut' as const), at }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('half-cut' as const), at, who }) },
  { weight: 2, arbitrary: fc.record({ move: fc.constant('pay-again' as const), pick, by: fc.nat({ max: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constantFrom('cancel-payment' as const, 'cancel-invoice' as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      move: fc.constant('mood' as const),
      node,
      mood: fc.constantFrom<Mood>('honest', 'fail', 'fail', 'malformed', 'shave', 'spoil'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      move: fc.constant('clock' as const),
      ms: fc.constantFrom(1_000, 6_000, 31_000, 60_000, -60_000, 130_000, 10_800_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('look' as const), blocks: fc.constantFrom(0, 1, 3, 28) }) },
);

const moves = (maxLength: number): fc.Arbitrary<PayMove[]> => fc.array(move, { minLength: 1, maxLength, size: 'max' });
const pay = (least: fc.Arbitrary<bigint>, maxParts: number): fc.Arbitrary<PayMove> =>
  fc.record({
    move: fc.constant('pay' as const),
    from: node,
    to: fc.nat({ max: 1 }),
    amountMsat: least,
    maxParts: fc.constant(maxParts),
    plan,
  });

/** Somebody on the way fails what comes, until he has been asked. */
const refusal: fc.Arbitrary<PayMove[]> = fc
  .tuple(node, fc.constantFrom<Mood>('fail', 'malformed', 'spoil'), pay(amountMsat, 3), plan)
  .map(([by, mood, paying, next]) => [
    { move: 'mood', node: by, mood },
    paying,
    { move: 'rest', plan: next },
    { move: 'mood', node: by, mood: 'honest' },
  ]);
/** Of a payment in parts one channel says nothing, until the others have waited for too long. */
const delay: fc.Arbitrary<PayMove[]> = fc
  .tuple(pay(fc.constantFrom(20_000_000n, 600_000_000n), 3), fc.array(plan, { minLength: 2, maxLength: 4 }), at, moves(4))
  .map(([paying, plans, heard, between]) => [
    paying,
    ...plans.map((one): PayMove => ({ move: 'drive', pick: 0, plan: one })),
    { move: 'dance', at: heard, count: 6 },
    ...between,
    { move: 'clock', ms: 60_000 },
    ...[0, 1, 2].map((who): PayMove => ({ move: 'carry', node: who, channels: 7 })),
  ]);

const close: fc.Arbitrary<PayMove> = fc.oneof(
  fc.record({ move: fc.constant('close' as const), at, who, feeratePerKw: fc.constantFrom(253, 1_000, 20_000) }),
  fc.record({ move: fc.constant('force-close' as const), at, who }),
);
/** A channel ends with what is under way in it, and perhaps another, or the same by force. */
const ending: fc.Arbitrary<PayMove[]> = fc
  .tuple(
    pay(amountMsat, 3),
    fc.array(plan, { minLength: 1, maxLength: 3 }),
    at,
    moves(4),
    close,
    moves(8),
    fc.option(close, { nil: undefined, freq: 3 }),
  )
  .map(([paying, plans, heard, before, first, between, second]) => [
    paying,
    ...plans.map((one): PayMove => ({ move: 'drive', pick: 0, plan: one })),
    { move: 'dance', at: heard, count: 6 },
    ...before,
    first,
    ...between,
    ...(second ? [second] : []),
  ]);

/** Nothing but chance; or a scene in the midst of it. */
const story: fc.Arbitrary<readonly PayMove[]> = fc.oneof(
  { weight: 6, arbitrary: moves(35) },
  {
    weight: 4,
    arbitrary: fc.tuple(moves(12), fc.oneof(refusal, delay), moves(12)).map((acts) => acts.flat()),
  },
  { weight: 2, arbitrary: fc.tuple(moves(12), ending, moves(12)).map((acts) => acts.flat()) },
);

export const paySchedule: fc.Arbitrary<PaySchedule> = fc.record({
  shape: fc.constantFrom<Shape>('pair', 'twin', 'twin', 'line', 'line', 'triangle', 'triangle', 'triangle'),
  options: fc.record({
    kind: fc.constantFrom<'anchors_zero_fee_htlc_tx' | 'static_remotekey'>('anchors_zero_fee_htlc_tx', 'static_remotekey'),
    opener: who,
    simpleClose: fc.boolean(),
    icy: fc.constantFrom<'once' | true>('once', 'once', 'once', 'once', 'once', 'once', 'once', true),
  }),
  moves: story,
});

/** Plays a schedule to its end. Throws what the model found. */
export function playPayments({ shape, options, moves }: PaySchedule): PayWorld {
  const world = new PayWorld(shape, options);
  for (const one of moves) world.play(one);
  world.finish();
  return world;
}
