/**
 * As much of a block as the relay needs: its header fields, transaction ids, what each transaction spends and pays, and merkle
 * branches. Hashes are hex in display order. The node is ours but the bytes are a miner's: malformed ones are a value.
 */
import { createHash } from 'node:crypto';
import { err, ok, type Result } from '../../shared/lib/result.ts';

export type Header = {
  readonly hash: string;
  readonly prev: string;
  readonly merkleRoot: string;
  readonly timeSec: number;
  readonly hex: string;
};
export type BlockTx = {
  readonly txid: string;
  /** `txid:vout` of each input. */
  readonly spends: readonly string[];
  /** Output scripts in hex. */
  readonly scripts: readonly string[];
  /** Where it stands in the block's bytes, with its witness. */
  readonly start: number;
  readonly end: number;
};
export type Block = { readonly header: Header; readonly txs: readonly BlockTx[]; readonly bytes: Uint8Array };

const HEADER_BYTES = 80;
/** The smallest transaction has 60 bytes: a count above this is a lie. */
const MIN_TX_BYTES = 60;

export const sha256d = (bytes: Uint8Array): Buffer => createHash('sha256').update(createHash('sha256').update(bytes).digest()).digest();
const display = (hash: Uint8Array): string => Buffer.from(hash).reverse().toString('hex');
const wire = (hash: string): Buffer => Buffer.from(hash, 'hex').reverse();

export function parseHeader(hex: string): Result<Header, 'malformed'> {
  if (!/^[0-9a-f]{160}$/.test(hex)) return err('malformed');
  const bytes = Buffer.from(hex, 'hex');
  return ok({
    hash: display(sha256d(bytes)),
    prev: display(bytes.subarray(4, 36)),
    merkleRoot: display(bytes.subarray(36, 68)),
    timeSec: bytes.readUInt32LE(68),
    hex,
  });
}

/** Also checks that the transactions hash to the header's merkle root, so that a misread transaction cannot pass. */
export function parseBlock(hex: string): Result<Block, 'malformed'> {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/.test(hex)) return err('malformed');
  const header = parseHeader(hex.slice(0, 2 * HEADER_BYTES));
  if (!header.ok) return header;
  const bytes = Buffer.from(hex, 'hex');
  const reader = new Reader(bytes, HEADER_BYTES);
  const count = reader.count();
  if (count * MIN_TX_BYTES > bytes.length) return err('malformed');
  const txs: BlockTx[] = [];
  for (let i = 0; i < count && reader.good; i++) txs.push(readTx(reader));
  if (!reader.good || reader.at !== bytes.length || txs.length === 0) return err('malformed');
  const root = merkleRoot(txs.map((tx) => tx.txid));
  return root === header.value.merkleRoot ? ok({ header: header.value, txs, bytes }) : err('malformed');
}

/** A transaction alone, as nodes take it. */
export function parseTx(hex: string): Result<BlockTx, 'malformed'> {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/.test(hex)) return err('malformed');
  const bytes = Buffer.from(hex, 'hex');
  const reader = new Reader(bytes, 0);
  const tx = readTx(reader);
  return reader.good && reader.at === bytes.length ? ok(tx) : err('malformed');
}

/** Reads past the end give zeros and clear `good`: the caller looks once, at the end. */
class Reader {
  readonly bytes: Buffer;
  at: number;
  good = true;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }
  take(length: number): Buffer {
    const start = this.at;
    if (start + length > this.bytes.length) {
      this.good = false;
      return Buffer.alloc(0);
    }
    this.at += length;
    return this.bytes.subarray(start, this.at);
  }
  #number(length: 1 | 2 | 4): number {
    const part = this.take(length);
    return part.length === length ? part.readUIntLE(0, length) : 0;
  }
  u32(): number {
    return this.#number(4);
  }
  /** Compact size; more than 32 bits of it fits in no block. */
  count(): number {
    const first = this.#number(1);
    if (first < 0xfd) return first;
    if (first === 0xfd) return this.#number(2);
    if (first === 0xfe) return this.#number(4);
    this.good = false;
    return 0;
  }
}

function readTx(reader: Reader): BlockTx {
  const start = reader.at;
  reader.take(4);
  // BIP 144: a marker of 0 where the count of inputs would be, then a flag of 1.
  const withWitness = reader.bytes[reader.at] === 0 && reader.bytes[reader.at + 1] === 1;
  if (withWitness) reader.take(2);
  const bodyStart = reader.at;
  const spends: string[] = [];
  const inputs = reader.count();
  for (let i = 0; i < inputs && reader.good; i++) {
    const prev = display(reader.take(32));
    spends.push(`${prev}:${reader.u32()}`);
    reader.take(reader.count());
    reader.take(4);
  }
  const scripts: string[] = [];
  const outputs = reader.count();
  for (let i = 0; i < outputs && reader.good; i++) {
    reader.take(8);
    scripts.push(reader.take(reader.count()).toString('hex'));
  }
  const bodyEnd = reader.at;
  if (withWitness) {
    for (let i = 0; i < inputs && reader.good; i++) {
      const items = reader.count();
      for (let item = 0; item < items && reader.good; item++) reader.take(reader.count());
    }
  }
  reader.take(4);
  const end = reader.at;
  const hash = createHash('sha256')
    .update(reader.bytes.subarray(start, start + 4))
    .update(reader.bytes.subarray(bodyStart, bodyEnd))
    .update(reader.bytes.subarray(end - 4, end))
    .digest();
  return { txid: display(createHash('sha256').update(hash).digest()), spends, scripts, start, end };
}

/** BIP 141: what the coinbase's commitment to witnesses is built of; undefined when the block has none. */
export function witnessTxids({ txs, bytes }: Block): readonly string[] | undefined {
  if (!txs[0]?.scripts.some((script) => script.startsWith('6a24aa21a9ed'))) return undefined;
  return txs.map((tx, i) => (i === 0 ? '00'.repeat(32) : display(sha256d(bytes.subarray(tx.start, tx.end)))));
}

/** One level up; an odd last hash is paired with itself. */
function levelAbove(hashes: readonly Buffer[]): Buffer[] {
  const above: Buffer[] = [];
  for (let i = 0; i < hashes.length; i += 2) {
    const left = hashes[i];
    if (left !== undefined) above.push(sha256d(Buffer.concat([left, hashes[i + 1] ?? left])));
  }
  return above;
}

export function merkleRoot(txids: readonly string[]): string {
  let level = txids.map(wire);
  while (level.length > 1) level = levelAbove(level);
  return display(level[0] ?? Buffer.alloc(32));
}

/** Siblings from the transaction at `pos` up to the root, bottom first. */
export function merkleBranch(txids: readonly string[], pos: number): readonly string[] {
  const siblings: string[] = [];
  let level = txids.map(wire);
  let at = pos;
  while (level.length > 1) {
    const own = level[at];
    const sibling = level[at ^ 1] ?? own;
    if (sibling !== undefined) siblings.push(display(sibling));
    level = levelAbove(level);
    at >>= 1;
  }
  return siblings;
}
