/** What a peer or a wallet of the embedded world needs from a chain: bcoin in process and btcd by RPC both offer it. */
import type { Result } from '../../shared/lib/result.ts';

/** Hashes are hex in display order (as RPC and explorers show them). */
export type ChainSource = {
  tip(): Promise<{ readonly height: number; readonly hash: string }>;
  /** The block hash on the best chain, undefined above the tip. */
  hashAt(height: number): Promise<string | undefined>;
  /** The whole block in wire form, also one that a re-org has left behind. */
  rawBlock(hash: string): Promise<Uint8Array>;
  /** Offer a transaction to the mempool; the error is the chain's own word for the refusal. */
  submit(rawTx: Uint8Array): Promise<Result<string, string>>;
  /** Called after every change of the tip. Returns the function that ends it. */
  onTip(listener: () => void): () => void;
};

export const REGTEST_GENESIS = '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206';

export type BlockListener = {
  connect(rawBlock: Uint8Array, height: number): void;
  disconnect(header: Uint8Array, height: number): void;
};

export type ChainPoint = { readonly height: number; readonly hash: string };

/**
 * Brings a listener from `from` to the source's tip (or to `untilHeight` of its best chain), strictly block by block: first back to the fork, then forward.
 * Returns the point reached, to be handed in again next time.
 */
export async function follow(source: ChainSource, from: ChainPoint, listener: BlockListener, untilHeight = Infinity): Promise<ChainPoint> {
  let at = from;
  for (;;) {
    while (at.height > 0 && (await source.hashAt(at.height)) !== at.hash) {
      const header = (await source.rawBlock(at.hash)).slice(0, 80);
      listener.disconnect(header, at.height);
      at = { height: at.height - 1, hash: Buffer.from(header.slice(4, 36)).reverse().toString('hex') };
    }
    const hash = at.height < untilHeight ? await source.hashAt(at.height + 1) : undefined;
    if (hash === undefined) return at;
    const block = await source.rawBlock(hash);
    // The tip may have moved between the two questions: only a child of where we stand may be connected.
    if (Buffer.from(block.slice(4, 36)).reverse().toString('hex') !== at.hash) continue;
    listener.connect(block, at.height + 1);
    at = { height: at.height + 1, hash };
  }
}
