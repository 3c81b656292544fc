/** Our `channel_ready` is out, theirs is not in. A zero-conf channel may not be in the chain yet. */
import type { ChannelCommand } from '../command.ts';
import { note } from '../effect.ts';
import type { Env } from '../env.ts';
import type { WaitForChannelReady } from '../state.ts';
import { misplaced, type Step, stay } from '../step.ts';
import { confirmedBy, unconfirmed } from './confirmation.ts';
import { isShutdown, recvShutdown, sendShutdown, settleShutdown } from './shutdown.ts';

export function waitForChannelReady(state: WaitForChannelReady, command: ChannelCommand, env: Env): Step {
  const { channelId, terms } = state.commitments;
  switch (command.tag) {
    case 'recv':
      return isShutdown(command.msg) ? recvShutdown(state, command.msg, env) : misplaced(state, command.msg.name, env);
    case 'close':
      return sendShutdown(state, command, env);
    case 'flush':
      return settleShutdown(stay(state), env);
    case 'chain':
      switch (command.event.tag) {
        case 'funding-confirmed': {
          const first = state.confirmed === undefined;
          const seen = first ? [note({ kind: 'channel-confirmed', channelId, amountSat: terms.fundingAmountSat })] : [];
          return stay(confirmedBy(state, command.event), ...seen);
        }
        case 'funding-reorged': {
          // Zero-conf never stood on the chain. Any other channel goes back to waiting for its ground.
          if (terms.zeroConf) return stay(unconfirmed(state));
          return stay({ ...unconfirmed(state), tag: 'wait-for-funding-confirmed', since: { height: env.height, ms: env.now } });
        }
        default:
          return stay(state);
      }
    default:
      return stay(state);
  }
}
