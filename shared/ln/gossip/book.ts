/**
 * What a relay keeps of the gossip that it hears, in memory: each public channel once, the newest `channel_update` of each direction, what
 * matters of each `node_announcement`. Every question that costs nothing is asked before a signature is checked: known already, no room, too old.
 *
 * Callers look for the output of a `new-channel` on their own chain (`check.ts`) and answer with `addChannel` or `refuse` before they go on
 * with messages of that peer, for its updates come next; and they tell of spends and new blocks. A `Book` is changed in place. Messages that
 * were taken can be kept on disk; heard again from there, with a `verify` that believes, they make the same book.
 */
import { equal, toHex } from '../../lib/bytes.ts';
import type { ChannelAnnouncement, ChannelUpdate, NodeAnnouncement } from '../wire/messages/gossip.ts';
import {
  checkChannelAnnouncement,
  checkChannelUpdate,
  checkNodeAnnouncement,
  directionOf,
  type GossipError,
  isDisabled,
  TWO_WEEKS_SECONDS,
  type Verify,
} from './check.ts';

/** Three to ten times what is public today. */
export const bookLimits = {
  channels: 250_000,
  /** Announcements that are not looked at again. */
  refused: 20_000,
  /** BOLT 7: "MAY choose NOT to for messages longer than the minimum expected length." */
  extraBytes: 256,
  /** Of a `node_announcement`; a name and a dozen addresses. */
  addressBytes: 1_024,
  // BOLT 7: "SHOULD forget a channel after a 72-block delay."
  spentBlocks: 72,
} as const;
export type BookLimits = { readonly [K in keyof typeof bookLimits]: number };

export type BookPolicy = {
  readonly timestamp: number;
  readonly disabled: boolean;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimumMsat: bigint;
  readonly htlcMaximumMsat: bigint;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
};
export type BookNode = {
  readonly id: Uint8Array;
  /** In how many channels of the book. */
  channels: number;
  /** Of the newest announcement; 0 before there is one. */
  timestamp: number;
  routable: boolean;
  alias?: Uint8Array;
  addresses?: Uint8Array;
};
export type BookChannel = {
  readonly shortChannelId: bigint;
  readonly nodes: readonly [BookNode, BookNode];
  readonly routable: boolean;
  readonly heardAt: number;
  readonly capacitySat: number;
  /** Of the block with the spend. */
  spentAt: number | undefined;
  readonly policies: [BookPolicy | undefined, BookPolicy | undefined];
};
export type Book = {
  readonly limits: BookLimits;
  readonly channels: Map<bigint, BookChannel>;
  readonly nodes: Map<string, BookNode>;
  /** By `nameOf`, in the order they came, the oldest first. */
  readonly refused: Set<string>;
};

export const newBook = (limits: Partial<BookLimits> = {}): Book => ({
  limits: { ...bookLimits, ...limits },
  channels: new Map(),
  nodes: new Map(),
  refused: new Set(),
});

export type GossipMessage = ChannelAnnouncement | ChannelUpdate | NodeAnnouncement;
export type BookEnv = { readonly chainHash: Uint8Array; readonly now: number; readonly verify: Verify };
export type Heard =
  /** Nothing new in it. */
  | { readonly tag: 'known' }
  /** Not for this book, at no fault of the peer's: of a channel or a node that is not in it, or too long. */
  | { readonly tag: 'ignored'; readonly why: 'no-channel' | 'spent' | 'refused-before' | 'full' | 'too-long' | 'conflict' }
  | { readonly tag: 'refused'; readonly error: GossipError }
  /** Whose funding output the caller now looks for. */
  | { readonly tag: 'new-channel'; readonly channel: AnnouncedChannel }
  | { readonly tag: 'taken' };

/** Its signatures are good; whether it exists is not known yet. */
export type AnnouncedChannel = {
  readonly shortChannelId: bigint;
  readonly nodeIds: readonly [Uint8Array, Uint8Array];
  readonly bitcoinKeys: readonly [Uint8Array, Uint8Array];
  readonly routable: boolean;
};

