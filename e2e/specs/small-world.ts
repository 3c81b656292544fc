/** Chain, relay and one LDK peer in this process: what the node's own tests under Node need. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../relay/config.ts';
import { type RelayDeps, startRelay } from '../../relay/server.ts';
import { type Chain, startChain } from '../lab/chain.ts';
import { startRpc } from '../lab/rpc.ts';
import { waitFor } from '../lab/wait.ts';
import { createLdkPeer, type LdkPeer } from '../peers/ldk.ts';
import { makeWallet, type Self, type SelfOptions, startSelf } from '../peers/self.ts';

export const temporary = (name: string): string => mkdtempSync(join(tmpdir(), `beckon-${name}-`));

export type SmallWorld = {
  readonly chain: Chain;
  readonly alice: LdkPeer;
  readonly relayUrl: string;
  /** Ends the relay and starts it again on the same port, with its database or with a new one. */
  restartRelay(database: 'kept' | 'lost', deps?: RelayDeps): Promise<void>;
  stop(): Promise<void>;
};

const COINS = 3;

export type SmallWorldOptions = {
  readonly deps?: RelayDeps;
  readonly limits?: Record<string, number>;
  readonly coinSat?: bigint;
  /** The relay reads Alice's gossip. */
  readonly gossip?: boolean;
};

export async function startSmallWorld(options: SmallWorldOptions = {}): Promise<SmallWorld> {
  const chain = await startChain();
  const rpc = await startRpc(chain);
  const alice = await createLdkPeer({ alias: 'Alice', source: chain, dir: temporary('alice') });
  await alice.start();
  for (let i = 0; i < COINS; i += 1) await chain.fund(await alice.address(), options.coinSat ?? 50_000_000n);
  await chain.mine(1);
  await waitFor(async () => (await alice.balanceSat()) > 0n, { what: "Alice's coins" });
  const config = readConfig({
    PORT: '0',
    BECKON_DATA: temporary('relay'),
    BECKON_DIAL_ALLOW: '127.0.0.0/8',
    BECKON_CHAIN: rpc.url,
    BECKON_NETWORK: 'regtest',
    BECKON_CHAIN_POLL_MS: '100',
    ...(options.gossip ? { BECKON_GOSSIP: `${alice.id}@${alice.host}:${alice.port}` } : {}),
  });
  if (!config.ok) throw new Error(config.error.problems.join('\n'));
  let settings = { ...config.value, limits: { ...config.value.limits, handoverTimeoutMs: 2_000, ...options.limits } };
  let relay = await startRelay(settings, options.deps);
  settings = { ...settings, port: relay.port };
  return {
    chain,
    alice,
    relayUrl: `http://localhost:${relay.port}`,
    async restartRelay(database, deps = options.deps) {
      await relay.stop();
      if (database === 'lost') settings = { ...settings, dataFolder: temporary('relay') };
      relay = await startRelay(settings, deps);
    },
    async stop() {
      await relay.stop();
      await alice.stop();
      await rpc.stop();
      await chain.stop();
    },
  };
}

/** A node with a wallet that is connected to Alice. */
export async function connectedSelf(
  world: SmallWorld,
  options: Partial<SelfOptions> & { readonly onOpen?: 'sign' | 'ask' | 'refuse'; readonly allowPublic?: boolean } = {},
): Promise<{ self: Self; nodeId: string }> {
  const self = await startSelf({ relayUrl: world.relayUrl, ...options });
  const nodeId = await makeWallet(self);
  const rules = {
    onOpen: options.onOpen ?? ('sign' as const),
    minFundingSat: '20000',
    maxFundingSat: '16777215',
    minDepth: 3,
    allowPublic: options.allowPublic ?? false,
    promptMinutes: 5,
  };
  await self.call('set-policy', rules);
  const answer = await self.call('connect-peer', { address: `${world.alice.id}@127.0.0.1:${world.alice.port}` });
  if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.detail}`);
  return { self, nodeId };
}

/** Another LDK node on the same chain, with coins for channels. */
export async function startBob({ chain }: SmallWorld): Promise<LdkPeer> {
  const bob = await createLdkPeer({ alias: 'Bob', source: chain, dir: temporary('bob') });
  await bob.start();
  await chain.fund(await bob.address(), 50_000_000n);
  await chain.mine(1);
  await waitFor(async () => (await bob.balanceSat()) > 0n, { what: "Bob's coins" });
  return bob;
}

/** What a phone would do over time: wakes until the condition holds. What a wake throws is thrown. */
export async function wakeUntil(self: Self, what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`woke for 15 s, waiting for ${what}`);
    await self.wake(undefined, 100);
  }
}

export async function channelTags(self: Self): Promise<string[]> {
  const view = await self.call('snapshot', null);
  return view.ok ? view.value.channels.map((channel) => channel.tag) : [];
}
