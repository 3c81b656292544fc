/**
 * The frozen form: one fixture per state, kept for ever. `UPDATE_FIXTURES=1 npx vitest run shared/ln/peer/freeze.test.ts` writes
 * those that are missing; a fixture that exists is never rewritten: a change of shape is a new version with a reader of its own.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { freeze } from '../../lib/freeze.ts';
import type { ChannelTag } from '../channel/state.ts';
import { reachCreated, reachFunding, reachOffered } from '../testing/acceptor.ts';
import { throughIce } from '../testing/freeze-each-step.ts';
import type { TestNode } from '../testing/node.ts';
import { hash, peerId } from '../testing/opener.ts';
import { Pair, type Party } from '../testing/pair.ts';
import { confirmed, reachAccepted, reachApproval, reachConfirmed, reachNormal, reachSigned, spent } from '../testing/reach.ts';
import { freezePeer, thawPeer } from './freeze.ts';
import { newPeer } from './machine.ts';
import type { PeerState } from './state.ts';
import { encode } from './wire.ts';

const after = (scene: { readonly node: TestNode }, ...acts: readonly ((node: TestNode) => unknown)[]): PeerState => {
  for (const act of acts) act(scene.node);
  return scene.node.state;
};
const script = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(7)]);

const preimageOf = (name: string): Uint8Array => hash(`preimage ${name}`);
const add = (party: Party, name: string, amountMsat: bigint) =>
  party.ask({
    tag: 'add',
    request: name,
    amountMsat,
    paymentHash: sha256(preimageOf(name)),
    cltvExpiry: 1_500,
    onion: new Uint8Array(1366),
  });

/** HTLCs at every step of their way in both directions. */
function busyPair(): Pair {
  const pair = new Pair();
  pair.connect();
  pair.settle();
  for (const [party, name] of [
    [pair.alice, 'a'],
    [pair.alice, 'b'],
    [pair.bob, 'c'],
    [pair.bob, 'd'],
    [pair.bob, 'dust'],
  ] as const)
    add(party, name, name === 'dust' ? 1_000n : 20_000_000n);
  pair.settle();
  pair.bob.ask({ tag: 'remove', id: 0n, removal: { kind: 'fulfill', preimage: preimageOf('a') } });
  pair.alice.ask({ tag: 'remove', id: 0n, removal: { kind: 'fail', reason: new Uint8Array(292) } });
  pair.alice.ask({ tag: 'remove', id: 1n, removal: { kind: 'fail-malformed', sha256OfOnion: hash('onion'), failureCode: 0xc005 } });
  return pair;
}

/** The funding is in block 900; bob sees it six blocks deep. */
function publicPair(aliceHeight: number): Pair {
  const pair = new Pair({ name: 'public', isPublic: true });
  pair.alice.height = aliceHeight;
  pair.bob.height = 905;
  pair.connect();
  pair.settle();
  return pair;
}
const attribution = { htlcHoldTimes: Array.from({ length: 20 }, (_, i) => i), truncatedHmacs: new Uint8Array(840).fill(5) };

