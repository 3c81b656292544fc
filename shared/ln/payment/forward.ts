/**
 * One HTLC that is passed on, as a plain value: what came in over one channel of ours leaves over another. BOLT 2 § Forwarding HTLCs, BOLT 4
 * § Failure Messages. Stored between any two steps, so that a node that was killed goes on from it. What is never done: fulfil the incoming
 * HTLC without the preimage, fail it while the outgoing one could still be paid, forget a preimage before the incoming HTLC is answered for good.
 *
 * Callers must still: plan only what is irrevocably committed, store each step with what it says to a channel, and tell `failed` only when the
 * outgoing HTLC is back for good.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal } from '../../lib/bytes.ts';
import type { AttributionData } from '../onion/attribution.ts';
import { checkForward, type ForwardingPolicy } from '../onion/checks.ts';
import { type AnyFailure, type Failure, failureOfMalformed } from '../onion/failure.ts';
import { type FailureVoice, type Hop, refusal } from '../onion/htlc.ts';
import type { PartEnd } from './command.ts';
import { endOfFailure, endOfFulfilment, endOfRefusal, type Fulfilment, type HtlcEnd } from './htlc-end.ts';
import type { Moment } from './receive-set.ts';

/** Of our channel; ids in hex. */
export type IncomingSide = {
  readonly peerId: string;
  readonly channel: string;
  readonly id: bigint;
  readonly amountMsat: bigint;
  readonly cltvExpiry: number;
};
export type ForwardStage =
  /** Nothing has left. */
  | { readonly state: 'planned'; readonly onion: Uint8Array; readonly pathKey?: Uint8Array; readonly atMs: number }
  /** `htlc` names the outgoing one, in the words of whoever keeps the forward. Without `atMs` nobody knows since when we have the incoming one. */
  | { readonly state: 'offered'; readonly htlc: string; readonly atMs?: number }
  | { readonly state: 'fulfilled'; readonly preimage: Uint8Array; readonly attribution?: AttributionData }
  /** `htlc`: of one that the peer had. A preimage for it would still count. */
  | { readonly state: 'failed'; readonly end: HtlcEnd; readonly htlc?: string }
  /** The incoming HTLC is answered for good. With `preimage`: the fee is earned. */
  | { readonly state: 'settled'; readonly preimage?: Uint8Array };

export type Forward = {
  readonly incoming: IncomingSide;
  readonly paymentHash: Uint8Array;
  /** How the payer hears of a failure. */
  readonly answer: FailureVoice;
  readonly sharedSecret: Uint8Array;
  readonly to: Hop['to'];
  /** Of the outgoing HTLC. */
  readonly amountMsat: bigint;
  readonly cltvExpiry: number;
  readonly stage: ForwardStage;
};

/** The channel that the onion names. `away`: it is one of ours, and takes nothing now. */
export type Way = { readonly peerId: string; readonly channel: string; readonly policy: ForwardingPolicy };
export type WayFound = Way | 'unknown' | 'away';
/** The incoming HTLC as its channel has it; `unread`: nobody can look now. The others as receiving has them. */
export type IncomingStanding = 'open' | 'chain' | 'given' | 'gone' | 'unread';

export type ForwardCommand =
  /** What is to be done now? */
  | { readonly tag: 'tick'; readonly incoming: IncomingStanding; readonly way: WayFound; readonly moment: Moment }
  | { readonly tag: 'offered'; readonly htlc: string }
  /** It could not be offered. */
  | { readonly tag: 'refused'; readonly nowMs: number }
  | ({ readonly tag: 'fulfilled'; readonly nowMs: number } & Omit<Fulfilment, 'kind'>)
  /** The outgoing HTLC is back for good. Without `end`: it never left, or the chain gave it back. */
  | { readonly tag: 'failed'; readonly nowMs: number; readonly end?: PartEnd };

