/**
 * The channel graph that the relay keeps for its apps: read from the Lightning nodes that the operator names, checked, put on disk, and
 * served as snapshots. This part alone of the relay makes BOLT 8 handshakes of its own, as nobody: with a transport key that is drawn
 * anew at each start and holds nothing.
 */
import { randomBytes } from 'node:crypto';
import { chainHashOf } from '../../shared/lib/networks.ts';
import type { Block } from '../chain/block.ts';
import type { BitcoinNode } from '../chain/node.ts';
import { type Config, parseGossipPeer } from '../config.ts';
import { Buckets } from '../keeper/buckets.ts';
import { createDial, type Dialler, type Resolver } from '../keeper/dial.ts';
import { createPeerDialler } from '../keeper/peer.ts';
import type { Wheel } from '../keeper/wheel.ts';
import type { Logger, Metrics, Store } from '../ports.ts';
import type { Cancel, Timers } from '../timers.ts';
import { createFunding, noFunding } from './funding.ts';
import { createIntake } from './intake.ts';
import { openLedger } from './ledger.ts';
import { type GossipPeer, startGossipPeer } from './peer.ts';
import { createSnapshots, type Snapshots } from './snapshots.ts';
import { createVerifier } from './verify.ts';

export type GossipParts = {
  readonly config: Config;
  readonly store: Store;
  /** Undefined: channels are taken without a look at the chain. */
  readonly node: BitcoinNode | undefined;
  readonly dialler: Dialler;
  readonly resolve: Resolver;
  readonly wheel: Wheel;
  readonly timers: Timers;
  readonly log: Logger;
  readonly metrics: Metrics;
};
/** For /health. `ageSeconds`: of the newest snapshot; absent while there is none. */
export type GraphStatus = {
  readonly state: 'kept';
  readonly channels: number;
  readonly nodes: number;
  readonly peers: number;
  readonly ageSeconds?: number;
};
export type Gossip = {
  readonly snapshots: Snapshots;
  readonly status: () => GraphStatus;
  /** A block joined the chain, and what it spends is no channel any more; undefined: the block of that height left it. */
  onBlock(height: number, block: Block | undefined): void;
  stop(): Promise<void>;
};

const PRUNE_EVERY_MS = 3_600_000;
const WRITE_EVERY_MS = 5_000;
/** The operator names these peers, so the rules for what apps may have dialled do not hold: it may be a node at home. */
const anywhere = { allow: ['0.0.0.0/0', '::/0'], ports: [], own: [] };

export function createGossip({ config, store, node, dialler, resolve, wheel, timers, log, metrics }: GossipParts): Gossip {
  const { limits } = config;
  const chainHash = chainHashOf(config.network);
  const ledger = openLedger({ store, chainHash, limits, clock: timers.nowMs, log });
  const funding = node === undefined ? noFunding : createFunding(node, limits.gossipChainCalls);
  const intake = createIntake({ ledger, funding, verifierOf: createVerifier(), limits, timers, log, metrics });
  const { graph, size, changes } = ledger;
  const snapshots = createSnapshots({ store, chainHash, graph, size, changes, limits, timers, log });
  const dialPeer = createPeerDialler(
    createDial({
      policy: anywhere,
      resolve,
      dialler,
      timeoutMs: limits.dialTimeoutMs,
      perTarget: new Buckets(timers.nowMs, limits.dialsPerTargetPerMinute),
    }),
    { limits, clock: timers.nowMs, wheel },
  );
  const staticSecret = Uint8Array.from(randomBytes(32));
  const peers: readonly GossipPeer[] = config.gossip.flatMap((text) => {
    const address = parseGossipPeer(text);
    const { newest, knows } = ledger;
    return address === undefined
      ? []
      : [startGossipPeer({ address, staticSecret, chainHash, dialPeer, intake, newest, knows, limits, timers, log, metrics })];
  });

  const every = (ms: number, run: () => void): Cancel => {
    let cancel: Cancel = () => {};
    const arm = (): void => {
      cancel = timers.after(ms, () => {
        run();
        arm();
      });
    };
    arm();
    return () => cancel();
  };
  const cancelPrune = every(PRUNE_EVERY_MS, () => {
    const pruned = ledger.prune();
    if (pruned > 0)
      log.info({ channels: pruned }, 'channels were forgotten: closed a while ago, or nothing was heard of them for two weeks');
  });
  const cancelWrites = every(WRITE_EVERY_MS, ledger.flush);

  const connected = (): number => peers.filter((peer) => peer.connected()).length;
  const ageSeconds = (): number | undefined => {
    const newest = snapshots.newest();
    return newest && Math.max(0, Math.floor(timers.nowMs() / 1000) - newest.timestamp);
  };
  metrics.gauge('beckon_gossip_peers', connected);
  metrics.gauge('beckon_gossip_queued', intake.waiting);
  metrics.gauge('beckon_graph_channels', () => ledger.channels());
  metrics.gauge('beckon_graph_age_seconds', () => ageSeconds() ?? 0);

  return {
    snapshots,
    status() {
      const age = ageSeconds();
      const counts = { channels: ledger.channels(), nodes: ledger.nodes(), peers: connected() };
      return { state: 'kept', ...counts, ...(age === undefined ? {} : { ageSeconds: age }) };
    },
    onBlock(height, block) {
      if (block === undefined) {
        ledger.unspent(height);
        return;
      }
      const closed = ledger.spent(
        height,
        block.txs.flatMap((tx) => tx.spends),
      );
      if (closed > 0) log.info({ channels: closed }, 'channels were closed');
    },
    async stop() {
      cancelPrune();
      cancelWrites();
      for (const peer of peers) peer.stop();
      await Promise.all([intake.stop(), snapshots.stop()]);
      ledger.flush();
      staticSecret.fill(0);
    },
  };
}
