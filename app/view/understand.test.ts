/** Whatever a person brings: what it is, or which mistake it is. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { descriptions, invoiceCases } from './understand.corpus.ts';
import { links, secrets } from './understand.links.corpus.ts';
import { free, good, NOW_MS, node, recoveryWords, segwit, simple, wif, write, xprv } from './understand.samples.ts';
import { type Context, type Understood, understand } from './understand.ts';

const corpus = [...invoiceCases, ...links];
const context: Context = { network: 'mainnet', nowMs: NOW_MS };
const read = (text: string): Understood => understand(text, context);
const words = (...parts: readonly (string | bigint | false | undefined)[]): string => parts.filter(Boolean).join(' ');

/** As the corpora tell what they expect. */
function summary(what: Understood): string {
  switch (what.tag) {
    case 'invoice':
      return words(
        what.tag,
        what.amountMsat === undefined && 'free',
        what.fallbackAddress && 'fallback',
        what.description === undefined && 'mute',
      );
    case 'address':
      return words(what.tag, what.amountSat, what.invoiceProblem && `but ${what.invoiceProblem.code}`);
    case 'unified':
      return words(what.tag, what.onchain.amountSat);
    case 'node':
      return what.tag;
    case 'later':
      return words(what.tag, what.what, what.onchain && 'onchain');
    case 'problem':
      return words(what.tag, what.code, what.params.network);
  }
}

test(`${corpus.length} texts, each with its answer`, () => {
  expect(corpus.length).toBeGreaterThanOrEqual(300);
  expect(new Set(corpus.map(({ name, text }) => `${name}\n${text}`)).size).toBe(corpus.length);
  const wrong = corpus
    .map(({ name, text, expected }) => ({ name, expected, got: summary(read(text)) }))
    .filter(({ expected, got }) => expected !== got);
  expect(wrong).toEqual([]);
});

test('what is told of an invoice', () => {
  const fallbacks = [{ version: 0, program: new Uint8Array(20).fill(5) }];
  const text = write({ fallbacks });
  expect(read(`LIGHTNING:${text.toUpperCase()}`)).toEqual({
    tag: 'invoice',
    text,
    amountMsat: 250_000_000n,
    description: 'coffee',
    payee: Array.from(simple.payee, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    paymentHash: '01'.repeat(32),
    expiresAtMs: 1_700_000_600_000,
    fallbackAddress: 'bc1qq5zs2pg9q5zs2pg9q5zs2pg9q5zs2pg94a749m',
  });
  expect(read(free)).not.toHaveProperty('amountMsat');
});

test('descriptions are shown without what cannot be seen', () => {
  const shown = descriptions.map(([written]) => {
    const what = read(write({ description: written }));
    return what.tag === 'invoice' ? what.description : what.tag;
  });
  expect(shown).toEqual(descriptions.map(([, clean]) => clean));
});

test('what is told of a link with both ways', () => {
  expect(read(`bitcoin:${segwit.toUpperCase()}?amount=0.0025&label=Luke+Jr&message=a%0Ab%E2%80%AE&lightning=${good}`)).toEqual({
    tag: 'unified',
    invoice: expect.objectContaining({ text: good }),
    onchain: { address: segwit, old: false, amountSat: 250_000n, label: 'Luke Jr', message: 'a b' },
  });
  expect(read(`bitcoin:${segwit}?label=1+1%20is+2`)).toMatchObject({ label: '1+1 is+2' });
});

test.each([
  [node.toUpperCase(), { nodeId: node }],
  [`${node}@node.example`, { nodeId: node, host: 'node.example', port: 9735 }],
  [`${node}@[2001:db8::1]:9736`, { nodeId: node, host: '[2001:db8::1]', port: 9736 }],
  [`${node}@abc.onion:1`, { nodeId: node, host: 'abc.onion', port: 1 }],
])('node %s', (text, facts) => {
  expect(read(text)).toEqual({ tag: 'node', ...facts });
});

test('a problem tells when, which network, which parameter', () => {
  expect(read(write({ expirySeconds: 60 }))).toEqual({ tag: 'problem', code: 'expired', params: { atMs: 1_700_000_060_000 } });
  expect(read(write({ network: 'signet' }))).toEqual({
    tag: 'problem',
    code: 'wrong-network',
    params: { network: 'signet', own: 'mainnet' },
  });
  expect(read(`bitcoin:${segwit}?req-a%E2%80%AEb=1`)).toEqual({ tag: 'problem', code: 'required-parameter', params: { name: 'req-ab' } });
});

test('each network takes its own and no other', () => {
  for (const network of ['mainnet', 'testnet', 'signet', 'regtest'] as const) {
    const own = (['mainnet', 'testnet', 'signet', 'regtest'] as const).filter(
      (other) => understand(write({ network }), { ...context, network: other }).tag === 'invoice',
    );
    expect(own).toEqual([network]);
  }
  expect(understand('mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn', { ...context, network: 'regtest' })).toMatchObject({ tag: 'address', old: true });
});

test('a secret is never in what is told of it', () => {
  for (const [name, text] of secrets) {
    const told = read(text);
    expect([name, told]).toEqual([name, { tag: 'problem', code: expect.stringMatching(/^secret-/), params: {} }]);
  }
  expect([recoveryWords, wif, xprv].every((secret) => secrets.some(([, text]) => text.includes(secret)))).toBe(true);
});

const pieces = fc.constantFrom(
  ...[good, free, segwit, node, 'lightning:', 'bitcoin:', 'https://x.example/?', 'lightning=', 'amount=', '?', '&', '%', '%20', '+', '='],
  ...['lno1', 'lnurl1', 'lnbc', '1', '0.1', ' ', '\n', '\ufeff', '\u202e', '"', '(', ')', '@', '.', 'req-x', '\ud800', '₿', 'xprv'],
);
test('any text has an answer: known tag, finite facts, the same for the same', () => {
  const shape = /^(invoice|address|unified|node|later|problem) ?/;
  const check = (text: string): void => {
    const what = read(text);
    expect(summary(what)).toMatch(shape);
    expect(read(text)).toEqual(what);
    if (what.tag === 'problem') expect(what.code).not.toBe('');
    if (what.tag === 'address' && what.amountSat !== undefined)
      expect(what.amountSat > 0n && what.amountSat <= 2_100_000_000_000_000n).toBe(true);
  };
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), check), { numRuns: 150 });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(pieces, fc.string({ maxLength: 6 })), { maxLength: 8 }).map((parts) => parts.join('')),
      check,
    ),
    {
      numRuns: 250,
    },
  );
});

test('one letter of an invoice touched, and it is no invoice, or the same one', () => {
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.string({ unit: 'grapheme-ascii', minLength: 0, maxLength: 2 }), (at, instead) => {
      const what = read(good.slice(0, at) + instead + good.slice(at + 1));
      if (what.tag === 'invoice') expect(what).toEqual(read(good));
      else expect(what.tag).toBe('problem');
    }),
    { numRuns: 300 },
  );
});

test('no text takes long, whatever it repeats', () => {
  const started = performance.now();
  for (const part of [...'(<[{"\'.,a1 &?=%@+-_', 'lnbc1', 'a.', 'abc ', '%3a', 'lightning:', 'amount= ', 'x@x.'])
    read(part.repeat(12_000 / part.length));
  // Hundreds of times what it takes; a pattern that goes astray needs minutes.
  expect(performance.now() - started).toBeLessThan(10_000);
});