export type ForwardEffect =
  | {
      readonly tag: 'offer';
      readonly way: Way;
      readonly add: {
        readonly amountMsat: bigint;
        readonly paymentHash: Uint8Array;
        readonly cltvExpiry: number;
        readonly onion: Uint8Array;
        readonly pathKey?: Uint8Array;
      };
    }
  /** To be said of the incoming HTLC, as often as it is asked for. */
  | { readonly tag: 'answer'; readonly end: HtlcEnd }
  /** Passed on and paid. */
  | { readonly tag: 'earned'; readonly feeMsat: bigint };
export type Forwarded = { readonly forward: Forward; readonly effects: readonly ForwardEffect[] };

/** What was planned and not offered for so long was planned by another life of the node, or the way is shut. */
export const forwardMs = 60_000;
/**
 * Blocks that an HTLC must have left when we offer it: the next node needs some to pass it on or to claim it. Our own are in
 * `cltvExpiryDelta`, for the incoming HTLC lasts so much longer.
 */
const TOO_SOON_BLOCKS = 6;
const noUpdate = { channelUpdate: new Uint8Array(0) } as const;

export function newForward(
  incoming: IncomingSide,
  paymentHash: Uint8Array,
  { answer, sharedSecret, to, amtToForward: amountMsat, outgoingCltvValue: cltvExpiry, next: onion, nextPathKey: pathKey }: Hop,
  atMs: number,
): Forward {
  const stage: ForwardStage = { state: 'planned', onion, ...(pathKey ? { pathKey } : {}), atMs };
  return { incoming, paymentHash, answer, sharedSecret, to, amountMsat, cltvExpiry, stage };
}

/** Passed on by a life of the node that is not remembered: `htlc` is the outgoing one, as its channel has it. */
export function foundForward(forward: Forward, htlc: string, preimage: Uint8Array | undefined, nowMs: number): Forward {
  const stage: ForwardStage = { state: 'offered', htlc };
  const found = { ...forward, stage };
  return preimage === undefined ? found : stepForward(found, { tag: 'fulfilled', nowMs, preimage }).forward;
}

export const earnedMsat = ({ incoming, amountMsat }: Pick<Forward, 'incoming' | 'amountMsat'>): bigint => incoming.amountMsat - amountMsat;

/** The outgoing HTLC by which news find the forward. */
export const outgoingOf = ({ stage }: Pick<Forward, 'stage'>): string | undefined =>
  stage.state === 'offered' || stage.state === 'failed' ? stage.htlc : undefined;

/** The same forward where a command means nothing to it: news come again after a reconnection, and from the chain. */
export function stepForward(forward: Forward, command: ForwardCommand): Forwarded {
  const { stage } = forward;
  switch (command.tag) {
    case 'tick':
      return tick(forward, command);
    case 'offered':
      return stage.state === 'planned' ? to(forward, { state: 'offered', htlc: command.htlc, atMs: stage.atMs }) : still(forward);
    case 'refused':
      return stage.state === 'planned' ? fail(forward, temporary, command.nowMs) : still(forward);
    case 'fulfilled': {
      const isOpen = stage.state === 'offered' || (stage.state === 'failed' && stage.htlc !== undefined);
      if (!isOpen || !equal(sha256(command.preimage), forward.paymentHash)) return still(forward);
      return to(forward, fulfilment(forward, command, heldMs(forward, command.nowMs)));
    }
    case 'failed': {
      if (stage.state !== 'offered') return still(forward);
      const { end, nowMs } = command;
      // Without an end its id may be given again: it names nothing any more.
      return to(forward, { state: 'failed', end: endOf(forward, end, heldMs(forward, nowMs)), ...(end ? { htlc: stage.htlc } : {}) });
    }
  }
}

const still = (forward: Forward, ...effects: ForwardEffect[]): Forwarded => ({ forward, effects });
const to = (forward: Forward, stage: ForwardStage, ...effects: ForwardEffect[]): Forwarded => ({ forward: { ...forward, stage }, effects });
const temporary: Failure = { name: 'temporary_channel_failure', ...noUpdate };
const fail = (forward: Forward, failure: AnyFailure, nowMs: number): Forwarded =>
  to(forward, { state: 'failed', end: saying(forward, failure, heldMs(forward, nowMs)) });

