/**
 * Both sides agree, and the funding transaction is being made outside. It comes back signed and stays with us: published before the peer
 * has signed our commitment, its money could be stuck in the 2-of-2. BOLT 2 § The `funding_created` Message.
 */
import { equal } from '../../../lib/bytes.ts';
import { err, ok, type Result } from '../../../lib/result.ts';
import { parseTransaction } from '../../tx/parse.ts';
import { fundingScriptPubKey } from '../../tx/scripts.ts';
import type { Outpoint } from '../../tx/transaction.ts';
import type { ChannelCommand } from '../command.ts';
import { send } from '../effect.ts';
import type { Env } from '../env.ts';
import type { ChannelError } from '../error.ts';
import { sendFundingCreated } from '../funding.ts';
import { fundingSignedMs } from '../limits.ts';
import type { WaitForFunding, WaitForFundingSigned } from '../state.ts';
import { fail, type Step, stay, type Transition } from '../step.ts';
import type { ChannelTerms } from '../terms.ts';
import { stepOpening } from './opening.ts';

type Funded = Extract<ChannelCommand, { tag: 'funded' }>;

export const waitForFunding: Transition<WaitForFunding> = (state, command, env) => {
  switch (command.tag) {
    case 'funded':
      return funded(state, command, env);
    case 'not-funded':
      return fail(state, { code: 'not-funded', detail: command.detail }, env);
    default:
      return stepOpening(state, command, { code: 'not-funded', detail: 'not in time' }, env);
  }
};

function funded({ terms, ...rest }: WaitForFunding, command: Funded, env: Env): Step {
  const state = { ...rest, terms };
  const found = checkFunding(terms, command);
  if (!found.ok) return fail(state, found.error, env);
  const fundingOutpoint = found.value;
  const signed = sendFundingCreated(terms, fundingOutpoint, env.openSigner(terms.keyPath));
  if (!signed.ok) return fail(state, signed.error, env);
  const next: WaitForFundingSigned = {
    tag: 'wait-for-funding-signed',
    terms,
    fundingOutpoint,
    fundingTransaction: command.transaction,
    guard: signed.value.guard,
    deadlineMs: env.now + fundingSignedMs,
  };
  return stay(next, send(signed.value.message));
}

const wrong = (detail: string): Result<never, ChannelError> => err({ code: 'not-funded', detail });

/** The transaction pays exactly what was agreed and keeps its txid. That its inputs exist and are ours is for whoever made it. */
function checkFunding(terms: ChannelTerms, { transaction, vout }: Funded): Result<Outpoint, ChannelError> {
  const parsed = parseTransaction(transaction);
  if (!parsed.ok) return wrong(parsed.error.reason);
  const { txid, inputs, outputs } = parsed.value;
  // BOLT 2: "The `funding_output_index` can only be 2 bytes"
  const output = vout <= 0xffff ? outputs[vout] : undefined;
  if (!output) return wrong('no such output');
  const scriptPubKey = fundingScriptPubKey(terms.local.basepoints.fundingPubkey, terms.remote.basepoints.fundingPubkey);
  if (!equal(output.scriptPubKey, scriptPubKey)) return wrong('the output pays another script');
  if (output.amountSat !== terms.fundingAmountSat) return wrong('the output has another amount');
  // BOLT 2: "`funding_txid` to the transaction ID of a non-malleable transaction", "SHOULD use only BIP141 (Segregated Witness) inputs."
  if (inputs.some(({ scriptSig, witness }) => scriptSig.length > 0 || witness.length === 0))
    return wrong('an input is not signed, or not by a witness alone');
  return ok({ txid, vout });
}
