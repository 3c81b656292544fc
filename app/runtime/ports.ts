/** What the node needs of the world around it. The worker gives the real ones, tests give others; the node has no globals. */
import type { RelayClient } from '../net/relay.ts';
import type { Database } from '../store/schema.ts';
import type { Broadcast } from './api.ts';
import type { NodeKeys } from './keys.ts';

/** A notification to show; `tag` replaces an older one of the same subject. */
export type Notice = {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  /** Buttons; only prompts have them. */
  readonly prompt?: { readonly peerId: string; readonly channelId: string };
  /** The page to open on a tap, e.g. `/#/activity`. */
  readonly path: string;
  readonly silent?: boolean;
};

export type Ports = {
  readonly db: Database;
  readonly relay: () => Promise<RelayClient>;
  readonly keys: () => Promise<NodeKeys | undefined>;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Monotonic, ms with fractions: for measuring only. */
  readonly stopwatch: () => number;
  readonly entropy: (bytes: number) => Uint8Array;
  /** One at a time among all contexts of this origin (a Web Lock). */
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>;
  readonly notify: (notice: Notice) => Promise<void>;
  readonly broadcast: (message: Broadcast) => void;
};
