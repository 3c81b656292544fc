/**
 * A watch that is added for something that has happened already. A transaction is asked of the node (with a transaction index
 * that is one call); an outpoint that the node calls unspent needs nothing more; what is left is looked for in the last blocks,
 * a few at a time between two looks at the tip, one pass for all that wait.
 * Bound: something older than `lookBackBlocks` is found only by a node with a transaction index (txindex=1), a payment older than
 * that is not found at all, and a spend only back to `spentLookBackBlocks`, and if it is known which block made the output.
 */
import { ok, type Result } from '../../shared/lib/result.ts';
import type { BitcoinNode } from './node.ts';
import type { RpcFault } from './rpc.ts';
import type { WatchBook, Watched } from './watches.ts';

export type BackfillLimits = { readonly lookBackBlocks: number; readonly spentLookBackBlocks: number; readonly blocksPerTurn: number };
/** Four weeks for spends: an app that slept through a channel's close learns of its outputs only when it reads the close. */
export const defaultBackfillLimits: BackfillLimits = { lookBackBlocks: 144, spentLookBackBlocks: 4032, blocksPerTurn: 16 };
export type Backfill = {
  /** One bounded piece of work. `more`: call again soon. */
  readonly turn: (tipHeight: number) => Promise<Result<{ readonly more: boolean }, RpcFault>>;
};

export function createBackfill(node: BitcoinNode, book: WatchBook, limits: BackfillLimits = defaultBackfillLimits): Backfill {
  let waiting: Watched[] = [];
  /** Heights still to be scanned, both ends included. */
  let pass: { next: number; readonly to: number } | undefined;

  const inBlock = async (hash: string): Promise<Result<number | undefined, RpcFault>> => {
    const height = await node.heightOf(hash);
    if (!height.ok) return height;
    const there = await node.hashAt(height.value);
    if (!there.ok) return there.error.tag === 'refused' ? ok(undefined) : there;
    return ok(there.value === hash ? height.value : undefined);
  };

  /** The height from which blocks have to be read for it; Infinity: from none. */
  const lookUp = async (watched: Watched, tipHeight: number): Promise<Result<number, RpcFault>> => {
    const earliest = Math.max(0, tipHeight - limits.lookBackBlocks + 1);
    const { watch } = watched;
    if (watch.kind === 'script') return ok(earliest);
    if (watch.kind === 'outpoint') {
      const unspent = await node.isUnspent(watch.txid, watch.vout);
      if (unspent.ok && unspent.value) return ok(Number.POSITIVE_INFINITY);
      if (!unspent.ok && unspent.error.tag === 'unreachable') return unspent;
    }
    const found = await node.transaction(watch.txid);
    if (!found.ok && found.error.tag !== 'refused') return found;
    // A watched output of a transaction that spent another watched output: the book saw the block.
    const blockHash = (found.ok ? found.value?.blockHash : undefined) ?? book.blockOf(watch.txid);
    if (blockHash === undefined) return ok(found.ok && found.indexed ? Number.POSITIVE_INFINITY : earliest);
    const height = await inBlock(blockHash);
    if (!height.ok) return height;
    if (height.value === undefined) return ok(earliest);
    if (watch.kind === 'outpoint') return ok(Math.max(height.value, tipHeight - limits.spentLookBackBlocks + 1));
    book.foundTx(watched, watch.txid, height.value, blockHash);
    return ok(Number.POSITIVE_INFINITY);
  };

  return {
    turn: async (tipHeight) => {
      waiting.push(...book.takeFresh());
      if (pass === undefined && waiting.length > 0) {
        let from = Number.POSITIVE_INFINITY;
        for (const watched of waiting) {
          const start = await lookUp(watched, tipHeight);
          if (!start.ok) return start;
          from = Math.min(from, start.value);
        }
        waiting = [];
        if (from <= tipHeight) pass = { next: from, to: tipHeight };
      }
      for (let i = 0; pass !== undefined && i < limits.blocksPerTurn; i++) {
        const hash = await node.hashAt(pass.next);
        // The chain may be shorter now; what replaced these blocks is told by the follower.
        if (!hash.ok && hash.error.tag === 'unreachable') return hash;
        if (hash.ok) {
          const block = await node.block(hash.value);
          // A pruned node refuses an old block: then it cannot be looked into.
          if (!block.ok && block.error.tag === 'unreachable') return block;
          if (block.ok) book.joined(pass.next, block.value);
        }
        pass.next += 1;
        if (pass.next > pass.to) pass = undefined;
      }
      return ok({ more: pass !== undefined || waiting.length > 0 });
    },
  };
}
