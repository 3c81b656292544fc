/** No connection. What the chain does goes on happening to what the channel `was`; nothing can be said. */

import type { ChannelCommand } from '../command.ts';
import { send } from '../effect.ts';
import type { Env } from '../env.ts';
import { sendReestablish } from '../reestablish.ts';
import { isLive, type Offline } from '../state.ts';
import { type Step, stay } from '../step.ts';
import { withRemoval } from './live.ts';
import { decideClose } from './shutdown.ts';
import { stepLive } from './step-live.ts';

export function offline(state: Offline, command: ChannelCommand, env: Env): Step {
  const { was } = state;
  switch (command.tag) {
    case 'connected':
      // BOLT 2: "MUST transmit `channel_reestablish` for each channel."
      return stay({ tag: 'syncing', was }, send(sendReestablish(was.commitments, env.openSigner(was.commitments.terms.keyPath))));
    case 'chain':
    case 'tick':
    case 'force-close':
      return silently(stepLive(was, command, env), 'offline');
    case 'remove':
      return silently(stay(withRemoval(was, command.id, command.removal)), 'offline');
    case 'add':
      return stay(state, {
        tag: 'add-refused',
        channelId: was.commitments.channelId,
        request: command.request,
        error: { code: 'not-usable' },
      });
    case 'close':
      return silently(decideClose(was, command, env), 'offline');
    case 'recv':
    case 'peer-error':
    case 'answer':
    case 'disconnected':
    case 'set-fee':
    case 'flush':
    case 'funded':
    case 'not-funded':
    case 'archive':
      return stay(state);
  }
}

/** What may not be said now is said again at `channel_reestablish` or at the next connection; everything else is told. */
export const silently = ({ state, effects }: Step, tag: 'offline' | 'syncing'): Step => ({
  state: state && isLive(state) ? { tag, was: state } : state,
  effects: effects.filter(({ tag: kind }) => kind !== 'send' && kind !== 'repeat' && kind !== 'disconnect'),
});
