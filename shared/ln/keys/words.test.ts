import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { parseWords, seedFromWords, wordsFromEntropy, wordsStartingWith } from './words.ts';

/** From the BIP 39 reference vectors; the passphrase is TREZOR. */
const vectors = [
  [
    '00000000000000000000000000000000',
    'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about',
    'c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04',
  ],
  [
    '0000000000000000000000000000000000000000000000000000000000000000',
    'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art',
    'bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8',
  ],
] as const;

describe('words', () => {
  it.each(vectors)('BIP 39 vector %s', (entropy, words, seed) => {
    expect(wordsFromEntropy(fromHex(entropy))).toBe(words);
    expect(parseWords(words)).toEqual({ ok: true, value: words });
    expect(toHex(seedFromWords(words, 'TREZOR'))).toBe(seed);
  });

  it('are read however they were typed', () => {
    const [, words] = vectors[0];
    expect(parseWords(`  ${words.toUpperCase().replaceAll(' ', '\n\t ')} `)).toEqual({ ok: true, value: words });
  });

  const twelve = vectors[0][1].split(' ');
  const codeOf = (words: readonly string[]) => {
    const parsed = parseWords(words.join(' '));
    return parsed.ok ? undefined : parsed.error;
  };

  it('of a wrong count', () => {
    expect(codeOf(twelve.slice(1))).toEqual({ code: 'words-count', count: 11 });
    expect(codeOf([])).toEqual({ code: 'words-count', count: 0 });
    // BIP 39 knows 15, 18 and 21 words; this wallet makes and takes 12 and 24.
    expect(codeOf([...twelve, ...twelve.slice(0, 3)])).toEqual({ code: 'words-count', count: 15 });
  });

  it('not in the list: the first one is named', () => {
    expect(codeOf(twelve.with(4, 'Lightening').with(7, 'xyz'))).toEqual({ code: 'words-unknown', index: 4, word: 'lightening' });
  });

  it('with a wrong checksum', () => {
    expect(codeOf(twelve.with(11, 'abandon'))).toEqual({ code: 'words-checksum' });
    expect(codeOf(twelve.with(0, 'zoo'))).toEqual({ code: 'words-checksum' });
  });

  it('are made from 16 or 32 bytes only', () => {
    for (const length of [0, 15, 20, 33]) expect(() => wordsFromEntropy(new Uint8Array(length))).toThrow(RangeError);
  });

  it('complete a beginning', () => {
    expect(wordsStartingWith('aban', 5)).toEqual(['abandon']);
    expect(wordsStartingWith('a', 3)).toHaveLength(3);
    expect(wordsStartingWith('zzz', 3)).toEqual([]);
  });
});
