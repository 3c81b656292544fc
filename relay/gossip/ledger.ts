/**
 * The graph as the relay keeps it: the book in memory (`shared/ln/gossip/book.ts`), and in the database every message that the book has taken,
 * as it came, so that a restart hears them again and goes on from there. What is on our own disk is believed without its signatures.
 */
import { toHex } from '../../shared/lib/bytes.ts';
import {
  type AnnouncedChannel,
  addChannel,
  type Book,
  type GossipMessage,
  type Heard,
  hear,
  markSpent,
  newBook,
  prune,
  refuse,
} from '../../shared/ln/gossip/book.ts';
import { directionOf } from '../../shared/ln/gossip/check.ts';
import type { Graph } from '../../shared/ln/gossip/graph.ts';
import { toGraph } from '../../shared/ln/gossip/to-graph.ts';
import type { ChannelUpdate } from '../../shared/ln/wire/messages/gossip.ts';
import { decodeMessage } from '../../shared/ln/wire/registry.ts';
import type { Limits } from '../config.ts';
import type { Clock, Logger, Store } from '../ports.ts';
import type { Verdict } from './funding.ts';
import type { Verify } from './verify.ts';

export type LedgerParts = {
  readonly store: Store;
  readonly chainHash: Uint8Array;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Logger;
};
/** `known`, `full`: it was announced twice in a row, or others took the last places meanwhile. */
export type Settled = 'taken' | 'known' | 'full' | Exclude<Verdict['kind'], 'there'>;
export type Ledger = {
  /** Would this update be the newest of its direction? Asked before it costs anything. */
  isNewer(update: ChannelUpdate): boolean;
  /** On `new-channel` the caller asks the chain and comes back with `settle` before it lets anything else be heard. */
  hear(message: GossipMessage, raw: Uint8Array, verify: Verify): Heard;
  settle(channel: AnnouncedChannel, raw: Uint8Array, verdict: Verdict): Settled;
  /** How many channels these outputs (`txid:vout`) were of. */
  spent(height: number, outpoints: readonly string[]): number;
  /** The block of that height left the chain. */
  unspent(height: number): void;
  /** How many channels went. */
  prune(): number;
  /** Writes what was taken since the last time. What a crash loses is heard again. */
  flush(): void;
  readonly graph: () => Graph;
  /** Known, or not wanted. */
  readonly knows: (shortChannelId: bigint) => boolean;
  /** The newest time in an update, seconds; 0: there is none. */
  readonly newest: () => number;
  readonly channels: () => number;
  readonly nodes: () => number;
  /** Channels and policies. */
  readonly size: () => number;
  /** What was taken and what went, since the start. */
  readonly changes: () => number;
};

/** Writes that wait at most, for the next `flush`: a transaction is a visit to the disk, and gossip trickles in. */
const WRITES_WAITING = 500;
const believes: Verify = () => true;

