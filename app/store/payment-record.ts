/** A payment of ours as it is stored, and how those of the schema before the fifth are read: one part over one channel. */
import { fromHex } from '../../shared/lib/bytes.ts';
import type { Part, PartFailure, Payment, PaymentFailure } from '../../shared/ln/payment/payment.ts';

/** What we pay. `id` is chosen by whoever asks: asked for again, it is the same payment. */
export type PaymentRecord = {
  readonly id: string;
  /** As a peer's: the parts of one payment are offered and ended in rounds of several peers. */
  readonly fence: number;
  readonly createdAtMs: number;
  readonly endedAtMs?: number;
  /** The machine of `shared/ln/payment`. */
  readonly life: Payment;
  /** Of the parts in flight, `htlcKey`: how their outcome finds the payment. */
  readonly htlcs: readonly string[];
  /** The invoice; none of a payment without one. */
  readonly text?: string;
  readonly description?: string;
  /** Ours, in hex: a payment without an invoice brings its own. */
  readonly keysendPreimage?: string;
  /** Blocks that the payee has from the tip, with what hides that it is the payee. The same for every part. */
  readonly finalCltvDelta: number;
};

/** Until the fourth schema. */
export type PaymentRecordV4 = {
  readonly id: string;
  readonly paymentHash: string;
  readonly text: string;
  readonly amountMsat: string;
  readonly feeMsat: string;
  readonly createdAtMs: number;
  readonly state: 'pending' | 'sent' | 'failed';
  readonly htlc?: string;
  readonly sharedSecrets: readonly string[];
  readonly preimage?: string;
  readonly failure?: string;
};

/** What is pending is waited for, and not tried again: its route is not known any more. */
export function paymentFromV4(stored: unknown): PaymentRecord {
  const old = stored as PaymentRecordV4;
  const { id, createdAtMs, text, htlc } = old;
  // Recorded, and its HTLC was neither offered nor refused: it never left.
  const state = old.state === 'pending' && htlc === undefined ? 'failed' : old.state;
  const amountMsat = BigInt(old.amountMsat);
  const life: Payment = {
    kind: 'invoice',
    paymentHash: old.paymentHash,
    payee: '',
    amountMsat,
    maxFeeMsat: BigInt(old.feeMsat),
    maxParts: 1,
    parts: [partOf(old, state, amountMsat)],
    attemptsLeft: 0,
    deadlineMs: createdAtMs,
    expires: false,
    gathering: false,
    state,
    ...(old.preimage === undefined ? {} : { preimage: old.preimage }),
    ...(state === 'failed' ? { failure: failureOf(old.failure) } : {}),
  };
  return { id, fence: 1, createdAtMs, life, htlcs: state === 'pending' && htlc !== undefined ? [htlc] : [], text, finalCltvDelta: 0 };
}

function partOf(old: PaymentRecordV4, state: Payment['state'], amountMsat: bigint): Part {
  const { htlc } = old;
  const sent = amountMsat + BigInt(old.feeMsat);
  // As many hops as there were, for whoever reads the failure; where they were is forgotten.
  const htlcs = old.sharedSecrets.map((_, i) => ({
    nodeId: new Uint8Array(33),
    shortChannelId: 0n,
    amountMsat: i === 0 ? sent : amountMsat,
    cltvExpiry: 0,
  }));
  const part = { n: 0, channel: htlc?.split(':')[0] ?? '', amountMsat, htlcs, plannedAtMs: old.createdAtMs };
  switch (state) {
    case 'pending':
      return { ...part, state: 'in-flight', sharedSecrets: old.sharedSecrets.map(fromHex), ...(htlc === undefined ? {} : { htlc }) };
    case 'sent':
      return { ...part, state: 'settled', sharedSecrets: [] };
    case 'failed':
      return { ...part, state: 'failed', sharedSecrets: [], failure: partFailureOf(old.failure) };
  }
}

function partFailureOf(text = 'not-sent'): PartFailure {
  const [, code, hop] = /^(\w+) at hop (\d+)$/.exec(text) ?? [];
  return code === undefined ? { code: text } : { code, hop: Number(hop) };
}

function failureOf(text = 'not-sent'): PaymentFailure {
  if (text.startsWith('incorrect_or_unknown_payment_details')) return 'invoice-unknown';
  if (text === 'unreadable') return text;
  return / at hop /.test(text) ? 'no-route' : 'not-sent';
}
