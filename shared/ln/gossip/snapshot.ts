/**
 * A graph as bytes, to be gzipped by whoever carries it. From a relay they are hostile: what they say is checked for form and order, and
 * is then as true as gossip is. Callers must still check that the chain is theirs, and bound what they unzip.
 * `delta.ts` has what changes from one snapshot to the next.
 */
import { concat } from '../../lib/bytes.ts';
import type { Result } from '../../lib/result.ts';
import { packChannels, packNodes, unpackChannels, unpackNodes } from './columns.ts';
import type { Graph } from './graph.ts';
import { Packer, type SnapshotError, Unpacker, unpacked } from './pack.ts';

/** `timestamp`: when the graph was taken, seconds since 1970; it names the graph. */
export type SnapshotMeta = { readonly chainHash: Uint8Array; readonly timestamp: number };
export type Snapshot = SnapshotMeta & { readonly graph: Graph };

/** "bkg" and the version. */
const MAGIC = Uint8Array.of(0x62, 0x6b, 0x67, 1);

export function encodeSnapshot(graph: Graph, { chainHash, timestamp }: SnapshotMeta): Uint8Array {
  const to = new Packer();
  to.bytes(concat(MAGIC, chainHash));
  to.varint(timestamp);
  packNodes(to, graph.nodeIds);
  packChannels(to, graph, graph.nodeCount);
  return to.done();
}

/** Never throws. The graph shares no bytes with `bytes`. */
export function decodeSnapshot(bytes: Uint8Array): Result<Snapshot, SnapshotError> {
  return unpacked(() => {
    const from = new Unpacker(bytes);
    from.magic(MAGIC);
    const chainHash = Uint8Array.from(from.bytes(32));
    const timestamp = from.varint();
    const nodeIds = unpackNodes(from);
    const nodeCount = nodeIds.length / 33;
    const graph = { nodeCount, nodeIds, ...unpackChannels(from, nodeCount) };
    from.end();
    return { graph, chainHash, timestamp };
  });
}
