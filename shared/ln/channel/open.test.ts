import { describe, expect, test } from 'vitest';
import { optional, peerInit, TestNode } from '../testing/node.ts';
import { hash, makeOpener, type OpenerOptions } from '../testing/opener.ts';
import { reachAccepted, reachApproval, reachReady } from '../testing/reach.ts';
import { encodeChannelType, parseChannelType } from './channel-type.ts';
import { describe as describeError } from './error.ts';
import type { OpenChannel } from './message.ts';

/** What comes back to an `open_channel`: `accept_channel`, or the text of the error. */
function offer(open: Partial<OpenChannel>, options: OpenerOptions = {}, policy: Parameters<typeof reachReady>[0] = {}): string {
  const { node, opener } = reachReady(policy, options);
  const heard = node.hear({ ...opener.open, ...open });
  expect(heard.names).toHaveLength(1);
  if (heard.names[0] === 'accept_channel') return 'accept_channel';
  expect(heard.message('error').channelId).toEqual(opener.open.temporaryChannelId);
  expect(heard.kinds).toEqual(['open-refused']);
  expect(heard.amountOf('open-refused')).toBe(open.fundingSatoshis ?? opener.open.fundingSatoshis);
  expect(node.state.channels).toEqual([]);
  return heard.text;
}

const offCurve = new Uint8Array(33).fill(0xff).fill(2, 0, 1);

