import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../lib/bytes.ts';
import { verify } from '../keys/secp.ts';
import { announced, announcer, chainHash, NOW, signed, spoiled, updated } from '../testing/gossip.ts';
import { encodeFeatures } from '../wire/features.ts';
import { nodeToAnnounce } from './announce.ts';
import { addChannel, type Book, bookLimits, forget, type GossipMessage, hear, markSpent, newBook, prune, refuse } from './book.ts';
import { TWO_WEEKS_SECONDS } from './check.ts';
import { channelIndex, edgeFlags, nodeIndex } from './graph.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';
import { toGraph } from './to-graph.ts';

const [alice, bob, carol] = [announcer(1), announcer(2), announcer(3)];
const scid = 800_000n << 40n;
const DAY = 86_400;

let book: Book;
let checks: number;
beforeEach(() => {
  book = newBook();
  checks = 0;
});

const say = (msg: GossipMessage, now = NOW) =>
  hear(book, msg, {
    chainHash,
    now,
    verify: (...args) => {
      checks += 1;
      return verify(...args);
    },
  });
const short = (heard: ReturnType<typeof hear>): string =>
  heard.tag === 'ignored' ? heard.why : heard.tag === 'refused' ? heard.error.code : heard.tag;
/** Heard, looked for on chain, and there. */
function open(shortChannelId: bigint, a = alice, b = bob, change: Parameters<typeof announced>[3] = {}): void {
  const heard = say(announced(shortChannelId, a, b, change));
  if (heard.tag !== 'new-channel') throw new Error(short(heard));
  expect(addChannel(book, heard.channel, { capacitySat: 1_000_000, now: NOW })).toBe(true);
}
const update = (change: Parameters<typeof updated>[2] = {}, raw: Parameters<typeof updated>[3] = {}) =>
  updated(alice, bob, { shortChannelId: scid, ...change }, raw);
const nodeNews = (change: Partial<Parameters<typeof nodeToAnnounce>[0]> = {}) => {
  const own = { nodeId: alice.nodeId, features: new Uint8Array(), alias: 'A', rgbColor: new Uint8Array(3), now: NOW, lastTimestamp: 0 };
  return signed(nodeToAnnounce({ ...own, ...change }).message, alice);
};

describe('what is known costs no signature', () => {
  test('a channel: four checks the first time, none after', () => {
    open(scid);
    expect(checks).toBe(4);
    expect(short(say(announced(scid, alice, bob)))).toBe('known');
    expect(short(say({ ...announced(scid, alice, bob), nodeSignature1: new Uint8Array(64) }))).toBe('known');
    expect(short(say(announced(scid, alice, carol)))).toBe('conflict');
    expect(checks).toBe(4);
  });

  test('an update: one check for each that is newer, none for the same, an older one, or one of an unknown channel', () => {
    expect(short(say(update()))).toBe('no-channel');
    expect(checks).toBe(0);
    open(scid);
    checks = 0;
    expect(short(say(update({ now: NOW - 10 })))).toBe('taken');
    expect(short(say(update({ now: NOW - 10 })))).toBe('known');
    expect(short(say(update({ now: NOW - 11, feeBaseMsat: 9 })))).toBe('known');
    expect(short(say(update({ now: NOW - 10, feeBaseMsat: 9 })))).toBe('conflict');
    expect(checks).toBe(1);
    expect(short(say(update({ now: NOW - 9, feeBaseMsat: 9 })))).toBe('taken');
    expect(checks).toBe(2);
    expect(book.channels.get(scid)?.policies.flatMap((policy) => policy?.feeBaseMsat ?? [])).toEqual([9]);
  });

  test('a node: only one that has a channel, and only what is newer', () => {
    expect(short(say(nodeNews()))).toBe('no-channel');
    expect(checks).toBe(0);
    open(scid);
    checks = 0;
    expect([say(nodeNews()), say(nodeNews()), say(nodeNews({ now: NOW - 1 })), say(nodeNews({ now: NOW + 1 }))].map(short)).toEqual([
      'taken',
      'known',
      'known',
      'taken',
    ]);
    expect(checks).toBe(2);
  });

  test('a forged message changes nothing and costs the book nothing more', () => {
    const forged = announced(scid, alice, bob);
    expect(short(say({ ...forged, bitcoinSignature2: spoiled(forged.bitcoinSignature2) }))).toBe('bad-signature');
    expect([book.channels.size, book.nodes.size]).toEqual([0, 0]);
    open(scid);
    expect(short(say({ ...update(), feeBaseMsat: 5 }))).toBe('bad-signature');
    expect(book.channels.get(scid)?.policies).toEqual([undefined, undefined]);
    expect(short(say({ ...nodeNews(), timestamp: NOW + 5 }))).toBe('bad-signature');
    expect(book.nodes.get(toHex(alice.nodeId))?.timestamp).toBe(0);
  });
});