const known: Heard = { tag: 'known' };
const ignored = (why: Extract<Heard, { tag: 'ignored' }>['why']): Heard => ({ tag: 'ignored', why });

export function hear(book: Book, msg: GossipMessage, env: BookEnv): Heard {
  if ((msg.extension?.length ?? 0) > book.limits.extraBytes) return ignored('too-long');
  switch (msg.name) {
    case 'channel_announcement':
      return hearChannel(book, msg, env);
    case 'channel_update':
      return hearUpdate(book, msg, env);
    case 'node_announcement':
      return hearNode(book, msg, env);
  }
}

function hearChannel(book: Book, msg: ChannelAnnouncement, env: BookEnv): Heard {
  const { shortChannelId, nodeId1, nodeId2 } = msg;
  const before = book.channels.get(shortChannelId);
  if (before !== undefined) {
    // BOLT 7 would blacklist all four nodes. Here the first stays, for its output was seen: a forged second one costs nobody anything.
    return equal(before.nodes[0].id, nodeId1) && equal(before.nodes[1].id, nodeId2) ? known : ignored('conflict');
  }
  const announced = { shortChannelId, nodeIds: [nodeId1, nodeId2], bitcoinKeys: [msg.bitcoinKey1, msg.bitcoinKey2] } as const;
  if (book.refused.has(nameOf(announced))) return ignored('refused-before');
  if (book.channels.size >= book.limits.channels) return ignored('full');
  const checked = checkChannelAnnouncement(msg, env);
  if (!checked.ok) return { tag: 'refused', error: checked.error };
  return { tag: 'new-channel', channel: { ...announced, routable: checked.value.routable } };
}

/** With the keys: a forged announcement that is refused must not stand in the way of the true one for the same output. */
const nameOf = ({ shortChannelId, bitcoinKeys }: Pick<AnnouncedChannel, 'shortChannelId' | 'bitcoinKeys'>): string =>
  `${shortChannelId} ${toHex(bitcoinKeys[0])} ${toHex(bitcoinKeys[1])}`;

/** The output is there, unspent, deep enough, and is what BOLT 3 makes of the two keys. False: there is no room, or it is in the book. */
export function addChannel(
  book: Book,
  channel: AnnouncedChannel,
  { capacitySat, now }: { readonly capacitySat: number; readonly now: number },
): boolean {
  const { shortChannelId, nodeIds, routable } = channel;
  if (book.channels.has(shortChannelId) || book.channels.size >= book.limits.channels) return false;
  book.channels.set(shortChannelId, {
    shortChannelId,
    nodes: [join(book, nodeIds[0]), join(book, nodeIds[1])],
    routable,
    heardAt: now,
    capacitySat,
    spentAt: undefined,
    policies: [undefined, undefined],
  });
  return true;
}

/** The output is not there, is spent, or is another: the announcement is not checked again soon. */
export function refuse(book: Book, channel: AnnouncedChannel): void {
  book.refused.add(nameOf(channel));
  for (const oldest of book.refused) {
    if (book.refused.size <= book.limits.refused) break;
    book.refused.delete(oldest);
  }
}

function join(book: Book, id: Uint8Array): BookNode {
  const key = toHex(id);
  const node = book.nodes.get(key) ?? { id: Uint8Array.from(id), channels: 0, timestamp: 0, routable: true };
  node.channels += 1;
  book.nodes.set(key, node);
  return node;
}

function hearUpdate(book: Book, msg: ChannelUpdate, env: BookEnv): Heard {
  // BOLT 7: "MUST ignore `channel_update`s that do NOT correspond to one of its own channels."
  const channel = book.channels.get(msg.shortChannelId);
  if (channel === undefined) return ignored('no-channel');
  // BOLT 7: "MUST ignore `channel_update`s, unless they have the `disable` bit set to 1."
  if (channel.spentAt !== undefined && !isDisabled(msg)) return ignored('spent');
  const direction = directionOf(msg);
  const before = channel.policies[direction];
  // BOLT 7: "if `timestamp` is lower than that of the last-received `channel_update` for this `short_channel_id` AND for `node_id`: SHOULD ignore the message."
  if (before !== undefined && msg.timestamp < before.timestamp) return known;
  const policy = policyOf(msg);
  // BOLT 7: "if the fields below `timestamp` are equal: SHOULD ignore this message". Where they differ the first one stays.
  if (before !== undefined && msg.timestamp === before.timestamp) return samePolicy(before, policy) ? known : ignored('conflict');
  const nodeId = channel.nodes[direction].id;
  const checked = checkChannelUpdate(msg, { ...env, nodeId, capacitySat: channel.capacitySat });
  if (!checked.ok) return { tag: 'refused', error: checked.error };
  channel.policies[direction] = policy;
  return { tag: 'taken' };
}

