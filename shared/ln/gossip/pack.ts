/**
 * The small words that snapshots and deltas of the graph are written in. They are made to be gzipped by whoever carries them: bytes of
 * one kind stand together, and what is frequent has small numbers. Reading hostile bytes throws a `PackFault`, which `unpacked` makes a value.
 */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { unfit, Writer } from '../../lib/writer.ts';

export type SnapshotError = {
  readonly code: /** The bytes end before the contents do. */
    | 'truncated'
    /** Not a snapshot (or delta), or of a version that is not known here. */
    | 'version'
    /** More nodes or channels than `snapshotLimits`, or than so few bytes can hold. */
    | 'too-big'
    /** A value that no graph has: out of its range, out of order. */
    | 'bad-value'
    /** A delta from another graph than the one at hand, or of another chain. */
    | 'other-base';
  readonly detail: string;
};

/** Never leaves this folder. */
export class PackFault extends Error {
  readonly code: SnapshotError['code'];
  constructor(code: SnapshotError['code'], detail: string) {
    super(detail);
    this.code = code;
  }
}
export const bad = (detail: string): never => {
  throw new PackFault('bad-value', detail);
};

export function unpacked<T>(read: () => T): Result<T, SnapshotError> {
  try {
    return ok(read());
  } catch (fault) {
    if (!(fault instanceof PackFault)) throw fault;
    return err({ code: fault.code, detail: fault.message });
  }
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

export class Packer {
  private readonly to = new Writer();

  bytes(value: Uint8Array): void {
    this.to.bytes(value);
  }

  byte(value: number): void {
    this.to.uint(1, value);
  }

  /** 7 bits a byte, the lowest first. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) unfit(`${value} is no varint`);
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.to.uint(1, 128 + (rest % 128));
    this.to.uint(1, rest);
  }

  /** Values below 2⁵², so that twice a difference is exact. The distinct values, the most frequent first and then by size, each as its difference from the one before; then which of them each is. */
  column(values: readonly number[], most: number): void {
    const counts = new Map<number, number>();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    const entries = [...counts].sort(([a, n], [b, m]) => m - n || a - b);
    this.varint(entries.length);
    let last = 0;
    for (const [value] of entries) {
      if (!Number.isInteger(value) || value < 0 || value > most) unfit(`${value} in a column of at most ${most}`);
      this.varint(value >= last ? 2 * (value - last) : 2 * (last - value) - 1);
      last = value;
    }
    const places = new Map(entries.map(([value], i) => [value, i]));
    for (const value of values) this.varint(places.get(value) ?? unfit('no place'));
  }

  /** Backwards from the latest, in the largest unit that fits all of them. */
  times(values: readonly number[]): void {
    const latest = values.reduce((most, value) => Math.max(most, value), 0);
    const unit = values.reduce((unit, value) => gcd(latest - value, unit), 0) || 1;
    this.varint(latest);
    this.varint(unit);
    this.column(
      values.map((value) => (latest - value) / unit),
      0xffff_ffff,
    );
  }

  /** Rising numbers, as steps. */
  rising(values: readonly number[]): void {
    this.varint(values.length);
    values.forEach((value, i) => {
      this.varint(value - (values[i - 1] ?? 0));
    });
  }

  done(): Uint8Array {
    return this.to.done();
  }
}

export class Unpacker {
  private readonly from: Uint8Array;
  private at = 0;
  constructor(from: Uint8Array) {
    this.from = from;
  }

  get left(): number {
    return this.from.length - this.at;
  }

  /** Throws where fewer than `count · each` bytes are left: nothing is made larger than what came for it. */
  holds(count: number, each: number, what: string): void {
    if (count * each > this.left) throw new PackFault('too-big', `${count} ${what} in ${this.left} bytes`);
  }

  /** A view, not a copy. */
  bytes(count: number): Uint8Array {
    if (count > this.left) throw new PackFault('truncated', `${count} bytes needed, ${this.left} left`);
    this.at += count;
    return this.from.subarray(this.at - count, this.at);
  }

  magic(expected: Uint8Array): void {
    if (!equal(this.bytes(expected.length), expected)) throw new PackFault('version', 'not the form that is known here');
  }

  byte(): number {
    const value = this.from[this.at];
    if (value === undefined) throw new PackFault('truncated', 'a byte needed, none left');
    this.at += 1;
    return value;
  }

  varint(): number {
    const first = this.byte();
    if (first < 128) return first;
    let value = first - 128;
    for (let scale = 128; ; scale *= 128) {
      const next = this.byte();
      value += (next & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER || scale > 2 ** 49) bad('a varint beyond 53 bits');
      if (next < 128) return value;
    }
  }

  /** `count` values, none above `most`. The caller has bounded `count`. */
  column(count: number, most: number): Float64Array {
    this.holds(count, 1, 'values');
    const size = this.varint();
    if (size > count) bad(`${size} distinct values of ${count}`);
    const entries = new Float64Array(size);
    let value = 0;
    for (let i = 0; i < size; i += 1) {
      const step = this.varint();
      value += step % 2 === 0 ? step / 2 : -(step + 1) / 2;
      if (value < 0 || value > most) bad(`${value} where ${most} is the most`);
      entries[i] = value;
    }
    const values = new Float64Array(count);
    for (let i = 0; i < count; i += 1) values[i] = entries[this.varint()] ?? bad('a value that is not in the list');
    return values;
  }

  times(count: number): Float64Array {
    const [latest, unit] = [this.varint(), this.varint()];
    if (latest > 0xffff_ffff || unit === 0) bad('no time');
    return this.column(count, Math.floor(latest / unit)).map((steps) => latest - steps * unit);
  }

  /** Strictly rising numbers, all below `end`. */
  rising(end: number): Uint32Array {
    const count = this.varint();
    if (count > end) bad(`${count} numbers below ${end}`);
    this.holds(count, 1, 'numbers');
    const values = new Uint32Array(count);
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      const step = this.varint();
      if (i > 0 && step === 0) bad('a number twice');
      value += step;
      if (value >= end) bad(`${value} where ${end} is the end`);
      values[i] = value;
    }
    return values;
  }

  end(): void {
    if (this.left > 0) bad(`${this.left} bytes too many`);
  }
}
