/**
 * `Σ scalar·point` on secp256k1, several times faster than one multiplication after the other. For PUBLIC scalars only: the time
 * depends on them. Each scalar is split by the curve's endomorphism into two halves (λ·P is P with x times β), each half is
 * written with few non-zero digits, and all terms share one chain of doublings.
 * Points are taken as valid: the caller has parsed them.
 */

/** Jacobian: x = X/Z², y = Y/Z³; Z = 0 is infinity. */
type Sum = { readonly X: bigint; readonly Y: bigint; readonly Z: bigint };
/** Of the point only the affine coordinates are read: its Z, if any, must be 1, as it is after parsing. */
export type Product = { readonly point: { readonly X: bigint; readonly Y: bigint }; readonly scalar: bigint };

export const fieldPrime = 2n ** 256n - 2n ** 32n - 977n;
export const groupOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const infinity: Sum = { X: 0n, Y: 1n, Z: 0n };
const mod = (a: bigint): bigint => {
  const rest = a % fieldPrime;
  return rest < 0n ? rest + fieldPrime : rest;
};

function double({ X, Y, Z }: Sum): Sum {
  const xx = mod(X * X);
  const yy = mod(Y * Y);
  const yyyy = mod(yy * yy);
  const s = mod(4n * X * yy);
  const m = 3n * xx;
  const X3 = mod(m * m - 2n * s);
  return { X: X3, Y: mod(m * (s - X3) - 8n * yyyy), Z: mod(2n * Y * Z) };
}

function add(a: Sum, b: Sum): Sum {
  if (a.Z === 0n) return b;
  if (b.Z === 0n) return a;
  const aZ2 = mod(a.Z * a.Z);
  const bZ2 = mod(b.Z * b.Z);
  const u = mod(a.X * bZ2);
  const s = mod(mod(a.Y * b.Z) * bZ2);
  const h = mod(b.X * aZ2 - u);
  const r = mod(mod(b.Y * a.Z) * aZ2 - s);
  // The same x: the same point or its opposite, for which the formula does not hold.
  if (h === 0n) return r === 0n ? double(a) : infinity;
  const hh = mod(h * h);
  const hhh = mod(h * hh);
  const v = mod(u * hh);
  const X = mod(r * r - hhh - 2n * v);
  return { X, Y: mod(r * (v - X) - s * hhh), Z: mod(mod(a.Z * b.Z) * h) };
}

const negate = ({ X, Y, Z }: Sum): Sum => ({ X, Y: fieldPrime - Y, Z });

/** β³ = 1 in the field, λ³ = 1 modulo the order, and λ·(x, y) = (β·x, y). */
const beta = 0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501een;
/** Two short vectors of the lattice of all (a, b) with a + b·λ = 0; of Gallant, Lambert and Vanstone's method. */
const [a1, b1] = [0x3086d221a7d46bcde86c90e49284eb15n, -0xe4437ed6010e88286f547fa90abfe4c3n];
const [a2, b2] = [0x114ca50f7a8e2f3f657c1108d9d44cfd8n, a1];

const roundedQuotient = (a: bigint, b: bigint): bigint => (a + b / 2n) / b;

/** `scalar = first + second·λ`, each of at most 129 bits and of either sign. Scalar: 0 … n-1. */
export function split(scalar: bigint): readonly [bigint, bigint] {
  const c1 = roundedQuotient(b2 * scalar, groupOrder);
  const c2 = roundedQuotient(-b1 * scalar, groupOrder);
  return [scalar - c1 * a1 - c2 * a2, -c1 * b1 - c2 * b2];
}

const WIDTH = 5n;
const WINDOW = 1n << WIDTH;

/** Digits from the lowest: 0 or odd, below 16 in size, and of any five in a row at most one is not 0. */
function digits(value: bigint): readonly number[] {
  const found: number[] = [];
  for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 1n) {
    let digit = 0n;
    if (rest & 1n) {
      digit = rest & (WINDOW - 1n);
      if (digit >= WINDOW / 2n) digit -= WINDOW;
      rest -= digit;
    }
    found.push(Number(value < 0n ? -digit : digit));
  }
  return found;
}

/** 1, 3, … 15 times the point. */
function oddMultiples({ X, Y }: Product['point']): readonly Sum[] {
  let last: Sum = { X, Y, Z: 1n };
  const twice = double(last);
  const multiples = [last];
  while (multiples.length < 8) {
    last = add(last, twice);
    multiples.push(last);
  }
  return multiples;
}

/** The sum in Jacobian coordinates; `Z` is 0 for infinity. Scalars: 0 … n-1. */
export function sumOfProducts(products: readonly Product[]): Sum {
  const terms = products.flatMap(({ point, scalar }) => {
    const multiples = oddMultiples(point);
    const [first, second] = split(scalar);
    return [
      { multiples, digits: digits(first) },
      { multiples: multiples.map(({ X, Y, Z }) => ({ X: mod(X * beta), Y, Z })), digits: digits(second) },
    ];
  });
  let sum = infinity;
  for (let i = Math.max(0, ...terms.map(({ digits }) => digits.length)) - 1; i >= 0; i -= 1) {
    if (sum.Z !== 0n) sum = double(sum);
    for (const { multiples, digits } of terms) {
      const digit = digits[i] ?? 0;
      const multiple = digit === 0 ? undefined : multiples[(Math.abs(digit) - 1) >> 1];
      if (multiple !== undefined) sum = add(sum, digit < 0 ? negate(multiple) : multiple);
    }
  }
  return sum;
}
