/** Amounts in a currency: never a number that cannot be, never an old one. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  currencyFor,
  currentRate,
  defaultChoice,
  fiatText,
  isDue,
  isSource,
  type PriceChoice,
  parseRate,
  readChoice,
  satFor,
} from './fiat.ts';

/** Spaces of whatever kind the locale sets. */
const shown = (...args: Parameters<typeof fiatText>): string => fiatText(...args).replace(/\s/g, ' ');

test.each([
  ['de-DE', 'EUR'],
  ['de-CH', 'CHF'],
  ['de', 'EUR'],
  ['en', 'USD'],
  ['en-GB', 'GBP'],
  ['pt-BR', 'BRL'],
  ['ja', 'JPY'],
  ['es-SV', 'USD'],
  ['fr-AQ', 'USD'],
  ['no such', 'USD'],
  ['', 'USD'],
])('%s: %s', (locale, currency) => {
  expect(currencyFor(locale)).toBe(currency);
});

test.each([
  [250_000_000n, 95_000, 'EUR', 'en', '€237.50'],
  [250_000_000n, 95_000, 'EUR', 'de-DE', '237,50 €'],
  [100_000_000_000n, 15_000_000, 'JPY', 'ja-JP', '￥15,000,000'],
  [1_000n, 95_000, 'EUR', 'en', '<€0.01'],
  [5_300n, 95_000, 'EUR', 'en', '€0.01'],
  [0n, 95_000, 'EUR', 'en', '€0.00'],
  [1_000n, 95_000, 'JPY', 'en', '<¥1'],
  [2_100_000_000_000_000_000n, 95_000, 'USD', 'en', '$1,995,000,000,000.00'],
])('%s msat at %s %s in %s: %s', (msat, rate, currency, locale, text) => {
  expect(shown(msat, rate, currency, locale)).toBe(text);
});

test.each([
  ['95000', 95_000],
  ['95,000', 95_000],
  ['95.000', 95_000],
  ['95 000', 95_000],
  ['95’000.5', 95_000.5],
  ['95.000,50', 95_000.5],
  ['95,000.50', 95_000.5],
  ['9500000', 9_500_000],
  ['1', 1],
])('rate %s', (text, rate) => {
  expect(parseRate(text)).toBe(rate);
});
test.each(['', '0', '0.5', '-5', '1e5', 'NaN', 'abc', '95,00,0', '1.2.3', '10000000000000', '95.0001', '€95'])('no rate: %j', (text) => {
  expect(parseRate(text)).toBeNull();
});

test('what is typed in the currency becomes sat, and shows as what was typed', () => {
  expect(satFor(237.5, 95_000)).toBe(250_000n);
  for (const amount of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-9, 1e30]) expect(satFor(amount, 95_000)).toBeNull();
  for (const rate of [0, -1, Number.NaN, 1e30]) expect(satFor(5, rate)).toBeNull();
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 10_000_000 }), fc.integer({ min: 1_000, max: 200_000 }), (cents, rate) => {
      const sat = satFor(cents / 100, rate) ?? 0n;
      expect(fiatText(sat * 1000n, rate, 'EUR', 'en')).toBe(
        new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' }).format(cents / 100),
      );
    }),
  );
});

test.each([
  ['https://prices.example/{currency}', true],
  ['https://prices.example/v1?c={lower}', true],
  ['https://prices.example', true],
  ['http://prices.example/', false],
  ['https://{currency}.example/', false],
  ['https://me:secret@prices.example/', false],
  ['prices.example', false],
  ['', false],
  ['javascript:alert(1)', false],
])('source %s: %s', (url, good) => {
  expect(isSource(url)).toBe(good);
});

const choice: PriceChoice = { ...defaultChoice('de-DE'), mode: 'relay' };
const quote = { currency: 'EUR', rate: 95_000, atMs: 1_800_000_000_000 };
const [minute, hour] = [60_000, 3_600_000];

test('nothing is asked and nothing shown until the user wants it', () => {
  const off = defaultChoice('de-DE');
  expect([off.mode, currentRate(off, quote, quote.atMs), isDue(off, null, 0)]).toEqual(['off', null, false]);
});

test('a price is asked for again after five minutes, and shown for two hours', () => {
  const at = (ms: number) => [isDue(choice, quote, quote.atMs + ms), currentRate(choice, quote, quote.atMs + ms)?.rate ?? null];
  expect(at(0)).toEqual([false, 95_000]);
  expect(at(5 * minute)).toEqual([true, 95_000]);
  expect(at(2 * hour)).toEqual([true, 95_000]);
  expect(at(2 * hour + 1)).toEqual([true, null]);
  // The clock was set back: nobody knows how old it is.
  expect(at(-3 * hour)).toEqual([true, null]);
});

test('a price in another currency than the chosen one is none', () => {
  expect(currentRate({ ...choice, currency: 'USD' }, quote, quote.atMs)).toBeNull();
  expect(isDue({ ...choice, currency: 'USD' }, quote, quote.atMs)).toBe(true);
});

test('an own rate is asked of nobody; an own source only when it is an address', () => {
  const fixed: PriceChoice = { ...choice, mode: 'fixed', fixed: 50_000 };
  expect([isDue(fixed, null, 0), currentRate(fixed, quote, quote.atMs)]).toEqual([false, { rate: 50_000 }]);
  expect(currentRate({ ...fixed, fixed: null }, quote, quote.atMs)).toBeNull();
  expect(isDue({ ...choice, mode: 'own' }, null, 0)).toBe(false);
  expect(isDue({ ...choice, mode: 'own', url: 'https://x.example/' }, null, 0)).toBe(true);
});

test('what was kept is taken as far as it is good', () => {
  const usual = defaultChoice('de-DE');
  for (const kept of [null, '', '{', 'null', '5', '[]', '{"mode":"all","currency":"euro","url":5,"path":{},"fixed":"9"}'])
    expect(readChoice(kept, 'de-DE')).toEqual(usual);
  const mine: PriceChoice = { mode: 'own', currency: 'CHF', url: 'https://x.example/', path: 'a.b', fixed: 7 };
  expect(readChoice(JSON.stringify(mine), 'de-DE')).toEqual(mine);
  expect(readChoice(JSON.stringify({ ...mine, fixed: 1e30 }), 'de-DE').fixed).toBeNull();
});
