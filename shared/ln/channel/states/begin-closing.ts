/** From a living channel to its end on chain. BOLT 5. */
import { classify, startOnchain } from '../../onchain/machine.ts';
import type { ChainEvent } from '../command.ts';
import { knownPreimages, specOf } from '../commitments.ts';
import { note } from '../effect.ts';
import type { Env } from '../env.ts';
import { factsOf } from '../facts.ts';
import { isAgreed } from '../negotiation.ts';
import { type Closing, type Failed, groundOf, type Live } from '../state.ts';
import { type Step, stay, withoutUnsigned } from '../step.ts';
import { onChain, onTick } from './closing.ts';

/** `publish`: our own commitment goes out. `event`: what of the chain began it, if anything. */
export function beginClosing(
  state: Live | Failed,
  cause: Closing['cause'],
  publish: boolean,
  event: ChainEvent | undefined,
  env: Env,
): Step {
  const { commitments, gone } = withoutUnsigned(state);
  const dataLost = state.tag === 'failed' && state.doNotBroadcast;
  const mutual =
    state.tag === 'negotiating' &&
    event?.tag === 'spent' &&
    classify(event.transaction, factsOf({ commitments, dataLost }, env)).kind === 'mutual';
  const closing: Closing = {
    tag: 'closing',
    commitments,
    onchain: startOnchain({ publishing: publish && !dataLost, sweepIndex: env.sweepIndex, preimages: knownPreimages(commitments) }),
    mutual: state.tag === 'negotiating' ? state.negotiation.signed : [],
    cause: mutual ? { code: 'mutual', detail: 'both sides agreed' } : cause,
    dataLost,
    since: { height: env.height, ms: env.now },
    ...groundOf(state),
  };
  const told = note({
    kind: 'channel-closing',
    channelId: commitments.channelId,
    amountSat: specOf(commitments, 'local').toLocalMsat / 1000n,
    detail: cause.detail,
  });
  const begun = event ? onChain(closing, event, env) : onTick(closing, env);
  // An agreement was told when it was made.
  const wasTold = state.tag === 'negotiating' && isAgreed(state.negotiation) && mutual;
  return stay(begun.state ?? closing, ...gone, ...(wasTold ? [] : [told]), ...begun.effects);
}
