/** The commitment dance between two of our own engines, told as stories. BOLT 2 § Normal Operation. */

import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { encode } from '../peer/wire.ts';
import { hash } from '../testing/opener.ts';
import { Pair, type Party } from '../testing/pair.ts';
import { isQuiet, specOf } from './commitments.ts';

const preimageOf = (name: string): Uint8Array => hash(`preimage ${name}`);
const add = (party: Party, name: string, amountMsat: bigint) =>
  party.ask({
    tag: 'add',
    request: name,
    amountMsat,
    paymentHash: sha256(preimageOf(name)),
    cltvExpiry: 1_500,
    onion: new Uint8Array(1366),
  });

const connected = (): Pair => {
  const pair = new Pair();
  pair.connect();
  pair.settle();
  return pair;
};

test('an HTLC is added, fulfilled, and paid', () => {
  const pair = connected();
  expect(pair.alice.channel.tag).toBe('normal');
  const before = specOf(pair.alice.commitments, 'local').toLocalMsat;
  expect(add(pair.alice, 'one', 10_000_000n).map(({ tag }) => tag)).toContain('htlc-offered');
  pair.settle();
  expect(pair.bob.news.map(({ tag }) => tag)).toContain('htlc-received');
  pair.bob.ask({ tag: 'remove', id: 0n, removal: { kind: 'fulfill', preimage: preimageOf('one') } });
  pair.settle();
  expect(pair.alice.news.map(({ tag }) => tag)).toContain('htlc-fulfilled');
  expect(pair.bob.news.map(({ tag }) => tag)).toContain('htlc-claimed');
  for (const { commitments } of pair.parties) expect(isQuiet(commitments)).toBe(true);
  expect(specOf(pair.alice.commitments, 'local').toLocalMsat).toBe(before - 10_000_000n);
  expect(specOf(pair.bob.commitments, 'remote').toRemoteMsat).toBe(before - 10_000_000n);
});

test('an HTLC that was never signed is told as failed when its channel is closed by force, by us or by an error', () => {
  for (const end of [
    (pair: Pair) => pair.alice.ask({ tag: 'force-close' }),
    (pair: Pair) => {
      const { channelId } = pair.alice.commitments;
      pair.alice.hear(encode({ name: 'error', channelId, data: Uint8Array.of(0x6e, 0x6f) }));
    },
  ]) {
    const pair = connected();
    add(pair.alice, 'one', 10_000_000n);
    end(pair);
    expect(pair.alice.news.filter(({ tag }) => tag === 'htlc-failed')).toHaveLength(1);
    expect(pair.alice.commitments.htlcs).toEqual([]);
  }
});
