/** The names by which a payment's parts are found again, and what of a record follows from its machine. */
import { toHex } from '../../../shared/lib/bytes.ts';
import type { Payment } from '../../../shared/ln/payment/payment.ts';
import type { PaymentRecord } from '../../store/schema.ts';

/** How an HTLC of ours is found again; ids of HTLCs that were never signed are given anew, so the newest counts. */
export const htlcKey = (channelId: Uint8Array, id: bigint): string => `${toHex(channelId)}:${id}`;

/** What a channel calls a part until its HTLC has an id. Ids of payments have no colon. */
export const partName = (id: string, n: number): string => `${id}:${n}`;
export function partOfName(name: string): { readonly id: string; readonly n: number } {
  const [id = '', n = ''] = name.split(':');
  return { id, n: Number(n) };
}

/** What a channel calls an HTLC that is passed on until it has an id. No part is called so. */
const FORWARD = 'forward ';
export const forwardName = (key: string): string => `${FORWARD}${key}`;
export const forwardOfName = (name: string): string | undefined => (name.startsWith(FORWARD) ? name.slice(FORWARD.length) : undefined);

export function withLife({ endedAtMs, ...record }: PaymentRecord, life: Payment, nowMs: number): PaymentRecord {
  const htlcs = life.parts.flatMap(({ state, htlc }) => (state === 'in-flight' && htlc !== undefined ? [htlc] : []));
  return { ...record, life, htlcs, ...(life.state === 'pending' ? {} : { endedAtMs: endedAtMs ?? nowMs }) };
}