describe('the chain has the last word', () => {
  test('what is not on it is refused once, and the true channel at its place is not', () => {
    const fake = say(announced(scid, alice, carol));
    if (fake.tag !== 'new-channel') throw new Error(short(fake));
    expect(fake.channel.bitcoinKeys.map(toHex).sort()).toEqual([alice.fundingPubkey, carol.fundingPubkey].map(toHex).sort());
    refuse(book, fake.channel);
    checks = 0;
    expect(short(say(announced(scid, alice, carol)))).toBe('refused-before');
    expect(checks).toBe(0);
    open(scid);
  });

  test('two peers told of it at once: it is added once', () => {
    const [one, two] = [say(announced(scid, alice, bob)), say(announced(scid, alice, bob))];
    if (one.tag !== 'new-channel' || two.tag !== 'new-channel') throw new Error('known');
    expect(addChannel(book, one.channel, { capacitySat: 5, now: NOW })).toBe(true);
    expect(addChannel(book, two.channel, { capacitySat: 6, now: NOW })).toBe(false);
    expect(book.channels.get(scid)?.capacitySat).toBe(5);
    expect([...book.nodes.values()].map(({ channels }) => channels)).toEqual([1, 1]);
  });

  test('spent: only a disable is heard of it, 72 blocks later it is forgotten, and a re-org brings it back', () => {
    open(scid);
    markSpent(book, scid, 100);
    expect(short(say(update()))).toBe('spent');
    expect(short(say(update({ disabled: true })))).toBe('taken');
    expect(prune(book, { now: NOW, height: 171 })).toEqual([]);
    markSpent(book, scid, undefined);
    expect(prune(book, { now: NOW, height: 172 })).toEqual([]);
    markSpent(book, scid, 100);
    expect(prune(book, { now: NOW, height: 172 })).toEqual([scid]);
    expect([book.channels.size, book.nodes.size]).toEqual([0, 0]);
  });
});

describe('bounds', () => {
  test('channels', () => {
    book = newBook({ channels: 1 });
    open(scid);
    checks = 0;
    expect(short(say(announced(scid + 1n, alice, carol)))).toBe('full');
    expect(checks).toBe(0);
    const channel = {
      shortChannelId: 5n,
      nodeIds: [alice.nodeId, bob.nodeId],
      bitcoinKeys: [bob.nodeId, bob.nodeId],
      routable: true,
    } as const;
    expect(addChannel(book, channel, { capacitySat: 1, now: NOW })).toBe(false);
  });

  test('refused announcements: the oldest go', () => {
    book = newBook({ refused: 2 });
    const keys = [alice.nodeId, bob.nodeId] as const;
    for (const shortChannelId of [1n, 2n, 3n]) refuse(book, { shortChannelId, nodeIds: keys, bitcoinKeys: keys, routable: true });
    expect([...book.refused].map((name) => name.split(' ')[0])).toEqual(['2', '3']);
  });

  test('long messages', () => {
    const extension = new Uint8Array(bookLimits.extraBytes + 1);
    expect(short(say(announced(scid, alice, bob, { extension })))).toBe('too-long');
    open(scid, alice, bob, { extension: extension.subarray(1) });
    expect(short(say(update({}, { extension })))).toBe('too-long');
    expect(short(say(signed({ ...nodeNews(), addresses: new Uint8Array(bookLimits.addressBytes + 1) }, alice)))).toBe('too-long');
  });
});

