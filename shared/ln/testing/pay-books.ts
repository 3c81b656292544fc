/**
 * What a node of the payment model keeps beside its channels, and how channel news become steps of its payments: the least that a runtime
 * does. Values only: whoever kills the node puts the books back as they were. A value that changes goes through a copy, as through a database.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../lib/bytes.ts';
import type { Htlc, RemovalRequest } from '../channel/htlc.ts';
import { pointFromSecret } from '../keys/secp.ts';
import { checkReceipt, unknownPayment } from '../onion/checks.ts';
import type { AnyFailure } from '../onion/failure.ts';
import { type Hop, type IncomingHtlc, readHtlc, refusal } from '../onion/htlc.ts';
import type { PartEnd, PaymentCommand, PaymentEffect } from '../payment/command.ts';
import { endOfFailure, endOfFulfilment, endOfRefusal, type Fulfilment } from '../payment/htlc-end.ts';
import { stepPayment } from '../payment/machine.ts';
import type { Payment } from '../payment/payment.ts';
import { addPart, fulfilled, type Moment, type ReceivePart } from '../payment/receive-set.ts';
import { hash } from './opener.ts';
import type { Mood } from './pay-moves.ts';

export const minFinalCltvExpiryDelta = 60;

export type PaymentBook = { readonly id: string; readonly life: Payment; readonly notes: readonly string[] };
export type SetPart = ReceivePart & {
  readonly at: number;
  readonly id: bigint;
  readonly amountMsat: bigint;
  readonly sharedSecret: Uint8Array;
};
export type InvoiceBook = {
  readonly paymentHash: string;
  readonly preimage: Uint8Array;
  readonly paymentSecret: Uint8Array;
  readonly amountMsat: bigint;
  readonly cancelled: boolean;
  readonly parts: readonly SetPart[];
};
/** An HTLC that is passed on. `new`: not offered yet. `out`: offered. `over`: its end is known, and goes back. */
export type Forward = {
  readonly key: string;
  readonly at: number;
  readonly id: bigint;
  readonly atMs: number;
  readonly htlc: Htlc;
  readonly hop: Hop;
  readonly mood: Mood;
  readonly state: 'new' | 'out' | 'over';
  /** Where it went. */
  readonly out?: string;
  readonly paidMsat?: bigint;
  readonly removal?: RemovalRequest;
};
/** An HTLC of a peer's. `open`: any answer will do. `chain`: a preimage only. `given`: it is answered. */
export type Standing = 'open' | 'chain' | 'given' | 'gone';

export type Books = {
  readonly payments: readonly PaymentBook[];
  readonly invoices: readonly InvoiceBook[];
  readonly forwards: readonly Forward[];
  readonly checkedAtMs: number;
};

export const keyOf = (at: number, id: bigint): string => `${at}:${id}`;
/** The runtime's limit: an older look at the chain is none. */
const FRESH_MS = 2 * 3_600_000;

const nodes = new Map<number, { readonly secret: Uint8Array; readonly id: Uint8Array }>();
export function nodeKeys(node: number): { readonly secret: Uint8Array; readonly id: Uint8Array } {
  const secret = hash(`secret of node ${node}`);
  const keys = nodes.get(node) ?? { secret, id: pointFromSecret(secret) };
  nodes.set(node, keys);
  return keys;
}

export class PayNode {
  readonly index: number;
  books: Books;
  mood: Mood = 'honest';
  nowMs: number;
  height: number;

  constructor(index: number, nowMs: number, height: number) {
    this.index = index;
    this.nowMs = nowMs;
    this.height = height;
    this.books = { payments: [], invoices: [], forwards: [], checkedAtMs: nowMs };
  }

  get moment(): Moment {
    return { nowMs: this.nowMs, height: this.height, fresh: Math.abs(this.nowMs - this.books.checkedAtMs) < FRESH_MS };
  }
  look(): void {
    this.books = { ...this.books, checkedAtMs: this.nowMs };
  }

  /** Steps a payment; what it makes of it is in the books. */
  tell(id: string, command: PaymentCommand): readonly PaymentEffect[] {
    const book = this.books.payments.find((one) => one.id === id);
    if (!book) throw new Error(`no payment ${id}`);
    const { payment, effects } = stepPayment(book.life, command, { nowMs: this.nowMs });
    if (payment === book.life) return effects;
    const notes = [...book.notes, ...effects.flatMap((effect) => (effect.tag === 'note' ? [effect.note] : []))];
    this.keepPayment({ ...book, life: payment, notes });
    return effects;
  }

