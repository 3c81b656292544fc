/** A daemon of a test run: started with its output in a file, stopped gently and then by force, its last words in every error. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';

const STOP_PATIENCE_MS = 20_000;
const TAIL_LINES = 40;

export type Daemon = {
  readonly logFile: string;
  /** undefined while it runs */
  exited(): string | undefined;
  /** The last lines of its output. */
  tail(): string;
  /** Throws, with the tail, when it is not running any more. */
  check(): void;
  stop(): Promise<void>;
  /** As a power cut does. */
  kill(): Promise<void>;
};

export function startDaemon(name: string, bin: string, args: readonly string[], logFile: string): Daemon {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'a');
  const child: ChildProcess = spawn(bin, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  let ended: string | undefined;
  const end = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ended = error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      ended = `ended with ${signal ?? code}`;
      resolve();
    });
  });
  // A run that is aborted leaves no daemon behind.
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  void end.then(() => process.off('exit', reap));

  const tail = (): string => readFileSync(logFile, 'utf8').split('\n').slice(-TAIL_LINES).join('\n');
  return {
    logFile,
    exited: () => ended,
    tail,
    check() {
      if (ended !== undefined) throw new Error(`${name} ${ended}; its last words:\n${tail()}`);
    },
    async stop() {
      child.kill('SIGTERM');
      const force = setTimeout(reap, STOP_PATIENCE_MS);
      await end;
      clearTimeout(force);
    },
    async kill() {
      reap();
      await end;
    },
  };
}

/** A loopback port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address === null || typeof address === 'string' ? reject(new Error('no port')) : resolve(address.port)));
    });
  });
