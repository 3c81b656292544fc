/** BOLT 1 § Type-Length-Value Format: records in order, unknown odd ones kept so that a stream is re-encoded to the same bytes. */
import type { Plain } from '../../lib/plain.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { unfit, Writer } from '../../lib/writer.ts';
import { bigsize, type Codec, readNamed } from './codec.ts';
import { Reader, type WireError, WireFault } from './cursor.ts';

export type Tlv<T> = { readonly type: bigint; readonly codec: Codec<T> };
export type Tlvs = { readonly [name: string]: Tlv<Plain> };
export type UnknownTlv = { readonly type: bigint; readonly value: Uint8Array };
type TlvValue<T> = T extends Tlv<infer V> ? V : never;
/** Known records by name, each of them optional, and the odd ones that nobody here knows. */
export type TlvValues<T extends Tlvs> = { readonly [K in keyof T]?: TlvValue<T[K]> } & {
  readonly unknownTlvs?: readonly UnknownTlv[];
};

export const tlv = <T extends Plain>(type: number | bigint, codec: Codec<T>): Tlv<T> => ({ type: BigInt(type), codec });

/** Reads the stream that fills the rest of `from`; throws a `WireFault`. */
export function readTlvs(tlvs: Tlvs, from: Reader): { [name: string]: Plain } {
  const values: { [name: string]: Plain } = {};
  const unknownTlvs: UnknownTlv[] = [];
  let last = -1n;
  // BOLT 1: "if zero bytes remain before parsing a `type`: MUST stop parsing the `tlv_stream`"
  while (from.left > 0) {
    const type = bigsize.read(from);
    // BOLT 1: "if decoded `type`s are not strictly-increasing [...] MUST fail to parse the `tlv_stream`"
    if (type <= last) throw new WireFault('tlv-order', `record ${type} after ${last}`);
    last = type;
    const length = bigsize.read(from);
    // BOLT 1: "if `length` exceeds the number of bytes remaining in the message: MUST fail to parse the `tlv_stream`"
    if (length > BigInt(from.left)) throw new WireFault('tlv-length', `record ${type} of ${length} bytes, ${from.left} left`);
    const record = from.sub(Number(length));
    const name = nameOf(tlvs, type);
    if (name !== undefined) values[name] = readRecord(name, tlvs[name]?.codec, record);
    // BOLT 1: "if `type` is even: MUST fail to parse the `tlv_stream`"
    else if (type % 2n === 0n) throw new WireFault('tlv-unknown-even', `record ${type}`);
    else unknownTlvs.push({ type, value: record.bytes(record.left) });
  }
  return unknownTlvs.length > 0 ? { ...values, unknownTlvs } : values;
}

const nameOf = (tlvs: Tlvs, type: bigint): string | undefined => Object.keys(tlvs).find((name) => tlvs[name]?.type === type);

// BOLT 1: "if `length` is not exactly equal to that required for the known encoding for `type`: MUST fail to parse the `tlv_stream`"
function readRecord(name: string, codec: Codec<Plain> | undefined, record: Reader): Plain {
  try {
    const value = readNamed(name, codec, record);
    if (record.left > 0) throw new WireFault('tlv-length', `${name}: ${record.left} bytes too many`);
    return value;
  } catch (fault) {
    throw fault instanceof WireFault && fault.code === 'truncated' ? new WireFault('tlv-length', fault.message) : fault;
  }
}

/** Writes the known records of `values` and its `unknownTlvs` in the order of their types. Throws where `values` is not a stream we may send. */
export function writeTlvs(
  tlvs: Tlvs,
  to: Writer,
  values: { readonly [name: string]: Plain | undefined },
  unknownTlvs: readonly UnknownTlv[] = [],
): void {
  const records = unknownTlvs.map(({ type, value }) => {
    if (type % 2n === 0n || nameOf(tlvs, type) !== undefined) unfit(`record ${type} among the unknown ones`);
    return { type, value };
  });
  for (const name in tlvs) {
    const known = tlvs[name];
    const value = values[name];
    if (!known || value === undefined) continue;
    const record = new Writer();
    known.codec.write(record, value);
    records.push({ type: known.type, value: record.done() });
  }
  records.sort((a, b) => (a.type < b.type ? -1 : 1));
  records.forEach(({ type, value }, i) => {
    if (records[i + 1]?.type === type) unfit(`record ${type} twice`);
    bigsize.write(to, type);
    bigsize.write(to, BigInt(value.length));
    to.bytes(value);
  });
}

export function encodeTlvs<T extends Tlvs>(tlvs: T, values: TlvValues<T>): Uint8Array {
  const to = new Writer();
  writeTlvs(tlvs, to, values, values.unknownTlvs);
  return to.done();
}

/** A whole stream, as in onions and offers. */
export function decodeTlvs<T extends Tlvs>(tlvs: T, bytes: Uint8Array): Result<TlvValues<T>, WireError> {
  return guarded(() => readTlvs(tlvs, new Reader(bytes)) as TlvValues<T>);
}

/** Turns the fault of hostile bytes into a value; our own faults stay exceptions. */
export function guarded<T>(read: () => T, type?: number): Result<T, WireError> {
  try {
    return ok(read());
  } catch (fault) {
    if (!(fault instanceof WireFault)) throw fault;
    return err({ code: fault.code, detail: fault.message, ...(type === undefined ? {} : { type }) });
  }
}
