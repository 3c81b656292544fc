/** Bug classes of other implementations that only two engines together show. The number is the row of the list in `table.ts`. */
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equal, fromHex, toHex } from '../../../lib/bytes.ts';
import { type Commitments, specOf, templateFor } from '../../channel/commitments.ts';
import * as limits from '../../channel/limits.ts';
import { isOverExposed, receiveAdd, sendAdd } from '../../channel/updates.ts';
import { decode, encode } from '../../peer/wire.ts';
import { balancesAfterFee, buildCommitment } from '../../tx/commitment.ts';
import { disagreement, Story } from '../moments.ts';
import { hash } from '../opener.ts';
import { Pair, type PairOptions, type Party } from '../pair.ts';

const preimage = hash('a preimage');
const request = (amountMsat: bigint) =>
  ({ amountMsat, paymentHash: sha256(preimage), cltvExpiry: 1_500, onion: new Uint8Array(1366) }) as const;
const add = (party: Party, amountMsat: bigint) => party.ask({ tag: 'add', request: 'x', ...request(amountMsat) });
const codes = (effects: readonly { readonly tag: string }[]): readonly string[] =>
  effects.flatMap((one) =>
    'error' in one && typeof one.error === 'object' && one.error && 'code' in one.error ? [String(one.error.code)] : [],
  );
const connected = (options: PairOptions = {}): Pair => {
  const pair = new Pair(options);
  pair.connect();
  pair.settle();
  return pair;
};

/** The peer's view of an `add` of ours. */
const heard = (commitments: Commitments, id: bigint, amountMsat: bigint) => {
  const { onion, ...rest } = request(amountMsat);
  return receiveAdd(commitments, { name: 'update_add_htlc', channelId: commitments.channelId, id, onionRoutingPacket: onion, ...rest });
};

test('bug 2: LND high-S signature -- of an HTLC: nothing is revoked for it', () => {
  const story = new Story();
  story.pair.connect();
  story.settle();
  add(story.pair.bob, 10_000_000n);
  story.settle();
  const at = story.moments.find(({ to, msg }) => to === 'alice' && msg.name === 'commitment_signed');
  if (at?.msg.name !== 'commitment_signed') throw new Error('no commitment_signed');
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const high = at.msg.htlcSignature.map((low) =>
    Uint8Array.from([...low.slice(0, 32), ...fromHex((order - BigInt(`0x${toHex(low.slice(32))}`)).toString(16).padStart(64, '0'))]),
  );
  expect(high).toHaveLength(1);
  const { alice } = story.goTo(at);
  const revoked = alice.commitments.localCommit.number;
  alice.hear(encode({ ...at.msg, htlcSignature: high }));
  expect(alice.commitments.localCommit.number).toBe(revoked);
  expect(alice.state.link).toBe('closing');
});

