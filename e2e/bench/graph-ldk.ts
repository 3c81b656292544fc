/**
 * The same graph for LDK: as a rapid gossip sync snapshot of version 1, the way its phones get theirs, and what its wasm takes to read it.
 * LDK takes only ids that are points of the curve, so each node gets one here.
 */
import { createHash } from 'node:crypto';
import { Logger, Network, NetworkGraph, Option_u64Z, RapidGossipSync, Result_u32GraphSyncErrorZ_OK } from 'lightningdevkit';
import { concat, fromHex } from '../../shared/lib/bytes.ts';
import { Writer } from '../../shared/lib/writer.ts';
import { edgeFlags, type Graph } from '../../shared/ln/gossip/graph.ts';
import { pointFromSecret } from '../../shared/ln/keys/secp.ts';
import { bigsize } from '../../shared/ln/wire/codec.ts';
import { REAL_GRAPH_TIME } from '../lab/gossip-store.ts';
import { loadLdk } from '../peers/ldk-setup.ts';

const GENESIS = '6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000';
const EVERY_FIELD = 0b0111_1100;

/** Call `fastCurve` first: a key for each node. */
export function rapidSnapshot(graph: Graph): Uint8Array {
  const to = new Writer();
  to.bytes(concat(Uint8Array.of(76, 68, 75, 1), fromHex(GENESIS)));
  to.uint(4, REAL_GRAPH_TIME);
  to.uint(4, graph.nodeCount);
  for (let node = 0; node < graph.nodeCount; node += 1) to.bytes(pointFromSecret(createHash('sha256').update(`${node}`).digest()));
  to.uint(4, graph.channelCount);
  const scids = [...graph.shortChannelIds];
  scids.forEach((scid, i) => {
    to.uint(2, 0);
    bigsize.write(to, scid - (scids[i - 1] ?? 0n));
    bigsize.write(to, BigInt(graph.node1[i] ?? 0));
    bigsize.write(to, BigInt(graph.node2[i] ?? 0));
  });
  const edges = Array.from(graph.flags.keys()).filter((edge) => graph.flags[edge] !== 0);
  to.uint(4, edges.length);
  // The defaults, which no update here makes use of.
  to.bytes(new Uint8Array(2 + 8 + 4 + 4 + 8));
  let last = 0n;
  for (const edge of edges) {
    const scid = scids[edge >> 1] ?? 0n;
    bigsize.write(to, scid - last);
    last = scid;
    to.uint(1, (edge & 1) | ((graph.flags[edge] ?? 0) & edgeFlags.disabled) | EVERY_FIELD);
    to.uint(2, graph.cltvExpiryDelta[edge] ?? 0);
    to.big(8, BigInt(graph.htlcMinimumMsat[edge] ?? 0));
    to.uint(4, graph.feeBaseMsat[edge] ?? 0);
    to.uint(4, graph.feeProportionalMillionths[edge] ?? 0);
    to.big(8, BigInt(graph.htlcMaximumMsat[edge] ?? 0));
  }
  return to.done();
}

/** ms to take the snapshot, and how many channels are there then. */
export async function ldkTakes(snapshot: Uint8Array): Promise<{ readonly ms: number; readonly channels: number }> {
  await loadLdk();
  const logger = Logger.new_impl({ log: () => undefined });
  const network = NetworkGraph.constructor_new(Network.LDKNetwork_Bitcoin, logger);
  const sync = RapidGossipSync.constructor_new(network, logger);
  const from = performance.now();
  const result = sync.update_network_graph_no_std(snapshot, Option_u64Z.constructor_some(BigInt(REAL_GRAPH_TIME)));
  const ms = performance.now() - from;
  if (!(result instanceof Result_u32GraphSyncErrorZ_OK)) throw new Error('LDK refused the snapshot');
  // A lock on the graph, which the garbage collector may not open.
  const view = network.read_only();
  const channels = view.list_channels().length;
  view.free();
  return { ms, channels };
}
