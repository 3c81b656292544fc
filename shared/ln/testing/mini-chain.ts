/**
 * A chain small enough for unit tests: every input is run by an interpreter that we did not write, locks, amounts and double spends are
 * checked as nodes check them, and blocks can be taken off again. For tests.
 */
import { toHex } from '../../lib/bytes.ts';
import { type ParsedTransaction, parseTransaction } from '../tx/parse.ts';
import type { Outpoint, TxOutput } from '../tx/transaction.ts';
import { idAndWeight, spends } from './interpreter.ts';

export const keyOf = ({ txid, vout }: Outpoint): string => `${toHex(txid)}:${vout}`;

type Unspent = TxOutput & { readonly height: number; readonly outpoint: Outpoint };
type Entry = { readonly raw: Uint8Array; readonly tx: ParsedTransaction; readonly feeSat: bigint; readonly weight: number };
type Block = { readonly entries: readonly Entry[] };
export type Spent = { readonly outpoint: Outpoint; readonly txid: Uint8Array; readonly transaction: Uint8Array; readonly height: number };

/** `replaced-not`: valid, but something that pays more spends the same. Anything `invalid` is a bug of whoever sent it. */
export type Verdict = 'accepted' | 'known' | 'replaced-not' | `invalid: ${string}`;

export class MiniChain {
  #blocks: Block[] = [];
  #mempool: Entry[] = [];
  readonly #genesis: readonly Unspent[];
  readonly #startHeight: number;

  constructor(startHeight: number, genesis: readonly (TxOutput & { readonly outpoint: Outpoint })[]) {
    this.#startHeight = startHeight;
    this.#genesis = genesis.map((output) => ({ ...output, height: startHeight }));
  }

  get height(): number {
    return this.#startHeight + this.#blocks.length;
  }

  get mempool(): readonly Uint8Array[] {
    return this.#mempool.map(({ raw }) => raw);
  }

