/**
 * A raw transaction (BIP 144), parsed strictly: what is not exactly one serialisation that bitcoind accepts is refused.
 *
 * Only for reading what a chain source sends; building and signing live elsewhere. No script is run and no value is known to exist.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';

/** A block's weight limit bounds every transaction in it. */
export const MAX_TX_BYTES = 4_000_000;
const MAX_SAT = 2_100_000_000_000_000n;

/** txids in wire order. */
export type TxInput = { readonly txid: Uint8Array; readonly vout: number; readonly script: Uint8Array; readonly sequence: number };
export type TxOutput = { readonly valueSat: bigint; readonly script: Uint8Array };
export type RawTx = {
  readonly txid: Uint8Array;
  readonly version: number;
  readonly inputs: readonly TxInput[];
  readonly outputs: readonly TxOutput[];
  /** One stack per input. */
  readonly witnesses: readonly (readonly Uint8Array[])[];
  readonly locktime: number;
  /** Size without witness: 64 is what CVE-2017-12842 needs. */
  readonly strippedBytes: number;
};
export type RawTxError = { readonly code: 'bad-transaction'; readonly reason: string };

class Malformed extends Error {}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  #skip(count: number): number {
    if (count > this.left) throw new Malformed('truncated');
    const at = this.at;
    this.at += count;
    return at;
  }

  bytes(count: number): Uint8Array {
    const at = this.#skip(count);
    return this.#bytes.slice(at, at + count);
  }

  u8 = () => this.#view.getUint8(this.#skip(1));
  u16 = () => this.#view.getUint16(this.#skip(2), true);
  u32 = () => this.#view.getUint32(this.#skip(4), true);
  u64 = () => this.#view.getBigUint64(this.#skip(8), true);

  /** CompactSize, shortest form only; a count of things that take at least one byte each. */
  size(): number {
    const first = this.u8();
    if (first < 0xfd) return this.#fits(first, 0);
    if (first === 0xfd) return this.#fits(this.u16(), 0xfd);
    if (first === 0xfe) return this.#fits(this.u32(), 0x10000);
    throw new Malformed('size too large');
  }

  #fits(size: number, least: number): number {
    if (size < least) throw new Malformed('size not in shortest form');
    if (size > this.left) throw new Malformed('truncated');
    return size;
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.size() }, read);
  }

  blob = () => this.bytes(this.size());
}

function parse(raw: Uint8Array): RawTx {
  if (raw.length > MAX_TX_BYTES) throw new Malformed('too large');
  const reader = new Reader(raw);
  const version = reader.u32();
  const segwit = raw[4] === 0;
  if (segwit) {
    reader.u8();
    if (reader.u8() !== 1) throw new Malformed('unknown flag');
  }
  const bodyStart = reader.at;
  const inputs = reader.list(() => ({ txid: reader.bytes(32), vout: reader.u32(), script: reader.blob(), sequence: reader.u32() }));
  if (inputs.length === 0) throw new Malformed('no inputs');
  const outputs = reader.list(() => ({ valueSat: reader.u64(), script: reader.blob() }));
  if (outputs.length === 0) throw new Malformed('no outputs');
  if (outputs.reduce((sum, output) => sum + output.valueSat, 0n) > MAX_SAT) throw new Malformed('value out of range');
  const body = raw.subarray(bodyStart, reader.at);
  const witnesses = inputs.map(() => (segwit ? reader.list(reader.blob) : []));
  if (segwit && witnesses.every((stack) => stack.length === 0)) throw new Malformed('superfluous witness');
  const locktime = reader.u32();
  if (reader.left !== 0) throw new Malformed('trailing bytes');

  const stripped = concat(raw.subarray(0, 4), body, raw.subarray(raw.length - 4));
  return { txid: sha256(sha256(stripped)), version, inputs, outputs, witnesses, locktime, strippedBytes: stripped.length };
}

/** Never throws, whatever the bytes. */
export function parseRawTx(raw: Uint8Array): Result<RawTx, RawTxError> {
  try {
    return ok(parse(raw));
  } catch (cause) {
    if (cause instanceof Malformed) return err({ code: 'bad-transaction', reason: cause.message });
    throw cause;
  }
}

export const isCoinbase = (tx: RawTx): boolean =>
  tx.inputs.length === 1 && tx.inputs.every((input) => input.vout === 0xffffffff && input.txid.every((byte) => byte === 0));
