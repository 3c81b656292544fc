/** Random schedules for the model, the smallest first so that a failing one shrinks well. */
import fc from 'fast-check';
import { Line, type LineOptions } from './model.ts';
import type { Ending, Move } from './model-moves.ts';
import { checkSums } from './model-sums.ts';
import type { PartyName } from './pair.ts';

export type Schedule = { readonly channels: number; readonly options: LineOptions; readonly moves: readonly Move[] };

const who = fc.constantFrom<PartyName>('alice', 'bob');
const at = fc.nat({ max: 1 });
/** Around the dust limits of both kinds of channel, ordinary, and a good part of the channel. */
const amount = fc.constantFrom(1n, 1_000n, 353_999n, 354_000n, 2_000_000n, 2_100_000n, 10_000_000n, 50_000_000n, 150_000_000n);

const pick = fc.nat({ max: 7 });
const feeratePerKw = fc.constantFrom(253, 1_000, 2_500, 5_000);

/** What happens all the time. */
const traffic: fc.Arbitrary<Move> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ move: fc.constant('deliver' as const), at, to: who, count: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 6, arbitrary: fc.record({ move: fc.constant('flush' as const), at, who }) },
  { weight: 6, arbitrary: fc.record({ move: fc.constant('dance' as const), at, count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 9, arbitrary: fc.record({ move: fc.constant('pay' as const), from: who, amountMsat: amount, hash: fc.nat({ max: 3 }) }) },
  {
    weight: 7,
    arbitrary: fc.record({
      move: fc.constant('end' as const),
      pick: fc.nat({ max: 5 }),
      how: fc.constantFrom<Ending>('fulfill', 'fulfill', 'fulfill', 'fail', 'malformed'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('fee' as const), at, feeratePerKw }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('cut' as const), at }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('half-cut' as const), at, who }) },
  { weight: 5, arbitrary: fc.record({ move: fc.constant('connect' as const), at, greet: fc.constantFrom(true, true, true, false) }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('clock' as const), ms: fc.constantFrom(-60_000, 1_000, 86_400_000) }) },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('blocks' as const), count: fc.integer({ min: 1, max: 6 }), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ move: fc.constant('reorg' as const), depth: fc.integer({ min: 1, max: 5 }), forgotten: fc.boolean(), pick }),
  },
  { weight: 1, arbitrary: fc.record({ move: fc.constant('funding-reorg' as const), at, who }) },
);

const mutual: fc.Arbitrary<Move> = fc.record({ move: fc.constant('close' as const), at, who, feeratePerKw });
const forced: fc.Arbitrary<Move> = fc.record({ move: fc.constant('force-close' as const), at, who, asleep: fc.boolean() });

const moves = (arbitrary: fc.Arbitrary<Move>, maxLength: number): fc.Arbitrary<Move[]> =>
  fc.array(arbitrary, { minLength: 1, maxLength, size: 'max' });

/** Nothing but traffic; a close in the midst of it, by one or both; a forced close, with or without a cooperative one before it. */
const story: fc.Arbitrary<readonly Move[]> = fc.oneof(
  { weight: 5, arbitrary: moves(traffic, 40) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(moves(traffic, 25), mutual, moves(fc.oneof({ weight: 20, arbitrary: traffic }, { weight: 1, arbitrary: mutual }), 15))
      .map(([before, close, after]) => [...before, close, ...after]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        moves(fc.oneof({ weight: 40, arbitrary: traffic }, { weight: 1, arbitrary: mutual }), 25),
        forced,
        moves(fc.oneof({ weight: 20, arbitrary: traffic }, { weight: 1, arbitrary: mutual }, { weight: 2, arbitrary: forced }), 12),
      )
      .map(([before, close, after]) => [...before, close, ...after]),
  },
);

export const schedule: fc.Arbitrary<Schedule> = fc.record({
  channels: fc.constantFrom(1, 1, 1, 2),
  options: fc.record({
    kind: fc.constantFrom<'anchors_zero_fee_htlc_tx' | 'static_remotekey'>('anchors_zero_fee_htlc_tx', 'static_remotekey'),
    opener: who,
    simpleClose: fc.boolean(),
    // Some are made twice, and compared.
    icy: fc.constantFrom<'once' | true>('once', 'once', 'once', 'once', 'once', 'once', 'once', true),
  }),
  moves: story,
});

/** Plays a schedule to its end. Throws what the model found. */
export function playSchedule({ channels, options, moves }: Schedule): Line {
  const line = new Line(channels, { ...options, name: `${options.kind} ${options.opener}` });
  for (const one of moves) line.play(one);
  line.finish();
  checkSums(line);
  return line;
}
