/**
 * An outgoing payment as a plain value: what is to be paid, its parts, and how far each of them is. BOLT 4 § Basic Multi-Part Payments.
 * Stored between any two steps of `machine.ts`; what a part may do follows from this value alone, so that a node that was killed goes on.
 */
import { toHex } from '../../lib/bytes.ts';
import type { RouteHtlc } from '../onion/route.ts';

/** `probe`: for a hash that nobody knows the preimage of. It looks for a way, and no money can leave by it. */
export type PaymentKind = 'invoice' | 'keysend' | 'probe';

/** Why a payment ended without being paid. */
export type PaymentFailure =
  | 'no-route'
  /** Our own channels hold less. */
  | 'not-enough'
  | 'fee-too-high'
  | 'expired'
  | 'refused-by-payee'
  | 'payee-offline'
  | 'timeout'
  /** The payee does not know it, or not with this amount or expiry. */
  | 'invoice-unknown'
  /** It never left this device. */
  | 'not-sent'
  | 'cancelled'
  /** Somebody on the way spoilt the answer. */
  | 'unreadable';

export type PartFailure = {
  /** A failure's name of BOLT 4, `unreadable`, `not-sent`, or why our own channel refused it. */
  readonly code: string;
  /** The hop of the route that wrote it, from 0: our peer. */
  readonly hop?: number;
  /** Our own channel did not take it. */
  readonly refused?: true;
};

/** One HTLC of ours. Its id `n` is never given again, whatever became of it. */
export type Part = {
  readonly n: number;
  /** Of our channel, in hex. */
  readonly channel: string;
  /** What arrives at the payee. */
  readonly amountMsat: bigint;
  /** The first is the one that we offer; its node is our peer. */
  readonly htlcs: readonly RouteHtlc[];
  readonly plannedAtMs: number;
  readonly state: 'planned' | 'in-flight' | 'settled' | 'failed';
  /** How the runtime finds it again, while it is in flight. */
  readonly htlc?: string;
  /** By hop: what reads its failure. Forgotten with its end. */
  readonly sharedSecrets: readonly Uint8Array[];
  readonly failure?: PartFailure;
};

export type Payment = {
  readonly kind: PaymentKind;
  /** Hashes, ids and preimages in hex. */
  readonly paymentHash: string;
  readonly payee: string;
  readonly amountMsat: bigint;
  /** For all parts together. */
  readonly maxFeeMsat: bigint;
  /** 1 where the payee did not say that it takes parts. */
  readonly maxParts: number;
  readonly parts: readonly Part[];
  /** How many parts may still be planned. */
  readonly attemptsLeft: number;
  /** Nothing is offered at or after it. */
  readonly deadlineMs: number;
  /** The deadline is the end of the invoice. */
  readonly expires: boolean;
  /** The payee gave back what it had: it wants all parts at once, so the others are waited for. */
  readonly gathering: boolean;
  /** Nothing is tried before. */
  readonly notBeforeMs?: number;
  readonly state: 'pending' | 'sent' | 'failed';
  readonly preimage?: string;
  /** While it is pending: nothing more is tried, and it ends with this when the last part is back. */
  readonly failure?: PaymentFailure;
};

export type PaymentTerms = Pick<
  Payment,
  'kind' | 'paymentHash' | 'payee' | 'amountMsat' | 'maxFeeMsat' | 'maxParts' | 'deadlineMs' | 'expires'
>;

/** Each costs a round trip and tells strangers of the payment. */
const MAX_ATTEMPTS = 48;
/** A part that was planned and not offered for so long was planned by another life of the node: amounts, heights and fees have moved. */
export const planMs = 30_000;
/** Another life goes on with what one left planned after this. */
const resumeMs = 3_000;

export const newPayment = (terms: PaymentTerms): Payment => ({
  ...terms,
  parts: [],
  attemptsLeft: MAX_ATTEMPTS,
  gathering: false,
  state: 'pending',
});

export const feeOf = ({ htlcs, amountMsat }: Pick<Part, 'htlcs' | 'amountMsat'>): bigint =>
  (htlcs[0]?.amountMsat ?? amountMsat) - amountMsat;
export const peerOf = ({ htlcs }: Part): string => (htlcs[0] ? toHex(htlcs[0].nodeId) : '');

const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n);
/** Parts that have, or may still take, their share of the amount. */
export const liveParts = ({ parts }: Payment): readonly Part[] => parts.filter(({ state }) => state !== 'failed');
export const partsIn = ({ parts }: Payment, state: Part['state']): readonly Part[] => parts.filter((part) => part.state === state);
export const committedMsat = (payment: Payment): bigint => sum(liveParts(payment).map(({ amountMsat }) => amountMsat));
export const feesMsat = (payment: Payment): bigint => sum(liveParts(payment).map(feeOf));

/** What no part carries yet. */
export const missingMsat = (payment: Payment): bigint => payment.amountMsat - committedMsat(payment);

/** When the node must be awake for it. Undefined: when a peer says something, or never. */
export function nextAtMs(payment: Payment): number | undefined {
  if (payment.state !== 'pending' || payment.failure !== undefined) return undefined;
  const planned = partsIn(payment, 'planned').map(({ plannedAtMs }) => plannedAtMs + resumeMs);
  if (planned.length > 0) return Math.min(payment.deadlineMs, ...planned);
  if (missingMsat(payment) <= 0n) return undefined;
  return Math.min(payment.deadlineMs, payment.notBeforeMs ?? payment.deadlineMs);
}
