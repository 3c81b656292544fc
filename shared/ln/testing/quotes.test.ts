/**
 * Every `BOLT n: "..."` in a comment is held to the words of the BOLTs, when `BOLTS_DIR` names a checkout of them (at the commit in
 * `vectors/SOURCE.ts`). Without it only the form of the quotes is checked. `[...]` stands for words left out; marks do not count.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = resolve(fileURLToPath(import.meta.url), '../../../..');
const walk = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : walk(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });

type Quote = { readonly file: string; readonly bolt: number; readonly words: string };

/** A comment that goes on in the next line is one line. */
const joined = (text: string): string => text.replace(/\n\s*(?:\/\/|\*(?!\/))\s?/g, ' ');
const quotes: readonly Quote[] = ['shared', 'relay', 'app'].flatMap((top) =>
  walk(join(root, top)).flatMap((file) =>
    [...joined(readFileSync(file, 'utf8')).matchAll(/BOLT (\d+): ((?:"[^"]*"(?:, (?:and )?|; )?)+)/g)].flatMap(([, bolt, list = '']) =>
      [...list.matchAll(/"([^"]*)"/g)].flatMap(([, whole = '']) =>
        whole.split('[...]').map((words) => ({ file: file.slice(root.length + 1), bolt: Number(bolt), words: plain(words) })),
      ),
    ),
  ),
);

function plain(text: string): string {
  return text
    .replace(/\s[-*] /g, ' ')
    .replace(/\]\([^)]*\)/g, ']')
    .replace(/[`*[\]]/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[.,]+$/, '')
    .toLowerCase();
}

test('quotes are there and closed', () => {
  expect(quotes.length).toBeGreaterThan(80);
  expect(quotes.filter(({ words }) => words.length > 400 || words.includes('//'))).toEqual([]);
});

const { BOLTS_DIR } = process.env;
test('quotes are the words of the BOLTs', ({ skip }) => {
  if (BOLTS_DIR === undefined) skip('BOLTS_DIR names no checkout of the BOLTs');
  const folder = BOLTS_DIR ?? '';
  const bolts = new Map(
    readdirSync(folder)
      .filter((file) => /^\d\d-.*\.md$/.test(file))
      .map((file) => [Number(file.slice(0, 2)), plain(readFileSync(join(folder, file), 'utf8'))]),
  );
  expect(bolts.size).toBeGreaterThan(8);
  expect(quotes.filter(({ bolt, words }) => words !== '' && !bolts.get(bolt)?.includes(words))).toEqual([]);
});
