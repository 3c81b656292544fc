/** The user is asked. The peer waits for `accept_channel` and, for minutes, does not mind. */
import { note } from '../effect.ts';
import { acceptOpen, refusal } from '../open.ts';
import type { WaitForApproval } from '../state.ts';
import { failedByPeer, fault, type Step, stay, type Transition } from '../step.ts';
import { forget } from './forget.ts';

export const waitForApproval: Transition<WaitForApproval> = (state, command, env) => {
  const channelId = state.terms.temporaryChannelId;
  const amountSat = state.terms.fundingAmountSat;
  const refuse = (kind: 'open-denied' | 'open-expired', code: 'denied-by-user' | 'prompt-expired'): Step => ({
    state: null,
    effects: [...refusal(channelId, { code }), note({ kind, channelId, amountSat })],
  });
  switch (command.tag) {
    case 'answer':
      // An approval that comes after the deadline is not what the user was asked for.
      if (env.now >= state.deadlineMs) return refuse('open-expired', 'prompt-expired');
      if (!command.approve) return refuse('open-denied', 'denied-by-user');
      return acceptOpen(state.terms, env, note({ kind: 'open-approved', channelId, amountSat }));
    case 'tick':
      return env.now >= state.deadlineMs ? refuse('open-expired', 'prompt-expired') : stay(state);
    case 'recv':
      return fault(state, { code: 'unexpected-message', detail: command.msg.name }, env);
    case 'peer-error':
      return failedByPeer(state, command.detail, env);
    case 'disconnected':
      return forget(state);
    default:
      return stay(state);
  }
};
