/** What the pages of channels and coins make of the worker's values. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { t } from '../i18n/index.ts';
import type { ChannelView, CoinView, HtlcView, OpenEstimate, SweepView } from '../runtime/api.ts';
import { comingBack, sumChannels, sumCoins } from './balance.ts';
import { channelProgress, channelTone, channelWhy, htlcExpiry, mayGiveUp, openingStep, sweepTone, sweepWhy } from './channel-text.ts';
import { closeFees } from './close-form.ts';
import { msat, roughTime } from './format.ts';
import { checkOpen, lacksCoins, speeds } from './open-form.ts';

const tags = Object.keys(t.channels.tags) as ChannelView['tag'][];
const channel = (more: Partial<ChannelView> = {}): ChannelView => ({
  id: '11'.repeat(32),
  temporaryId: '22'.repeat(32),
  peerId: `02${'33'.repeat(32)}`,
  peerAlias: 'Alice',
  tag: 'normal',
  online: true,
  opener: true,
  capacitySat: '1000',
  oursSat: '600',
  theirsSat: '400',
  isPublic: false,
  htlcs: [],
  ...more,
});
const sweep = (status: SweepView['status'], amountSat: string, more: Partial<SweepView> = {}): SweepView => ({
  what: 'to-local',
  status,
  amountSat,
  ...more,
});
const closing = (...sweeps: readonly SweepView[]): ChannelView =>
  channel({ tag: 'closing', online: false, closing: { cause: 'user', mutualTxids: [], sweeps } });

describe('states in words', () => {
  test.each(tags)('%s has a name and a reason, connected or not', (tag) => {
    expect(t.channels.tags[tag]).not.toBe('');
    for (const online of [true, false]) expect(channelWhy(channel({ tag, online }), t)).toMatch(/\.$/);
  });

  test('a close is told by its cause; causes that are faults, and newer ones, by one sentence', () => {
    const told = (cause: string) => channelWhy(channel({ tag: 'closing', closing: { cause, mutualTxids: [], sweeps: [] } }), t);
    expect(told('mutual')).toMatch(/together/);
    expect(told('user')).toMatch(/^You closed/);
    expect(told('deadline')).toMatch(/ran out of time/);
    expect(told('spent')).toMatch(/^The peer closed/);
    expect(told('commitment-signature-invalid')).toBe(t.channels.causes.other);
    expect(told('constructor')).toBe(t.channels.causes.other);
    expect(channelWhy(channel({ tag: 'closing' }), t)).toBe(t.channels.causes.other);
  });

  test('only what works is green, only what failed is red', () => {
    expect(tags.filter((tag) => channelTone(channel({ tag })) === 'good')).toEqual(['normal']);
    expect(tags.filter((tag) => channelTone(channel({ tag })) === 'bad')).toEqual(['failed']);
    expect(channelTone(channel({ online: false }))).toBe('warn');
  });

  test('the steps of an opening only go forward, and what is given up for nothing is nothing yet', () => {
    const way = [
      'wait-for-accept-channel',
      'wait-for-funding',
      'wait-for-funding-signed',
      'wait-for-funding-confirmed',
      'wait-for-channel-ready',
    ] as const;
    expect(way.map((tag) => openingStep(channel({ tag })))).toEqual([0, 1, 1, 2, 3]);
    expect(tags.filter((tag) => mayGiveUp(channel({ tag })))).toEqual(expect.arrayContaining(way.slice(0, 3)));
    expect(tags.filter((tag) => mayGiveUp(channel({ tag })))).toHaveLength(3);
    expect(tags.some((tag) => mayGiveUp(channel({ tag, opener: false })))).toBe(false);
  });

  test('confirmations and the time that is left', () => {
    const waiting = (confirmations: number) => channel({ tag: 'wait-for-funding-confirmed', confirmations, minDepth: 3 });
    expect(channelProgress(waiting(1), t)).toBe('1 of 3 confirmations, about 20 minutes');
    expect(channelProgress(waiting(5), t)).toBe('5 of 3 confirmations, about 0 minutes');
    expect(channelProgress(channel(), t)).toBe('');
  });
});

describe('payments on the way', () => {
  const htlc: HtlcView = { id: '1', direction: 'out', amountMsat: '1249750', expiryHeight: 1_034, state: 'held' };
  test('end by themselves after so many blocks, or have ended', () => {
    expect(htlcExpiry(htlc, 1_000, t)).toBe('Ends by itself in 34 blocks, about 6 hours');
    expect(htlcExpiry(htlc, 1_034, t)).toBe(t.channels.expired);
    expect(htlcExpiry(htlc, 2_000, t)).toBe(t.channels.expired);
  });
  test('parts of a sat are shown', () => {
    expect(msat('1249750')).toBe('1,249.75');
    expect(msat('1')).toBe('0.001');
    expect(msat('125000000')).toBe('125,000');
    expect(msat('2100000000000000000')).toBe('2,100,000,000,000,000');
  });
  test.each([
    [0, '0 minutes'],
    [10, '10 minutes'],
    [119, '119 minutes'],
    [120, '2 hours'],
    [2_000, '33 hours'],
    [2_880, '2 days'],
    [7_200, '5 days'],
  ])('%i minutes are %s', (minutes, text) => expect(roughTime(minutes)).toBe(text));
});

describe('what a close leaves', () => {
  test('each status says when, and only what went to the other side is red', () => {
    expect(sweepWhy(sweep('waiting', '1', { atHeight: 1_720 }), 1_000, t)).toBe('Can be claimed from block 1,720, about 5 days from now');
    expect(sweepWhy(sweep('waiting', '1', { atHeight: 1_000 }), 1_000, t)).toBe(t.channels.sweepWhy.waiting);
    expect(sweepWhy(sweep('waiting', '1'), 1_000, t)).toBe(t.channels.sweepWhy.waiting);
    for (const status of ['due', 'claimed', 'final', 'lost'] as const)
      expect(sweepWhy(sweep(status, '1', { atHeight: 9_999 }), 1_000, t)).toBe(t.channels.sweepWhy[status]);
    const tones = (['waiting', 'due', 'claimed', 'final', 'lost'] as const).map((status) => sweepTone(sweep(status, '1')));
    expect(tones).toEqual(['warn', 'warn', 'good', 'good', 'bad']);
  });

  test('what still comes is what is not claimed and not lost; before the chain knows, our balance', () => {
    expect(
      comingBack(
        closing(sweep('waiting', '5'), sweep('due', '30'), sweep('claimed', '200'), sweep('final', '1000'), sweep('lost', '7000')),
      ),
    ).toBe(35n);
    expect(comingBack(closing())).toBe(600n);
    expect(comingBack(channel({ tag: 'negotiating' }))).toBe(600n);
  });

  test('every channel is in exactly one sum', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tags), { maxLength: 20 }), (of) => {
        const { ours, theirs, pending, closing: back } = sumChannels(of.map((tag) => channel({ tag })));
        const count = (...wanted: readonly ChannelView['tag'][]) => BigInt(of.filter((tag) => wanted.includes(tag)).length);
        const normal = count('normal');
        const ending = count('shutting-down', 'negotiating', 'closing', 'failed');
        expect([ours, theirs, back]).toEqual([normal * 600n, normal * 400n, ending * 600n]);
        expect(pending).toBe((BigInt(of.length) - normal - ending) * 1_000n);
      }),
    );
  });
});

test('coins that may be used are confirmed, mature and not set aside', () => {
  const coin = (amountSat: string, more: Partial<CoinView> = {}): CoinView => ({
    txid: '',
    vout: 0,
    address: '',
    amountSat,
    confirmations: 1,
    mature: true,
    ...more,
  });
  const reservedFor = { what: 'funding', peerId: '' } as const;
  const all = [coin('1'), coin('20', { confirmations: 0 }), coin('300', { mature: false }), coin('4000', { reservedFor })];
  expect(sumCoins(all)).toEqual({ all: 4_321n, usable: 1n });
  expect(sumCoins([])).toEqual({ all: 0n, usable: 0n });
});

describe('the form of an opening', () => {
  const choice = { satPerVb: 2, feeSat: '300', maxSat: '50000' };
  const estimate: OpenEstimate = { spendableSat: '50300', choices: { fast: { ...choice, maxSat: '49000' }, normal: choice, slow: choice } };

  test.each([
    ['', 'empty'],
    ['  ', 'empty'],
    ['x', 'amountBad'],
    ['1.5', 'amountBad'],
    ['-30000', 'amountBad'],
    ['19,999', 'amountLow'],
    ['50,001', 'amountHigh'],
  ])('“%s”: %s', (text, problem) => expect(checkOpen(text, 'normal', estimate)).toEqual({ ok: false, problem }));

  test('what fits, with its fee once it is known', () => {
    expect(checkOpen('50k', 'normal', estimate)).toEqual({ ok: true, amountSat: 50_000n, feeSat: 300n });
    expect(checkOpen('50k', 'fast', estimate)).toEqual({ ok: false, problem: 'amountHigh' });
    expect(checkOpen('50k', 'fast', undefined)).toEqual({ ok: true, amountSat: 50_000n });
    const { feeSat: _, ...unpriced } = choice;
    expect(checkOpen('20000', 'slow', { ...estimate, choices: { ...estimate.choices, slow: unpriced } })).toEqual({
      ok: true,
      amountSat: 20_000n,
    });
  });

  test('coins are lacking when no speed leaves enough for the least of channels', () => {
    const at = (maxSat: string) => ({ ...choice, maxSat });
    expect(lacksCoins({ ...estimate, choices: { fast: at('0'), normal: at('19999'), slow: at('19999') } })).toBe(true);
    expect(lacksCoins({ ...estimate, choices: { fast: at('0'), normal: at('0'), slow: at('20000') } })).toBe(false);
  });
});

test('what closing together costs: the size times the rate, rounded up, and nothing when the peer pays', () => {
  const estimate = {
    feerates: { fast: 12.4, normal: 6.1, slow: 1 },
    closeVbytes: 169,
    closePaidByUs: true,
    forceFeeSat: '1',
    forceBlocks: 1,
    htlcs: 0,
  };
  expect(speeds.map((speed) => closeFees(estimate)[speed])).toEqual([
    { satPerVb: 12.4, feeSat: 2_096n },
    { satPerVb: 6.1, feeSat: 1_031n },
    { satPerVb: 1, feeSat: 169n },
  ]);
  expect(speeds.map((speed) => closeFees({ ...estimate, closePaidByUs: false })[speed].feeSat)).toEqual([0n, 0n, 0n]);
});
