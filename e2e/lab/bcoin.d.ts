/** bcoin ships no types: the few parts the lab touches. Hashes are lower-case hex in wire order unless named `rhash`. */
declare module 'bcoin/lib/node/fullnode.js' {
  import type { Block, ChainEntry, Mempool } from 'bcoin/lab-types';

  class FullNode {
    constructor(options: Record<string, unknown>);
    http: { open(): Promise<void> | void; close(): Promise<void> | void };
    readonly chain: {
      readonly tip: ChainEntry;
      readonly height: number;
      add(block: Block): Promise<ChainEntry | null>;
      getHash(height: number): Promise<string | null>;
      getEntry(hashOrHeight: string | number): Promise<ChainEntry | null>;
      getBlock(hash: string): Promise<Block | null>;
      on(event: 'connect', listener: (entry: ChainEntry, block: Block) => void): void;
      on(event: 'tip', listener: () => void): void;
    };
    readonly mempool: Mempool;
    /** Without a mempool it makes empty blocks. */
    readonly miner: { mempool: unknown; mineBlock(tip: ChainEntry | null, address: unknown): Promise<Block> };
    readonly rpc: { execute(call: { method: string; params: readonly unknown[] }): Promise<unknown> };
    on(event: 'error', listener: (error: Error) => void): void;
    open(): Promise<void>;
    close(): Promise<void>;
  }
  export default FullNode;
}

declare module 'bcoin/lab-types' {
  export type ChainEntry = { readonly height: number; readonly hash: string; rhash(): string };
  export type Block = { readonly txs: readonly Tx[]; toRaw(): Buffer };
  export type Tx = {
    readonly inputs: readonly { readonly prevout: { readonly hash: string; readonly index: number } }[];
    toRaw(): Buffer;
    txid(): string;
    getVirtualSize(): number;
    /** 0 if the view does not have all coins. */
    getFee(view: unknown): number;
  };
  export type MempoolEntry = { readonly tx: Tx; readonly fee: number; readonly size: number };
  export type Mempool = {
    /** Parents stand before children. */
    readonly map: ReadonlyMap<string, MempoolEntry>;
    addTX(tx: Tx): Promise<unknown>;
    /** The entry that spends the output. */
    getSpent(hash: string, index: number): MempoolEntry | undefined;
    getCoinView(tx: Tx): Promise<unknown>;
    /** With all its descendants. */
    evictEntry(entry: MempoolEntry): void;
    on(event: 'tx', listener: (tx: Tx) => void): void;
  };
}

declare module 'bcoin/lib/protocol/network.js' {
  const network: { get(type: 'regtest'): { addressPrefix: { bech32: string } } };
  export default network;
}

declare module 'bcoin/lib/primitives/block.js' {
  import type { Block } from 'bcoin/lab-types';

  const block: { fromRaw(raw: Buffer): Block };
  export default block;
}

declare module 'bcoin/lib/primitives/tx.js' {
  import type { Tx } from 'bcoin/lab-types';

  const tx: { fromRaw(raw: Buffer): Tx };
  export default tx;
}

declare module 'bcoin/lib/primitives/address.js' {
  const address: { fromString(text: string, network: 'regtest'): unknown };
  export default address;
}
