/** What every channel that we open ourselves has in common until its first signatures: nothing of it outlives the connection. */
import type { ChannelCommand } from '../command.ts';
import type { Env } from '../env.ts';
import type { ChannelError } from '../error.ts';
import { channelIdOf, type WaitForAcceptChannel, type WaitForFunding, type WaitForFundingSigned } from '../state.ts';
import { fail, failedByPeer, fault, type Step, stay } from '../step.ts';
import { forget } from './forget.ts';

type Opening = WaitForAcceptChannel | WaitForFunding | WaitForFundingSigned;

/** For every command that the state has no answer of its own to. `late`: what it is when the deadline has passed. */
export function stepOpening(state: Opening, command: ChannelCommand, late: ChannelError, env: Env): Step {
  switch (command.tag) {
    case 'recv':
      return fault(state, { code: 'unexpected-message', detail: command.msg.name }, env);
    case 'tick':
      return env.now >= state.deadlineMs ? fail(state, late, env) : stay(state);
    case 'peer-error':
      return failedByPeer(state, command.detail, env);
    case 'disconnected':
      return forget(state);
    case 'close':
    case 'force-close':
      return fail(state, { code: 'open-cancelled' }, env);
    case 'add':
      return stay(state, {
        tag: 'add-refused',
        channelId: channelIdOf(state),
        request: command.request,
        error: { code: 'not-usable' },
      });
    case 'answer':
    case 'chain':
    case 'remove':
    case 'set-fee':
    case 'flush':
    case 'funded':
    case 'not-funded':
    case 'archive':
    case 'connected':
      return stay(state);
  }
}
