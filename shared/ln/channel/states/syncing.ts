/**
 * Our `channel_reestablish` is out, theirs is not in. BOLT 2 § Message Retransmission:
 * "MUST wait to receive the other node's `channel_reestablish` message before sending any other messages for that channel."
 */
import type { ChannelCommand } from '../command.ts';
import { type ChannelEffect, note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { sendChannelReady } from '../funding.ts';
import type { ChannelReestablish } from '../message.ts';
import { receiveReestablish } from '../reestablish.ts';
import type { Live, Syncing } from '../state.ts';
import { andThen, fail, failedByPeer, fault, type Step, stay } from '../step.ts';
import { goOffline, withRemoval } from './live.ts';
import { silently } from './offline.ts';
import { decideClose, resumeClosing } from './shutdown.ts';
import { stepLive } from './step-live.ts';

export function syncing(state: Syncing, command: ChannelCommand, env: Env): Step {
  const { was } = state;
  switch (command.tag) {
    case 'recv':
      if (command.msg.name === 'channel_reestablish') return reestablish(state, command.msg, env);
      // LND may say these before its `channel_reestablish`; they change nothing that the other decides.
      if (command.msg.name === 'channel_ready' || command.msg.name === 'announcement_signatures')
        return untilTold(stepLive(was, command, env));
      return fault(state, { code: 'message-before-reestablish', detail: command.msg.name }, env);
    case 'chain':
    case 'tick':
    case 'force-close':
      return untilTold(stepLive(was, command, env));
    case 'remove':
      return silently(stay(withRemoval(was, command.id, command.removal)), 'syncing');
    case 'close':
      return silently(decideClose(was, command, env), 'syncing');
    case 'add':
      return stay(state, {
        tag: 'add-refused',
        channelId: was.commitments.channelId,
        request: command.request,
        error: { code: 'not-usable' },
      });
    case 'peer-error':
      return failedByPeer(state, command.detail, env);
    case 'disconnected':
      return goOffline(was);
    case 'answer':
    case 'connected':
    case 'set-fee':
    case 'flush':
    case 'funded':
    case 'not-funded':
    case 'archive':
      return stay(state);
  }
}

function reestablish(state: Syncing, msg: ChannelReestablish, env: Env): Step {
  const { was } = state;
  const signer = env.openSigner(was.commitments.terms.keyPath);
  const agreed = receiveReestablish(was.commitments, msg, signer);
  if (!agreed.ok) return fail(state, agreed.error, env);
  const { commitments, repeat, say } = agreed.value;
  const { channelId, terms } = commitments;
  const effects: readonly ChannelEffect[] = [
    ...repeatReady(was, msg, env),
    ...repeat.map((bytes) => ({ tag: 'repeat', bytes }) as const),
    ...say.map(send),
    note({ kind: 'channel-reestablished', channelId, amountSat: terms.fundingAmountSat }),
  ];
  return andThen(stay({ ...was, commitments }, ...effects), (next) => resumeClosing(next, env));
}

/**
 * BOLT 2: "if `next_commitment_number` is 1 in both the `channel_reestablish` it sent and received [...]: MUST retransmit
 * `channel_ready`." There is nothing to repeat before it was first said.
 */
function repeatReady({ tag, commitments }: Live, msg: ChannelReestablish, env: Env): readonly ChannelEffect[] {
  const fresh = commitments.localCommit.number === 0n && msg.nextCommitmentNumber === 1n;
  if (!fresh || tag === 'wait-for-funding-confirmed') return [];
  return [send(sendChannelReady(commitments, env.openSigner(commitments.terms.keyPath)))];
}

/** A failure may be told at once: an `error` is not a message of the channel's own flow. */
function untilTold(step: Step): Step {
  return step.state?.tag === 'failed' || step.state?.tag === 'closing' ? step : silently(step, 'syncing');
}
