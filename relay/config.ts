/**
 * All that an operator can set, read once at start from the environment and from an optional JSON file (`BECKON_CONFIG`).
 * The environment wins over the file. Every limit of the relay is named and explained here and nowhere else.
 */
import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import * as v from 'valibot';
import { err, ok, type Result } from '../shared/lib/result.ts';

const positive = v.pipe(v.number('must be a number'), v.safeInteger('must be a whole number'), v.minValue(1, 'must be at least 1'));
const limit = (fallback: number) => v.optional(positive, fallback);

/** Times in milliseconds, sizes in bytes. */
const limitsSchema = v.strictObject({
  // Towards Lightning peers
  /** TCP connect. */
  dialTimeoutMs: limit(10_000),
  /** From act one written to all 50 bytes of act two. */
  actTimeoutMs: limit(15_000),
  /** From act two to the hand-over of the keys. */
  handoverTimeoutMs: limit(30_000),
  /** Between our own pings. */
  pingIntervalMs: limit(60_000),
  /** From our ping to the pong; then the link is dropped. */
  pongTimeoutMs: limit(30_000),
  /** Pings of a peer that are answered, a second on average and at once; what is over is ignored. */
  pongsPerSecond: limit(2),
  pongBurst: limit(10),
  /** Waiting inbound messages of one session; when either is reached the socket is not read any more. */
  queueFrames: limit(256),
  queueBytes: limit(256 * 1024),
  /** Sealed bytes that a peer has not taken yet; when reached, outbound frames stay with the app. */
  outBufferBytes: limit(1024 * 1024),
  /** Act ones remembered so that none is dialled twice (rule R10). */
  rememberedActs: limit(10_000),
  sessionsTotal: limit(15_000),
  /** Sockets between dial and hand-over, in the whole relay and of one account. */
  handshakesTotal: limit(256),
  handshakesPerAccount: limit(8),
  /** Dials to one address, whoever asks. */
  dialsPerTargetPerMinute: limit(30),

  // Towards apps
  sessionsPerAccount: v.optional(v.pipe(positive, v.maxValue(64, 'must be at most 64')), 64),
  connectsPerMinute: limit(30),
  requestsPerMinute: limit(1200),
  /** HTTP requests and WebSocket upgrades of one address, whoever is behind it. */
  requestsPerAddressPerMinute: limit(6000),
  /** Unauthenticated requests (challenge, login, push key) of one address. */
  loginsPerMinute: limit(60),
  watchesPerAccount: limit(2_048),
  /** Prices in a currency, of one account; and sources that are asked at the same time, time for an answer, its size. */
  pricesPerMinute: limit(12),
  pricesInFlight: limit(16),
  priceTimeoutMs: limit(5_000),
  priceBytes: limit(64 * 1024),
  backupBytesPerHour: limit(64 * 1024 * 1024),
  /** One request or one WebSocket message. */
  bodyBytes: limit(2 * 1024 * 1024),
  accountsTotal: limit(100_000),
  challengeLifeMs: limit(60_000),
  challengesTotal: limit(10_000),
  tokenLifeMs: limit(24 * 3600_000),
  websocketsTotal: limit(15_000),
  websocketsPerAccount: limit(8),
  websocketHelloMs: limit(5_000),
  websocketHeartbeatMs: limit(25_000),
  /** Bytes that a slow reader has not taken; then it is dropped. */
  websocketBufferBytes: limit(4 * 1024 * 1024),
  /** Requests of one WebSocket, or long polls of one account, that are not answered yet. */
  requestsInFlight: limit(32),

  // Waking
  /** After an answer that gave the app something to do it counts as attached for this long: it will be back with the result. */
  busyMs: limit(2_000),
  /** A message that wakes, handed to an attached app and not acknowledged in this time: nobody is really there, so push. */
  ackPatienceMs: limit(5_000),
  /** How long a peer waits for our signature (LND, Eclair). */
  peerPatienceMs: limit(60_000),
  /** After the first wake for a lost session: the next one in this time, then twice that, … */
  lostWakeFirstMs: limit(30_000),
  lostWakeMaxMs: limit(6 * 3600_000),
  lostWakeTries: limit(12),
  /** Losses of a session that keeps coming and going which wake at once; the following ones wait as above. */
  lostWakesAtOnce: limit(3),
  /** A session that lived this long starts that series anew when it is lost. */
  stableMs: limit(60_000),

  // Gossip, from the peers of `gossip`
  /** Channels that are kept; what comes above is refused. The network has some 40,000. */
  gossipChannels: limit(150_000),
  /** Messages of one gossip peer that wait to be checked; when either is reached its socket is not read any more. */
  gossipQueueMessages: limit(4_096),
  gossipQueueBytes: limit(4 * 1024 * 1024),
  /** One gossip message; the largest honest ones are announcements of nodes with long lists of addresses. */
  gossipMessageBytes: limit(8_192),
  /** Signatures are checked for so long at a time; then the relay does other things for at least as long. */
  gossipTurnMs: limit(10),
  /** Messages that told nothing new, of one peer. A full graph, told again after each reconnection, is 130,000. */
  gossipUselessPerHour: limit(1_000_000),
  /** Announcements of one connection whose funding output is not there; a few are re-orgs and closings. */
  gossipUnfunded: limit(500),
  /** Updates of one direction of a channel: its owner can sign as many as it likes. */
  gossipUpdatesPerHour: limit(30),
  /** A channel whose funding output was not there is not looked for again for so long. */
  gossipRefusedMs: limit(6 * 3600_000),
  /** Calls to the Bitcoin node at a time. */
  gossipChainCalls: limit(2),
  /** After a lost connection: the next try, then twice as long, …; a peer that lies waits the longest at once. */
  gossipRetryFirstMs: limit(5_000),
  gossipRetryMaxMs: limit(3600_000),
  /** Silence after which a peer is asked which channels it has that we do not. */
  gossipQuietMs: limit(30_000),
  /** And so long after the last answer once more. */
  gossipAskAgainMs: limit(6 * 3600_000),
  /** A snapshot is made this long after the last one, and the newest of each hour are kept for deltas. */
  graphEveryMs: limit(3600_000),
  /** While much is new (the first hour of a relay), no more often than this. */
  graphSoonestMs: limit(60_000),
  graphsKept: limit(48),
  graphsPerAddressPerMinute: limit(60),
});

