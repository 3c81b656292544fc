/** BOLT 11, "A reader": from the text to an `Invoice`, or to the fault. Never throws on any text. */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { bech32 } from '@scure/base';
import { concat } from '../../lib/bytes.ts';
import { recoverPubkey } from '../../lib/recover.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { verifyCompact } from '../../lib/verify.ts';
import { type Fields, listRest, point, shortChannelId, struct, u16, u32 } from '../wire/codec.ts';
import { Reader } from '../wire/cursor.ts';
import { encodeFeatures, features, missingDependencies, unknownRequired } from '../wire/features.ts';
import { guarded } from '../wire/tlv.ts';
import { type Fallback, readFallback } from './address.ts';
import { type InvoiceNetwork, readHumanPart } from './amount.ts';
import {
  DEFAULT_EXPIRY_SECONDS,
  DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA,
  type Invoice,
  type InvoiceError,
  type InvoiceField,
  MAX_INVOICE_CHARS,
  type RouteHintHop,
} from './invoice.ts';
import { wordsToBytes, wordsToNumber, wordsToPaddedBytes, wordsToVector } from './words.ts';

/** Both runtimes have it; `shared` knows neither's types. */
declare const TextDecoder: new (label: 'utf-8', options: { fatal: true; ignoreBOM: true }) => { decode(bytes: Uint8Array): string };
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const TIMESTAMP_WORDS = 7;
const SIGNATURE_WORDS = 104;
const HASH_WORDS = 52;
const POINT_WORDS = 53;
/** Past these a number of seconds or blocks is a fault and no number. */
const MAX_NUMBER_WORDS = 10;
const fieldOf = new Map<number, InvoiceField>([
  [1, 'p'],
  [16, 's'],
  [13, 'd'],
  [27, 'm'],
  [19, 'n'],
  [23, 'h'],
  [6, 'x'],
  [24, 'c'],
  [9, 'f'],
  [3, 'r'],
  [5, '9'],
]);
const hopFields = {
  nodeId: point,
  shortChannelId,
  feeBaseMsat: u32,
  feeProportionalMillionths: u32,
  cltvExpiryDelta: u16,
} as const satisfies Fields;
export const routeHint = listRest(struct(hopFields));

/** What an invoice may ask of us. */
const served = encodeFeatures(Object.values(features).flatMap((feature) => (feature.context.includes('9') ? [feature.bit] : [])));

type Tagged = { readonly field: InvoiceField; readonly words: readonly number[] };

/** Who signed, and is it signed: the port of `keys/secp.ts` has both, and faster ones where a faster curve stands behind it. */
export type Signatures = {
  readonly recover: (signature: Uint8Array, recovery: number, digest: Uint8Array) => Uint8Array | undefined;
  readonly verify: (signature: Uint8Array, digest: Uint8Array, pubkey: Uint8Array) => boolean;
};
/** For a reader that may not reach the signer's curve. */
const plainSignatures: Signatures = { recover: recoverPubkey, verify: verifyCompact };

export function parseInvoice(text: string, network: InvoiceNetwork, signatures = plainSignatures): Result<Invoice, InvoiceError> {
  const decoded = readBech32(text);
  if (!decoded.ok) return decoded;
  const { prefix, words } = decoded.value;
  const human = readHumanPart(prefix);
  if (!human.ok) return human;
  if (human.value.network !== network) return err({ code: 'wrong-network', network: human.value.network });
  if (words.length < TIMESTAMP_WORDS + SIGNATURE_WORDS) return err({ code: 'too-short' });
  const data = words.slice(0, -SIGNATURE_WORDS);
  const tagged = readTagged(data.slice(TIMESTAMP_WORDS));
  if (!tagged.ok) return tagged;
  const digest = sha256(concat(utf8ToBytes(prefix), wordsToPaddedBytes(data)));
  const payee = readPayee(tagged.value, wordsToBytes(words.slice(-SIGNATURE_WORDS)), digest, signatures);
  if (!payee.ok) return payee;
  const fields = readFields(tagged.value);
  if (!fields.ok) return fields;
  const timestamp = wordsToNumber(data.slice(0, TIMESTAMP_WORDS));
  return ok({ ...human.value, timestamp, payee: payee.value, ...fields.value });
}

function readBech32(text: string): Result<{ readonly prefix: string; readonly words: readonly number[] }, InvoiceError> {
  if (text.length > MAX_INVOICE_CHARS) return err({ code: 'too-long' });
  // Before any case is changed: there are letters outside ASCII whose lower case is within.
  if (!/^[A-Za-z0-9]+$/.test(text)) return err({ code: 'not-bech32' });
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) return err({ code: 'mixed-case' });
  // BOLT 11: "MUST parse the address as Bech32, as specified in BIP-0173 (also without the character limit)"
  const decoded = bech32.decodeUnsafe(lower, false);
  if (decoded) return ok(decoded);
  // BOLT 11: "if the checksum is incorrect: MUST fail the payment"
  return err({ code: /^ln[a-z].*1[02-9ac-hj-np-z]{6,}$/.test(lower) ? 'checksum' : 'not-bech32' });
}

/** The fields that BOLT 11 names, in order. */
function readTagged(words: readonly number[]): Result<readonly Tagged[], InvoiceError> {
  const tagged: Tagged[] = [];
  for (let at = 0; at < words.length; ) {
    const field = fieldOf.get(words[at] ?? 0);
    const start = at + 3;
    const end = start + wordsToNumber(words.slice(at + 1, start));
    if (start > words.length || end > words.length) return err({ code: 'bad-field', field: field ?? 'unknown' });
    if (field !== undefined && hasItsLength(field, end - start)) tagged.push({ field, words: words.slice(start, end) });
    at = end;
  }
  return ok(tagged);
}

