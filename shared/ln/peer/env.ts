/** Everything a step may know besides its state and its command: the channels' own `Env`, but for who the peer is and what its `init` says. */
import type { Env } from '../channel/env.ts';

export type { Env, OpenPolicy } from '../channel/env.ts';
export type PeerEnv = Omit<Env, 'negotiated' | 'peerId'>;
