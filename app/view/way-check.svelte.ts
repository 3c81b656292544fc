/** "Check the way": what a trial of the payment under review has shown. Nobody can keep what it sends. */
import type { Api, ProbeResult } from '../runtime/api.ts';
import { call } from './worker.ts';

export type WayState =
  | { readonly tag: 'idle' }
  | { readonly tag: 'waiting' }
  | { readonly tag: 'done'; readonly result: ProbeResult }
  | { readonly tag: 'refused'; readonly code: string };

export class WayCheck {
  state = $state.raw<WayState>({ tag: 'idle' });

  async run(arg: Api['probe'][0]): Promise<void> {
    if (this.state.tag === 'waiting') return;
    this.state = { tag: 'waiting' };
    const answer = await call('probe', arg);
    this.state = answer.ok ? { tag: 'done', result: answer.value } : { tag: 'refused', code: answer.error.code };
  }
}
