/**
 * Where the messages of all gossip peers wait, are checked and are put into the ledger: one after the other, so that none is checked
 * twice, and a peer that floods takes its own turns only. The order of the work is the order of its cost: known before, rules and
 * signatures, the chain. Signatures cost a millisecond: after a turn of `gossipTurnMs` the event loop has at least as long for apps.
 */
import type { AnnouncedChannel } from '../../shared/ln/gossip/book.ts';
import { decodeMessage } from '../../shared/ln/wire/registry.ts';
import type { Limits } from '../config.ts';
import { Buckets } from '../keeper/buckets.ts';
import type { Logger, Metrics } from '../ports.ts';
import type { Timers } from '../timers.ts';
import type { Funding, Verdict } from './funding.ts';
import type { Ledger } from './ledger.ts';
import type { Verify } from './verify.ts';

/** `unfunded`: the chain has no such channel. Re-orgs and closings make honest peers say that now and then. */
export type Offence = 'bad-signature' | 'malformed' | 'unfunded';
export type FeedEvents = {
  /** There is room again. */
  resume(): void;
  /** A message told nothing new. */
  useless(): void;
  offence(what: Offence): void;
};
/** One peer's way in. */
export type Feed = {
  /** Takes the message always; `false`: send no more before `resume`. */
  push(message: Uint8Array): boolean;
  /** What waits is forgotten. */
  close(): void;
};
export type Intake = {
  open(events: FeedEvents): Feed;
  readonly waiting: () => number;
  /** Settles when nothing is under way. */
  stop(): Promise<void>;
};
export type IntakeParts = {
  readonly ledger: Ledger;
  readonly funding: Funding;
  readonly verifierOf: (message: Uint8Array) => Verify;
  readonly limits: Limits;
  readonly timers: Timers;
  readonly log: Logger;
  readonly metrics: Metrics;
};

/** What is asked of the Bitcoin node together. */
const BATCH = 64;
const HOUR_MS = 3_600_000;

type Queue = { readonly events: FeedEvents; messages: Uint8Array[]; bytes: number; paused: boolean; closed: boolean };
type Item = { readonly queue: Queue; readonly raw: Uint8Array };
type Announced = Item & { readonly channel: AnnouncedChannel };

export function createIntake({ ledger, funding, verifierOf, limits, timers, log, metrics }: IntakeParts): Intake {
  const queues = new Set<Queue>();
  const updates = new Buckets(timers.nowMs, limits.gossipUpdatesPerHour, HOUR_MS);
  let stopped = false;
  let running: Promise<void> | undefined;
  let turnStartMs = 0;

  const tell = (what: string): void => metrics.count('beckon_gossip_messages_total', what);
  const useless = ({ queue }: Item, what: string): void => {
    tell(what);
    if (!queue.closed) queue.events.useless();
  };
  const offend = ({ queue }: Item, what: Offence): void => {
    tell(what);
    if (!queue.closed) queue.events.offence(what);
  };

  /** Lets everything else have its time. */
  const breathe = async (): Promise<void> => {
    const workedMs = performance.now() - turnStartMs;
    if (workedMs < limits.gossipTurnMs) return;
    await new Promise<void>((resolve) => {
      timers.after(workedMs, resolve);
    });
    turnStartMs = performance.now();
  };

  /** The next messages, one of each peer in turn. */
  const take = (): Item[] => {
    const items: Item[] = [];
    for (let found = true; found && items.length < BATCH; ) {
      found = false;
      for (const queue of queues) {
        const raw = queue.messages.shift();
        if (raw === undefined) continue;
        queue.bytes -= raw.length;
        items.push({ queue, raw });
        found = true;
      }
    }
    return items;
  };

  /** What the ledger makes of it; a channel is then for the chain to judge. */
  const hear = (item: Item): AnnouncedChannel | undefined => {
    if (item.queue.closed) return undefined;
    const decoded = decodeMessage(item.raw);
    if (!decoded.ok) {
      offend(item, 'malformed');
      return undefined;
    }
    const message = decoded.value;
    if (message.name !== 'channel_announcement' && message.name !== 'channel_update' && message.name !== 'node_announcement')
      return undefined;
    const isTooOften = (): boolean =>
      message.name === 'channel_update' &&
      ledger.isNewer(message) &&
      updates.take(`${message.shortChannelId}:${message.channelFlags & 1}`) > 0;
    if (isTooOften()) {
      useless(item, 'too-often');
      return undefined;
    }
    const heard = ledger.hear(message, item.raw, verifierOf(item.raw));
    switch (heard.tag) {
      case 'new-channel':
        return heard.channel;
      case 'taken':
        tell(message.name);
        return undefined;
      case 'known':
        useless(item, 'known');
        return undefined;
      case 'ignored':
        useless(item, heard.why);
        return undefined;
      case 'refused':
        if (heard.error.code === 'bad-signature') offend(item, 'bad-signature');
        else useless(item, heard.error.code);
        return undefined;
    }
  };

  const settle = (item: Announced, verdict: Verdict): void => {
    const settled = ledger.settle(item.channel, item.raw, verdict);
    if (settled === 'taken') tell('channel_announcement');
    else if (settled === 'not-there') offend(item, 'unfunded');
    // Our own Bitcoin node is away.
    else if (settled === 'cannot-tell') tell(settled);
    else useless(item, settled);
  };

  /** Announcements first: what follows a channel in the stream of a peer is often about it. */
  const work = async (items: readonly Item[]): Promise<void> => {
    const isChannel = ({ raw }: Item): boolean => raw[1] === 0;
    const channels: Announced[] = [];
    for (const item of items.filter(isChannel)) {
      await breathe();
      const channel = hear(item);
      if (channel !== undefined) channels.push({ ...item, channel });
    }
    if (channels.length > 0) {
      const verdicts = await funding.look(channels.map(({ channel }) => channel));
      turnStartMs = performance.now();
      for (const [i, item] of channels.entries()) settle(item, verdicts[i] ?? { kind: 'cannot-tell' });
    }
    for (const item of items.filter((item) => !isChannel(item))) {
      await breathe();
      hear(item);
    }
  };

  const run = async (): Promise<void> => {
    turnStartMs = performance.now();
    for (let items = take(); items.length > 0 && !stopped; items = take()) {
      for (const queue of queues) {
        if (!queue.paused || 2 * queue.messages.length > limits.gossipQueueMessages || 2 * queue.bytes > limits.gossipQueueBytes) continue;
        queue.paused = false;
        queue.events.resume();
      }
      await work(items).catch((cause: unknown) => log.error({ err: cause }, 'gossip: a fault of ours'));
    }
  };
  const start = (): void => {
    running ??= run().finally(() => {
      running = undefined;
      // What came between the last look and now.
      if (!stopped && [...queues].some(({ messages }) => messages.length > 0)) start();
    });
  };

  return {
    waiting: () => [...queues].reduce((sum, { messages }) => sum + messages.length, 0),
    open(events) {
      const queue: Queue = { events, messages: [], bytes: 0, paused: false, closed: false };
      queues.add(queue);
      return {
        push(message) {
          if (queue.closed || stopped) return true;
          queue.messages.push(message);
          queue.bytes += message.length;
          start();
          if (queue.messages.length >= limits.gossipQueueMessages || queue.bytes >= limits.gossipQueueBytes) queue.paused = true;
          return !queue.paused;
        },
        close() {
          queue.closed = true;
          queue.messages = [];
          queue.bytes = 0;
          queues.delete(queue);
        },
      };
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}
