/**
 * Being paid: an HTLC that is irrevocably ours to answer is held against the invoice of its hash. BOLT 4 § Receiving Payments, § Basic
 * Multi-Part Payments. It is refused at once, or becomes a part of the invoice's set; what is decided of a set is written with the step that
 * brought the decision, and carried out there for this peer and by `settleSets` for the others.
 */
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import type { ChannelNews, Note } from '../../../shared/ln/channel/effect.ts';
import type { Htlc, RemovalRequest } from '../../../shared/ln/channel/htlc.ts';
import { checkReceipt, isKeysend, unknownPayment } from '../../../shared/ln/onion/checks.ts';
import { type Hop, type IncomingHtlc, type Receipt, readHtlc, refusal } from '../../../shared/ln/onion/htlc.ts';
import { type Forward, newForward } from '../../../shared/ln/payment/forward.ts';
import {
  addPart,
  fulfilled,
  holdBeforeBlocks,
  type Moment,
  type SetState,
  stateOf,
  without,
} from '../../../shared/ln/payment/receive-set.ts';
import type { InvoicePart, InvoiceRecord } from '../../store/schema.ts';
import { setting } from '../../store/store.ts';
import type { NodeKeys } from '../keys.ts';
import type { Ports } from '../ports.ts';
import { isGone, removalOf, type Standings } from './receive-htlcs.ts';
import { htlcKey } from './record.ts';

/** Blocks that an incoming HTLC must have left: more than it takes to hold it for its set and to claim it on chain. */
export const MIN_FINAL_CLTV_EXPIRY_DELTA = 60;
/** Of a payment that nobody asked for, whose sender chose the blocks. */
const KEYSEND_CLTV_EXPIRY_DELTA = holdBeforeBlocks + 1;
const KEYSEND_MIN_MSAT = 1_000n;

/** What blocks may come unseen meanwhile leaves an HTLC that was good by the old height time to be claimed. */
const FRESH_MS = 2 * 3_600_000;

export async function momentOf(ports: Ports, height: number): Promise<Moment> {
  const checkedAtMs = (await setting(ports.db, 'chain'))?.checkedAtMs;
  const nowMs = ports.now();
  return { nowMs, height, fresh: checkedAtMs !== undefined && Math.abs(nowMs - checkedAtMs) < FRESH_MS };
}

type Received = Extract<ChannelNews, { readonly tag: 'htlc-received' }>;
export type ReceiveContext = { readonly keys: NodeKeys; readonly moment: Moment; readonly peerId: string };
/** What is known of payments, as this round sees it. */
export type ReceiveBooks = {
  /** By hash, hex. */
  readonly invoiceOf: (paymentHash: string) => Promise<InvoiceRecord | undefined>;
  /** Undefined: the peer is gone or cannot be read. */
  readonly standingsOf: (peerId: string) => Promise<Standings | undefined>;
  /** Are payments of others passed on? */
  readonly forwards: () => Promise<boolean>;
};
/**
 * `refused`: how this HTLC ends at once. `invoice`: as it is now, where it changed; its decided parts are to be answered. `forward`: it is
 * somebody else's, and is to be passed on.
 */
export type Judged = { readonly refused?: RemovalRequest; readonly invoice?: InvoiceRecord; readonly forward?: Forward };

export async function judgeHtlc({ channelId, htlc, overExposed }: Received, context: ReceiveContext, books: ReceiveBooks): Promise<Judged> {
  const incoming = incomingOf(htlc);
  const { keys, moment } = context;
  const read = readHtlc(incoming, keys.nodeSecret());
  if (!read.ok) return { refused: removalOf(read.error) };
  if (read.value.tag === 'hop') {
    const hop = read.value;
    if (!(await books.forwards())) return { refused: removalOf(refusal(hop.answer, { name: 'unknown_next_peer' })) };
    if (overExposed) return { refused: removalOf(refusal(hop.answer, { name: 'temporary_node_failure' })) };
    const { id, amountMsat, cltvExpiry, paymentHash } = htlc;
    const side = { peerId: context.peerId, channel: toHex(channelId), id, amountMsat, cltvExpiry };
    return { forward: newForward(side, paymentHash, hop, moment.nowMs) };
  }
  const receipt = read.value;
  if (overExposed) return { refused: removalOf(refusal(receipt.answer, { name: 'temporary_node_failure' })) };
  const invoice = (await books.invoiceOf(toHex(incoming.paymentHash))) ?? keysendOf(incoming, receipt, moment.nowMs);
  const fault =
    invoice && isPayable(invoice, moment.nowMs) ? faultOf(invoice, incoming, receipt, moment.height) : unknown(incoming, moment);
  if (invoice === undefined || fault) return { refused: removalOf(refusal(receipt.answer, fault ?? unknown(incoming, moment))) };
  const part: InvoicePart = {
    key: htlcKey(channelId, htlc.id),
    peerId: context.peerId,
    channelId,
    htlcId: htlc.id,
    amountMsat: htlc.amountMsat,
    amtToForward: receipt.amtToForward,
    totalMsat: receipt.totalMsat,
    cltvExpiry: htlc.cltvExpiry,
    atMs: moment.nowMs,
    sharedSecret: receipt.sharedSecret,
    state: 'held',
  };
  const { parts, accepted } = addPart(await standing(invoice, books), part, moment);
  const refused = accepted ? {} : { refused: removalOf(refusal(receipt.answer, unknown(incoming, moment))) };
  return { ...refused, ...(parts === invoice.parts ? {} : { invoice: withParts(invoice, parts, moment.nowMs) }) };
}

