/** Replacement by fee (BIP 125), which bcoin's mempool does not have: rules 3 and 4, and a higher feerate than each that goes. */
import type { Mempool, MempoolEntry, Tx } from 'bcoin/lab-types';

/** Adds the transaction, in the place of those that spend the same coins if it pays for that. Otherwise as bcoin's own `addTX`. */
export async function addOrReplace(mempool: Mempool, tx: Tx): Promise<unknown> {
  const conflicts = await outbid(mempool, tx);
  const evicted = withDescendants(mempool, conflicts);
  for (const entry of conflicts) mempool.evictEntry(entry);
  try {
    return await mempool.addTX(tx);
  } catch (error) {
    // It was no good: what it would have replaced stays.
    for (const entry of evicted) await mempool.addTX(entry.tx);
    throw error;
  }
}

/** Direct conflicts that the transaction pays enough to replace, or none. */
async function outbid(mempool: Mempool, tx: Tx): Promise<readonly MempoolEntry[]> {
  const conflicts = [
    ...new Set(tx.inputs.map(({ prevout }) => mempool.getSpent(prevout.hash, prevout.index)).filter((entry) => entry !== undefined)),
  ];
  if (conflicts.length === 0 || conflicts.some((entry) => entry.tx.txid() === tx.txid())) return [];
  const fee = tx.getFee(await mempool.getCoinView(tx));
  const size = tx.getVirtualSize();
  const paidBefore = withDescendants(mempool, conflicts).reduce((sum, entry) => sum + entry.fee, 0);
  const outbidsAll = conflicts.every((entry) => fee * entry.size > entry.fee * size);
  return outbidsAll && fee >= paidBefore + size ? conflicts : [];
}

function withDescendants(mempool: Mempool, entries: readonly MempoolEntry[]): readonly MempoolEntry[] {
  if (entries.length === 0) return [];
  const hashes = new Set(entries.map(({ tx }) => hashOf(tx)));
  // Parents stand before children.
  for (const { tx } of mempool.map.values()) if (tx.inputs.some(({ prevout }) => hashes.has(prevout.hash))) hashes.add(hashOf(tx));
  return [...mempool.map.values()].filter(({ tx }) => hashes.has(hashOf(tx)));
}

const hashOf = (tx: Tx): string => Buffer.from(tx.txid(), 'hex').reverse().toString('hex');