describe('each field at its limit and beyond', () => {
  const rows: readonly (readonly [
    field: string,
    good: readonly Partial<OpenChannel>[],
    bad: readonly Partial<OpenChannel>[],
    text: RegExp,
  ])[] = [
    ['chain_hash', [], [{ chainHash: hash('another chain') }], /chain_hash/],
    ['push_msat', [{ pushMsat: 150_000_000n }], [{ pushMsat: 200_000_001n }], /push_msat is greater/],
    ['to_self_delay', [{ toSelfDelay: 0 }, { toSelfDelay: 2016 }], [{ toSelfDelay: 2017 }, { toSelfDelay: 65_535 }], /to_self_delay/],
    ['max_accepted_htlcs, above', [{ maxAcceptedHtlcs: 483 }], [{ maxAcceptedHtlcs: 484 }], /max_accepted_htlcs is too large/],
    [
      'max_accepted_htlcs, below',
      [{ maxAcceptedHtlcs: 5 }],
      [{ maxAcceptedHtlcs: 4 }, { maxAcceptedHtlcs: 0 }],
      /max_accepted_htlcs is too small/,
    ],
    ['feerate_per_kw, below', [{ feeratePerKw: 253 }], [{ feeratePerKw: 252 }, { feeratePerKw: 0 }], /feerate_per_kw is too small/],
    ['feerate_per_kw, above', [{ feeratePerKw: 50_000 }], [{ feeratePerKw: 50_001 }, { feeratePerKw: 0xffff_ffff }], /unreasonably large/],
    [
      'dust_limit_satoshis, below',
      [{ dustLimitSatoshis: 354n }],
      [{ dustLimitSatoshis: 353n }, { dustLimitSatoshis: 0n }],
      /dust_limit_satoshis is too small/,
    ],
    ['dust_limit_satoshis, above', [{ dustLimitSatoshis: 1062n }], [{ dustLimitSatoshis: 1063n }], /dust_limit_satoshis is too large/],
    [
      'dust_limit_satoshis against channel_reserve_satoshis',
      [{ dustLimitSatoshis: 600n, channelReserveSatoshis: 600n }],
      [{ dustLimitSatoshis: 600n, channelReserveSatoshis: 599n }, { channelReserveSatoshis: 0n }],
      /greater than channel_reserve/,
    ],
    [
      'channel_reserve_satoshis',
      [{ channelReserveSatoshis: 40_000n }],
      [{ channelReserveSatoshis: 40_001n }],
      /channel_reserve_satoshis is too large/,
    ],
    [
      'htlc_minimum_msat',
      [{ htlcMinimumMsat: 0n }, { htlcMinimumMsat: 2_000_000n }],
      [{ htlcMinimumMsat: 2_000_001n }],
      /htlc_minimum_msat/,
    ],
    [
      'max_htlc_value_in_flight_msat',
      [{ maxHtlcValueInFlightMsat: 2_000_000n }, { maxHtlcValueInFlightMsat: (1n << 64n) - 1n }],
      [{ maxHtlcValueInFlightMsat: 1_999_999n }],
      /max_htlc_value_in_flight_msat/,
    ],
    ['channel_flags, undefined bits', [{ channelFlags: 0xfe }], [], /./],
    [
      'upfront_shutdown_script',
      [
        { upfrontShutdownScript: new Uint8Array([0, 20, ...new Uint8Array(20)]) },
        { upfrontShutdownScript: new Uint8Array([0, 32, ...new Uint8Array(32)]) },
        { upfrontShutdownScript: new Uint8Array([0x51, 32, ...new Uint8Array(32)]) },
        { upfrontShutdownScript: new Uint8Array([0x6a, 6, 1, 2, 3, 4, 5, 6]) },
      ],
      [
        { upfrontShutdownScript: new Uint8Array([0, 21, ...new Uint8Array(21)]) },
        { upfrontShutdownScript: new Uint8Array([0x76, 0xa9, 20, ...new Uint8Array(20), 0x88, 0xac]) },
        { upfrontShutdownScript: new Uint8Array([0x6a, 5, 1, 2, 3, 4, 5]) },
      ],
      /upfront_shutdown_script/,
    ],
    ...(
      [
        ['fundingPubkey', 'funding_pubkey'],
        ['revocationBasepoint', 'revocation_basepoint'],
        ['paymentBasepoint', 'payment_basepoint'],
        ['delayedPaymentBasepoint', 'delayed_payment_basepoint'],
        ['htlcBasepoint', 'htlc_basepoint'],
        ['firstPerCommitmentPoint', 'first_per_commitment_point'],
      ] as const
    ).map(([field, name]) => [name, [], [{ [field]: offCurve }], new RegExp(`public key: ${name}`)] as const),
  ];
  test.each(rows)('recv open_channel -- %s', (_, good, bad, text) => {
    for (const change of good) expect(offer(change)).toBe('accept_channel');
    for (const change of bad) expect(offer(change)).toMatch(text);
  });

  test('recv open_channel -- 2^24 satoshi without option_support_large_channel', () => {
    const big = { maxHtlcValueInFlightMsat: 1n << 40n, channelReserveSatoshis: 100_000n };
    const policy = { maxFundingSat: 1n << 30n };
    expect(offer({ ...big, fundingSatoshis: (1n << 24n) - 1n }, {}, policy)).toBe('accept_channel');
    expect(offer({ ...big, fundingSatoshis: 1n << 24n }, {}, policy)).toMatch(/funding_satoshis is too large/);
    expect(offer({ ...big, fundingSatoshis: (1n << 64n) - 1n }, {}, policy)).toMatch(/funding_satoshis is too large/);
  });

  test('recv open_channel -- the funder cannot pay the fee of the first commitment', () => {
    // 1124 weight at 2500 sat/kw is 2810 sat, and 660 for the anchors.
    expect(offer({ pushMsat: 200_000_000n - 3_470_000n })).toBe('accept_channel');
    expect(offer({ pushMsat: 200_000_000n - 3_469_000n })).toMatch(/does not cover the fee/);
    // 724 weight without anchors: 1810 sat.
    expect(offer({ pushMsat: 200_000_000n - 1_810_000n }, { kind: 'static_remotekey' })).toBe('accept_channel');
    expect(offer({ pushMsat: 200_000_000n - 1_809_000n }, { kind: 'static_remotekey' })).toMatch(/does not cover the fee/);
  });

  test('recv open_channel -- both sides at or below channel_reserve_satoshis', () => {
    const small = { fundingSatoshis: 20_000n, channelReserveSatoshis: 4_000n, maxHtlcValueInFlightMsat: 20_000_000n, htlcMinimumMsat: 1n };
    // 11240 sat fee at 10000 sat/kw and 660 for the anchors leave 8100 sat to share.
    expect(offer({ ...small, feeratePerKw: 10_000, pushMsat: 4_001_000n })).toBe('accept_channel');
    expect(offer({ ...small, feeratePerKw: 10_000, pushMsat: 4_100_000n })).toBe('accept_channel');
    expect(offer({ ...small, feeratePerKw: 10_100, pushMsat: 4_000_000n })).toMatch(/neither side/);
  });
});

