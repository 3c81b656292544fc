/**
 * A declared message: name, number, fields and what may follow them, once. Its type is inferred, its codec follows.
 * A decoded message is plain data `{ name, ...fields, ...records present, unknownTlvs? }` that shares no byte with its source.
 * The caller acts on an error as BOLT 1 says (close the connection) and drops `unknown` messages, which are odd.
 */
import type { Plain } from '../../lib/plain.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { unfit, Writer } from '../../lib/writer.ts';
import { type Fields, readFields, type ValuesOf } from './codec.ts';
import { Reader, type WireError } from './cursor.ts';
import { guarded, readTlvs, type Tlvs, type TlvValues, type UnknownTlv, writeTlvs } from './tlv.ts';

/**
 * What stands after the fields. Records are held to the rules of BOLT 1; `'opaque'` keeps the bytes unread:
 * BOLT 1: "MAY ignore the `extension`", and "when messages are signed, the _extension_ is part of the signed bytes".
 */
export type Tail = Tlvs | 'opaque';

export type MessageDef<N extends string = string, F extends Fields = Fields, T extends Tail = Tail> = {
  readonly type: number;
  readonly name: N;
  readonly fields: F;
  readonly tail: T;
};

type TailValues<T extends Tail> = T extends Tlvs ? TlvValues<T> : { readonly extension?: Uint8Array };
type Flat<T> = { readonly [K in keyof T]: T[K] };
export type Message<D extends MessageDef> =
  D extends MessageDef<infer N, infer F, infer T> ? Flat<{ readonly name: N } & ValuesOf<F> & TailValues<T>> : never;

/** Without `tail` a message has no records of its own, and unknown odd ones are kept. */
export function message<const N extends string, F extends Fields>(type: number, name: N, fields: F): MessageDef<N, F, Record<never, never>>;
export function message<const N extends string, F extends Fields, T extends Tail>(
  type: number,
  name: N,
  fields: F,
  tail: T,
): MessageDef<N, F, T>;
/* @__NO_SIDE_EFFECTS__ */
export function message(type: number, name: string, fields: Fields, tail: Tail = {}): MessageDef {
  return { type, name, fields, tail };
}

/** An odd type that the registry does not hold. `bytes` is the whole message, its type included. */
export type UnknownMessage = { readonly name: 'unknown'; readonly type: number; readonly bytes: Uint8Array };

export type Registry<M extends { readonly name: string }> = {
  /** Whole message, type included. Throws when a value does not fit its field: our own bug. */
  readonly encode: (msg: M | UnknownMessage) => Uint8Array;
  /** Never throws. */
  readonly decode: (bytes: Uint8Array) => Result<M | UnknownMessage, WireError>;
};

/** BOLT 8 carries no more than this. */
export const MAX_MESSAGE_BYTES = 65535;

/** The first two bytes; undefined when there are not as many. */
export function messageType(bytes: Uint8Array): number | undefined {
  const [high, low] = [bytes[0], bytes[1]];
  return high === undefined || low === undefined ? undefined : high * 256 + low;
}

/** From bytes to messages and back, for a chosen list of messages. */
/* @__NO_SIDE_EFFECTS__ */
export function registry<const D extends readonly MessageDef[]>(defs: D): Registry<Message<D[number]>> {
  type Known = Message<D[number]>;
  const byType = new Map<number, MessageDef>(defs.map((def) => [def.type, def]));
  const byName = new Map<string, MessageDef>(defs.map((def) => [def.name, def]));
  return {
    encode(msg) {
      if (msg.name === 'unknown' && 'bytes' in msg && msg.bytes instanceof Uint8Array) return Uint8Array.from(msg.bytes);
      return writeMessage(byName.get(msg.name) ?? unfit(`no message ${msg.name}`), msg);
    },
    decode(bytes) {
      const type = messageType(bytes);
      if (type === undefined) return err({ code: 'truncated', detail: 'no message type' });
      if (bytes.length > MAX_MESSAGE_BYTES) return err({ code: 'oversized', detail: `${bytes.length} bytes`, type });
      const def = byType.get(type);
      if (def) return guarded(() => readMessage(def, new Reader(bytes, 2)) as Known, type);
      // BOLT 1: "upon receiving a message of _even_, unknown type: MUST close the connection"
      if (type % 2 === 0) return err({ code: 'unknown-even', detail: `message ${type}`, type });
      return ok({ name: 'unknown', type, bytes: Uint8Array.from(bytes) });
    },
  };
}

type MessageValues = { readonly [field: string]: Plain | undefined } & { readonly unknownTlvs?: readonly UnknownTlv[] };

/** After the type; throws a `WireFault`. */
function readMessage(def: MessageDef, from: Reader): { [field: string]: Plain } {
  const values = { name: def.name, ...readFields(def.fields, from) };
  if (def.tail !== 'opaque') return { ...values, ...readTlvs(def.tail, from) };
  return from.left > 0 ? { ...values, extension: from.bytes(from.left) } : values;
}

/** With its type. */
function writeMessage(def: MessageDef, values: MessageValues): Uint8Array {
  const to = new Writer();
  to.uint(2, def.type);
  for (const name in def.fields) {
    const value = values[name];
    if (value === undefined) unfit(`${def.name} without ${name}`);
    def.fields[name]?.write(to, value);
  }
  if (def.tail !== 'opaque') writeTlvs(def.tail, to, values, values.unknownTlvs);
  else if (values.extension instanceof Uint8Array) to.bytes(values.extension);
  const bytes = to.done();
  return bytes.length > MAX_MESSAGE_BYTES ? unfit(`${def.name} of ${bytes.length} bytes`) : bytes;
}
