/** `funding_created` is out, the funding transaction is not. The peer's signature lets it go. BOLT 2 § The `funding_signed` Message. */
import { note } from '../effect.ts';
import type { Env } from '../env.ts';
import { receiveFundingSigned } from '../funding.ts';
import type { FundingSigned } from '../message.ts';
import type { WaitForFundingConfirmed, WaitForFundingSigned } from '../state.ts';
import { fault, type Step, stay, type Transition } from '../step.ts';
import { stepOpening } from './opening.ts';
import { announceReady } from './ready.ts';

export const waitForFundingSigned: Transition<WaitForFundingSigned> = (state, command, env) =>
  command.tag === 'recv' && command.msg.name === 'funding_signed'
    ? fundingSigned(state, command.msg, env)
    : stepOpening(state, command, { code: 'signed-late' }, env);

function fundingSigned(state: WaitForFundingSigned, msg: FundingSigned, env: Env): Step {
  const received = receiveFundingSigned(state, msg, env.openSigner(state.terms.keyPath));
  // BOLT 2: "MUST send a `warning` and close the connection, or send an `error` and fail the channel.",
  // "MUST NOT broadcast the funding transaction before receipt of a valid `funding_signed`."
  if (!received.ok) return fault(state, received.error, env);
  const commitments = received.value;
  const { channelId, terms } = commitments;
  const signed = note({ kind: 'funding-signed', channelId, amountSat: terms.fundingAmountSat });
  // BOLT 2: "on receipt of a valid `funding_signed`: SHOULD broadcast the funding transaction." That follows from the state.
  const waiting: WaitForFundingConfirmed = {
    tag: 'wait-for-funding-confirmed',
    commitments,
    since: { height: env.height, ms: env.now },
    fundingTransaction: state.fundingTransaction,
  };
  if (!terms.zeroConf) return stay(waiting, signed);
  const ready = announceReady(waiting, env);
  return { state: ready.state, effects: [signed, ...ready.effects] };
}
