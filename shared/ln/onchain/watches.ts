/** What the runtime must watch for, send again, and wake for. BOLT 5 § Requirements: "MUST monitor the blockchain". */
import { equal } from '../../lib/bytes.ts';
import { fundingScriptPubKey } from '../tx/scripts.ts';
import { sameOutpoint } from './classify.ts';
import { endHeight } from './ends.ts';
import { lookHeight } from './fees.ts';
import { type ChannelFacts, finalDepth, type OnchainState, type OutputWatch, settledDepth } from './types.ts';
import { type ViewOutput, viewOf } from './view.ts';

/** The funding output and all that matters of what spent it. What is spent stays watched: a re-org may give it another spender. */
export function outputWatches(state: OnchainState, facts: ChannelFacts): readonly OutputWatch[] {
  const { holder, counterparty } = facts.local.template;
  const funding = { outpoint: facts.fundingOutpoint, scriptPubKey: fundingScriptPubKey(holder.fundingPubkey, counterparty.fundingPubkey) };
  return [funding, ...viewOf(state, facts).outputs.map(({ outpoint, scriptPubKey }) => ({ outpoint, scriptPubKey }))];
}

/** Ours that are not in the chain, parents first. To be sent again at each block, whatever was answered before. */
export const broadcasts = (state: OnchainState): readonly Uint8Array[] =>
  state.attempts.filter(({ txid }) => !state.spends.some((spend) => equal(spend.txid, txid))).map(({ transaction }) => transaction);

/** The next height above `height` at which a `tick` has something to do. */
export function nextHeight(state: OnchainState, facts: ChannelFacts, height: number): number | undefined {
  const view = viewOf(state, facts);
  const deep = (from: number): readonly number[] => [from + settledDepth - 1, from + finalDepth - 1];
  const bumpOf = ({ outpoint, deadline }: ViewOutput): readonly number[] =>
    state.attempts
      .filter(({ inputs: [first] }) => first && sameOutpoint(first, outpoint))
      .map((attempt) => lookHeight(attempt, deadline, height));
  const ofOutput = (output: ViewOutput): readonly number[] => {
    if (output.spender) return deep(output.spender.height);
    if (output.claim === undefined) return output.deadline === undefined ? [] : [output.deadline];
    return [output.fromHeight, ...bumpOf(output)];
  };
  const heights = [
    ...(view.close ? deep(view.close.spender.height) : state.publishing && !facts.dataLost ? [height + 1] : []),
    ...view.outputs.flatMap(ofOutput),
    ...facts.htlcs.flatMap((htlc) => endHeight(htlc, state, view) ?? []),
    ...(state.coinsShort ? [height + 1] : []),
  ].filter((at) => at > height);
  return heights.length === 0 ? undefined : Math.min(...heights);
}
