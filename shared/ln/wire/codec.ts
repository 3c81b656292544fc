/**
 * The fundamental types of BOLT 1 as codecs: how one value is read, written and named in the specification.
 * Callers must still check what a codec cannot know: that a point is on the curve, that an amount is at most 21 million
 * bitcoin, that a flag or a script makes sense.
 */
import type { Plain } from '../../lib/plain.ts';
import { unfit, type Writer } from '../../lib/writer.ts';
import { type Reader, WireFault } from './cursor.ts';

export type Codec<T> = {
  /** The specification's name of the type; `*` for a repetition. */
  readonly wire: string;
  /** Elements of a list, members of a struct: for tools that walk a declaration. */
  readonly of?: Codec<Plain>;
  readonly members?: Fields;
  read(from: Reader): T;
  write(to: Writer, value: T): void;
};
export type Fields = { readonly [name: string]: Codec<Plain> };
export type ValueOf<C> = C extends Codec<infer T> ? T : never;
export type ValuesOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

const uint = (size: number): Codec<number> => ({
  wire: `u${8 * size}`,
  read: (from) => from.uint(size),
  write: (to, value) => to.uint(size, value),
});
export const u8 = uint(1);
export const u16 = uint(2);
export const u32 = uint(4);
/** The specification's single `byte`. */
export const byte: Codec<number> = { ...u8, wire: 'byte' };

export const u64: Codec<bigint> = { wire: 'u64', read: (from) => from.big(8), write: (to, value) => to.big(8, value) };
export const s64: Codec<bigint> = {
  wire: 's64',
  read: (from) => BigInt.asIntN(64, from.big(8)),
  write: (to, value) => (value === BigInt.asIntN(64, value) ? to.big(8, BigInt.asUintN(64, value)) : unfit(`${value} is not an s64`)),
};
/** BOLT 7: block height (3 bytes), transaction index (3 bytes) and output index (2 bytes) in one number. */
export const shortChannelId: Codec<bigint> = { ...u64, wire: 'short_channel_id' };

const bytesInBig = (value: bigint): number => (value === 0n ? 0 : Math.ceil(value.toString(16).length / 2));

/** BOLT 1: "Leading zeros in truncated integers MUST be omitted". Always the last value of a record: it takes what is left. */
const truncatedInt = (size: number): Codec<bigint> => ({
  wire: `tu${8 * size}`,
  read(from) {
    const length = from.left;
    if (length > size) throw new WireFault('tlv-length', `a tu${8 * size} of ${length} bytes`);
    const value = from.big(length);
    if (bytesInBig(value) !== length) throw new WireFault('not-minimal', `a tu${8 * size} with leading zeros`);
    return value;
  },
  write(to, value) {
    const length = bytesInBig(value);
    if (value < 0n || length > size) unfit(`${value} is not a tu${8 * size}`);
    to.big(length, value);
  },
});
export const tu64 = truncatedInt(8);
const narrow = (codec: Codec<bigint>): Codec<number> => ({
  wire: codec.wire,
  read: (from) => Number(codec.read(from)),
  write: (to, value) => codec.write(to, BigInt(value)),
});
export const tu32 = narrow(truncatedInt(4));
export const tu16 = narrow(truncatedInt(2));

/** BOLT 1, appendix A. */
export const bigsize: Codec<bigint> = {
  wire: 'bigsize',
  read(from) {
    const first = from.uint(1);
    if (first < 0xfd) return BigInt(first);
    const size = 2 ** (first - 0xfc);
    const value = from.big(size);
    const least = first === 0xfd ? 0xfdn : 1n << BigInt(4 * size);
    if (value < least) throw new WireFault('not-minimal', `bigsize ${value} in ${size + 1} bytes`);
    return value;
  },
  write(to, value) {
    if (value < 0n) unfit(`${value} is not a bigsize`);
    if (value < 0xfdn) return to.uint(1, Number(value));
    const size = value < 0x1_0000n ? 2 : value < 0x1_0000_0000n ? 4 : 8;
    to.uint(1, 0xfc + Math.log2(size));
    to.big(size, value);
  },
};

