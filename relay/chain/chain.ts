/**
 * The relay's view of the chain (`ChainPort` of ports.ts). Everything that it says is a hint to an app that checks headers,
 * work and proofs itself; what the relay owes it is to answer, to watch, and to say so when it cannot.
 */
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { AnswerOf, RequestOf } from '../../shared/protocol/session.ts';
import type { ChainListener, ChainPort, HeightListener, Logger, Store } from '../ports.ts';
import type { Cancel, Timers } from '../timers.ts';
import { type BackfillLimits, createBackfill, defaultBackfillLimits } from './backfill.ts';
import { type Block, merkleBranch, parseTx, witnessTxids } from './block.ts';
import { type Fees, readFees } from './fees.ts';
import { createFollower } from './follower.ts';
import { createHeaderShelf } from './headers.ts';
import { createMempool } from './mempool.ts';
import type { BitcoinNode, NodeTip } from './node.ts';
import type { RpcFault } from './rpc.ts';
import { createWatchBook } from './watches.ts';

export type ChainConfig = {
  readonly pollMs: number;
  readonly backfill: BackfillLimits;
  /** Events that an app has not acknowledged are told again after this long, then twice that, up to half a day. */
  readonly remindMs: number;
};
export const defaultChainConfig: ChainConfig = { pollMs: 5000, backfill: defaultBackfillLimits, remindMs: 1_800_000 };
export type ChainParts = {
  readonly node: BitcoinNode;
  readonly store: Store;
  readonly timers: Timers;
  readonly listener: ChainListener;
  readonly onHeight: HeightListener;
  /** Wants every new block whole, whether or not an app watches for something; undefined: the block of that height left the chain. */
  readonly onBlock?: ((height: number, block: Block | undefined) => void) | undefined;
  readonly logger: Logger;
  readonly config: ChainConfig;
};
/** For /health. `down`: there is a node and it cannot be used now. */
export type ChainStatus =
  | { readonly state: 'up'; readonly network: string; readonly height: number; readonly tipAgeMs: number }
  | { readonly state: 'down'; readonly fault: string }
  | { readonly state: 'none' };
export type Chain = ChainPort & {
  /** Looks at the node now; settles when the relay has told all that there was. */
  readonly poke: () => Promise<void>;
  readonly status: () => ChainStatus;
};

const unavailable = (message: string): RelayError => ({ code: 'chain-unavailable', message });
const maxRemindMs = 43_200_000;
const feesKeptMs = 30_000;
const keptBlocks = 4;
/** A standard transaction has at most 400,000 weight units. */
const maxTxBytes = 400_000;
/** bitcoind and btcd: the transaction itself is at fault (deserialisation, inputs, policy, consensus). */
const txFaults: ReadonlySet<number> = new Set([-22, -25, -26, -27, -8, -1]);

