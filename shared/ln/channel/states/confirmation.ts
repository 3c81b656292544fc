/** Where the funding output stands in the chain, for every state that has one. */
import type { ChainEvent } from '../command.ts';
import { buriedDepth } from '../limits.ts';
import { type Named, shortChannelIdOf } from '../scid.ts';
import type { Ground } from '../state.ts';

/** Told again with every block: once it is buried, the opener need not be able to publish it again. */
export function confirmedBy<S extends Named>(state: S, event: Extract<ChainEvent, { tag: 'funding-confirmed' }>): S {
  const { height, txIndex, depth } = event;
  const { fundingTransaction, announcement, ...rest } = state;
  const kept = fundingTransaction && depth < buriedDepth ? { fundingTransaction } : {};
  const confirmed = { height, txIndex };
  // What was signed for another short channel id announces nothing.
  const isHere = announcement?.shortChannelId === shortChannelIdOf({ confirmed, commitments: state.commitments });
  return { ...rest, ...kept, ...(announcement && isHere ? { announcement } : {}), confirmed } as S;
}

export function unconfirmed<S extends Ground>(state: S): S {
  const { confirmed: _, announcement: __, ...rest } = state;
  return rest as S;
}
