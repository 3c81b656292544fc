/**
 * The on-chain machine of a channel: what the chain says goes in, transactions to broadcast and ends of HTLCs come out. BOLT 5.
 *
 * Pure and total. Whoever calls has proved that a `spent` transaction is in the best chain; what does not parse, or does not spend
 * what it is said to, is ignored. Coins of the environment include those that attempts of this machine spend already.
 */
import { equal } from '../../lib/bytes.ts';
import type { SignerGuard } from '../signer/signer.ts';
import { parseTransaction } from '../tx/parse.ts';
import { planClaims } from './claims.ts';
import { sameOutpoint } from './classify.ts';
import { htlcEnds, learnedPreimages, preimagesIn } from './ends.ts';
import { notesOf } from './notes.ts';
import type { ChannelFacts, ConfirmedSpend, OnchainEffect, OnchainEnv, OnchainEvent, OnchainState } from './types.ts';
import { readSpends, viewOf } from './view.ts';

export const startOnchain = (init: Pick<OnchainState, 'publishing' | 'sweepIndex' | 'preimages'>): OnchainState => ({
  publishing: init.publishing,
  sweepIndex: init.sweepIndex,
  spends: [],
  preimages: init.preimages,
  attempts: [],
  told: [],
  coinsShort: false,
});

export type OnchainStep = { readonly state: OnchainState; readonly guard: SignerGuard; readonly effects: readonly OnchainEffect[] };

export function stepOnchain(before: OnchainState, facts: ChannelFacts, event: OnchainEvent, env: OnchainEnv): OnchainStep {
  const heard = hear(before, facts, event);
  const learned = learnedPreimages(heard, facts);
  const known: OnchainState = learned.length === 0 ? heard : { ...heard, preimages: [...heard.preimages, ...learned] };
  const view = viewOf(known, facts);
  const claims = planClaims(known, facts, view, env);
  const ends = htlcEnds(known, facts, view, env.height);
  const state: OnchainState = { ...known, attempts: claims.attempts, coinsShort: claims.coinsShort, told: ends.told };
  const effects: OnchainEffect[] = [...ends.effects];
  const classified = view.close?.classified;
  // Asked again until it is answered: an answer may be lost with the process that would have given it.
  if (classified?.kind === 'revoked' && state.archive?.number !== classified.number)
    effects.push({ tag: 'need-archive', number: classified.number });
  effects.push(...notesOf(before, state, facts, view, claims.refused));
  return { state, guard: claims.guard, effects };
}

/** The facts after the event. */
function hear(state: OnchainState, facts: ChannelFacts, event: OnchainEvent): OnchainState {
  switch (event.tag) {
    case 'spent':
      return readSpends([event.spend]).length === 1 ? { ...state, spends: withSpend(state.spends, event.spend) } : state;
    case 'reorged':
      return { ...state, spends: state.spends.filter(({ height }) => height <= event.height) };
    case 'seen': {
      const parsed = parseTransaction(event.transaction);
      return parsed.ok ? { ...state, preimages: [...state.preimages, ...preimagesIn([parsed.value], state, facts)] } : state;
    }
    case 'preimage':
      return event.preimage.length !== 32 || state.preimages.some((known) => equal(known, event.preimage))
        ? state
        : { ...state, preimages: [...state.preimages, event.preimage] };
    case 'archive':
      return { ...state, archive: { number: event.number, htlcs: event.htlcs } };
    case 'tick':
      return state;
  }
}

/** One spender for each output: the newest word is the chain's. In an order of their own, so that it does not matter who came first. */
const withSpend = (spends: readonly ConfirmedSpend[], spend: ConfirmedSpend): readonly ConfirmedSpend[] => [
  ...spends.filter(({ outpoint }) => !sameOutpoint(outpoint, spend.outpoint)),
  spend,
];

export { classify } from './classify.ts';
export { isResolved, owed, sweeps } from './sweeps.ts';
export { broadcasts, nextHeight, outputWatches } from './watches.ts';
