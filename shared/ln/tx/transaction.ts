/**
 * Bitcoin transactions as far as Lightning makes them: segwit serialisation, ids and the BIP 143 digest. BOLT 3 § Use of Segwit.
 * Byte order: a txid here is in wire (internal) order, as in BOLT 2 messages; explorers show it reversed.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';

/** A transaction output: txid in wire (internal) byte order. */
export type Outpoint = { readonly txid: Uint8Array; readonly vout: number };

/** Every input spends a segwit output, so there is no script_sig. `witness`: the stack, empty while unsigned. */
export type TxInput = { readonly outpoint: Outpoint; readonly sequence: number; readonly witness: readonly Uint8Array[] };
export type TxOutput = { readonly amountSat: bigint; readonly scriptPubKey: Uint8Array };
export type Transaction = {
  readonly version: number;
  readonly lockTime: number;
  readonly inputs: readonly TxInput[];
  readonly outputs: readonly TxOutput[];
};

const doubleSha256 = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));

function u32le(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64le(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** Bitcoin's CompactSize. Counts and script lengths here stay far below 2³². */
export function compactSize(value: number): Uint8Array {
  if (value < 0xfd) return Uint8Array.of(value);
  if (value <= 0xffff) return Uint8Array.of(0xfd, value & 0xff, value >> 8);
  return concat(Uint8Array.of(0xfe), u32le(value));
}

const sized = (bytes: Uint8Array): Uint8Array => concat(compactSize(bytes.length), bytes);
const outpointBytes = ({ txid, vout }: Outpoint): Uint8Array => concat(txid, u32le(vout));
const outputBytes = ({ amountSat, scriptPubKey }: TxOutput): Uint8Array => concat(u64le(amountSat), sized(scriptPubKey));

/** With marker, flag and witnesses if any input has one; else the plain form, which is also what the txid hashes. */
export function serializeTransaction(tx: Transaction): Uint8Array {
  const signed = tx.inputs.some(({ witness }) => witness.length > 0);
  return concat(
    u32le(tx.version),
    signed ? Uint8Array.of(0, 1) : new Uint8Array(0),
    inputsAndOutputs(tx),
    ...(signed ? tx.inputs.flatMap(({ witness }) => [compactSize(witness.length), ...witness.map(sized)]) : []),
    u32le(tx.lockTime),
  );
}

const inputsAndOutputs = ({ inputs, outputs }: Transaction): Uint8Array =>
  concat(
    compactSize(inputs.length),
    ...inputs.flatMap(({ outpoint, sequence }) => [outpointBytes(outpoint), Uint8Array.of(0), u32le(sequence)]),
    compactSize(outputs.length),
    ...outputs.map(outputBytes),
  );

/** In wire (internal) byte order. */
export const txidOf = (tx: Transaction): Uint8Array => doubleSha256(concat(u32le(tx.version), inputsAndOutputs(tx), u32le(tx.lockTime)));

/** The transaction with the witness stack of each of its inputs, in their order. */
export const withWitnesses = (tx: Transaction, witnesses: readonly (readonly Uint8Array[])[]): Transaction => ({
  ...tx,
  inputs: tx.inputs.map((input, i) => ({ ...input, witness: witnesses[i] ?? input.witness })),
});

/** What a signature covers: everything, or (the counterparty's on an HTLC transaction with anchors) its own input and the output beside it. */
export const SIGHASH = { ALL: 0x01, SINGLE_ANYONECANPAY: 0x83 } as const;
export type SighashType = (typeof SIGHASH)[keyof typeof SIGHASH];

const zeroHash = new Uint8Array(32);

/** BIP 143 digest of the input that spends an output of `amountSat` by `scriptCode`: the witness script of a P2WSH, `p2wpkhScriptCode`. */
export function sighash(tx: Transaction, inputIndex: number, scriptCode: Uint8Array, amountSat: bigint, type: SighashType): Uint8Array {
  const input = tx.inputs[inputIndex];
  if (input === undefined) throw new RangeError('sighash: no such input');
  const all = type === SIGHASH.ALL;
  if (!all && inputIndex >= tx.outputs.length) throw new RangeError('sighash: SIGHASH_SINGLE of an input with no output beside it');
  const outputs = all ? tx.outputs : tx.outputs.slice(inputIndex, inputIndex + 1);
  return doubleSha256(
    concat(
      u32le(tx.version),
      all ? doubleSha256(concat(...tx.inputs.map(({ outpoint }) => outpointBytes(outpoint)))) : zeroHash,
      all ? doubleSha256(concat(...tx.inputs.map(({ sequence }) => u32le(sequence)))) : zeroHash,
      outpointBytes(input.outpoint),
      sized(scriptCode),
      u64le(amountSat),
      u32le(input.sequence),
      doubleSha256(concat(...outputs.map(outputBytes))),
      u32le(tx.lockTime),
      u32le(type),
    ),
  );
}

export const sighashAll = (tx: Transaction, inputIndex: number, scriptCode: Uint8Array, amountSat: bigint): Uint8Array =>
  sighash(tx, inputIndex, scriptCode, amountSat, SIGHASH.ALL);

/** DER with the sighash byte, as a witness carries it, of a compact 64-byte signature. BIP 66. */
export function derSignature(compact: Uint8Array, type: SighashType = SIGHASH.ALL): Uint8Array {
  const r = derInteger(compact.subarray(0, 32));
  const s = derInteger(compact.subarray(32, 64));
  return concat(Uint8Array.of(0x30, r.length + s.length), r, s, Uint8Array.of(type));
}

function derInteger(bytes: Uint8Array): Uint8Array {
  const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  const padded = (digits[0] ?? 0) >= 0x80 ? concat(Uint8Array.of(0), digits) : digits;
  return concat(Uint8Array.of(2, padded.length), padded);
}

/** BOLT 3 § Transaction Output Ordering, without the HTLC part: by amount, then by script as memcmp does, the shorter first. */
export function compareOutputs(a: TxOutput, b: TxOutput): number {
  if (a.amountSat !== b.amountSat) return a.amountSat < b.amountSat ? -1 : 1;
  return compareBytes(a.scriptPubKey, b.scriptPubKey);
}

/** Lexicographic; a prefix sorts before what it begins. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
