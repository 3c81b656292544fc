/** Builds the app when it has not been built, or when a source is newer than what was built. */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const SOURCES = ['app', 'shared', 'public', 'vite.config.ts', 'package.json'];
/** The worker is built last. */
const PRODUCTS = ['dist/app/index.html', 'dist/app/sw.js'];

function newest(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

export function isStale(root: string): boolean {
  const built = Math.min(...PRODUCTS.map((name) => statSync(join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0));
  return built === 0 || Math.max(...SOURCES.map((name) => newest(join(root, name)))) > built;
}

/** Throws when the build fails; its output goes to ours. */
export async function buildIfStale(root: string, tell: (line: string) => void): Promise<void> {
  if (!isStale(root)) return;
  tell('Building the app …');
  const vite = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin', 'vite.js');
  const child = spawn(process.execPath, [vite, 'build', '--logLevel', 'warn'], { cwd: root, stdio: 'inherit' });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`the build of the app ended with ${code}`);
}
