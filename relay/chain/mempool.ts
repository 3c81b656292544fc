/**
 * Watched outputs that something in the node's mempool spends: one question for all of them at each look. A preimage stands in such
 * a transaction minutes before it is mined, and a person hears of a close sooner. Nodes that cannot answer are not asked again.
 */
import type { BitcoinNode } from './node.ts';
import type { WatchBook } from './watches.ts';

/** Outpoints in one call. */
const batchSize = 1000;
/** A large relay watches a hundred thousand outputs: 10 MB of question and answer. */
const everyMs = 30_000;

export type Mempool = { readonly look: (tipHeight: number) => Promise<void> };

export function createMempool(node: BitcoinNode, book: WatchBook, nowMs: () => number): Mempool {
  let able = true;
  let nextMs = 0;
  return {
    look: async (tipHeight) => {
      if (!able || nowMs() < nextMs) return;
      nextMs = nowMs() + everyMs;
      const outpoints = book.unspentOutpoints();
      for (let at = 0; at < outpoints.length; at += batchSize) {
        const batch = outpoints.slice(at, at + batchSize);
        const spenders = await node.spendersInMempool(batch);
        // Whatever is wrong with this call, down to an operator who allows it not, blocks are followed all the same.
        if (!spenders.ok) return;
        if (spenders.value === undefined) {
          able = false;
          return;
        }
        for (const [i, outpoint] of batch.entries()) {
          const txid = spenders.value[i];
          if (txid !== undefined) book.seenInMempool(outpoint, txid, tipHeight);
        }
      }
    },
  };
}
