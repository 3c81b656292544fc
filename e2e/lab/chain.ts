/**
 * A regtest chain in this process: bcoin, in memory, with every block and transaction it accepts kept in a journal
 * and replayed at the next start. A faucet holds the first coins.
 */
import { join } from 'node:path';
import type { Result } from '../../shared/lib/result.ts';
import { err, ok } from '../../shared/lib/result.ts';
import type { Journal } from './journal.ts';
import { openJournal } from './journal.ts';
import { addOrReplace } from './replace.ts';
import type { ChainPoint, ChainSource } from './source.ts';
import { follow, REGTEST_GENESIS } from './source.ts';
import type { Wallet } from './wallet.ts';
import { createWallet, labKey, scriptOf } from './wallet.ts';

const KIND_BLOCK = 1;
const KIND_TX = 2;
/** bcoin's regtest activates segwit at height 432; the coins of the first 350 blocks are mature by then. */
const FIRST_HEIGHT = 450;

export type Chain = ChainSource & {
  height(): number;
  /** Mines `blocks` (default 1) with what the mempool holds; hashes in display order. */
  mine(blocks?: number, address?: string): Promise<readonly string[]>;
  /** Pays from the faucet; not yet mined. Returns the txid. Throws when the faucet is empty. */
  fund(address: string, amountSat: bigint): Promise<string>;
  /** Replaces the last `depth` blocks by `depth + 1` others; their transactions return to the mempool. */
  reorg(depth: number): Promise<void>;
  /** bcoin's own RPC. Throws bcoin's error, which has a numeric `code`. */
  rpc(method: string, params: readonly unknown[]): Promise<unknown>;
  stop(): Promise<void>;
};

async function loadBcoin() {
  // bcoin's native parts are not built: its own JavaScript does. The choice is read when it is loaded.
  process.env.NODE_BACKEND = 'js';
  // Its file library names a constant that Node has deprecated: nothing that whoever runs the lab could act upon.
  const { noDeprecation } = process;
  process.noDeprecation = true;
  const [node, network, block, tx, address] = await Promise.all([
    import('bcoin/lib/node/fullnode.js'),
    import('bcoin/lib/protocol/network.js'),
    import('bcoin/lib/primitives/block.js'),
    import('bcoin/lib/primitives/tx.js'),
    import('bcoin/lib/primitives/address.js'),
  ]);
  process.noDeprecation = noDeprecation ?? false;
  // bcoin writes `rb`, everyone else `bcrt`.
  network.default.get('regtest').addressPrefix.bech32 = 'bcrt';
  return { FullNode: node.default, Block: block.default, TX: tx.default, Address: address.default };
}

const reverseHex = (hex: string): string => Buffer.from(hex, 'hex').reverse().toString('hex');

const isVerifyError = (error: unknown): boolean => error instanceof Error && 'type' in error && error.type === 'VerifyError';

/** The reason inside bcoin's VerifyError, else the message. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && 'reason' in error && typeof error.reason === 'string') return error.reason;
  return error instanceof Error ? error.message : String(error);
}

/**
 * `dataDir` keeps the chain for the next start; without it everything is forgotten at the end. `standard`: what nodes of the main
 * network would not relay is refused.
 */
