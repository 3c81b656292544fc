/**
 * A real node with us as its only miner: what it accepted waits in its mempool, and a block takes of that what pays the price of the
 * day. Transactions are judged by the node; here it is only remembered why a refusal may be no fault.
 */
import { equal, fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import { keyOf, type Verdict } from '../../shared/ln/testing/mini-chain.ts';
import type { Chain } from '../lab/chain.ts';
import { makeBlock } from './blocks.ts';
import { type ChainEnd, type Entry, Ledger, readEntry } from './ledger.ts';

/** bcoin in process and btcd over RPC are both this. */
export type MatrixNode = Pick<Chain, 'tip' | 'submit' | 'fund' | 'mine' | 'rpc'>;

const display = (id: string): string => toHex(reversed(fromHex(id)));

export class Network {
  readonly ledger: Ledger;
  readonly #node: MatrixNode;
  readonly #known = new Map<string, Entry>();
  readonly #waiting = new Map<string, Entry>();
  /** In the node's mempool, but as if forgotten: mined only when sent again. */
  readonly #forgotten = new Set<string>();
  readonly #senders = new Map<string, string>();
  #salt = 0;

  constructor(node: MatrixNode, end: ChainEnd) {
    this.#node = node;
    this.ledger = new Ledger(end);
  }

  feeOf = ({ tx }: Entry): bigint =>
    tx.inputs.reduce((sum, { outpoint }) => sum + this.#amountOf(outpoint), 0n) -
    tx.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);

  #amountOf(outpoint: Entry['tx']['inputs'][number]['outpoint']): bigint {
    const known = this.#known.get(toHex(outpoint.txid))?.tx.outputs[outpoint.vout] ?? this.ledger.output(outpoint);
    if (known === undefined) throw new Error('matrix: an input that nobody knows');
    return known.amountSat;
  }

  entry(raw: Uint8Array): Entry {
    const entry = readEntry(raw);
    const known = this.#known.get(entry.id);
    // The same transaction may come with other signatures.
    if (known && equal(known.raw, raw)) return known;
    this.#known.set(entry.id, entry);
    return entry;
  }

  async send(raw: Uint8Array, sender: string): Promise<Verdict> {
    const entry = this.entry(raw);
    const { id } = entry;
    if (this.ledger.heightOf(id) !== undefined) return 'known';
    if (this.#waiting.has(id)) {
      this.#forgotten.delete(id);
      return 'known';
    }
    const rivals = this.#rivalsOf(entry);
    const answer = await this.#node.submit(raw);
    if (!answer.ok) return this.#excuse(entry, rivals, sender) ? 'replaced-not' : `invalid: ${answer.error}`;
    for (const rival of rivals) this.#drop(rival);
    this.#waiting.set(id, entry);
    this.#senders.set(id, sender);
    return 'accepted';
  }

  /** Somebody else's transaction stands in the way, or in that of a parent. */
  #excuse(entry: Entry, rivals: readonly Entry[], sender: string): boolean {
    if (rivals.some(({ id }) => this.#senders.get(id) !== sender)) return true;
    return entry.tx.inputs.some(({ outpoint: { txid } }) => {
      const parent = this.#known.get(toHex(txid));
      if (parent === undefined || this.ledger.heightOf(parent.id) !== undefined || this.#waiting.has(parent.id)) return false;
      return parent.tx.inputs.some(({ outpoint }) => this.ledger.spentIn(outpoint) !== undefined) || this.#rivalsOf(parent).length > 0;
    });
  }

  #rivalsOf({ id, tx }: Entry): readonly Entry[] {
    const inputs = new Set(tx.inputs.map(({ outpoint }) => keyOf(outpoint)));
    return [...this.#waiting.values()].filter(
      (other) => other.id !== id && other.tx.inputs.some(({ outpoint }) => inputs.has(keyOf(outpoint))),
    );
  }

  #drop({ id }: Entry): void {
    this.#waiting.delete(id);
    for (const other of [...this.#waiting.values()])
      if (other.tx.inputs.some(({ outpoint }) => toHex(outpoint.txid) === id)) this.#drop(other);
  }

  /** One block with whatever pays its floor (sat per 1000 weight), by itself or by a child. */
  async mine(floorOf: (entry: Entry) => number): Promise<void> {
    const height = this.ledger.height + 1;
    const chosen = new Map<string, Entry>();
    for (const entry of this.#waiting.values()) {
      const whole = this.#withAncestors(entry, chosen);
      const paidSat = whole.reduce((sum, one) => sum + this.feeOf(one), 0n);
      const weight = whole.reduce((sum, one) => sum + one.weight, 0);
      // Fees are whole satoshi, rounded down.
      const dear = Number(paidSat + 1n) * 1000 > floorOf(entry) * weight;
      const possible = whole.every((one) => !this.#forgotten.has(one.id) && this.#isFinal(one, height));
      if (dear && possible) for (const one of whole) chosen.set(one.id, one);
    }
    await this.#addBlock([...chosen.values()], this.ledger.tipHash, height);
    await this.#refresh();
  }

  /** Parents first, those left out that are chosen already. */
  #withAncestors(entry: Entry, chosen: ReadonlyMap<string, Entry>): readonly Entry[] {
    const found = new Map<string, Entry>();
    const visit = (one: Entry): void => {
      if (found.has(one.id) || chosen.has(one.id)) return;
      for (const { outpoint } of one.tx.inputs) {
        const parent = this.#waiting.get(toHex(outpoint.txid));
        if (parent) visit(parent);
      }
      found.set(one.id, one);
    };
    visit(entry);
    return [...found.values()];
  }

  /** Locks of BIP 65 and BIP 68, in blocks. */
  #isFinal({ tx }: Entry, height: number): boolean {
    if (tx.lockTime >= height && tx.lockTime < 500_000_000 && tx.inputs.some(({ sequence }) => sequence !== 0xffff_ffff)) return false;
    return tx.inputs.every(({ outpoint, sequence }) => {
      const parentHeight = this.ledger.heightOf(toHex(outpoint.txid)) ?? this.ledger.output(outpoint)?.height ?? height;
      return tx.version < 2 || sequence >>> 31 === 1 || height - parentHeight >= (sequence & 0xffff);
    });
  }

  /** The newest `depth` blocks are replaced by one more, the first with `instead`, the rest empty. */
  async reorganise(depth: number, isForgotten: (entry: Entry) => boolean, instead: readonly Entry[]): Promise<readonly string[]> {
    const removed: Entry[] = [];
    for (let count = 0; count < depth; count++) removed.unshift(...this.ledger.disconnect());
    for (let count = 0; count <= depth; count++)
      await this.#addBlock(count === 0 ? instead : [], this.ledger.tipHash, this.ledger.height + 1, count === depth);
    await this.#refresh();
    for (const entry of removed) {
      if (isForgotten(entry)) this.#forgotten.add(entry.id);
      // Other nodes still have it: who lost it hears of it again.
      else await this.send(entry.raw, this.#senders.get(entry.id) ?? 'nobody');
    }
    return removed.map(({ id }) => id);
  }

  async #addBlock(entries: readonly Entry[], previous: Uint8Array, height: number, isTip = true): Promise<void> {
    const time = this.ledger.nextTime();
    const transactions = entries.map(({ raw, tx: { txid } }) => ({ raw, txid }));
    const { raw, hash } = makeBlock({ previous, height, time, salt: this.#salt++, transactions });
    const refused = await this.#node.rpc('submitblock', [toHex(raw)]);
    const tip = await this.#node.tip();
    if (refused !== null || (isTip && tip.hash !== toHex(reversed(hash))))
      throw new Error(`the node did not take block ${height}: ${String(refused)}`);
    this.ledger.connect({ hash, time, entries });
  }

  /** What the node still has. */
  async #refresh(): Promise<void> {
    const listed = await this.#node.rpc('getrawmempool', []);
    if (!Array.isArray(listed)) throw new Error('matrix: no mempool');
    const ids = new Set(listed);
    for (const id of this.#waiting.keys()) if (!ids.has(display(id))) this.#waiting.delete(id);
    // A node takes back what a re-org took out of blocks.
    for (const id of ids) {
      const entry = this.#known.get(display(String(id)));
      if (entry) this.#waiting.set(entry.id, entry);
    }
  }
}
