/** The text of a peer's `error` or `warning`, made fit to be shown. */

const maxChars = 200;

/**
 * BOLT 1: "if `data` is not composed solely of printable ASCII characters [...]: SHOULD NOT print out `data` verbatim."
 * Every byte outside 32–126 becomes `?`: no control, no bidi, no look-alike character can get through. Cut to 200.
 */
export function printable(data: Uint8Array): string {
  const text = Array.from(data.subarray(0, maxChars), (byte) => (byte >= 32 && byte <= 126 ? String.fromCharCode(byte) : '?')).join('');
  return data.length > maxChars ? `${text}...` : text;
}