/** Every tag, and every optional member once. */
const states: { readonly [T in ChannelTag]: () => PeerState } & { readonly [name: string]: () => PeerState } = {
  'wait-for-approval': () => reachApproval().node.state,
  'wait-for-funding-created': () => reachAccepted({}, { open: { upfrontShutdownScript: script, pushMsat: 1_001n } }).node.state,
  'wait-for-funding-confirmed': () => reachSigned().node.state,
  'wait-for-channel-ready': () => reachConfirmed({}, { kind: 'static_remotekey' }).node.state,
  normal: () => {
    const scene = reachConfirmed({}, { scidAlias: true });
    return after(scene, (node) => node.hear(scene.opener.channelReady(77n)));
  },
  'wait-for-accept-channel': () => reachOffered().node.state,
  'wait-for-funding': () => reachFunding().node.state,
  'wait-for-funding-signed': () => reachCreated().node.state,
  'shutting-down': () => {
    const pair = busyPair();
    pair.alice.ask({ tag: 'close', feeratePerKw: 1_000 });
    pair.flush('alice');
    pair.deliver('bob');
    pair.settle();
    return pair.alice.state;
  },
  negotiating: () => {
    const pair = new Pair();
    pair.connect();
    pair.settle();
    pair.alice.ask({ tag: 'close', feeratePerKw: 1_000 });
    pair.settle();
    return pair.alice.state;
  },
  closing: () => {
    const { alice } = busyPair();
    alice.ask({ tag: 'force-close' });
    return alice.state;
  },
  // Our signature is out, the answer is not in; the peer's removal is known and not signed.
  'in-the-dance': () => {
    const pair = busyPair();
    pair.flush('alice');
    pair.flush('bob');
    pair.deliver('alice');
    return pair.alice.state;
  },
  // The peer's signatures came before our sixth block; then all is said.
  announcing: () => publicPair(904).alice.state,
  announced: () => {
    const pair = publicPair(904);
    pair.alice.height = 905;
    pair.flush('alice');
    return pair.alice.state;
  },
  failed: () => {
    const scene = reachNormal();
    return after(scene, (node) => node.hear({ name: 'error', channelId: scene.opener.channelId, data: script }));
  },
  spent: () => {
    const scene = reachNormal();
    return after(scene, (node) => node.chain(spent(scene.opener)));
  },
  offline: () => after(reachNormal(), (node) => node.disconnect()),
  syncing: () =>
    after(
      reachSigned(),
      (node) => node.disconnect(),
      (node) => node.connect(),
    ),
  // Whole peers of another kind.
  'new-peer': () => newPeer(peerId),
  'early-channel-ready': () => {
    const scene = reachSigned();
    return after(
      scene,
      (node) => node.hear(scene.opener.channelReady()),
      (node) => node.chain(confirmed(scene.opener, 1)),
    );
  },
  refused: () => {
    const scene = reachApproval();
    const channelId = scene.opener.open.temporaryChannelId;
    return after(scene, (node) => node.step({ tag: 'answer', channelId, approve: false }));
  },
  // One answer of each side is on its way.
  attributed: () => {
    const pair = busyPair();
    pair.settle();
    pair.bob.ask({ tag: 'remove', id: 1n, removal: { kind: 'fulfill', preimage: preimageOf('b'), attribution } });
    pair.deliver('alice');
    pair.alice.ask({ tag: 'remove', id: 2n, removal: { kind: 'fail', reason: new Uint8Array(292), attribution } });
    return pair.alice.state;
  },
  quiet: () => {
    const pair = busyPair();
    pair.settle();
    add(pair.bob, 'e', 20_000_000n);
    pair.settle();
    pair.alice.hear(encode({ name: 'stfu', channelId: pair.alice.commitments.channelId, initiator: 1 }));
    pair.alice.ask({ tag: 'remove', id: 2n, removal: { kind: 'fail', reason: new Uint8Array(292), attribution } });
    pair.alice.ask({ tag: 'remove', id: 3n, removal: { kind: 'fulfill', preimage: preimageOf('e'), attribution } });
    return pair.alice.state;
  },
  'zero-conf': () => reachConfirmed({ zeroConf: true }, { zeroConf: true }).node.state,
  'link-closing': () => after(reachNormal(), (node) => node.hearBytes(Uint8Array.from([0x80, 0]))),
};

/** What the other side offered when the first fixtures were made: what is new among features changes no form. */
const thenOffered = fromHex('2008900808809221');
const made = (make: () => PeerState): PeerState => {
  const state = make();
  return state.remoteFeatures.length === 0 ? state : { ...state, remoteFeatures: thenOffered };
};

const folderOf = (version: string): string => fileURLToPath(new URL(`../vectors/frozen/${version}/`, import.meta.url));
const folder = folderOf('v2');
const inWords = (state: PeerState): string =>
  `${JSON.stringify(state, (_, value: unknown) => (value instanceof Uint8Array ? toHex(value) : typeof value === 'bigint' ? `${value}n` : value), 1)}\n`;

if (process.env.UPDATE_FIXTURES === '1') {
  mkdirSync(folder, { recursive: true });
  for (const [name, make] of Object.entries(states)) {
    if (existsSync(`${folder}${name}.bin`)) continue;
    writeFileSync(`${folder}${name}.bin`, freezePeer(made(make)));
    writeFileSync(`${folder}${name}.json`, inWords(made(make)));
  }
}

describe('fixtures', () => {
  const kept = readdirSync(folder).filter((file) => file.endsWith('.bin'));

  test('there is one for every state', () => {
    expect(kept.sort()).toEqual(
      Object.keys(states)
        .map((name) => `${name}.bin`)
        .sort(),
    );
  });

  test.each(kept)('%s thaws to what it was', (file) => {
    const bytes = Uint8Array.from(readFileSync(folder + file));
    const thawed = thawPeer(bytes);
    if (!thawed.ok) throw new Error(`${thawed.error.code}: ${thawed.error.detail}`);
    expect(inWords(thawed.value)).toBe(readFileSync(folder + file.replace('.bin', '.json'), 'utf8'));
    expect(freezePeer(thawed.value)).toEqual(bytes);
  });

  test.each(Object.entries(states))('%s is still made so', (name, make) => {
    expect(toHex(freezePeer(made(make)))).toBe(toHex(Uint8Array.from(readFileSync(`${folder}${name}.bin`))));
  });
});

