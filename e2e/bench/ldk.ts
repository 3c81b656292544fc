/** The Lightning Development Kit's own npm package, made as small as a bundler can make it: what a wallet on it would ship. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'vite';

export type LdkFiles = {
  /** One classic script: the glue and `ldk-worker.ts`. */
  readonly worker: Uint8Array<ArrayBuffer>;
  readonly wasm: Uint8Array<ArrayBuffer>;
};

let made: Promise<LdkFiles> | undefined;

export function ldkFiles(): Promise<LdkFiles> {
  made ??= make();
  return made;
}

async function make(): Promise<LdkFiles> {
  const outDir = await mkdtemp(join(tmpdir(), 'beckon-ldk-'));
  try {
    await build({
      configFile: false,
      root: import.meta.dirname,
      publicDir: false,
      logLevel: 'error',
      build: {
        outDir,
        emptyOutDir: true,
        target: 'es2023',
        rolldownOptions: { input: join(import.meta.dirname, 'ldk-worker.ts'), output: { format: 'iife', entryFileNames: 'worker.js' } },
      },
    });
    const folder = dirname(createRequire(import.meta.url).resolve('lightningdevkit'));
    const [worker, wasm] = await Promise.all([readFile(join(outDir, 'worker.js')), readFile(join(folder, 'liblightningjs.wasm'))]);
    return { worker: Uint8Array.from(worker), wasm: Uint8Array.from(wasm) };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}
