/** What is to be paid, from what a text was understood as; and the amount where the payer chooses it. */
import type { PayEstimate } from '../runtime/api.ts';
import { parseAmount } from './amount.ts';
import type { Order } from './paying.svelte.ts';
import type { Understood } from './understood.ts';

/** Something that this node can pay. Amounts in msat. */
export type Target =
  | {
      readonly kind: 'invoice';
      readonly text: string;
      readonly payee: string;
      readonly amountMsat?: bigint;
      readonly description?: string;
      readonly expiresAtMs: number;
    }
  | { readonly kind: 'keysend'; readonly payee: string };

export function targetOf(understood: Understood): Target | undefined {
  if (understood.tag === 'node') return { kind: 'keysend', payee: understood.nodeId };
  const invoice = understood.tag === 'unified' ? understood.invoice : understood.tag === 'invoice' ? understood : undefined;
  if (invoice === undefined) return undefined;
  const { text, payee, amountMsat, description, expiresAtMs } = invoice;
  return {
    kind: 'invoice',
    text,
    payee,
    expiresAtMs,
    ...(amountMsat === undefined ? {} : { amountMsat }),
    ...(description === undefined ? {} : { description }),
  };
}

export type AmountCheck =
  | { readonly ok: true; readonly amountMsat: bigint }
  | { readonly ok: false; readonly problem: 'empty' | 'amountBad' | 'amountZero' | 'amountHigh' };

export function checkAmount(text: string, mostSat: bigint): AmountCheck {
  if (text.trim() === '') return { ok: false, problem: 'empty' };
  const amountSat = parseAmount(text);
  if (amountSat === null) return { ok: false, problem: 'amountBad' };
  if (amountSat === 0n) return { ok: false, problem: 'amountZero' };
  return amountSat > mostSat ? { ok: false, problem: 'amountHigh' } : { ok: true, amountMsat: amountSat * 1000n };
}

/** Nobody can tell the fee of a payment without an invoice before it is tried: a hundredth, and at least 5 sat. */
export const keysendMaxFee = (amountMsat: bigint): bigint => (amountMsat / 100n > 5_000n ? amountMsat / 100n : 5_000n);

/** The fee that was shown is the fee that is allowed. */
export function orderOf(target: Target, amountMsat: bigint, estimate: PayEstimate | undefined): Order {
  if (target.kind === 'keysend')
    return { kind: 'keysend', payee: target.payee, amountMsat: String(amountMsat), maxFeeMsat: String(keysendMaxFee(amountMsat)) };
  return {
    kind: 'invoice',
    text: target.text,
    ...(target.amountMsat === undefined ? { amountMsat: String(amountMsat) } : {}),
    ...(estimate === undefined ? {} : { maxFeeMsat: estimate.maxFeeMsat }),
  };
}
