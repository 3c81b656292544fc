/**
 * That a transaction is in a block whose header we have checked.
 *
 * An inner node of the tree can pass for a 64-byte transaction, and a 64-byte transaction for an inner node (CVE-2017-12842), so
 * no such transaction is believed and the coinbase, which cannot be one, must prove the same depth. Callers must still: take the
 * merkle root from a header on their best chain, and look again after a re-org.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal } from '../../lib/bytes.ts';
import { err, type Result } from '../../lib/result.ts';
import { isCoinbase, parseRawTx, type RawTx, type RawTxError } from './rawtx.ts';

/** A block of 4,000,000 weight units holds fewer than 2^17 transactions. */
const MAX_DEPTH = 17;

/** Hashes in wire order, bottom up. `pos`: index of the transaction in its block. */
export type Branch = { readonly txid: Uint8Array; readonly pos: number; readonly siblings: readonly Uint8Array[] };
export type BranchFault = 'too-deep' | 'bad-position' | 'bad-sibling' | 'duplicate-node' | 'wrong-root';
export type MerkleError =
  | RawTxError
  | { readonly code: BranchFault; readonly of: 'transaction' | 'coinbase' }
  | { readonly code: 'size-64' | 'coinbase-mismatch' | 'depth-differs' };

export function branchFault({ txid, pos, siblings }: Branch, merkleRoot: Uint8Array): BranchFault | undefined {
  if (siblings.length > MAX_DEPTH) return 'too-deep';
  if (!Number.isInteger(pos) || pos < 0 || pos >= 2 ** siblings.length) return 'bad-position';
  let node = txid;
  for (const [level, sibling] of siblings.entries()) {
    if (sibling.length !== 32) return 'bad-sibling';
    const right = ((pos >> level) & 1) === 1;
    // The last node of an odd row is hashed with itself: as a right child it is a copy, and `pos` would be invented.
    if (right && equal(node, sibling)) return 'duplicate-node';
    node = sha256(sha256(right ? concat(sibling, node) : concat(node, sibling)));
  }
  return equal(node, merkleRoot) ? undefined : 'wrong-root';
}

export type Inclusion = {
  /** With witness. */
  readonly raw: Uint8Array;
  readonly pos: number;
  readonly siblings: readonly Uint8Array[];
  /** The raw coinbase of the same block, and its siblings. */
  readonly coinbase: Uint8Array;
  readonly coinbaseSiblings: readonly Uint8Array[];
};

/** The transaction, proved to be at `pos` under `merkleRoot` (wire order, from a checked header). */
export function checkInclusion(proof: Inclusion, merkleRoot: Uint8Array): Result<RawTx, MerkleError> {
  const tx = parseRawTx(proof.raw);
  if (!tx.ok) return tx;
  const coinbase = parseRawTx(proof.coinbase);
  if (!coinbase.ok) return coinbase;
  if (tx.value.strippedBytes === 64 || coinbase.value.strippedBytes === 64) return err({ code: 'size-64' });
  if (!isCoinbase(coinbase.value) || isCoinbase(tx.value) !== (proof.pos === 0)) return err({ code: 'coinbase-mismatch' });
  if (proof.siblings.length !== proof.coinbaseSiblings.length) return err({ code: 'depth-differs' });

  const ours = branchFault({ txid: tx.value.txid, pos: proof.pos, siblings: proof.siblings }, merkleRoot);
  if (ours) return err({ code: ours, of: 'transaction' });
  const first = branchFault({ txid: coinbase.value.txid, pos: 0, siblings: proof.coinbaseSiblings }, merkleRoot);
  if (first) return err({ code: first, of: 'coinbase' });
  return tx;
}
