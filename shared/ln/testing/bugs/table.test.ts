import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { bugClasses } from './table.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const covered = bugClasses.flatMap(({ row, name, where }) => ('file' in where ? [{ row, name, ...where }] : []));
const open = bugClasses.flatMap(({ row, name, where }) => ('later' in where ? [{ row, name, ...where }] : []));

test('every row of the list is there once, in order', () => {
  expect(bugClasses.map(({ row }) => row)).toEqual(Array.from({ length: 39 }, (_, i) => i + 1));
});

test.each(covered)('bug $row: $name', ({ file, title }) => {
  const titles = readFileSync(`${root}${file}`, 'utf8');
  // A pointer to a test that is called otherwise now, or is no more, covers nothing.
  expect(
    [`'${title}'`, `"${title}"`, `\`${title}\``].some((quoted) => new RegExp(`(?:test|it)\\(\\s*${escaped(quoted)}`).test(titles)),
  ).toBe(true);
});

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

test(`${covered.length} of 39 disclosed bug classes have a regression test, ${open.length} say why not yet`, () => {
  expect(covered.length).toBeGreaterThanOrEqual(25);
  for (const { later } of open) expect(later).not.toBe('');
});
