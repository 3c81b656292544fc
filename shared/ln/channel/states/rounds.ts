/** From both `shutdown`s to a signed close: how a verb of the closing protocols becomes a step. BOLT 2 § Channel Close. */
import type { Close, Reply } from '../close.ts';
import { openNegotiation } from '../close-legacy.ts';
import { proposeClose } from '../close-simple.ts';
import { note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { isAgreed } from '../negotiation.ts';
import type { Negotiating } from '../state.ts';
import { fault, type Step, stay } from '../step.ts';

export const closeOf = ({ commitments, negotiation }: Negotiating): Close => ({ commitments, negotiation });

/** BOLT 2: "after `shutdown` has been received, AND no HTLCs remain in either commitment transaction" */
export const beginRounds = (state: Negotiating, env: Env): Step =>
  applied(state, env.negotiated.simpleClose ? proposeClose(closeOf(state), env) : openNegotiation(closeOf(state), env), env);

/** The first complete close is news. */
export function applied(state: Negotiating, reply: Reply, env: Env): Step {
  if (!reply.ok) return fault(state, reply.error, env);
  const { commitments, negotiation, messages } = reply.value;
  const { channelId, toLocalMsat } = commitments;
  const isNew = isAgreed(negotiation) && !isAgreed(state.negotiation);
  const told = note({ kind: 'channel-closing', channelId, amountSat: toLocalMsat / 1000n, detail: 'both sides agreed' });
  return stay({ ...state, commitments, negotiation }, ...messages.map(send), ...(isNew ? [told] : []));
}