function tick(forward: Forward, { incoming, way, moment }: Extract<ForwardCommand, { readonly tag: 'tick' }>): Forwarded {
  const { stage } = forward;
  switch (stage.state) {
    case 'planned':
      return plan(forward, stage, incoming, way, moment);
    case 'offered':
    case 'settled':
      return still(forward);
    case 'fulfilled': {
      const { state: _, ...paid } = stage;
      if (incoming === 'gone')
        return to(forward, { state: 'settled', preimage: paid.preimage }, { tag: 'earned', feeMsat: earnedMsat(forward) });
      // On chain, too: there it is what claims the HTLC.
      return incoming === 'open' || incoming === 'chain'
        ? still(forward, { tag: 'answer', end: { kind: 'fulfill', ...paid } })
        : still(forward);
    }
    case 'failed':
      if (incoming === 'gone') return to(forward, { state: 'settled' });
      return incoming === 'open' ? still(forward, { tag: 'answer', end: stage.end }) : still(forward);
  }
}

function plan(
  forward: Forward,
  { onion, pathKey, atMs }: Extract<ForwardStage, { readonly state: 'planned' }>,
  incoming: IncomingStanding,
  way: WayFound,
  { nowMs, height, fresh }: Moment,
): Forwarded {
  // Its channel ends: nothing is offered for an HTLC that could be had on chain only.
  if (incoming === 'gone' || incoming === 'chain' || incoming === 'given') return fail(forward, temporary, nowMs);
  if (way === 'unknown') return fail(forward, { name: 'unknown_next_peer' }, nowMs);
  if (way === 'away' || nowMs >= atMs + forwardMs) return fail(forward, temporary, nowMs);
  // With an old height nobody knows how much time is left.
  if (incoming === 'unread' || !fresh) return still(forward);
  const { amountMsat, cltvExpiry, paymentHash } = forward;
  const failure = checkForward({
    htlc: forward.incoming,
    hop: { amtToForward: amountMsat, outgoingCltvValue: cltvExpiry },
    policy: way.policy,
    height,
    tooSoonBlocks: TOO_SOON_BLOCKS,
  });
  if (failure) return fail(forward, failure, nowMs);
  return still(forward, { tag: 'offer', way, add: { amountMsat, paymentHash, cltvExpiry, onion, ...(pathKey ? { pathKey } : {}) } });
}

/** How long we have had the incoming HTLC. Whoever does not know says zero. */
const heldMs = ({ stage }: Forward, nowMs: number): number =>
  (stage.state === 'planned' || stage.state === 'offered') && stage.atMs !== undefined ? nowMs - stage.atMs : 0;

function fulfilment({ answer, sharedSecret }: Forward, { preimage, attribution }: Omit<Fulfilment, 'kind'>, ms: number): ForwardStage {
  // BOLT 2: "if `path_key` is not set in the incoming `update_add_htlc`"
  if (answer.voice === 'blinded') return { state: 'fulfilled', preimage };
  const { kind: _, ...rest } = endOfFulfilment(sharedSecret, { preimage, ...(attribution ? { attribution } : {}) }, ms);
  return { state: 'fulfilled', ...rest };
}

/** What the next node said, in one more layer; from within or at the entrance of a blinded path nobody learns what it was. */
function endOf(forward: Forward, end: PartEnd | undefined, ms: number): HtlcEnd {
  if (end === undefined) return saying(forward, temporary, ms);
  if (end.kind === 'fail-malformed') return saying(forward, failureOfMalformed(end.failureCode, end.sha256OfOnion), ms);
  if (forward.answer.voice !== 'plain') return saying(forward, temporary, ms);
  return endOfFailure(forward.sharedSecret, end, ms);
}

const saying = ({ answer }: Pick<Forward, 'answer'>, failure: AnyFailure, ms: number): HtlcEnd =>
  endOfRefusal(refusal(answer, failure), ms);
