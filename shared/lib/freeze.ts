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

const isList = (value: Plain | undefined): value is readonly Plain[] => Array.isArray(value);

function write(to: Writer, value: Plain | undefined, depth: number): void {
  if (depth > MAX_DEPTH) unfit('frozen value nested too deeply');
  if (value === null) {
    to.byte(tags.null);
  } else if (typeof value === 'boolean') {
    to.byte(value ? tags.true : tags.false);
  } else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) unfit(`${value} cannot be frozen`);
    to.byte(value < 0 ? tags.minusInteger : tags.integer);
    writeCount(to, value < 0 ? -1 - value : value);
  } else if (typeof value === 'bigint') {
    to.byte(value < 0n ? tags.minusBigint : tags.bigint);
    writeNatural(to, value < 0n ? -1n - value : value);
  } else if (typeof value === 'string') {
    to.byte(tags.text);
    writeText(to, value);
  } else if (value instanceof Uint8Array) {
    to.byte(tags.bytes);
    writeBytes(to, value);
  } else if (isList(value)) {
    to.byte(tags.list);
    writeCount(to, value.length);
    for (const item of value) write(to, item, depth + 1);
  } else if (typeof value === 'object') {
    to.byte(tags.object);
    writeMembers(to, value, depth);
  } else {
    unfit(`a ${typeof value} cannot be frozen`);
  }
}

function writeMembers(to: Writer, value: { readonly [key: string]: Plain | undefined }, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) unfit('a class instance cannot be frozen');
  // Strings sort by UTF-16 code unit by themselves.
  const keys = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort();
  writeCount(to, keys.length);
  for (const key of keys) {
    writeText(to, key);
    write(to, value[key], depth + 1);
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
  for (let left = value; left >= 1; left /= 256) size++;
  to.byte(size);
  if (size === 1) to.byte(value);
  else to.uint(size, value);
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
      return new Uint8Array(take(from, readCount(from)));
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

/** Where a number ends. Its bytes follow the cursor. */
function magnitudeEnd(from: Cursor): number {
  const size = takeByte(from);
  const end = from.at + size;
  if (end > from.bytes.length) throw new Fault('truncated', `${size} bytes needed, ${from.bytes.length - from.at} left`);
  if (from.bytes[from.at] === 0 && size > 0) throw new Fault('malformed', 'leading zero');
  return end;
}

function readNatural(from: Cursor): bigint {
  const end = magnitudeEnd(from);
  if (end - from.at <= 6) return BigInt(readUpTo(from, end));
  let value = 0n;
  for (; from.at < end; from.at += 1) value = (value << 8n) | BigInt(from.bytes[from.at] ?? 0);
  return value;
}
const readInteger = (from: Cursor): number => safe(readUpTo(from, magnitudeEnd(from)));

function readUpTo(from: Cursor, end: number): number {
  let value = 0;
  for (; from.at < end; from.at += 1) value = value * 256 + (from.bytes[from.at] ?? 0);
  return value;
}

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
/** Nearly every text is a member's name: short, ASCII, and met again and again. Each has a place by the sum of its bytes. */
const names: string[] = [];
const NAMES = 1024;

function readText(from: Cursor): string {
  const length = readCount(from);
  if (length <= shortText) {
    const name = readName(from, length);
    if (name !== undefined) return name;
  }
  const bytes = take(from, length);
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new Fault('malformed', 'text that is not UTF-8');
  }
}

/** Undefined, and nothing taken, if it is not ASCII. */
function readName(from: Cursor, length: number): string | undefined {
  const { bytes, at } = from;
  const end = at + length;
  let sum = length;
  for (let i = at; i < end; i++) {
    const byte = bytes[i] ?? 0x80;
    if (byte >= 0x80) return undefined;
    sum = (sum * 31 + byte) % 65_521;
  }
  const place = sum % NAMES;
  from.at = end;
  const known = names[place];
  if (known !== undefined && isThere(known, bytes, at, length)) return known;
  const name = String.fromCharCode(...bytes.subarray(at, end));
  names[place] = name;
  return name;
}

function isThere(text: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}
