/**
 * Each field of the messages of BOLT 2 § Normal Operation at, below and above its limit: what is taken, what each fault costs by the one
 * table of `error.ts`, and that both sides agree again after the next connection.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { decode, encode, type PeerMessage } from '../peer/wire.ts';
import { disagreement, type Moment, reconnect, Story } from '../testing/moments.ts';
import { hash } from '../testing/opener.ts';
import type { Pair, PairOptions, Party } from '../testing/pair.ts';
import { type ChannelError, type ChannelErrorCode, consequence, describe as describeError } from './error.ts';
import type { CommitmentSigned, RevokeAndAck, UpdateAddHtlc } from './message.ts';
import type { SideTerms } from './terms.ts';

const textOf = (code: ChannelErrorCode): string => describeError({ code, got: 0n, limit: 0n } as ChannelError).split(':')[0] ?? '';
const preimage = hash('a preimage');
const add = (party: Party, amountMsat: bigint): void =>
  void party.ask({ tag: 'add', request: 'x', amountMsat, paymentHash: sha256(preimage), cltvExpiry: 1_500, onion: new Uint8Array(1366) });

/** Alice hears what Bob would say. `terms`: what Alice had set. */
function connected(options: PairOptions = {}, terms: Partial<SideTerms> = {}): Pair {
  const { pair } = new Story(options);
  const { alice } = pair;
  const [channel] = alice.state.channels;
  if (channel?.tag !== 'offline') throw new Error('a pair begins offline');
  const { commitments } = channel.was;
  const was = {
    ...channel.was,
    commitments: { ...commitments, terms: { ...commitments.terms, local: { ...commitments.terms.local, ...terms } } },
  };
  alice.state = { ...alice.state, channels: [{ tag: 'offline', was }] };
  pair.connect();
  pair.settle();
  return pair;
}

/** What Alice answers at once. */
function says(pair: Pair, msg: PeerMessage): readonly string[] {
  const { alice } = pair;
  const before = alice.wire.length;
  alice.hear(encode(msg));
  return alice.wire.slice(before).map((bytes) => {
    const decoded = decode(bytes);
    if (!decoded.ok) throw new Error('alice said what cannot be read');
    const { value } = decoded;
    return value.name === 'warning' || value.name === 'error' ? `${value.name} ${String.fromCharCode(...value.data)}` : value.name;
  });
}

/** It costs what the table says, and the channel nothing. */
function costs(pair: Pair, code: ChannelErrorCode, msg: PeerMessage): void {
  const said = says(pair, msg);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(`warning ${textOf(code)}`);
  expect(consequence(code)).toBe('disconnect');
  expect(pair.alice.state.link).toBe('closing');
  reconnect(pair);
  expect(disagreement(pair)).toBe('');
}

function addOf({ alice }: Pair, change: Partial<UpdateAddHtlc> = {}): UpdateAddHtlc {
  return {
    name: 'update_add_htlc',
    channelId: alice.commitments.channelId,
    id: 0n,
    amountMsat: 10_000_000n,
    paymentHash: sha256(preimage),
    cltvExpiry: 1_500,
    onionRoutingPacket: new Uint8Array(1366),
    ...change,
  };
}

describe('update_add_htlc', () => {
  type Row = readonly [
    field: string,
    good: Partial<UpdateAddHtlc>,
    code: ChannelErrorCode,
    bad: readonly Partial<UpdateAddHtlc>[],
    PairOptions?,
    Partial<SideTerms>?,
  ];
  const rows: readonly Row[] = [
    ['id, the next', { id: 0n }, 'htlc-id-unexpected', [{ id: 1n }, { id: (1n << 64n) - 1n }]],
    ['amount_msat, more than nothing', { amountMsat: 1n }, 'htlc-too-small', [{ amountMsat: 0n }]],
    [
      'amount_msat, our htlc_minimum_msat',
      { amountMsat: 1_000n },
      'htlc-too-small',
      [{ amountMsat: 999n }],
      {},
      { htlcMinimumMsat: 1_000n },
    ],
    ['cltv_expiry, a height', { cltvExpiry: 499_999_999 }, 'cltv-not-a-height', [{ cltvExpiry: 500_000_000 }, { cltvExpiry: 0xffff_ffff }]],
    // Bob has 500,000 sat and keeps 10,000; Alice pays the fee.
    [
      'amount_msat, what the reserve leaves',
      { amountMsat: 490_000_000n },
      'cannot-afford',
      [{ amountMsat: 490_000_001n }, { amountMsat: 500_000_001n }, { amountMsat: (1n << 64n) - 1n }],
      {},
      { maxHtlcValueInFlightMsat: 1n << 64n },
    ],
    // Bob is the opener: the fee of a commitment with one HTLC, and the anchors, are his, too.
    [
      'amount_msat, what the fee leaves',
      { amountMsat: (490_000n - 3_240n - 660n) * 1_000n },
      'cannot-afford',
      [{ amountMsat: (490_000n - 3_240n - 660n) * 1_000n + 1n }],
      { opener: 'bob' },
    ],
    [
      'amount_msat, our max_htlc_value_in_flight_msat',
      { amountMsat: 20_000_000n },
      'too-much-in-flight',
      [{ amountMsat: 20_000_001n }],
      {},
      { maxHtlcValueInFlightMsat: 20_000_000n },
    ],
  ];
  for (const [field, good, code, bad, options, terms] of rows)
    test(field, () => {
      const pair = connected(options, terms);
      expect(says(pair, addOf(pair, good))).toEqual([]);
      expect(pair.alice.commitments.htlcs).toHaveLength(1);
      for (const change of bad) {
        const other = connected(options, terms);
        costs(other, code, addOf(other, change));
        expect(other.alice.commitments.htlcs).toEqual([]);
      }
    });

  test('max_accepted_htlcs, and the same id twice', () => {
    const pair = connected({ maxAcceptedHtlcs: 5 });
    for (let id = 0n; id < 5n; id += 1n) expect(says(pair, addOf(pair, { id }))).toEqual([]);
    costs(pair, 'too-many-htlcs', addOf(pair, { id: 5n }));
    const again = connected();
    says(again, addOf(again));
    costs(again, 'htlc-id-unexpected', addOf(again));
  });
});

