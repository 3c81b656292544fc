/** Two of our engines, each step through ice, with a public channel between them; and a scripted peer for what comes early or is wrong. */
import { describe, expect, test } from 'vitest';
import { checkChannelAnnouncement } from '../../gossip/check.ts';
import { verify } from '../../keys/secp.ts';
import { nextHeight } from '../../peer/machine.ts';
import { decode, encode, type PeerMessage } from '../../peer/wire.ts';
import { spoiled } from '../../testing/gossip.ts';
import { regtestChain } from '../../testing/opener.ts';
import { Pair, type PartyName, partyKeys } from '../../testing/pair.ts';
import { confirmed, reachConfirmed, reachNormal, reorged } from '../../testing/reach.ts';
import { liveOf } from '../state.ts';

/** The funding is in block 900 at place 1, as its output 0. */
const SCID = (900n << 40n) | (1n << 16n);
const DEEP = 905;

function read(bytes: Uint8Array): PeerMessage {
  const decoded = decode(bytes);
  if (!decoded.ok || decoded.value.name === 'unknown') throw new Error('we said something that cannot be read');
  return decoded.value;
}
const namesOn = (pair: Pair, name: PartyName): readonly string[] => pair[name].wire.map((bytes) => read(bytes).name);

function publicPair(options: { readonly isPublic?: boolean } = {}): Pair {
  return new Pair({ name: 'public', isPublic: true, ...options });
}
/** Connects; both know this much of the chain. */
function connected(pair: Pair, alice: number, bob = alice): Pair {
  pair.alice.height = alice;
  pair.bob.height = bob;
  pair.connect();
  return settled(pair);
}
/** What each said of gossip, in order, until nobody has anything to say. */
const gossip = new WeakMap<Pair, [PartyName, PeerMessage][]>();
function settled(pair: Pair): Pair {
  const heard = gossip.get(pair) ?? [];
  gossip.set(pair, heard);
  for (let round = 0; round < 20; round += 1) {
    for (const [from, to] of [
      ['alice', 'bob'],
      ['bob', 'alice'],
    ] as const) {
      for (const bytes of pair[from].wire) heard.push([from, read(bytes)]);
      while (pair.deliver(to));
    }
    pair.flush('alice');
    pair.flush('bob');
    if (pair.alice.wire.length + pair.bob.wire.length === 0) return pair;
  }
  throw new Error('the two never come to rest');
}
function saidBy(pair: Pair, name: PartyName): readonly string[] {
  return (gossip.get(pair) ?? []).flatMap(([from, msg]) =>
    from === name && ['announcement_signatures', 'channel_announcement', 'warning', 'error'].includes(msg.name) ? [msg.name] : [],
  );
}
const forget = (pair: Pair): void => void gossip.delete(pair);
function announcementBy(pair: Pair, name: PartyName) {
  const found = (gossip.get(pair) ?? []).find(([from, msg]) => from === name && msg.name === 'channel_announcement')?.[1];
  if (found?.name !== 'channel_announcement') throw new Error(`${name} announced nothing`);
  return found;
}
const announcementOf = (pair: Pair, name: PartyName) => {
  const live = liveOf(pair[name].channel);
  return live.tag === 'normal' ? live.announcement : undefined;
};
const both = ['announcement_signatures', 'channel_announcement'];

