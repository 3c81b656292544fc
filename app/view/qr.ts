/** A QR code as one SVG path, a unit square per dark module. */
import { encode } from 'uqr';

/** Long texts are read more easily with larger dots than with more repair. */
const LONG = 120;

export function qrPath(text: string): { readonly size: number; readonly path: string } {
  const { size, data } = encode(text, { ecc: text.length > LONG ? 'L' : 'M', border: 2 });
  const path = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
  return { size, path };
}
