/** Puts the parts of the relay together. Tests and the embedded world start it the same way as `main.ts`, with parts of their own. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Agent } from 'node:https';
import { isIPv6 } from 'node:net';
import express from 'express';
import { Accounts } from './api/accounts.ts';
import { appFiles, securityHeaders } from './api/app.ts';
import { graphApi } from './api/graph.ts';
import { createHandle } from './api/handle.ts';
import { httpApi } from './api/http.ts';
import { createClosedApi, createOpenApi } from './api/open.ts';
import { createOrigins } from './api/origins.ts';
import { attachWs } from './api/ws.ts';
import type { Block } from './chain/block.ts';
import { type Chain, type ChainParts, type ChainStatus, createChain, createNoChain, defaultChainConfig } from './chain/chain.ts';
import { type BitcoinNode, createNode } from './chain/node.ts';
import { createRpc } from './chain/rpc.ts';
import type { Config } from './config.ts';
import { createGossip, type Gossip } from './gossip/gossip.ts';
import { type AddressPolicy, ownAddresses } from './keeper/address.ts';
import { Buckets } from './keeper/buckets.ts';
import { createDial, type Dial, type Dialler, type Resolver, systemResolver, tcpDialler } from './keeper/dial.ts';
import { Keeper } from './keeper/keeper.ts';
import { createPeerDialler } from './keeper/peer.ts';
import { Wheel } from './keeper/wheel.ts';
import { createMetrics, healthPage, type MetricsBook, metricsPage } from './metrics.ts';
import type { ChainListener, Clock, Logger, Metrics, PeerDialler, Store, WakeSource } from './ports.ts';
import { createFetch } from './price/fetch.ts';
import { createPrices, type Prices } from './price/price.ts';
import { Backups } from './store/backups.ts';
import { openStore } from './store/store.ts';
import { systemTimers, type Timers } from './timers.ts';
import { httpsPost, type Post } from './wake/post.ts';
import { createWake, defaultWakeConfig } from './wake/wake.ts';

/** All of it may be left out. */
export type RelayDeps = {
  readonly dialler?: Dialler;
  readonly resolver?: Resolver;
  readonly timers?: Timers;
  /** How far apart deadlines are looked at. */
  readonly tickMs?: number;
  readonly post?: Post;
  readonly logger?: Logger;
  readonly metrics?: MetricsBook;
  readonly chain?: (store: Store, onEvent: ChainListener) => Chain;
  /** Routes of the embedded world, on the relay's own origin; they come before the app's files. */
  readonly mount?: (app: express.Express) => void;
};
export type Relay = {
  /** `http://127.0.0.1:8420` */
  readonly url: string;
  readonly port: number;
  /** Closes sessions (keys are wiped), connections and the database. */
  stop(): Promise<void>;
};

