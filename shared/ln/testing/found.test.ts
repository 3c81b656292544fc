/** Schedules that `npm run fuzz` found a fault with, shrunk; each is played for ever. */
import { test } from 'vitest';
import { playSchedule, type Schedule } from './schedules.ts';

const found: readonly (readonly [string, Schedule])[] = [
  [
    'the opener changes the fee after it has signed the last HTLC of a closing channel away',
    {
      channels: 1,
      options: { kind: 'anchors_zero_fee_htlc_tx', opener: 'bob', simpleClose: false, icy: 'once' },
      moves: [
        { move: 'pay', from: 'bob', amountMsat: 1n, hash: 0 },
        { move: 'blocks', count: 1, pick: 0 },
        { move: 'close', at: 0, who: 'alice', feeratePerKw: 253 },
        { move: 'dance', at: 0, count: 4 },
        { move: 'end', pick: 0, how: 'fulfill' },
        { move: 'dance', at: 0, count: 2 },
        { move: 'fee', at: 0, feeratePerKw: 253 },
        { move: 'pay', from: 'alice', amountMsat: 1n, hash: 0 },
      ],
    },
  ],
  [
    'the same after a reconnection, with one message still under way',
    {
      channels: 1,
      options: { kind: 'anchors_zero_fee_htlc_tx', opener: 'alice', simpleClose: false, icy: 'once' },
      moves: [
        { move: 'pay', from: 'alice', amountMsat: 1n, hash: 0 },
        { move: 'dance', at: 0, count: 4 },
        { move: 'end', pick: 0, how: 'fulfill' },
        { move: 'connect', at: 0, greet: true },
        { move: 'close', at: 0, who: 'alice', feeratePerKw: 253 },
        { move: 'dance', at: 0, count: 2 },
        { move: 'fee', at: 0, feeratePerKw: 253 },
        { move: 'deliver', at: 0, to: 'alice', count: 1 },
      ],
    },
  ],
];

test.each(found)('%s', (_, schedule) => void playSchedule(schedule));
