/**
 * Payments as a table for other programs: RFC 4180, UTF-8, a line for each payment, newest first. Columns, in this order:
 * `began` and `ended` (ISO 8601, UTC), `direction` (in, out), `kind` (invoice, keysend), `state`, `amount_sat` and `fee_sat` (never negative, with
 * up to three decimals for millisatoshi; the fee is of payments out), `description`, `payee` (node id), `payment_hash`, `preimage` (the
 * proof, once there is one), `failure` (a code), `invoice`.
 */
import type { PaymentView } from '../runtime/api.ts';

export const csvColumns = [
  'began',
  'ended',
  'direction',
  'kind',
  'state',
  'amount_sat',
  'fee_sat',
  'description',
  'payee',
  'payment_hash',
  'preimage',
  'failure',
  'invoice',
] as const;

/** Sat with a point for the fraction, whatever the reader's locale: programs read it. */
export function plainSat(msat: string): string {
  const padded = msat.padStart(4, '0');
  const fraction = padded.slice(-3).replace(/0+$/, '');
  return fraction === '' ? padded.slice(0, -3) : `${padded.slice(0, -3)}.${fraction}`;
}

/** What others wrote must not become a formula in a spreadsheet: such a text gets an apostrophe in front. */
function cell(text: string): string {
  const plain = /^\s*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

function row(payment: PaymentView): readonly string[] {
  const { atMs, endedAtMs, direction, kind, state, amountMsat, feeMsat, description, payee, paymentHash, preimage, failure, text } =
    payment;
  return [
    new Date(atMs).toISOString(),
    endedAtMs === undefined ? '' : new Date(endedAtMs).toISOString(),
    direction,
    kind,
    state,
    amountMsat === undefined ? '' : plainSat(amountMsat),
    feeMsat === undefined || direction === 'in' ? '' : plainSat(feeMsat),
    description ?? '',
    payee ?? '',
    paymentHash,
    preimage ?? '',
    failure ?? '',
    text ?? '',
  ];
}

export const paymentsCsv = (payments: readonly PaymentView[]): string =>
  [csvColumns, ...payments.map(row)].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('');
