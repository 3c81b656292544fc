import { describe, expect, test } from 'vitest';
import { quiz } from './quiz.ts';
import { checkWords, newWords, suggest, walletOf, wordsOf } from './words.ts';

const good = 'legal winner thank year wave sausage worth useful legal winner thank yellow';

describe('words as they are typed', () => {
  test('a good set, with numbers and capitals around', () => {
    const copied = good
      .toUpperCase()
      .split(' ')
      .map((word, i) => `${i + 1}. ${word}`)
      .join('\n');
    expect(checkWords(copied)).toEqual({ tag: 'good', words: good });
  });
  test('unknown words are named by their places', () => {
    expect(checkWords(good.replace('year', 'yeer').replace('yellow', 'yelow'))).toEqual({ tag: 'unknown-words', at: [3, 11] });
  });
  test('the word being typed is not judged yet', () => {
    expect(checkWords('legal winner than', true)).toEqual({ tag: 'count', count: 3 });
    expect(checkWords('legal winner thxn', true)).toEqual({ tag: 'count', count: 3 });
    expect(checkWords('legal winner thxn ', true)).toEqual({ tag: 'unknown-words', at: [2] });
  });
  test('swapped words do not fit together', () => {
    expect(checkWords(good.replace('legal winner', 'winner legal'))).toEqual({ tag: 'checksum' });
  });
  test('nothing and too few', () => {
    expect(checkWords('  ')).toEqual({ tag: 'empty' });
    expect(checkWords('legal winner')).toEqual({ tag: 'count', count: 2 });
  });
  test('suggestions: what begins so, else what is one letter away', () => {
    expect(suggest('wint')).toEqual(['winter']);
    expect(suggest('wnter')).toContain('winter');
    expect(suggest('yeer')).toContain('year');
    expect(suggest('')).toEqual([]);
  });
});

describe('a wallet of words', () => {
  test('new words are good and come back from their entropy', () => {
    for (const count of [12, 24] as const) {
      const words = newWords(count);
      expect(words.split(' ')).toHaveLength(count);
      expect(checkWords(words).tag).toBe('good');
      expect(wordsOf(walletOf(words, 'regtest').entropy).join(' ')).toBe(words);
    }
  });
  test('test networks have keys of their own', () => {
    expect(walletOf(good, 'mainnet').walletKey).toMatch(/^[0-9a-f]{128}$/);
    expect(walletOf(good, 'mainnet').walletKey).not.toBe(walletOf(good, 'regtest').walletKey);
    expect(walletOf(good, 'signet').walletKey).toBe(walletOf(good, 'regtest').walletKey);
  });
});

test('the quiz asks three places in order, each with the right word among four', () => {
  const words = newWords(24).split(' ');
  const questions = quiz(words);
  expect(questions).toHaveLength(3);
  expect(questions.map(({ index }) => index)).toEqual(questions.map(({ index }) => index).sort((a, b) => a - b));
  for (const { index, options } of questions) {
    expect(options).toContain(words[index]);
    expect(new Set(options).size).toBe(options.length);
  }
});