describe('the end of an HTLC', () => {
  /** Alice has offered one; `settled`: it is irrevocably committed. */
  function offered(settled: boolean): Pair {
    const pair = connected();
    add(pair.alice, 10_000_000n);
    if (settled) pair.settle();
    return pair;
  }
  const fulfill = ({ alice }: Pair, id = 0n, paymentPreimage = preimage) =>
    ({ name: 'update_fulfill_htlc', channelId: alice.commitments.channelId, id, paymentPreimage }) as const;
  const malformed = ({ alice }: Pair, failureCode: number) =>
    ({
      name: 'update_fail_malformed_htlc',
      channelId: alice.commitments.channelId,
      id: 0n,
      sha256OfOnion: hash('onion'),
      failureCode,
    }) as const;
  const fail = ({ alice }: Pair, id = 0n) =>
    ({ name: 'update_fail_htlc', channelId: alice.commitments.channelId, id, reason: new Uint8Array(292) }) as const;

  test('id and payment_preimage', () => {
    expect(says(offered(true), fulfill(offered(true)))).toEqual([]);
    for (const id of [1n, (1n << 64n) - 1n]) {
      const pair = offered(true);
      costs(pair, 'htlc-unknown', fulfill(pair, id));
      const other = offered(true);
      costs(other, 'htlc-unknown', fail(other, id));
    }
    const pair = offered(true);
    costs(pair, 'preimage-wrong', fulfill(pair, 0n, hash('another')));
  });

  test('before it is irrevocably committed, and twice', () => {
    const early = offered(false);
    early.flush('alice');
    says(early, fulfill(early));
    expect(early.alice.state.link).toBe('closing');
    for (const first of [fulfill, fail]) {
      const pair = offered(true);
      expect(says(pair, first(pair))).toEqual([]);
      costs(pair, 'htlc-unknown', fail(pair));
    }
  });

  test('of an HTLC that the peer offered itself', () => {
    const pair = connected();
    add(pair.bob, 10_000_000n);
    pair.settle();
    costs(pair, 'htlc-unknown', fulfill(pair));
  });

  test('failure_code with and without BADONION', () => {
    const pair = offered(true);
    expect(says(pair, malformed(pair, 0x8000))).toEqual([]);
    for (const code of [0, 0x7fff, 0x4005]) {
      const other = offered(true);
      costs(other, 'failure-code-wrong', malformed(other, code));
    }
  });
});

describe('update_fee', () => {
  const fee = ({ alice }: Pair, feeratePerKw: number) =>
    ({ name: 'update_fee', channelId: alice.commitments.channelId, feeratePerKw }) as const;
  const rows = [
    [253, undefined],
    [252, 'fee-too-low'],
    [0, 'fee-too-low'],
    [100_000, undefined],
    [100_001, 'fee-too-high'],
    [0xffff_ffff, 'fee-too-high'],
  ] as const;
  test.each(rows)('feerate_per_kw %i', (feeratePerKw, code) => {
    const pair = connected({ opener: 'bob' });
    if (code === undefined) expect(says(pair, fee(pair, feeratePerKw))).toEqual([]);
    else costs(pair, code, fee(pair, feeratePerKw));
  });

  test('of the one who does not pay it, and of one who cannot', () => {
    const pair = connected();
    costs(pair, 'fee-not-opener', fee(pair, 2_000));
    // 30,000 sat, of which 10,000 are kept and 660 go to anchors: 19,340 pay for 1124 weight units at 17,207 and no more.
    for (const [feeratePerKw, affordable] of [
      [17_207, true],
      [17_208, false],
    ] as const) {
      const poor = connected({ opener: 'bob', pushMsat: 970_000_000n });
      if (affordable) expect(says(poor, fee(poor, feeratePerKw))).toEqual([]);
      else costs(poor, 'cannot-afford', fee(poor, feeratePerKw));
    }
  });
});

