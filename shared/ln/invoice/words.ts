/** Groups of 5 bits, of which an invoice is made, as bytes and as numbers. */

/** The whole bytes in `words`; bits that are left over do not count. */
export function wordsToBytes(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.floor((words.length * 5) / 8));
  let [value, bits, at] = [0, 0, 0];
  for (const word of words) {
    value = ((value << 5) | word) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (value >> bits) & 0xff;
  }
  return bytes;
}

/** With zeros after the last bit. */
export function bytesToWords(bytes: Uint8Array): number[] {
  const words: number[] = [];
  let [value, bits] = [0, 0];
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) words.push((value >> (bits - 5)) & 31);
  }
  if (bits > 0) words.push((value << (5 - bits)) & 31);
  return words;
}

/** What is signed: bytes with zeros after the last bit. */
export const wordsToPaddedBytes = (words: readonly number[]): Uint8Array =>
  wordsToBytes([...words, ...new Array<number>((8 - (words.length % 8)) % 8).fill(0)]).subarray(0, Math.ceil((words.length * 5) / 8));

/** Big-endian. Of up to 10 words: more are past what a number holds. */
export const wordsToNumber = (words: readonly number[]): number => words.reduce((value, word) => value * 32 + word, 0);

/** In as few words as it takes, or in exactly `length`. */
export function numberToWords(value: number, length = 0): number[] {
  const words: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) words.unshift(rest % 32);
  return [...new Array<number>(Math.max(0, length - words.length)).fill(0), ...words];
}

const fromFirst = <T extends { slice(from: number): T; findIndex(test: (item: number) => boolean): number; readonly length: number }>(
  items: T,
): T => {
  const first = items.findIndex((item) => item !== 0);
  return items.slice(first < 0 ? items.length : first);
};

/** A feature vector, its bits counted from the last one of the last word. */
export function wordsToVector(words: readonly number[]): Uint8Array {
  const lead = (8 - (words.length % 8)) % 8;
  return fromFirst(wordsToBytes([...new Array<number>(lead).fill(0), ...words]));
}
export function vectorToWords(vector: Uint8Array): number[] {
  const lead = new Array<number>((5 - (vector.length % 5)) % 5).fill(0);
  return fromFirst(bytesToWords(Uint8Array.from([...lead, ...vector])));
}
