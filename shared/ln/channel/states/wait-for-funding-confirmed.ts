/** The first signatures are exchanged; the opener publishes, and both wait for the depth that was asked for. */
import type { ChainEvent, ChannelCommand } from '../command.ts';
import { note } from '../effect.ts';
import type { Env } from '../env.ts';
import { forgetAfterBlocks, isOverdue } from '../limits.ts';
import type { WaitForFundingConfirmed } from '../state.ts';
import { misplaced, type Step, stay } from '../step.ts';
import { confirmedBy, unconfirmed } from './confirmation.ts';
import { announceReady } from './ready.ts';
import { isShutdown, recvShutdown, sendShutdown } from './shutdown.ts';

export function waitForFundingConfirmed(state: WaitForFundingConfirmed, command: ChannelCommand, env: Env): Step {
  switch (command.tag) {
    case 'recv':
      return isShutdown(command.msg) ? recvShutdown(state, command.msg, env) : misplaced(state, command.msg.name, env);
    case 'close':
      return sendShutdown(state, command, env);
    case 'chain':
      return chain(state, command.event, env);
    case 'tick':
      return isForgettable(state, env) ? abandon(state) : stay(state);
    default:
      return stay(state);
  }
}

function chain(state: WaitForFundingConfirmed, event: ChainEvent, env: Env): Step {
  switch (event.tag) {
    case 'funding-confirmed': {
      const first = state.confirmed === undefined;
      const { channelId, terms } = state.commitments;
      const next = confirmedBy(state, event);
      const seen = first ? [note({ kind: 'channel-confirmed', channelId, amountSat: terms.fundingAmountSat })] : [];
      // BOLT 2: "SHOULD wait until the funding transaction has reached `minimum_depth` before sending this message."
      if (event.depth < terms.minDepth) return stay(next, ...seen);
      const ready = announceReady(next, env);
      return { state: ready.state, effects: [...seen, ...ready.effects] };
    }
    case 'funding-reorged':
      return stay(unconfirmed(state));
    default:
      return stay(state);
  }
}

/**
 * BOLT 2: "SHOULD forget the channel if it does not see the correct funding transaction after a timeout of 2016 blocks." Only the
 * fundee does, and only here: the opener's money is in it, and once our `channel_ready` is out the channel may hold money, and a chain
 * source could hide a confirmation from us.
 */
const isForgettable = (state: WaitForFundingConfirmed, env: Env): boolean =>
  !state.commitments.terms.localIsOpener && state.confirmed === undefined && isOverdue(state.since, env);

const abandon = ({ commitments: { channelId, terms } }: WaitForFundingConfirmed): Step => ({
  state: null,
  effects: [
    note({
      kind: 'channel-abandoned',
      channelId,
      amountSat: terms.fundingAmountSat,
      detail: `no funding transaction in ${forgetAfterBlocks} blocks`,
    }),
  ],
});
