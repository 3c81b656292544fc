/**
 * The connection ended before the first signatures. BOLT 2 § Message Retransmission: "if it has sent the `funding_signed` message: MUST
 * remember the channel for reconnection. otherwise: SHOULD NOT"; likewise the funder before it has broadcast the funding transaction.
 */
import { note } from '../effect.ts';
import { channelIdOf, fundingAmountOf, type Pending } from '../state.ts';
import type { Step } from '../step.ts';

export const forget = (state: Pending): Step => ({
  state: null,
  effects: [
    note({
      kind: 'channel-abandoned',
      channelId: channelIdOf(state),
      amountSat: fundingAmountOf(state),
      detail: 'the connection ended before the channel was funded',
    }),
  ],
});
