/**
 * The beginning of a payment of ours: what is asked is held against the invoice, the clock and what was paid before; routes are found; and the
 * record is written in the very commit that offers the first HTLC, under the lock that looks for another of the same id or hash. Whatever is
 * killed, and whoever asks at the same moment, a payment is made at most once, and none is recorded that was not offered. `drive.ts` goes on.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../../shared/lib/result.ts';
import { expiresAt, type Invoice, isExpired } from '../../../shared/ln/invoice/invoice.ts';
import { parseInvoice } from '../../../shared/ln/invoice/parse.ts';
import { isPoint, recover, verify } from '../../../shared/ln/keys/secp.ts';
import { stepPayment } from '../../../shared/ln/payment/machine.ts';
import { newPayment, type PaymentTerms, partsIn } from '../../../shared/ln/payment/payment.ts';
import type { Route } from '../../../shared/ln/route/query.ts';
import { has } from '../../../shared/ln/wire/features.ts';
import type { PaymentRecord } from '../../store/schema.ts';
import { rivalOf, setting } from '../../store/store.ts';
import type { ApiErrorCode } from '../api.ts';
import { networkOf } from '../network.ts';
import type { Collected } from '../peers.ts';
import type { Ports } from '../ports.ts';
import { offerPlanned, planOf } from './drive.ts';
import { routesFor } from './routes.ts';

export type PayError = { readonly code: ApiErrorCode; readonly detail: string };
export type PayRequest = { readonly id: string; readonly text: string; readonly amountMsat?: bigint; readonly maxFeeMsat?: bigint };
export type KeysendRequest = { readonly id: string; readonly payee: string; readonly amountMsat: bigint; readonly maxFeeMsat?: bigint };

/** Parts that are on their way then are waited for; no more are sent. */
const PAYMENT_MS = 120_000;
/** Where the payee takes parts; more would cost more than they help. */
const MAX_PARTS = 16;
/** Of a payment without an invoice, what others ask for. */
const KEYSEND_CLTV_DELTA = 42;
/** A block or two may come before the payee looks. */
const SPARE_BLOCKS = 3;
/** BOLT 7 § Recommendations for Routing: some more, so that an expiry does not tell the payee from a hop. */
const SHADOW_BLOCKS = 21;

/** Half a percent, and for small amounts the base fees of a route. */
export const defaultMaxFeeMsat = (amountMsat: bigint): bigint => 5_000n + amountMsat / 200n;

const finalCltvDelta = (ports: Ports, delta: number): number => delta + SPARE_BLOCKS + ((ports.entropy(1)[0] ?? 0) % SHADOW_BLOCKS);

type Draft = Pick<PaymentTerms, 'kind' | 'paymentHash' | 'payee' | 'amountMsat' | 'maxParts'> & {
  readonly id: string;
  readonly maxFeeMsat: bigint | undefined;
  readonly expiresAtMs?: number;
};

function recordOf(ports: Ports, draft: Draft, more: Omit<PaymentRecord, 'id' | 'fence' | 'createdAtMs' | 'life' | 'htlcs'>): PaymentRecord {
  const { id, expiresAtMs = Number.POSITIVE_INFINITY, maxFeeMsat = defaultMaxFeeMsat(draft.amountMsat), ...terms } = draft;
  const createdAtMs = ports.now();
  const endMs = createdAtMs + PAYMENT_MS;
  const deadline = { deadlineMs: Math.min(endMs, expiresAtMs), expires: expiresAtMs < endMs };
  return { id, fence: 0, createdAtMs, life: newPayment({ ...terms, maxFeeMsat, ...deadline }), htlcs: [], ...more };
}

type Readable = { readonly invoice: Invoice; readonly amountMsat: bigint };

async function readInvoice(ports: Ports, text: string, wantedMsat: bigint | undefined): Promise<Result<Readable, PayError>> {
  const parsed = parseInvoice(text, networkOf(await setting(ports.db, 'network')).name, { recover, verify });
  if (!parsed.ok) return err({ code: 'invoice-invalid', detail: parsed.error.code });
  const invoice = parsed.value;
  if (isExpired(invoice, Math.floor(ports.now() / 1_000))) return err({ code: 'invoice-expired', detail: '' });
  const amountMsat = invoice.amountMsat ?? wantedMsat;
  if (amountMsat === undefined || amountMsat <= 0n) return err({ code: 'amount-needed', detail: '' });
  return ok({ invoice, amountMsat });
}

