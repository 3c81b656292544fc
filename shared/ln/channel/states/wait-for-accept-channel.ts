/** Our `open_channel` is out. What the peer accepts is judged, and then the money is asked for. BOLT 2 § The `accept_channel` Message. */
import { fundingScriptPubKey } from '../../tx/scripts.ts';
import { judgeAcceptChannel } from '../checks-accept.ts';
import type { Env } from '../env.ts';
import { fundingMs, fundingWithinBlocks } from '../limits.ts';
import type { AcceptChannel } from '../message.ts';
import type { WaitForAcceptChannel } from '../state.ts';
import { fault, type Step, stay, type Transition } from '../step.ts';
import { stepOpening } from './opening.ts';

export const waitForAcceptChannel: Transition<WaitForAcceptChannel> = (state, command, env) =>
  command.tag === 'recv' && command.msg.name === 'accept_channel'
    ? acceptChannel(state, command.msg, env)
    : stepOpening(state, command, { code: 'accept-late' }, env);

function acceptChannel(state: WaitForAcceptChannel, msg: AcceptChannel, env: Env): Step {
  const judged = judgeAcceptChannel(state.offer, msg);
  if (!judged.ok) return fault(state, judged.error, env);
  const terms = judged.value;
  return stay(
    { tag: 'wait-for-funding', terms, deadlineMs: env.now + fundingMs },
    {
      tag: 'fund',
      temporaryChannelId: terms.temporaryChannelId,
      scriptPubKey: fundingScriptPubKey(terms.local.basepoints.fundingPubkey, terms.remote.basepoints.fundingPubkey),
      amountSat: terms.fundingAmountSat,
      // BOLT 2: "SHOULD ensure the funding transaction confirms in the next 2016 blocks."
      feeratePerKw: state.offer.fundingFeeratePerKw ?? env.feerateFor(fundingWithinBlocks),
    },
  );
}