/** The BOLT's text would fail the payment for another length; its example "including fields which must be ignored" skips those fields. */
function hasItsLength(field: InvoiceField, length: number): boolean {
  if (field === 'n') return length === POINT_WORDS;
  return !['p', 's', 'h'].includes(field) || length === HASH_WORDS;
}

/** BOLT 11: "MUST check that the `signature` is valid". `signature` is 65 bytes: r ‖ s ‖ recovery id. */
function readPayee(
  tagged: readonly Tagged[],
  signature: Uint8Array,
  digest: Uint8Array,
  { recover, verify }: Signatures,
): Result<Uint8Array, InvoiceError> {
  const [compact, recovery] = [signature.subarray(0, 64), signature[64] ?? 0];
  const named = tagged.find(({ field }) => field === 'n');
  if (named === undefined) {
    // BOLT 11: "MUST perform ECDSA public-key recovery and accept both high-S and low-S signatures"
    const signer = recover(compact, recovery, digest);
    return signer ? ok(signer) : err({ code: 'bad-signature' });
  }
  // BOLT 11: "MUST use the `n` field to validate the signature instead of performing public-key recovery"
  const payee = wordsToBytes(named.words);
  if (verify(compact, digest, payee)) return ok(payee);
  // BOLT 11: "If the signature is not compliant with the low-S standard rule", "MUST fail the payment": told apart for whoever looks for the fault.
  const isHighS = (compact[32] ?? 0) >= 0x80;
  return err({ code: isHighS ? 'high-s' : 'bad-signature' });
}

type FieldValues = Omit<Invoice, 'network' | 'amountMsat' | 'timestamp' | 'payee'>;

function readFields(tagged: readonly Tagged[]): Result<FieldValues, InvoiceError> {
  const all = (letter: InvoiceField) => tagged.filter(({ field }) => field === letter).map(({ words }) => words);
  // BOLT 11: "SHOULD use the first `p` field as the payment hash": of each field that stands once, the first.
  const [[p], [s], [d], [h], [m], [x], [c], [bits]] = [all('p'), all('s'), all('d'), all('h'), all('m'), all('x'), all('c'), all('9')];
  if (p === undefined) return err({ code: 'missing', field: 'p' });
  // BOLT 11: "if a valid `s` field is not provided: MUST fail the payment"
  if (s === undefined) return err({ code: 'missing', field: 's' });
  // BOLT 11: "MUST fail the payment if neither a `d` field nor a `h` field is present, or if both are present"
  if (d === undefined && h === undefined) return err({ code: 'missing', field: 'd' });
  if (d !== undefined && h !== undefined) return err({ code: 'two-descriptions' });
  const description = d && readText(d);
  if (d !== undefined && description === undefined) return err({ code: 'bad-field', field: 'd' });
  // BOLT 11: "which has a non-minimal `data_length` (i.e. begins with 0 field elements): SHOULD treat the invoice as invalid"
  const [loose] = (['x', 'c', '9'] as const).filter((field) => all(field)[0]?.[0] === 0);
  if (loose !== undefined) return err({ code: 'bad-field', field: loose });
  const [long] = (['x', 'c'] as const).filter((field) => (all(field)[0]?.length ?? 0) > MAX_NUMBER_WORDS);
  if (long !== undefined) return err({ code: 'bad-field', field: long });
  const vector = wordsToVector(bits ?? []);
  const unknown = unknownRequired(vector, served);
  // BOLT 11: "if the `9` field contains unknown _even_ bits that are non-zero: MUST fail the payment"
  if (unknown.length > 0) return err({ code: 'unknown-features', bits: unknown });
  // BOLT 11: "if the feature vector does not set all known, transitive feature dependencies: MUST NOT attempt the payment"
  if (missingDependencies(vector).length > 0) return err({ code: 'missing-feature' });
  const hints = all('r').map(readHint);
  if (hints.includes(undefined)) return err({ code: 'bad-field', field: 'r' });
  return ok({
    paymentHash: wordsToBytes(p),
    // BOLT 11: "MUST use the `s` field as [`payment_secret`]"
    paymentSecret: wordsToBytes(s),
    ...(description === undefined ? {} : { description }),
    ...(h === undefined ? {} : { descriptionHash: wordsToBytes(h) }),
    ...(m === undefined ? {} : { paymentMetadata: wordsToBytes(m) }),
    expirySeconds: x === undefined ? DEFAULT_EXPIRY_SECONDS : wordsToNumber(x),
    // BOLT 11: "MUST use an expiry delta of at least 18 when making the payment"
    minFinalCltvExpiryDelta: c === undefined ? DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA : wordsToNumber(c),
    fallbacks: all('f')
      .map(readFallback)
      .filter((fallback): fallback is Fallback => fallback !== undefined),
    routeHints: hints.filter((hint): hint is readonly RouteHintHop[] => hint !== undefined),
    features: vector,
  });
}

function readText(words: readonly number[]): string | undefined {
  try {
    return strictUtf8.decode(wordsToBytes(words));
  } catch {
    return undefined;
  }
}

/** BOLT 11: "MUST contain one or more ordered entries, indicating the forward route from a public node to the final destination". */
function readHint(words: readonly number[]): readonly RouteHintHop[] | undefined {
  const hops = guarded(() => routeHint.read(new Reader(wordsToBytes(words))));
  return hops.ok && hops.value.length > 0 ? hops.value : undefined;
}
