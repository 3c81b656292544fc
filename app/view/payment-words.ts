/** A payment in plain words: how far it is, until when it may be held up, why it ended. */
import { lookup } from '../i18n/index.ts';
import { later } from '../i18n/later.ts';
import type { PartView, PaymentFailure, PaymentView } from '../runtime/api.ts';
import { blocksTime } from './channel-text.ts';
import { clean, countdown, roughTime, whole } from './format.ts';

/** What happened, whether money is at risk, what to do now. */
export type Sentences = readonly [what: string, risk: string, now: string];

const sum = (parts: readonly PartView[], states: readonly PartView['state'][]): bigint =>
  parts.reduce((total, { state, amountMsat }) => (states.includes(state) ? total + BigInt(amountMsat) : total), 0n);
/** What of a payment to us is here, as its parts arrive. */
export const arrivedMsat = ({ parts }: PaymentView): bigint => sum(parts, ['in-flight', 'settled']);

/** The height at which the last part comes back; undefined where nothing is on its way. */
export function deadlineOf({ state, parts }: PaymentView): number | undefined {
  if (state !== 'pending' && state !== 'holding') return undefined;
  const heights = parts.flatMap((part) => (part.state === 'in-flight' && part.expiryHeight !== undefined ? [part.expiryHeight] : []));
  return heights.length === 0 ? undefined : Math.max(...heights);
}
export function deadlineText(payment: PaymentView, height: number): string {
  const deadline = deadlineOf(payment);
  if (deadline === undefined) return '';
  const blocks = deadline - height;
  return blocks > 0 ? later.payments.stuck(whole(deadline), blocksTime(blocks)) : later.payments.stuckOver(whole(deadline));
}

/** A worker may be newer than this page, and know a reason that the catalogue does not. */
const sentences = (table: { readonly [code: string]: Sentences }, code: string): Sentences | undefined =>
  Object.hasOwn(table, code) ? table[code] : undefined;
export const failureWords = (failure: PaymentFailure | undefined): Sentences =>
  sentences(later.payments.failures, failure ?? 'unreadable') ?? later.payments.failures.unreadable;
/** Of a call that was refused: nothing is recorded of it. */
export const refusalWords = (code: string): Sentences => sentences(later.send.errors, code) ?? later.send.errors.internal;

/** Where the same once more may go better. */
const fleeting: ReadonlySet<PaymentFailure> = new Set(['no-route', 'fee-too-high', 'payee-offline', 'timeout', 'not-sent', 'unreadable']);
export const mayRetry = ({ direction, failure }: PaymentView): boolean =>
  direction === 'out' && (failure === undefined || fleeting.has(failure));

/** A part's failure is a code, ours or BOLT 4's, and where it came from; in words, where we have them. */
export function partFailure({ failure }: PartView): string {
  if (failure === undefined) return '';
  const [code = '', ...where] = failure.split(' ');
  const known = lookup(later.payments.partFailures, code) ?? sentences(later.payments.failures, code)?.[0].replace(/\.$/, '');
  const from = clean(where.join(' '), 40);
  return known === undefined ? clean(failure, 120) : from === '' ? known : `${known} (${from})`;
}

/** "59:12" under an hour, then "5 hours". */
export const timeLeft = (ms: number): string => (ms > 3_600_000 ? roughTime(ms / 60_000) : countdown(ms));
