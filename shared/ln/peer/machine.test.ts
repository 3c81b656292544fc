import { describe, expect, test } from 'vitest';
import { concat } from '../../lib/bytes.ts';
import { optional, ourInitBytes, peerInit, TestNode } from '../testing/node.ts';
import { hash, makeOpener, regtestChain } from '../testing/opener.ts';
import { confirmed, reachAccepted, reachApproval, reachNormal, reachReady, reachSigned } from '../testing/reach.ts';
import { encodeFeatures } from '../wire/features.ts';
import { nextDeadlineMs, spendWatches, watches } from './machine.ts';
import { decode, encode } from './wire.ts';

const all = new Uint8Array(32);
const text = (words: string): Uint8Array => Uint8Array.from(words, (char) => char.charCodeAt(0));

test('open_channel to normal and back from a lost connection, signed alone', () => {
  const { node, opener, accept } = reachAccepted();
  expect(node.tags).toEqual(['wait-for-funding-created']);
  const signed = node.hear(opener.fundingCreated(accept));
  expect(opener.checksFundingSigned(accept, signed.message('funding_signed').signature)).toBe(true);
  expect(node.chain(confirmed(opener, 3)).names).toEqual(['channel_ready']);
  expect(node.hear(opener.channelReady()).kinds).toEqual(['channel-ready']);
  node.disconnect();
  node.connect();
  node.hear(opener.reestablish());
  expect(node.tags).toEqual(['normal']);
});

describe('epochs and frames', () => {
  test('connected -- an old or a repeated epoch changes nothing', () => {
    const { node } = reachAccepted();
    const { state } = node;
    for (const epoch of [0, state.epoch - 1, state.epoch]) node.step({ tag: 'connected', epoch });
    expect(node.state).toEqual(state);
  });

  test('connected -- a newer epoch ends the older one, told or not', () => {
    const { node } = reachSigned();
    expect(node.state.outbox).not.toEqual([]);
    node.transport();
    expect(node.state).toMatchObject({ link: 'connected', lastInSeq: 0, outSeq: 0, outbox: [] });
    expect(node.tags).toEqual(['offline wait-for-funding-confirmed']);
  });

  test('disconnected -- of an old epoch', () => {
    const { node } = reachAccepted();
    node.step({ tag: 'disconnected', epoch: node.state.epoch - 1 });
    node.step({ tag: 'disconnected', epoch: node.state.epoch + 1 });
    expect(node.tags).toEqual(['wait-for-funding-created']);
  });

  test('frame -- of another epoch', () => {
    const { node, opener } = reachReady();
    const { state } = node;
    for (const epoch of [state.epoch - 1, state.epoch + 1]) node.step({ tag: 'frame', epoch, n: 2, bytes: encode(opener.open) });
    expect(node.state).toEqual(state);
  });

  test('frame -- repeated', () => {
    const { node, opener } = reachReady();
    const bytes = encode(opener.open);
    const { epoch } = node.state;
    expect(node.step({ tag: 'frame', epoch, n: 2, bytes }).names).toEqual(['accept_channel']);
    for (const n of [1, 2, 0, -1]) expect(node.step({ tag: 'frame', epoch, n, bytes }).said).toEqual([]);
    expect(node.state.lastInSeq).toBe(2);
    expect(node.tags).toEqual(['wait-for-funding-created']);
  });

  test('frame -- one is missing', () => {
    const { node, opener } = reachNormal();
    const { epoch, lastInSeq } = node.state;
    const heard = node.step({ tag: 'frame', epoch, n: lastInSeq + 2, bytes: encode(opener.channelReady()) });
    expect(heard.disconnects).toHaveLength(1);
    expect(node.state).toMatchObject({ link: 'closing', lastInSeq });
    expect(node.tags).toEqual(['offline normal']);
  });

  test('frame -- offline', () => {
    const node = new TestNode();
    node.step({ tag: 'frame', epoch: 0, n: 1, bytes: encode(peerInit) });
    expect(node.state.link).toBe('offline');
  });

  test('frame -- after we asked for the end', () => {
    const { node, opener } = reachReady();
    node.hearBytes(Uint8Array.from([0x12, 0x34]));
    expect(node.state.link).toBe('closing');
    const { lastInSeq, outbox } = node.state;
    expect(node.hear(opener.open).said).toEqual([]);
    expect(node.state).toMatchObject({ link: 'closing', lastInSeq: lastInSeq + 1, outbox });
    node.disconnect();
    expect(node.state).toMatchObject({ link: 'offline', outbox: [] });
  });

  test('receipt -- trims the outbox, once and in any order', () => {
    const { node, opener } = reachReady();
    node.hear(opener.open);
    node.hear(makeOpener({ name: 'two' }).open);
    node.hear(makeOpener({ name: 'three' }).open);
    const { epoch } = node.state;
    const left = (m: number, of = epoch): readonly number[] => {
      node.step({ tag: 'receipt', epoch: of, m });
      return node.state.outbox.map((frame) => frame.m);
    };
    expect(left(0)).toEqual([1, 2, 3]);
    expect(left(3, epoch - 1)).toEqual([1, 2, 3]);
    expect(left(2)).toEqual([3]);
    expect(left(1)).toEqual([3]);
    expect(left(99)).toEqual([]);
    expect(node.hear(makeOpener({ name: 'four' }).open).names).toEqual(['accept_channel']);
    expect(node.state.outbox.map((frame) => frame.m)).toEqual([4]);
  });
});

