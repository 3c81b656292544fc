import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { compare, toHex } from '../../shared/lib/bytes.ts';
import { edgeFlags, nodeIdOf } from '../../shared/ln/gossip/graph.ts';
import { parseGossipStore, REAL_GRAPH_TIME, realGraph } from './gossip-store.ts';

const real = realGraph();
const channels = Array.from({ length: real.channelCount }, (_, i) => i);
const off = (edge: number): boolean => ((real.flags[edge] ?? 0) & edgeFlags.disabled) !== 0;

test('the real graph has the nodes, channels and disabled channels that the file is known to have', () => {
  expect([real.nodeCount, real.channelCount]).toEqual([17_324, 50_808]);
  expect(channels.filter((i) => off(2 * i) && off(2 * i + 1))).toHaveLength(16_915);
});

test('its arrays are as a graph has them: ids ascend, ends are in order, no HTLC is above the capacity', () => {
  for (let i = 1; i < real.nodeCount; i += 1) expect(compare(nodeIdOf(real, i - 1), nodeIdOf(real, i))).toBeLessThan(0);
  const scids = [...real.shortChannelIds];
  expect(scids.every((scid, i) => i === 0 || (scids[i - 1] ?? scid) < scid)).toBe(true);
  expect(channels.filter((i) => (real.node1[i] ?? 0) >= (real.node2[i] ?? 0))).toEqual([]);
  const over = (edge: number): boolean => (real.htlcMaximumMsat[edge] ?? 0) > 1000 * (real.capacitySat[edge >> 1] ?? 0);
  expect(channels.filter((i) => over(2 * i) || over(2 * i + 1))).toEqual([]);
  expect(real.timestamp.every((at) => at < REAL_GRAPH_TIME && at >= REAL_GRAPH_TIME - 14 * 86_400)).toBe(true);
});

test('a direction belongs to the end that the file names, whatever their ids are', () => {
  // One channel from node 0 to node 1 and one from 0 to 2; only 0 takes fees (7 and 8 msat), node 2 is switched off.
  const columns = [
    [2, 0, 0, 1, 2, 3, 4],
    [2, 100, 200, 0, 1],
    [1, 1, 0, 0, 0, 0],
    [2, 0, 1, 0, 1, 0, 1],
    [3, 0, 7, 8, 1, 0, 2, 0],
    [1, 5, 0, 0, 0, 0],
    [1, 40, 0, 0, 0, 0],
  ];
  const graph = parseGossipStore(gzipSync(Uint8Array.from([...new TextEncoder().encode('GOSSMAP_COMPRESSv1\0'), ...columns.flat()])));
  const edges = [0, 1, 2, 3].map((edge) => ({
    from: toHex(nodeIdOf(graph, ((edge & 1) === 0 ? graph.node1 : graph.node2)[edge >> 1] ?? -1)),
    base: graph.feeBaseMsat[edge],
    off: graph.flags[edge],
    maximum: graph.htlcMaximumMsat[edge],
  }));
  // Node 0 is at both channels: its id is the one that two edges start from.
  const isHub = ({ from }: { readonly from: string }): boolean => edges.filter((other) => other.from === from).length === 2;
  const shown = edges.map((edge) => [isHub(edge), edge.base, edge.off !== edgeFlags.known, edge.maximum]);
  expect(shown).toHaveLength(4);
  expect(shown).toEqual(
    expect.arrayContaining([
      [true, 7, false, 100_000],
      [false, 0, false, 99_000],
      [true, 8, false, 200_000],
      [false, 0, true, 198_000],
    ]),
  );
});
