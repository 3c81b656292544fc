/** For tests: the chain module over a node of our own, on a clock that is turned by hand. */
import { afterEach } from 'vitest';
import type { ChainHint, Watch } from '../../shared/protocol/session.ts';
import type { HeightListener, Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import { fakeTimers } from '../timers.ts';
import { createChain, defaultChainConfig } from './chain.ts';
import { createNode } from './node.ts';
import { createRpc } from './rpc.ts';
import { FakeNode, makeTx, txidOf } from './testing.ts';

export const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const silent = () => {};
const logger = { debug: silent, info: silent, warn: silent, error: silent };

export async function world(
  options: {
    readonly fake?: FakeNode;
    readonly store?: Store;
    readonly timeoutMs?: number;
    readonly url?: string;
    readonly onHeight?: HeightListener;
  } = {},
) {
  const fake = options.fake ?? new FakeNode();
  const store = options.store ?? openStore(null);
  const url = options.url ?? (await fake.start());
  const timers = fakeTimers();
  const told: string[] = [];
  const rpc = createRpc({ url, timeoutMs: options.timeoutMs ?? 5000 });
  const chain = createChain({
    node: createNode(rpc),
    store,
    timers,
    listener: (account) => told.push(account),
    onHeight: options.onHeight ?? silent,
    logger,
    config: defaultChainConfig,
  });
  if (options.store === undefined) ends.push(() => store.close());
  ends.push(
    () => fake.stop(),
    rpc.close,
    () => chain.stop(),
  );
  await chain.poke();
  /** What is new, without the parts that differ from run to run; acknowledged. */
  const news = (account = 'a'): Omit<ChainHint, 'id'>[] => {
    const events = chain.pendingEvents(account);
    chain.ack(
      account,
      events.map((event) => event.id),
    );
    return events.map(({ id: _, ...rest }) => rest);
  };
  const watch = async (...watches: Watch[]) => {
    chain.setWatches('a', watches);
    await chain.poke();
  };
  return { fake, store, chain, told, timers, news, watch, url };
}

export const coin = (n: number) => ({ txid: n.toString(16).padStart(64, '0'), vout: 0 });
export const script = `0014${'ab'.repeat(20)}`;
export const funding = makeTx([coin(7)], [script], 64);
export const fundingTxid = txidOf(funding);
export const fundingWatch = (depths: number[] = [1, 3]): Watch => ({ id: 'f', kind: 'tx', txid: fundingTxid, script, depths });
