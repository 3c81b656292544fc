/** Reading hostile bytes for the codecs of this folder. Faults are thrown here and caught by `guarded` (`tlv.ts`) only. */

export type WireErrorCode =
  /** The bytes end before the contents do. */
  | 'truncated'
  /** More than the 65535 bytes that BOLT 8 can carry. */
  | 'oversized'
  /** Not 33 bytes that start with 02 or 03. */
  | 'bad-point'
  /** A bigsize or a truncated integer with a shorter form. */
  | 'not-minimal'
  /** Record types not strictly increasing. */
  | 'tlv-order'
  /** A record overruns the message, or its value is longer or shorter than its type requires. */
  | 'tlv-length'
  | 'tlv-unknown-even'
  /** An evenly typed message that we do not know: BOLT 1 says close the connection. */
  | 'unknown-even';

/** `type` is the message type where it was readable. `detail` is for logs and names fields, never peer text. */
export type WireError = { readonly code: WireErrorCode; readonly detail: string; readonly type?: number };

/** Carries a fault of the bytes up to the nearest `decode`. Never leaves this folder. */
export class WireFault extends Error {
  readonly code: WireErrorCode;
  constructor(code: WireErrorCode, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** A cursor over the bytes `at` to `end` of a buffer that it does not own: everything it hands out is a copy. */
export class Reader {
  readonly buffer: Uint8Array;
  readonly end: number;
  at: number;

  constructor(buffer: Uint8Array, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Moves on by `count` and returns where it was. */
  private skip(count: number): number {
    const start = this.at;
    if (count > this.end - start) throw new WireFault('truncated', `${count} bytes needed, ${this.end - start} left`);
    this.at = start + count;
    return start;
  }

  bytes(count: number): Uint8Array {
    const start = this.skip(count);
    return Uint8Array.from(this.buffer.subarray(start, start + count));
  }

  /** A reader over the next `count` bytes. */
  sub(count: number): Reader {
    const start = this.skip(count);
    return new Reader(this.buffer, start, start + count);
  }

  /** Big-endian, `size` of 1 to 6 bytes. */
  uint(size: number): number {
    const start = this.skip(size);
    let value = 0;
    for (let i = start; i < start + size; i++) value = value * 256 + (this.buffer[i] ?? 0);
    return value;
  }

  /** Big-endian, `size` of 1 to 8 bytes. */
  big(size: number): bigint {
    if (size <= 4) return BigInt(this.uint(size));
    const high = BigInt(this.uint(size - 4));
    return (high << 32n) | BigInt(this.uint(4));
  }
}
