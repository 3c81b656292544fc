/** Blocks for regtest, made by hand, so that we say what is in them and on what they stand: any node takes them by `submitblock`. */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, fromHex } from '../../shared/lib/bytes.ts';
import { compactSize } from '../../shared/ln/tx/transaction.ts';

const doubleSha256 = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));

const regtestBits = 0x207fffff;
const zeroHash = new Uint8Array(32);

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function merkleRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes;
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const left = level[at] ?? zeroHash;
      next.push(doubleSha256(concat(left, level[at + 1] ?? left)));
    }
    level = next;
  }
  return level[0] ?? zeroHash;
}

/** BIP 34: a push of the height as a script number. */
function heightPush(height: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = height; rest > 0; rest >>>= 8) bytes.push(rest & 0xff);
  if ((bytes.at(-1) ?? 0) >= 0x80) bytes.push(0);
  return Uint8Array.from([bytes.length, ...bytes]);
}

export type BlockPlan = {
  /** Wire order. */
  readonly previous: Uint8Array;
  readonly height: number;
  readonly time: number;
  /** Makes blocks that are otherwise the same different ones. */
  readonly salt: number;
  readonly transactions: readonly { readonly raw: Uint8Array; readonly txid: Uint8Array }[];
};

/** The coinbase takes nothing. `hash` in wire order. */
export function makeBlock({ previous, height, time, salt, transactions }: BlockPlan): {
  readonly raw: Uint8Array;
  readonly hash: Uint8Array;
} {
  // BIP 141: "the witness root hash", with zero for the coinbase.
  const witnessRoot = merkleRoot([zeroHash, ...transactions.map(({ raw }) => doubleSha256(raw))]);
  const commitment = concat(fromHex('6a24aa21a9ed'), doubleSha256(concat(witnessRoot, zeroHash)));
  const signature = concat(heightPush(height), Uint8Array.of(4), u32(salt));
  const input = concat(Uint8Array.of(1), zeroHash, u32(0xffff_ffff), Uint8Array.of(signature.length), signature, u32(0xffff_ffff));
  const output = concat(Uint8Array.of(1), new Uint8Array(8), Uint8Array.of(commitment.length), commitment);
  const coinbase = concat(u32(1), input, output, u32(0));
  const withWitness = concat(u32(1), Uint8Array.of(0, 1), input, output, Uint8Array.of(1, 32), zeroHash, u32(0));

  const root = merkleRoot([doubleSha256(coinbase), ...transactions.map(({ txid }) => txid)]);
  const start = concat(u32(0x2000_0000), previous, root, u32(time), u32(regtestBits));
  for (let nonce = 0; ; nonce++) {
    const header = concat(start, u32(nonce));
    const hash = doubleSha256(header);
    if ((hash[31] ?? 0) >= 0x80) continue;
    const raw = concat(header, compactSize(transactions.length + 1), withWitness, ...transactions.map((one) => one.raw));
    return { raw, hash };
  }
}
