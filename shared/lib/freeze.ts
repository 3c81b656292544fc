/**
 * State as bytes, for storage, encryption at rest, backups and fixtures. One value has one frozen form, for ever:
 * a version byte (`b1`: the high half marks our format, the low half counts versions), then a tagged value.
 *
 *   00 null · 01 false · 02 true · 03 integer n ≥ 0 · 04 integer -1-n · 05 bigint n ≥ 0 · 06 bigint -1-n: a natural n
 *   07 text: natural length, UTF-8 · 08 bytes: natural length, bytes · 09 list: natural count, values
 *   0a object: natural count, then (natural length, UTF-8 key, value) with keys strictly rising by UTF-16 code unit
 *   natural: one size byte 0–255, then that many big-endian bytes, the first not zero. Natural sizes and lengths stay below 2^53.
 *
 * Members that are undefined are left out; -0 freezes as 0.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { Plain } from './plain.ts';
import { err, ok, type Result } from './result.ts';
import { unfit, Writer } from './writer.ts';

export type FreezeError = {
  /** Not ours at all; cut short; of a version that this code does not know; ours, but not in the one form that `freeze` writes. */
  readonly code: 'foreign' | 'truncated' | 'newer' | 'malformed';
  readonly detail: string;
};

/** Both runtimes have it; `shared` knows neither's types. */
declare const TextDecoder: new (label: 'utf-8', options: { fatal: true; ignoreBOM: true }) => { decode(bytes: Uint8Array): string };

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const VERSION = 0xb1;
const MAX_DEPTH = 64;
const tags = {
  null: 0,
  false: 1,
  true: 2,
  integer: 3,
  minusInteger: 4,
  bigint: 5,
  minusBigint: 6,
  text: 7,
  bytes: 8,
  list: 9,
  object: 10,
} as const;

/** Throws a TypeError for what no `Plain` should hold: a fraction, a class instance, broken UTF-16, endless nesting, bigints past 2040 bits. */
export function freeze(value: Plain): Uint8Array {
  const to = new Writer();
  to.uint(1, VERSION);
  write(to, value, 0);
  return to.done();
}

function write(to: Writer, value: Plain | undefined, depth: number): void {
  if (depth > MAX_DEPTH) unfit('frozen value nested too deeply');
  const tag = (name: keyof typeof tags) => to.uint(1, tags[name]);
  if (value === null) {
    tag('null');
  } else if (typeof value === 'boolean') {
    tag(value ? 'true' : 'false');
  } else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) unfit(`${value} cannot be frozen`);
    tag(value < 0 ? 'minusInteger' : 'integer');
    writeCount(to, value < 0 ? -1 - value : value);
  } else if (typeof value === 'bigint') {
    tag(value < 0n ? 'minusBigint' : 'bigint');
    writeNatural(to, value < 0n ? -1n - value : value);
  } else if (typeof value === 'string') {
    tag('text');
    writeText(to, value);
  } else if (value instanceof Uint8Array) {
    tag('bytes');
    writeBytes(to, value);
  } else if (Array.isArray(value)) {
    tag('list');
    writeCount(to, value.length);
    for (const item of value) write(to, item, depth + 1);
  } else if (typeof value === 'object') {
    tag('object');
    writeMembers(to, value, depth);
  } else {
    unfit(`a ${typeof value} cannot be frozen`);
  }
}

function writeMembers(to: Writer, value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) unfit('a class instance cannot be frozen');
  const members: [string, Plain][] = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  writeCount(to, members.length);
  for (const [key, member] of members) {
    writeText(to, key);
    write(to, member, depth + 1);
  }
}

function writeNatural(to: Writer, value: bigint): void {
  if (value <= Number.MAX_SAFE_INTEGER) {
    writeCount(to, Number(value));
    return;
  }
  const size = Math.ceil(value.toString(16).length / 2);
  to.uint(1, size);
  to.big(size, value);
}

/** A natural below 2^53. */
function writeCount(to: Writer, value: number): void {
  let size = 0;
  for (let left = value; left > 0; left = Math.floor(left / 256)) size++;
  to.uint(1, size);
  to.uint(size, value);
}

function writeBytes(to: Writer, bytes: Uint8Array): void {
  writeCount(to, bytes.length);
  to.bytes(bytes);
}

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
};

