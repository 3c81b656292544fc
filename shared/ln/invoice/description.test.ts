/** What others wrote, made fit to be read. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cleanDescription, MAX_DESCRIPTION_CHARS } from './description.ts';

test.each([
  ['1 cup coffee', '1 cup coffee'],
  ['ナンセンス 1杯', 'ナンセンス 1杯'],
  ['مرحبا بالعالم', 'مرحبا بالعالم'],
  ['👩‍👩‍👧 ❤️ café', '👩‍👩‍👧 ❤️ café'],
  ['می‌خواهم', 'می‌خواهم'],
  ['<b>&amp;', '<b>&amp;'],
])('%s stays', (text, clean) => {
  expect(cleanDescription(text)).toBe(clean);
});

test.each([
  ['two\r\nlines\tand\u2028more', 'two lines and more'],
  ['  wide \u3000 \u00a0space  ', 'wide space'],
  ['pay \u202egnp.exe\u202c now', 'pay gnp.exe now'],
  ['\u2066a\u2069\u200e\u200f\u061cb', 'ab'],
  ['a\u0000b\u001b[31mc\u007f', 'a b [31mc'],
  ['zero\u200bwidth\ufeff\u2060\u00ad', 'zerowidth'],
  ['tags\u{e0041}\u{e007f}', 'tags'],
  ['fill\u3164\u115f\u2800er', 'filler'],
  ['\u200d\u200cjoin \u200d\u200c', 'join'],
  ['join\u200d ed\u200c', 'join ed'],
  ['z\u0301\u0302\u0303\u0304\u0305\u0306\u0307', 'z\u0301\u0302\u0303\u0304'],
  ['\ue000private\u{10ffff}', 'private'],
])('%j becomes %j', (text, clean) => {
  expect(cleanDescription(text)).toBe(clean);
});

test('it ends', () => {
  expect(cleanDescription('x'.repeat(MAX_DESCRIPTION_CHARS))).toBe('x'.repeat(MAX_DESCRIPTION_CHARS));
  expect(cleanDescription('😀'.repeat(9), 5)).toBe('😀😀😀😀…');
});

const anyText = fc.array(fc.oneof(fc.nat(0x10ffff), fc.nat(0x2fff)), { maxLength: 60 }).map((points) => String.fromCodePoint(...points));
test('any text: one line without what cannot be seen, and clean already the second time', () => {
  fc.assert(
    fc.property(anyText, fc.array(fc.constantFrom('\u202e', '\u200d', ' ', 'a', '\u0301')), (a, letters) => {
      const b = letters.join('');
      for (const text of [a, b, a + b]) {
        const clean = cleanDescription(text);
        expect(clean).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Co}\p{Cs}]|[^\P{Cf}\u200c\u200d]|\p{M}{5}| {2}|^ | $/u);
        expect(cleanDescription(clean)).toBe(clean);
      }
    }),
    { numRuns: 500 },
  );
});
