/** BOLT 9: the table as the specification prints it, and the rules of BOLT 1 for receiving it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import bolt9 from '../vectors/bolt09/features.json' with { type: 'json' };
import {
  compatible,
  encodeFeatures,
  type FeatureName,
  features,
  has,
  hasBit,
  initFeatures,
  isRequired,
  missingDependencies,
  negotiated,
  ourFeatures,
  parseFeatures,
  unknownRequired,
} from './features.ts';

test('the table', () => {
  const printed = Object.entries(features).map(([name, feature]) => ({
    bits: [feature.bit, feature.bit + 1],
    name,
    context: feature.context,
    dependencies: 'needs' in feature ? feature.needs : [],
    assumed: 'assumed' in feature,
  }));
  expect(printed).toEqual(bolt9.features);
});

describe('vectors', () => {
  const bits = fc.uniqueArray(fc.nat(2100), { maxLength: 60 }).map((list) => list.sort((a, b) => a - b));
  test('parse(encode(bits)) = bits, in the least number of bytes', () => {
    fc.assert(
      fc.property(bits, (list) => {
        const vector = encodeFeatures(list);
        expect(parseFeatures(vector)).toEqual(list);
        expect(vector[0]).not.toBe(0);
        expect(list.every((bit) => hasBit(vector, bit))).toBe(true);
      }),
    );
  });
  test('encode(parse(bytes)) = bytes without leading zeros', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (vector) => {
        expect(toHex(encodeFeatures(parseFeatures(vector)))).toBe(toHex(vector).replace(/^(00)+/, ''));
      }),
    );
  });
  test('byte order', () => {
    expect(toHex(encodeFeatures([]))).toBe('');
    expect(toHex(encodeFeatures([0]))).toBe('01');
    expect(toHex(encodeFeatures([1, 8]))).toBe('0102');
    expect(parseFeatures(fromHex('8000'))).toEqual([15]);
  });
  test('a vector as long as a message is read', () => {
    expect(parseFeatures(new Uint8Array(65535).fill(255)).length).toBe(65535 * 8);
    expect(encodeFeatures(parseFeatures(new Uint8Array(65535).fill(255)))).toEqual(new Uint8Array(65535).fill(255));
    expect(compatible(ourFeatures(), new Uint8Array(65535).fill(255)).ok).toBe(false);
  });
  test('both fields of init are one', () => {
    expect(initFeatures({ globalfeatures: encodeFeatures([8, 13]), features: encodeFeatures([8, 51]) })).toEqual(
      encodeFeatures([8, 13, 51]),
    );
  });
});

describe('required, optional, negotiated', () => {
  const none = encodeFeatures([]);
  const vector = (...bits: number[]) => encodeFeatures(bits);
  test.each([
    ['neither bit', vector(), false, false],
    ['the odd bit', vector(23), true, false],
    ['the even bit', vector(22), true, true],
    ['both bits count as required', vector(22, 23), true, true],
  ])('%s', (_, bits, offered, required) => {
    expect([has(bits, 'option_anchors'), isRequired(bits, 'option_anchors')]).toEqual([offered, required]);
  });
  test.each([
    [vector(23), vector(22), true],
    [vector(23), vector(23), true],
    [vector(23), none, false],
    [none, vector(22), false],
    [vector(22), none, true],
  ])('BOLT 1: both offered it, or we offered it as even (%#)', (local, remote, expected) => {
    expect(negotiated(local, remote, 'option_anchors')).toBe(expected);
  });
  test('what is ASSUMED is negotiated without a bit', () => {
    expect(negotiated(none, none, 'option_static_remotekey')).toBe(true);
    expect(negotiated(none, none, 'gossip_queries')).toBe(false);
  });
});

describe('dependencies', () => {
  test.each([
    [[51], [{ feature: 'option_zeroconf', needs: 'option_scid_alias' }]],
    [[50, 47], []],
    [[61], [{ feature: 'option_simple_close', needs: 'option_shutdown_anysegwit' }]],
    [[61, 26], []],
    [[17], []],
  ])('%j', (bits, missing) => {
    expect(missingDependencies(encodeFeatures(bits))).toEqual(missing);
  });
});

describe('compatible', () => {
  const judge = (...bits: number[]) => compatible(ourFeatures(), encodeFeatures(bits));
  test.each([
    ['LND v0.21', [0, 5, 7, 8, 12, 14, 17, 23, 25, 27, 31, 35, 39, 44, 2023]],
    ['LDK 0.1.2', [0, 5, 7, 8, 12, 14, 17, 19, 23, 25, 27, 45, 47, 51]],
    ['no bit at all', []],
    ['unknown odd bits', [101, 1001]],
    ['gossip_queries as required', [6]],
  ])('%s', (_, bits) => {
    expect(judge(...bits)).toEqual({ ok: true, value: undefined });
  });
  test('unknown even bits', () => {
    expect(judge(0, 100, 1000)).toEqual({ ok: false, error: { code: 'unknown-required', bits: [100, 1000] } });
  });
  test('a known feature that we do not offer is as good as unknown', () => {
    expect(judge(features.option_dual_fund.bit)).toEqual({ ok: false, error: { code: 'unknown-required', bits: [28] } });
    expect(unknownRequired(encodeFeatures([28]), encodeFeatures([29]))).toEqual([]);
  });
  test('a missing dependency', () => {
    expect(judge(51)).toMatchObject({ ok: false, error: { code: 'missing-dependency' } });
  });
});

describe('our own', () => {
  test('bits', () => {
    expect(parseFeatures(ourFeatures())).toEqual([0, 5, 9, 12, 15, 23, 27, 35, 37, 44, 47, 51, 61]);
  });
  test('only one bit of a pair, every dependency, and no assumption about the peer beyond what BOLT 9 assumes', () => {
    const bits = parseFeatures(ourFeatures());
    for (const bit of bits) expect(bits).not.toContain(bit ^ 1);
    expect(missingDependencies(ourFeatures())).toEqual([]);
    const required = (Object.keys(features) as FeatureName[]).filter((name) => isRequired(ourFeatures(), name));
    for (const name of required) expect(features[name]).toMatchObject({ assumed: true });
  });
  test('fit each other', () => {
    expect(compatible(ourFeatures(), ourFeatures()).ok).toBe(true);
  });
});
