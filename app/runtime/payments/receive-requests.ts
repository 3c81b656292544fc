/** What a page asks about being paid. Amounts are decimal strings of msat. */
import * as v from 'valibot';
import { ok } from '../../../shared/lib/result.ts';
import type { InvoicePart, InvoiceRecord } from '../../store/schema.ts';
import { loadPeers } from '../../store/store.ts';
import { done, fail, type Handlers, settle } from '../answers.ts';
import type { PartView, PaymentView } from '../api.ts';
import { Collected } from '../peers.ts';
import type { Ports } from '../ports.ts';
import { setStateOf } from './receive.ts';
import { cancelInvoice, makeInvoice } from './receive-invoice.ts';

const msat = v.pipe(v.string(), v.regex(/^[1-9]\d{0,18}$/));
/** BOLT 11 allows 639 bytes of description; more would make no QR code that a phone can read. */
const MAX_DESCRIPTION = 200;
/** To a year. */
const EXPIRY_SECONDS = { min: 1, max: 365 * 86_400 } as const;
const invoiceSchema = v.object({
  amountMsat: v.optional(msat),
  description: v.pipe(v.string(), v.maxLength(MAX_DESCRIPTION)),
  expirySeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(EXPIRY_SECONDS.min), v.maxValue(EXPIRY_SECONDS.max))),
});
const hashSchema = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

export const receiveRequests: Pick<Handlers, 'create-invoice' | 'cancel-invoice'> = {
  async 'create-invoice'(ports, arg) {
    const parsed = v.safeParse(invoiceSchema, arg);
    if (!parsed.success) return fail('amount-invalid', parsed.issues[0].message);
    const { amountMsat, description, expirySeconds } = parsed.output;
    const made = await makeInvoice(ports, {
      description,
      ...(amountMsat === undefined ? {} : { amountMsat: BigInt(amountMsat) }),
      ...(expirySeconds === undefined ? {} : { expirySeconds }),
    });
    if (!made.ok) return fail(made.error);
    ports.broadcast({ t: 'changed' });
    const { text, paymentHash, expiresAtMs } = made.value;
    return ok({ text, paymentHash, expiresAtMs });
  },

  async 'cancel-invoice'(ports, { paymentHash }) {
    if (!v.is(hashSchema, paymentHash)) return fail('payment-unknown');
    const cancelled = await cancelInvoice(ports, paymentHash);
    if (!cancelled.ok) return fail(cancelled.error);
    // What was held for it goes back now; whether or not the relay can be reached, it is decided.
    await settle(ports, new Collected());
    ports.broadcast({ t: 'changed' });
    return done;
  },
};

/** Newest first is the caller's to make. A keysend that came to nothing is none. */
export async function incomingViews(ports: Ports): Promise<readonly PaymentView[]> {
  const [invoices, peers] = await Promise.all([ports.db.getAll('invoices'), loadPeers(ports.db)]);
  const aliases = new Map(peers.map(({ peerId, alias }) => [peerId, alias]));
  return invoices
    .map((invoice) => invoiceView(invoice, aliases, ports.now()))
    .filter(({ kind, state }) => kind === 'invoice' || state === 'holding' || state === 'settling' || state === 'paid');
}

export function invoiceView(record: InvoiceRecord, aliases: ReadonlyMap<string, string>, nowMs: number): PaymentView {
  const { paymentHash, kind = 'invoice', description, text, createdAtMs, expiresAtMs, parts = [] } = record;
  const now = setStateOf(record);
  const amountMsat = record.receivedMsat ?? record.amountMsat ?? parts.find(({ state }) => state === 'held')?.totalMsat.toString();
  const endedAtMs = record.endedAtMs ?? record.cancelledAtMs;
  return {
    id: paymentHash,
    direction: 'in',
    kind,
    paymentHash,
    ...(amountMsat === undefined ? {} : { amountMsat }),
    description,
    ...(text === '' ? {} : { text, expiresAtMs }),
    atMs: createdAtMs,
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    ...(now === 'cancelled'
      ? { state: 'failed', failure: 'cancelled' }
      : { state: now === 'open' && nowMs > expiresAtMs ? 'expired' : now }),
    ...(now === 'settling' || now === 'paid' ? { preimage: record.preimage } : {}),
    parts: parts.map((part, n) => partView(part, n, aliases.get(part.peerId) ?? '')),
  };
}

const partStates: { readonly [S in InvoicePart['state']]: PartView['state'] } = {
  held: 'in-flight',
  fulfilling: 'in-flight',
  fulfilled: 'settled',
  failing: 'failed',
};

/** How far it came, and what it cost, only its sender knows. */
const partView = ({ amountMsat, state, cltvExpiry, failure }: InvoicePart, n: number, peerAlias: string): PartView => ({
  n,
  amountMsat: amountMsat.toString(),
  feeMsat: '0',
  state: partStates[state],
  hops: 0,
  peerAlias,
  ...(state === 'fulfilled' ? {} : { expiryHeight: cltvExpiry }),
  ...(failure === undefined ? {} : { failure }),
});
