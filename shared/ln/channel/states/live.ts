/** What every funded channel that still lives has in common: the chain under it, deadlines, and the messages that are never in place. */

import type { ChannelCommand } from '../command.ts';
import type { Commitments } from '../commitments.ts';
import { isAtStake, isClaimPending } from '../dance.ts';
import { send } from '../effect.ts';
import type { Env } from '../env.ts';
import type { RemovalRequest } from '../htlc.ts';
import { claimBeforeBlocks, timeoutAfterBlocks } from '../limits.ts';
import { type ChannelMessage, textBytes } from '../message.ts';
import type { Live } from '../state.ts';
import { fail, failedByPeer, fault, misplaced, type Step, stay, withoutUnsigned } from '../step.ts';
import { sendRemoval } from '../updates.ts';
import { recvAnnouncementSignatures, withoutOurs } from './announcing.ts';
import { beginClosing } from './begin-closing.ts';
import { recvChannelReady } from './ready.ts';

/** Commands that mean the same in every live state; undefined for the others. */
export function stepAnyLive(state: Live, command: ChannelCommand, env: Env): Step | undefined {
  const { channelId } = state.commitments;
  switch (command.tag) {
    case 'chain':
      switch (command.event.tag) {
        case 'spent':
          return beginClosing(state, { code: 'spent', detail: 'the funding output was spent' }, false, command.event, env);
        case 'funding-wrong':
          return fail(state, { code: 'funding-wrong', detail: command.event.detail }, env);
        case 'reorged':
        case 'seen':
          return stay(state);
        default:
          return undefined;
      }
    case 'tick': {
      const due = nextHtlcHeight(state.commitments);
      if (due === undefined || env.height < due) return undefined;
      const told = send({ name: 'error', channelId, data: textBytes('an HTLC ran out of time') });
      const closing = beginClosing(state, { code: 'deadline', detail: `an HTLC was due at height ${due}` }, true, undefined, env);
      return stay(closing.state ?? state, told, ...closing.effects);
    }
    case 'force-close': {
      const told = send({ name: 'error', channelId, data: textBytes('the owner of this node closed the channel') });
      const closing = beginClosing(state, { code: 'user', detail: 'by our own commitment' }, true, undefined, env);
      return stay(closing.state ?? state, told, ...closing.effects);
    }
    case 'peer-error':
      return failedByPeer(state, command.detail, env);
    case 'disconnected':
      return goOffline(state);
    case 'add':
      return state.tag === 'normal'
        ? undefined
        : stay(state, { tag: 'add-refused', channelId, request: command.request, error: { code: 'not-usable' } });
    case 'answer':
    case 'connected':
    case 'funded':
    case 'not-funded':
    case 'archive':
      return stay(state);
    case 'recv':
      return recvAnyLive(state, command.msg, env);
    case 'remove':
    case 'set-fee':
    case 'flush':
    case 'close':
      return undefined;
  }
}

/** Messages that mean the same in every live state. */
function recvAnyLive(state: Live, msg: ChannelMessage, env: Env): Step | undefined {
  switch (msg.name) {
    case 'channel_ready':
      return recvChannelReady(state, msg, env);
    case 'channel_reestablish':
      return fault(state, { code: 'reestablish-repeated' }, env);
    case 'announcement_signatures':
      return recvAnnouncementSignatures(state, msg, env);
    // The temporary id is history, and splices are not negotiated.
    case 'accept_channel':
    case 'funding_created':
    case 'funding_signed':
    case 'start_batch':
      return misplaced(state, msg.name, env);
    default:
      return undefined;
  }
}

/** BOLT 2 § Message Retransmission: what was not signed is gone, and what of it was ours is told. */
export function goOffline(state: Live): Step {
  const { commitments, gone } = withoutUnsigned(state);
  return stay({ tag: 'offline', was: withoutSilence(withoutOurs({ ...state, commitments })) }, ...gone);
}

/** Silence ends with the connection that it was asked for on. */
function withoutSilence(state: Live): Live {
  if (state.tag !== 'normal' || !state.quiet) return state;
  const { quiet: _, ...rest } = state;
  return rest;
}

/** How an HTLC ends may be decided without a connection; it is said after the next `channel_reestablish`. */
export function withRemoval(was: Live, id: bigint, removal: RemovalRequest): Live {
  const removed = sendRemoval(was.commitments, id, removal);
  return removed.ok ? { ...was, commitments: { ...removed.value.commitments, unsigned: was.commitments.unsigned } } : was;
}

/**
 * The height at which an HTLC must go on chain. BOLT 2 § `cltv_expiry_delta` Selection: one that we can claim before it expires, one of
 * ours after it has.
 */
export function nextHtlcHeight(commitments: Commitments): number | undefined {
  let next: number | undefined;
  for (const htlc of commitments.htlcs) {
    const due = isClaimPending(htlc)
      ? htlc.cltvExpiry - claimBeforeBlocks
      : htlc.by === 'local' && isAtStake(htlc)
        ? htlc.cltvExpiry + timeoutAfterBlocks
        : undefined;
    if (due !== undefined && (next === undefined || due < next)) next = due;
  }
  return next;
}
