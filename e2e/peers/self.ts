/**
 * Our own node under Node: the same runtime, store and engine as in the worker, on an IndexedDB in memory, speaking to a real
 * relay over HTTP. Most runs need no browser with it; what only a browser can show is left to the browser tests.
 */
import 'fake-indexeddb/auto';
import { randomBytes } from 'node:crypto';
import { relayClient } from '../../app/net/relay.ts';
import type { Api, ApiName, ApiResult, Broadcast } from '../../app/runtime/api.ts';
import { loadKeys, type NodeKeys } from '../../app/runtime/keys.ts';
import type { Notice } from '../../app/runtime/ports.ts';
import { handlers, type PagePorts } from '../../app/runtime/requests.ts';
import { wake } from '../../app/runtime/wake.ts';
import { openDatabase } from '../../app/store/schema.ts';
import { commit, setting } from '../../app/store/store.ts';
import { toHex } from '../../shared/lib/bytes.ts';
import { walletKeyFromSeed } from '../../shared/ln/keys/seed.ts';

export type SelfOptions = {
  readonly relayUrl: string;
  readonly network?: string;
  /** The database's name: give the same to come back as the same node. */
  readonly name?: string;
  /** Replaces ports, e.g. to fail or stop at a boundary. */
  readonly wrap?: (ports: PagePorts) => PagePorts;
  readonly now?: () => number;
  readonly fetch?: typeof fetch;
};
export type Self = {
  readonly ports: PagePorts;
  readonly name: string;
  readonly notices: Notice[];
  readonly broadcasts: Broadcast[];
  call<N extends ApiName>(name: N, arg: Api[N][0]): Promise<ApiResult<N>>;
  /** As the worker's push event does. */
  wake(payload: string | undefined, lingerMs?: number): Promise<void>;
  close(): void;
};

let made = 0;

export async function startSelf(options: SelfOptions): Promise<Self> {
  made += 1;
  const name = options.name ?? `self-${process.pid}-${made}`;
  const db = await openDatabase(name);
  const now = options.now ?? Date.now;
  const notices: Notice[] = [];
  const broadcasts: Broadcast[] = [];
  let keys: Promise<NodeKeys | undefined> | undefined;
  const openKeys = (): Promise<NodeKeys | undefined> => {
    keys ??= loadKeys(db);
    return keys;
  };
  // One after the other, as the Web Lock does it.
  let last: Promise<unknown> = Promise.resolve();
  const client = relayClient(options.relayUrl, {
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    now,
    loadToken: () => setting(db, 'relayToken'),
    saveToken: async (relayToken) => void (await commit(db, { settings: { relayToken } })),
    sign: async (digest) => (await openKeys())?.signForRelay(digest),
  });
  const plain: PagePorts = {
    db,
    origin: options.relayUrl,
    keys: openKeys,
    relay: async () => client,
    reset: () => {
      keys = undefined;
    },
    now,
    stopwatch: () => performance.now(),
    entropy: (bytes) => new Uint8Array(randomBytes(bytes)),
    exclusive: (work) => {
      const next = last.then(work, work);
      last = next.catch(() => undefined);
      return next;
    },
    notify: async (notice) => void notices.push(notice),
    broadcast: (message) => void broadcasts.push(message),
  };
  const ports = options.wrap?.(plain) ?? plain;
  return {
    ports,
    name,
    notices,
    broadcasts,
    call: (request, arg) => {
      const handle = handlers[request] as (ports: PagePorts, arg: unknown) => Promise<ApiResult<typeof request>>;
      return handle(ports, arg);
    },
    wake: (payload, lingerMs) => wake(ports, payload, now(), lingerMs),
    close: () => db.close(),
  };
}

/** A wallet from random entropy. Words are a page's business; the key path is the same. */
export async function makeWallet(self: Self, network = 'regtest'): Promise<string> {
  const seed = new Uint8Array(randomBytes(64));
  const answer = await self.call('create-wallet', {
    entropy: toHex(new Uint8Array(randomBytes(16))),
    walletKey: toHex(walletKeyFromSeed(seed, network === 'mainnet' ? 0 : 1)),
    network,
    restore: false,
  });
  if (!answer.ok) throw new Error(answer.error.detail);
  const view = await self.call('snapshot', null);
  if (!view.ok || view.value.nodeId === undefined) throw new Error('no node id');
  return view.value.nodeId;
}