describe('old entries go', () => {
  test('when one side has not spoken for two weeks, or never', () => {
    open(scid);
    open(scid + 1n, alice, carol);
    say(update());
    say(updated(bob, alice, { shortChannelId: scid, now: NOW + 5 * DAY }), NOW + 5 * DAY);
    const goneAfter = (seconds: number) => prune(book, { now: NOW + seconds, height: 0 });
    expect(goneAfter(TWO_WEEKS_SECONDS - 1)).toEqual([]);
    say(update({ now: NOW + DAY }), NOW + DAY);
    expect(goneAfter(TWO_WEEKS_SECONDS)).toEqual([scid + 1n]);
    expect(book.nodes.has(toHex(carol.nodeId))).toBe(false);
    expect(goneAfter(TWO_WEEKS_SECONDS + DAY)).toEqual([scid]);
    expect(book.nodes.size).toBe(0);
  });
});

describe('the graph of it', () => {
  test('channels by id, nodes by id, each policy at its end, times in days', () => {
    open(scid + 2n, bob, carol);
    open(scid);
    say(update({ feeBaseMsat: 7, now: NOW - 100 }));
    say(updated(carol, bob, { shortChannelId: scid + 2n, htlcMaximumMsat: 42n }));
    const graph = toGraph(book);
    expect([...graph.shortChannelIds]).toEqual([scid, scid + 2n]);
    expect([graph.nodeCount, graph.channelCount]).toEqual([3, 2]);
    const edgeOf = (id: bigint, from: Uint8Array): number => {
      const channel = channelIndex(graph, id);
      return 2 * channel + (graph.node1[channel] === nodeIndex(graph, from) ? 0 : 1);
    };
    const [fromAlice, fromBob, fromCarol] = [edgeOf(scid, alice.nodeId), edgeOf(scid, bob.nodeId), edgeOf(scid + 2n, carol.nodeId)];
    expect([graph.flags[fromAlice], graph.feeBaseMsat[fromAlice], graph.timestamp[fromAlice]]).toEqual([edgeFlags.known, 7, NOW - DAY]);
    expect([graph.flags[fromBob], graph.feeBaseMsat[fromBob], graph.timestamp[fromBob]]).toEqual([0, 0, 0]);
    expect([graph.htlcMaximumMsat[fromCarol], graph.capacitySat[1]]).toEqual([42, 1_000_000]);
    expect(decodeSnapshot(encodeSnapshot(graph, { chainHash, timestamp: NOW }))).toMatchObject({ ok: true, value: { graph } });
  });

  test('left out: nobody spoke, all switched off, a feature nobody knows, a policy that contradicts itself', () => {
    const counts = () => toGraph(book).channelCount;
    open(scid);
    expect(counts()).toBe(0);
    say(update({ now: NOW - 9 }));
    expect(counts()).toBe(1);
    say(update({ now: NOW - 8, disabled: true }));
    expect(counts()).toBe(0);
    say(updated(bob, alice, { shortChannelId: scid }));
    expect(counts()).toBe(1);
    expect([...toGraph(book).flags].sort()).toEqual([edgeFlags.known, edgeFlags.known | edgeFlags.disabled]);
    say(updated(bob, alice, { shortChannelId: scid, now: NOW + 1 }, { htlcMaximumMsat: 1_000_000_001n }));
    expect(counts()).toBe(0);
    open(scid + 1n, alice, bob, { features: encodeFeatures([100]) });
    say(update({ shortChannelId: scid + 1n }));
    expect(counts()).toBe(0);
  });

  test('a node with a feature that nobody knows is paid, not passed', () => {
    open(scid);
    say(update());
    say(updated(bob, alice, { shortChannelId: scid }));
    say(nodeNews({ features: encodeFeatures([100]) }));
    const graph = toGraph(book);
    expect(graph.channelCount).toBe(1);
    const alicesEdge = graph.node1[0] === nodeIndex(graph, alice.nodeId) ? 0 : 1;
    expect([graph.flags[alicesEdge], graph.flags[1 - alicesEdge]]).toEqual([0, edgeFlags.known]);
  });

  test('a channel that is forgotten leaves nothing behind', () => {
    open(scid);
    open(scid + 1n, alice, carol);
    forget(book, scid);
    forget(book, scid);
    expect([...book.nodes.keys()].sort()).toEqual([alice, carol].map(({ nodeId }) => toHex(nodeId)).sort());
  });
});

