/** Every mistake has words, and no words repeat a secret or leave a hole. */
import { expect, test } from 'vitest';
import { later } from '../i18n/later.ts';
import { invoiceCases } from './understand.corpus.ts';
import { links, secrets } from './understand.links.corpus.ts';
import { NOW_MS, write } from './understand.samples.ts';
import { understand } from './understand.ts';
import { laterWords, problemWords } from './understand-text.ts';
import type { ProblemCode } from './understood.ts';

const context = { network: 'mainnet', nowMs: NOW_MS } as const;
const known = Object.keys(later.understand.advice);

test('the corpora make every mistake that has words', () => {
  const made = new Set<ProblemCode>();
  for (const { text } of [...invoiceCases, ...links]) {
    const read = understand(text, context);
    if (read.tag !== 'problem') continue;
    made.add(read.code);
    const said = problemWords(read);
    for (const words of Object.values(said)) expect(words).toMatch(/^[A-Z].*[^ .]\.$/);
  }
  expect([...made].sort()).toEqual([...known].sort());
});

test('what is known and comes later has words too', () => {
  const said = links
    .map(({ text }) => understand(text, context))
    .flatMap((read) => (read.tag === 'later' ? [[read.what, laterWords(read)] as const] : []));
  expect(Object.fromEntries(said)).toEqual(later.understand.later);
});

test('when, which network, which parameter', () => {
  const words = (text: string): string => {
    const read = understand(text, context);
    return read.tag === 'problem' ? problemWords(read).what : read.tag;
  };
  expect(words(write({ expirySeconds: 60 }))).toContain('2023');
  expect(words(write({ timestamp: 1_231_006_505 }))).toContain('2009');
  expect(words(write({ network: 'signet' }))).toBe('This is for signet. Your node is on the Bitcoin network.');
  expect(words('bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4?req-magic=1')).toContain('“req-magic”');
});

test('a secret is named, and no part of it said', () => {
  for (const [, text] of secrets) {
    const read = understand(text, context);
    if (read.tag !== 'problem') throw new Error(read.tag);
    const said = Object.values(problemWords(read)).join(' ');
    expect(said).not.toContain(later.understand.safe);
    for (const part of text.split(/\s+/).filter((token) => token.length > 9)) expect(said).not.toContain(part);
  }
});
