/** What a source may say, who is asked, how often, and what is kept. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import { startTestRelay, TestApp } from '../api/testing.ts';
import { Buckets } from '../keeper/buckets.ts';
import { must } from '../keeper/testing.ts';
import { createPrices, type PriceParts } from './price.ts';
import { addressOf, quoteIn } from './quote.ts';

const quote = (text: string, path = 'EUR') => {
  const rate = quoteIn(text, path, 'EUR');
  return rate.ok ? rate.value : rate.error;
};

test.each([
  ['{"EUR": 95000}', 'EUR', 95_000],
  ['{"EUR": 95000.12}', '{currency}', 95_000.12],
  ['{"bitcoin":{"eur":95000}}', 'bitcoin.{lower}', 95_000],
  ['{"data":[{"amount":"95000.12"}]}', 'data.0.amount', 95_000.12],
  ['95000', '', 95_000],
  ['"95000"', ' ', 95_000],
  ['{"EUR": 1}', 'EUR', 1],
  ['{"EUR": 1e12}', 'EUR', 1e12],
])('%s by %j', (text, path, rate) => {
  expect(quote(text, path)).toBe(rate);
});

test.each([
  ['', 'not-json'],
  ['NaN', 'not-json'],
  ['{"EUR": NaN}', 'not-json'],
  ['{"EUR": Infinity}', 'not-json'],
  ['<html>95000</html>', 'not-json'],
  ['{"EUR": 1e999}', 'not-a-price'],
  ['{"EUR": 1e30}', 'not-a-price'],
  ['{"EUR": 1000000000001}', 'not-a-price'],
  ['{"EUR": -95000}', 'not-a-price'],
  ['{"EUR": 0}', 'not-a-price'],
  ['{"EUR": 0.99}', 'not-a-price'],
  ['{"EUR": null}', 'not-a-price'],
  ['{"EUR": true}', 'not-a-price'],
  ['{"EUR": []}', 'not-a-price'],
  ['{"EUR": [95000]}', 'not-a-price'],
  ['{"EUR": {"x": 1}}', 'not-a-price'],
  ['{"EUR": "NaN"}', 'not-a-price'],
  ['{"EUR": "1e5"}', 'not-a-price'],
  ['{"EUR": "-95000"}', 'not-a-price'],
  ['{"EUR": "95,000"}', 'not-a-price'],
  ['{"EUR": " 95000"}', 'not-a-price'],
  ['{"EUR": "0x10"}', 'not-a-price'],
  ['{"EUR": "99999999999999999999"}', 'not-a-price'],
  ['{"USD": 95000}', 'not-there'],
  ['null', 'not-there'],
  ['95000', 'not-there'],
  ['[95000]', 'not-there'],
])('%s is refused: %s', (text, problem) => {
  expect(quote(text)).toBe(problem);
});

test('a path leads only to what the document itself has', () => {
  for (const path of ['__proto__', 'constructor', 'constructor.length', 'toString.length', 'EUR.length', '..', 'a.', `a${'.a'.repeat(9)}`])
    expect([path, quote('{"EUR":"95000"}', path)]).toEqual([path, 'not-there']);
});

test('a template is an address of the right kind, and its host is no part of what is filled in', () => {
  const named = (template: string) => addressOf(template, 'EUR', ['https:'])?.href;
  expect(named('https://prices.example/{currency}?c={lower}')).toBe('https://prices.example/EUR?c=eur');
  for (const bad of ['', 'prices.example', 'http://prices.example/', 'ftp://x/', 'file:///etc/passwd', 'https://{currency}.example/'])
    expect([bad, named(bad)]).toEqual([bad, undefined]);
  for (const bad of ['https://user:secret@prices.example/', 'https://prices.example:{currency}/', 'javascript:1', 'https://'])
    expect([bad, named(bad)]).toEqual([bad, undefined]);
});

type Answers = (url: URL) => Promise<Result<string, RelayError>>;
const failed: RelayError = { code: 'price-unavailable', message: '' };
function lab(parts: Partial<PriceParts> = {}, answers: Answers = async () => ok('{"EUR":95000,"USD":99000}')) {
  const asked: string[] = [];
  const time = { now: 1_800_000_000_000 };
  const clock = () => time.now;
  const fetch = (url: URL) => {
    asked.push(url.href);
    return answers(url);
  };
  const own = { url: 'http://own.example/{currency}', path: '{currency}', fetch };
  const prices = createPrices({ clock, own, fetch, perAccount: new Buckets(clock, 1_000), maxInFlight: 16, ...parts });
  const ask = async (currency = 'EUR', source?: { url: string; path: string }, account = 'a') => {
    const answer = await prices(account, source === undefined ? { currency } : { currency, source });
    return answer.ok ? answer.value.rate : answer.error.code;
  };
  return { ask, asked, time };
}
const theirs = { url: 'https://theirs.example/', path: '{currency}' };

test('the operator’s source, or the user’s', async () => {
  const { ask, asked } = lab();
  expect([await ask(), await ask('USD', theirs)]).toEqual([95_000, 99_000]);
  expect(asked).toEqual(['http://own.example/EUR', 'https://theirs.example/']);
  expect(await lab({ own: null }).ask()).toBe('price-unavailable');
  expect(await ask('EUR', { url: 'http://theirs.example/', path: '' })).toBe('bad-request');
});

test('one answer is for all who ask at the time, and for a minute', async () => {
  const { ask, asked, time } = lab();
  expect(await Promise.all([ask('EUR', theirs, 'a'), ask('USD', theirs, 'b'), ask('EUR', theirs, 'c')])).toEqual([95_000, 99_000, 95_000]);
  time.now += 59_999;
  await ask('EUR', theirs);
  expect(asked).toHaveLength(1);
  time.now += 1;
  await ask('EUR', theirs);
  expect(asked).toHaveLength(2);
});

test('a failure is not asked for again at once, but soon', async () => {
  let good = false;
  const { ask, asked, time } = lab({}, async () => (good ? ok('{"EUR":95000}') : err(failed)));
  expect([await ask(), await ask()]).toEqual(['price-unavailable', 'price-unavailable']);
  expect(asked).toHaveLength(1);
  good = true;
  time.now += 10_000;
  expect(await ask()).toBe(95_000);
});

test('what is kept for the operator’s source is not found under a user’s, whose dialling has rules', async () => {
  const own = { url: 'https://inside.example/', path: '{currency}', fetch: async () => ok('{"EUR":95000}') };
  const { ask, asked } = lab({ own }, async () => err({ code: 'dial-refused', message: '' }));
  expect(await ask()).toBe(95_000);
  expect(await ask('EUR', { url: own.url, path: own.path })).toBe('dial-refused');
  expect(asked).toEqual(['https://inside.example/']);
});

test('an account may ask so often, and so many sources are asked at a time', async () => {
  const { ask, time } = lab({ perAccount: new Buckets(() => 0, 2) });
  expect([await ask(), await ask(), await ask()]).toEqual([95_000, 95_000, 'quota-requests']);
  expect(await ask('EUR', undefined, 'b')).toBe(95_000);
  time.now += 1;
  const hanging = lab({ maxInFlight: 2 }, () => new Promise(() => undefined));
  void hanging.ask('EUR', { url: 'https://a.example/', path: '' });
  void hanging.ask('EUR', { url: 'https://b.example/', path: '' });
  expect(await hanging.ask('EUR', { url: 'https://c.example/', path: '' })).toBe('price-unavailable');
  expect(hanging.asked).toHaveLength(2);
});

test('documents are kept by the dozen, not by the thousand', async () => {
  const { ask, asked } = lab();
  for (let i = 0; i <= 64; i++) await ask('EUR', { url: `https://x${i}.example/`, path: '{currency}' });
  await ask('EUR', { url: 'https://x64.example/', path: '{currency}' });
  expect(asked).toHaveLength(65);
  await ask('EUR', { url: 'https://x0.example/', path: '{currency}' });
  expect(asked).toHaveLength(66);
});

test('through a relay: for accounts only; the operator’s source may be inside, a user’s may not', async () => {
  const source = createServer((_request, response) => void response.end('{"EUR": 95000}'));
  await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
  const { port } = source.address() as AddressInfo;
  const { relay, stop } = await startTestRelay({ priceUrl: `http://127.0.0.1:${port}/{currency}`, dialAllow: [] });
  try {
    const app = new TestApp(relay.url);
    expect(await app.call('price', { currency: 'EUR' })).toMatchObject({ error: { code: 'auth-required' } });
    must(await app.login());
    expect(must(await app.call('price', { currency: 'EUR' }))).toEqual({ rate: 95_000 });
    const named = (url: string, currency = 'EUR') => app.call('price', { currency, source: { url, path: '{currency}' } });
    expect(await named(`https://127.0.0.1:${port}/`)).toMatchObject({ error: { code: 'dial-refused', status: 403 } });
    expect(await named(`http://127.0.0.1:${port}/`)).toMatchObject({ error: { code: 'bad-request' } });
    expect(await named('https://prices.example/', 'eur')).toMatchObject({ error: { code: 'bad-request' } });
  } finally {
    await stop();
    source.closeAllConnections();
    await new Promise((resolve) => source.close(resolve));
  }
});

test('a relay whose operator set no source has none', async () => {
  const { relay, stop } = await startTestRelay();
  try {
    const app = new TestApp(relay.url);
    must(await app.login());
    expect(await app.call('price', { currency: 'EUR' })).toMatchObject({ error: { code: 'price-unavailable', status: 503 } });
  } finally {
    await stop();
  }
});
