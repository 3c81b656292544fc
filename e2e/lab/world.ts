/** The embedded world: a regtest chain, a relay on it, and Alice, Bob and Carol in a line, with coins; all of it kept in one folder. */
import { join } from 'node:path';
import type { Config } from '../../relay/config.ts';
import { readConfig } from '../../relay/config.ts';
import { type RelayDeps, startRelay } from '../../relay/server.ts';
import { createLdkPeer, type LdkPeer } from '../peers/ldk.ts';
import { type Chain, startChain } from './chain.ts';
import { labRoutes } from './control.ts';
import { linePeers } from './line.ts';
import { lockFolder } from './lock.ts';
import { startRpc } from './rpc.ts';

/** Each peer gets this many coins when it has nearly none: one open at a time and coin. */
const COINS = 5;
const COIN_SAT = 50_000_000n;

const GRAPH_SOONEST_MS = 1_000;

export type World = {
  /** Where the app is to be opened. */
  readonly url: string;
  readonly chain: Chain;
  readonly peers: readonly LdkPeer[];
  stop(): Promise<void>;
};

export type WorldOptions = {
  readonly dataDir: string;
  /** Settings of the relay, by their names in the environment; chain, data folder and loopback are the world's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly deps?: RelayDeps;
  /** `manual` for tests that move the peers' time themselves. Default `real`. */
  readonly ticks?: 'real' | 'manual';
};

/** Throws with plain words when a setting is wrong, the port is taken or another run holds the folder. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { dataDir, env = {}, deps = {}, ticks = 'real' } = options;
  // What was started is stopped in the opposite order, also when a later part fails to start.
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const release = lockFolder(dataDir);
    stops.push(async () => release());
    const chain = await startChain({ dataDir: join(dataDir, 'chain') });
    stops.push(chain.stop);
    const rpc = await startRpc(chain);
    stops.push(rpc.stop);

    const peers: LdkPeer[] = [];
    for (const alias of ['Alice', 'Bob', 'Carol']) {
      const peer = await createLdkPeer({ alias, source: chain, dir: join(dataDir, alias.toLowerCase()), ticks });
      await peer.start();
      stops.push(peer.stop);
      peers.push(peer);
    }
    let funded = false;
    for (const peer of peers) {
      if ((await peer.balanceSat()) >= COIN_SAT) continue;
      for (let i = 0; i < COINS; i++) await chain.fund(await peer.address(), COIN_SAT);
      funded = true;
    }
    const settled = async (): Promise<void> => {
      for (const peer of peers) await peer.settled();
    };
    if (funded) {
      await chain.mine();
      await settled();
    }
    await linePeers(chain, peers, settled);

    const config = relayConfig({
      ...env,
      BECKON_DATA: join(dataDir, 'relay'),
      BECKON_CHAIN: rpc.url,
      BECKON_CHAIN_POLL_MS: env.BECKON_CHAIN_POLL_MS ?? '1000',
      BECKON_NETWORK: 'regtest',
      BECKON_GOSSIP: env.BECKON_GOSSIP ?? peers.map(({ id, host, port }) => `${id}@${host}:${port}`).join(' '),
      BECKON_DIAL_ALLOW: ['127.0.0.0/8', env.BECKON_DIAL_ALLOW ?? ''].join(' '),
    });
    const routes = labRoutes(chain, peers);
    const relay = await startRelay(config, {
      ...deps,
      mount(app) {
        deps.mount?.(app);
        app.use('/lab', routes);
        // In front of the relay's own: this world has a control API.
        app.get('/world.json', (_request, response) => {
          response.set('Cache-Control', 'no-store').json({ network: 'regtest', lab: '/lab' });
        });
      },
    });
    stops.push(relay.stop);
    // Browsers take `localhost` for a secure context under this name without asking.
    return { url: `http://localhost:${relay.port}`, chain, peers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function relayConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const config = readConfig(env);
  if (!config.ok) throw new Error(`These settings cannot be used:\n${config.error.problems.map((line) => `  ${line}`).join('\n')}`);
  // The line is young, and whoever starts the world wants to pay over it at once.
  return { ...config.value, limits: { ...config.value.limits, graphSoonestMs: GRAPH_SOONEST_MS } };
}
