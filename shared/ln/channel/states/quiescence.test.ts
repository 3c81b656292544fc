import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { nextDeadlineMs } from '../../peer/machine.ts';
import { decode, encode } from '../../peer/wire.ts';
import { hash } from '../../testing/opener.ts';
import { Pair, type Party } from '../../testing/pair.ts';
import { isQuiet, specOf } from '../commitments.ts';
import { nextHtlcHeight } from './live.ts';

const preimage = hash('preimage');
const add = (party: Party, amountMsat = 10_000_000n) =>
  party.ask({ tag: 'add', request: 'one', amountMsat, paymentHash: sha256(preimage), cltvExpiry: 1_500, onion: new Uint8Array(1366) });

function reachPair(): Pair {
  const pair = new Pair();
  pair.connect();
  pair.settle();
  return pair;
}
const names = (party: Party): readonly string[] =>
  party.wire.map((bytes) => {
    const decoded = decode(bytes);
    return decoded.ok ? decoded.value.name : 'unreadable';
  });
const stfu = (pair: Pair, initiator = 1): void => {
  pair.bob.hear(encode({ name: 'stfu', channelId: pair.bob.commitments.channelId, initiator }));
};

test('recv stfu -- answered at once where nothing is on its way, and nothing is added any more', () => {
  const pair = reachPair();
  stfu(pair);
  expect(names(pair.bob)).toEqual(['stfu']);
  expect(add(pair.bob)).toMatchObject([{ tag: 'add-refused', error: { code: 'not-usable' } }]);
  pair.bob.step({ tag: 'flush' });
  expect(names(pair.bob)).toEqual(['stfu']);
});

test('recv stfu -- answered only when what we had said is in both commitments', () => {
  const pair = reachPair();
  add(pair.bob);
  stfu(pair);
  expect(names(pair.bob)).toEqual(['update_add_htlc']);
  pair.flush('bob');
  while (!names(pair.bob).includes('stfu') && (pair.deliver('alice') || pair.deliver('bob'))) pair.flush('alice');
  const last = pair.bob.commitments.htlcs[0];
  expect(last?.added).toBe('locked');
  expect(names(pair.bob).at(-1)).toBe('stfu');
});

test('recv stfu -- twice, as an answer to nothing, or with updates of its own on their way: the connection ends', () => {
  for (const prepare of [
    (pair: Pair) => stfu(pair),
    (pair: Pair) => stfu(pair, 0),
    (pair: Pair) => {
      add(pair.alice);
      pair.deliver('bob');
    },
  ]) {
    const pair = reachPair();
    prepare(pair);
    stfu(pair);
    expect(pair.bob.state.link).toBe('closing');
    expect(pair.bob.channel).toMatchObject({ tag: 'offline', was: { tag: 'normal' } });
  }
});

test('recv update_add_htlc -- after stfu: the connection ends', () => {
  const pair = reachPair();
  stfu(pair);
  add(pair.alice);
  pair.deliver('bob');
  expect(pair.bob.state.link).toBe('closing');
});

test('what is decided in the silence is said after it, and a deadline knows of it meanwhile', () => {
  const pair = reachPair();
  add(pair.alice);
  pair.settle();
  stfu(pair);
  pair.bob.ask({ tag: 'remove', id: 0n, removal: { kind: 'fulfill', preimage } });
  pair.flush('bob');
  expect(names(pair.bob)).toEqual(['stfu']);
  expect(nextHtlcHeight(pair.bob.commitments)).toBe(1_476);
  // BOLT 2: "MUST disconnect after 60 seconds of quiescence if the HTLCs are pending."
  expect(nextDeadlineMs(pair.bob.state)).toBe(pair.bob.now + 60_000);
  pair.bob.now += 60_000;
  pair.bob.step({ tag: 'tick' });
  expect(pair.bob.state.link).toBe('closing');
  pair.cut();
  pair.connect();
  pair.settle();
  for (const { commitments } of pair.parties) expect(isQuiet(commitments)).toBe(true);
  expect(specOf(pair.alice.commitments, 'local').toLocalMsat).toBe(490_000_000n);
});
