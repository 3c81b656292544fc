/**
 * The life of an outgoing payment: `stepPayment(payment, command, env)`. BOLT 4 § Basic Multi-Part Payments, § Receiving Failure Codes.
 *
 * It ends as `sent` with the first preimage that fits, or as `failed` when every part is back; until then nothing is given up for lost.
 * Whatever comes twice, or for a part that has ended, means nothing.
 *
 * Callers must still: store the value in the transaction of what it goes with (`offered` with the HTLC itself), look under one lock that
 * no other payment has the hash, offer no part that the stored value does not show as planned, and say `part-failed` only of an HTLC that
 * can no longer be fulfilled.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal, fromHex, toHex } from '../../lib/bytes.ts';
import { type EdgeName, edgeUnder } from '../route/liquidity.ts';
import { carried, judge, suspects } from './blame.ts';
import type { PartEnd, PaymentCommand, PaymentEffect, PlannedRoute } from './command.ts';
import {
  committedMsat,
  feeOf,
  feesMsat,
  liveParts,
  missingMsat,
  type Part,
  type PartFailure,
  type Payment,
  type PaymentFailure,
  partsIn,
  planMs,
} from './payment.ts';

/** Unix time, ms. */
export type PaymentEnv = { readonly nowMs: number };
export type Stepped = { readonly payment: Payment; readonly effects: readonly PaymentEffect[] };

/** What a payee that cannot take it just now is given to recover. */
const WAIT_MS = 5_000;

export function stepPayment(payment: Payment, command: PaymentCommand, env: PaymentEnv): Stepped {
  const { payment: next, effects } = obey(payment, command, env);
  const gone = goOn(next, env);
  return { payment: gone.payment, effects: [...effects, ...gone.effects] };
}

const still = (payment: Payment, ...effects: PaymentEffect[]): Stepped => ({ payment, effects });

function obey(payment: Payment, command: PaymentCommand, env: PaymentEnv): Stepped {
  switch (command.tag) {
    case 'begin':
    case 'tick':
      return still(payment);
    case 'routes':
      return plan(payment, command.routes, env);
    case 'no-route':
      return still(missingMsat(payment) > 0n ? giveUp(payment, whyNot(payment, command.code)) : payment);
    case 'sealed': {
      const { n, sharedSecrets } = command;
      return still(changePart(payment, n, 'planned', (part) => ({ ...part, sharedSecrets })));
    }
    case 'offered':
      return still(changePart(payment, command.n, 'planned', (part) => ({ ...part, state: 'in-flight', htlc: command.htlc })));
    case 'refused':
      return still(changePart(payment, command.n, 'planned', ended({ code: command.code, refused: true })));
    case 'part-failed':
      return failPart(payment, command.n, command.end, env);
    case 'part-fulfilled':
      return fulfilPart(payment, command.n, command.preimage);
    case 'cancel':
      return still(giveUp(payment, 'cancelled'));
  }
}

/** What follows from the value as it is now, whoever brought it there. */
function goOn(payment: Payment, { nowMs }: PaymentEnv): Stepped {
  if (payment.state !== 'pending') return still(payment);
  if (payment.failure === undefined) {
    const stale = partsIn(payment, 'planned').some(({ plannedAtMs }) => Math.abs(nowMs - plannedAtMs) >= planMs);
    const fresh = stale ? dropPlanned(payment) : payment;
    const waiting = partsIn(fresh, 'planned').length > 0 || missingMsat(fresh) > 0n;
    if (!waiting) return still(fresh);
    if (nowMs < fresh.deadlineMs) return want(fresh, nowMs);
    return close(giveUp(fresh, whyNot(fresh, fresh.expires ? 'expired' : 'timeout')));
  }
  return close(payment);
}

/** A payment that is given up ends when nothing of it is on the way. */
function close(payment: Payment): Stepped {
  const next = dropPlanned(payment);
  if (next.failure === undefined || partsIn(next, 'in-flight').length > 0) return still(next);
  return still({ ...next, state: 'failed' }, { tag: 'note', note: 'failed' });
}

function want(payment: Payment, nowMs: number): Stepped {
  const planned = partsIn(payment, 'planned');
  if (planned.length > 0) return still(payment, ...planned.map((part): PaymentEffect => ({ tag: 'offer', part })));
  const flying = partsIn(payment, 'in-flight').length;
  if (payment.gathering && flying > 0) return still(payment);
  if ((payment.notBeforeMs ?? 0) > nowMs) return still(payment);
  const maxParts = Math.min(payment.maxParts - flying, payment.attemptsLeft);
  if (maxParts < 1) return close(giveUp(payment, whyNot(payment, 'no-route')));
  return still(rested(payment), {
    tag: 'route-wanted',
    amountMsat: missingMsat(payment),
    maxFeeMsat: payment.maxFeeMsat - feesMsat(payment),
    maxParts,
    avoidEdges: avoidedEdges(payment),
    avoidChannels: payment.parts.flatMap(({ channel, failure }) => (failure?.refused ? [channel] : [])),
  });
}

/** What there was to wait for is over. */
function rested(payment: Payment): Payment {
  const { notBeforeMs, ...rest } = payment;
  return payment.gathering || notBeforeMs !== undefined ? { ...rest, gathering: false } : payment;
}

