/** Byte strings: `Uint8Array` everywhere, `Buffer` nowhere outside `relay/` and `e2e/`. */
import { base64urlnopad, hex } from '@scure/base';

export const toHex = (bytes: Uint8Array): string => hex.encode(bytes);
/** Throws on malformed text: for our own constants and for text that a schema has already checked. */
export const fromHex = (text: string): Uint8Array => hex.decode(text);
export const toBase64Url = (bytes: Uint8Array): string => base64urlnopad.encode(bytes);
/** Throws on malformed text: for text that a schema has already checked. */
export const fromBase64Url = (text: string): Uint8Array => base64urlnopad.decode(text);

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Not constant-time: for public values only. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Negative, zero or positive, as `a` stands before, at or after `b` byte by byte; the shorter one first if it begins the longer. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** A hash in display order (explorers, RPC) from wire order, and back. */
export const reversed = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes).reverse();
