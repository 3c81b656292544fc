/** `accept_channel` is out. `funding_created` brings the first signature, and ours goes out in `funding_signed`. BOLT 2. */

import { note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { receiveFundingCreated } from '../funding.ts';
import type { FundingCreated } from '../message.ts';
import type { WaitForFundingConfirmed, WaitForFundingCreated } from '../state.ts';
import { fail, failedByPeer, fault, type Step, stay, type Transition } from '../step.ts';
import { forget } from './forget.ts';
import { announceReady } from './ready.ts';

export const waitForFundingCreated: Transition<WaitForFundingCreated> = (state, command, env) => {
  switch (command.tag) {
    case 'recv':
      if (command.msg.name === 'funding_created') return fundingCreated(state, command.msg, env);
      return fault(state, { code: 'unexpected-message', detail: command.msg.name }, env);
    case 'tick':
      return env.now >= state.deadlineMs ? fail(state, { code: 'funding-late' }, env) : stay(state);
    case 'peer-error':
      return failedByPeer(state, command.detail, env);
    case 'disconnected':
      return forget(state);
    default:
      return stay(state);
  }
};

function fundingCreated(state: WaitForFundingCreated, msg: FundingCreated, env: Env): Step {
  const received = receiveFundingCreated(state.terms, msg, env.openSigner(state.terms.keyPath));
  // BOLT 2: "MUST send a `warning` and close the connection, or send an `error` and fail the channel."
  if (!received.ok) return fault(state, received.error, env);
  const { commitments, fundingSigned } = received.value;
  const { channelId, terms } = commitments;
  const signed = [send(fundingSigned), note({ kind: 'funding-signed', channelId, amountSat: terms.fundingAmountSat })];
  const waiting: WaitForFundingConfirmed = { tag: 'wait-for-funding-confirmed', commitments, since: { height: env.height, ms: env.now } };
  if (!terms.zeroConf) return stay(waiting, ...signed);
  const ready = announceReady(waiting, env);
  return { state: ready.state, effects: [...signed, ...ready.effects] };
}
