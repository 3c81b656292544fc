/** Recovery words as they are typed: which are of the list, which could be meant, whether they fit together. Loaded only where words are. */
import { mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { walletKeyFromSeed } from '../../shared/ln/keys/seed.ts';
import { parseWords, seedFromWords, wordsFromEntropy, wordsStartingWith } from '../../shared/ln/keys/words.ts';

export type WordsCheck =
  | { readonly tag: 'empty' }
  /** `at` are the places of words that are not of the list. */
  | { readonly tag: 'unknown-words'; readonly at: readonly number[] }
  | { readonly tag: 'count'; readonly count: number }
  /** All are words of the list, but together they are no valid set: one is wrong or two are swapped. */
  | { readonly tag: 'checksum' }
  | { readonly tag: 'good'; readonly words: string };

const known = new Set(wordlist);

/** Numbers and signs between the words, as in a copied list, are no part of them. */
export function splitWords(text: string): readonly string[] {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== '');
}

/** `typing`: the last word is not finished yet and is not judged. */
export function checkWords(text: string, typing = false): WordsCheck {
  const words = splitWords(text);
  if (words.length === 0) return { tag: 'empty' };
  const judged = typing && /\p{L}$/u.test(text) ? words.slice(0, -1) : words;
  const at = judged.flatMap((word, i) => (known.has(word) ? [] : [i]));
  if (at.length > 0) return { tag: 'unknown-words', at };
  const parsed = parseWords(words.join(' '));
  if (parsed.ok) return { tag: 'good', words: parsed.value };
  return parsed.error.code === 'words-checksum' ? { tag: 'checksum' } : { tag: 'count', count: words.length };
}

/** Words of the list that begin like this, or else differ in one letter. At most `max`. */
export function suggest(part: string, max = 4): readonly string[] {
  const start = part.toLowerCase();
  if (start === '') return [];
  const begins = wordsStartingWith(start, max);
  if (begins.length > 0) return begins;
  const near = wordlist.filter((word) => oneLetterApart(word, start));
  // The first letter is seldom the wrong one.
  return [...near.filter((word) => word[0] === start[0]), ...near.filter((word) => word[0] !== start[0])].slice(0, max);
}

function oneLetterApart(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return a.slice(i + 1) === b.slice(i + 1) || a.slice(i) === b.slice(i + 1) || a.slice(i + 1) === b.slice(i);
}

export function newWords(count: 12 | 24): string {
  return wordsFromEntropy(crypto.getRandomValues(new Uint8Array(count === 12 ? 16 : 32)));
}

/** `entropy` in hex, as the worker keeps it. */
export function wordsOf(entropy: string): readonly string[] {
  return wordsFromEntropy(fromHex(entropy)).split(' ');
}

/** What the worker needs of words that were found good: hex of the entropy and of the wallet key. */
export function walletOf(words: string, network: string): { readonly entropy: string; readonly walletKey: string } {
  const walletKey = walletKeyFromSeed(seedFromWords(words), network === 'mainnet' ? 0 : 1);
  return { entropy: toHex(mnemonicToEntropy(words, wordlist)), walletKey: toHex(walletKey) };
}
