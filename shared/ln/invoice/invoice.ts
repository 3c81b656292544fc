/**
 * BOLT 11: an invoice as a value, whatever its text was.
 *
 * Callers must still: hold it against the time (`isExpired`), the fees and the delays that they accept; show `description` only through
 * `cleanDescription`; and believe of node ids in hints that they have the shape of a point and no more.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { equal } from '../../lib/bytes.ts';
import type { Fallback } from './address.ts';
import type { HumanPartError, InvoiceNetwork } from './amount.ts';

/** The longest text that is read: what the largest QR code holds in digits. */
export const MAX_INVOICE_CHARS = 7089;
export const DEFAULT_EXPIRY_SECONDS = 3600;
export const DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA = 18;

/** A channel that leads on from `nodeId`, as BOLT 7's `channel_update` would tell of it. */
export type RouteHintHop = {
  readonly nodeId: Uint8Array;
  readonly shortChannelId: bigint;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly cltvExpiryDelta: number;
};

export type Invoice = {
  readonly network: InvoiceNetwork;
  /** Undefined: the payer chooses. */
  readonly amountMsat?: bigint;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly expirySeconds: number;
  readonly paymentHash: Uint8Array;
  readonly paymentSecret: Uint8Array;
  /** Either this or `descriptionHash`. */
  readonly description?: string;
  readonly descriptionHash?: Uint8Array;
  readonly paymentMetadata?: Uint8Array;
  /** Who signed it. */
  readonly payee: Uint8Array;
  readonly minFinalCltvExpiryDelta: number;
  /** The most preferred first. */
  readonly fallbacks: readonly Fallback[];
  readonly routeHints: readonly (readonly RouteHintHop[])[];
  readonly features: Uint8Array;
};

/** BOLT 11's letters. */
export type InvoiceField = 'p' | 's' | 'd' | 'm' | 'n' | 'h' | 'x' | 'c' | 'f' | 'r' | '9';
export type InvoiceError =
  | HumanPartError
  | { readonly code: 'too-long' | 'too-short' | 'mixed-case' }
  /** Not this kind of text at all. */
  | { readonly code: 'not-bech32' }
  /** A letter is wrong or missing. */
  | { readonly code: 'checksum' }
  /** A good invoice, for money on another network. */
  | { readonly code: 'wrong-network'; readonly network: InvoiceNetwork }
  /** Nobody signed this, or not the node that it names. */
  | { readonly code: 'bad-signature' }
  /** The node that it names signed it in the form that BOLT 11 forbids. */
  | { readonly code: 'high-s' }
  /** Its contents cannot be read: cut off, not UTF-8, not minimal. */
  | { readonly code: 'bad-field'; readonly field: InvoiceField | 'unknown' }
  /** Without a hash, a secret, or a description. */
  | { readonly code: 'missing'; readonly field: 'p' | 's' | 'd' }
  /** A description and the hash of one. */
  | { readonly code: 'two-descriptions' }
  /** It needs what this wallet does not know, by bits. */
  | { readonly code: 'unknown-features'; readonly bits: readonly number[] }
  /** It offers a feature without one that it rests on. */
  | { readonly code: 'missing-feature' };

export const expiresAt = (invoice: Invoice): number => invoice.timestamp + invoice.expirySeconds;
/** `now` in seconds since 1970. BOLT 11: "after the `timestamp` plus `expiry` has passed: SHOULD NOT attempt a payment". */
export const isExpired = (invoice: Invoice, now: number): boolean => now > expiresAt(invoice);

/** BOLT 11: "MUST check that the SHA2 256-bit hash in the `h` field exactly matches the hashed description". */
export const describes = (invoice: Invoice, text: string): boolean =>
  invoice.descriptionHash === undefined ? invoice.description === text : equal(invoice.descriptionHash, sha256(utf8ToBytes(text)));