export function openLedger({ store, chainHash, limits, clock, log }: LedgerParts): Ledger {
  const { db } = store;
  const book: Book = newBook({ channels: limits.gossipChannels });
  const byOutpoint = new Map<string, bigint>();
  let height = 0;
  let newest = 0;
  let policies = 0;
  let changes = 0;
  /** Not looked for again when a peer names them; the book itself goes by the keys, too. */
  const refusedIds = new Set<bigint>();
  let refusedSinceMs = clock();
  let writes: (() => void)[] = [];

  const seconds = (): number => Math.floor(clock() / 1000);
  const env = (verify: Verify) => ({ chainHash, now: seconds(), verify });
  const known = (update: ChannelUpdate): number | undefined =>
    book.channels.get(update.shortChannelId)?.policies[directionOf(update)]?.timestamp;
  const took = (message: GossipMessage, before: number | undefined): void => {
    changes += 1;
    if (message.name !== 'channel_update') return;
    newest = Math.max(newest, message.timestamp);
    if (before === undefined) policies += 1;
  };

  const insertChannel = db.prepare(
    'INSERT OR REPLACE INTO gossip_channels (scid, announcement, capacity_sat, outpoint) VALUES (?, ?, ?, ?)',
  );
  const setUpdate = [
    db.prepare('UPDATE gossip_channels SET update1 = ? WHERE scid = ?'),
    db.prepare('UPDATE gossip_channels SET update2 = ? WHERE scid = ?'),
  ] as const;
  const setSpent = db.prepare('UPDATE gossip_channels SET spent_at = ? WHERE scid = ?');
  const deleteChannel = db.prepare('DELETE FROM gossip_channels WHERE scid = ?');
  const insertNode = db.prepare('INSERT OR REPLACE INTO gossip_nodes (node_id, announcement) VALUES (?, ?)');
  const deleteNode = db.prepare('DELETE FROM gossip_nodes WHERE node_id = ?');

  const flush = (): void => {
    if (writes.length === 0) return;
    const all = writes;
    writes = [];
    store.transaction(() => {
      for (const write of all) write();
    });
  };

  const later = (write: () => void): void => {
    writes.push(write);
    if (writes.length >= WRITES_WAITING) flush();
  };

  const recall = (): void => {
    const hearAgain = (raw: unknown): Heard['tag'] | AnnouncedChannel => {
      const decoded = raw instanceof Uint8Array ? decodeMessage(raw) : undefined;
      const message = decoded?.ok ? decoded.value : undefined;
      if (message?.name !== 'channel_announcement' && message?.name !== 'channel_update' && message?.name !== 'node_announcement')
        return 'ignored';
      const heard = hear(book, message, env(believes));
      if (heard.tag === 'taken') took(message, undefined);
      return heard.tag === 'new-channel' ? heard.channel : heard.tag;
    };
    for (const row of db
      .prepare('SELECT announcement, capacity_sat, outpoint, spent_at, update1, update2 FROM gossip_channels')
      .iterate()) {
      const channel = hearAgain(row.announcement);
      if (typeof channel === 'string') continue;
      // As old as it may be: what was not heard of since is pruned after the next two weeks.
      addChannel(book, channel, { capacitySat: Number(row.capacity_sat), now: seconds() });
      if (typeof row.outpoint === 'string') byOutpoint.set(row.outpoint, channel.shortChannelId);
      hearAgain(row.update1);
      hearAgain(row.update2);
      if (row.spent_at !== null) markSpent(book, channel.shortChannelId, Number(row.spent_at));
    }
    for (const row of db.prepare('SELECT announcement FROM gossip_nodes').iterate()) hearAgain(row.announcement);
    changes = 0;
  };
  const startedMs = performance.now();
  recall();
  log.info({ channels: book.channels.size, policies, ms: Math.round(performance.now() - startedMs) }, 'the channel graph of the last run');

  const ledger: Ledger = {
    isNewer: (update) => {
      const before = known(update);
      return before === undefined ? book.channels.has(update.shortChannelId) : update.timestamp > before;
    },
    hear(message, raw, verify) {
      const before = message.name === 'channel_update' ? known(message) : undefined;
      const heard = hear(book, message, env(verify));
      if (heard.tag !== 'taken') return heard;
      took(message, before);
      if (message.name === 'channel_update') {
        const { shortChannelId } = message;
        later(() => setUpdate[directionOf(message)].run(raw, keyOf(shortChannelId)));
      } else if (message.name === 'node_announcement') later(() => insertNode.run(message.nodeId, raw));
      return heard;
    },
    settle(channel, raw, verdict) {
      if (verdict.kind === 'not-there') {
        refuse(book, channel);
        refusedIds.add(channel.shortChannelId);
      }
      if (verdict.kind !== 'there') return verdict.kind;
      if (book.channels.has(channel.shortChannelId)) return 'known';
      if (!addChannel(book, channel, { capacitySat: verdict.capacitySat, now: seconds() })) return 'full';
      const { capacitySat, outpoint } = verdict;
      if (outpoint !== undefined) byOutpoint.set(outpoint, channel.shortChannelId);
      changes += 1;
      later(() => insertChannel.run(keyOf(channel.shortChannelId), raw, capacitySat, outpoint ?? null));
      return 'taken';
    },
    spent(at, outpoints) {
      height = at;
      let count = 0;
      for (const outpoint of outpoints) {
        const shortChannelId = byOutpoint.get(outpoint);
        if (shortChannelId === undefined) continue;
        markSpent(book, shortChannelId, at);
        later(() => setSpent.run(at, keyOf(shortChannelId)));
        changes += 1;
        count += 1;
      }
      flush();
      return count;
    },
    unspent(left) {
      height = left - 1;
      for (const { shortChannelId, spentAt } of book.channels.values()) {
        if (spentAt === undefined || spentAt < left) continue;
        markSpent(book, shortChannelId, undefined);
        later(() => setSpent.run(null, keyOf(shortChannelId)));
        changes += 1;
      }
      flush();
    },
    prune() {
      if (clock() - refusedSinceMs >= limits.gossipRefusedMs || refusedIds.size > limits.gossipChannels) {
        book.refused.clear();
        refusedIds.clear();
        refusedSinceMs = clock();
      }
      const gone = prune(book, { now: seconds(), height });
      if (gone.length === 0) return 0;
      changes += gone.length;
      policies = [...book.channels.values()].reduce(
        (sum, channel) => sum + channel.policies.filter((policy) => policy !== undefined).length,
        0,
      );
      for (const shortChannelId of gone) later(() => deleteChannel.run(keyOf(shortChannelId)));
      const isGone = new Set(gone);
      for (const [outpoint, shortChannelId] of byOutpoint) if (isGone.has(shortChannelId)) byOutpoint.delete(outpoint);
      const kept = db.prepare('SELECT node_id FROM gossip_nodes').all();
      for (const { node_id: id } of kept) if (id instanceof Uint8Array && !book.nodes.has(toHex(id))) later(() => deleteNode.run(id));
      flush();
      return gone.length;
    },
    flush,
    // What the chain shows as spent is closed, or soon has another id: a splice is announced anew.
    graph: () => toGraph({ ...book, channels: new Map([...book.channels].filter(([, { spentAt }]) => spentAt === undefined)) }),
    knows: (shortChannelId) => book.channels.has(shortChannelId) || refusedIds.has(shortChannelId),
    newest: () => newest,
    channels: () => book.channels.size,
    nodes: () => book.nodes.size,
    size: () => book.channels.size + policies,
    changes: () => changes,
  };
  return ledger;
}

/** Eight bytes that sort as the number does. */
function keyOf(shortChannelId: bigint): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, shortChannelId);
  return key;
}
