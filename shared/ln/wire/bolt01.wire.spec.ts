/** BOLT 1, appendices A to D. */
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import type { Plain } from '../../lib/plain.ts';
import { Writer } from '../../lib/writer.ts';
import bigsizes from '../vectors/bolt01/bigsize.json' with { type: 'json' };
import extension from '../vectors/bolt01/extension.json' with { type: 'json' };
import signed from '../vectors/bolt01/signed.json' with { type: 'json' };
import vectors from '../vectors/bolt01/tlv.json' with { type: 'json' };
import { bigsize, type Codec, point, s64, shortChannelId, struct, tu32, tu64, u16, u64 } from './codec.ts';
import { Reader, type WireErrorCode } from './cursor.ts';
import { decodeMessage, encodeMessage } from './registry.ts';
import { decodeTlvs, encodeTlvs, guarded, tlv } from './tlv.ts';

const written = <T>(codec: Codec<T>, value: T): string => {
  const to = new Writer();
  codec.write(to, value);
  return toHex(to.done());
};
const read = <T>(codec: Codec<T>, hex: string) => guarded(() => codec.read(new Reader(fromHex(hex))));

describe('appendix A: BigSize', () => {
  const codes: { [error: string]: WireErrorCode } = {
    'decoded bigsize is not canonical': 'not-minimal',
    'unexpected EOF': 'truncated',
    EOF: 'truncated',
  };
  test.each(bigsizes.decoding)('decoding: $name', ({ bytes, value, exp_error }: { bytes: string; value: string; exp_error?: string }) => {
    expect(read(bigsize, bytes)).toMatchObject(
      exp_error === undefined ? { ok: true, value: BigInt(value) } : { ok: false, error: { code: codes[exp_error] } },
    );
  });
  test.each(bigsizes.encoding)('encoding: $name', ({ bytes, value }) => {
    expect(written(bigsize, BigInt(value))).toBe(bytes);
  });
});

describe('appendix B: TLV', () => {
  const n1 = {
    tlv1: tlv(1, tu64),
    tlv2: tlv(2, shortChannelId),
    tlv3: tlv(3, struct({ nodeId: point, amountMsat1: u64, amountMsat2: u64 })),
    tlv4: tlv(254, u16),
  };
  const n2 = { tlv1: tlv(0, tu64), tlv2: tlv(11, tu32) };
  const namespaces = { n1, n2 };

  /** The code that each reason of the appendix must give. */
  const codeOf = (reason: string): WireErrorCode => {
    if (/(type|length) truncated|missing length/.test(reason)) return 'truncated';
    if (/missing value|value truncated|encoding length/.test(reason)) return 'tlv-length';
    if (/minimal/.test(reason)) return 'not-minimal';
    if (/unknown even/.test(reason)) return 'tlv-unknown-even';
    if (/ordering|duplicate/.test(reason)) return 'tlv-order';
    if (/not a valid point/.test(reason)) return 'bad-point';
    throw new Error(reason);
  };
  const bad = [
    ...vectors.invalidAnyNamespace.flatMap((v) => [{ ...v, space: 'n1' } as const, { ...v, space: 'n2' } as const]),
    ...vectors.invalidEitherNamespace.flatMap((v) => [{ ...v, space: 'n1' } as const, { ...v, space: 'n2' } as const]),
    ...vectors.invalidN1.map((v) => ({ ...v, space: 'n1' }) as const),
    ...vectors.invalidStreamN1.map((v) => ({ ...v, space: 'n1' }) as const),
    ...vectors.invalidStreamN2.map((v) => ({ ...v, space: 'n2' }) as const),
  ];
  test.each(bad)('$space refuses $stream: $reason', ({ stream, reason, space }) => {
    expect(decodeTlvs(namespaces[space], fromHex(stream))).toMatchObject({ ok: false, error: { code: codeOf(reason) } });
  });

  /** The text that the appendix gives for a decoded stream. */
  const told = (values: { [name: string]: Plain | undefined }): string => {
    const scid = (n: bigint) => `${n >> 40n}x${(n >> 16n) & 0xffffffn}x${n & 0xffffn}`;
    const { tlv1, tlv2, tlv3, tlv4 } = values;
    if (typeof tlv1 === 'bigint') return `\`tlv1\` \`amount_msat\`=${tlv1}`;
    if (typeof tlv2 === 'bigint') return `\`tlv2\` \`scid\`=${scid(tlv2)}`;
    if (tlv4 !== undefined) return `\`tlv4\` \`cltv_delta\`=${tlv4}`;
    const { nodeId, amountMsat1, amountMsat2 } = tlv3 as { nodeId: Uint8Array; amountMsat1: bigint; amountMsat2: bigint };
    return `\`tlv3\` \`node_id\`=${toHex(nodeId)} \`amount_msat_1\`=${amountMsat1} \`amount_msat_2\`=${amountMsat2}`;
  };
  test.each(vectors.validN1)('n1 reads $stream: $values', ({ stream, values }) => {
    const decoded = decodeTlvs(n1, fromHex(stream));
    if (!decoded.ok) throw new Error(decoded.error.detail);
    expect(told(decoded.value)).toBe(values);
    expect(toHex(encodeTlvs(n1, decoded.value))).toBe(stream);
  });
  test.each(vectors.validIgnored)('either namespace ignores and keeps $stream: $explanation', ({ stream }) => {
    for (const tlvs of [n1, n2]) {
      const decoded = decodeTlvs(tlvs, fromHex(stream));
      if (!decoded.ok) throw new Error(decoded.error.detail);
      expect(Object.keys(decoded.value)).toEqual(stream === '' ? [] : ['unknownTlvs']);
      expect(toHex(encodeTlvs(tlvs, decoded.value))).toBe(stream);
    }
  });

  const typeOf = (stream: string) => bigsize.read(new Reader(fromHex(stream)));
  const valid = [...vectors.validN1, ...vectors.validIgnored].filter(({ stream }) => stream !== '');
  test('appending a higher-numbered valid stream to a lower-numbered one is valid, the other way round is not', () => {
    for (const a of valid)
      for (const b of valid)
        expect(decodeTlvs(n1, fromHex(a.stream + b.stream)).ok, `${a.stream} ${b.stream}`).toBe(typeOf(a.stream) < typeOf(b.stream));
  });
  test('appending an invalid stream to a valid one is invalid', () => {
    for (const a of valid)
      for (const b of bad.filter(({ space }) => space === 'n1')) expect(decodeTlvs(n1, fromHex(a.stream + b.stream)).ok).toBe(false);
  });
});

describe('appendix C: message extension', () => {
  test.each(extension.valid)('valid: $comment', ({ message }) => {
    const decoded = decodeMessage(fromHex(message));
    if (!decoded.ok) throw new Error(decoded.error.detail);
    expect(decoded.value.name).toBe('init');
    expect(toHex(encodeMessage(decoded.value))).toBe(message);
  });
  const codes: readonly WireErrorCode[] = ['truncated', 'tlv-unknown-even', 'tlv-order'];
  test.each(extension.invalid.map((vector, i) => ({ ...vector, code: codes[i] })))('invalid: $comment', ({ message, code }) => {
    expect(decodeMessage(fromHex(message))).toMatchObject({ ok: false, error: { code, type: 16 } });
  });
});

describe('appendix D: signed integers', () => {
  test.each(signed.vectors.filter(({ bytes }) => bytes.length === 16))('$value', ({ value, bytes }) => {
    expect(read(s64, bytes)).toEqual({ ok: true, value: BigInt(value) });
    expect(written(s64, BigInt(value))).toBe(bytes);
  });
});