export function createChain({ node, store, timers, listener, onHeight, onBlock, logger, config }: ChainParts): Chain {
  const reminders = new Map<string, { nextMs: number; waitMs: number }>();
  const book = createWatchBook(store, (account) => {
    reminders.set(account, { nextMs: timers.nowMs() + config.remindMs, waitMs: config.remindMs });
    listener(account);
  });
  const shelf = createHeaderShelf(node);
  const mempool = createMempool(node, book, timers.nowMs);
  const backfill = createBackfill(node, book, config.backfill);
  let joinedAtMs = timers.nowMs();
  const follower = createFollower(store, node, {
    wantsBlocks: () => onBlock !== undefined || book.count() > 0,
    joined: (height, header, block) => {
      joinedAtMs = timers.nowMs();
      shelf.put(height, header);
      if (block === undefined) return;
      book.joined(height, block);
      onBlock?.(height, block);
    },
    left: (height, hash) => {
      logger.warn({ height, hash }, 'a block left the chain');
      book.left(hash);
      onBlock?.(height, undefined);
    },
    beginsAt: (height) => {
      logger.info({ height }, 'following the chain from here; watches look up what happened before');
      shelf.clear();
      book.allFresh();
    },
  });

  let seen: { readonly tip: NodeTip; readonly atMs: number } | undefined;
  let fault: RpcFault | undefined;
  let running: Promise<void> | undefined;
  let cancelTimer: Cancel = () => {};
  let stopped = false;

  const remind = (): void => {
    const nowMs = timers.nowMs();
    const owed = new Set(book.accountsWithEvents());
    for (const account of reminders.keys()) if (!owed.has(account)) reminders.delete(account);
    for (const account of owed) {
      const reminder = reminders.get(account) ?? { nextMs: nowMs, waitMs: config.remindMs / 2 };
      if (reminder.nextMs > nowMs) continue;
      const waitMs = Math.min(maxRemindMs, reminder.waitMs * 2);
      reminders.set(account, { nextMs: nowMs + waitMs, waitMs });
      listener(account);
    }
  };

  const round = async (): Promise<void> => {
    for (let more = true; more && !stopped; ) {
      const tip = await follower.advance();
      const filled = tip.ok ? await backfill.turn(tip.value.height) : tip;
      const failed = filled.ok ? undefined : filled.error;
      if (failed?.message !== fault?.message) {
        if (failed === undefined) logger.info({}, 'the Bitcoin node answers again');
        else logger.warn({ fault: failed.message }, 'the Bitcoin node is of no use');
      }
      fault = failed;
      if (!tip.ok) return;
      seen = { tip: tip.value, atMs: timers.nowMs() };
      book.deepened(tip.value.height);
      const { height } = tip.value;
      onHeight(height, (due) => book.heightReached(due.account, due.id, height));
      more = filled.ok && filled.value.more;
      if (filled.ok && !more) await mempool.look(height);
    }
    remind();
  };

  /** One round at a time; whoever asks during one gets a fresh one after it. */
  let queued: Promise<void> | undefined;
  const poke = (): Promise<void> => {
    if (stopped) return Promise.resolve();
    if (running !== undefined) {
      queued ??= running.then(() => {
        queued = undefined;
        return poke();
      });
      return queued;
    }
    cancelTimer();
    running = round()
      .catch((cause: unknown) => {
        fault = { tag: 'unreachable', message: 'the relay failed to read the chain' };
        logger.error({ cause }, 'a fault in the relay while it read the chain');
      })
      .then(() => {
        running = undefined;
        if (!stopped) cancelTimer = timers.after(config.pollMs, () => void poke());
      });
    return running;
  };
  void poke();

  const currentTip = async (): Promise<Result<NodeTip, RelayError>> => {
    const fresh = () =>
      seen !== undefined && timers.nowMs() - seen.atMs <= 2 * config.pollMs && fault === undefined ? seen.tip : undefined;
    if (fresh() === undefined) await poke();
    const tip = fresh();
    return tip === undefined ? err(unavailable(fault?.message ?? 'the relay is stopping')) : ok(tip);
  };

  const blocks = new Map<string, Block>();
  const blockOf = async (hash: string): Promise<Result<Block, RpcFault>> => {
    const kept = blocks.get(hash);
    if (kept !== undefined) return ok(kept);
    const block = await node.block(hash);
    if (!block.ok) return block;
    blocks.set(hash, block.value);
    for (const oldest of blocks.keys()) {
      if (blocks.size <= keptBlocks) break;
      blocks.delete(oldest);
    }
    return block;
  };
  const rawOf = (block: Block, pos: number): string => {
    const tx = block.txs[pos];
    return tx === undefined ? '' : Buffer.from(block.bytes.subarray(tx.start, tx.end)).toString('hex');
  };

  const tx = async ({ txid }: RequestOf<'chain/tx'>): Promise<Result<AnswerOf<'chain/tx'>, RelayError>> => {
    const found = await node.transaction(txid);
    if (!found.ok) return err(unavailable(found.error.message));
    const blockHash = found.value?.blockHash ?? book.blockOf(txid);
    if (blockHash === undefined) {
      return found.value === undefined
        ? err({ code: 'not-found', message: 'the node does not know that transaction' })
        : ok({ raw: found.value.raw });
    }
    const block = await blockOf(blockHash);
    if (!block.ok) return err(unavailable(block.error.message));
    const height = await node.heightOf(blockHash);
    if (!height.ok) return err(unavailable(height.error.message));
    const txids = block.value.txs.map((one) => one.txid);
    const pos = txids.indexOf(txid);
    if (pos === -1) return err(unavailable('the node names a block that does not hold the transaction'));
    const wtxids = witnessTxids(block.value);
    return ok({
      raw: rawOf(block.value, pos),
      height: height.value,
      blockHash,
      pos,
      siblings: [...merkleBranch(txids, pos)],
      coinbase: rawOf(block.value, 0),
      coinbaseSiblings: [...merkleBranch(txids, 0)],
      ...(wtxids === undefined ? {} : { witnessSiblings: [...merkleBranch(wtxids, pos)] }),
    });
  };

  let keptFees: { readonly fees: Fees; readonly untilMs: number } | undefined;

  return {
    poke,
    status: () => {
      if (seen === undefined || fault !== undefined) return { state: 'down', fault: fault?.message ?? 'not read yet' };
      return { state: 'up', network: seen.tip.network, height: seen.tip.height, tipAgeMs: timers.nowMs() - joinedAtMs };
    },
    tip: currentTip,
    headers: async ({ from, count }) => {
      const tip = await currentTip();
      if (!tip.ok) return tip;
      const to = Math.min(from + count - 1, tip.value.height);
      if (to < from) return ok({ from, headers: '' });
      const headers = await shelf.range(from, to);
      return headers.ok
        ? ok({ from, headers: headers.value.map((header) => header.hex).join('') })
        : err(unavailable(headers.error.message));
    },
    tx,
    fees: async () => {
      if (keptFees !== undefined && keptFees.untilMs > timers.nowMs()) return ok({ satPerKw: keptFees.fees });
      const tip = await currentTip();
      if (!tip.ok) return tip;
      const fees = await readFees(node, tip.value.network);
      if (!fees.ok) return err(unavailable(fees.error.message));
      keptFees = { fees: fees.value, untilMs: timers.nowMs() + feesKeptMs };
      return ok({ satPerKw: fees.value });
    },
    broadcast: async ({ raw, parents = [] }) => {
      const raws = [...parents, raw];
      const parsed = raws.map((one) => (one.length <= 2 * maxTxBytes ? parseTx(one) : err('malformed' as const)));
      const last = parsed.at(-1);
      if (last?.ok !== true || parsed.some((one) => !one.ok)) return err({ code: 'tx-rejected', message: 'that is no transaction' });
      const together = parents.length > 0 ? await node.sendPackage(raws) : ok(undefined);
      if (together.ok && together.value === 'sent') return ok({ txid: last.value.txid });
      // One by one: a node that takes no packages, or a package that is none any more because a parent was mined meanwhile.
      for (const parent of parents) await node.send(parent);
      const sent = await node.send(raw);
      if (sent.ok) return ok({ txid: last.value.txid });
      // What the package failed for says more than that its parent is missing.
      const fault = !together.ok && together.error.tag === 'refused' ? together.error : sent.error;
      if (fault.tag === 'refused' && txFaults.has(fault.rpcCode)) {
        return err({ code: 'tx-rejected', message: fault.message.replace(/[^\x20-\x7e]/g, '?').slice(0, 200) });
      }
      return err(unavailable(fault.message));
    },
    setWatches: (account, watches) => {
      if (book.replace(account, watches)) void poke();
    },
    pendingEvents: book.pending,
    ack: book.ack,
    stop: async () => {
      stopped = true;
      cancelTimer();
      // So that stopping does not wait for a node that is silent.
      node.close();
      await running;
    },
  };
}

/** A relay without a node: it keeps what apps ask it to watch, for the day when it has one, and says no to the rest. */
export function createNoChain(store: Store): Chain {
  const book = createWatchBook(store, () => {});
  const none = async () => err(unavailable('this relay has no Bitcoin node (BECKON_CHAIN)'));
  return {
    poke: async () => {},
    status: () => ({ state: 'none' }),
    tip: none,
    headers: none,
    tx: none,
    fees: none,
    broadcast: none,
    setWatches: (account, watches) => void book.replace(account, watches),
    pendingEvents: book.pending,
    ack: book.ack,
    stop: async () => {},
  };
}