const policyOf = (msg: ChannelUpdate): BookPolicy => ({
  timestamp: msg.timestamp,
  disabled: isDisabled(msg),
  cltvExpiryDelta: msg.cltvExpiryDelta,
  htlcMinimumMsat: msg.htlcMinimumMsat,
  htlcMaximumMsat: msg.htlcMaximumMsat,
  feeBaseMsat: msg.feeBaseMsat,
  feeProportionalMillionths: msg.feeProportionalMillionths,
});
const samePolicy = (a: BookPolicy, b: BookPolicy): boolean =>
  a.disabled === b.disabled &&
  a.cltvExpiryDelta === b.cltvExpiryDelta &&
  a.htlcMinimumMsat === b.htlcMinimumMsat &&
  a.htlcMaximumMsat === b.htlcMaximumMsat &&
  a.feeBaseMsat === b.feeBaseMsat &&
  a.feeProportionalMillionths === b.feeProportionalMillionths;

function hearNode(book: Book, msg: NodeAnnouncement, env: BookEnv): Heard {
  // BOLT 7: "if `node_id` is NOT previously known from a `channel_announcement` message, OR if `timestamp` is NOT greater than the last-received `node_announcement` from this `node_id`: SHOULD ignore the message."
  const node = book.nodes.get(toHex(msg.nodeId));
  if (node === undefined) return ignored('no-channel');
  if (msg.timestamp <= node.timestamp) return known;
  if (msg.addresses.length > book.limits.addressBytes) return ignored('too-long');
  const checked = checkNodeAnnouncement(msg, env);
  if (!checked.ok) return { tag: 'refused', error: checked.error };
  node.timestamp = msg.timestamp;
  node.routable = checked.value.routable;
  node.alias = msg.alias;
  node.addresses = msg.addresses;
  return { tag: 'taken' };
}

/** In the block at `height`; undefined after a re-org: it is unspent again. The channel stays for a while, for it may have been spliced. */
export function markSpent(book: Book, shortChannelId: bigint, height: number | undefined): void {
  const channel = book.channels.get(shortChannelId);
  if (channel !== undefined) channel.spentAt = height;
}

export function forget(book: Book, shortChannelId: bigint): void {
  const channel = book.channels.get(shortChannelId);
  if (channel === undefined) return;
  book.channels.delete(shortChannelId);
  for (const node of channel.nodes) {
    node.channels -= 1;
    // BOLT 7: "if the announced node no longer has any associated open channels: MAY prune nodes added through `node_announcement` messages from their local view."
    if (node.channels === 0) book.nodes.delete(toHex(node.id));
  }
}

/**
 * BOLT 7: "The oldest `channel_update` is used to prune the channel since both sides need to be active in order for the channel to be usable."
 * A direction that was never heard of is as old as the announcement. Answers what is gone.
 */
export function prune(book: Book, { now, height }: { readonly now: number; readonly height: number }): readonly bigint[] {
  const gone: bigint[] = [];
  for (const channel of book.channels.values()) {
    const { shortChannelId, spentAt, heardAt, policies } = channel;
    const oldest = Math.min(...policies.map((policy) => policy?.timestamp ?? heardAt));
    const isSpent = spentAt !== undefined && height >= spentAt + book.limits.spentBlocks;
    if (!isSpent && oldest > now - TWO_WEEKS_SECONDS) continue;
    forget(book, shortChannelId);
    gone.push(shortChannelId);
  }
  return gone;
}
