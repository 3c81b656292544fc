/** What the corpora are made of. The invoices are signed with a key that everybody knows. */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { bech32 } from '@scure/base';
import { concat } from '../../shared/lib/bytes.ts';
import { recoverPubkey } from '../../shared/lib/recover.ts';
import { encodeInvoice } from '../../shared/ln/invoice/encode.ts';
import type { Invoice } from '../../shared/ln/invoice/invoice.ts';
import { bytesToWords, numberToWords, wordsToPaddedBytes } from '../../shared/ln/invoice/words.ts';
import { pointFromSecret, sign } from '../../shared/ln/keys/secp.ts';
import { encodeFeatures } from '../../shared/ln/wire/features.ts';

/** `expected`: the tag, then a problem's code or what is for later; with the marks that `summary` in the test adds. */
export type Case = { readonly name: string; readonly text: string; readonly expected: string };
export const NOW_MS = 1_700_000_300_000;

const secret = new Uint8Array(32).fill(0x42);
export const payee = pointFromSecret(secret);
export const signer = (digest: Uint8Array) => sign(digest, secret);
export const simple: Invoice = {
  network: 'mainnet',
  amountMsat: 250_000_000n,
  timestamp: 1_700_000_000,
  expirySeconds: 600,
  paymentHash: new Uint8Array(32).fill(1),
  paymentSecret: new Uint8Array(32).fill(2),
  description: 'coffee',
  payee,
  minFinalCltvExpiryDelta: 40,
  fallbacks: [],
  routeHints: [],
  features: encodeFeatures([9, 15, 17]),
};
export const write = (more: Partial<Invoice> = {}): string => encodeInvoice({ ...simple, ...more }, signer);

/** What our own writer refuses to write: any prefix, any words after the time, signed well. */
export function signed(prefix: string, words: readonly number[]): string {
  const data = [...numberToWords(simple.timestamp, 7), ...words];
  const digest = sha256(concat(utf8ToBytes(prefix), wordsToPaddedBytes(data)));
  const signature = signer(digest);
  const recovery = [0, 1, 2, 3].find((id) => recoverPubkey(signature, id, digest)?.join() === payee.join()) ?? 0;
  return bech32.encode(prefix, [...data, ...bytesToWords(concat(signature, Uint8Array.of(recovery)))], false);
}
export const field = (type: number, words: readonly number[]): number[] => [type, ...numberToWords(words.length, 2), ...words];
export const [hash, payment] = [field(1, bytesToWords(simple.paymentHash)), field(16, bytesToWords(simple.paymentSecret))];
export const [text, features] = [field(13, bytesToWords(utf8ToBytes('tea'))), field(5, [8, 16, 8])];
export const plain = [...hash, ...payment, ...text];

export const { amountMsat: _, ...open } = simple;
export const good = write();
export const free = encodeInvoice(open, signer);
export const other = write({ paymentHash: new Uint8Array(32).fill(7) });
export const expired = write({ expirySeconds: 60 });
export const segwit = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';
export const taproot = 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0';
export const oldest = '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2';
export const script = '3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy';
export const node = `02${'ab'.repeat(32)}`;
export const lnurl = bech32.encode('lnurl', bech32.toWords(utf8ToBytes('https://service.example/api?q=3fc3645b439ce8e7')), false);
export const offer = 'lno1pgx9getnwss8vetrw3hhyuckyypwa3eyt44h6txtxquqh7lz5djge4afgfjn7k4rgrkuag0jsd5xvxg';
export const recoveryWords = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
export const wif = '5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ';
export const xprv = 'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi';

export type Row = readonly [name: string, text: string, expected: string];
export const rows = (...list: readonly Row[]): readonly Row[] => list;
export const each = <T>(items: readonly T[], row: (item: T, index: number) => Row): readonly Row[] => items.map(row);
export const upper = good.toUpperCase();
export const halves = [good.slice(0, 120), good.slice(120)] as const;
export const at = (index: number, instead: string, drop = 1): string => good.slice(0, index) + instead + good.slice(index + drop);
export const encoded = (value: string): string => [...value].map((char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');

export const charset = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
export const next = (char: string): string => charset[(charset.indexOf(char) + 1) % 32] ?? 'q';

export const toCases = (groups: { readonly [group: string]: readonly Row[] }): readonly Case[] =>
  Object.entries(groups).flatMap(([group, list]) =>
    list.map(([name, text, expected]) => ({ name: `${group}: ${name.slice(0, 60)}`, text, expected })),
  );