function avoidedEdges({ parts }: Payment): readonly EdgeName[] {
  return parts.flatMap((part) => {
    if (part.failure?.code !== 'unreadable') return [];
    const { hop } = part.failure;
    const edge = hop === undefined ? undefined : edgeUnder(part.htlcs, hop);
    return edge === undefined ? suspects(part) : [edge];
  });
}

/** Routes are taken whole, or not at all: less than all is an amount that the payee gives back. */
function plan(payment: Payment, routes: readonly PlannedRoute[], { nowMs }: PaymentEnv): Stepped {
  if (payment.state !== 'pending' || payment.failure !== undefined || partsIn(payment, 'planned').length > 0) return still(payment);
  if (missingMsat(payment) <= 0n || routes.length === 0) return still(payment);
  const first = payment.parts.length;
  const parts = routes.map((route, i): Part => ({ ...route, n: first + i, plannedAtMs: nowMs, state: 'planned', sharedSecrets: [] }));
  const next: Payment = { ...payment, parts: [...payment.parts, ...parts], attemptsLeft: payment.attemptsLeft - parts.length };
  const fits =
    parts.every(isSound) &&
    committedMsat(next) === payment.amountMsat &&
    feesMsat(next) <= payment.maxFeeMsat &&
    liveParts(next).length <= payment.maxParts &&
    next.attemptsLeft >= 0;
  return still(fits ? next : payment);
}

function isSound({ htlcs, amountMsat }: Part): boolean {
  const falling = htlcs.every((htlc, i) => htlc.amountMsat >= (htlcs[i + 1] ?? { amountMsat }).amountMsat);
  return amountMsat > 0n && falling && htlcs.at(-1)?.amountMsat === amountMsat;
}

function failPart(payment: Payment, n: number, end: PartEnd | undefined, { nowMs }: PaymentEnv): Stepped {
  const part = payment.parts[n];
  if (part?.state !== 'in-flight') return still(payment);
  const { failure, lessons, stop, gather, wait } = judge(part, end, payment.parts);
  const back = changePart(payment, n, 'in-flight', ended(failure));
  const next: Payment = {
    ...back,
    gathering: back.gathering || gather === true,
    ...(wait ? { notBeforeMs: nowMs + WAIT_MS } : {}),
  };
  return still(stop ? giveUp(next, stop) : next, ...lessons.map((lesson): PaymentEffect => ({ tag: 'learn', lesson })));
}

function fulfilPart(payment: Payment, n: number, preimage: Uint8Array): Stepped {
  const part = payment.parts[n];
  if (part?.state !== 'in-flight' || !equal(sha256(preimage), fromHex(payment.paymentHash))) return still(payment);
  const { htlc: _, ...rest } = part;
  const settled = changePart(payment, n, 'in-flight', () => ({ ...rest, state: 'settled', sharedSecrets: [] }));
  const lessons = carried('settled', part, part.htlcs.length - 1).map((lesson): PaymentEffect => ({ tag: 'learn', lesson }));
  if (payment.state === 'sent') return still(settled, ...lessons);
  // The proof of payment is there: nothing else of it may ever leave.
  const { failure: __, notBeforeMs: ___, ...kept } = dropPlanned(settled);
  return still({ ...kept, state: 'sent', preimage: toHex(preimage) }, ...lessons, { tag: 'note', note: 'sent' });
}

function giveUp(payment: Payment, failure: PaymentFailure): Payment {
  return payment.state === 'pending' && payment.failure === undefined ? { ...payment, failure } : payment;
}

/** What was heard last on the way to the payee says more than that there is no way left, or no time. */
function whyNot({ parts }: Payment, failure: PaymentFailure): PaymentFailure {
  if (failure !== 'no-route' && failure !== 'timeout') return failure;
  const back = parts.filter((part) => part.state === 'failed');
  const last = back.findLast((part) => part.failure?.hop !== undefined || part.failure?.code === 'unreadable');
  if (last?.failure === undefined) return back.length > 0 && failure === 'no-route' ? 'not-sent' : failure;
  const { code, hop } = last.failure;
  if (hop === last.htlcs.length - 2 && (code === 'unknown_next_peer' || code === 'channel_disabled')) return 'payee-offline';
  return code === 'unreadable' && failure === 'no-route' ? 'unreadable' : failure;
}

const dropPlanned = (payment: Payment): Payment =>
  partsIn(payment, 'planned').reduce((at, { n }) => changePart(at, n, 'planned', ended({ code: 'not-sent' })), payment);

const ended =
  (failure: PartFailure) =>
  ({ htlc: _, ...part }: Part): Part => ({ ...part, state: 'failed', sharedSecrets: [], failure });

/** Of the part `n` where it stands at `from`; else nothing changes. */
function changePart(payment: Payment, n: number, from: Part['state'], change: (part: Part) => Part): Payment {
  if (payment.parts[n]?.state !== from) return payment;
  return { ...payment, parts: payment.parts.map((part) => (part.n === n ? change(part) : part)) };
}

/** Of a part in flight, before its end is known: what the payment pays at the most. */
export const paidFeeMsat = ({ parts }: Payment): bigint =>
  parts.reduce((total, part) => (part.state === 'settled' || part.state === 'in-flight' ? total + feeOf(part) : total), 0n);
