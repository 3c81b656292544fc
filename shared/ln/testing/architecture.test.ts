/**
 * The house's rules as tests: who may import whom, how long a file may be, what the engine may not touch.
 * A rule here is a line of ARCHITECTURE.md; to change one is a decision, not a fix.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = resolve(fileURLToPath(import.meta.url), '../../../..');
const tops = ['shared', 'app', 'relay', 'e2e'] as const;

type Source = { readonly path: string; readonly text: string; readonly lines: number; readonly imports: readonly string[] };

const skipped = new Set(['node_modules', 'dist', '.cache', 'data']);
const walk = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name) || entry.name.startsWith('.')) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(path);
    return /\.(ts|svelte)$/.test(entry.name) ? [path] : [];
  });

const importPattern = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g;
const sources: readonly Source[] = tops.flatMap((top) =>
  walk(join(root, top)).map((file) => {
    const text = readFileSync(file, 'utf8');
    const imports = [...text.matchAll(importPattern)].map(([, to = '']) => slashed(resolve(dirname(file), to)));
    return { path: slashed(file), text, lines: text.trimEnd().split('\n').length, imports };
  }),
);
function slashed(file: string): string {
  return relative(root, file).split(sep).join('/');
}

const isTest = (path: string): boolean => /(\.test|\.spec|\/testing)\.ts$/.test(path) || /^shared\/ln\/(testing|vectors)\//.test(path);
const program = sources.filter(({ path }) => !isTest(path));
const byPath = new Map(sources.map((source) => [source.path, source]));

/** `a -> b` for every import of `from` that `forbidden` finds fault with. */
const breaches = (from: readonly Source[], forbidden: (path: string, to: string) => boolean): string[] =>
  from.flatMap(({ path, imports }) => imports.filter((to) => forbidden(path, to)).map((to) => `${path} -> ${to}`));
const topOf = (path: string): string => path.split('/')[0] ?? '';

test('the walk finds the house', () => {
  expect(sources.length).toBeGreaterThan(100);
  expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(300);
  for (const top of tops) expect(sources.some(({ path }) => topOf(path) === top)).toBe(true);
});

test('app -> shared <- relay, and e2e -> all', () => {
  const allowed: { readonly [top: string]: readonly string[] } = {
    shared: ['shared'],
    app: ['app', 'shared'],
    relay: ['relay', 'shared'],
    e2e: ['e2e', 'app', 'relay', 'shared'],
  };
  const known = (to: string): boolean => tops.some((top) => top === topOf(to));
  expect(breaches(program, (path, to) => known(to) && !allowed[topOf(path)]?.includes(topOf(to)))).toEqual([]);
});

test('shared: ln -> lib, protocol -> lib', () => {
  const allowed: { readonly [part: string]: readonly string[] } = { lib: ['lib'], protocol: ['protocol', 'lib'], ln: ['ln', 'lib'] };
  const inside = program.filter(({ path }) => topOf(path) === 'shared');
  const partOf = (path: string): string => path.split('/')[1] ?? '';
  expect(breaches(inside, (path, to) => !allowed[partOf(path)]?.includes(partOf(to)))).toEqual([]);
});

test('shared/ln: each imports what stands to its right', () => {
  const order = [
    ['peer'],
    ['channel', 'payment'],
    ['wallet', 'route'],
    ['onchain', 'onion', 'invoice'],
    ['signer'],
    ['tx'],
    ['keys'],
    ['spv', 'transport', 'gossip'],
    ['wire'],
  ];
  const rank = (path: string): number => order.findIndex((parts) => parts.includes(path.split('/')[2] ?? ''));
  const inside = program.filter(({ path }) => path.startsWith('shared/ln/'));
  expect(inside.filter(({ path }) => rank(path) < 0).map(({ path }) => path)).toEqual([]);
  const samePart = (path: string, to: string): boolean => path.split('/')[2] === to.split('/')[2];
  expect(breaches(inside, (path, to) => to.startsWith('shared/ln/') && !samePart(path, to) && rank(to) <= rank(path))).toEqual([]);
});

