/** `channel_ready`, ours and theirs. BOLT 2 § The `channel_ready` Message. */
import { note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { receiveChannelReady, sendChannelReady } from '../funding.ts';
import type { ChannelReady } from '../message.ts';
import { groundOf, type Live, type Normal, type WaitForChannelReady, type WaitForFundingConfirmed } from '../state.ts';
import { fault, type Step, stay } from '../step.ts';

/** Ours goes out; if theirs came before, the channel is open. */
export function announceReady({ since: _, tag: __, ...rest }: WaitForFundingConfirmed, env: Env): Step {
  const { commitments } = rest;
  const ready = send(sendChannelReady(commitments, env.openSigner(commitments.terms.keyPath)));
  const waiting: WaitForChannelReady = { tag: 'wait-for-channel-ready', ...rest };
  if (!commitments.remoteNextPerCommitmentPoint) return stay(waiting, ready);
  const normal = becomeNormal(waiting);
  return { state: normal.state, effects: [ready, ...normal.effects] };
}

/** `channel_ready` went both ways. */
function becomeNormal(state: WaitForChannelReady): Step {
  const { commitments } = state;
  const normal: Normal = { tag: 'normal', commitments, ...groundOf(state) };
  const { channelId, terms } = commitments;
  return stay(normal, note({ kind: 'channel-ready', channelId, amountSat: terms.fundingAmountSat }));
}

/**
 * Theirs comes in. BOLT 2: "the opener is free to send this message at any time", so it may be early, and it is repeated after a
 * reconnection: "MUST ignore any redundant `channel_ready` it receives."
 */
export function recvChannelReady(state: Live, msg: ChannelReady, env: Env): Step {
  const received = receiveChannelReady(state.commitments, msg);
  if (!received.ok) return fault(state, received.error, env);
  if (state.tag === 'wait-for-channel-ready') return becomeNormal({ ...state, commitments: received.value });
  return stay({ ...state, commitments: received.value });
}
