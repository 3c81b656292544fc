import { etc, Point } from '@noble/secp256k1';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldPrime, groupOrder, split, sumOfProducts } from './products.ts';

const G = Point.BASE;
const lambda = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n;
const near = fc.bigInt({ min: 0n, max: 40n });
/** Any scalar; those at both ends, at powers of two and at multiples of λ more often than by chance. */
const scalars = fc.oneof(
  fc.bigInt({ min: 0n, max: groupOrder - 1n }),
  near,
  near.map((distance) => groupOrder - 1n - distance),
  fc.tuple(fc.bigInt({ min: 0n, max: 255n }), near).map(([bit, more]) => ((1n << bit) + more) % groupOrder),
  near.map((times) => (times * lambda) % groupOrder),
);
const toPoint = ({ X, Y, Z }: { readonly X: bigint; readonly Y: bigint; readonly Z: bigint }): Point =>
  Z === 0n ? Point.ZERO : new Point(etc.mod(X * Z), Y, etc.mod(Z ** 3n));
/** With Z = 1. */
const times = (scalar: bigint): Point => Point.fromAffine(G.multiplyUnsafe(scalar).toAffine());

it('the constants are the curve’s', () => {
  expect([fieldPrime, groupOrder]).toEqual([Point.CURVE().p, Point.CURVE().n]);
});

describe('split', () => {
  it('gives two halves that make up the scalar, each of at most 129 bits', () => {
    fc.assert(
      fc.property(scalars, (scalar) => {
        const [first, second] = split(scalar);
        expect(etc.mod(first + second * lambda, groupOrder)).toBe(scalar);
        for (const half of [first, second]) expect(half < 0n ? -half : half).toBeLessThan(1n << 129n);
      }),
      { numRuns: 500 },
    );
  });
});

describe('sumOfProducts', () => {
  it('is the sum that the library makes one product after the other', () => {
    const product = fc.record({ secret: fc.bigInt({ min: 1n, max: groupOrder - 1n }), scalar: scalars });
    fc.assert(
      fc.property(fc.array(product, { maxLength: 3 }), (products) => {
        const terms = products.map(({ secret, scalar }) => ({ point: times(secret), scalar }));
        const expected = terms.reduce((sum, { point, scalar }) => sum.add(point.multiplyUnsafe(scalar)), Point.ZERO);
        expect(toPoint(sumOfProducts(terms)).equals(expected)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('holds where points are the same, opposite, or small multiples of each other', () => {
    const small = fc.bigInt({ min: -6n, max: 6n }).map((value) => etc.mod(value, groupOrder));
    fc.assert(
      fc.property(small, small, small, small, (p, m, q, n) => {
        fc.pre(p !== 0n && q !== 0n);
        const sum = toPoint(
          sumOfProducts([
            { point: times(p), scalar: m },
            { point: times(q), scalar: n },
          ]),
        );
        expect(sum.equals(G.multiplyUnsafe(etc.mod(p * m + q * n, groupOrder)))).toBe(true);
      }),
      { numRuns: 300, examples: [1n, 3n, 15n].map((scalar) => [5n, scalar, 5n, scalar]) },
    );
  });

  it('of nothing, of zeros and of what cancels out is infinity', () => {
    expect(sumOfProducts([]).Z).toBe(0n);
    expect(sumOfProducts([{ point: G, scalar: 0n }]).Z).toBe(0n);
    const cancels = [
      { point: G, scalar: groupOrder - 7n },
      { point: times(7n), scalar: 1n },
    ];
    expect(sumOfProducts(cancels).Z).toBe(0n);
  });
});