describe('bug 4: dust exposure', () => {
  // An HTLC of 3,000 sat is dust where a second stage costs 3,315 or more.
  const dusty: PairOptions = { kind: 'static_remotekey', feeratePerKw: 5_000, opener: 'bob' };
  const fits = Number(limits.maxDustExposureMsat / 3_000_000n);

  test('bug 4: dust exposure -- we offer no more dust than we would lose', () => {
    const { alice } = connected(dusty);
    for (let i = 0; i < fits; i += 1) expect(codes(add(alice, 3_000_000n))).toEqual([]);
    expect(codes(add(alice, 3_000_000n))).toEqual(['dust-exposure']);
    // What has an output costs nothing of it.
    expect(codes(add(alice, 30_000_000n))).toEqual([]);
  });

  test('bug 4: dust exposure -- what the peer offers beyond it is marked to be failed', () => {
    const pair = connected(dusty);
    for (let i = 0; i <= fits; i += 1) expect(codes(add(pair.bob, 3_000_000n)).filter((code) => code !== 'dust-exposure')).toEqual([]);
    pair.settle();
    const { alice } = pair;
    expect(alice.commitments.htlcs).toHaveLength(fits);
    expect(alice.news.filter((one) => one.tag === 'htlc-received' && one.overExposed)).toEqual([]);
    // A peer that does not count takes us beyond it.
    const taken = heard(alice.commitments, alice.commitments.nextRemoteHtlcId, 3_000_000n);
    const late = taken.ok ? taken.value.htlcs.at(-1) : undefined;
    if (!taken.ok || !late) throw new Error('it is BOLT 2 that such an HTLC is taken and failed');
    expect(isOverExposed(taken.value, late)).toBe(true);
  });

  test('bug 4: dust exposure -- a feerate that makes dust of what was none is refused', () => {
    const pair = connected({ ...dusty, feeratePerKw: 1_000 });
    for (let i = 0; i < 20; i += 1) add(pair.bob, 3_000_000n);
    pair.settle();
    const { alice } = pair;
    alice.hear(encode({ name: 'update_fee', channelId: alice.commitments.channelId, feeratePerKw: 5_000 }));
    expect(alice.state.link).toBe('closing');
    const said = decode(alice.wire.at(-1) ?? new Uint8Array(0));
    if (!said.ok || said.value.name !== 'warning') throw new Error('no warning');
    expect(String.fromCharCode(...said.value.data)).toContain('dust');
  });
});

test('bug 20: LDK equal HTLCs -- one hash, one amount: each ends by its id', () => {
  const pair = connected();
  add(pair.alice, 10_000_000n);
  add(pair.alice, 10_000_000n);
  pair.settle();
  pair.bob.ask({ tag: 'remove', id: 1n, removal: { kind: 'fulfill', preimage } });
  pair.bob.ask({ tag: 'remove', id: 0n, removal: { kind: 'fail', reason: new Uint8Array(292) } });
  pair.settle();
  const ends = pair.alice.news.flatMap((one) =>
    one.tag === 'htlc-fulfilled' || one.tag === 'htlc-failed' ? [`${one.tag} ${one.id}`] : [],
  );
  expect(ends).toEqual(['htlc-fulfilled 1', 'htlc-failed 0']);
  expect(pair.alice.commitments.toLocalMsat).toBe(490_000_000n);
  expect(disagreement(pair)).toBe('');
});

test('bug 24: LDK reserve overdraw, near-dust fees -- what we offer the peer takes, the reserve stays, and no commitment is without an output', () => {
  const run = fc.record({
    kind: fc.constantFrom('static_remotekey' as const, 'anchors_zero_fee_htlc_tx' as const),
    opener: fc.constantFrom('alice' as const, 'bob' as const),
    pushMsat: fc.bigInt({ min: 0n, max: 95_000_000n }),
    feeratePerKw: fc.integer({ min: 253, max: 12_000 }),
    dust: fc.tuple(fc.bigInt({ min: 354n, max: 1_062n }), fc.bigInt({ min: 354n, max: 1_062n })),
    amounts: fc.array(fc.oneof(fc.bigInt({ min: 1n, max: 20_000_000n }), fc.bigInt({ min: 350_000n, max: 9_000_000n })), { maxLength: 12 }),
  });
  const seen = { offered: 0, refused: 0 };
  fc.assert(
    fc.property(run, ({ kind, opener, pushMsat, feeratePerKw, dust: [alice, bob], amounts }) => {
      const base: PairOptions = { kind, opener, pushMsat, feeratePerKw, fundingSat: 100_000n, dustLimitSat: { alice, bob } };
      const pair = new Pair({ ...base, reserveSat: 1_062n });
      let [ours, theirs] = [pair.alice.commitments, pair.bob.commitments];
      for (const amountMsat of amounts) {
        const offered = sendAdd(ours, request(amountMsat));
        seen[offered.ok ? 'offered' : 'refused'] += 1;
        if (!offered.ok) continue;
        ours = offered.value.commitments;
        const taken = heard(theirs, offered.value.id, amountMsat);
        if (!taken.ok) throw new Error(`the peer refuses it: ${taken.error.code}`);
        theirs = taken.value;
        for (const holder of ['local', 'remote'] as const) {
          const point = ours.remoteCommit.perCommitmentPoint;
          const template = templateFor(
            holder,
            ours.terms,
            ours.fundingOutpoint,
            { number: 1n, perCommitmentPoint: point },
            specOf(ours, 'eventual'),
          );
          const { toHolderSat, toCounterpartySat } = balancesAfterFee(template);
          expect((holder === 'local' ? toHolderSat : toCounterpartySat) >= 1_062n).toBe(true);
          const built = buildCommitment(template);
          expect(built.ok && built.value.transaction.outputs.length > 0).toBe(true);
        }
      }
    }),
    { numRuns: 25 },
  );
  expect(seen.offered).toBeGreaterThan(20);
  expect(seen.refused).toBeGreaterThan(5);
});

