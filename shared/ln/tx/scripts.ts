/** The scripts of BOLT 3 § Funding Transaction Output and § Commitment Transaction Outputs, and the closing scripts that BOLT 2 allows. */
import { ripemd160 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { compareBytes } from './transaction.ts';

const OP = {
  FALSE: 0x00,
  PUSHDATA1: 0x4c,
  ONE: 0x51,
  TWO: 0x52,
  SIXTEEN: 0x60,
  IF: 0x63,
  NOTIF: 0x64,
  ELSE: 0x67,
  ENDIF: 0x68,
  RETURN: 0x6a,
  IFDUP: 0x73,
  DROP: 0x75,
  DUP: 0x76,
  SWAP: 0x7c,
  SIZE: 0x82,
  EQUAL: 0x87,
  EQUALVERIFY: 0x88,
  HASH160: 0xa9,
  CHECKSIG: 0xac,
  CHECKSIGVERIFY: 0xad,
  CHECKMULTISIG: 0xae,
  CHECKLOCKTIMEVERIFY: 0xb1,
  CHECKSEQUENCEVERIFY: 0xb2,
} as const;

/** A number is an opcode, bytes are pushed (at most 75 of them, by the shortest push). */
const script = (...parts: readonly (number | Uint8Array)[]): Uint8Array =>
  concat(...parts.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : concat(Uint8Array.of(part.length), part))));

/** The shortest push of a number from 0 to 2³² - 1: an opcode, or little-endian bytes with room for a sign bit. */
function pushNumber(value: number): number | Uint8Array {
  if (value === 0) return OP.FALSE;
  if (value <= 16) return OP.ONE + value - 1;
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 0x100)) bytes.push(rest % 0x100);
  if ((bytes.at(-1) ?? 0) >= 0x80) bytes.push(0);
  return Uint8Array.from(bytes);
}

const hash160 = (bytes: Uint8Array): Uint8Array => ripemd160(sha256(bytes));

export const p2wsh = (witnessScript: Uint8Array): Uint8Array => script(OP.FALSE, sha256(witnessScript));
export const p2wpkh = (pubkey: Uint8Array): Uint8Array => script(OP.FALSE, hash160(pubkey));

/** What a signature of a P2WPKH input covers in place of a witness script: BIP 143. */
export const p2wpkhScriptCode = (pubkey: Uint8Array): Uint8Array =>
  script(OP.DUP, OP.HASH160, hash160(pubkey), OP.EQUALVERIFY, OP.CHECKSIG);

/** BOLT 3: "Where `pubkey1` is the lexicographically lesser of the two `funding_pubkey` in compressed format" */
export function fundingWitnessScript(pubkeyA: Uint8Array, pubkeyB: Uint8Array): Uint8Array {
  const [first, second] = compareBytes(pubkeyA, pubkeyB) <= 0 ? [pubkeyA, pubkeyB] : [pubkeyB, pubkeyA];
  return script(OP.TWO, first, second, OP.TWO, OP.CHECKMULTISIG);
}

/** The script that the funding output must have: P2WSH of the 2-of-2. */
export const fundingScriptPubKey = (pubkeyA: Uint8Array, pubkeyB: Uint8Array): Uint8Array => p2wsh(fundingWitnessScript(pubkeyA, pubkeyB));

/** `toSelfDelay` in blocks, 0 to 65535. */
export const toLocalWitnessScript = (revocationPubkey: Uint8Array, toSelfDelay: number, delayedPubkey: Uint8Array): Uint8Array =>
  script(OP.IF, revocationPubkey, OP.ELSE, pushNumber(toSelfDelay), OP.CHECKSEQUENCEVERIFY, OP.DROP, delayedPubkey, OP.ENDIF, OP.CHECKSIG);

/** With anchors, `to_remote` waits one block, so that nothing but the anchors can be spent in the mempool. */
export const toRemoteAnchorsWitnessScript = (remotePubkey: Uint8Array): Uint8Array =>
  script(remotePubkey, OP.CHECKSIGVERIFY, OP.ONE, OP.CHECKSEQUENCEVERIFY);

export const anchorWitnessScript = (fundingPubkey: Uint8Array): Uint8Array =>
  script(fundingPubkey, OP.CHECKSIG, OP.IFDUP, OP.NOTIF, OP.SIXTEEN, OP.CHECKSEQUENCEVERIFY, OP.ENDIF);

/** The keys of an HTLC script. "local" of BOLT 3 is the holder of the commitment, "remote" its counterparty. */
export type HtlcScriptKeys = {
  readonly revocationPubkey: Uint8Array;
  readonly holderHtlcPubkey: Uint8Array;
  readonly counterpartyHtlcPubkey: Uint8Array;
};

type HtlcScript = (paymentHash: Uint8Array, cltvExpiry: number) => Uint8Array;
const size32 = Uint8Array.of(32);

/** The two HTLC scripts of one commitment: what all its HTLCs share is put together once. */
export function htlcWitnessScripts(
  anchors: boolean,
  { revocationPubkey, holderHtlcPubkey, counterpartyHtlcPubkey }: HtlcScriptKeys,
): { readonly offered: HtlcScript; readonly received: HtlcScript } {
  const head = script(
    ...[OP.DUP, OP.HASH160, hash160(revocationPubkey), OP.EQUAL, OP.IF, OP.CHECKSIG, OP.ELSE],
    ...[counterpartyHtlcPubkey, OP.SWAP, OP.SIZE, size32, OP.EQUAL],
  );
  const bothSign = script(OP.TWO, OP.SWAP, holderHtlcPubkey, OP.TWO, OP.CHECKMULTISIG);
  const tail = anchors ? script(OP.ENDIF, OP.ONE, OP.CHECKSEQUENCEVERIFY, OP.DROP, OP.ENDIF) : script(OP.ENDIF, OP.ENDIF);
  const timeout = concat(head, script(OP.NOTIF, OP.DROP), bothSign, script(OP.ELSE));
  return {
    offered: (paymentHash) => concat(timeout, script(OP.HASH160, ripemd160(paymentHash), OP.EQUALVERIFY, OP.CHECKSIG), tail),
    received: (paymentHash, cltvExpiry) =>
      concat(
        ...[head, script(OP.IF, OP.HASH160, ripemd160(paymentHash), OP.EQUALVERIFY), bothSign],
        ...[script(OP.ELSE, OP.DROP, pushNumber(cltvExpiry), OP.CHECKLOCKTIMEVERIFY, OP.DROP, OP.CHECKSIG), tail],
      ),
  };
}

/** Which of the two optional forms the features of this connection allow. */
export type ShutdownForms = { readonly anySegwit: boolean; readonly simpleClose: boolean };

/** BOLT 2 § `shutdown`: "MUST set `scriptpubkey` in one of the following forms" */
export function isShutdownScript(scriptPubKey: Uint8Array, allowed: ShutdownForms): boolean {
  const [first = -1, second = -1, third = -1] = scriptPubKey;
  const pushedAfter = (header: number, low: number, high: number): boolean =>
    scriptPubKey[header - 1] === scriptPubKey.length - header &&
    scriptPubKey.length - header >= low &&
    scriptPubKey.length - header <= high;
  if (first === OP.FALSE) return pushedAfter(2, 20, 20) || pushedAfter(2, 32, 32);
  if (first >= OP.ONE && first <= OP.SIXTEEN) return allowed.anySegwit && pushedAfter(2, 2, 40);
  if (first !== OP.RETURN || !allowed.simpleClose) return false;
  return second === OP.PUSHDATA1 ? third >= 76 && pushedAfter(3, 76, 80) : pushedAfter(2, 6, 75);
}
