/** base64url as the protocol uses it; Buffer does it several times faster than a portable decoder. */

/** Undefined when the text is not whole. The schema has checked the alphabet. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  return text.length % 4 === 1 ? undefined : Buffer.from(text, 'base64url');
}

export const toBase64Url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
