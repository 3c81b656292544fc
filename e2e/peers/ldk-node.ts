/**
 * One running LDK node: the objects wired together, restored from their files where there are any.
 * Monitors are read first, then the manager, then each monitor is brought to the tip, watched, and the manager fed.
 */
import {
  BestBlock,
  BroadcasterInterface,
  ChainMonitor,
  ChainParameters,
  ChannelManager,
  type ChannelMonitor,
  ChannelMonitorUpdateStatus,
  DefaultMessageRouter,
  DefaultRouter,
  type FeeEstimator,
  IgnoringMessageHandler,
  KeysManager,
  type Logger,
  MultiThreadedLockableScore,
  Network,
  NetworkGraph,
  Option_FilterZ,
  Option_UtxoLookupZ,
  type OutPoint,
  P2PGossipSync,
  PeerManager,
  Persist,
  ProbabilisticScorer,
  ProbabilisticScoringDecayParameters,
  ProbabilisticScoringFeeParameters,
  Result_C2Tuple_ThirtyTwoBytesChannelManagerZDecodeErrorZ_OK,
  Result_C2Tuple_ThirtyTwoBytesChannelMonitorZDecodeErrorZ_OK,
  TwoTuple_usizeTransactionZ,
  UtilMethods,
} from 'lightningdevkit';
import { reversed, toHex } from '../../shared/lib/bytes.ts';
import type { BlockListener, ChainPoint, ChainSource } from '../lab/source.ts';
import { follow } from '../lab/source.ts';
import { transactionsOf } from '../lab/wallet.ts';
import { type FeeLevel, feeEstimator, fileLogger, userConfig } from './ldk-setup.ts';
import type { LdkStore } from './ldk-store.ts';

export type LdkNode = {
  readonly keys: KeysManager;
  readonly manager: ChannelManager;
  readonly chainMonitor: ChainMonitor;
  readonly peers: PeerManager;
  readonly broadcaster: BroadcasterInterface;
  readonly fees: FeeEstimator;
  readonly logger: Logger;
  /** Feeds a block to monitor and manager, in the order LDK wants. */
  readonly listener: BlockListener;
  /** Where `listener` stands. */
  readonly at: ChainPoint;
};

export const txidOf = (outpoint: OutPoint): string => toHex(reversed(outpoint.get_txid()));
export const outpointText = (outpoint: OutPoint): string => `${txidOf(outpoint)}:${outpoint.get_index()}`;

const pointOf = (best: BestBlock): ChainPoint => ({ height: best.get_height(), hash: toHex(reversed(best.get_block_hash())) });

function persister(store: LdkStore): Persist {
  const key = (outpoint: OutPoint): string => `${txidOf(outpoint)}-${outpoint.get_index()}`;
  const write = (outpoint: OutPoint, monitor: ChannelMonitor): ChannelMonitorUpdateStatus => {
    store.writeMonitor(key(outpoint), monitor.write());
    return ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed;
  };
  return Persist.new_impl({
    persist_new_channel: write,
    update_persisted_channel: (outpoint, _update, monitor) => write(outpoint, monitor),
    archive_persisted_channel: (outpoint) => store.archiveMonitor(key(outpoint)),
  });
}

