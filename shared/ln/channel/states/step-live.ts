/** Routes to the state under a connectivity wrapper: first what every live state has in common, then the state's own. */
import type { ChannelCommand } from '../command.ts';
import type { Env } from '../env.ts';
import type { Live } from '../state.ts';
import type { Step } from '../step.ts';
import { stepAnyLive } from './live.ts';
import { negotiating } from './negotiating.ts';
import { normal } from './normal.ts';
import { shuttingDown } from './shutting-down.ts';
import { waitForChannelReady } from './wait-for-channel-ready.ts';
import { waitForFundingConfirmed } from './wait-for-funding-confirmed.ts';

export const stepLive = (state: Live, command: ChannelCommand, env: Env): Step =>
  stepAnyLive(state, command, env) ?? stepOne(state, command, env);

function stepOne(state: Live, command: ChannelCommand, env: Env): Step {
  switch (state.tag) {
    case 'wait-for-funding-confirmed':
      return waitForFundingConfirmed(state, command, env);
    case 'wait-for-channel-ready':
      return waitForChannelReady(state, command, env);
    case 'normal':
      return normal(state, command, env);
    case 'shutting-down':
      return shuttingDown(state, command, env);
    case 'negotiating':
      return negotiating(state, command, env);
  }
}