const PUSH_TIMEOUT_MS = 10_000;
/** Requests that are still answered when the relay stops get this long. */
const DRAIN_MS = 1_000;

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startRelay(config: Config, deps: RelayDeps = {}): Promise<Relay> {
  const { limits } = config;
  const log = deps.logger ?? silent;
  const metrics = deps.metrics ?? createMetrics();
  const timers = deps.timers ?? systemTimers;
  const clock = timers.nowMs;
  const wheel = new Wheel(clock, deps.tickMs);
  const store = openStore(config.dataFolder);

  // The wake module asks the keeper, the keeper tells the wake module: one of them must come first.
  let keeper: Keeper | undefined;
  const source: WakeSource = {
    attached: (account) => keeper?.attached(account) ?? false,
    pendingFor: (account) => keeper?.pendingFor(account) ?? { frames: [], sessions: [] },
    nudge: (account) => keeper?.nudge(account),
  };
  const wake = createWake({
    store,
    source,
    post: deps.post ?? httpsPost(new Agent({ keepAlive: true }), PUSH_TIMEOUT_MS),
    timers,
    logger: log,
    metrics,
    config: {
      ...defaultWakeConfig,
      pushHosts: config.pushHosts,
      ...(config.vapidSubject === null ? {} : { pushSubject: config.vapidSubject }),
    },
  });
  const onEvent: ChainListener = (account) => keeper?.onEvent(account);
  const node = nodeFrom(config, metrics);
  // The chain tells of blocks from its first turn on, gossip reads them from when it is there.
  let gossip: Gossip | undefined;
  const onBlock = config.gossip.length === 0 ? undefined : (height: number, block?: Block) => gossip?.onBlock(height, block);
  const chain =
    deps.chain?.(store, onEvent) ??
    chainFrom(config, node, { store, timers, listener: onEvent, onHeight: wake.reached, onBlock, logger: log });
  const policy: AddressPolicy = { allow: config.dialAllow, ports: config.dialPorts, own: ownAddresses() };
  const dialBy = (rules: AddressPolicy): Dial =>
    createDial({
      policy: rules,
      resolve: deps.resolver ?? systemResolver,
      dialler: deps.dialler ?? tcpDialler,
      timeoutMs: limits.dialTimeoutMs,
      perTarget: new Buckets(clock, limits.dialsPerTargetPerMinute),
    });
  const dial = dialBy(policy);
  const dialPeer: PeerDialler = createPeerDialler(dial, { limits, clock, wheel, onPing: () => metrics.count('beckon_pings_total') });
  keeper = new Keeper({
    store,
    limits,
    clock,
    wheel,
    dialPeer,
    wake,
    metrics,
    log,
    newId: () => randomBytes(16).toString('base64url'),
    hasEvents: (account) => chain.pendingEvents(account).length > 0,
  });

  if (config.gossip.length > 0) {
    const dialler = deps.dialler ?? tcpDialler;
    gossip = createGossip({ config, store, node, dialler, resolve: deps.resolver ?? systemResolver, wheel, timers, log, metrics });
  }

  let port = config.port;
  const origins = createOrigins(config, () => port);
  const accounts = new Accounts({ store, limits, clock, origins });
  const backups = new Backups(store, clock);
  const prices = pricesFrom(config, clock, dial, dialBy);
  const handle = createHandle({ accounts, keeper, chain, wake, backups, prices, limits, clock, metrics, log });

  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', config.trustProxy);
  app.use(securityHeaders(connectSources(config)));
  app.get(
    '/health',
    healthPage({ nowMs: clock, chain: () => chain.status(), sessions: () => keeper?.live ?? 0, graph: () => gossip?.status() }),
  );
  app.get('/metrics', metricsPage(metrics, config.metricsToken));
  app.use('/api/graph', graphApi({ snapshots: gossip?.snapshots, origins, limits }));
  app.use('/api/v1', httpApi({ handle, accounts, origins, limits }));
  const openApi = config.openApi ? createOpenApi({ dialPeer, timers, logger: log, metrics }) : undefined;
  app.use('/api', openApi?.router ?? createClosedApi());
  metrics.gauge('beckon_open_connections', () => openApi?.connections() ?? 0);
  chainGauges(metrics, () => chain.status());
  deps.mount?.(app);
  app.get('/world.json', (_request, response) => {
    response.set('Cache-Control', 'no-store').json({ network: config.network });
  });
  app.use(appFiles(config.appFolder));

  const server = createServer({ requestTimeout: 30_000, headersTimeout: 15_000, keepAliveTimeout: 65_000 }, app);
  const ws = attachWs(server, {
    handle,
    accounts,
    origins,
    keeper,
    chain,
    wake,
    limits,
    clock,
    log,
    metrics,
    addressOf: (request) => addressOf(request, config.trustProxy),
  });
  port = await listen(server, config).catch((cause: unknown) => {
    store.close();
    throw cause;
  });
  keeper.start();
  const url = `http://${isIPv6(config.host) ? `[${config.host}]` : config.host}:${port}`;
  log.info({ url }, 'the relay listens');

  const stopAll = async () => {
    keeper?.stop();
    openApi?.stop();
    ws.stop();
    await Promise.all([close(server), wake.stop(), chain.stop(), gossip?.stop()]);
    node?.close();
    wheel.stop();
    store.close();
  };
  let stopped: Promise<void> | undefined;
  return {
    url,
    port,
    stop: () => {
      stopped ??= stopAll();
      return stopped;
    },
  };
}

/** The client's address as express sees it: so many proxies from the right of X-Forwarded-For are believed. */
function addressOf(request: IncomingMessage, proxies: number): string {
  const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim());
  return (proxies > 0 ? forwarded[Math.max(0, forwarded.length - proxies)] : '') || (request.socket.remoteAddress ?? '');
}

function chainGauges(metrics: Metrics, read: () => ChainStatus): void {
  const up = (pick: (status: Extract<ChainStatus, { state: 'up' }>) => number) => () => {
    const status = read();
    return status.state === 'up' ? pick(status) : 0;
  };
  metrics.gauge(
    'beckon_chain_up',
    up(() => 1),
  );
  metrics.gauge(
    'beckon_chain_height',
    up((status) => status.height),
  );
  metrics.gauge(
    'beckon_chain_tip_age_seconds',
    up((status) => status.tipAgeMs / 1000),
  );
}

/** Throws when the certificate's file cannot be read. */
function nodeFrom(config: Config, metrics: Metrics): BitcoinNode | undefined {
  if (config.chain === null) return undefined;
  const ca = config.chainCa === null ? {} : { ca: readFileSync(config.chainCa, 'utf8') };
  return createNode(createRpc({ url: config.chain, ...ca, onFault: (fault) => metrics.count('beckon_chain_faults_total', fault) }));
}

function chainFrom(config: Config, node: BitcoinNode | undefined, parts: Omit<ChainParts, 'node' | 'config'>): Chain {
  if (node === undefined) return createNoChain(parts.store);
  return createChain({ ...parts, node, config: { ...defaultChainConfig, pollMs: config.chainPollMs } });
}

/** The operator knows where the own source is: it may be inside. */
function pricesFrom(config: Config, clock: Clock, dial: Dial, dialBy: (policy: AddressPolicy) => Dial): Prices {
  const { limits, priceUrl, pricePath } = config;
  const limit = { timeoutMs: limits.priceTimeoutMs, maxBytes: limits.priceBytes };
  const anywhere = { allow: ['0.0.0.0/0', '::/0'], ports: [], own: [] };
  return createPrices({
    clock,
    own: priceUrl === null ? null : { url: priceUrl, path: pricePath, fetch: createFetch({ ...limit, dial: dialBy(anywhere) }) },
    fetch: createFetch({ ...limit, dial }),
    perAccount: new Buckets(clock, limits.pricesPerMinute),
    maxInFlight: limits.pricesInFlight,
  });
}

const connectSources = (config: Config): readonly string[] =>
  [...config.connectSrc, ...config.publicUrls].flatMap((origin) => [origin, origin.replace(/^http/, 'ws')]);

function listen(server: Server, config: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : config.port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
  });
}
