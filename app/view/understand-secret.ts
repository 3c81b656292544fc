/** Keys and recovery words that somebody pasted in the wrong place. What is found is only named: it must not reach a page, a log or an address. */
import type { SecretCode } from './understood.ts';

const base58 = '[1-9A-HJ-NP-Za-km-z]';
const alone = (pattern: string, flags = ''): RegExp => new RegExp(`(?<![A-Za-z0-9])(?:${pattern})(?![A-Za-z0-9])`, flags);

/** By form, not by checksum: a mistyped key is nearly a key. */
const keys: readonly RegExp[] = [
  // Wallet import format, of either network, for compressed public keys and others.
  alone(`[59]${base58}{50}|[KLc]${base58}{51}`),
  // BIP 32 and its kin; BIP 38.
  alone(`[xyzYZtuvUV]prv${base58}{50,}`),
  alone(`6P${base58}{56}`),
  // BIP 93, and the keys of nostr.
  alone('ms1[02-9ac-hj-np-z]{40,}|nsec1[02-9ac-hj-np-z]{50,}', 'i'),
];

const access = /(?:^|\s)(?:lndconnect|clnrest|c-lightning-rest|eclair|nostr\+?walletconnect):|[?&](?:macaroon|rune|secret)=/i;

/** A word of any list of BIP 39: letters, in Chinese a single one. */
const word = /^(?:[\p{L}\p{M}]{3,12}|\p{Script=Han}|[\p{Script=Hiragana}\p{Script=Hangul}\p{M}]{2,10})$/u;
/** 12 to 24 of them, with one lost or a few strangers. */
const [FEWEST_WORDS, MOST_WORDS] = [11, 27];
/** As many characters, with numbers and signs. */
const MAX_CHARS = 600;

function areRecoveryWords(text: string): boolean {
  if (text.trim().length > MAX_CHARS) return false;
  const tokens = text
    .split(/[\s,;]+/)
    // They are often numbered.
    .map((token) => token.replace(/^[^\p{L}]+|[^\p{L}\p{M}]+$/gu, ''))
    .filter((token) => token !== '');
  return tokens.length >= FEWEST_WORDS && tokens.length <= MOST_WORDS && tokens.every((token) => word.test(token));
}

/** Without what cannot be seen: marks of byte order and direction, joiners, controls. Line breaks become spaces. */
export const visible = (text: string): string =>
  text.replace(/[\p{Zl}\p{Zp}\s]/gu, ' ').replace(/[\p{Cc}\p{Cf}]|\u034f|\u115f|\u1160|\u3164|\uffa0|\u2800|\ufe0f|[\ufe00-\ufe0e]/gu, '');

export function secretIn(written: string): SecretCode | undefined {
  const text = visible(written);
  if (access.test(text)) return 'secret-access';
  const joined = text.replace(/\s+/g, '');
  if (keys.some((pattern) => pattern.test(text) || pattern.test(joined))) return 'secret-key';
  return areRecoveryWords(text) ? 'secret-words' : undefined;
}