function writeText(to: Writer, text: string): void {
  // Nearly every text is a member's name, and these are most of what is written.
  if (isAscii(text)) {
    writeCount(to, text.length);
    to.ascii(text);
    return;
  }
  if (/\p{Surrogate}/u.test(text)) unfit('text with half a surrogate pair cannot be frozen');
  writeBytes(to, utf8ToBytes(text));
}

class Fault extends Error {
  readonly code: FreezeError['code'];
  constructor(code: FreezeError['code'], detail: string) {
    super(detail);
    this.code = code;
  }
}

/** Never throws. What it gives freezes to the same bytes; nothing of it is a view of `bytes`. */
export function thaw(bytes: Uint8Array): Result<Plain, FreezeError> {
  const version = bytes[0];
  if (version === undefined) return err({ code: 'truncated', detail: 'no bytes' });
  if (version >> 4 !== VERSION >> 4 || version < VERSION) return err({ code: 'foreign', detail: `first byte ${version}` });
  if (version > VERSION) return err({ code: 'newer', detail: `version ${version & 15}, known are up to ${VERSION & 15}` });
  const from = { bytes, at: 1 };
  try {
    const value = read(from, 0);
    if (from.at < bytes.length) throw new Fault('malformed', `${bytes.length - from.at} bytes too many`);
    return ok(value);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    return err({ code: fault.code, detail: `${fault.message} (at byte ${from.at})` });
  }
}

type Cursor = { readonly bytes: Uint8Array; at: number };

function take(from: Cursor, count: number): Uint8Array {
  const start = from.at;
  if (count > from.bytes.length - start) throw new Fault('truncated', `${count} bytes needed, ${from.bytes.length - start} left`);
  from.at = start + count;
  return from.bytes.subarray(start, from.at);
}
function takeByte(from: Cursor): number {
  const byte = from.bytes[from.at];
  if (byte === undefined) throw new Fault('truncated', '1 bytes needed, 0 left');
  from.at += 1;
  return byte;
}

function read(from: Cursor, depth: number): Plain {
  if (depth > MAX_DEPTH) throw new Fault('malformed', 'nested too deeply');
  const tag = takeByte(from);
  switch (tag) {
    case tags.null:
      return null;
    case tags.false:
      return false;
    case tags.true:
      return true;
    case tags.integer:
      return readInteger(from);
    case tags.minusInteger:
      return safe(-1 - readInteger(from));
    case tags.bigint:
      return readNatural(from);
    case tags.minusBigint:
      return -1n - readNatural(from);
    case tags.text:
      return readText(from);
    case tags.bytes:
      return Uint8Array.from(take(from, readCount(from)));
    case tags.list:
      return Array.from({ length: readCount(from) }, () => read(from, depth + 1));
    case tags.object:
      return readObject(from, depth);
    default:
      throw new Fault('malformed', `tag ${tag}`);
  }
}

function readObject(from: Cursor, depth: number): Plain {
  const members: [string, Plain][] = [];
  let last: string | undefined;
  for (let left = readCount(from); left > 0; left--) {
    const key = readText(from);
    if (last !== undefined && key <= last) throw new Fault('malformed', 'keys out of order');
    last = key;
    members.push([key, read(from, depth + 1)]);
  }
  // Defines own members only: a key `__proto__` stays a key.
  return Object.fromEntries(members);
}

function takeMagnitude(from: Cursor): Uint8Array {
  const bytes = take(from, takeByte(from));
  if (bytes[0] === 0) throw new Fault('malformed', 'leading zero');
  return bytes;
}

function readNatural(from: Cursor): bigint {
  const bytes = takeMagnitude(from);
  if (bytes.length <= 6) return BigInt(bytes.reduce((value, byte) => value * 256 + byte, 0));
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
const readInteger = (from: Cursor): number => safe(takeMagnitude(from).reduce((value, byte) => value * 256 + byte, 0));

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new Fault('malformed', `integer ${value}`);
  return value;
}

/** Of bytes, or of values that take a byte each at least: a count beyond what is left is not worth a loop. */
function readCount(from: Cursor): number {
  const count = readInteger(from);
  if (count > from.bytes.length - from.at) throw new Fault('truncated', `${count} promised, ${from.bytes.length - from.at} bytes left`);
  return count;
}

const shortText = 64;

function readText(from: Cursor): string {
  const bytes = take(from, readCount(from));
  if (bytes.length <= shortText && bytes.every((byte) => byte < 0x80)) return String.fromCharCode(...bytes);
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new Fault('malformed', 'text that is not UTF-8');
  }
}