export async function startChain(options: { readonly dataDir?: string; readonly standard?: boolean } = {}): Promise<Chain> {
  const { FullNode, Block, TX, Address } = await loadBcoin();
  const node = new FullNode({
    network: 'regtest',
    memory: true,
    indexTx: true,
    listen: false,
    persistent: false,
    logConsole: false,
    requireStandard: options.standard ?? false,
  });
  node.http = { open() {}, close() {} };
  // Refused blocks and transactions come back to the caller as well; nothing else reports here.
  node.on('error', () => {});
  await node.open();

  const journal: Journal | undefined = options.dataDir === undefined ? undefined : openJournal(join(options.dataDir, 'chain.journal'));
  for (const { kind, bytes } of journal?.past ?? []) {
    try {
      if (kind === KIND_BLOCK) await node.chain.add(Block.fromRaw(Buffer.from(bytes)));
      if (kind === KIND_TX) await addOrReplace(node.mempool, TX.fromRaw(Buffer.from(bytes)));
    } catch (error) {
      // A block that a re-org brought back stands in the journal twice, and old transactions are in blocks by now.
      if (!isVerifyError(error)) throw error;
    }
  }
  node.chain.on('connect', (_entry, block) => journal?.append(KIND_BLOCK, block.toRaw()));
  node.mempool.on('tx', (tx) => journal?.append(KIND_TX, tx.toRaw()));

  const listeners = new Set<() => void>();
  const notify = (): void => {
    for (const listener of listeners) listener();
  };
  const faucet: Wallet = createWallet(labKey('beckon lab faucet'));
  let faucetAt: ChainPoint = { height: 0, hash: REGTEST_GENESIS };

  async function mineOn(tip: Awaited<ReturnType<typeof node.chain.getEntry>>, address: string): Promise<string> {
    const block = await node.miner.mineBlock(tip, Address.fromString(address, 'regtest'));
    const entry = await node.chain.add(block);
    if (entry === null) throw new Error('bcoin did not take the block it made');
    return entry.rhash();
  }

  const chain: Chain = {
    height: () => node.chain.height,
    tip: async () => ({ height: node.chain.tip.height, hash: node.chain.tip.rhash() }),

    async hashAt(height) {
      const hash = await node.chain.getHash(height);
      return hash === null ? undefined : reverseHex(hash);
    },

    async rawBlock(hash) {
      const block = await node.chain.getBlock(reverseHex(hash));
      if (block === null) throw new Error(`no block ${hash}`);
      return new Uint8Array(block.toRaw());
    },

    async submit(rawTx): Promise<Result<string, string>> {
      try {
        const tx = TX.fromRaw(Buffer.from(rawTx));
        // bcoin answers with the missing parents of an orphan instead of refusing it.
        const missing = await addOrReplace(node.mempool, tx);
        return missing === null || missing === undefined ? ok(tx.txid()) : err('missing-inputs');
      } catch (error) {
        return err(reasonOf(error));
      }
    },

    onTip(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async mine(blocks = 1, address = faucet.address) {
      const hashes: string[] = [];
      for (let i = 0; i < blocks; i++) hashes.push(await mineOn(null, address));
      notify();
      return hashes;
    },

    async fund(address, amountSat) {
      faucetAt = await follow(chain, faucetAt, faucet);
      const paid = faucet.pay(scriptOf(address), amountSat);
      if (!paid.ok) throw new Error(`the faucet has only ${faucet.balanceSat()} sat that can be spent now`);
      const sent = await chain.submit(paid.value.raw);
      if (!sent.ok) throw new Error(`the chain refused the faucet's payment: ${sent.error}`);
      return sent.value;
    },

    async reorg(depth) {
      const left: Uint8Array[] = [];
      for (let at = node.chain.height - depth + 1; at <= node.chain.height; at++) {
        const hash = await node.chain.getHash(at);
        const block = hash === null ? null : await node.chain.getBlock(hash);
        for (const tx of block?.txs.slice(1) ?? []) left.push(tx.toRaw());
      }
      for (const { tx } of node.mempool.map.values()) left.push(tx.toRaw());
      let tip = await node.chain.getEntry(node.chain.height - depth);
      // The mempool may build on what these blocks take away: they are made empty.
      const { mempool } = node.miner;
      node.miner.mempool = null;
      try {
        for (let i = 0; i <= depth; i++) {
          if (tip === null) throw new Error(`no block ${depth} below the tip`);
          const hash = await mineOn(tip, createWallet(labKey('beckon lab re-org')).address);
          tip = await node.chain.getEntry(reverseHex(hash));
        }
      } finally {
        node.miner.mempool = mempool;
      }
      // bcoin forgets them where the mempool was empty, and those that spend a coinbase or carry a relative lock, with all descendants.
      for (const rawTx of left) await chain.submit(rawTx);
      notify();
    },

    rpc: (method, params) => node.rpc.execute({ method, params }),
    stop: () => node.close(),
  };

  if (node.chain.height < FIRST_HEIGHT) await chain.mine(FIRST_HEIGHT - node.chain.height);
  return chain;
}
