/**
 * What others wrote, for people to read. BOLT 11: "Payment descriptions should always be sanitized before being displayed".
 * The result holds no control character, nothing that turns the direction of writing or cannot be seen, one line, and an end. It is still
 * text and no markup: whoever shows it must escape it, as Svelte does, and set it apart (`dir="auto"`, `<bdi>`).
 */

export const MAX_DESCRIPTION_CHARS = 640;

/** In this order. */
const rules: readonly (readonly [RegExp, string])[] = [
  // Line breaks, tabs, and separators of lines and paragraphs.
  [/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' '],
  // Turns of direction, invisible letters and tags, but not the joiners, of which emoji and some scripts are made; and what is no character.
  [/[^\P{Cf}\u200c\u200d]|[\p{Co}\p{Cn}\p{Cs}]/gu, ''],
  // Letters that show as nothing: Hangul fillers, the grapheme joiner, Khmer vowels, braille's blank, variation selectors but the one of emoji.
  [/\u115f|\u1160|\u3164|\uffa0|\u034f|\u17b4|\u17b5|\u2800|[\ufe00-\ufe0e]|[\u{e0100}-\u{e01ef}]/gu, ''],
  // More marks on one letter than any language sets.
  [/(\p{M}{4})\p{M}+/gu, '$1'],
  [/\p{Zs}/gu, ' '],
  // Joiners that join nothing.
  [/([\u200c\u200d])[\u200c\u200d]+/g, '$1'],
  [/(^| )[\u200c\u200d]/g, '$1'],
  [/[\u200c\u200d]( |$)/g, '$1'],
  [/ +/g, ' '],
];

/** Never throws. `limit` counts code points; what is cut ends with an ellipsis. */
export function cleanDescription(text: string, limit: number = MAX_DESCRIPTION_CHARS): string {
  const clean = rules.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text).trim();
  const letters = [...clean];
  return letters.length <= limit ? clean : `${letters.slice(0, Math.max(0, limit - 1)).join('')}…`;
}