test('app: ui -> view -> runtime -> store, net; sw -> runtime', () => {
  const rights: { readonly [part: string]: readonly string[] } = {
    ui: ['ui', 'view', 'runtime', 'i18n'],
    view: ['view', 'runtime', 'i18n'],
    sw: ['sw', 'runtime', 'store', 'net', 'i18n'],
    runtime: ['runtime', 'store', 'net', 'i18n'],
    store: ['store'],
    net: ['net'],
    i18n: ['i18n'],
  };
  const partOf = (path: string): string => path.split('/')[1] ?? '';
  // Files of app/ itself are the entries: they put the parts together.
  const parts = program.filter(({ path }) => path.startsWith('app/') && path.split('/').length > 2);
  expect(parts.filter(({ path }) => !rights[partOf(path)]).map(({ path }) => path)).toEqual([]);
  expect(breaches(parts, (path, to) => to.startsWith('app/') && !rights[partOf(path)]?.includes(partOf(to)))).toEqual([]);
  // What a page knows of the node is its language, never its machinery.
  const page = program.filter(({ path }) => /^app\/(ui|view)\//.test(path));
  expect(breaches(page, (_, to) => to.startsWith('app/runtime/') && to !== 'app/runtime/api.ts')).toEqual([]);
});

test('the relay reaches nothing that could sign', () => {
  const handshake = /^shared\/ln\/transport\/handshake\.ts$/;
  const allowed = [
    /^relay\//,
    /^shared\/lib\//,
    /^shared\/protocol\//,
    /^shared\/ln\/wire\//,
    /^shared\/ln\/invoice\//,
    /^shared\/ln\/gossip\//,
    /^shared\/ln\/transport\/cipher\.ts$/,
    handshake,
  ];
  const reached = new Map<string, string>();
  const visit = (path: string, via: string): void => {
    if (reached.has(path)) return;
    reached.set(path, via);
    for (const to of byPath.get(path)?.imports ?? []) visit(to, path);
  };
  for (const { path } of program.filter(({ path }) => topOf(path) === 'relay')) visit(path, '');
  expect(reached.size).toBeGreaterThan(20);
  const outside = [...reached].filter(([path]) => !allowed.some((pattern) => pattern.test(path)));
  expect(outside.map(([path, via]) => `${via} -> ${path}`)).toEqual([]);
  // Its gossip alone dials for itself, as nobody: with a random transport key, and without a channel. The keeper's handshakes are the apps'.
  const relay = program.filter(({ path }) => topOf(path) === 'relay');
  expect(breaches(relay, (path, to) => handshake.test(to) && !path.startsWith('relay/gossip/'))).toEqual([]);
  // What it reaches of secp256k1 multiplies points (a handshake) and checks signatures; it makes none.
  const fromNoble = /import (?:type )?([^;]*?) from '@noble\/(?:secp256k1|curves[^']*)'/g;
  const taken = [...reached.keys()].flatMap((path) =>
    [...(byPath.get(path)?.text.matchAll(fromNoble) ?? [])].map(([, names = '']) => names),
  );
  expect(taken.length).toBeGreaterThan(0);
  expect(taken.filter((names) => /\bsign|\bschnorr|\*/.test(names))).toEqual([]);
});

test('no import cycles, type-only ones counted', () => {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const to of byPath.get(path)?.imports ?? []) visit(to, [...trail, path]);
    state.set(path, 'done');
  };
  for (const { path } of sources) visit(path, []);
  expect(cycles).toEqual([]);
});

test('no file over 500 lines', () => {
  const long = sources.filter(({ lines }) => lines > 500);
  expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
});

test('shared has no clock, no chance, no timer, no promise', () => {
  const impure =
    /\bDate\.now\b|\bnew Date\(|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bgetRandomValues\b|\brandomBytes\b|\bBuffer\b|\bprocess\./;
  const inside = program.filter(({ path }) => topOf(path) === 'shared');
  const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  expect(inside.filter(({ text }) => impure.test(withoutComments(text))).map(({ path }) => path)).toEqual([]);
  const engine = inside.filter(({ path }) => path.startsWith('shared/ln/'));
  expect(engine.filter(({ text }) => /\basync\b|\bawait\b|\bPromise\b/.test(withoutComments(text))).map(({ path }) => path)).toEqual([]);
});

test('no holes in the types, no unfinished work, no skipped test', () => {
  const marker = new RegExp(['TO', 'DO|FIX', 'ME|@ts-ig', 'nore|as unknown', ' as|\\.on', 'ly\\('].join(''));
  expect(sources.filter(({ text }) => marker.test(text)).map(({ path }) => path)).toEqual([]);
});
