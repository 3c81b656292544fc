/**
 * BIP 39 words (English, 12 or 24) and the seed they stand for. Only where words are made or typed: the word list and PBKDF2 have no
 * place in a worker that wakes to sign, so nothing on the signing path may import this file.
 */
import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedSync } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { err, ok, type Result } from '../../lib/result.ts';

export type WordsError =
  | { readonly code: 'words-count'; readonly count: number }
  /** `index` counts from 0; `word` as it was typed, in lower case. */
  | { readonly code: 'words-unknown'; readonly index: number; readonly word: string }
  | { readonly code: 'words-checksum' };

/** Words from fresh entropy: 16 bytes make 12 words, 32 bytes make 24. */
export function wordsFromEntropy(entropy: Uint8Array): string {
  if (entropy.length !== 16 && entropy.length !== 32) throw new RangeError('wordsFromEntropy: expected 16 or 32 bytes');
  return entropyToMnemonic(entropy, wordlist);
}

/** What a person typed or pasted, as the words in their one spelling: lower case, single spaces. */
export function parseWords(text: string): Result<string, WordsError> {
  const words = text.normalize('NFKD').toLowerCase().trim().split(/\s+/).filter(Boolean);
  if (words.length !== 12 && words.length !== 24) return err({ code: 'words-count', count: words.length });
  const known = new Set(wordlist);
  for (const [index, word] of words.entries()) if (!known.has(word)) return err({ code: 'words-unknown', index, word });
  const spelled = words.join(' ');
  try {
    mnemonicToEntropy(spelled, wordlist);
  } catch {
    return err({ code: 'words-checksum' });
  }
  return ok(spelled);
}

/** For completion while typing: up to `limit` words of the list that begin so. */
export const wordsStartingWith = (prefix: string, limit: number): readonly string[] =>
  wordlist.filter((word) => word.startsWith(prefix)).slice(0, limit);

/** The 64-byte BIP 39 seed of words that `parseWords` accepted. PBKDF2 with 2048 rounds: takes a moment. */
export const seedFromWords = (words: string, passphrase = ''): Uint8Array => mnemonicToSeedSync(words, passphrase);
