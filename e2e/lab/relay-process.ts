/** The relay as a child process: what a test may kill without a word, and start again on the same data and port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type RelayProcess = {
  readonly url: string;
  readonly log: readonly string[];
  /** SIGKILL: nothing is said or saved. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
};
export type RelayProcessOptions = {
  readonly dataDir: string;
  /** JSON-RPC address with user and password, and the certificate that it is served under. */
  readonly chain?: { readonly url: string; readonly caFile?: string };
  readonly network?: string;
  /** The local push service: its port on loopback and its CA (PEM). */
  readonly push?: { readonly port: number; readonly ca: string };
  readonly environment?: Readonly<Record<string, string>>;
};

/** All peers of a test live at one address, tests cut links and ask as fast as the machine allows, and channels are paid over as soon as they are told of. */
const LIMITS = {
  dialsPerTargetPerMinute: 1_000,
  connectsPerMinute: 1_000,
  requestsPerMinute: 100_000,
  requestsPerAddressPerMinute: 100_000,
  graphsPerAddressPerMinute: 10_000,
  graphSoonestMs: 1_000,
};

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export async function startRelayProcess(options: RelayProcessOptions): Promise<RelayProcess> {
  const port = await freePort();
  const log: string[] = [];
  const settings = mkdtempSync(join(tmpdir(), 'beckon-relay-'));
  const configFile = join(settings, 'config.json');
  writeFileSync(configFile, JSON.stringify({ limits: LIMITS }));
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn(process.execPath, [join(import.meta.dirname, 'relay-child.ts')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PORT: String(port),
        BECKON_CONFIG: configFile,
        BECKON_DATA: options.dataDir,
        BECKON_DIAL_ALLOW: '127.0.0.0/8',
        BECKON_CHAIN_POLL_MS: '500',
        BECKON_NETWORK: options.network ?? 'regtest',
        ...(options.chain === undefined ? {} : { BECKON_CHAIN: options.chain.url }),
        ...(options.chain?.caFile === undefined ? {} : { BECKON_CHAIN_CA: options.chain.caFile }),
        ...(options.push === undefined ? {} : { BECKON_TEST_PUSH_PORT: String(options.push.port), BECKON_TEST_PUSH_CA: options.push.ca }),
        ...options.environment,
      },
    });
    child = started;
    started.stderr?.on('data', (bytes: Buffer) => log.push(bytes.toString()));
    const lines = createInterface({ input: started.stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        log.push(line);
        if (line.startsWith('LISTENING ')) resolve();
      });
      started.once('exit', (code) => reject(new Error(`the relay ended with ${code}:\n${log.slice(-20).join('\n')}`)));
    });
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  async function stop(): Promise<void> {
    await end('SIGTERM');
    rmSync(settings, { recursive: true, force: true });
  }

  await start();
  return { url: `http://localhost:${port}`, log, start, kill: () => end('SIGKILL'), stop };
}
