import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from './bytes.ts';
import { freeze, thaw } from './freeze.ts';
import type { Plain } from './plain.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 300);

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('__proto__', 'constructor', 'toString', '\uFEFFbom', '\0', '😀', '\uFFFF'),
);
const plain: fc.Arbitrary<Plain> = fc.letrec<{ plain: Plain }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom<Plain>(
      null,
      true,
      false,
      0,
      -1,
      1,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      0n,
      -1n,
      255n,
      256n,
      -256n,
      -257n,
    ),
    fc.maxSafeInteger().map((n) => n + 0),
    fc.bigInt(-(1n << 300n), 1n << 300n),
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('plain'), { maxLength: 6 }),
    fc.dictionary(text, tie('plain'), { maxKeys: 6, noNullPrototype: true }),
  ),
})).plain;

/** Own keys, values and prototypes alike; `toEqual` alone does not look at a key `__proto__`. */
function same(a: Plain | undefined, b: Plain | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const [left, right] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  return left.size === right.size && [...left].every(([key, value]) => right.has(key) && same(value, right.get(key)));
}

/** What must hold for any bytes at all. */
function lawful(bytes: Uint8Array): void {
  const before = toHex(bytes);
  const thawed = thaw(bytes);
  expect(toHex(bytes)).toBe(before);
  if (thawed.ok) expect(toHex(freeze(thawed.value))).toBe(before);
  else expect(['foreign', 'truncated', 'newer', 'malformed']).toContain(thawed.error.code);
}
const fails = (hex: string) => {
  const thawed = thaw(fromHex(hex));
  return thawed.ok ? 'thawed' : thawed.error.code;
};

describe('laws', () => {
  test('thaw(freeze(x)) = x, also where x has a member __proto__', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const thawed = thaw(freeze(value));
        expect(thawed.ok && same(thawed.value, value)).toBe(true);
      }),
      { numRuns },
    );
  });

  test('what is cut short is truncated', () => {
    fc.assert(
      fc.property(plain, fc.nat(), (value, at) => {
        const bytes = freeze(value);
        expect(thaw(bytes.subarray(0, at % bytes.length))).toMatchObject({ ok: false, error: { code: 'truncated' } });
      }),
      { numRuns },
    );
  });

  test('changed bytes thaw to what freezes to them, or to an error', () => {
    fc.assert(
      fc.property(plain, fc.nat(), fc.nat(3), fc.uint8Array({ maxLength: 3 }), (value, at, drop, put) => {
        const bytes = freeze(value);
        const start = 1 + (at % bytes.length);
        lawful(concat(bytes.subarray(0, start), put, bytes.subarray(start + drop)));
      }),
      { numRuns: numRuns * 2 },
    );
  });

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        lawful(bytes);
        lawful(concat(Uint8Array.of(0xb1), bytes));
      }),
      { numRuns: numRuns * 2 },
    );
  });

  test('the order in which members were written does not matter', () => {
    fc.assert(
      fc.property(fc.dictionary(text, plain, { noNullPrototype: true }), (value) => {
        expect(freeze(Object.fromEntries(Object.entries(value).reverse()))).toEqual(freeze(value));
      }),
      { numRuns },
    );
  });
});

test('the format, byte for byte: it may never change', () => {
  const value = {
    b: [null, true, false],
    a: { id: 258n, less: -256n, n: -1, zero: 0 },
    bytes: Uint8Array.of(7),
    s: 'é',
    skipped: undefined,
  };
  expect(toHex(freeze(value))).toBe(
    [
      'b1 0a 0104',
      '0101 61 0a 0104  0102 6964 05 020102  0104 6c657373 06 01ff  0101 6e 04 00  0104 7a65726f 03 00',
      '0101 62 09 0103 00 02 01',
      '0105 6279746573 08 0101 07',
      '0101 73 07 0102 c3a9',
    ]
      .join('')
      .replaceAll(' ', ''),
  );
});

describe('foreign, newer, truncated, malformed', () => {
  test.each([
    ['', 'truncated'],
    ['b1', 'truncated'],
    ['00', 'foreign'],
    ['b0', 'foreign'],
    ['7b7d', 'foreign'],
    ['b200', 'newer'],
    ['bf', 'newer'],
    ['b10b', 'malformed'],
    ['b10000', 'malformed'],
  ])('%s: %s', (hex, code) => {
    expect(fails(hex)).toBe(code);
  });
  test.each([
    ['a leading zero', 'b10302000a'],
    ['an integer past 2^53', 'b1030720000000000000'],
    ['minus 2^53', 'b104071fffffffffffff'],
    ['keys out of order', 'b10a01020101620001016100'],
    ['a key twice', 'b10a01020101610001016100'],
    ['UTF-8 with half a surrogate pair', 'b1070103eda080'],
    ['UTF-8 overlong', 'b1070102c080'],
    ['UTF-8 cut', 'b1070101c3'],
  ])('malformed: %s', (_, hex) => {
    expect(fails(hex)).toBe('malformed');
  });
  test('a count beyond the bytes ends at once', () => {
    expect(fails('b10906ffffffffffff')).toBe('truncated');
    expect(fails('b10a06ffffffffffff')).toBe('truncated');
    expect(fails('b10806ffffffffffff')).toBe('truncated');
  });
});

describe('depth', () => {
  const nested = (depth: number): Plain => (depth === 0 ? [] : [nested(depth - 1)]);
  test('64 levels go, more do not', () => {
    expect(thaw(freeze(nested(64)))).toEqual({ ok: true, value: nested(64) });
    expect(() => freeze(nested(65))).toThrow(TypeError);
    expect(fails(`b1${'090101'.repeat(65)}0900`)).toBe('malformed');
    expect(fails(`b1${'090101'.repeat(100_000)}`)).toBe('malformed');
  });
});

test('a thawed __proto__ is a key like any other', () => {
  const thawed = thaw(freeze(JSON.parse('{"__proto__":{"polluted":true}}')));
  if (!thawed.ok) throw new Error(thawed.error.detail);
  expect(Object.keys(thawed.value ?? {})).toEqual(['__proto__']);
  expect(Object.getPrototypeOf(thawed.value)).toBe(Object.prototype);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test('thawed bytes are a copy', () => {
  const bytes = freeze(Uint8Array.of(1, 2));
  const thawed = thaw(bytes);
  bytes.fill(0);
  expect(thawed).toEqual({ ok: true, value: Uint8Array.of(1, 2) });
});

test('more names than are remembered are read right, over and over', () => {
  const value = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`name${i}`, i]));
  for (let i = 0; i < 2; i += 1) expect(thaw(freeze(value))).toEqual({ ok: true, value });
});

test('what is not Plain is refused loudly', () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const sparse: Plain[] = [];
  sparse[1] = 1;
  const bad: readonly unknown[] = [
    1.5,
    Number.NaN,
    Infinity,
    2 ** 53,
    1n << 2040n,
    new Map(),
    new Date(),
    () => 0,
    Symbol('s'),
    undefined,
    [undefined],
    sparse,
    cyclic,
    '\uD800',
    { '\uDC00': 1 },
    Promise.resolve(),
    new Uint16Array(1),
  ];
  for (const value of bad) expect(() => freeze(value as Plain)).toThrow(TypeError);
  expect(freeze((1n << 2040n) - 1n).length).toBe(3 + 255);
});
