/** Which three words are asked, and among which four each is chosen. */

export type Question = { readonly index: number; readonly options: readonly string[] };

function pick(below: number): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % below;
}

function shuffle<T>(list: readonly T[]): T[] {
  const from = [...list];
  return list.flatMap(() => from.splice(pick(from.length), 1));
}

export function quiz(words: readonly string[], count = 3): readonly Question[] {
  const places = shuffle(words.map((_, i) => i))
    .slice(0, count)
    .sort((a, b) => a - b);
  return places.map((index) => {
    const right = words[index] ?? '';
    const others = shuffle([...new Set(words)].filter((word) => word !== right)).slice(0, 3);
    return { index, options: shuffle([right, ...others]) };
  });
}
