/**
 * Whatever becomes of one message between two engines on its way -- a field changed, bytes flipped, lost, twice, out of order, for
 * another channel -- nothing throws, nobody fails the channel but where BOLT 2 says so, and after a new connection both agree again.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { encode, type PeerMessage } from '../peer/wire.ts';
import { disagreement, type Moment, otherParty, reconnect, Story } from '../testing/moments.ts';
import { hash } from '../testing/opener.ts';
import type { Pair, Party } from '../testing/pair.ts';
import { liveOf } from './state.ts';

const preimageOf = (name: string): Uint8Array => hash(`preimage ${name}`);
const add = (party: Party, name: string, amountMsat: bigint): void => {
  const paymentHash = sha256(preimageOf(name));
  party.ask({ tag: 'add', request: name, amountMsat, paymentHash, cltvExpiry: 1_500, onion: new Uint8Array(1366) });
};
const fulfill = (party: Party, id: bigint, name: string): void =>
  void party.ask({ tag: 'remove', id, removal: { kind: 'fulfill', preimage: preimageOf(name) } });

/** Every message of the dance at least once, updates of both under way at the same time, a reconnection in between, and a close. */
function live(): readonly Moment[] {
  const story = new Story({ name: 'bad input' });
  // The states between were through ice when the story was told.
  for (const party of story.pair.parties) party.icy = false;
  const { pair } = story;
  const { alice, bob } = pair;
  pair.connect();
  story.settle();
  add(alice, 'one', 10_000_000n);
  add(alice, 'one', 10_000_000n);
  add(bob, 'two', 300_000n);
  story.settle();
  fulfill(bob, 0n, 'one');
  bob.ask({ tag: 'remove', id: 1n, removal: { kind: 'fail', reason: new Uint8Array(292) } });
  alice.ask({ tag: 'remove', id: 0n, removal: { kind: 'fail-malformed', sha256OfOnion: hash('onion'), failureCode: 0xc005 } });
  alice.ask({ tag: 'set-fee', feeratePerKw: 1_000 });
  pair.flush('alice');
  // What both signed and did not revoke is said again.
  pair.cut();
  pair.connect();
  story.settle();
  add(bob, 'three', 5_000_000n);
  story.settle();
  alice.ask({ tag: 'close', feeratePerKw: 1_000 });
  story.settle();
  fulfill(alice, 1n, 'three');
  story.settle();
  return story.moments.filter(({ msg }) => msg.name !== 'init');
}
const story = new Story({ name: 'bad input' });
// The states between were through ice when the story was told.
for (const party of story.pair.parties) party.icy = false;
const moments = live();

type Change = { readonly what: string; readonly frames: (at: Moment, wire: readonly Uint8Array[]) => readonly Uint8Array[] };

const flipped = (bytes: Uint8Array, at: number, mask: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ mask : byte));

/** Other values of a field, from its own. */
function othersOf(value: unknown): readonly unknown[] {
  if (typeof value === 'bigint')
    return [0n, value + 1n, value - 1n, value ^ 0xff00n, (1n << 64n) - 1n].filter((one) => one !== value && one >= 0n);
  if (typeof value === 'number') return [0, value + 1, value - 1, 0xffff].filter((one) => one !== value && one >= 0);
  if (value instanceof Uint8Array) {
    const { length } = value;
    // A point is written compressed or not at all; other first bytes come below, where bytes are flipped.
    if (length === 33) return [flipped(value, 0, 1), flipped(value, 32, 1), Uint8Array.of(2, ...hash('other'))];
    return [new Uint8Array(length), flipped(value, 0, 1), flipped(value, length - 1, 0x80), hash('other').slice(0, length)].filter(
      (one) => one.length === length && length > 0,
    );
  }
  if (Array.isArray(value)) return [value.slice(1), [...value, new Uint8Array(64).fill(1)], value.toReversed()];
  return [];
}

/** The message with one field changed, where that can be written at all. */
function changedFields(msg: PeerMessage): readonly { readonly what: string; readonly bytes: Uint8Array }[] {
  return Object.entries(msg).flatMap(([field, value]) =>
    field === 'name' || field === 'unknownTlvs'
      ? []
      : othersOf(value).flatMap((other, i) => {
          const bytes = encode({ ...msg, [field]: other } as PeerMessage);
          return [{ what: `${field} ${i}`, bytes }];
        }),
  );
}

/** What can become of a whole message. */
const misread: readonly Change[] = [
  { what: 'lost', frames: (_, [, ...rest]) => rest },
  { what: 'twice', frames: (_, [first, ...rest]) => (first ? [first, first, ...rest] : rest) },
  { what: 'cut short', frames: (_, [first, ...rest]) => (first ? [first.slice(0, -1), ...rest] : rest) },
  { what: 'longer', frames: (_, [first, ...rest]) => (first ? [Uint8Array.of(...first, 1, 1, 0), ...rest] : rest) },
];
/** What only who carries them can do to their order. */
const misordered: readonly Change[] = [
  { what: 'after the next', frames: (_, [first, second, ...rest]) => (first && second ? [second, first, ...rest] : rest) },
  { what: 'last', frames: (_, [first, ...rest]) => (first ? [...rest, first] : rest) },
];