describe('init', () => {
  test('ours is a whole message with our chain', () => {
    const decoded = decode(ourInitBytes());
    expect(decoded).toMatchObject({ ok: true, value: { name: 'init', networks: [regtestChain] } });
  });

  test('recv init -- then every channel speaks', () => {
    const { node } = reachNormal();
    node.transport();
    expect(node.state.outbox).toEqual([]);
    expect(node.hear(peerInit).names).toEqual(['channel_reestablish']);
  });

  test.each([
    ['ping', encode({ name: 'ping', numPongBytes: 1, ignored: all })],
    ['a warning', encode({ name: 'warning', channelId: all, data: all })],
    ['an unknown odd message', Uint8Array.from([0x80, 1, 5])],
    ['garbage', Uint8Array.from([0])],
    ['a cut init', encode(peerInit).slice(0, 5)],
  ])('recv %s -- first', (_, bytes) => {
    // BOLT 1: "MUST wait to receive `init` before sending any other messages."
    const node = new TestNode();
    node.transport();
    const heard = node.hearBytes(bytes);
    expect(heard.said).toEqual([]);
    expect(heard.disconnects).toHaveLength(1);
    expect(node.state.link).toBe('closing');
  });

  test('recv init -- a second one', () => {
    const { node } = reachNormal();
    expect(node.hear(peerInit).names).toEqual(['warning']);
    expect(node.state.link).toBe('closing');
  });

  test.each([
    ['an unknown even bit', { features: encodeFeatures([100]) }],
    ['an even bit that we do not serve', { features: encodeFeatures([28]) }],
    ['in globalfeatures', { features: new Uint8Array(0), globalfeatures: encodeFeatures([100]) }],
    ['a missing dependency', { features: optional('option_zeroconf') }],
    ['no common chain', { networks: [hash('another')] }],
    ['no chain at all', { networks: [] }],
  ])('recv init -- %s', (_, change) => {
    const scene = reachNormal();
    scene.node.transport();
    const heard = scene.node.hear({ ...peerInit, ...change });
    // A warning: an `error` for all channels would close them on chain.
    expect(heard.names).toEqual(['warning']);
    expect(heard.disconnects).toHaveLength(1);
    expect(scene.node.tags).toEqual(['offline normal']);
  });

  test.each([
    ['an unknown odd bit', { features: encodeFeatures([101]) }],
    ['no features', { features: new Uint8Array(0) }],
    ['our chain among others', { networks: [hash('another'), regtestChain] }],
  ])('recv init -- %s', (_, change) => {
    const node = new TestNode();
    node.connect({ ...peerInit, ...change });
    expect(node.state.link).toBe('ready');
  });

  test('recv init -- without networks', () => {
    const { networks: _, ...bare } = peerInit;
    const node = new TestNode();
    node.connect(bare);
    expect(node.state.link).toBe('ready');
  });
});