/** `broadcast` is called from inside LDK: it may only queue. */
export async function buildLdkNode(
  store: LdkStore,
  source: ChainSource,
  level: FeeLevel,
  broadcast: (txs: readonly Uint8Array[]) => void,
): Promise<LdkNode> {
  const logger = fileLogger(store.logFile);
  const fees = feeEstimator(level);
  const broadcaster = BroadcasterInterface.new_impl({ broadcast_transactions: broadcast });
  const now = Date.now();
  const keys = KeysManager.constructor_new(store.seed, BigInt(Math.floor(now / 1000)), (now % 1000) * 1_000_000);
  const entropy = keys.as_EntropySource();
  const nodeSigner = keys.as_NodeSigner();
  const signers = keys.as_SignerProvider();
  const chainMonitor = ChainMonitor.constructor_new(Option_FilterZ.constructor_none(), broadcaster, logger, fees, persister(store));
  const watch = chainMonitor.as_Watch();
  const graph = NetworkGraph.constructor_new(Network.LDKNetwork_Regtest, logger);
  const scorer = ProbabilisticScorer.constructor_new(ProbabilisticScoringDecayParameters.constructor_default(), graph, logger);
  const router = DefaultRouter.constructor_new(
    graph,
    logger,
    entropy,
    MultiThreadedLockableScore.constructor_new(scorer.as_Score()).as_LockableScore(),
    ProbabilisticScoringFeeParameters.constructor_default(),
  ).as_Router();
  const messageRouter = DefaultMessageRouter.constructor_new(graph, entropy).as_MessageRouter();
  const config = userConfig({ public: false });

  const monitors = store.monitors().map((bytes) => {
    const read = UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelMonitorZ_read(bytes, entropy, signers);
    if (!(read instanceof Result_C2Tuple_ThirtyTwoBytesChannelMonitorZDecodeErrorZ_OK)) throw new Error('a stored monitor cannot be read');
    return read.res.get_b();
  });

  let manager: ChannelManager;
  let at: ChainPoint;
  const stored = store.manager();
  if (stored === undefined) {
    at = await source.tip();
    const best = BestBlock.constructor_new(reversed(new Uint8Array(Buffer.from(at.hash, 'hex'))), at.height);
    manager = ChannelManager.constructor_new(
      fees,
      watch,
      broadcaster,
      router,
      messageRouter,
      logger,
      entropy,
      nodeSigner,
      signers,
      config,
      ChainParameters.constructor_new(Network.LDKNetwork_Regtest, best),
      Math.floor(now / 1000),
    );
  } else {
    const read = UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelManagerZ_read(
      stored,
      entropy,
      nodeSigner,
      signers,
      fees,
      watch,
      broadcaster,
      router,
      messageRouter,
      logger,
      config,
      monitors,
    );
    if (!(read instanceof Result_C2Tuple_ThirtyTwoBytesChannelManagerZDecodeErrorZ_OK))
      throw new Error('the stored manager cannot be read');
    manager = read.res.get_b();
    at = pointOf(manager.current_best_block());
    const target = await source.tip();
    for (const monitor of monitors) {
      await follow(source, pointOf(monitor.current_best_block()), monitorListener(monitor, broadcaster, fees, logger), target.height);
      if (!watch.watch_channel(monitor.get_funding_txo().get_a(), monitor).is_ok()) throw new Error('a stored monitor cannot be watched');
    }
    at = await follow(source, at, asListener(manager.as_Listen()), target.height);
  }

  const ignoring = IgnoringMessageHandler.constructor_new();
  const gossip = P2PGossipSync.constructor_new(graph, Option_UtxoLookupZ.constructor_none(), logger);
  const peers = PeerManager.constructor_new(
    manager.as_ChannelMessageHandler(),
    gossip.as_RoutingMessageHandler(),
    ignoring.as_OnionMessageHandler(),
    ignoring.as_CustomMessageHandler(),
    Math.floor(now / 1000),
    entropy.get_secure_random_bytes(),
    logger,
    nodeSigner,
  );

  const first = asListener(chainMonitor.as_Listen());
  const second = asListener(manager.as_Listen());
  const listener: BlockListener = {
    connect(block, height) {
      first.connect(block, height);
      second.connect(block, height);
    },
    disconnect(header, height) {
      first.disconnect(header, height);
      second.disconnect(header, height);
    },
  };
  return { keys, manager, chainMonitor, peers, broadcaster, fees, logger, listener, at };
}

const asListener = (listen: ReturnType<ChannelManager['as_Listen']>): BlockListener => ({
  connect: (block, height) => listen.block_connected(block, height),
  disconnect: (header, height) => listen.block_disconnected(header, height),
});

/** A monitor that nobody watches yet takes headers and transactions instead of blocks. */
const monitorListener = (
  monitor: ChannelMonitor,
  broadcaster: BroadcasterInterface,
  fees: FeeEstimator,
  logger: Logger,
): BlockListener => ({
  connect(block, height) {
    const txs = transactionsOf(block).map((tx, index) => TwoTuple_usizeTransactionZ.constructor_new(index, tx));
    monitor.block_connected(block.slice(0, 80), txs, height, broadcaster, fees, logger);
  },
  disconnect: (header, height) => monitor.block_disconnected(header, height, broadcaster, fees, logger),
});
