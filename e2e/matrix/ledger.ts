/** What the best chain holds, as far as the matrix made it: outputs, who spent them at which height, and coins by script. */
import { toHex } from '../../shared/lib/bytes.ts';
import { idAndWeight } from '../../shared/ln/testing/interpreter.ts';
import { keyOf, type Spent } from '../../shared/ln/testing/mini-chain.ts';
import { type ParsedTransaction, parseTransaction } from '../../shared/ln/tx/parse.ts';
import type { Outpoint, TxOutput } from '../../shared/ln/tx/transaction.ts';

export type Entry = {
  /** Hex, wire order. */
  readonly id: string;
  readonly raw: Uint8Array;
  readonly tx: ParsedTransaction;
  readonly weight: number;
};
export type Unspent = TxOutput & { readonly outpoint: Outpoint; readonly height: number };
/** `hash` in wire order; no block before is later than `time`. */
export type ChainEnd = { readonly height: number; readonly hash: Uint8Array; readonly time: number };
type Block = { readonly hash: Uint8Array; readonly time: number; readonly entries: readonly Entry[] };

export function readEntry(raw: Uint8Array): Entry {
  const parsed = parseTransaction(raw);
  if (!parsed.ok) throw new Error(`matrix: ${parsed.error.reason}`);
  return { id: toHex(parsed.value.txid), raw, tx: parsed.value, weight: idAndWeight(raw).weight };
}

export class Ledger {
  readonly #base: ChainEnd;
  readonly #blocks: Block[] = [];
  readonly #outputs = new Map<string, Unspent>();
  readonly #spent = new Map<string, Spent>();
  readonly #heights = new Map<string, number>();
  readonly #byScript = new Map<string, Map<string, Unspent>>();

  /** The tip on which its first block stands. */
  constructor(base: ChainEnd) {
    this.#base = base;
  }

  get height(): number {
    return this.#base.height + this.#blocks.length;
  }
  get tipHash(): Uint8Array {
    return this.#blocks.at(-1)?.hash ?? this.#base.hash;
  }
  /** Later than the median of the eleven blocks before, and no further into the future than that takes. */
  nextTime(): number {
    const times = Array.from({ length: 11 }, (_, back) => this.#blocks.at(-1 - back)?.time ?? this.#base.time).toSorted((a, b) => a - b);
    return Math.max(Math.floor(Date.now() / 1000), (times[5] ?? 0) + 1);
  }

  spentIn = (outpoint: Outpoint): Spent | undefined => this.#spent.get(keyOf(outpoint));
  /** Spent or not. */
  output = (outpoint: Outpoint): Unspent | undefined => this.#outputs.get(keyOf(outpoint));
  heightOf = (id: string): number | undefined => this.#heights.get(id);
  coins = (scriptPubKey: Uint8Array): readonly Unspent[] => [...(this.#byScript.get(toHex(scriptPubKey))?.values() ?? [])];

  connect(block: Block): void {
    this.#blocks.push(block);
    for (const entry of block.entries) this.#apply(entry, this.height);
  }

  /** An output of before the matrix. */
  begin = (output: Unspent): void => this.#place(output);

  /** The newest block leaves the best chain. */
  disconnect(): readonly Entry[] {
    const entries = this.#blocks.pop()?.entries ?? [];
    for (const { id, tx } of entries.toReversed()) {
      this.#heights.delete(id);
      for (const vout of tx.outputs.keys()) this.#remove({ txid: tx.txid, vout });
      for (const { outpoint } of tx.inputs) {
        this.#spent.delete(keyOf(outpoint));
        const output = this.#outputs.get(keyOf(outpoint));
        if (output) this.#place(output);
      }
    }
    return entries;
  }

  #apply({ id, tx, raw }: Entry, height: number): void {
    this.#heights.set(id, height);
    for (const { outpoint } of tx.inputs) {
      const output = this.#outputs.get(keyOf(outpoint));
      this.#spent.set(keyOf(outpoint), { outpoint, txid: tx.txid, transaction: raw, height });
      if (output) this.#byScript.get(toHex(output.scriptPubKey))?.delete(keyOf(outpoint));
    }
    for (const [vout, output] of tx.outputs.entries()) this.#place({ ...output, outpoint: { txid: tx.txid, vout }, height });
  }

  #place(output: Unspent): void {
    const script = toHex(output.scriptPubKey);
    const coins = this.#byScript.get(script) ?? new Map<string, Unspent>();
    this.#byScript.set(script, coins.set(keyOf(output.outpoint), output));
    this.#outputs.set(keyOf(output.outpoint), output);
  }

  #remove(outpoint: Outpoint): void {
    const output = this.#outputs.get(keyOf(outpoint));
    this.#outputs.delete(keyOf(outpoint));
    if (output) this.#byScript.get(toHex(output.scriptPubKey))?.delete(keyOf(outpoint));
  }
}