describe('a public channel', () => {
  test('six blocks deep -- signatures go both ways, and each side has the one announcement, good in the eyes of the network', () => {
    const pair = connected(publicPair(), DEEP);
    expect([saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual([both, both]);
    const message = announcementBy(pair, 'alice');
    expect(announcementBy(pair, 'bob')).toEqual(message);
    expect(checkChannelAnnouncement(message, { chainHash: regtestChain, verify })).toEqual({ ok: true, value: { routable: true } });
    expect(message).toMatchObject({ shortChannelId: SCID, chainHash: regtestChain, features: new Uint8Array() });
    const [ids, keys] = [
      [partyKeys('alice').publicId, partyKeys('bob').publicId],
      [pair.terms.local.basepoints.fundingPubkey, pair.terms.remote.basepoints.fundingPubkey],
    ];
    const order = Buffer.compare(ids[0] ?? new Uint8Array(), ids[1] ?? new Uint8Array()) < 0 ? [0, 1] : [1, 0];
    expect([message.nodeId1, message.nodeId2]).toEqual(order.map((i) => ids[i]));
    expect([message.bitcoinKey1, message.bitcoinKey2]).toEqual(order.map((i) => keys[i]));
    expect(announcementOf(pair, 'alice')).toMatchObject({ shortChannelId: SCID, complete: true });
  });

  test('less deep -- nothing, until the sixth block; and the app asks to be awake then', () => {
    const pair = connected(publicPair(), DEEP - 1);
    expect([saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual([[], []]);
    const { state, keys } = pair.alice;
    expect(nextHeight(state, DEEP - 1, keys.openSigner)).toBe(DEEP);
    expect(nextHeight(state, DEEP, keys.openSigner)).toBeUndefined();
    pair.alice.height = DEEP;
    pair.bob.height = DEEP;
    settled(pair);
    expect([saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual([both, both]);
  });

  test('a channel that is not public says nothing, and is nothing to be awake for', () => {
    const pair = connected(publicPair({ isPublic: false }), DEEP + 10);
    expect([saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual([[], []]);
    expect(nextHeight(pair.alice.state, 0, pair.alice.keys.openSigner)).toBeUndefined();
  });

  test('one side sees the block later -- what came early is kept, asleep too, and used then', () => {
    const pair = connected(publicPair(), DEEP, DEEP - 1);
    expect([saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual([['announcement_signatures'], []]);
    expect(announcementOf(pair, 'bob')).toMatchObject({ shortChannelId: SCID, ours: 'owed' });
    pair.cut();
    expect(announcementOf(pair, 'bob')?.remote).toBeDefined();
    forget(pair);
    // Alice has heard nothing, so she says hers again; Bob, who has never said his, says it now.
    connected(pair, DEEP, DEEP);
    expect([saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual([both, both]);
  });

  test('once it is announced a new connection says nothing of it', () => {
    const pair = connected(publicPair(), DEEP);
    pair.cut();
    forget(pair);
    connected(pair, DEEP + 1);
    expect([saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual([[], []]);
  });

  test('the connection ends before ours arrived -- the peer asks by saying its own, and gets ours again, once', () => {
    const pair = publicPair();
    pair.alice.height = DEEP;
    pair.bob.height = DEEP - 1;
    pair.connect();
    settled(pair);
    pair.bob.height = DEEP;
    pair.flush('bob');
    expect(namesOn(pair, 'bob')).toEqual(['announcement_signatures', 'channel_announcement']);
    // Bob's are lost on the wire: he is done, and Alice is not.
    pair.cut();
    forget(pair);
    connected(pair, DEEP);
    expect(saidBy(pair, 'alice')).toEqual(both);
    expect(saidBy(pair, 'bob')).toEqual(['announcement_signatures']);
    const again = gossip.get(pair)?.find(([from, msg]) => from === 'alice' && msg.name === 'announcement_signatures')?.[1];
    forget(pair);
    if (again) pair.bob.hear(encode(again));
    settled(pair);
    expect(saidBy(pair, 'bob')).toEqual([]);
  });

  test.each(['nodeSignature', 'bitcoinSignature'] as const)(
    'a wrong %s -- a warning and the connection, never the channel; then the right one',
    (which) => {
      const pair = connected(publicPair(), DEEP - 1, DEEP);
      forget(pair);
      const announcement = announcementOf(pair, 'alice');
      const remote = announcement?.remote;
      if (!remote) throw new Error('Bob said nothing');
      const { channelId } = pair.alice.commitments;
      const msg = { name: 'announcement_signatures', channelId, shortChannelId: SCID, ...remote, [which]: spoiled(remote[which]) } as const;
      pair.alice.hear(encode(msg));
      pair.alice.height = DEEP;
      pair.flush('alice');
      expect(namesOn(pair, 'alice')).toEqual(['announcement_signatures', 'warning']);
      expect(pair.alice.state.link).toBe('closing');
      expect(pair.alice.news).toContainEqual(
        expect.objectContaining({ tag: 'disconnect', reason: expect.stringContaining('channel_announcement') }),
      );
      expect(announcementOf(pair, 'alice')).toEqual({ shortChannelId: SCID });
      pair.cut();
      connected(pair, DEEP);
      expect(announcementOf(pair, 'alice')).toMatchObject({ complete: true });
    },
  );

  test('a re-org moves the funding -- what was signed for the old place is dropped, and all is said anew under the new name', () => {
    const pair = connected(publicPair(), DEEP);
    const event = { outpoint: pair.alice.commitments.fundingOutpoint, height: 901, txIndex: 3, depth: 4 } as const;
    for (const name of ['alice', 'bob'] as const) {
      pair[name].step({ tag: 'chain', event: { tag: 'funding-reorged', outpoint: event.outpoint } });
      expect(announcementOf(pair, name)).toBeUndefined();
      pair[name].height = 904;
      pair[name].step({ tag: 'chain', event: { tag: 'funding-confirmed', ...event } });
    }
    forget(pair);
    settled(pair);
    expect(saidBy(pair, 'alice')).toEqual([]);
    pair.alice.height = 906;
    pair.bob.height = 906;
    settled(pair);
    expect(announcementBy(pair, 'alice').shortChannelId).toBe((901n << 40n) | (3n << 16n));
    expect(announcementBy(pair, 'bob')).toEqual(announcementBy(pair, 'alice'));
  });

  test('a place told anew, without a word of the re-org -- the kept signatures fall all the same', () => {
    const pair = connected(publicPair(), DEEP);
    const outpoint = pair.alice.commitments.fundingOutpoint;
    const told = (height: number) =>
      pair.alice.step({ tag: 'chain', event: { tag: 'funding-confirmed', outpoint, height, txIndex: 1, depth: DEEP - height + 1 } });
    told(900);
    expect(announcementOf(pair, 'alice')?.complete).toBe(true);
    told(902);
    expect(announcementOf(pair, 'alice')).toBeUndefined();
  });

  test('a channel that is being closed is not announced', () => {
    const pair = connected(publicPair(), DEEP - 1);
    pair.alice.ask({
      tag: 'add',
      request: 'held',
      amountMsat: 10_000_000n,
      paymentHash: new Uint8Array(32).fill(1),
      cltvExpiry: 1_500,
      onion: new Uint8Array(1366),
    });
    settled(pair);
    pair.alice.ask({ tag: 'close', feeratePerKw: 1_000 });
    pair.alice.height = DEEP;
    pair.bob.height = DEEP;
    pair.flush('alice');
    expect([pair.alice.channel.tag, namesOn(pair, 'alice')]).toEqual(['normal', ['shutdown']]);
    settled(pair);
    expect([pair.alice.channel.tag, saidBy(pair, 'alice'), saidBy(pair, 'bob')]).toEqual(['shutting-down', [], []]);
  });
});

describe('a scripted peer', () => {
  const rules = { allowPublic: true } as const;
  const open = { channelFlags: 1, pushMsat: 50_000_000n };
  const place = (1_001n << 40n) | (7n << 16n) | 1n;
  const garbage = { nodeSignature: new Uint8Array(64).fill(1), bitcoinSignature: new Uint8Array(64).fill(1) };
  const signatures = (channelId: Uint8Array, shortChannelId = place) =>
    ({ name: 'announcement_signatures', channelId, shortChannelId, ...garbage }) as const;

  test('says its own before our channel_ready has an answer -- kept, judged when its time has come', () => {
    const { node, opener } = reachConfirmed(rules, { open });
    expect(node.hear(signatures(opener.channelId)).names).toEqual([]);
    expect(node.hear(opener.channelReady()).names).toEqual([]);
    expect(node.step({ tag: 'flush' }).names).toEqual([]);
    node.height = 1_006;
    const heard = node.step({ tag: 'flush' });
    expect(heard.names).toEqual(['announcement_signatures', 'warning']);
    expect(heard.message('announcement_signatures').shortChannelId).toBe(place);
    expect([heard.disconnects.length, node.tags]).toEqual([1, ['offline normal']]);
  });

  test('names another place -- a warning, and nothing is kept', () => {
    const { node, opener } = reachNormal(rules, { open });
    const heard = node.hear(signatures(opener.channelId, place + 1n));
    expect([heard.names, heard.disconnects, node.tags]).toEqual([['warning'], [], ['normal']]);
    expect(heard.text).toContain('short_channel_id');
    expect(node.channel).not.toHaveProperty('announcement');
  });

  test('says it before its channel_reestablish -- kept without a word', () => {
    const { node, opener } = reachNormal(rules, { open });
    node.disconnect();
    node.connect();
    const heard = node.hear(signatures(opener.channelId));
    expect([heard.names, heard.disconnects, node.tags]).toEqual([[], [], ['syncing normal']]);
    expect(liveOf(node.channel)).toHaveProperty('announcement.ours', 'owed');
  });

  test('a zero-conf channel is never announced under an alias, and under the real name once it is deep', () => {
    const { node, opener } = reachConfirmed({ ...rules, zeroConf: true }, { open, zeroConf: true });
    node.hear(opener.channelReady(77n));
    node.height = 2_000;
    expect([node.tags, node.step({ tag: 'flush' }).names]).toEqual([['normal'], []]);
    // Whatever name it comes under, before there is a place in the chain: the wrong one falls when the place is known.
    node.hear(signatures(opener.channelId, 77n));
    expect(node.step({ tag: 'flush' }).names).toEqual([]);
    node.chain(confirmed(opener, 1_000));
    expect(node.channel).not.toHaveProperty('announcement');
    const heard = node.step({ tag: 'flush' });
    expect(heard.names).toEqual(['announcement_signatures']);
    expect(heard.message('announcement_signatures').shortChannelId).toBe(place);
    node.chain(reorged(opener));
    expect(node.step({ tag: 'flush' }).names).toEqual([]);
  });

  test('a guard that was not told of it signs nothing: a channel of an older version stays unannounced', () => {
    const { node, opener } = reachNormal(rules, { open });
    const [channel] = node.state.channels;
    if (channel?.tag !== 'normal') throw new Error('not normal');
    const { announced, ...guard } = channel.commitments.guard;
    expect(announced).toBe(true);
    node.height = 1_006;
    const older = node.copy();
    older.state = { ...node.state, channels: [{ ...channel, commitments: { ...channel.commitments, guard } }] };
    expect(older.step({ tag: 'flush' }).names).toEqual([]);
    expect(older.hear(signatures(opener.channelId)).disconnects).toEqual([]);
    expect(older.step({ tag: 'flush' }).names).toEqual([]);
    expect(node.step({ tag: 'flush' }).names).toEqual(['announcement_signatures']);
  });
});