describe('format 1', () => {
  const old = folderOf('v1');
  const kept = readdirSync(old).filter((file) => file.endsWith('.bin'));

  test.each(kept)('%s is read, and says what it said', (file) => {
    const thawed = thawPeer(Uint8Array.from(readFileSync(old + file)));
    if (!thawed.ok) throw new Error(`${thawed.error.code}: ${thawed.error.detail}`);
    expect(throughIce(thawed.value)).toEqual(thawed.value);
    const said = JSON.parse(readFileSync(old + file.replace('.bin', '.json'), 'utf8'));
    const now = JSON.parse(inWords(thawed.value));
    for (const member of ['peerId', 'link', 'epoch', 'lastInSeq', 'outSeq', 'outbox', 'remoteFeatures', 'refused'])
      expect(now[member]).toEqual(said[member]);
    expect(now.channels).toHaveLength(said.channels.length);
    for (const [i, channel] of said.channels.entries()) {
      const [was, is] = [channel.was ?? channel, now.channels[i].was ?? now.channels[i]];
      expect(is.tag).toBe(was.tag);
      expect(now.channels[i].tag).toBe(channel.tag);
      if (!was.commitments) {
        expect(is.terms).toEqual({ ...was.terms, localIsOpener: false });
        continue;
      }
      const { localCommit, remoteCommit, guard, terms, ...rest } = was.commitments;
      expect(is.commitments).toMatchObject(rest);
      expect(is.commitments.terms).toEqual({ ...terms, localIsOpener: false });
      expect(is.commitments.guard).toMatchObject(guard);
      expect(is.commitments).toMatchObject({
        toLocalMsat: localCommit.spec.toLocalMsat,
        toRemoteMsat: localCommit.spec.toRemoteMsat,
        htlcs: [],
      });
      expect(is.commitments.localCommit.remoteSignature).toBe(localCommit.remoteSignature);
      expect(is.commitments.remoteCommit.perCommitmentPoint).toBe(remoteCommit.perCommitmentPoint);
    }
  });
});

describe('what is not a peer of ours', () => {
  const whole = freezePeer(reachNormal().node.state);

  test.each<readonly [string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'truncated'],
    ['something else', Uint8Array.from([1, 2, 3]), 'foreign'],
    ['cut short', whole.slice(0, -1), 'truncated'],
    ['a newer encoding', Uint8Array.from([0xb2, ...whole.slice(1)]), 'newer'],
    ['plain, but no peer', freeze({ version: 2, peer: { tag: 'x' } }), 'invalid'],
    ['a newer version', freeze({ version: 3, peer: {} }), 'invalid'],
    ['an old version with new members', freeze({ version: 1, peer: { ...newPeer(peerId), extra: 1 } }), 'invalid'],
    ['null', freeze(null), 'invalid'],
    ['an unknown member', freeze({ version: 2, peer: { ...newPeer(peerId), extra: 1 } }), 'invalid'],
    ['a negative number', freeze({ version: 2, peer: { ...newPeer(peerId), epoch: -1 } }), 'invalid'],
    ['an unknown link', freeze({ version: 2, peer: { ...newPeer(peerId), link: 'up' } }), 'invalid'],
    ['a short key', freeze({ version: 2, peer: newPeer(peerId.slice(1)) }), 'invalid'],
    ['an unknown channel', freeze({ version: 2, peer: { ...newPeer(peerId), channels: [{ tag: 'closing' }] } }), 'invalid'],
  ])('%s', (_, bytes, code) => {
    expect(thawPeer(bytes)).toMatchObject({ ok: false, error: { code } });
  });

  test('a wrong member deep inside is named', () => {
    const [channel] = reachSigned().node.state.channels;
    if (channel?.tag !== 'wait-for-funding-confirmed') throw new Error('not there');
    const bent = { ...channel, commitments: { ...channel.commitments, channelId: new Uint8Array(31) } };
    const thawed = thawPeer(freeze({ version: 2, peer: { ...newPeer(peerId), channels: [bent] } }));
    expect(thawed).toMatchObject({
      ok: false,
      error: { code: 'invalid', detail: expect.stringContaining('peer.channels.0.commitments.channelId') },
    });
  });

  test('one byte changed never throws', () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, to) => {
        const bytes = Uint8Array.from(whole);
        bytes[at] = to;
        const thawed = thawPeer(bytes);
        if (thawed.ok) expect(freezePeer(thawed.value)).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });
});
