/** BOLT 11, field `f`: the address on the chain that may be paid instead. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bech32, bech32m, createBase58check } from '@scure/base';
import { type InvoiceNetwork, networkPrefixes } from './amount.ts';
import { bytesToWords, wordsToBytes } from './words.ts';

/** A witness version, 0 to 16, with its program; or 17 with the hash of a key, 18 with the hash of a script. */
export type Fallback = { readonly version: number; readonly program: Uint8Array };

const P2PKH = 17;
const P2SH = 18;
const HASH_BYTES = 20;
const base58check = createBase58check(sha256);
const base58Versions = { [P2PKH]: [0x00, 0x6f], [P2SH]: [0x05, 0xc4] } as const;

/** Whether the chain knows such an output. BIP 141: a program has 2 to 40 bytes; of version 0 it has 20 or 32. */
function isKnown({ version, program: { length } }: Fallback): boolean {
  if (version === P2PKH || version === P2SH) return length === HASH_BYTES;
  if (version === 0) return length === HASH_BYTES || length === 32;
  return version <= 16 && length >= 2 && length <= 40;
}

/** BOLT 11: "MUST skip over `f` fields that use an unknown `version`": undefined for those, and for a length that no address has. */
export function readFallback([version, ...program]: readonly number[]): Fallback | undefined {
  if (version === undefined) return undefined;
  const fallback = { version, program: wordsToBytes(program) };
  return isKnown(fallback) ? fallback : undefined;
}

/** Throws on what `readFallback` would skip: a bug of ours. */
export function fallbackWords(fallback: Fallback): number[] {
  if (!isKnown(fallback)) throw new RangeError(`fallback of version ${fallback.version}, ${fallback.program.length} bytes`);
  return [fallback.version, ...bytesToWords(fallback.program)];
}

/** As people write it. */
export function fallbackAddress({ version, program }: Fallback, network: InvoiceNetwork): string {
  if (version === P2PKH || version === P2SH) {
    const prefix = base58Versions[version][network === 'mainnet' ? 0 : 1];
    return base58check.encode(Uint8Array.from([prefix, ...program]));
  }
  // BIP 350: version 0 in bech32, those after it in bech32m. An address of signet begins as one of testnet.
  const coder = version === 0 ? bech32 : bech32m;
  return coder.encode(networkPrefixes[network === 'signet' ? 'testnet' : network], [version, ...bytesToWords(program)]);
}
