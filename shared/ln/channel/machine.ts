/**
 * The channel machine: `step(state, command, env) → { state, effects }`, synchronous and total.
 * `open.ts` and `offer.ts` make the first state; a null state is a channel forgotten.
 */
import type { ChannelCommand } from './command.ts';
import type { Env } from './env.ts';
import type { ChannelState } from './state.ts';
import { closing } from './states/closing.ts';
import { failed } from './states/failed.ts';
import { offline } from './states/offline.ts';
import { stepLive } from './states/step-live.ts';
import { syncing } from './states/syncing.ts';
import { waitForAcceptChannel } from './states/wait-for-accept-channel.ts';
import { waitForApproval } from './states/wait-for-approval.ts';
import { waitForFunding } from './states/wait-for-funding.ts';
import { waitForFundingCreated } from './states/wait-for-funding-created.ts';
import { waitForFundingSigned } from './states/wait-for-funding-signed.ts';
import type { Step } from './step.ts';

export function step(state: ChannelState, command: ChannelCommand, env: Env): Step {
  switch (state.tag) {
    case 'wait-for-approval':
      return waitForApproval(state, command, env);
    case 'wait-for-funding-created':
      return waitForFundingCreated(state, command, env);
    case 'wait-for-accept-channel':
      return waitForAcceptChannel(state, command, env);
    case 'wait-for-funding':
      return waitForFunding(state, command, env);
    case 'wait-for-funding-signed':
      return waitForFundingSigned(state, command, env);
    case 'wait-for-funding-confirmed':
    case 'wait-for-channel-ready':
    case 'normal':
    case 'shutting-down':
    case 'negotiating':
      return stepLive(state, command, env);
    case 'failed':
      return failed(state, command, env);
    case 'closing':
      return closing(state, command, env);
    case 'offline':
      return offline(state, command, env);
    case 'syncing':
      return syncing(state, command, env);
  }
}
