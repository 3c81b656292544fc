/**
 * Nothing is left but to agree on the closing transaction, and then to see it mined. BOLT 2 § Closing Negotiation and § Legacy Closing
 * Negotiation. The state stays the same until the chain says so: a peer that missed our last word hears it on its next connection.
 */
import { receiveClosingSigned } from '../close-legacy.ts';
import { proposeClose, receiveClosingComplete, receiveClosingSig } from '../close-simple.ts';
import type { ChannelCommand } from '../command.ts';
import type { Env } from '../env.ts';
import { isOverdue } from '../limits.ts';
import type { ChannelMessage } from '../message.ts';
import { isAgreed } from '../negotiation.ts';
import type { Negotiating } from '../state.ts';
import { andThen, fail, misplaced, type Step, stay } from '../step.ts';
import { confirmedBy, unconfirmed } from './confirmation.ts';
import { applied, closeOf } from './rounds.ts';
import { decideClose, isShutdown, recvShutdown } from './shutdown.ts';

export function negotiating(state: Negotiating, command: ChannelCommand, env: Env): Step {
  switch (command.tag) {
    case 'recv':
      return isShutdown(command.msg) ? recvShutdown(state, command.msg, env) : recv(state, command.msg, env);
    case 'close':
      return andThen(decideClose(state, command, env), (next) => (next.tag === 'negotiating' ? again(next, env) : stay(next)));
    case 'tick':
      // BOLT 2: "if it doesn't receive a `closing_signed` response after a reasonable amount of time: MUST fail the channel"
      if (isAgreed(state.negotiation) || !isOverdue(state.since, env)) return stay(state);
      return fail(state, { code: 'closing-invalid', detail: 'no agreement on a closing transaction' }, env);
    case 'chain':
      if (command.event.tag === 'funding-confirmed') return stay(confirmedBy(state, command.event));
      if (command.event.tag === 'funding-reorged') return stay(unconfirmed(state));
      return stay(state);
    default:
      return stay(state);
  }
}

const areBothDown = ({ commitments }: Negotiating): boolean =>
  commitments.shutdownSent === true && commitments.remoteShutdownScript !== undefined;

function recv(state: Negotiating, msg: ChannelMessage, env: Env): Step {
  if (!areBothDown(state)) return misplaced(state, msg.name, env);
  const { simpleClose } = env.negotiated;
  const close = closeOf(state);
  if (msg.name === 'closing_signed' && !simpleClose) return applied(state, receiveClosingSigned(close, msg, env), env);
  if (msg.name === 'closing_complete' && simpleClose) return applied(state, receiveClosingComplete(close, msg, env), env);
  if (msg.name === 'closing_sig' && simpleClose)
    return andThen(applied(state, receiveClosingSig(close, msg, env), env), (next) =>
      next.tag === 'negotiating' ? again(next, env) : stay(next),
    );
  return misplaced(state, msg.name, env);
}

/** A higher fee than the last: only `closing_complete` can be said again. */
const again = (state: Negotiating, env: Env): Step =>
  areBothDown(state) && env.negotiated.simpleClose ? applied(state, proposeClose(closeOf(state), env), env) : stay(state);