/** An HTLC that nothing here knows of: it came before this device was restored. Where it was to be passed on, and may have been, `hop` says. */
export function readStray(htlc: Htlc, keys: NodeKeys, height: number): { readonly refused: RemovalRequest; readonly hop?: Hop } {
  const incoming = incomingOf(htlc);
  const read = readHtlc(incoming, keys.nodeSecret());
  if (!read.ok) return { refused: removalOf(read.error) };
  const { answer } = read.value;
  if (read.value.tag === 'hop') return { refused: removalOf(refusal(answer, { name: 'temporary_node_failure' })), hop: read.value };
  return { refused: removalOf(refusal(answer, unknownPayment(incoming, height))) };
}

function incomingOf({ amountMsat, paymentHash, cltvExpiry, onion, pathKey }: Htlc): IncomingHtlc {
  if (onion === undefined) throw new Error('an HTLC of a peer has its onion until it is answered');
  return { amountMsat, paymentHash, cltvExpiry, onionRoutingPacket: onion, ...(pathKey ? { pathKey } : {}) };
}

const unknown = (incoming: IncomingHtlc, { height }: Moment) => unknownPayment(incoming, height);

/** Paid once is paid, and a set that was begun in time may be completed. */
const isPayable = ({ state, cancelledAtMs, expiresAtMs }: InvoiceRecord, nowMs: number): boolean =>
  cancelledAtMs === undefined && (state === 'holding' || (state === 'open' && nowMs <= expiresAtMs));

function faultOf(invoice: InvoiceRecord, htlc: IncomingHtlc, receipt: Receipt, height: number) {
  const isAsked = invoice.kind !== 'keysend';
  const expected = {
    ...(isAsked ? { paymentSecret: fromHex(invoice.paymentSecret) } : {}),
    ...(invoice.amountMsat === undefined ? {} : { amountMsat: BigInt(invoice.amountMsat) }),
    minFinalCltvExpiryDelta: isAsked ? MIN_FINAL_CLTV_EXPIRY_DELTA : KEYSEND_CLTV_EXPIRY_DELTA,
    basicMpp: isAsked,
  };
  return checkReceipt({ htlc, receipt, expected, height });
}

/** A payment that brings its own preimage is as good as one of an invoice that was made for it now. */
function keysendOf({ amountMsat, paymentHash }: IncomingHtlc, receipt: Receipt, nowMs: number): InvoiceRecord | undefined {
  const { keysendPreimage } = receipt;
  if (keysendPreimage === undefined || receipt.blinded || !isKeysend(receipt, paymentHash) || amountMsat < KEYSEND_MIN_MSAT)
    return undefined;
  return {
    paymentHash: toHex(paymentHash),
    kind: 'keysend',
    preimage: toHex(keysendPreimage),
    paymentSecret: '',
    description: '',
    text: '',
    createdAtMs: nowMs,
    expiresAtMs: nowMs,
    state: 'open',
  };
}

/** The parts whose HTLCs are still there. */
async function standing({ parts = [] }: InvoiceRecord, books: ReceiveBooks): Promise<readonly InvoicePart[]> {
  const gone = new Set<string>();
  for (const part of parts) if (part.state === 'held' && isGone(part, await books.standingsOf(part.peerId))) gone.add(part.key);
  return gone.size === 0 ? parts : without(parts, ({ key }) => gone.has(key));
}

/** What a person is told: parts on their way back are none. */
export function setStateOf({ parts = [], state, cancelledAtMs }: InvoiceRecord): SetState | 'cancelled' {
  if (parts.length === 0) return state === 'holding' ? 'open' : state;
  const now = stateOf(parts);
  return now === 'open' && cancelledAtMs !== undefined ? 'cancelled' : now;
}

/** The record with other parts. As long as one is on its way back, the record is among those that are looked at. */
export function withParts(invoice: InvoiceRecord, parts: readonly InvoicePart[], nowMs: number): InvoiceRecord {
  const now = stateOf(parts);
  const isBusy = parts.some(({ state }) => state === 'held' || state === 'failing');
  const state = now === 'paid' ? (isBusy ? 'settling' : 'paid') : now === 'open' && isBusy ? 'holding' : now;
  const settled = parts.filter((part) => part.state === 'fulfilling' || part.state === 'fulfilled');
  const receivedMsat = settled.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
  return {
    ...invoice,
    parts,
    state: state === 'open' && invoice.cancelledAtMs !== undefined ? 'cancelled' : state,
    ...(settled.length > 0 ? { receivedMsat: receivedMsat.toString() } : {}),
    ...(now === 'paid' && invoice.endedAtMs === undefined ? { endedAtMs: nowMs } : {}),
  };
}

/** The peer can take this part back no more. Undefined: it was no part that we fulfilled, or was told before. */
export function claimPart(invoice: InvoiceRecord, key: string, nowMs: number): InvoiceRecord | undefined {
  if (invoice.state !== 'settling') return undefined;
  // Written before there were sets: its one HTLC was all of it.
  if (invoice.parts === undefined) return { ...invoice, state: 'paid', endedAtMs: nowMs };
  if (!invoice.parts.some((part) => part.key === key && part.state === 'fulfilling')) return undefined;
  return withParts(invoice, fulfilled(invoice.parts, key), nowMs);
}

export const receivedNote = (channelId: Uint8Array, { receivedMsat, description }: InvoiceRecord): Note => ({
  kind: 'payment-received',
  channelId,
  amountSat: BigInt(receivedMsat ?? '0') / 1_000n,
  ...(description === '' ? {} : { detail: description }),
});