describe('error and warning', () => {
  test('recv error -- all channels', () => {
    const { node, opener } = reachNormal();
    node.hear(makeOpener({ name: 'two' }).open);
    const heard = node.hear({ name: 'error', channelId: all, data: text('bye') });
    expect(heard.said).toEqual([]);
    expect(heard.kinds).toEqual(['peer-error', 'channel-failed', 'channel-abandoned']);
    expect(node.tags).toEqual(['failed']);
    expect(node.channel).toMatchObject({ commitments: { channelId: opener.channelId }, detail: 'bye' });
  });

  test('recv error -- a channel that we do not know', () => {
    // BOLT 1: "if no existing channel is referred to by `channel_id`: MUST ignore the message."
    const { node } = reachNormal();
    const heard = node.hear({ name: 'error', channelId: hash('unknown'), data: text('bye') });
    expect([heard.said, heard.notes, node.tags]).toEqual([[], [], ['normal']]);
  });

  test('recv warning -- noted, cleaned and cut', () => {
    const { node, opener } = reachNormal();
    const data = concat(text('\u001b[31m<b>'), Uint8Array.from([0xe2, 0x80, 0xae]), text('x'.repeat(300)));
    const heard = node.hear({ name: 'warning', channelId: opener.channelId, data });
    const { detail = '' } = heard.note('peer-warning');
    expect(detail).toMatch(/^\?\[31m<b>\?\?\?x+\.\.\.$/);
    expect(detail).toHaveLength(203);
    expect(node.hear({ name: 'warning', channelId: all, data: text('hm') }).kinds).toEqual(['peer-warning']);
    expect(node.hear({ name: 'warning', channelId: hash('unknown'), data: text('hm') }).notes).toEqual([]);
    expect(node.tags).toEqual(['normal']);
  });
});

describe('other messages', () => {
  test.each([
    ['unknown, even', [0x80, 0x00], 1],
    ['open_channel2, not negotiated', [0, 64], 1],
    ['splice_init, not negotiated', [0, 80], 1],
    ['a type cut in half', [0], 1],
    ['nothing', [], 1],
    ['open_channel, cut', [0, 32, 1, 2, 3], 1],
    ['unknown, odd', [0x80, 0x01, 1, 2], 0],
    ['splice_locked, odd', [0, 77], 0],
  ])('recv bytes -- %s', (_, bytes, ends) => {
    const { node } = reachNormal();
    const heard = node.hearBytes(Uint8Array.from(bytes));
    expect(heard.disconnects).toHaveLength(ends);
    expect(heard.names).toEqual(ends ? ['warning'] : []);
    expect(node.tags).toEqual([ends ? 'offline normal' : 'normal']);
  });

  test('recv ping, pong, storage, gossip -- nothing happens', () => {
    const { node } = reachNormal();
    const scid = 1n;
    for (const msg of [
      { name: 'ping', numPongBytes: 1, ignored: all },
      { name: 'pong', ignored: all },
      { name: 'peer_storage', blob: all },
      { name: 'peer_storage_retrieval', blob: all },
      { name: 'gossip_timestamp_filter', chainHash: regtestChain, firstTimestamp: 0, timestampRange: 1 },
      {
        name: 'announcement_signatures',
        channelId: all,
        shortChannelId: scid,
        nodeSignature: concat(all, all),
        bitcoinSignature: concat(all, all),
      },
    ] as const) {
      const heard = node.hear(msg);
      expect([heard.said, heard.notes, heard.disconnects]).toEqual([[], [], []]);
    }
  });
});

describe('derived', () => {
  test('watches -- every funding output', () => {
    const { node, opener, accept } = reachSigned();
    const [watch, ...others] = watches(node.state);
    expect(others).toEqual([]);
    expect(watch).toMatchObject({ channelId: opener.channelId, outpoint: opener.outpoint, amountSat: 200_000n, minDepth: 3 });
    expect(watch?.scriptPubKey.slice(0, 2)).toEqual(Uint8Array.from([0, 32]));
    expect(accept.minimumDepth).toBe(3);
    node.disconnect();
    expect(watches(node.state)).toEqual([watch]);
    const { openSigner } = node.env();
    expect(spendWatches(node.state, openSigner).map(({ outpoint }) => outpoint)).toEqual([opener.outpoint]);
  });

  test('nextDeadlineMs -- the nearest prompt', () => {
    const { node } = reachApproval();
    const first = node.now + node.policy.promptMs;
    node.now += 1_000;
    node.hear(makeOpener({ name: 'two' }).open);
    expect(nextDeadlineMs(node.state)).toBe(first);
    node.now = first;
    expect(node.tick().kinds).toEqual(['open-expired']);
    expect(nextDeadlineMs(node.state)).toBe(first + 1_000);
    node.disconnect();
    expect(nextDeadlineMs(node.state)).toBeUndefined();
  });
});

test('two channels with one peer do not disturb each other', () => {
  const { node, opener } = reachNormal();
  const two = makeOpener({ name: 'two' });
  const accept = node.hear(two.open).message('accept_channel');
  node.hear(two.fundingCreated(accept));
  node.chain(confirmed(two, 3));
  node.hear(two.channelReady());
  expect(node.tags).toEqual(['normal', 'normal']);
  node.hear({ name: 'error', channelId: opener.channelId, data: text('only one') });
  expect(node.tags).toEqual(['failed', 'normal']);
  node.disconnect();
  expect(node.connect().names).toEqual(['error', 'channel_reestablish']);
});
