/** BOLT 11 § Human-Readable Part: the network and the amount, in the part of an invoice that people can read. */
import { err, ok, type Result } from '../../lib/result.ts';

export type InvoiceNetwork = 'mainnet' | 'testnet' | 'signet' | 'regtest';
export const networkPrefixes: Readonly<Record<InvoiceNetwork, string>> = { mainnet: 'bc', testnet: 'tb', signet: 'tbs', regtest: 'bcrt' };
const networkOf = new Map(Object.entries(networkPrefixes).map(([network, prefix]) => [prefix, network as InvoiceNetwork]));

/** What one unit of each multiplier is, in tenths of a millisatoshi, the largest first. */
const units = [
  ['', 1_000_000_000_000n],
  ['m', 1_000_000_000n],
  ['u', 1_000_000n],
  ['n', 1_000n],
  ['p', 1n],
] as const;
/** 21 million bitcoin: no more can be owed. */
export const MAX_AMOUNT_MSAT = 2_100_000_000_000_000_000n;
/** The digits of that amount in pico-bitcoin. */
const MAX_DIGITS = 20;

export type HumanPart = { readonly network: InvoiceNetwork; readonly amountMsat?: bigint };
export type HumanPartError =
  /** Of a chain that nobody here knows, or no invoice at all. */
  | { readonly code: 'unknown-network' }
  /** Not a positive number without leading zeros, with a multiplier or without. */
  | { readonly code: 'bad-amount' }
  /** A part of a millisatoshi, which nobody can send. */
  | { readonly code: 'too-precise' }
  | { readonly code: 'amount-too-large' };

export function readHumanPart(part: string): Result<HumanPart, HumanPartError> {
  const [, prefix, digits, multiplier] = /^ln([a-z]+)(?:(\d.*?)([a-z]?))?$/.exec(part) ?? [];
  // BOLT 11: "if it does NOT understand the `prefix`: MUST fail the payment"
  const network = networkOf.get(prefix ?? '');
  if (network === undefined) return err({ code: 'unknown-network' });
  if (digits === undefined) return ok({ network });
  const unit = units.find(([letter]) => letter === multiplier)?.[1];
  // BOLT 11: "if `amount` contains a non-digit OR is followed by anything except a `multiplier` (see table above): MUST fail the payment"
  if (unit === undefined || !/^[1-9]\d*$/.test(digits)) return err({ code: 'bad-amount' });
  if (digits.length > MAX_DIGITS) return err({ code: 'amount-too-large' });
  const tenths = BigInt(digits) * unit;
  // BOLT 11: "if multiplier is `p` and the last decimal of `amount` is not 0: MUST fail the payment"
  if (tenths % 10n !== 0n) return err({ code: 'too-precise' });
  const amountMsat = tenths / 10n;
  return amountMsat > MAX_AMOUNT_MSAT ? err({ code: 'amount-too-large' }) : ok({ network, amountMsat });
}

/** BOLT 11: "SHOULD use the shortest representation possible, by using the largest multiplier or omitting the multiplier". Throws on no amount. */
export function writeHumanPart({ network, amountMsat }: HumanPart): string {
  const prefix = `ln${networkPrefixes[network]}`;
  if (amountMsat === undefined) return prefix;
  if (amountMsat <= 0n || amountMsat > MAX_AMOUNT_MSAT) throw new RangeError(`${amountMsat} msat in an invoice`);
  const tenths = amountMsat * 10n;
  const [letter, unit] = units.find(([, size]) => tenths % size === 0n) ?? ['p', 1n];
  return `${prefix}${tenths / unit}${letter}`;
}
