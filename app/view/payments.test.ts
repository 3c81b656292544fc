/** What the pages make of payments: their words, their order, the forms before them, and the table of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { t } from '../i18n/index.ts';
import { later } from '../i18n/later.ts';
import type { ActivityView, ChannelView, PartView, PaymentFailure, PaymentView } from '../runtime/api.ts';
import { receivableSat, sendableSat } from './balance.ts';
import { following, hasState, stateFilters } from './payment-filter.ts';
import { paymentSign, paymentTitle } from './payment-text.ts';
import { arrivedMsat, deadlineOf, deadlineText, failureWords, mayRetry, partFailure, refusalWords, timeLeft } from './payment-words.ts';
import { csvColumns, paymentsCsv, plainSat } from './payments-csv.ts';
import { checkReceive, hurdleOf, isBarrier, lightningCode, unifiedLink } from './receive-form.ts';
import { latest } from './recent.ts';
import { checkAmount, keysendMaxFee, orderOf, targetOf } from './send-form.ts';
import { free, good, NOW_MS, node, segwit, simple, write } from './understand.samples.ts';
import { understand } from './understand.ts';

const states = Object.keys(t.pay.states) as PaymentView['state'][];
const failures = Object.keys(later.payments.failures) as PaymentFailure[];
const part = (state: PartView['state'], more: Partial<PartView> = {}): PartView => ({
  n: 1,
  amountMsat: '1000000',
  feeMsat: '0',
  state,
  hops: 2,
  peerAlias: 'Alice',
  ...more,
});
const payment = (more: Partial<PaymentView> = {}): PaymentView => ({
  id: 'a-payment',
  direction: 'out',
  kind: 'invoice',
  paymentHash: '11'.repeat(32),
  amountMsat: '2500000',
  atMs: 1_000_000,
  state: 'pending',
  parts: [],
  ...more,
});
const channel = (more: Partial<ChannelView> = {}): ChannelView => ({
  id: '11'.repeat(32),
  temporaryId: '22'.repeat(32),
  peerId: `02${'33'.repeat(32)}`,
  peerAlias: 'Alice',
  tag: 'normal',
  online: true,
  opener: true,
  capacitySat: '200000',
  oursSat: '100000',
  theirsSat: '100000',
  sendableSat: '90000',
  receivableSat: '80000',
  isPublic: false,
  htlcs: [],
  ...more,
});
const here = (text: string) => understand(text, { network: 'mainnet', nowMs: NOW_MS });

describe('words', () => {
  test('each failure and each refusal has three sentences of its own, and says that nothing was paid', () => {
    for (const words of [...failures.map((failure) => failureWords(failure)), refusalWords('no-route')]) {
      expect(words).toHaveLength(3);
      expect(words[1]).toMatch(/^Nothing was paid/);
    }
    expect(new Set(failures.map((failure) => failureWords(failure)[0])).size).toBe(failures.length);
  });
  test('without an answer nobody says that nothing was paid', () => {
    expect(refusalWords('no-answer').join(' ')).not.toContain('Nothing was paid');
  });
  test('a code that is newer than the page is a fault, and no empty line', () => {
    expect(refusalWords('something-new')).toBe(later.send.errors.internal);
    expect(refusalWords('toString')).toBe(later.send.errors.internal);
    expect(failureWords(undefined)).toBe(later.payments.failures.unreadable);
  });
  test('a part that came back: our code, BOLT 4’s name, or what nobody knows, cleaned', () => {
    const failed = (failure: string) => partFailure(part('failed', { failure }));
    expect(failed('payee-offline at hop 3')).toBe('The receiver is not connected right now (at hop 3)');
    expect(failed('temporary_channel_failure at hop 2')).toBe('a channel on the way had not enough (at hop 2)');
    expect(failed('0x700f\u202e at hop 1')).toBe('0x700f at hop 1');
    expect(partFailure(part('settled'))).toBe('');
  });
  test('once more only where it may go better, and only what we send', () => {
    expect(failures.filter((failure) => mayRetry(payment({ state: 'failed', failure }))).sort()).toEqual(
      ['fee-too-high', 'no-route', 'not-sent', 'payee-offline', 'timeout', 'unreadable'].sort(),
    );
    expect(mayRetry(payment({ direction: 'in', state: 'failed', failure: 'timeout' }))).toBe(false);
  });
  test('a title is the description, cleaned; else the receiver by the name we gave it', () => {
    const peer = { peerId: node, alias: 'Bob', host: '', port: 1, link: 'ready', onOpen: 'default', zeroConf: false } as const;
    expect(paymentTitle(payment({ description: 'a\u202eb' }), [], t)).toBe('a b');
    expect(paymentTitle(payment({ payee: node }), [peer], t)).toBe('To Bob');
    expect(paymentTitle(payment({ payee: node }), [], t)).toBe('To 02ababab…ababab');
    expect(paymentTitle(payment({ direction: 'in', description: ' ' }), [], t)).toBe(t.pay.fromSomebody);
    expect(paymentTitle(payment({ direction: 'in', kind: 'keysend' }), [], t)).toBe(t.pay.keysendIn);
  });
  test('only money that moves carries a sign', () => {
    const signs = states.map((state) => [
      state,
      paymentSign(payment({ state, direction: state === 'pending' || state === 'sent' ? 'out' : 'in' })),
    ]);
    expect(Object.fromEntries(signs)).toEqual({
      open: '',
      expired: '',
      failed: '',
      holding: '+',
      settling: '+',
      paid: '+',
      pending: '−',
      sent: '−',
    });
  });
  test('a payment that is held up comes back with its last part', () => {
    const parts = [
      part('in-flight', { expiryHeight: 800_100 }),
      part('in-flight', { expiryHeight: 800_144 }),
      part('failed', { expiryHeight: 800_500 }),
    ];
    expect(deadlineOf(payment({ parts }))).toBe(800_144);
    expect(deadlineText(payment({ parts }), 800_000)).toBe(later.payments.stuck('800,144', '24 hours'));
    expect(deadlineText(payment({ parts }), 800_144)).toBe(later.payments.stuckOver('800,144'));
    expect(deadlineText(payment({ parts, state: 'sent' }), 800_000)).toBe('');
    expect(deadlineText(payment(), 800_000)).toBe('');
  });
  test('what has arrived is what is here or ours', () => {
    const parts = [part('in-flight'), part('settled', { amountMsat: '500' }), part('failed'), part('planned')];
    expect(arrivedMsat(payment({ parts }))).toBe(1_000_500n);
  });
  test('time left: minutes and seconds, and in words beyond an hour', () => {
    expect([timeLeft(59_000), timeLeft(3_599_000), timeLeft(7_200_000), timeLeft(-1)]).toEqual(['0:59', '59:59', '2 hours', '0:00']);
  });
});

describe('lists', () => {
  test('every state belongs to one filter', () => {
    for (const state of states)
      expect([state, stateFilters.filter((filter) => filter !== 'any' && hasState(payment({ state }), filter)).length]).toEqual([state, 1]);
  });
  test('a further page repeats nothing, also where an invoice and a payment have the same id', () => {
    const [a, b] = [payment({ id: 'x' }), payment({ id: 'x', direction: 'in' })];
    expect(following([a], [a, b])).toEqual([b]);
  });
  test('lately: payments stand for their events; invoices that wait are none', () => {
    const event = (id: number, atMs: number, kind: string): ActivityView => ({ id, atMs, kind });
    const list = latest(
      [event(3, 30, 'payment-sent'), event(2, 20, 'peer-added'), event(1, 1, 'wallet-made')],
      [payment({ atMs: 5, endedAtMs: 25, state: 'sent' }), payment({ id: 'open', atMs: 40, direction: 'in', state: 'open' })],
      2,
    );
    expect(list.map(({ key }) => key)).toEqual(['out a-payment', 'e2']);
  });
});

describe('what is paid', () => {
  test('invoices and nodes can be paid; everything else cannot', () => {
    expect(targetOf(here(good))).toMatchObject({ kind: 'invoice', text: good, amountMsat: simple.amountMsat, description: 'coffee' });
    expect(targetOf(here(`bitcoin:${segwit}?lightning=${free}`))).toMatchObject({ kind: 'invoice', text: free });
    expect(targetOf(here(node))).toEqual({ kind: 'keysend', payee: node });
    for (const text of [segwit, 'nothing', '', 'name@service.example']) expect(targetOf(here(text))).toBeUndefined();
  });
  test('an amount goes with the order only where the invoice has none, and the fee that was shown is the fee allowed', () => {
    const estimate = { amountMsat: '5', feeMsat: '1', maxFeeMsat: '7', parts: 1, hops: 1, route: 'direct', successPpm: 1 } as const;
    const order = (text: string, amountMsat: bigint) => {
      const target = targetOf(here(text));
      return target && orderOf(target, amountMsat, estimate);
    };
    expect(order(good, 250_000_000n)).toEqual({ kind: 'invoice', text: good, maxFeeMsat: '7' });
    expect(order(free, 5n)).toEqual({ kind: 'invoice', text: free, amountMsat: '5', maxFeeMsat: '7' });
    expect(order(node, 1_000_000n)).toEqual({ kind: 'keysend', payee: node, amountMsat: '1000000', maxFeeMsat: '10000' });
    expect([keysendMaxFee(1n), keysendMaxFee(1_000_000n)]).toEqual([5_000n, 10_000n]);
  });
  test('amounts as they are typed', () => {
    const check = (text: string) => checkAmount(text, 90_000n);
    expect(check('2,500')).toEqual({ ok: true, amountMsat: 2_500_000n });
    expect(check('2.5k')).toEqual({ ok: true, amountMsat: 2_500_000n });
    expect(['', 'x', '0', '90,001'].map((text) => check(text))).toMatchObject(
      ['empty', 'amountBad', 'amountZero', 'amountHigh'].map((problem) => ({ problem })),
    );
  });
  test('what can be sent now needs a peer that is there; what can be received is promised for later', () => {
    const channels = [channel(), channel({ online: false }), channel({ tag: 'closing' })];
    expect([sendableSat(channels), receivableSat(channels)]).toEqual([90_000n, 160_000n]);
  });
});

describe('being paid', () => {
  test('the first thing in the way', () => {
    const hurdle = (channels: readonly ChannelView[], ready = true) => hurdleOf({ channels }, ready);
    expect(hurdle([])).toBe('no-channel');
    expect(hurdle([channel({ tag: 'closing' })])).toBe('no-channel');
    expect(hurdle([channel({ tag: 'wait-for-funding-confirmed' })])).toBe('opening');
    expect(hurdle([channel({ receivableSat: '0' })])).toBe('no-room');
    expect(hurdle([channel({ online: false })], false)).toBe('offline');
    expect(hurdle([channel({ online: false, receivableSat: '9' }), channel({ receivableSat: '0' })])).toBe('offline');
    expect(hurdle([channel()], false)).toBe('asleep');
    expect(hurdle([channel()])).toBeUndefined();
    expect((['no-channel', 'opening', 'no-room', 'offline', 'asleep', undefined] as const).map(isBarrier)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });
  test('the form: no amount is an amount too', () => {
    expect(checkReceive(' ', 0n)).toEqual({ ok: true });
    expect(checkReceive('80k', 80_000n)).toEqual({ ok: true, amountMsat: 80_000_000n });
    expect(checkReceive('80,001', 80_000n)).toEqual({ ok: false, problem: 'tooMuch' });
    expect(checkReceive('0', 80_000n)).toEqual({ ok: false, problem: 'amountZero' });
    expect(checkReceive('lots', 80_000n)).toEqual({ ok: false, problem: 'amountBad' });
  });
  test('law: what our codes hold is understood as what was asked for', () => {
    fc.assert(
      fc.property(fc.option(fc.bigInt({ min: 1n, max: 2_100_000_000_000_000n }), { nil: undefined }), (amountSat) => {
        const amountMsat = amountSat === undefined ? undefined : amountSat * 1000n;
        const invoice = amountMsat === undefined ? free : write({ amountMsat });
        const link = here(unifiedLink(segwit, invoice, amountMsat?.toString()));
        expect(link).toMatchObject({ tag: 'unified', invoice: { text: invoice }, onchain: { address: segwit } });
        expect(link.tag === 'unified' && link.onchain.amountSat).toBe(amountSat);
        expect(here(lightningCode(invoice))).toMatchObject({ tag: 'invoice', text: invoice });
      }),
      { numRuns: 40 },
    );
  });
  test('a fraction of a sat is rounded up on the chain', () => {
    expect(unifiedLink(segwit, 'x', '1001')).toBe(`bitcoin:${segwit}?amount=0.00000002&lightning=x`);
    expect(unifiedLink(segwit, 'x', '210000000000')).toBe(`bitcoin:${segwit}?amount=2.1&lightning=x`);
  });
});

/** RFC 4180, as a reader has it. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const cells = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g;
  for (const [, quoted, bare, end] of text.matchAll(cells)) {
    rows.at(-1)?.push(quoted === undefined ? (bare ?? '') : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('table', () => {
  test('sat with a point, whatever the locale', () => {
    expect(['0', '1', '1000', '1249750', '2100000000000000000'].map(plainSat)).toEqual(['0', '0.001', '1', '1249.75', '2100000000000000']);
  });
  test('a line for each payment, a cell for each column, empty where nothing is known', () => {
    const [head, out, incoming] = readCsv(
      paymentsCsv([
        payment({ state: 'sent', feeMsat: '2150', endedAtMs: 1_001_240, preimage: 'aa', payee: node, text: 'lnbc1' }),
        payment({ direction: 'in', kind: 'keysend', state: 'paid', feeMsat: '1', description: 'tea, "green"\r\nand cake' }),
      ]),
    );
    expect(head).toEqual(csvColumns);
    const hash = '11'.repeat(32);
    expect(out).toEqual([
      '1970-01-01T00:16:40.000Z',
      '1970-01-01T00:16:41.240Z',
      'out',
      'invoice',
      'sent',
      '2500',
      '2.15',
      '',
      node,
      hash,
      'aa',
      '',
      'lnbc1',
    ]);
    expect(incoming).toEqual([
      '1970-01-01T00:16:40.000Z',
      '',
      'in',
      'keysend',
      'paid',
      '2500',
      '',
      'tea, "green"\r\nand cake',
      '',
      hash,
      '',
      '',
      '',
    ]);
  });
  test('law: any description comes back, and none can be a formula', () => {
    const nasty = fc.stringMatching(/^[ =+\-@\t\r\n",;a-z]{0,12}$/);
    fc.assert(
      fc.property(fc.array(fc.oneof(nasty, fc.string()), { maxLength: 5 }), (descriptions) => {
        const rows = readCsv(paymentsCsv(descriptions.map((description) => payment({ description })))).slice(1);
        const cells = rows.map((row) => row[7] ?? '');
        expect(rows.every((row) => row.length === csvColumns.length)).toBe(true);
        expect(cells.map((cell) => cell.replace(/^'/, ''))).toEqual(descriptions.map((text) => text.replace(/^'/, '')));
        expect(cells.filter((cell) => /^\s*[=+\-@\t\r]/.test(cell))).toEqual([]);
      }),
    );
  });
});
