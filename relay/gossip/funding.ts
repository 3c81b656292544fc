/**
 * BOLT 7 § The `channel_announcement` Message: is the output that it names there, unspent, and a 2-of-2 of the two keys? Asked of
 * the relay's own Bitcoin node. Without one every channel is taken as it is, its capacity unknown.
 */
import { createHash } from 'node:crypto';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { AnnouncedChannel } from '../../shared/ln/gossip/book.ts';
import type { BitcoinNode } from '../chain/node.ts';
import type { RpcFault } from '../chain/rpc.ts';

/** `not-yet`: its block is too new, or above the node's tip. `cannot-tell`: the node does not answer now; the channel is for another time. */
export type Verdict =
  | { readonly kind: 'there'; readonly capacitySat: number; readonly outpoint: string | undefined }
  | { readonly kind: 'not-there' | 'not-yet' | 'cannot-tell' };
export type Funding = { look(channels: readonly Named[]): Promise<readonly Verdict[]> };
type Named = Pick<AnnouncedChannel, 'shortChannelId' | 'bitcoinKeys'>;

/** Nodes announce a channel when it has six; our own Bitcoin node may be a block or two behind theirs. */
const MIN_CONFIRMATIONS = 4;
/** Lists of txids that stay: the channels of one block often come together. */
const BLOCKS_KEPT = 16;
/** The words of three nodes for a height above their tip, and for a block that a pruned one has thrown away. */
const outOfRange = /out of range/i;
const prunedWords = /pruned/i;

export const blockOf = (shortChannelId: bigint): number => Number(shortChannelId >> 40n);
const indexOf = (shortChannelId: bigint): number => Number((shortChannelId >> 16n) & 0xffffffn);
const outputOf = (shortChannelId: bigint): number => Number(shortChannelId & 0xffffn);

/** BOLT 3 § Funding Transaction Output: the script of the output, in hex. */
export function fundingScript(key1: Uint8Array, key2: Uint8Array): string {
  const [lesser, greater] = Buffer.compare(key1, key2) <= 0 ? [key1, key2] : [key2, key1];
  const [push33, two, checkMultisig] = [0x21, 0x52, 0xae];
  const script = Buffer.from([two, push33, ...lesser, push33, ...greater, two, checkMultisig]);
  return `0020${createHash('sha256').update(script).digest('hex')}`;
}

export const noFunding: Funding = {
  look: async (channels) => channels.map(() => ({ kind: 'there', capacitySat: 0, outpoint: undefined })),
};

export function createFunding(node: Pick<BitcoinNode, 'hashAt' | 'txids' | 'output'>, calls: number): Funding {
  const blocks = new Map<string, readonly string[]>();

  const txidsOf = async (hash: string): Promise<Result<readonly string[], RpcFault>> => {
    const kept = blocks.get(hash);
    if (kept !== undefined) return ok(kept);
    const txids = await node.txids(hash);
    if (!txids.ok) return txids;
    const oldest = blocks.keys().next();
    if (blocks.size >= BLOCKS_KEPT && oldest.done !== true) blocks.delete(oldest.value);
    blocks.set(hash, txids.value);
    return txids;
  };

  const lookAt = async (channel: Named): Promise<Result<Verdict, RpcFault>> => {
    const { shortChannelId } = channel;
    const hash = await node.hashAt(blockOf(shortChannelId));
    if (!hash.ok) return hash.error.tag === 'refused' && outOfRange.test(hash.error.message) ? ok({ kind: 'not-yet' }) : hash;
    const txids = await txidsOf(hash.value);
    if (!txids.ok) {
      // Signed by four keys, and no way to see more: as with no node at all.
      return txids.error.tag === 'refused' && prunedWords.test(txids.error.message)
        ? ok({ kind: 'there', capacitySat: 0, outpoint: undefined })
        : txids;
    }
    const txid = txids.value[indexOf(shortChannelId)];
    if (txid === undefined) return ok({ kind: 'not-there' });
    const vout = outputOf(shortChannelId);
    const output = await node.output(txid, vout);
    if (!output.ok) return output;
    if (output.value?.script !== fundingScript(...channel.bitcoinKeys)) return ok({ kind: 'not-there' });
    const { confirmations, sat } = output.value;
    return ok(confirmations < MIN_CONFIRMATIONS ? { kind: 'not-yet' } : { kind: 'there', capacitySat: sat, outpoint: `${txid}:${vout}` });
  };

  return {
    async look(channels) {
      const verdicts: Verdict[] = channels.map(() => ({ kind: 'cannot-tell' }));
      let next = 0;
      let failed: Result<never, RpcFault> | undefined;
      const worker = async (): Promise<void> => {
        for (let at = next++; at < channels.length && failed === undefined; at = next++) {
          const channel = channels[at];
          const verdict = channel === undefined ? ok<Verdict>({ kind: 'cannot-tell' }) : await lookAt(channel);
          if (verdict.ok) verdicts[at] = verdict.value;
          // A node that is away is not asked once for each channel.
          else if (verdict.error.tag === 'unreachable') failed = err(verdict.error);
        }
      };
      await Promise.all(Array.from({ length: Math.min(calls, channels.length) }, worker));
      return verdicts;
    },
  };
}