test('whatever comes, in whatever order: nodes are those of the channels, and the graph is one that can be sent', () => {
  const people = [alice, bob, carol];
  const ids = [scid, scid + 1n, scid + 2n];
  const verifyAll = () => true;
  const step = fc.record({
    what: fc.constantFrom('channel', 'channel', 'update', 'update', 'update', 'update', 'node', 'forget', 'prune', 'spend'),
    id: fc.constantFrom(...ids),
    a: fc.nat(2),
    b: fc.nat(2),
    at: fc.integer({ min: -8, max: 8 }),
    msat: fc.oneof(fc.constant(1000n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    capacitySat: fc.constantFrom(1_000_000, 2 ** 41, 2 ** 42, 2 ** 53),
    disabled: fc.boolean(),
  });
  const channels = new Map(ids.flatMap((id) => [0, 1, 2].flatMap((a) => [0, 1, 2].map((b) => [`${id} ${a} ${b}`, [id, a, b] as const]))));
  const messages = new Map(
    [...channels].flatMap(([key, [id, a, b]]) => {
      const [one, two] = [people[a], people[b]];
      return a === b || !one || !two
        ? []
        : [[key, { channel: announced(id, one, two), update: updated(one, two, { shortChannelId: id }) }]];
    }),
  );
  let graphs = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      book = newBook({ channels: 2 });
      for (const { what, id, a, b, at, msat, disabled, capacitySat } of steps) {
        const found = messages.get(`${id} ${a} ${b}`);
        const now = NOW + at * DAY;
        const env = { chainHash, now, verify: verifyAll };
        if (what === 'channel' && found) {
          const heard = hear(book, found.channel, env);
          if (heard.tag === 'new-channel') addChannel(book, heard.channel, { capacitySat, now });
        }
        if (what === 'update' && found)
          hear(book, { ...found.update, timestamp: now, htlcMaximumMsat: msat, channelFlags: (a & 1) | (disabled ? 2 : 0) }, env);
        if (what === 'node') hear(book, { ...nodeNews(), timestamp: now }, env);
        if (what === 'forget') forget(book, id);
        if (what === 'prune') prune(book, { now, height: at + 92 });
        if (what === 'spend') markSpent(book, id, at + 20);
      }
      expect(book.channels.size).toBeLessThanOrEqual(2);
      const ends = [...book.channels.values()].flatMap(({ nodes }) => nodes);
      expect(new Set(book.nodes.values())).toEqual(new Set(ends));
      for (const node of book.nodes.values()) expect(node.channels).toBe(ends.filter((end) => end === node).length);
      const graph = toGraph(book);
      graphs += graph.channelCount;
      expect(decodeSnapshot(encodeSnapshot(graph, { chainHash, timestamp: NOW })).ok).toBe(true);
    }),
    { numRuns: 200 },
  );
  expect(graphs).toBeGreaterThan(20);
});
