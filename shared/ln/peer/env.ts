/** Everything a step may know besides its state and its command: the channels' own `Env`, but for what the peer's `init` says. */
import type { Env } from '../channel/env.ts';

export type { Env, OpenPolicy } from '../channel/env.ts';
export type PeerEnv = Omit<Env, 'negotiated'>;
