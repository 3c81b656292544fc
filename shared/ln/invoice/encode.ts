/**
 * BOLT 11, "A writer". What it cannot write (two descriptions, a feature without the one it rests on, an amount of nothing) is a bug of
 * the caller and thrown. Callers must still: take a fresh random preimage and secret for every invoice, store both before they show it, and
 * give hints where no channel is public.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { bech32 } from '@scure/base';
import { concat, equal } from '../../lib/bytes.ts';
import { recoverPubkey } from '../../lib/recover.ts';
import { unfit, Writer } from '../../lib/writer.ts';
import { missingDependencies } from '../wire/features.ts';
import { fallbackWords } from './address.ts';
import { writeHumanPart } from './amount.ts';
import { DEFAULT_EXPIRY_SECONDS, type Invoice, type InvoiceField, MAX_INVOICE_CHARS, type RouteHintHop } from './invoice.ts';
import { routeHint } from './parse.ts';
import { bytesToWords, numberToWords, vectorToWords, wordsToPaddedBytes } from './words.ts';

const types: Readonly<Record<InvoiceField, number>> = { p: 1, s: 16, d: 13, m: 27, n: 19, h: 23, x: 6, c: 24, f: 9, r: 3, '9': 5 };
const TIMESTAMP_WORDS = 7;
const MAX_FIELD_WORDS = 1023;

/** `sign` answers with 64 bytes, r ‖ s, of the key of `invoice.payee`; which recovery id that needs is found here. */
export function encodeInvoice(invoice: Invoice, sign: (digest: Uint8Array) => Uint8Array): string {
  const prefix = writeHumanPart(invoice);
  const timestamp = numberToWords(invoice.timestamp, TIMESTAMP_WORDS);
  if (timestamp.length !== TIMESTAMP_WORDS) unfit(`timestamp ${invoice.timestamp}`);
  const data = [...timestamp, ...fieldWords(invoice)];
  const digest = sha256(concat(utf8ToBytes(prefix), wordsToPaddedBytes(data)));
  const signature = sign(digest);
  const recovery = [0, 1, 2, 3].find((id) => equal(recoverPubkey(signature, id, digest) ?? new Uint8Array(0), invoice.payee));
  if (recovery === undefined) return unfit('an invoice that its payee did not sign');
  const text = bech32.encode(prefix, [...data, ...bytesToWords(concat(signature, Uint8Array.of(recovery)))], false);
  return text.length > MAX_INVOICE_CHARS ? unfit(`an invoice of ${text.length} characters`) : text;
}

function fieldWords(invoice: Invoice): number[] {
  const { description, descriptionHash, paymentMetadata, expirySeconds, features } = invoice;
  // BOLT 11: "MUST include either exactly one `d` or exactly one `h` field"
  if ((description === undefined) === (descriptionHash === undefined)) unfit('an invoice with two descriptions, or with none');
  if (missingDependencies(features).length > 0) unfit('an invoice with a feature that rests on another one');
  const vector = vectorToWords(features);
  return [
    field('s', fixed(invoice.paymentSecret, 32)),
    field('p', fixed(invoice.paymentHash, 32)),
    description === undefined ? [] : field('d', bytesToWords(utf8ToBytes(description))),
    descriptionHash === undefined ? [] : field('h', fixed(descriptionHash, 32)),
    paymentMetadata === undefined ? [] : field('m', bytesToWords(paymentMetadata)),
    expirySeconds === DEFAULT_EXPIRY_SECONDS ? [] : field('x', numberToWords(expirySeconds)),
    // BOLT 11: "SHOULD include one `c` field (`min_final_cltv_expiry_delta`)"
    field('c', numberToWords(invoice.minFinalCltvExpiryDelta)),
    ...invoice.fallbacks.map((fallback) => field('f', fallbackWords(fallback))),
    ...invoice.routeHints.map((hops) => field('r', hintWords(hops))),
    // BOLT 11: "otherwise: MUST omit the `9` field altogether"
    vector.length === 0 ? [] : field('9', vector),
  ].flat();
}

const fixed = (bytes: Uint8Array, length: number): number[] =>
  bytes.length === length ? bytesToWords(bytes) : unfit(`${bytes.length} bytes`);

function field(letter: InvoiceField, words: readonly number[]): number[] {
  if (words.length > MAX_FIELD_WORDS) unfit(`field ${letter} of ${words.length} words`);
  return [types[letter], ...numberToWords(words.length, 2), ...words];
}

function hintWords(hops: readonly RouteHintHop[]): number[] {
  if (hops.length === 0) unfit('a route hint without a hop');
  const to = new Writer();
  routeHint.write(to, hops);
  return bytesToWords(to.done());
}
