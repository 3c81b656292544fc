import { expect, test } from 'vitest';
import { reachFunding, reachOffered } from '../../testing/acceptor.ts';
import { hash } from '../../testing/opener.ts';
import { acceptChannelMs, fundingMs } from '../limits.ts';
import { step } from '../machine.ts';
import type { AcceptChannel } from '../message.ts';

/** What an `accept_channel` comes to: taken, or the text of the error. */
function answer(change: Partial<AcceptChannel>, ask: Parameters<typeof reachOffered>[0] = {}): string {
  const { node, open, acceptor } = reachOffered(ask);
  const heard = node.hear({ ...acceptor.accept, ...change });
  if (heard.names.length === 0) {
    expect(node.channel).toMatchObject({ tag: 'wait-for-funding', deadlineMs: node.now + fundingMs });
    return 'taken';
  }
  expect(heard.names).toEqual(['error']);
  expect(heard.message('error').channelId).toEqual(open.temporaryChannelId);
  expect(heard.kinds).toEqual(['channel-abandoned']);
  expect(heard.amountOf('channel-abandoned')).toBe(200_000n);
  expect(node.tags).toEqual([]);
  return heard.text;
}

const offCurve = new Uint8Array(33).fill(0xff).fill(2, 0, 1);
const rows: readonly (readonly [
  field: string,
  good: readonly Partial<AcceptChannel>[],
  bad: readonly Partial<AcceptChannel>[],
  text: RegExp,
])[] = [
  ['minimum_depth', [{ minimumDepth: 0 }, { minimumDepth: 144 }], [{ minimumDepth: 145 }, { minimumDepth: 0xffff_ffff }], /minimum_depth/],
  ['to_self_delay', [{ toSelfDelay: 0 }, { toSelfDelay: 2016 }], [{ toSelfDelay: 2017 }, { toSelfDelay: 65_535 }], /to_self_delay/],
  ['max_accepted_htlcs, above', [{ maxAcceptedHtlcs: 483 }], [{ maxAcceptedHtlcs: 484 }], /max_accepted_htlcs is too large/],
  ['max_accepted_htlcs, below', [{ maxAcceptedHtlcs: 5 }], [{ maxAcceptedHtlcs: 4 }], /max_accepted_htlcs is too small/],
  ['dust_limit_satoshis, below', [{ dustLimitSatoshis: 354n }], [{ dustLimitSatoshis: 353n }, { dustLimitSatoshis: 0n }], /is too small/],
  ['dust_limit_satoshis, above', [{ dustLimitSatoshis: 1_062n }], [{ dustLimitSatoshis: 1_063n }], /dust_limit_satoshis is too large/],
  [
    'channel_reserve_satoshis against our dust_limit_satoshis',
    [{ channelReserveSatoshis: 354n }],
    [{ channelReserveSatoshis: 353n }, { channelReserveSatoshis: 0n }],
    /less than dust_limit_satoshis of open_channel/,
  ],
  [
    'dust_limit_satoshis against its own channel_reserve_satoshis',
    [{ dustLimitSatoshis: 600n, channelReserveSatoshis: 600n }],
    [{ dustLimitSatoshis: 600n, channelReserveSatoshis: 599n }],
    /greater than channel_reserve_satoshis: 600, limit 599/,
  ],
  [
    'channel_reserve_satoshis',
    [{ channelReserveSatoshis: 40_000n }],
    [{ channelReserveSatoshis: 40_001n }],
    /reserve_satoshis is too large/,
  ],
  ['htlc_minimum_msat', [{ htlcMinimumMsat: 0n }, { htlcMinimumMsat: 2_000_000n }], [{ htlcMinimumMsat: 2_000_001n }], /htlc_minimum_msat/],
  [
    'max_htlc_value_in_flight_msat',
    [{ maxHtlcValueInFlightMsat: 2_000_000n }, { maxHtlcValueInFlightMsat: (1n << 64n) - 1n }],
    [{ maxHtlcValueInFlightMsat: 1_999_999n }],
    /max_htlc_value_in_flight_msat/,
  ],
  [
    'upfront_shutdown_script',
    [
      { upfrontShutdownScript: new Uint8Array([0, 20, ...new Uint8Array(20)]) },
      { upfrontShutdownScript: new Uint8Array([0x51, 32, ...new Uint8Array(32)]) },
      { upfrontShutdownScript: new Uint8Array([0x6a, 6, 1, 2, 3, 4, 5, 6]) },
    ],
    [
      { upfrontShutdownScript: new Uint8Array([0, 21, ...new Uint8Array(21)]) },
      { upfrontShutdownScript: new Uint8Array([0x6a, 5, 1, 2, 3, 4, 5]) },
    ],
    /upfront_shutdown_script/,
  ],
  [
    'channel_type',
    [],
    [{ channelType: Uint8Array.of(0x10, 0x00) }, { channelType: Uint8Array.of(0, 0x40, 0x10, 0x00) }, { channelType: new Uint8Array(0) }],
    /channel_type is not the one offered/,
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

test.each(rows)('recv accept_channel -- %s', (_, good, bad, text) => {
  for (const change of good) expect(answer(change)).toBe('taken');
  for (const change of bad) expect(answer(change)).toMatch(text);
});

test('recv accept_channel -- dust_limit_satoshis against the reserve of open_channel', () => {
  const small = { ask: { fundingAmountSat: 20_000n }, accept: { channelReserveSatoshis: 1_001n } };
  const { node, acceptor } = reachOffered(small);
  expect(node.copy().hear({ ...acceptor.accept, dustLimitSatoshis: 1_000n }).said).toEqual([]);
  expect(node.copy().hear({ ...acceptor.accept, dustLimitSatoshis: 1_001n }).text).toMatch(/dust_limit_satoshis .*: 1001, limit 1000/);
});

test('recv accept_channel -- without channel_type', () => {
  const { node, acceptor } = reachOffered();
  const { channelType: _, ...bare } = acceptor.accept;
  expect(node.hear(bare).text).toMatch(/channel_type is required/);
  expect(node.tags).toEqual([]);
});

test('recv accept_channel -- minimum_depth of a zero-conf channel is zero', () => {
  const zeroConf = { ask: { zeroConf: true } };
  expect(answer({ minimumDepth: 0 }, zeroConf)).toBe('taken');
  expect(answer({ minimumDepth: 1 }, zeroConf)).toMatch(/minimum_depth/);
});

test('recv accept_channel -- any other channel waits for a block, and for as many as the peer wants', () => {
  expect(reachFunding({ accept: { minimumDepth: 0 } }).node.channel).toMatchObject({ terms: { minDepth: 1, zeroConf: false } });
  expect(reachFunding({ accept: { minimumDepth: 6 } }).node.channel).toMatchObject({ terms: { minDepth: 6 } });
  const zero = reachFunding({ ask: { zeroConf: true }, accept: { minimumDepth: 0 } });
  expect(zero.node.channel).toMatchObject({ terms: { minDepth: 0, zeroConf: true } });
});

test('recv accept_channel -- asks for exactly the 2-of-2 and the amount, once', () => {
  const { node, open, acceptor } = reachOffered();
  const { effects } = step(node.channel, { tag: 'recv', msg: acceptor.accept }, node.channelEnv());
  expect(effects).toEqual([
    {
      tag: 'fund',
      temporaryChannelId: open.temporaryChannelId,
      scriptPubKey: acceptor.scriptPubKey,
      amountSat: 200_000n,
      feeratePerKw: node.env().feerateFor(6),
    },
  ]);
});

test('recv accept_channel -- the funding transaction pays what the user chose, also after a sleep', () => {
  const { node, acceptor } = reachOffered({ ask: { fundingFeeratePerKw: 777 } });
  const { state, effects } = step(node.channel, { tag: 'recv', msg: acceptor.accept }, node.channelEnv());
  expect(effects).toMatchObject([{ tag: 'fund', feeratePerKw: 777 }]);
  expect(state).not.toHaveProperty('terms.fundingFeeratePerKw');
});

test('recv accept_channel -- the upfront script of the peer is kept, an empty one is none', () => {
  const script = Uint8Array.from([0, 20, ...new Uint8Array(20)]);
  expect(reachFunding({ accept: { upfrontShutdownScript: script } }).node.channel).toMatchObject({
    terms: { remote: { upfrontShutdownScript: script } },
  });
  expect(reachFunding().node.channel).not.toHaveProperty('terms.remote.upfrontShutdownScript');
});

test('recv funding_signed, channel_ready, shutdown -- out of turn', () => {
  for (const msg of [
    { name: 'funding_signed', signature: new Uint8Array(64) },
    { name: 'channel_ready', secondPerCommitmentPoint: offCurve },
    { name: 'shutdown', scriptpubkey: new Uint8Array(22) },
  ] as const) {
    const { node, open } = reachOffered();
    const heard = node.hear({ ...msg, channelId: open.temporaryChannelId });
    expect(heard.names).toEqual(['error']);
    expect(heard.text).toContain(msg.name);
    expect(node.tags).toEqual([]);
  }
});

test('recv accept_channel -- of an offer that we did not make', () => {
  const { node, acceptor } = reachOffered();
  const heard = node.hear({ ...acceptor.accept, temporaryChannelId: hash('another') });
  expect(heard.message('error').channelId).toEqual(hash('another'));
  expect(node.tags).toEqual(['wait-for-accept-channel']);
});

test('recv error -- forgotten, not answered, and the peer is quoted', () => {
  const { node, open } = reachOffered();
  const heard = node.hear({ name: 'error', channelId: open.temporaryChannelId, data: new TextEncoder().encode('too small') });
  expect(heard.said).toEqual([]);
  expect(heard.note('channel-abandoned').detail).toBe('too small');
  expect(node.tags).toEqual([]);
});

test('tick -- accept_channel does not come', () => {
  const { node, open } = reachOffered();
  expect(node.later(acceptChannelMs - 1).said).toEqual([]);
  expect(node.later(1).message('error').channelId).toEqual(open.temporaryChannelId);
  expect(node.tags).toEqual([]);
});

test('close -- the user gives it up', () => {
  const { node, open } = reachOffered();
  const heard = node.step({ tag: 'channel', channelId: open.temporaryChannelId, command: { tag: 'close', feeratePerKw: 1_000 } });
  expect(heard.text).toMatch(/gave the channel up/);
  expect(node.tags).toEqual([]);
});

test('add -- told that it cannot be', () => {
  const { node } = reachOffered();
  const add = {
    tag: 'add',
    request: 'pay',
    amountMsat: 1n,
    paymentHash: hash('x'),
    cltvExpiry: 1_100,
    onion: new Uint8Array(1366),
  } as const;
  const { state, effects } = step(node.channel, add, node.channelEnv());
  expect(state).toBe(node.channel);
  expect(effects).toMatchObject([{ tag: 'add-refused', request: 'pay', error: { code: 'not-usable' } }]);
});

test('disconnected -- forgotten, and a late accept_channel is of no channel', () => {
  const { node, open, acceptor } = reachOffered();
  expect(node.disconnect().kinds).toEqual(['channel-abandoned']);
  expect(node.tags).toEqual([]);
  node.connect();
  expect(node.hear(acceptor.accept).message('error').channelId).toEqual(open.temporaryChannelId);
});