const list = (what: string, test: (item: string) => boolean) =>
  v.optional(
    v.array(
      v.pipe(
        v.string(),
        v.check(test, (issue) => `"${String(issue.input)}" is not ${what}`),
      ),
    ),
    [],
  );
const isCidr = (text: string) => ipaddr.isValidCIDR(text);
const isOrigin = (text: string) => {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === text;
};
const gossipPeer = /^(0[23][0-9a-f]{64})@(?:\[([0-9a-f:.]+)\]|([^@\s:]+)):(\d{1,5})$/i;
const isGossipPeer = (text: string) => parseGossipPeer(text) !== undefined;
const isHttpUrl = (text: string) => {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:');
};

const configSchema = v.strictObject({
  /** Where the relay listens. Put a TLS proxy in front of it; that proxy is then the only one to reach it. */
  host: v.optional(v.string(), '127.0.0.1'),
  port: v.optional(v.pipe(v.number('must be a number'), v.safeInteger(), v.minValue(0), v.maxValue(65_535, 'must be at most 65535')), 8420),
  /** Folder of the database; null: in memory, for tests. */
  dataFolder: v.optional(v.nullable(v.pipe(v.string(), v.minLength(1, 'must not be empty'))), './data'),
  /** Address ranges that may be dialled besides public ones. The port rules do not hold there. */
  dialAllow: list('an address range such as 10.0.0.0/8', isCidr),
  /** Ports below 1024 that may be dialled. */
  dialPorts: v.optional(v.array(positive), [443]),
  /** JSON-RPC of bitcoind or btcd, `http://user:password@host:port`. */
  chain: v.optional(v.nullable(v.pipe(v.string(), v.check(isHttpUrl, 'must look like http://user:password@127.0.0.1:8332'))), null),
  /** File with the certificate (PEM) of an https node: btcd makes its own. */
  chainCa: v.optional(v.nullable(v.string()), null),
  /** How often the node is asked for new blocks. */
  chainPollMs: v.optional(positive, 5_000),
  /** The chain that apps served from here are for; told to them in `/world.json`. */
  network: v.optional(v.picklist(['mainnet', 'testnet', 'signet', 'regtest'], 'must be mainnet, testnet, signet or regtest'), 'mainnet'),
  /** Lightning nodes that the channel graph is read from. They are dialled wherever they are: the rules for dialling are for apps. */
  gossip: list('a node such as 02…@203.0.113.7:9735', isGossipPeer),
  /** Where the price of a bitcoin is asked for the apps, with `{currency}` or `{lower}` in it; null: nowhere. */
  priceUrl: v.optional(v.nullable(v.pipe(v.string(), v.check(isHttpUrl, 'must look like https://prices.example/{currency}'))), null),
  /** Names with dots between them that lead to the number in the JSON that comes back. */
  pricePath: v.optional(v.string(), '{currency}'),
  /** The older HTTP contract, `POST /api/connect` and `/api/handshake/:id`. */
  openApi: v.optional(v.boolean(), true),
  /** Origins under which apps reach this relay. Loopback with the relay's own port always counts. */
  publicUrls: list('an origin such as https://relay.example', isOrigin),
  /** Other origins whose pages may use this relay. */
  origins: list('an origin such as https://app.example', isOrigin),
  /** Origins besides its own that the served app may talk to (another relay, the lab's control API). */
  connectSrc: list('an origin such as https://relay.example', isOrigin),
  /** Contact for push services, `mailto:` or `https:`. */
  vapidSubject: v.optional(v.nullable(v.pipe(v.string(), v.regex(/^(mailto:|https:)/, 'must begin with mailto: or https:'))), null),
  /** Push hosts besides the well-known ones, for tests with a local push service. */
  pushHosts: v.optional(v.array(v.string()), []),
  /** Proxies in front of the relay whose X-Forwarded-For is believed. */
  trustProxy: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  logLevel: v.optional(v.picklist(['silent', 'error', 'warn', 'info', 'debug'], 'must be silent, error, warn, info or debug'), 'info'),
  /** Who shows it as a bearer token may read `/metrics`; without one only this machine itself may. */
  metricsToken: v.optional(v.nullable(v.pipe(v.string(), v.minLength(16, 'must have at least 16 characters'))), null),
  /** The built app. */
  appFolder: v.optional(v.string(), './dist/app'),
  limits: v.optional(limitsSchema, {}),
});

