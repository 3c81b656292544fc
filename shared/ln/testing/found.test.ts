/** Schedules that `npm run fuzz` found a fault with, shrunk; each is played for ever. */
import { test } from 'vitest';
import { type PaySchedule, playPayments } from './pay-schedules.ts';
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

const foundOfPayments: readonly (readonly [string, PaySchedule])[] = [
  [
    'a payee dies in the step that would have shown the preimage, and has not shown it',
    {
      shape: 'line',
      options: { kind: 'anchors_zero_fee_htlc_tx', opener: 'alice', simpleClose: false, icy: 'once' },
      moves: [
        { move: 'pay', from: 2, to: 1, amountMsat: 1000n, maxParts: 1, plan: { kind: 'wise', shares: [1], turn: 0, feeMsat: 0n } },
        { move: 'half-cut', at: 1, who: 'alice' },
        { move: 'connect', at: 1 },
        { move: 'drive', pick: 0, plan: { kind: 'none', shares: [1], turn: 0, feeMsat: 0n } },
        { move: 'dance', at: 1, count: 4 },
        { move: 'die', at: 1, who: 'alice', when: 'before' },
        { move: 'connect', at: 0 },
      ],
    },
  ],
];

test.each(found)('%s', (_, schedule) => void playSchedule(schedule));
test.each(foundOfPayments)('%s', (_, schedule) => void playPayments(schedule));
