/** Arbitrary messages, made from their declarations: a message that is added is fuzzed without a word here. */
import fc from 'fast-check';
import type { Plain } from '../../lib/plain.ts';
import type { Codec, Fields } from '../wire/codec.ts';
import type { MessageDef } from '../wire/message.ts';
import type { Tlvs } from '../wire/tlv.ts';

const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength });
const unsigned = (bits: bigint) =>
  fc.oneof(
    fc.constantFrom(0n, 0xfcn, 0xfdn, (1n << (bits / 2n)) - 1n, 1n << (bits / 2n), (1n << bits) - 1n),
    fc.bigInt(0n, (1n << bits) - 1n),
  );

const scalars: { [wire: string]: fc.Arbitrary<Plain> } = {
  '': fc.constant(true),
  byte: fc.nat(0xff),
  u8: fc.nat(0xff),
  u16: fc.nat(0xffff),
  u32: fc.nat(0xffffffff),
  tu16: fc.nat(0xffff),
  tu32: fc.nat(0xffffffff),
  u64: unsigned(64n),
  tu64: unsigned(64n),
  bigsize: unsigned(64n),
  short_channel_id: unsigned(64n),
  s64: fc.bigInt(-(1n << 63n), (1n << 63n) - 1n),
  channel_id: bytes(32),
  chain_hash: bytes(32),
  sha256: bytes(32),
  signature: bytes(64),
  point: fc.tuple(fc.constantFrom(2, 3), bytes(32)).map(([first, x]) => Uint8Array.of(first, ...x)),
  'u16 byte*': bytes(0, 300),
  'byte*...': bytes(0, 300),
};

export function arbitraryValue(codec: Codec<Plain>): fc.Arbitrary<Plain> {
  if (codec.members) return fc.record(values(codec.members));
  const count = /\*(\d+)$/.exec(codec.wire)?.[1];
  if (codec.of) {
    const size = count === undefined ? { maxLength: 5 } : { minLength: Number(count), maxLength: Number(count) };
    return fc.array(arbitraryValue(codec.of), size);
  }
  const scalar = count === undefined ? scalars[codec.wire] : bytes(Number(count));
  if (!scalar) throw new Error(`no arbitrary for ${codec.wire}`);
  return scalar;
}

type Arbitraries = { [name: string]: fc.Arbitrary<Plain> };
const values = (fields: Fields): Arbitraries =>
  Object.fromEntries(Object.entries(fields).map(([name, codec]) => [name, arbitraryValue(codec)]));

/** Odd records that no table holds, in order. */
const unknownTlvs = (tlvs: Tlvs) => {
  const known = new Set(Object.values(tlvs).map(({ type }) => type));
  const type = unsigned(64n)
    .map((n) => n | 1n)
    .filter((n) => !known.has(n));
  return fc
    .uniqueArray(fc.record({ type, value: bytes(0, 300) }), { minLength: 1, maxLength: 4, selector: (record) => record.type })
    .map((records) => records.sort((a, b) => (a.type < b.type ? -1 : 1)));
};

export type AnyValues = { readonly name: string; readonly [field: string]: Plain };

export function arbitraryMessage(def: MessageDef): fc.Arbitrary<AnyValues> {
  const fields: Arbitraries = { name: fc.constant(def.name), ...values(def.fields) };
  const optional: Arbitraries =
    def.tail === 'opaque'
      ? { extension: bytes(1, 40) }
      : {
          ...Object.fromEntries(Object.entries(def.tail).map(([name, { codec }]) => [name, arbitraryValue(codec)])),
          unknownTlvs: unknownTlvs(def.tail),
        };
  return fc.record(
    { ...fields, ...optional },
    { requiredKeys: ['name', ...Object.keys(def.fields)], noNullPrototype: true },
  ) as fc.Arbitrary<AnyValues>;
}
