/**
 * What is woken in the benches of wakes: the app in a real Chromium, a relay that pushes to it through the browser's own code, and the
 * times of a wake as they are seen from outside (the push, the peer's socket) and told by the app (its parts).
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../relay/config.ts';
import { startRelay } from '../../relay/server.ts';
import { httpsPost } from '../../relay/wake/post.ts';
import { walletKeyFromSeed } from '../../shared/ln/keys/seed.ts';
import { startChain } from '../lab/chain.ts';
import { buildIfStale } from '../lab/dist.ts';
import { type Phone, setUp, startPhone } from '../lab/phone.ts';
import { startRpc } from '../lab/rpc.ts';
import { waitFor } from '../lab/wait.ts';
import { makeCertificates } from '../push/certificates.ts';
import { startGcm } from '../push/gcm.ts';
import type { Funder } from './funder.ts';
import { median, quantile, type Table, text } from './report.ts';

const ROOT = join(import.meta.dirname, '../..');

/** `sentAtMs`: when the peer spoke. `signedAtMs`: when the answer was at the peer. */
export type Signed = { readonly sentAtMs: number; readonly signedAtMs: number };
/** All in ms. `startMs`: from the push service's hand to the handler's first line: decryption, worker start, our script. */
export type Round = {
  readonly totalMs: number;
  readonly startMs: number;
  readonly handlerMs: number;
  readonly parts: { readonly [part: string]: number };
};
export type Sleeper = {
  readonly phone: Phone;
  /** Of the phone's node. */
  readonly nodeId: string;
  /** Of the chain; 0 without one. */
  readonly height: number;
  /** What is known of a wake once its answer is here. */
  readonly measure: (signed: Signed) => Promise<Round>;
};

/** `stops`: what is to be stopped in the end, the last first. `chain`: the relay reads one, else it has none. */
export async function startSleeper(
  tell: (line: string) => void,
  stops: (() => Promise<unknown>)[],
  { chain: withChain = false } = {},
): Promise<Sleeper> {
  await buildIfStale(ROOT, tell);
  const dataFolder = await mkdtemp(join(tmpdir(), 'beckon-bench-'));
  stops.push(() => rm(dataFolder, { recursive: true, force: true }));
  const gcm = await startGcm(makeCertificates());
  stops.push(gcm.stop);
  const chain = withChain ? await startChain() : undefined;
  if (chain !== undefined) stops.push(chain.stop);
  const rpc = chain === undefined ? undefined : await startRpc(chain);
  if (rpc !== undefined) stops.push(rpc.stop);
  const config = parseConfig({
    port: 0,
    chain: rpc?.url ?? null,
    dataFolder,
    dialAllow: ['127.0.0.0/8'],
    network: 'regtest',
    logLevel: 'silent',
    appFolder: join(ROOT, 'dist/app'),
  });
  if (!config.ok) throw new Error(config.error.problems.join('\n'));
  const send = httpsPost(gcm.agent, 10_000);
  const pushesAtMs: number[] = [];
  const relay = await startRelay(config.value, {
    post: async (request, signal) => {
      const answer = await send(request, signal);
      // The push service has written to the browser by the time it answers us.
      pushesAtMs.push(Date.now());
      return answer;
    },
  });
  stops.push(relay.stop);
  const phone = await startPhone(`http://localhost:${relay.port}`, { flags: gcm.flags });
  stops.push(phone.stop);
  const nodeId = await setUp(phone, {
    entropy: randomBytes(16).toString('hex'),
    walletKey: Buffer.from(walletKeyFromSeed(new Uint8Array(randomBytes(64)), 1)).toString('hex'),
    network: 'regtest',
  });
  return {
    phone,
    nodeId,
    height: chain?.height() ?? 0,
    async measure({ sentAtMs, signedAtMs }) {
      // The one that woke: what follows the answer may bring another.
      const pushed = pushesAtMs.find((atMs) => atMs >= sentAtMs);
      if (pushed === undefined || pushed > signedAtMs) throw new Error('the worker was not asleep: it answered without a push');
      // The wake is recorded at its end, after the linger.
      const record = await waitFor(
        async () => (await phone.call('activity', { limit: 8, kind: 'wake' })).findLast(({ atMs }) => atMs >= sentAtMs),
        { what: 'the record of the wake', timeoutMs: 60_000 },
      );
      return {
        totalMs: signedAtMs - pushed,
        startMs: record.atMs - pushed,
        handlerMs: signedAtMs - record.atMs,
        parts: record.wake?.parts ?? {},
      };
    },
  };
}

export async function connect(phone: Phone, peer: Pick<Funder, 'address' | 'peerId' | 'greet'>): Promise<void> {
  await phone.call('connect-peer', { address: peer.address });
  peer.greet();
  await waitFor(
    async () => {
      await phone.call('refresh', null);
      const { peers } = await phone.call('snapshot', null);
      return peers.find(({ peerId }) => peerId === peer.peerId)?.link === 'ready';
    },
    { what: 'a peer to be ready' },
  );
}

export const row = (what: string, values: readonly number[]): string[] => [
  what,
  text(median(values)),
  text(quantile(values, 0.9)),
  text(Math.min(...values)),
];

/** `said`: the answer. */
export function partsTable(title: string, said: string, rounds: readonly Round[], more: Table['rows'] = []): Table {
  const part = (name: string) => rounds.map(({ parts }) => parts[name] ?? 0);
  const known = ['loadMs', 'stepMs', 'verifyMs', 'signMs', 'commitMs'];
  const rest = rounds.map(({ handlerMs, parts }) => handlerMs - known.reduce((sum, name) => sum + (parts[name] ?? 0), 0));
  return {
    title: `${title}, ${rounds.length} rounds, ms`,
    columns: ['', 'median', 'p90', 'min'],
    rows: [
      row(
        `push → ${said} on the wire`,
        rounds.map(({ totalMs }) => totalMs),
      ),
      row(
        '— start: decryption, worker, script',
        rounds.map(({ startMs }) => startMs),
      ),
      row(
        `— push event → ${said}`,
        rounds.map(({ handlerMs }) => handlerMs),
      ),
      row('— — load keys and state', part('loadMs')),
      row('— — step', part('stepMs')),
      row('— — verify', part('verifyMs')),
      row('— — sign', part('signMs')),
      row('— — commit (strict)', part('commitMs')),
      row('— — the rest until it is on the wire', rest),
      row('(all requests of the first answer)', part('sendMs')),
      ...more,
    ],
  };
}

export const named = (count: number): string => `${count} HTLC${count === 1 ? '' : 's'}`;
