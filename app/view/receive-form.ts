/** The form of an invoice, what stands in the way of its being paid, and the texts that its code holds. */
import type { Snapshot } from '../runtime/api.ts';
import { parseAmount } from './amount.ts';
import { receivableSat } from './balance.ts';

/** Seconds. */
export const expiries = ['600', '3600', '86400', '604800'] as const;
export type Expiry = (typeof expiries)[number];
/** BOLT 11 allows more; a longer one makes a code that phones cannot read. The worker allows as much. */
export const MAX_DESCRIPTION = 200;

export type ReceiveCheck =
  | { readonly ok: true; readonly amountMsat?: bigint }
  | { readonly ok: false; readonly problem: 'amountBad' | 'amountZero' | 'tooMuch' };

export function checkReceive(text: string, mostSat: bigint): ReceiveCheck {
  if (text.trim() === '') return { ok: true };
  const amountSat = parseAmount(text);
  if (amountSat === null) return { ok: false, problem: 'amountBad' };
  if (amountSat === 0n) return { ok: false, problem: 'amountZero' };
  return amountSat > mostSat ? { ok: false, problem: 'tooMuch' } : { ok: true, amountMsat: amountSat * 1000n };
}

/** `no-channel`, `opening`, `no-room`: nobody could pay. `offline`, `asleep`: not now, or only while the page is open. */
export type Hurdle = 'no-channel' | 'opening' | 'no-room' | 'offline' | 'asleep';
export const isBarrier = (hurdle: Hurdle | undefined): boolean => hurdle !== undefined && hurdle !== 'offline' && hurdle !== 'asleep';

/** The first thing that stands in the way; the others would not help before it is mended. `ready`: the node can be woken. */
export function hurdleOf({ channels }: Pick<Snapshot, 'channels'>, ready: boolean): Hurdle | undefined {
  const normal = channels.filter(({ tag }) => tag === 'normal');
  if (normal.length === 0) return channels.some(({ tag }) => tag.startsWith('wait-for-')) ? 'opening' : 'no-channel';
  if (receivableSat(normal) === 0n) return 'no-room';
  if (!normal.some(({ online, receivableSat: sat }) => online && BigInt(sat ?? 0) > 0n)) return 'offline';
  return ready ? undefined : 'asleep';
}

/** In capitals a code needs fewer dots: its letters are those of QR's alphanumeric mode. */
export const lightningCode = (invoice: string): string => `LIGHTNING:${invoice.toUpperCase()}`;

/** BIP 21 with the invoice beside it; who cannot pay one pays the other. */
export function unifiedLink(address: string, invoice: string, amountMsat?: string): string {
  // The chain knows no millisatoshi: rounded up, so that it is never too little.
  const btc = amountMsat === undefined ? '' : `amount=${btcOf((BigInt(amountMsat) + 999n) / 1000n)}&`;
  return `bitcoin:${address}?${btc}lightning=${invoice}`;
}

function btcOf(sat: bigint): string {
  const digits = sat.toString().padStart(9, '0');
  const fraction = digits.slice(-8).replace(/0+$/, '');
  return fraction === '' ? digits.slice(0, -8) : `${digits.slice(0, -8)}.${fraction}`;
}