  confirmed(): ReadonlyMap<string, Unspent> {
    const unspent = new Map(this.#genesis.map((output) => [keyOf(output.outpoint), output]));
    for (const [at, { entries }] of this.#blocks.entries()) for (const { tx } of entries) apply(unspent, tx, this.#startHeight + at + 1);
    return unspent;
  }

  /** What is mined, oldest first. */
  transactions = (): readonly Entry[] => this.#blocks.flatMap(({ entries }) => entries);

  spentIn(outpoint: Outpoint): Spent | undefined {
    const key = keyOf(outpoint);
    for (const [at, { entries }] of this.#blocks.entries())
      for (const { tx, raw } of entries)
        if (tx.inputs.some((input) => keyOf(input.outpoint) === key))
          return { outpoint, txid: tx.txid, transaction: raw, height: this.#startHeight + at + 1 };
    return undefined;
  }

  send(raw: Uint8Array): Verdict {
    const parsed = parseTransaction(raw);
    if (!parsed.ok) return `invalid: ${parsed.error.reason}`;
    const tx = parsed.value;
    const id = toHex(tx.txid);
    if (this.#mempool.some((entry) => toHex(entry.tx.txid) === id) || this.transactions().some((entry) => toHex(entry.tx.txid) === id))
      return 'known';
    const rivals = this.#rivalsOf(tx);
    const others = this.#mempool.filter((entry) => !rivals.includes(entry));
    const unspent = this.#with(others);
    const fault = faultOf(raw, tx, unspent, this.height + 1);
    if (fault) return `invalid: ${fault}`;
    const feeSat =
      sumOf(tx.inputs.map(({ outpoint }) => unspent.get(keyOf(outpoint))?.amountSat ?? 0n)) -
      sumOf(tx.outputs.map(({ amountSat }) => amountSat));
    const { weight } = idAndWeight(raw);
    // BIP 125: more than all that it replaces, and the relay fee on top.
    if (rivals.length > 0 && feeSat < sumOf(rivals.map((rival) => rival.feeSat)) + BigInt(Math.ceil(weight / 4))) return 'replaced-not';
    this.#mempool = [...others, { raw, tx, feeSat, weight }];
    return 'accepted';
  }

  /** Conflicting transactions of the mempool and all that descend from them. */
  #rivalsOf(tx: ParsedTransaction): readonly Entry[] {
    const inputs = new Set(tx.inputs.map(({ outpoint }) => keyOf(outpoint)));
    const rivals: Entry[] = [];
    for (const entry of this.#mempool) {
      const conflicts = entry.tx.inputs.some(({ outpoint }) => inputs.has(keyOf(outpoint)));
      const descends = entry.tx.inputs.some(({ outpoint }) => rivals.some((rival) => toHex(rival.tx.txid) === toHex(outpoint.txid)));
      if (conflicts || descends) rivals.push(entry);
    }
    return rivals;
  }

  #with(entries: readonly Entry[]): Map<string, Unspent> {
    const unspent = new Map(this.confirmed());
    for (const { tx } of entries) apply(unspent, tx, this.height + 1);
    return unspent;
  }

  /** One block with what of the mempool `mined` lets in; what became impossible leaves the mempool. */
  mine(mined: (raw: Uint8Array) => boolean = () => true): void {
    const waiting: Entry[] = [];
    const entries: Entry[] = [];
    for (const entry of this.#mempool) {
      const orphan = entry.tx.inputs.some(({ outpoint }) => waiting.some(({ tx }) => toHex(tx.txid) === toHex(outpoint.txid)));
      (mined(entry.raw) && !orphan ? entries : waiting).push(entry);
    }
    this.#blocks.push({ entries });
    this.#mempool = [];
    for (const { raw } of waiting) this.send(raw);
  }

  /** Takes `count` blocks off the top. Their transactions wait again, unless `forgotten`. */
  reorganise(count: number, forgotten = false): void {
    const removed = this.#blocks.splice(this.#blocks.length - count, count).flatMap(({ entries }) => entries);
    const waiting = [...(forgotten ? [] : removed), ...this.#mempool];
    this.#mempool = [];
    for (const { raw } of waiting) this.send(raw);
  }
}

/** A script that was run once is not run again when its transaction comes back to the mempool: what it spends is named in it. */
const passed = new WeakMap<Uint8Array, Set<number>>();
function passes(raw: Uint8Array, output: TxOutput, index: number): boolean {
  const known = passed.get(raw) ?? new Set<number>();
  passed.set(raw, known);
  if (known.has(index)) return true;
  const good = spends(raw, output, index);
  if (good) known.add(index);
  return good;
}

const sumOf = (amounts: readonly bigint[]): bigint => amounts.reduce((sum, amount) => sum + amount, 0n);

function apply(unspent: Map<string, Unspent>, tx: ParsedTransaction, height: number): void {
  for (const { outpoint } of tx.inputs) unspent.delete(keyOf(outpoint));
  for (const [vout, output] of tx.outputs.entries()) {
    const outpoint = { txid: tx.txid, vout };
    unspent.set(keyOf(outpoint), { ...output, outpoint, height });
  }
}

/** Why a block at `height` could not hold the transaction. */
function faultOf(raw: Uint8Array, tx: ParsedTransaction, unspent: ReadonlyMap<string, Unspent>, height: number): string | undefined {
  const final = tx.inputs.every(({ sequence }) => sequence === 0xffff_ffff);
  if (!final && tx.lockTime < 500_000_000 && tx.lockTime >= height) return `locktime ${tx.lockTime} at ${height}`;
  let inSat = 0n;
  for (const [index, { outpoint, sequence }] of tx.inputs.entries()) {
    const output = unspent.get(keyOf(outpoint));
    if (output === undefined) return `input ${index} is missing or spent`;
    // BIP 68, in blocks: nothing here locks by time.
    if (sequence >>> 31 === 0 && height < output.height + (sequence & 0xffff)) return `input ${index} too young`;
    if (!passes(raw, output, index)) return `script of input ${index}`;
    inSat += output.amountSat;
  }
  if (tx.outputs.some(({ amountSat, scriptPubKey }) => scriptPubKey.length === 22 && amountSat < 294n)) return 'a dust output';
  return sumOf(tx.outputs.map(({ amountSat }) => amountSat)) > inSat ? 'outputs exceed inputs' : undefined;
}
