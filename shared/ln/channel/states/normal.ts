/** `channel_ready` went both ways: BOLT 2 § Normal Operation. */
import type { ChannelCommand } from '../command.ts';
import { isQuiet } from '../commitments.ts';
import { note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import type { Normal } from '../state.ts';
import { andThen, type Step, stay } from '../step.ts';
import { sendAdd } from '../updates.ts';
import { announce } from './announcing.ts';
import { confirmedBy, unconfirmed } from './confirmation.ts';
import { answerStfu, inQuiet, recvStfu } from './quiescence.ts';
import { isShutdown, recvShutdown, sendShutdown, settleShutdown } from './shutdown.ts';
import { recvUpdate, update } from './updating.ts';

export const normal = (state: Normal, command: ChannelCommand, env: Env): Step =>
  answerStfu(inQuiet(state, command, env) ?? stepNormal(state, command, env));

function stepNormal(state: Normal, command: ChannelCommand, env: Env): Step {
  switch (command.tag) {
    case 'recv': {
      const { msg } = command;
      if (msg.name === 'stfu') return recvStfu(state, msg, env);
      if (isShutdown(msg)) return recvShutdown(state, msg, env);
      return settleShutdown(recvUpdate(state, msg, env), env);
    }
    case 'add': {
      const { channelId, localShutdownScript, remoteShutdownScript } = state.commitments;
      const { request } = command;
      // BOLT 2 § Closing Initiation: after `shutdown` either way nothing is added.
      const open = localShutdownScript === undefined && remoteShutdownScript === undefined;
      const added = open ? sendAdd(state.commitments, command) : ({ ok: false, error: { code: 'not-usable' } } as const);
      if (!added.ok) return stay(state, { tag: 'add-refused', channelId, request, error: added.error });
      const { commitments, message, id } = added.value;
      return stay({ ...state, commitments }, send(message), { tag: 'htlc-offered', channelId, request, id });
    }
    case 'set-fee':
      // BOLT 2: "MUST NOT send any `update` message after that point.": nothing is pending, and our `shutdown` is out.
      if (state.commitments.shutdownSent && isQuiet(state.commitments)) return stay(state);
      return settleShutdown(update(state, command, env), env);
    case 'remove':
      return settleShutdown(update(state, command, env), env);
    case 'flush':
      return andThen(settleShutdown(update(state, command, env), env), (next) => announce(next, env));
    case 'close':
      return sendShutdown(state, command, env);
    case 'chain':
      return chain(state, command.event);
    default:
      return stay(state);
  }
}

function chain(state: Normal, event: Extract<ChannelCommand, { tag: 'chain' }>['event']): Step {
  const { channelId, terms } = state.commitments;
  const amountSat = terms.fundingAmountSat;
  switch (event.tag) {
    case 'funding-confirmed': {
      const seen = state.confirmed === undefined ? [note({ kind: 'channel-confirmed', channelId, amountSat })] : [];
      return stay(confirmedBy(state, event), ...seen);
    }
    case 'funding-reorged':
      // The channel goes on: both sides hold each other's signatures, and the transaction is back in the mempool as a rule.
      return stay(unconfirmed(state), note({ kind: 'fault', channelId, amountSat, detail: 'the funding transaction left the best chain' }));
    default:
      return stay(state);
  }
}
