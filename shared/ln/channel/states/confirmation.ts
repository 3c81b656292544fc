/** Where the funding output stands in the chain, for every state that has one. */
import type { ChainEvent } from '../command.ts';
import { buriedDepth } from '../limits.ts';
import type { Ground } from '../state.ts';

/** Told again with every block: once it is buried, the opener need not be able to publish it again. */
export function confirmedBy<S extends Ground>(state: S, event: Extract<ChainEvent, { tag: 'funding-confirmed' }>): S {
  const { height, txIndex, depth } = event;
  const { fundingTransaction, ...rest } = state;
  const kept = fundingTransaction && depth < buriedDepth ? { fundingTransaction } : {};
  return { ...rest, ...kept, confirmed: { height, txIndex } } as S;
}

export function unconfirmed<S extends Ground>(state: S): S {
  const { confirmed: _, ...rest } = state;
  return rest as S;
}