  keepPayment(book: PaymentBook): void {
    this.books = { ...this.books, payments: replaced(this.books.payments, structuredClone(book), ({ id }) => id === book.id) };
  }
  keepInvoice(book: InvoiceBook): void {
    const is = ({ paymentHash }: InvoiceBook): boolean => paymentHash === book.paymentHash;
    this.books = { ...this.books, invoices: replaced(this.books.invoices, structuredClone(book), is) };
  }
  keepForward(book: Forward): void {
    this.books = { ...this.books, forwards: replaced(this.books.forwards, structuredClone(book), ({ key }) => key === book.key) };
  }

  offered(request: string, at: number, id: bigint): void {
    const forward = this.forwardOf(request);
    if (forward) this.keepForward({ ...forward, state: 'out', out: keyOf(at, id) });
    else this.tell(paymentOf(request), { tag: 'offered', n: partOf(request), htlc: keyOf(at, id) });
  }

  refused(request: string, code: string): void {
    const forward = this.forwardOf(request);
    if (forward)
      this.keepForward(over(forward, failOf(forward.hop, { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) })));
    else this.tell(paymentOf(request), { tag: 'refused', n: partOf(request), code });
  }

  /** The end of an HTLC of ours. `end` undefined: it never left. Whatever is told again finds nobody. */
  ended(key: string, end: PartEnd | Fulfilment | undefined): void {
    const forward = this.books.forwards.find(({ state, out }) => state === 'out' && out === key);
    if (forward) this.keepForward(over(forward, backOf(forward, end, this.nowMs)));
    else this.endPart(key, end);
  }

  private endPart(key: string, end: Parameters<PayNode['ended']>[1]): void {
    for (const { id, life } of this.books.payments) {
      const part = life.parts.find(({ htlc }) => htlc === key);
      if (!part) continue;
      if (end?.kind === 'fulfill') this.tell(id, { tag: 'part-fulfilled', n: part.n, preimage: end.preimage });
      else this.tell(id, { tag: 'part-failed', n: part.n, ...(end ? { end } : {}) });
      return;
    }
  }

  /** One that is irrevocably here. What is to be said of it at once. */
  received(at: number, htlc: Htlc, overExposed: boolean): RemovalRequest | undefined {
    const { amountMsat, paymentHash, cltvExpiry, onion } = htlc;
    if (onion === undefined) throw new Error('an HTLC without an onion');
    const incoming: IncomingHtlc = { amountMsat, paymentHash, cltvExpiry, onionRoutingPacket: onion };
    const read = readHtlc(incoming, nodeKeys(this.index).secret);
    if (!read.ok) return endOfRefusal(read.error, 0);
    const { value } = read;
    if (overExposed) return endOfRefusal(refusal(value.answer, { name: 'temporary_node_failure' }), 0);
    if (value.tag === 'hop') {
      if (this.mood === 'malformed') return { kind: 'fail-malformed', sha256OfOnion: sha256(onion), failureCode: 0xc005 };
      const forward: Forward = {
        key: keyOf(at, htlc.id),
        at,
        id: htlc.id,
        atMs: this.nowMs,
        htlc,
        hop: value,
        mood: this.mood,
        state: 'new',
      };
      this.keepForward(this.mood === 'fail' ? over(forward, failOf(value, { name: 'temporary_node_failure' })) : forward);
      return undefined;
    }
    const unknown = endOfRefusal(refusal(value.answer, unknownPayment(incoming, this.height)), 0);
    const invoice = this.books.invoices.find((one) => one.paymentHash === toHex(paymentHash));
    if (!invoice || invoice.cancelled) return unknown;
    const { paymentSecret, amountMsat: asked } = invoice;
    const expected = { paymentSecret, amountMsat: asked, minFinalCltvExpiryDelta, basicMpp: true };
    const fault = checkReceipt({ htlc: incoming, receipt: value, expected, height: this.height });
    if (fault) return endOfRefusal(refusal(value.answer, fault), 0);
    const part: SetPart = {
      key: keyOf(at, htlc.id),
      at,
      id: htlc.id,
      amountMsat,
      amtToForward: value.amtToForward,
      totalMsat: value.totalMsat,
      cltvExpiry,
      atMs: this.nowMs,
      sharedSecret: value.sharedSecret,
      state: 'held',
    };
    const { parts, accepted } = addPart(invoice.parts, part, this.moment);
    this.keepInvoice({ ...invoice, parts });
    return accepted ? undefined : unknown;
  }

  claimed(key: string): void {
    for (const invoice of this.books.invoices) {
      const parts = fulfilled(invoice.parts, key);
      if (parts.some((part, i) => part !== invoice.parts[i])) this.keepInvoice({ ...invoice, parts });
    }
  }

  /** What is decided of HTLCs of that channel, and to be said of them as they stand: on chain a preimage only. */
  decided(at: number, standing: (id: bigint) => Standing): readonly { readonly id: bigint; readonly removal: RemovalRequest }[] {
    const hears = (id: bigint, isPaid: boolean): boolean => standing(id) === 'open' || (isPaid && standing(id) === 'chain');
    const ofSets = this.books.invoices.flatMap(({ preimage, parts }) =>
      parts.flatMap((part) => {
        const { id, state, sharedSecret, atMs } = part;
        if (part.at !== at || !hears(id, state === 'fulfilling')) return [];
        if (state === 'fulfilling') return [{ id, removal: endOfFulfilment(sharedSecret, { preimage }, this.nowMs - atMs) }];
        return state === 'failing' ? [{ id, removal: this.failureOf(part) }] : [];
      }),
    );
    const back = this.books.forwards.flatMap((one) =>
      one.at === at && one.removal && hears(one.id, one.removal.kind === 'fulfill') ? [{ id: one.id, removal: one.removal }] : [],
    );
    return [...ofSets, ...back];
  }

  private failureOf({ failure, sharedSecret, amountMsat, atMs }: SetPart): RemovalRequest {
    const why: AnyFailure = failure === 'mpp_timeout' ? { name: 'mpp_timeout' } : unknownPayment({ amountMsat }, this.height);
    return endOfRefusal({ reply: 'fail', sharedSecret, failure: why }, this.nowMs - atMs);
  }

  private forwardOf(request: string): Forward | undefined {
    return request.startsWith('forward ') ? this.books.forwards.find(({ key }) => `forward ${key}` === request) : undefined;
  }
}

