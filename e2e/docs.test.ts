/** What the pages for people name is there: links, pictures, files, commands, settings, functions. */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const listed = (pattern: string): string[] => globSync(pattern, { cwd: root }).map((path) => path.replaceAll('\\', '/'));

const pages = [...listed('*.md'), ...listed('docs/*.md'), 'shared/protocol/README.md'].map((path) => ({ path, text: read(path) }));
const files = ['app', 'relay', 'shared', 'e2e', 'public'].flatMap((top) => listed(`${top}/**/*.*`));
const sources = [...files.filter((path) => /\.(ts|svelte)$/.test(path) && path !== 'e2e/docs.test.ts'), 'vite.config.ts'];
const code = [...sources, '.ci/run'].map(read).join('\n');
const operator = pages.find(({ path }) => path === 'docs/operator.md')?.text ?? '';

/** `page: what` for everything on the pages that is not as it should be. */
const wrong = (find: (text: string, path: string) => readonly string[]): string[] =>
  pages.flatMap(({ path, text }) => find(text, path).map((what) => `${path}: ${what}`));
const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, what = '']) => what);
const outsideBlocks = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '');
/** What stands in backticks on one line. */
const spans = (text: string): string[] => all(outsideBlocks(text), /`([^`\n]+)`/g);
/** As GitHub names a heading. */
const anchors = (text: string): string[] =>
  all(text, /^#+ (.+)$/gm).map((title) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('the pages are found', () => {
  const found = pages.map(({ path }) => path);
  expect(found).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/operator.md']));
  expect(sources.length).toBeGreaterThan(200);
});

test('links and pictures lead somewhere', () => {
  const links = (text: string): string[] => [...all(text, /\]\(([^)\s]+)\)/g), ...all(text, /<img src="([^"]+)"/g)];
  expect(pages.flatMap(({ text }) => links(text)).length).toBeGreaterThan(100);
  const dead = wrong((text, path) =>
    links(text).filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [to = '', anchor] = link.split('#');
      const target = to === '' ? path : join(dirname(path), to);
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchors(read(target)).includes(anchor);
    }),
  );
  expect(dead).toEqual([]);
});

test('the README shows every picture of every page', () => {
  const readme = read('README.md');
  const pictures = readdirSync(join(root, 'docs/screenshots')).filter((name) => name.endsWith('.png'));
  expect(pictures.length).toBeGreaterThan(100);
  expect(pictures.filter((name) => !readme.includes(`docs/screenshots/${name}`))).toEqual([]);
});

test('commands are there', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
  const named = (text: string): string[] => [...all(text, /\bnpm run ([a-z][\w:-]*)/g), ...all(text, /\bnpm (start|test)\b/g)];
  expect(new Set(pages.flatMap(({ text }) => named(text))).size).toBeGreaterThan(5);
  expect(wrong((text) => named(text).filter((name) => scripts[name] === undefined))).toEqual([]);
  const run = (text: string): string[] => all(text, /npx vitest run ((?:\w+\/)[\w./-]+)/g);
  expect(wrong((text) => run(text).filter((path) => !existsSync(join(root, path.replace(/[.]$/, '')))))).toEqual([]);
});

test('files that are named are there', () => {
  const names = new Set(files.map((path) => basename(path)));
  const missing = (span: string): boolean => {
    if (/^(app|relay|shared|e2e|docs|public)\/[\w./-]+$/.test(span)) return !existsSync(join(root, span));
    return /^[a-z][\w.-]*\.(ts|svelte)$/.test(span) && !existsSync(join(root, span)) && !names.has(span) && span !== 'x.test.ts';
  };
  expect(wrong((text) => spans(text).filter(missing))).toEqual([]);
});

test('functions and fields that ARCHITECTURE.md names are there', () => {
  const named = spans(read('ARCHITECTURE.md')).filter((span) => /^#?[a-z]+[A-Z]\w*$/.test(span));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !new RegExp(`(?<!\\w)${name}\\b`).test(code))).toEqual([]);
});

test('settings that are named exist, and every setting of the relay is explained', () => {
  const named = (text: string): string[] => all(text, /(?<![\w.-])([A-Z]+(?:_[A-Z]+)+)(?![\w.-]*\w)/g);
  expect(wrong((text) => named(text).filter((name) => !code.includes(name)))).toEqual([]);
  const settings = [...all(read('relay/config.ts'), /^ {2}([A-Z][A-Z_]+): \[/gm), 'BECKON_CONFIG'];
  expect(settings.length).toBeGreaterThan(15);
  expect(settings.filter((name) => !new RegExp(`\\b${name}\\b`).test(operator))).toEqual([]);
});