/** Whatever the field: type, first and last bytes, and some in between. */
const flippedAt = (size: number): readonly number[] =>
  [0, 1, 34, Math.floor(size / 2), size - 34, size - 1].filter((at) => at >= 0 && at < size);
const flips = (at: Moment): readonly Change[] =>
  flippedAt(encode(at.msg).length).map((place) => ({
    what: `byte ${place}`,
    frames: (_, [first, ...rest]) => (first ? [flipped(first, place, 1), ...rest] : rest),
  }));

type Case = { readonly at: Moment; readonly change: Change };
const spoiled: readonly Case[] = moments.flatMap((at) => [
  ...[...misread, ...flips(at)].map((change) => ({ at, change })),
  ...changedFields(at.msg).map(({ what, bytes }) => ({
    at,
    change: { what, frames: (_: Moment, [, ...rest]: readonly Uint8Array[]) => [bytes, ...rest] },
  })),
]);
/** A tenth of them; `EVERY=1` plays them all, which are two thousand with what was hidden. */
const every = Number(process.env.EVERY ?? 10);
const cases = spoiled.filter((_, i) => i % every === 0);
const hidden: readonly Case[] = [
  ...moments.flatMap((at) => misordered.map((change) => ({ at, change }))),
  ...spoiled.filter(({ change }) => change.what === 'lost'),
  ...cases,
].filter((_, i) => i % every === 0);

const nameOf = ({ at: { msg }, change }: Case): string => `${msg.name} ${change.what}`;

/** BOLT 2 § Message Retransmission fails the channel for what a `channel_reestablish` may not say, and we for a first point that is none. */
const mayFail = ({ at: { msg } }: Case): boolean => msg.name === 'channel_reestablish' || msg.name === 'channel_ready';

/** Another point than the peer's cannot be told from the right one: nobody can sign from then on, and neither loses anything. */
const mayStick = ({ at: { msg }, change: { what } }: Case): boolean => {
  const isLate = what.startsWith('byte ') && Number(what.slice(5)) >= 2 + 32 + 32;
  return (
    (msg.name === 'revoke_and_ack' && (what.startsWith('nextPerCommitmentPoint') || isLate)) ||
    (msg.name === 'channel_ready' && (what.startsWith('secondPerCommitmentPoint') || what.startsWith('byte ')))
  );
};

/** Delivers `count` of the spoiled frames. */
function spoil({ at, change }: Case, count: number): Pair {
  const pair = story.goTo(at);
  const { wire } = pair[otherParty(at.to)];
  const frames = change.frames(at, [...wire]);
  wire.splice(0, Number.POSITIVE_INFINITY, ...frames);
  for (let n = 0; n < count && pair.connected; n += 1) if (!pair.deliver(at.to)) break;
  return pair;
}

const isOver = (pair: Pair): boolean => pair.parties.some(({ channel }) => ['failed', 'closing'].includes(liveOf(channel).tag));
const hasFault = ({ news }: Party): boolean => news.some((one) => one.tag === 'note' && one.note.kind === 'fault');

function judge(pair: Pair, one: Case): void {
  if (isOver(pair) && !mayFail(one)) throw new Error('the channel failed');
  for (const party of pair.parties) {
    if (party.news.some(({ tag }) => tag === 'disconnect') && !hasFault(party)) throw new Error('an end without a reason');
    const { toLocalMsat, toRemoteMsat } = party.commitments;
    if (toLocalMsat + toRemoteMsat !== 1_000_000_000n) throw new Error('money is lost');
  }
}

const faults = (all: readonly Case[], check: (one: Case) => void): readonly string[] =>
  all.flatMap((one) => {
    try {
      check(one);
      return [];
    } catch (error) {
      return [`${nameOf(one)}: ${error instanceof Error ? error.message : error}`];
    }
  });

test(`${cases.length} ways to spoil one of ${moments.length} messages, and the wire is cut: both agree again`, { timeout: 120_000 }, () => {
  const agree = (one: Case): void => {
    const pair = spoil(one, one.change.what === 'lost' ? 0 : one.change.what === 'twice' ? 2 : 1);
    judge(pair, one);
    if (isOver(pair)) return;
    reconnect(pair);
    judge(pair, one);
    const left = disagreement(pair);
    if (left !== '' && !mayStick(one)) throw new Error(left);
  };
  expect(faults(cases, agree)).toEqual([]);
});

/** Whoever carries our messages may hide one and bring the next: BOLT 2 has no answer but to end the connection, each time. */
test(`${hidden.length} ways with all that came after: nothing throws, nobody fails, nothing is lost`, { timeout: 120_000 }, () => {
  const hold = (one: Case): void => {
    const pair = spoil(one, Number.POSITIVE_INFINITY);
    pair.settle();
    judge(pair, one);
    if (isOver(pair)) return;
    reconnect(pair);
    judge(pair, one);
  };
  expect(faults(hidden, hold)).toEqual([]);
});