const fixed = (wire: string, size: number): Codec<Uint8Array> => ({
  wire,
  read: (from) => from.bytes(size),
  write: (to, value) => (value.length === size ? to.bytes(value) : unfit(`${value.length} bytes where ${wire} has ${size}`)),
});
/** Exactly `size` bytes. */
export const bytes = (size: number): Codec<Uint8Array> => fixed(`byte*${size}`, size);
export const bytes32 = bytes(32);
export const channelId = fixed('channel_id', 32);
export const chainHash = fixed('chain_hash', 32);
/** Hashes and txids, in wire order. */
export const sha256 = fixed('sha256', 32);
/** 64 bytes, r and s; neither range nor low-s is checked. */
export const signature = fixed('signature', 64);

const compressed = fixed('point', 33);
const isCompressed = (value: Uint8Array): boolean => value[0] === 2 || value[0] === 3;
/** Shape only (33 bytes, 02 or 03 first): whether it is on the curve is for whoever computes with it. */
export const point: Codec<Uint8Array> = {
  wire: 'point',
  read(from) {
    const value = compressed.read(from);
    if (!isCompressed(value)) throw new WireFault('bad-point', `a point that starts with ${value[0]}`);
    return value;
  },
  write: (to, value) => (isCompressed(value) ? compressed.write(to, value) : unfit('a point that is not compressed')),
};

/** A u16 count of bytes, then the bytes. */
export const bytes16: Codec<Uint8Array> = {
  wire: 'u16 byte*',
  read: (from) => from.bytes(from.uint(2)),
  write(to, value) {
    to.uint(2, value.length);
    to.bytes(value);
  },
};
/** All bytes that are left: only as the last value of a record. */
export const rest: Codec<Uint8Array> = { wire: 'byte*...', read: (from) => from.bytes(from.left), write: (to, value) => to.bytes(value) };

/** A u16 count, then as many. */
export const list16 = <T extends Plain>(of: Codec<T>): Codec<readonly T[]> => ({
  wire: `u16 ${of.wire}*`,
  of,
  read(from) {
    const values: T[] = [];
    for (let left = from.uint(2); left > 0; left--) values.push(of.read(from));
    return values;
  },
  write(to, values) {
    to.uint(2, values.length);
    for (const value of values) of.write(to, value);
  },
});
/** Exactly `count` of them. */
export const list = <T extends Plain>(count: number, of: Codec<T>): Codec<readonly T[]> => ({
  wire: `${of.wire}*${count}`,
  of,
  read: (from) => Array.from({ length: count }, () => of.read(from)),
  write(to, values) {
    if (values.length !== count) unfit(`${values.length} of ${of.wire} where ${count} belong`);
    for (const value of values) of.write(to, value);
  },
});
/** As many as fill the record. */
export const listRest = <T extends Plain>(of: Codec<T>): Codec<readonly T[]> => ({
  wire: `${of.wire}*...`,
  of,
  read(from) {
    const values: T[] = [];
    while (from.left > 0) values.push(of.read(from));
    return values;
  },
  write(to, values) {
    for (const value of values) of.write(to, value);
  },
});

/** A record without a value: its presence says it. */
export const present: Codec<true> = { wire: '', read: () => true, write: () => undefined };

export const struct = <F extends Fields>(members: F): Codec<ValuesOf<F>> => ({
  wire: `{${Object.entries(members).map(([name, codec]) => `${name}:${codec.wire}`)}}`,
  members,
  read: (from) => readFields(members, from),
  write: (to, value) => writeFields(members, to, value),
});

export function readFields<F extends Fields>(fields: F, from: Reader): ValuesOf<F> {
  const values: { [name: string]: Plain } = {};
  for (const name in fields) values[name] = readNamed(name, fields[name], from);
  return values as ValuesOf<F>;
}

export function writeFields<F extends Fields>(fields: F, to: Writer, values: ValuesOf<F>): void {
  for (const name in fields) fields[name]?.write(to, values[name]);
}

/** Reads one value and lets a fault say where it happened. */
export function readNamed(name: string, codec: Codec<Plain> | undefined, from: Reader): Plain {
  if (!codec) return unfit(`no codec for ${name}`);
  try {
    return codec.read(from);
  } catch (fault) {
    throw fault instanceof WireFault ? new WireFault(fault.code, `${name}: ${fault.message}`) : fault;
  }
}