describe('channel_type', () => {
  const vectors = [
    ['static_remotekey', { kind: 'static_remotekey', scidAlias: false, zeroConf: false }, [0x10, 0x00]],
    ['anchors', { kind: 'anchors_zero_fee_htlc_tx', scidAlias: false, zeroConf: false }, [0x40, 0x10, 0x00]],
    ['anchors, scid alias', { kind: 'anchors_zero_fee_htlc_tx', scidAlias: true, zeroConf: false }, [0x40, 0, 0, 0x40, 0x10, 0]],
    ['anchors, zero conf', { kind: 'anchors_zero_fee_htlc_tx', scidAlias: false, zeroConf: true }, [0x04, 0, 0, 0, 0x40, 0x10, 0]],
  ] as const;
  test.each(vectors)('%s', (_, type, bytes) => {
    expect([...encodeChannelType(type)]).toEqual([...bytes]);
    expect(parseChannelType(Uint8Array.from(bytes))).toEqual(type);
  });

  test('recv open_channel -- without channel_type', () => {
    const { node, opener } = reachReady();
    const { channelType: _, ...bare } = opener.open;
    expect(node.hear(bare).text).toBe(describeError({ code: 'channel-type-missing' }));
  });

  test.each([
    ['empty', []],
    ['not minimal', [0, 0x40, 0x10, 0]],
    ['anchors without static_remotekey', [0x40, 0, 0]],
    ['odd bits', [0x20, 0]],
    ['an unknown bit', [0x80, 0x10, 0]],
    ['scid alias alone', encodeChannelType({ kind: 'static_remotekey', scidAlias: true, zeroConf: false }).map((byte) => byte & 0xef)],
    ['taproot', [0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])('recv open_channel -- channel_type %s', (_, bytes) => {
    expect(offer({ channelType: Uint8Array.from(bytes) })).toMatch(/channel_type is not suitable/);
  });

  test.each([
    ['option_anchors', {}],
    ['option_scid_alias', { scidAlias: true, kind: 'static_remotekey' }],
    ['option_zeroconf', { zeroConf: true, kind: 'static_remotekey' }],
  ] as const)('recv open_channel -- channel_type with %s, not negotiated', (name, options) => {
    const node = new TestNode({ zeroConf: true });
    node.connect({ ...peerInit, features: optional('option_static_remotekey') });
    expect(node.hear(makeOpener(options).open).text).toMatch(new RegExp(name));
  });

  test('recv open_channel -- announce_channel with option_scid_alias', () => {
    expect(offer({ channelFlags: 1 }, { scidAlias: true }, { allowPublic: true })).toMatch(/announce_channel/);
    expect(offer({ channelFlags: 0 }, { scidAlias: true }, { allowPublic: true })).toBe('accept_channel');
  });

  test('recv open_channel -- zero-conf only from a trusted peer', () => {
    expect(offer({}, { zeroConf: true })).toMatch(/unconfirmed/);
    expect(offer({}, { zeroConf: true }, { zeroConf: true })).toBe('accept_channel');
  });
});

describe('the user decides', () => {
  test.each([
    ['refuse', {}, { onOpen: 'refuse' }, /does not take channels from you/],
    [
      'too small',
      { fundingSatoshis: 20_000n, channelReserveSatoshis: 354n, pushMsat: 0n },
      { minFundingSat: 20_001n },
      /below what this node takes/,
    ],
    ['too large', {}, { maxFundingSat: 199_999n }, /above what this node takes/],
    ['public', { channelFlags: 1 }, { allowPublic: false }, /unannounced/],
    ['none pending allowed', {}, { maxPendingChannels: 0 }, /too many/],
  ] as const)('recv open_channel -- policy: %s', (_, open, policy, text) => {
    expect(offer(open, {}, policy)).toMatch(text);
  });

  test('recv open_channel -- refused by policy, and again: noted once', () => {
    const { node, opener } = reachReady({ onOpen: 'refuse' });
    const first = node.hear(opener.open);
    const again = node.hear(opener.open);
    expect(again.said).toEqual(first.said);
    expect([first.kinds, again.kinds]).toEqual([['open-refused'], []]);
  });

  test('recv open_channel -- a fault of form can be mended under the same id', () => {
    const { node, opener } = reachReady();
    expect(node.hear({ ...opener.open, toSelfDelay: 2017 }).names).toEqual(['error']);
    expect(node.hear(opener.open).names).toEqual(['accept_channel']);
  });

  test('recv open_channel -- more refusals than are kept', () => {
    const { node, opener } = reachReady({ onOpen: 'refuse' });
    for (let i = 0; i < 40; i++) node.hear(makeOpener({ open: { temporaryChannelId: hash(`offer ${i}`) } }).open);
    expect(node.state.refused).toHaveLength(16);
    expect(node.hear(opener.open).kinds).toEqual(['open-refused']);
  });

  test('recv open_channel -- public where it is allowed', () => {
    expect(offer({ channelFlags: 1 }, {}, { allowPublic: true })).toBe('accept_channel');
  });

  test('recv open_channel -- the pending ones are counted', () => {
    const { node } = reachAccepted({ maxPendingChannels: 2 });
    expect(node.hear(makeOpener({ name: 'two' }).open).names).toEqual(['accept_channel']);
    expect(node.hear(makeOpener({ name: 'three' }).open).text).toMatch(/too many channels of yours are being opened: 3, limit 2/);
  });

  test('recv open_channel -- ask', () => {
    const { node, opener } = reachApproval();
    expect(node.state.outbox).toEqual([]);
    expect(node.tags).toEqual(['wait-for-approval']);
    const second = node.hear(makeOpener({ name: 'two' }).open);
    expect(second.note('open-asked')).toEqual({
      kind: 'open-asked',
      channelId: hash('temporary two'),
      amountSat: 200_000n,
      deadlineMs: node.now + 300_000,
    });
    expect(opener.open.temporaryChannelId).toEqual(hash('temporary one'));
  });

  test('recv open_channel -- signed alone is said', () => {
    const { node, opener } = reachReady({ onOpen: 'sign' });
    expect(node.hear(opener.open).kinds).toEqual(['open-signed-alone']);
  });
});

describe('accept_channel', () => {
  test('obeys BOLT 2 and repeats the channel type', () => {
    const { opener, accept } = reachAccepted({ minDepth: 6 });
    expect(accept.temporaryChannelId).toEqual(opener.open.temporaryChannelId);
    expect(accept.channelType).toEqual(opener.open.channelType);
    expect(accept.upfrontShutdownScript).toEqual(new Uint8Array(0));
    expect(accept.minimumDepth).toBe(6);
    expect(accept.dustLimitSatoshis).toBe(354n);
    expect(accept.channelReserveSatoshis).toBe(2_000n);
    expect(accept.maxHtlcValueInFlightMsat).toBe(200_000_000n);
    expect(accept.toSelfDelay).toBe(720);
  });
  test('our reserve is never below either dust limit', () => {
    const open = { fundingSatoshis: 30_000n, dustLimitSatoshis: 1_000n, channelReserveSatoshis: 1_000n };
    expect(reachAccepted({}, { open }).accept.channelReserveSatoshis).toBe(1_000n);
    expect(reachAccepted({}, { open: { ...open, dustLimitSatoshis: 354n } }).accept.channelReserveSatoshis).toBe(354n);
  });
  test('zero-conf: minimum_depth is zero; any other channel waits for one block at least', () => {
    expect(reachAccepted({ zeroConf: true }, { zeroConf: true }).accept.minimumDepth).toBe(0);
    expect(reachAccepted({ minDepth: 0 }).accept.minimumDepth).toBe(1);
  });
  test('every channel has keys of its own', () => {
    const { node, accept } = reachAccepted();
    const other = node.hear(makeOpener({ name: 'two' }).open).message('accept_channel');
    expect(other.fundingPubkey).not.toEqual(accept.fundingPubkey);
    expect(other.firstPerCommitmentPoint).not.toEqual(accept.firstPerCommitmentPoint);
  });
});

describe('temporary_channel_id', () => {
  test.each(['wait-for-approval', 'wait-for-funding-created'] as const)('recv open_channel -- in use, %s', (tag) => {
    const { node, opener } = tag === 'wait-for-approval' ? reachApproval() : reachAccepted();
    const heard = node.hear(opener.open);
    expect(heard.names).toEqual(['warning']);
    expect(heard.text).toMatch(/temporary_channel_id is in use/);
    expect(heard.disconnects).toHaveLength(1);
    expect(node.state.channels).toEqual([]);
  });
  test('recv open_channel -- all zero, which means all channels', () => {
    const { node, opener } = reachReady();
    expect(node.hear({ ...opener.open, temporaryChannelId: new Uint8Array(32) }).names).toEqual(['warning']);
    expect(node.state.channels).toEqual([]);
  });
  test('recv open_channel -- again after a reconnection', () => {
    // BOLT 2: "accept a new `open_channel` message. discard the previous `open_channel` message."
    const { node, opener } = reachAccepted();
    node.disconnect();
    node.connect();
    expect(node.hear(opener.open).names).toEqual(['accept_channel']);
    expect(node.tags).toEqual(['wait-for-funding-created']);
  });
});
