/** The few Protocol Buffers parts that GCM speaks: fields in any order, no schema. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export function varint(value: number | bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(out);
}

/** `undefined` when the bytes end inside it. */
export function readVarint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0n;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - start));
    if (byte < 0x80) return { value: Number(value), end: at + 1 };
  }
  return undefined;
}

const tag = (field: number, type: number) => varint((field << 3) | type);
export const number = (field: number, value: number | bigint) => Buffer.concat([tag(field, VARINT), varint(value)]);
export const bytes = (field: number, value: Uint8Array | string) => {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([tag(field, BYTES), varint(content.length), content]);
};
export function fixed64(field: number, value: bigint): Buffer {
  const content = Buffer.alloc(8);
  content.writeBigUInt64LE(value);
  return Buffer.concat([tag(field, FIXED64), content]);
}

/** The length-delimited fields of a message, by number; the others are stepped over. */
export function readFields(message: Buffer): ReadonlyMap<number, readonly Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  for (let at = 0; at < message.length; ) {
    const key = readVarint(message, at);
    if (!key) throw new Error('protobuf: truncated');
    const type = key.value & 7;
    at = key.end;
    if (type === FIXED64) at += 8;
    else if (type === FIXED32) at += 4;
    else {
      const value = readVarint(message, at);
      if (!value || (type !== VARINT && type !== BYTES)) throw new Error(`protobuf: wire type ${type}`);
      at = value.end;
      if (type === VARINT) continue;
      const field = key.value >> 3;
      fields.set(field, [...(fields.get(field) ?? []), message.subarray(at, at + value.value)]);
      at += value.value;
    }
  }
  return fields;
}
