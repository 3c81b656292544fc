/** The files of one LDK node: seed, manager, one monitor per channel. A file is replaced whole or not at all. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type LdkStore = {
  readonly logFile: string;
  readonly seed: Uint8Array;
  manager(): Uint8Array | undefined;
  writeManager(bytes: Uint8Array): void;
  monitors(): readonly Uint8Array[];
  /** `key`: the funding outpoint */
  writeMonitor(key: string, bytes: Uint8Array): void;
  archiveMonitor(key: string): void;
  /** The TCP port of the last run, so that whoever knows the node's address finds it again. */
  port(): number | undefined;
  writePort(port: number): void;
};

export function openLdkStore(dir: string): LdkStore {
  const monitorDir = join(dir, 'monitors');
  mkdirSync(monitorDir, { recursive: true });
  const read = (name: string): Uint8Array | undefined => {
    const path = join(dir, name);
    return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
  };
  const write = (name: string, bytes: Uint8Array): void => {
    const path = join(dir, name);
    writeFileSync(`${path}.tmp`, bytes);
    renameSync(`${path}.tmp`, path);
  };
  let seed = read('seed');
  if (seed === undefined) {
    seed = new Uint8Array(randomBytes(32));
    write('seed', seed);
  }
  return {
    logFile: join(dir, 'ldk.log'),
    seed,
    manager: () => read('manager'),
    writeManager: (bytes) => write('manager', bytes),
    monitors: () =>
      readdirSync(monitorDir)
        .filter((name) => name.endsWith('.monitor'))
        .map((name) => new Uint8Array(readFileSync(join(monitorDir, name)))),
    writeMonitor: (key, bytes) => write(join('monitors', `${key}.monitor`), bytes),
    archiveMonitor: (key) => rmSync(join(monitorDir, `${key}.monitor`), { force: true }),
    port() {
      const text = read('port');
      return text === undefined ? undefined : Number(Buffer.from(text).toString());
    },
    writePort: (port) => write('port', Buffer.from(String(port))),
  };
}
