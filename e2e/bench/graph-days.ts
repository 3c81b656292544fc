/** The real graph as a relay would send it, and a day later. */
import { compare } from '../../shared/lib/bytes.ts';
import { copyChannel, newChannels } from '../../shared/ln/gossip/columns.ts';
import { edgeFlags, type Graph, incidence, nodeIdOf } from '../../shared/ln/gossip/graph.ts';
import { dice } from '../lab/gossip-store.ts';

const DAY = 86_400;

/** As `toGraph` has them. */
export const inDays = (graph: Graph): Graph => ({ ...graph, timestamp: graph.timestamp.map((time) => time - (time % DAY)) });

export const isOff = ({ flags }: Graph, channel: number): boolean =>
  [flags[2 * channel] ?? 0, flags[2 * channel + 1] ?? 0].every((flag) => flag !== edgeFlags.known);

type NewChannel = { readonly shortChannelId: bigint; readonly ends: readonly [Uint8Array, Uint8Array]; readonly like: number };

/** The channels that are kept and some more, which take all but their ends from another; and the nodes that have one. */
export function rebuilt(graph: Graph, keep: (channel: number) => boolean, more: readonly NewChannel[] = []): Graph {
  type Row = { readonly shortChannelId: bigint; readonly from: number; readonly ends: readonly [Uint8Array, Uint8Array] };
  const rows: Row[] = more.map(({ like, ...row }) => ({ ...row, from: like }));
  for (let i = 0; i < graph.channelCount; i += 1) {
    if (!keep(i)) continue;
    const ends = [nodeIdOf(graph, graph.node1[i] ?? 0), nodeIdOf(graph, graph.node2[i] ?? 0)] as const;
    rows.push({ shortChannelId: graph.shortChannelIds[i] ?? 0n, from: i, ends });
  }
  rows.sort((a, b) => (a.shortChannelId < b.shortChannelId ? -1 : 1));
  const key = (id: Uint8Array): string => Buffer.from(id).toString('latin1');
  const ids = [...new Map(rows.flatMap(({ ends }) => ends).map((id) => [key(id), id])).values()].sort(compare);
  const places = new Map(ids.map((id, i) => [key(id), i]));
  const channels = newChannels(rows.length);
  rows.forEach(({ shortChannelId, from, ends }, i) => {
    const [a = 0, b = 0] = ends.map((id) => places.get(key(id)));
    copyChannel(graph, from, channels, i);
    channels.shortChannelIds[i] = shortChannelId;
    channels.node1[i] = Math.min(a, b);
    channels.node2[i] = Math.max(a, b);
  });
  const nodeIds = Uint8Array.from(Buffer.concat(ids));
  return { nodeCount: ids.length, nodeIds, ...channels, ...incidence(ids.length, channels.node1, channels.node2) };
}

/** Of a thousand directed edges, or channels; a guess on the high side, for the file is of one day. */
export const changesOfADay = {
  /** Said again without news, as LND and LDK do before two weeks are over. */
  repeated: 300,
  /** New fees. */
  fees: 200,
  /** Of those with new fees, also a new `htlc_maximum_msat`. */
  alsoMaximum: 250,
  /** Switched off, or on again. */
  switched: 30,
  closed: 5,
  opened: 5,
  /** Of the opened ones, by a node that had none. */
  byNewNode: 100,
} as const;

/** The same each time. `at`: of the later day. */
export function nextDay(graph: Graph, at: number): Graph {
  const roll = dice(17);
  const chance = (ofThousand: number): boolean => roll(1000) < ofThousand;
  const newId = (): Uint8Array => Uint8Array.from({ length: 33 }, (_, i) => (i === 0 ? 2 + roll(2) : roll(256)));
  const tip = graph.shortChannelIds.at(-1) ?? 0n;
  const opened = Array.from({ length: Math.round((graph.channelCount * changesOfADay.opened) / 1000) }, (_, i) => {
    // Who has many channels gets more.
    const end = (): Uint8Array => nodeIdOf(graph, (roll(2) === 0 ? graph.node1 : graph.node2)[roll(graph.channelCount)] ?? 0);
    const one = end();
    let two = chance(changesOfADay.byNewNode) ? newId() : end();
    while (compare(one, two) === 0) two = newId();
    const block = (tip >> 40n) + BigInt(1 + roll(144));
    return {
      shortChannelId: (block << 40n) | (BigInt(i) << 16n) | BigInt(roll(2)),
      ends: [one, two] as const,
      like: roll(graph.channelCount),
    };
  });
  const closed = new Set(Array.from({ length: graph.channelCount }, (_, i) => i).filter(() => chance(changesOfADay.closed)));
  const next = rebuilt(graph, (channel) => !closed.has(channel), opened);
  const { flags, feeProportionalMillionths, htlcMaximumMsat, capacitySat, timestamp } = next;
  for (let edge = 0; edge < flags.length; edge += 1) {
    const fate = roll(1000);
    const isNew = (next.shortChannelIds[edge >> 1] ?? 0n) > tip;
    if (flags[edge] === 0 || (!isNew && fate >= changesOfADay.repeated + changesOfADay.fees + changesOfADay.switched)) continue;
    timestamp[edge] = at - (at % DAY);
    if (isNew) continue;
    if (fate < changesOfADay.fees) {
      feeProportionalMillionths[edge] = Math.round(((feeProportionalMillionths[edge] ?? 0) + 1) * (0.5 + roll(1000) / 1000));
      if (chance(changesOfADay.alsoMaximum)) htlcMaximumMsat[edge] = Math.floor(((capacitySat[edge >> 1] ?? 0) * roll(1000)) / 1000) * 1000;
    } else if (fate < changesOfADay.fees + changesOfADay.switched) flags[edge] = (flags[edge] ?? 0) ^ edgeFlags.disabled;
  }
  return next;
}
