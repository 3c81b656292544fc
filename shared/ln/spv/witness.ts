/**
 * That the witnesses of a transaction are those that were mined. BIP 141 § Commitment structure. A txid says nothing about them,
 * and a preimage is read from one: a chain source could otherwise show a spend with the witness cut out or made up.
 *
 * Callers must have proved transaction and coinbase to be in the block first (merkle.ts).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal } from '../../lib/bytes.ts';
import { branchFault } from './merkle.ts';
import { parseRawTx } from './rawtx.ts';

const COMMITMENT = Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed);

/**
 * `raw`: the transaction, with its witnesses if it has any: having none is proved as well. `siblings`: its branch in the tree of
 * wtxids, wire order, bottom up; left out for a block that commits to no witnesses, which then holds none.
 */
export function isWitnessCommitted(
  raw: Uint8Array,
  pos: number,
  siblings: readonly Uint8Array[] | undefined,
  coinbase: Uint8Array,
): boolean {
  const [tx, first] = [parseRawTx(raw), parseRawTx(coinbase)];
  if (!tx.ok || !first.ok) return false;
  const committed = first.value.outputs.filter(({ script }) => script.length >= 38 && equal(script.subarray(0, 6), COMMITMENT)).at(-1);
  if (committed === undefined) return raw.length === tx.value.strippedBytes;
  const [reserved] = first.value.witnesses[0] ?? [];
  if (reserved?.length !== 32 || siblings === undefined) return false;
  // The strict parser takes one serialisation only, so the bytes are what the wtxid hashes.
  const root = rootOf(sha256(sha256(raw)), pos, siblings);
  return root !== undefined && equal(sha256(sha256(concat(root, reserved))), committed.script.subarray(6, 38));
}

/** What the branch climbs to, if it has the form of one. */
function rootOf(wtxid: Uint8Array, pos: number, siblings: readonly Uint8Array[]): Uint8Array | undefined {
  let node = wtxid;
  for (const [level, sibling] of siblings.entries())
    node = sha256(sha256(((pos >> level) & 1) === 1 ? concat(sibling, node) : concat(node, sibling)));
  return branchFault({ txid: wtxid, pos, siblings }, node) === undefined ? node : undefined;
}
