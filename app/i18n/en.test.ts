import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { en } from './en.ts';
import { later } from './later.ts';

const app = resolve(import.meta.dirname, '..');
const sources = readdirSync(app, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(svelte|ts)$/.test(entry.name) && !/\.test\.ts$|^en\.ts$/.test(entry.name))
  .map((entry) => ({ name: entry.name, text: readFileSync(join(entry.parentPath, entry.name), 'utf8') }));
/** By the name it has in the sources. */
const catalogues = { t: en, later };
const all = sources.map(({ text }) => text).join('\n');

test('every text of the catalogue is used', () => {
  const unused = Object.entries(catalogues).flatMap(([name, catalogue]) =>
    Object.entries(catalogue).flatMap(([group, texts]) =>
      all.includes(`${name}.${group}[`)
        ? []
        : Object.keys(texts)
            .filter((key) => !new RegExp(`\\b${name}\\.${group}\\.${key}\\b`).test(all))
            .map((key) => `${group}.${key}`),
    ),
  );
  expect(unused).toEqual([]);
});

test('no page has text of its own', () => {
  const own = sources
    .filter(({ name }) => name.endsWith('.svelte'))
    .flatMap(({ name, text }) => {
      const markup = text.replace(/<script[\s\S]*?<\/script>|<style[\s\S]*?<\/style>|<!--[\s\S]*?-->/g, '');
      const literal = /(?:^|\s)(?:aria-label|placeholder|title|alt|label)="[^"{]*[A-Za-z]{2,}[^"]*"/.exec(markup);
      return literal ? [`${name}: ${literal[0].trim()}`] : [];
    });
  expect(own).toEqual([]);
});

test('never on screen: words of the machine room', () => {
  const texts = JSON.stringify(catalogues, (_key, value) => (typeof value === 'function' ? String(value) : value)).toLowerCase();
  for (const word of ['revocation', 'handshake act', 'error 502', 'todo', 'lorem']) expect(texts).not.toContain(word);
});