export type Limits = v.InferOutput<typeof limitsSchema>;
export type Config = v.InferOutput<typeof configSchema>;
export type ConfigInput = v.InferInput<typeof configSchema>;
/** One line of plain words for each mistake. */
export type ConfigError = { readonly code: 'config-invalid'; readonly problems: readonly string[] };

export type GossipPeerAddress = { readonly id: string; readonly host: string; readonly port: number };
/** `pubkey@host:port`, an IPv6 address in brackets. Undefined: it is none. */
export function parseGossipPeer(text: string): GossipPeerAddress | undefined {
  const [, id, v6, name, digits] = gossipPeer.exec(text) ?? [];
  const [host, port] = [v6 ?? name, Number(digits)];
  return id === undefined || host === undefined || port < 1 || port > 65_535 ? undefined : { id: id.toLowerCase(), host, port };
}

export type Environment = { readonly [name: string]: string | undefined };

const number = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);
const items = (text: string) => text.split(/[\s,]+/).filter((item) => item !== '');
const onOff = (text: string): boolean | string => (text === 'on' ? true : text === 'off' ? false : text);

/** Name in the environment → field and how its text is read. */
const variables: { readonly [name: string]: readonly [keyof ConfigInput, (text: string) => unknown] } = {
  BECKON_HOST: ['host', String],
  PORT: ['port', number],
  BECKON_DATA: ['dataFolder', String],
  BECKON_DIAL_ALLOW: ['dialAllow', items],
  BECKON_DIAL_PORTS: ['dialPorts', (text) => items(text).map(number)],
  BECKON_CHAIN: ['chain', String],
  BECKON_CHAIN_CA: ['chainCa', String],
  BECKON_CHAIN_POLL_MS: ['chainPollMs', number],
  BECKON_NETWORK: ['network', String],
  BECKON_GOSSIP: ['gossip', items],
  BECKON_PRICE_URL: ['priceUrl', String],
  BECKON_PRICE_PATH: ['pricePath', String],
  BECKON_OPEN_API: ['openApi', onOff],
  BECKON_PUBLIC_URL: ['publicUrls', items],
  BECKON_ORIGINS: ['origins', items],
  BECKON_CONNECT_SRC: ['connectSrc', items],
  BECKON_VAPID_SUBJECT: ['vapidSubject', String],
  BECKON_PUSH_HOSTS: ['pushHosts', items],
  BECKON_TRUST_PROXY: ['trustProxy', number],
  BECKON_LOG_LEVEL: ['logLevel', String],
  BECKON_METRICS_TOKEN: ['metricsToken', String],
  BECKON_APP: ['appFolder', String],
};

/** Fills in what is left out. */
export function parseConfig(input: unknown): Result<Config, ConfigError> {
  const parsed = v.safeParse(configSchema, input);
  if (parsed.success) return ok(parsed.output);
  return err({ code: 'config-invalid', problems: parsed.issues.map((issue) => `${label(v.getDotPath(issue) ?? '')}: ${issue.message}`) });
}

const label = (path: string) => {
  const name = Object.entries(variables).find(([, [field]]) => field === path.split('.')[0])?.[0];
  return name === undefined ? path : `${name} (${path})`;
};

export function readConfig(env: Environment, read = (path: string) => readFileSync(path, 'utf8')): Result<Config, ConfigError> {
  const file = env.BECKON_CONFIG;
  const fromFile = file === undefined || file === '' ? ok({}) : readJson(file, read);
  if (!fromFile.ok) return fromFile;
  const fromEnv: { [field: string]: unknown } = {};
  for (const [name, [field, parse]] of Object.entries(variables)) {
    const text = env[name];
    if (text !== undefined && text !== '') fromEnv[field] = parse(text);
  }
  return parseConfig({ ...fromFile.value, ...fromEnv });
}

function readJson(path: string, read: (path: string) => string): Result<object, ConfigError> {
  try {
    const value: unknown = JSON.parse(read(path));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return ok(value);
    return err({ code: 'config-invalid', problems: [`BECKON_CONFIG: ${path} must hold one JSON object`] });
  } catch (cause) {
    return err({ code: 'config-invalid', problems: [`BECKON_CONFIG: ${path} cannot be read: ${String(cause)}`] });
  }
}