function replaced<T>(all: readonly T[], value: T, is: (one: T) => boolean): readonly T[] {
  return all.some(is) ? all.map((one) => (is(one) ? value : one)) : [...all, value];
}
export const partRequest = (id: string, n: number): string => `${id}/${n}`;
const paymentOf = (request: string): string => request.split('/')[0] ?? '';
const partOf = (request: string): number => Number(request.split('/')[1]);

const failOf = ({ sharedSecret }: Hop, failure: AnyFailure): RemovalRequest => endOfRefusal({ reply: 'fail', sharedSecret, failure }, 0);
function over(forward: Forward, removal: RemovalRequest): Forward {
  const paid = removal.kind === 'fulfill' ? { paidMsat: outMsat(forward) } : {};
  const spoilt = forward.mood === 'spoil' && removal.kind === 'fail' ? { kind: 'fail' as const, reason: hash('spoilt') } : removal;
  return { ...forward, state: 'over', removal: spoilt, ...paid };
}
/** What goes out: `shave` keeps more than its fee. */
export const outMsat = ({ hop: { amtToForward }, mood }: Pick<Forward, 'hop' | 'mood'>): bigint =>
  mood === 'shave' && amtToForward > 1n ? amtToForward - 1n : amtToForward;

function backOf({ hop, htlc, atMs }: Forward, end: Parameters<PayNode['ended']>[1], nowMs: number): RemovalRequest {
  const { sharedSecret } = hop;
  if (end?.kind === 'fulfill') {
    if (toHex(sha256(end.preimage)) !== toHex(htlc.paymentHash)) throw new Error('paid with another preimage');
    return endOfFulfilment(sharedSecret, end, nowMs - atMs);
  }
  if (end?.kind === 'fail') return endOfFailure(sharedSecret, end, nowMs - atMs);
  return failOf(hop, { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) });
}
