/** `shutdown` went both ways, and HTLCs are still to be settled. BOLT 2 § Closing Initiation. */
import type { ChannelCommand } from '../command.ts';
import type { Env } from '../env.ts';
import type { ShuttingDown } from '../state.ts';
import { type Step, stay } from '../step.ts';
import { confirmedBy, unconfirmed } from './confirmation.ts';
import { isShutdown, recvShutdown, sendShutdown, settleShutdown } from './shutdown.ts';
import { recvUpdate, update } from './updating.ts';

export function shuttingDown(state: ShuttingDown, command: ChannelCommand, env: Env): Step {
  switch (command.tag) {
    case 'recv': {
      const { msg } = command;
      if (isShutdown(msg)) return recvShutdown(state, msg, env);
      return settleShutdown(recvUpdate(state, msg, env), env);
    }
    case 'remove':
    case 'set-fee':
    case 'flush':
      return settleShutdown(update(state, command, env), env);
    case 'close':
      return sendShutdown(state, command, env);
    case 'chain':
      if (command.event.tag === 'funding-confirmed') return stay(confirmedBy(state, command.event));
      if (command.event.tag === 'funding-reorged') return stay(unconfirmed(state));
      return stay(state);
    default:
      return stay(state);
  }
}
