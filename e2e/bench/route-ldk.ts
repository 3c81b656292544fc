/**
 * LDK's `find_route` over the same graph as ours. It reads a graph from a rapid gossip sync snapshot, so one is made: version 1, as
 * lightning-rapid-gossip-sync reads it. Capacities are not in it, so both take what one HTLC may be at most for the capacity.
 */
import {
  DefaultRouter,
  EntropySource,
  InFlightHtlcs,
  Logger,
  MultiThreadedLockableScore,
  Network,
  NetworkGraph,
  Option_u64Z,
  PaymentParameters,
  ProbabilisticScorer,
  ProbabilisticScoringDecayParameters,
  ProbabilisticScoringFeeParameters,
  RapidGossipSync,
  Result_RouteLightningErrorZ_OK,
  Result_u32GraphSyncErrorZ_OK,
  RouteParameters,
} from 'lightningdevkit';
import { fromHex } from '../../shared/lib/bytes.ts';
import { Writer } from '../../shared/lib/writer.ts';
import { edgeFlags, type Graph } from '../../shared/ln/gossip/graph.ts';
import { bigsize } from '../../shared/ln/wire/codec.ts';
import { loadLdk } from '../peers/ldk-setup.ts';

const CHAIN_HASH = '6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000';
export function rapidSnapshot(graph: Graph, timestamp: number): Uint8Array {
  const to = new Writer();
  to.bytes(Uint8Array.of(76, 68, 75, 1));
  to.bytes(fromHex(CHAIN_HASH));
  to.uint(4, timestamp);
  to.uint(4, graph.nodeCount);
  to.bytes(graph.nodeIds);
  to.uint(4, graph.channelCount);
  let before = 0n;
  for (const [channel, id] of graph.shortChannelIds.entries()) {
    to.uint(2, 0);
    bigsize.write(to, id - before);
    bigsize.write(to, BigInt(graph.node1[channel] ?? 0));
    bigsize.write(to, BigInt(graph.node2[channel] ?? 0));
    before = id;
  }
  const told = [...graph.flags.keys()].filter((edge) => ((graph.flags[edge] ?? 0) & edgeFlags.known) !== 0);
  to.uint(4, told.length);
  // The defaults that nothing takes: every update says all of its own.
  for (const size of [2, 8, 4, 4, 8]) to.uint(size, 0);
  before = 0n;
  for (const edge of told) {
    const id = graph.shortChannelIds[edge >> 1] ?? 0n;
    bigsize.write(to, id - before);
    before = id;
    const disabled = ((graph.flags[edge] ?? 0) & edgeFlags.disabled) === 0 ? 0 : 2;
    to.bytes(Uint8Array.of(0b0111_1100 | disabled | (edge & 1)));
    to.uint(2, graph.cltvExpiryDelta[edge] ?? 0);
    to.uint(8, graph.htlcMinimumMsat[edge] ?? 0);
    to.uint(4, graph.feeBaseMsat[edge] ?? 0);
    to.uint(4, graph.feeProportionalMillionths[edge] ?? 0);
    to.uint(8, graph.htlcMaximumMsat[edge] ?? 0);
  }
  return to.done();
}

export type Asked = {
  readonly payer: Uint8Array;
  readonly payee: Uint8Array;
  readonly amountMsat: bigint;
  readonly maxFeeMsat: bigint;
  readonly maxBlocks: number;
  readonly finalBlocks: number;
  readonly maxHops: number;
  readonly maxParts: number;
};
export type LdkHop = { readonly shortChannelId: bigint; readonly nodeId: Uint8Array; readonly amountMsat: bigint };
/** Undefined: it found none. */
export type LdkAnswer = { readonly ms: number; readonly paths: readonly (readonly LdkHop[])[] | undefined };
export type LdkRouter = { readonly loadMs: number; readonly find: (asked: Asked) => LdkAnswer };

export async function ldkRouter(graph: Graph, timestamp: number): Promise<LdkRouter> {
  await loadLdk();
  // It calls this for every line from the finest level on, wanted or not: part of what its package costs.
  const logger = Logger.new_impl({ log: () => undefined });
  const network = NetworkGraph.constructor_new(Network.LDKNetwork_Bitcoin, logger);
  const bytes = rapidSnapshot(graph, timestamp);
  const from = performance.now();
  const read = RapidGossipSync.constructor_new(network, logger).update_network_graph_no_std(bytes, Option_u64Z.constructor_none());
  if (!(read instanceof Result_u32GraphSyncErrorZ_OK)) throw new Error('LDK does not read the snapshot');
  const loadMs = performance.now() - from;
  const entropy = EntropySource.new_impl({ get_secure_random_bytes: () => new Uint8Array(32).fill(7) });
  const scorer = ProbabilisticScorer.constructor_new(ProbabilisticScoringDecayParameters.constructor_default(), network, logger);
  const router = DefaultRouter.constructor_new(
    network,
    logger,
    entropy,
    MultiThreadedLockableScore.constructor_new(scorer.as_Score()).as_LockableScore(),
    ProbabilisticScoringFeeParameters.constructor_default(),
  ).as_Router();

  const find = ({ payer, payee, amountMsat, maxFeeMsat, maxBlocks, finalBlocks, maxHops, maxParts }: Asked): LdkAnswer => {
    const payment = PaymentParameters.constructor_for_keysend(payee, finalBlocks, maxParts > 1);
    payment.set_max_total_cltv_expiry_delta(maxBlocks);
    payment.set_max_path_count(maxParts);
    payment.set_max_path_length(maxHops);
    const parameters = RouteParameters.constructor_new(payment, amountMsat, Option_u64Z.constructor_some(maxFeeMsat));
    const inFlight = InFlightHtlcs.constructor_new();
    const before = performance.now();
    const result = router.find_route(payer, parameters, null, inFlight);
    const ms = performance.now() - before;
    if (!(result instanceof Result_RouteLightningErrorZ_OK)) return { ms, paths: undefined };
    const paths = result.res.get_paths().map((path) => {
      // A hop's fee is what its node keeps for the next one; the last one's is what arrives.
      let amount = 0n;
      const hops = path.get_hops().map((hop) => ({ hop, kept: hop.get_fee_msat() }));
      return hops
        .reverse()
        .map(({ hop, kept }) => {
          amount += kept;
          return { shortChannelId: hop.get_short_channel_id(), nodeId: hop.get_pubkey(), amountMsat: amount };
        })
        .reverse();
    });
    return { ms, paths };
  };
  return { loadMs, find };
}
