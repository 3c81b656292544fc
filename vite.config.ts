/**
 * Builds the app: the page with its lazily loaded parts, then the service worker as one file of its own
 * (`/sw.js`, no import left in it, so that it starts from a single cached script).
 * The worker imports `virtual:shell`: the list of all files the page is made of, for its offline cache.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { build, defineConfig, type Plugin, type UserConfig } from 'vite';

const root = resolve(import.meta.dirname, 'app');
const worker = 'sw.js';

type ShellFile = { readonly url: string; readonly revision: string | null };

/** Files under `assets/` carry their hash in the name; the others need a revision beside it. */
export function listShell(dir: string): readonly ShellFile[] {
  const names = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length).replaceAll('\\', '/'));
  return names
    .filter((url) => url !== `/${worker}`)
    .sort()
    .map((url) => {
      const revision = url.startsWith('/assets/')
        ? null
        : createHash('sha256')
            .update(readFileSync(dir + url))
            .digest('hex')
            .slice(0, 16);
      return { url, revision };
    });
}

function shellModule(files: readonly ShellFile[]): Plugin {
  const list = JSON.stringify(files);
  const version = createHash('sha256').update(list).digest('hex').slice(0, 12);
  return {
    name: 'beckon-shell',
    resolveId: (id) => (id === 'virtual:shell' ? `\0${id}` : null),
    load: (id) => (id === '\0virtual:shell' ? `export default ${list};\nexport const version = '${version}';` : null),
  };
}

function serviceWorker(): Plugin {
  let outDir = '';
  return {
    name: 'beckon-service-worker',
    apply: 'build',
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      await build({
        configFile: false,
        root,
        publicDir: false,
        logLevel: 'warn',
        plugins: [shellModule(listShell(outDir))],
        build: {
          outDir,
          emptyOutDir: false,
          target: 'es2023',
          rolldownOptions: { input: join(root, 'sw.ts'), output: { format: 'iife', entryFileNames: worker } },
        },
      });
    },
  };
}

/** The page alone, without the worker: what the page tests build. */
export const page = {
  configFile: false,
  root,
  publicDir: '../public',
  plugins: [
    // Elements are made by calls, not from markup: nothing to allow under Trusted Types.
    svelte({ configFile: false, compilerOptions: { fragments: 'tree', runes: true } }),
  ],
  build: {
    outDir: '../dist/app',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: join(root, 'index.html') },
  },
} satisfies UserConfig & { configFile: false };

const { configFile: _, ...shared } = page;
export default defineConfig({ ...shared, plugins: [...page.plugins, serviceWorker()] });