/** A moment at which Alice is about to hear a message of that name, with two HTLCs of Bob's in it that have outputs. */
const story = new Story({ name: 'signatures' });
{
  const { pair } = story;
  pair.connect();
  story.settle();
  add(pair.bob, 10_000_000n);
  add(pair.bob, 20_000_000n);
  story.settle();
}
function before<N extends PeerMessage['name']>(name: N): readonly [Moment, Extract<PeerMessage, { name: N }>] {
  for (const moment of story.moments) {
    const { msg, to } = moment;
    if (to === 'alice' && msg.name === name) return [moment, msg as Extract<PeerMessage, { name: N }>];
  }
  throw new Error(`alice never hears ${name}`);
}
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const highS = (signature: Uint8Array): Uint8Array =>
  Uint8Array.from([
    ...signature.slice(0, 32),
    ...fromHex((order - BigInt(`0x${toHex(signature.slice(32))}`)).toString(16).padStart(64, '0')),
  ]);
const bent = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte));

describe('commitment_signed', () => {
  const [moment, good] = before('commitment_signed');
  const [first, second] = good.htlcSignature;
  if (!first || !second) throw new Error('two HTLCs have outputs');
  const changes: readonly (readonly [string, Partial<CommitmentSigned>])[] = [
    ['signature bent', { signature: bent(good.signature) }],
    ['signature all zero', { signature: new Uint8Array(64) }],
    ['signature all ones', { signature: new Uint8Array(64).fill(0xff) }],
    ['signature with high S', { signature: highS(good.signature) }],
    ['signature of an HTLC', { signature: first }],
    ['no HTLC signature', { htlcSignature: [] }],
    ['one HTLC signature too few', { htlcSignature: [first] }],
    ['one HTLC signature too many', { htlcSignature: [first, second, second] }],
    ['483 HTLC signatures', { htlcSignature: Array.from({ length: 483 }, () => first) }],
    ['HTLC signatures in the other order', { htlcSignature: [second, first] }],
    ['first HTLC signature bent', { htlcSignature: [bent(first), second] }],
    ['second HTLC signature bent', { htlcSignature: [first, bent(second)] }],
    ['HTLC signature with high S', { htlcSignature: [highS(first), second] }],
  ];
  test('as it should be', () => {
    expect(says(story.goTo(moment), good)).toEqual(['revoke_and_ack']);
  });
  test.each(changes)('%s', (_, change) => {
    costs(story.goTo(moment), 'commitment-signature-invalid', { ...good, ...change });
  });
  test('twice', () => {
    const pair = story.goTo(moment);
    says(pair, good);
    const said = says(pair, good);
    expect(said[0]).toContain(textOf('commitment-signature-invalid'));
  });
});

describe('revoke_and_ack', () => {
  const [moment, good] = before('revoke_and_ack');
  const rows: readonly (readonly [string, ChannelErrorCode, Partial<RevokeAndAck>])[] = [
    ['another secret', 'revocation-secret-wrong', { perCommitmentSecret: hash('another') }],
    ['a secret of nothing', 'revocation-secret-wrong', { perCommitmentSecret: new Uint8Array(32) }],
    ['a secret that is no scalar', 'revocation-secret-wrong', { perCommitmentSecret: new Uint8Array(32).fill(0xff) }],
    [
      'a next point off the curve',
      'next-point-invalid',
      { nextPerCommitmentPoint: Uint8Array.from([2, ...new Uint8Array(32).fill(0xff)]) },
    ],
  ];
  test('as it should be, and once', () => {
    const pair = story.goTo(moment);
    expect(says(pair, good)).toEqual([]);
    costs(pair, 'revocation-unexpected', good);
  });
  test.each(rows)('%s', (_, code, change) => {
    costs(story.goTo(moment), code, { ...good, ...change });
  });
});

describe('a feerate of ours is one that our signer signs', () => {
  const asked = (options: PairOptions, feeratePerKw: number): number => {
    const pair = connected(options);
    pair.alice.ask({ tag: 'set-fee', feeratePerKw });
    const said = pair.alice.wire.length;
    pair.flush('alice');
    expect(pair.alice.channel.tag).toBe('normal');
    return said;
  };
  test('1000 sat/vB and no more: nothing is said that cannot be signed', () => {
    const rich: PairOptions = { fundingSat: 10_000_000n, pushMsat: 0n };
    expect(asked(rich, 250_000)).toBe(1);
    expect(asked(rich, 250_001)).toBe(0);
  });
});