test('bug 31: flood and loot -- no more than 30 HTLCs can ever be forced on chain at once', () => {
  expect(limits.ours.maxAcceptedHtlcs).toBeLessThanOrEqual(30);
  let { commitments } = new Pair({ maxAcceptedHtlcs: limits.ours.maxAcceptedHtlcs }).alice;
  for (let id = 0n; id < 30n; id += 1n) {
    const taken = heard(commitments, id, 1_000_000n);
    if (!taken.ok) throw new Error(taken.error.code);
    commitments = taken.value;
  }
  expect(heard(commitments, 30n, 1_000_000n)).toMatchObject({ ok: false, error: { code: 'too-many-htlcs' } });
});

test('bug 32: stuck channel -- an opener that offered all it could can still be paid, and can still raise the fee', () => {
  const pair = connected();
  const { alice, bob } = pair;
  for (let step = 400_000_000n; step > 1_000n; step /= 2n) add(alice, step);
  pair.settle();
  expect(codes(add(alice, 1_000_000n))).not.toEqual([]);
  expect(codes(add(bob, 20_000_000n))).toEqual([]);
  pair.settle();
  expect(pair.alice.channel.tag).toBe('normal');
  alice.ask({ tag: 'set-fee', feeratePerKw: 3_000 });
  pair.settle();
  expect(disagreement(pair)).toBe('');
  expect(specOf(alice.commitments, 'local').feeratePerKw).toBe(3_000);
});

test('bug 34: resends that differ -- cut before any message: what is said again is what was said, byte for byte', () => {
  const story = new Story();
  const { pair } = story;
  pair.connect();
  story.settle();
  add(pair.alice, 10_000_000n);
  add(pair.bob, 20_000_000n);
  story.settle();
  pair.alice.ask({ tag: 'remove', id: 0n, removal: { kind: 'fulfill', preimage } });
  add(pair.alice, 5_000_000n);
  story.settle();
  const signed = new Set(['commitment_signed', 'revoke_and_ack']);
  const dance = story.moments.filter(({ msg }) => signed.has(msg.name) || msg.name.startsWith('update_'));
  const first = story.moments.filter(({ msg }) => signed.has(msg.name)).map(({ msg }) => encode(msg));
  let repeated = 0;
  for (const moment of dance) {
    story.goTo(moment);
    const again = new Story();
    for (const name of ['alice', 'bob'] as const) again.pair[name].state = pair[name].state;
    again.pair.epoch = pair.epoch;
    again.pair.cut();
    again.pair.connect();
    for (const to of ['alice', 'bob', 'alice', 'bob'] as const) again.pair.deliver(to);
    for (const { wire } of again.pair.parties)
      for (const bytes of wire) {
        const decoded = decode(bytes);
        if (!decoded.ok || !signed.has(decoded.value.name)) continue;
        repeated += 1;
        expect(first.some((one) => equal(one, bytes))).toBe(true);
      }
    again.pair.settle();
    expect(disagreement(again.pair)).toBe('');
  }
  expect(repeated).toBeGreaterThan(dance.length / 2);
});
