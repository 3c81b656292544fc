/** A channel whose close both sides have signed: it can only end in the chain, and the peer may forget it. */
import { startOnchain } from '../onchain/machine.ts';
import type { Env } from './env.ts';
import { type Closing, groundOf, type Negotiating } from './state.ts';

/** Waits for its closing transaction. Our own commitment goes out only if the user says so. */
export const mutuallyClosing = (state: Negotiating, dataLost: boolean, env: Env): Closing => ({
  tag: 'closing',
  commitments: state.commitments,
  onchain: startOnchain({ publishing: false, sweepIndex: env.sweepIndex, preimages: [] }),
  mutual: state.negotiation.signed,
  cause: { code: 'mutual', detail: 'both sides agreed' },
  dataLost,
  since: { height: env.height, ms: env.now },
  ...groundOf(state),
});
