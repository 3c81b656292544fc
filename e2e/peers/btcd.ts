/** btcd on regtest: the chain under LND, driven by its JSON-RPC over one kept-alive TLS connection. It mines to the lab's faucet. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import * as v from 'valibot';
import { err, ok } from '../../shared/lib/result.ts';
import type { ChainPoint, ChainSource } from '../lab/source.ts';
import { follow, REGTEST_GENESIS } from '../lab/source.ts';
import { waitFor } from '../lab/wait.ts';
import { createWallet, labKey, scriptOf } from '../lab/wallet.ts';
import { type Daemon, freePort, startDaemon } from './process.ts';

/** btcd too activates segwit at 432 on regtest. */
const FIRST_HEIGHT = 450;
/** Blocks asked for in one call. */
const MINE_AT_ONCE = 50;
/** btcd's error code for a height above the tip */
const OUT_OF_RANGE = -1;
const USER = 'lab';
const PASSWORD = 'lab';

export type Btcd = ChainSource & {
  readonly rpcHost: string;
  readonly rpcUser: string;
  readonly rpcPassword: string;
  readonly certFile: string;
  readonly daemon: Daemon;
  mine(blocks?: number): Promise<readonly string[]>;
  /** Pays from the faucet; not yet mined. Returns the txid. */
  fund(address: string, amountSat: bigint): Promise<string>;
  /** btcd's own RPC. Throws an error with btcd's numeric `code`. */
  rpc(method: string, params: readonly unknown[]): Promise<unknown>;
  stop(): Promise<void>;
};

const Answer = v.object({ result: v.unknown(), error: v.nullable(v.object({ code: v.number(), message: v.string() })) });

export async function startBtcd(options: {
  readonly bin: string;
  readonly dir: string;
  readonly flags?: readonly string[];
}): Promise<Btcd> {
  const { bin, dir, flags = [] } = options;
  mkdirSync(dir, { recursive: true });
  const [listenPort, rpcPort] = [await freePort(), await freePort()];
  const certFile = join(dir, 'rpc.cert');
  const faucet = createWallet(labKey('beckon lab faucet'));
  let faucetAt: ChainPoint = { height: 0, hash: REGTEST_GENESIS };
  const args = [
    '--regtest',
    '--txindex',
    '--nodnsseed',
    `--configfile=${join(dir, 'none.conf')}`,
    `--datadir=${join(dir, 'data')}`,
    `--logdir=${join(dir, 'logs')}`,
    `--listen=127.0.0.1:${listenPort}`,
    `--rpclisten=127.0.0.1:${rpcPort}`,
    '--rpcmaxclients=50',
    `--rpcuser=${USER}`,
    `--rpcpass=${PASSWORD}`,
    `--rpccert=${certFile}`,
    `--rpckey=${join(dir, 'rpc.key')}`,
    `--miningaddr=${faucet.address}`,
    ...flags,
  ];
  const daemon = startDaemon('btcd', bin, args, join(dir, 'btcd.out'));

  let agent: Agent | undefined;
  async function rpc(method: string, params: readonly unknown[]): Promise<unknown> {
    daemon.check();
    agent ??= new Agent({ keepAlive: true, maxSockets: 2, ca: readFileSync(certFile) });
    const body = JSON.stringify({ jsonrpc: '1.0', id: 1, method, params });
    const text = await new Promise<string>((resolve, reject) => {
      const call = request({ host: '127.0.0.1', port: rpcPort, method: 'POST', auth: `${USER}:${PASSWORD}`, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
        response.on('error', reject);
      });
      call.on('error', reject);
      call.end(body);
    });
    const { result, error } = v.parse(Answer, JSON.parse(text));
    if (error !== null) throw Object.assign(new Error(error.message), { code: error.code });
    return result;
  }

  const listeners = new Set<() => void>();
  const btcd: Btcd = {
    rpcHost: `127.0.0.1:${rpcPort}`,
    rpcUser: USER,
    rpcPassword: PASSWORD,
    certFile,
    daemon,
    rpc,

    async tip() {
      const height = v.parse(v.number(), await rpc('getblockcount', []));
      return { height, hash: v.parse(v.string(), await rpc('getblockhash', [height])) };
    },
    async hashAt(height) {
      try {
        return v.parse(v.string(), await rpc('getblockhash', [height]));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === OUT_OF_RANGE) return undefined;
        throw error;
      }
    },
    rawBlock: async (hash) => new Uint8Array(Buffer.from(v.parse(v.string(), await rpc('getblock', [hash, 0])), 'hex')),
    async submit(rawTx) {
      try {
        return ok(v.parse(v.string(), await rpc('sendrawtransaction', [Buffer.from(rawTx).toString('hex')])));
      } catch (error) {
        return err(error instanceof Error ? error.message : String(error));
      }
    },
    onTip(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async mine(blocks = 1) {
      const hashes: string[] = [];
      while (hashes.length < blocks) {
        hashes.push(...v.parse(v.array(v.string()), await rpc('generate', [Math.min(MINE_AT_ONCE, blocks - hashes.length)])));
      }
      for (const listener of listeners) listener();
      return hashes;
    },
    async fund(address, amountSat) {
      faucetAt = await follow(btcd, faucetAt, faucet);
      const paid = faucet.pay(scriptOf(address), amountSat);
      if (!paid.ok) throw new Error(`the faucet has only ${faucet.balanceSat()} sat that can be spent now`);
      const sent = await btcd.submit(paid.value.raw);
      if (!sent.ok) throw new Error(`btcd refused the faucet's payment: ${sent.error}`);
      return sent.value;
    },
    async stop() {
      agent?.destroy();
      await daemon.stop();
    },
  };

  await waitFor(
    async () => {
      if (daemon.exited() !== undefined) return true;
      // btcd answers before its certificate is written to the end.
      const written = existsSync(certFile) && readFileSync(certFile, 'utf8').trimEnd().endsWith('-----END CERTIFICATE-----');
      return written && (await btcd.tip()).height >= 0;
    },
    { what: 'btcd to answer', timeoutMs: 30_000 },
  );
  daemon.check();
  const { height } = await btcd.tip();
  await btcd.mine(Math.max(1, FIRST_HEIGHT - height));
  return btcd;
}
