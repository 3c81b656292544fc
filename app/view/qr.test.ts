/** The codes that we show are read by the reader that we ship. */
import jsqr from 'jsqr';
import { expect, test } from 'vitest';
import { encodeInvoice } from '../../shared/ln/invoice/encode.ts';
import { sign } from '../../shared/ln/keys/secp.ts';
import { encodeFeatures } from '../../shared/ln/wire/features.ts';
import { qrPath } from './qr.ts';
import { good, node, segwit, simple } from './understand.samples.ts';

const PIXELS = 3;
const QUIET = 4;

/** The path of the picture as pixels, dark on light, as a camera would see it at its best. */
function draw({ size, path }: ReturnType<typeof qrPath>): { data: Uint8ClampedArray; side: number } {
  const side = (size + 2 * QUIET) * PIXELS;
  const data = new Uint8ClampedArray(side * side * 4).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let i = 0; i < PIXELS * PIXELS; i++) {
      const row = (Number(y) + QUIET) * PIXELS + Math.floor(i / PIXELS);
      const column = (Number(x) + QUIET) * PIXELS + (i % PIXELS);
      data.fill(0, (row * side + column) * 4, (row * side + column) * 4 + 3);
    }
  }
  return { data, side };
}
/** Its types say `default` where it is a function itself. */
function scan(data: Uint8ClampedArray, side: number): unknown {
  const reader: unknown = jsqr;
  if (typeof reader !== 'function') throw new Error('jsqr is no function');
  const found: unknown = reader(data, side, side);
  return typeof found === 'object' && found !== null && 'data' in found ? found.data : undefined;
}
const read = (text: string): unknown => {
  const { data, side } = draw(qrPath(text));
  return scan(data, side);
};

/** The most that people meet: two hints of two hops each, long words, a fallback. One still picture is enough for it. */
const hop = { nodeId: simple.payee, shortChannelId: 2n ** 63n, feeBaseMsat: 1000, feeProportionalMillionths: 100, cltvExpiryDelta: 144 };
const large = encodeInvoice(
  {
    ...simple,
    description: 'Two coffees and a large piece of cake, with thanks from the house. '.repeat(3),
    fallbacks: [{ version: 1, program: new Uint8Array(32).fill(9) }],
    routeHints: [
      [hop, hop],
      [hop, hop],
    ],
    features: encodeFeatures([9, 15, 17, 25, 49]),
  },
  (digest) => sign(digest, new Uint8Array(32).fill(0x42)),
);

test.each([
  ['an invoice', good],
  ['in upper case', `LIGHTNING:${good.toUpperCase()}`],
  ['a large one', large.toUpperCase()],
  ['a large one in lower case, as a link', `lightning:${large}`],
  ['both ways', `BITCOIN:${segwit.toUpperCase()}?AMOUNT=0.0025&LIGHTNING=${good.toUpperCase()}`],
  ['a node', `${node}@node.example:9735`],
])('%s', (_, text) => {
  expect(read(text)).toBe(text);
});

test('a code with a hole in it is read, or is no code: never another text', () => {
  const { size, path } = qrPath(good.toUpperCase());
  const squares = path.split('z').filter((square) => square !== '');
  const holed = squares.filter((_, i) => i % 40 !== 7).map((square) => `${square}z`);
  const { data, side } = draw({ size, path: holed.join('') });
  expect([good.toUpperCase(), undefined]).toContain(scan(data, side));
});
