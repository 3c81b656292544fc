/** A growing byte string, for the encoders. A value that does not fit is our own bug, so it is thrown as a TypeError. */

export function unfit(what: string): never {
  throw new TypeError(what);
}

export class Writer {
  private buffer = new Uint8Array(1024);
  private length = 0;

  private grow(count: number): number {
    const start = this.length;
    this.length = start + count;
    if (this.length > this.buffer.length) {
      const bigger = new Uint8Array(Math.max(this.length, this.buffer.length * 2));
      bigger.set(this.buffer.subarray(0, start));
      this.buffer = bigger;
    }
    return start;
  }

  bytes(value: Uint8Array): void {
    const start = this.grow(value.length);
    this.buffer.set(value, start);
  }

  /** 0 to 255. */
  byte(value: number): void {
    // Before the buffer is looked up: growing replaces it.
    const start = this.grow(1);
    this.buffer[start] = value;
  }

  /** Characters below 0x80 only. */
  ascii(text: string): void {
    const start = this.grow(text.length);
    const { buffer } = this;
    for (let i = 0; i < text.length; i++) buffer[start + i] = text.charCodeAt(i);
  }

  uint(size: number, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) unfit(`${value} is not a u${8 * size}`);
    const start = this.grow(size);
    let rest = value;
    for (let i = start + size - 1; i >= start; i--) {
      this.buffer[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }

  big(size: number, value: bigint): void {
    if (value < 0n || value >= 1n << BigInt(8 * size)) unfit(`${value} is not a u${8 * size}`);
    const start = this.grow(size);
    let rest = value;
    for (let i = start + size - 1; i >= start; i--) {
      this.buffer[i] = Number(rest & 255n);
      rest >>= 8n;
    }
  }

  done(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}
