/**
 * LND and btcd for the interop runs, built from the versions that go.mod pins and kept in a cache until those change.
 * Run by itself it builds and prints where they are: `node e2e/peers/build.ts`.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type PeerBinaries = { readonly lnd: string; readonly btcd: string };

const HERE = import.meta.dirname;
/** Hold invoices are in a part of LND that is left out unless asked for; binaries of your own must have it too. */
const TAGS = 'invoicesrpc';
const PACKAGES = ['github.com/btcsuite/btcd', 'github.com/lightningnetwork/lnd/cmd/lnd'];

/** `LND_BIN` and `BTCD_BIN` come first, then the cache (`BECKON_CACHE`, else the user's own), then `go build` (minutes, once). */
export async function peerBinaries(tell: (line: string) => void = () => {}): Promise<PeerBinaries> {
  const { LND_BIN, BTCD_BIN, BECKON_CACHE, XDG_CACHE_HOME } = process.env;
  for (const [name, path] of Object.entries({ LND_BIN, BTCD_BIN })) {
    if (path !== undefined && !existsSync(path)) throw new Error(`${name} says ${path}: there is no such file`);
  }
  if (LND_BIN !== undefined && BTCD_BIN !== undefined) return { lnd: LND_BIN, btcd: BTCD_BIN };

  const pins = ['go.mod', 'go.sum', 'tools.go'].map((name) => readFileSync(join(HERE, name)));
  const key = createHash('sha256')
    .update(Buffer.concat(pins))
    .update(`${process.platform}-${process.arch}-${TAGS}`)
    .digest('hex')
    .slice(0, 16);
  const cache = BECKON_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'beckon');
  const folder = join(cache, 'peers', key);
  if (!existsSync(folder)) {
    tell('building LND and btcd (a few minutes, once) …');
    const making = `${folder}.${randomBytes(4).toString('hex')}`;
    mkdirSync(making, { recursive: true });
    try {
      await goBuild(making);
      renameSync(making, folder);
    } catch (error) {
      rmSync(making, { recursive: true, force: true });
      // Another run may have been quicker: its binaries are as good.
      if (!existsSync(folder)) throw error;
    }
  }
  return { lnd: LND_BIN ?? join(folder, 'lnd'), btcd: BTCD_BIN ?? join(folder, 'btcd') };
}

function goBuild(folder: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('go', ['build', '-tags', TAGS, '-buildvcs=false', '-o', `${folder}/`, ...PACKAGES], {
      cwd: HERE,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', (error) => {
      const missing = 'code' in error && error.code === 'ENOENT';
      reject(missing ? new Error('Go (1.25.10 or later) is needed to build LND and btcd; or set LND_BIN and BTCD_BIN to binaries') : error);
    });
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`go build ended with ${code}`))));
  });
}

if (import.meta.main) console.log(await peerBinaries(console.log));
