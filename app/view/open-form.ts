/** The form of a channel to be opened, judged as it is typed. */
import type { OpenEstimate, Speed } from '../runtime/api.ts';
import { parseAmount } from './amount.ts';

/** As the worker has it. */
export const MIN_OPEN_SAT = 20_000n;
export const speeds: readonly Speed[] = ['fast', 'normal', 'slow'];

export type OpenCheck =
  | { readonly ok: true; readonly amountSat: bigint; readonly feeSat?: bigint }
  | { readonly ok: false; readonly problem: 'empty' | 'amountBad' | 'amountLow' | 'amountHigh' };

/** `estimate` undefined: not known yet, and not held against the amount. */
export function checkOpen(text: string, speed: Speed, estimate: OpenEstimate | undefined): OpenCheck {
  if (text.trim() === '') return { ok: false, problem: 'empty' };
  const amountSat = parseAmount(text);
  if (amountSat === null) return { ok: false, problem: 'amountBad' };
  if (amountSat < MIN_OPEN_SAT) return { ok: false, problem: 'amountLow' };
  const choice = estimate?.choices[speed];
  if (choice && amountSat > BigInt(choice.maxSat)) return { ok: false, problem: 'amountHigh' };
  return { ok: true, amountSat, ...(choice?.feeSat === undefined ? {} : { feeSat: BigInt(choice.feeSat) }) };
}

/** Without coins for the least of channels there is nothing to choose. */
export const lacksCoins = (estimate: OpenEstimate): boolean =>
  speeds.every((speed) => BigInt(estimate.choices[speed].maxSat) < MIN_OPEN_SAT);
