/** What a page asks about payments, whichever way they go. Amounts are decimal strings of msat. */
import * as v from 'valibot';
import { ok } from '../../../shared/lib/result.ts';
import { fail, type Handlers } from '../answers.ts';
import type { PaymentView } from '../api.ts';
import { outgoingRequests } from './outgoing.ts';
import { incomingViews, invoiceView, receiveRequests } from './receive-requests.ts';
import { aliasesOf, paymentView } from './view.ts';

const listSchema = v.object({
  beforeMs: v.optional(v.number()),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000))),
  text: v.optional(v.pipe(v.string(), v.maxLength(200))),
  direction: v.optional(v.picklist(['in', 'out'])),
});

export const paymentRequests: Pick<Handlers, 'payments' | 'payment' | keyof typeof outgoingRequests | keyof typeof receiveRequests> = {
  ...outgoingRequests,
  ...receiveRequests,

  async payments(ports, arg) {
    const parsed = v.safeParse(listSchema, arg ?? {});
    if (!parsed.success) return fail('internal', parsed.issues[0].message);
    const { beforeMs = Number.POSITIVE_INFINITY, limit, text = '', direction } = parsed.output;
    const [incoming, payments, aliases] = await Promise.all([
      direction === 'out' ? [] : incomingViews(ports),
      direction === 'in' ? [] : ports.db.getAll('payments'),
      aliasesOf(ports),
    ]);
    const out = payments.filter(({ life }) => life.kind !== 'probe').map((record) => paymentView(record, aliases));
    const views = [...incoming, ...out].filter((view) => view.atMs < beforeMs && speaksOf(view, text.toLowerCase()));
    return ok(views.sort((a, b) => b.atMs - a.atMs).slice(0, limit));
  },

  async payment(ports, { id }) {
    if (typeof id !== 'string') return fail('payment-unknown');
    const [record, invoice, aliases] = await Promise.all([ports.db.get('payments', id), ports.db.get('invoices', id), aliasesOf(ports)]);
    if (record !== undefined && record.life.kind !== 'probe') return ok(paymentView(record, aliases));
    return invoice === undefined ? fail('payment-unknown', id.slice(0, 64)) : ok(invoiceView(invoice, aliases, ports.now()));
  },
};

const speaksOf = ({ description, payee, paymentHash, text }: PaymentView, wanted: string): boolean =>
  wanted === '' || [description, payee, paymentHash, text].some((one) => one?.toLowerCase().includes(wanted));