/** BOLT 11's invoice as a payment that has not begun. */
export async function draftOf(ports: Ports, request: PayRequest): Promise<Result<PaymentRecord, PayError>> {
  const read = await readInvoice(ports, request.text, request.amountMsat);
  if (!read.ok) return read;
  const { invoice, amountMsat } = read.value;
  const draft: Draft = {
    id: request.id,
    kind: 'invoice',
    paymentHash: toHex(invoice.paymentHash),
    payee: toHex(invoice.payee),
    amountMsat,
    maxFeeMsat: request.maxFeeMsat,
    maxParts: has(invoice.features, 'basic_mpp') ? MAX_PARTS : 1,
    expiresAtMs: expiresAt(invoice) * 1_000,
  };
  const { description } = invoice;
  return ok(
    recordOf(ports, draft, {
      text: request.text,
      ...(description === undefined ? {} : { description }),
      finalCltvDelta: finalCltvDelta(ports, invoice.minFinalCltvExpiryDelta),
    }),
  );
}

/** Asked again with the same id: the same payment, made no second time. */
export async function pay(ports: Ports, request: PayRequest, into: Collected): Promise<Result<PaymentRecord, PayError>> {
  const known = await ports.db.get('payments', request.id);
  if (known !== undefined) return ok(known);
  const draft = await draftOf(ports, request);
  return draft.ok ? begin(ports, draft.value, into) : draft;
}

export async function keysend(ports: Ports, request: KeysendRequest, into: Collected): Promise<Result<PaymentRecord, PayError>> {
  const known = await ports.db.get('payments', request.id);
  if (known !== undefined) return ok(known);
  if (!isPoint(fromHex(request.payee))) return err({ code: 'payee-invalid', detail: request.payee });
  const preimage = ports.entropy(32);
  const { id, payee, amountMsat, maxFeeMsat } = request;
  const draft: Draft = { id, kind: 'keysend', paymentHash: toHex(sha256(preimage)), payee, amountMsat, maxFeeMsat, maxParts: 1 };
  const delta = finalCltvDelta(ports, KEYSEND_CLTV_DELTA);
  return begin(ports, recordOf(ports, draft, { keysendPreimage: toHex(preimage), finalCltvDelta: delta }), into);
}

/** A payment of the same amount to the same payee for a hash that nobody has: it comes back from there, or shows where it does not pass. */
export async function probe(ports: Ports, request: PayRequest, into: Collected): Promise<Result<PaymentRecord, PayError>> {
  const draft = await draftOf(ports, request);
  if (!draft.ok) return draft;
  const { life, ...record } = draft.value;
  const terms: PaymentTerms = { ...life, kind: 'probe', paymentHash: toHex(ports.entropy(32)), maxParts: 1 };
  return begin(ports, { ...record, life: newPayment(terms) }, into);
}

/** What `begin` would do, and nothing done. */
export async function routesOf(ports: Ports, record: PaymentRecord): Promise<Result<readonly Route[], PayError>> {
  if ((await ports.keys())?.nodeId() === record.life.payee) return err({ code: 'payee-invalid', detail: 'that is this node' });
  const { effects } = stepPayment(record.life, { tag: 'begin' }, { nowMs: ports.now() });
  const wanted = effects.find((effect) => effect.tag === 'route-wanted');
  if (wanted === undefined) return err({ code: 'invoice-expired', detail: '' });
  const found = await routesFor(ports, record, wanted);
  if (found.ok) return found;
  const { code, detail } = found.error;
  return err({ code: code === 'not-enough' || code === 'fee-too-high' ? code : 'no-route', detail });
}

async function begin(ports: Ports, record: PaymentRecord, into: Collected): Promise<Result<PaymentRecord, PayError>> {
  const rival = await rivalOf(ports.db, record);
  if (rival !== undefined) return err({ code: 'paid-before', detail: rival.id });
  const routes = await routesOf(ports, record);
  if (!routes.ok) return routes;
  const { payment } = stepPayment(record.life, planOf(routes.value), { nowMs: ports.now() });
  if (partsIn(payment, 'planned').length === 0) return err({ code: 'no-route', detail: 'the routes do not fit' });
  const offered = await offerPlanned(ports, { ...record, life: payment }, into);
  const stored = await ports.db.get('payments', record.id);
  if (stored !== undefined) return ok(stored);
  if (offered.ok) return err({ code: 'internal', detail: 'offered and not stored' });
  const { code, detail } = offered.error;
  return err({ code: code === 'paid-before' || code === 'no-wallet' ? code : 'storage-failed', detail });
}
