import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../lib/bytes.ts';
import type { Result } from '../../lib/result.ts';
import { verify } from '../keys/secp.ts';
import { announced, announcer, chainHash, NOW, policy, signed, spoiled, updated } from '../testing/gossip.ts';
import { encodeFeatures } from '../wire/features.ts';
import { decodeMessage, encodeMessage } from '../wire/registry.ts';
import { parseAddresses } from './addresses.ts';
import { channelToAnnounce, directionFrom, nodeToAnnounce, updateToSign } from './announce.ts';
import { checkChannelAnnouncement, checkChannelUpdate, checkNodeAnnouncement, MAX_AHEAD_SECONDS, TWO_WEEKS_SECONDS } from './check.ts';

const [alice, bob] = [announcer(1), announcer(2)];
const outcome = <T>(result: Result<T, { readonly code: string }>): T | string => (result.ok ? result.value : result.error.code);
const never = (): boolean => {
  throw new Error('a signature was checked');
};

describe('channel_announcement', () => {
  const good = announced(7n, alice, bob);
  const check = (msg: typeof good) => outcome(checkChannelAnnouncement(msg, { chainHash, verify }));

  test('what both nodes have signed is good, whoever of them made it', () => {
    expect(check(good)).toEqual({ routable: true });
    expect(check(announced(7n, bob, alice))).toEqual({ routable: true });
    expect(toHex(good.nodeId1) < toHex(good.nodeId2)).toBe(true);
    expect(good.bitcoinKey1).toEqual(toHex(good.nodeId1) === toHex(alice.nodeId) ? alice.fundingPubkey : bob.fundingPubkey);
  });

  test('it survives the wire, and so does its signature over what comes after its fields', () => {
    const longer = announced(7n, alice, bob, { extension: Uint8Array.of(1, 2, 3) });
    for (const msg of [good, longer]) {
      const decoded = decodeMessage(encodeMessage(msg));
      expect(decoded).toEqual({ ok: true, value: msg });
      expect(check(msg)).toEqual({ routable: true });
    }
    expect(check({ ...longer, extension: Uint8Array.of(1, 2, 4) })).toBe('bad-signature');
  });

  test('each of the four signatures is needed, under its own key', () => {
    for (const name of ['nodeSignature1', 'nodeSignature2', 'bitcoinSignature1', 'bitcoinSignature2'] as const) {
      const result = checkChannelAnnouncement({ ...good, [name]: spoiled(good[name]) }, { chainHash, verify });
      expect(result).toMatchObject({ ok: false, error: { code: 'bad-signature', warn: true } });
      expect(result).toMatchObject({ error: { detail: name.replace(/[A-Z12]/g, (letter) => `_${letter.toLowerCase()}`) } });
    }
    expect(check({ ...good, bitcoinSignature1: good.nodeSignature1 })).toBe('bad-signature');
    expect(check({ ...good, shortChannelId: 8n })).toBe('bad-signature');
  });

  test('another chain, ids out of order: ignored before any signature is checked', () => {
    const cheap = (msg: typeof good) => outcome(checkChannelAnnouncement(msg, { chainHash, verify: never }));
    expect(cheap({ ...good, chainHash: new Uint8Array(32) })).toBe('other-chain');
    expect(cheap({ ...good, nodeId1: good.nodeId2, nodeId2: good.nodeId1 })).toBe('node-order');
    expect(cheap({ ...good, nodeId2: good.nodeId1 })).toBe('node-order');
  });

  test('an unknown even feature: taken, and no payment goes through', () => {
    expect(check(announced(7n, alice, bob, { features: encodeFeatures([101]) }))).toEqual({ routable: true });
    expect(check(announced(7n, alice, bob, { features: encodeFeatures([100]) }))).toEqual({ routable: false });
  });

  test('the digest does not depend on signatures, and does on all else', () => {
    const { digest } = channelToAnnounce({ chainHash, shortChannelId: 7n, ours: alice, theirs: bob });
    expect(channelToAnnounce({ chainHash, shortChannelId: 7n, ours: bob, theirs: alice }).digest).toEqual(digest);
    expect(channelToAnnounce({ chainHash, shortChannelId: 8n, ours: bob, theirs: alice }).digest).not.toEqual(digest);
    expect(verify(good.nodeSignature1, digest, good.nodeId1)).toBe(true);
  });
});

describe('channel_update', () => {
  const env = { nodeId: alice.nodeId, chainHash, now: NOW, verify, capacitySat: 1_000_000 };
  const direction = directionFrom(alice.nodeId, bob.nodeId);
  const check = (msg: ReturnType<typeof updated>, change: Partial<Parameters<typeof checkChannelUpdate>[1]> = {}) =>
    outcome(checkChannelUpdate(msg, { ...env, ...change }));

  test('what a node has signed of its own direction', () => {
    expect(check(updated(alice, bob))).toEqual({ direction, disabled: false, routable: true });
    expect(check(updated(alice, bob, { disabled: true }))).toMatchObject({ disabled: true });
    expect(check(updated(bob, alice), { nodeId: bob.nodeId })).toMatchObject({ direction: 1 - direction });
    expect(check(updated(alice, bob), { nodeId: bob.nodeId })).toBe('bad-signature');
    expect(check(updated(alice, bob, {}, { extension: Uint8Array.of(9) }))).toMatchObject({ routable: true });
  });

  test('of another chain, for the peer alone, from the future, too old: before its signature is checked', () => {
    const cheap = (msg: ReturnType<typeof updated>, own = false) => check(msg, { verify: never, own });
    expect(cheap(updated(alice, bob, { chainHash: new Uint8Array(32) }))).toBe('other-chain');
    expect(cheap(updated(alice, bob, { isPublic: false }))).toBe('not-public');
    expect(cheap(updated(alice, bob, { now: NOW + MAX_AHEAD_SECONDS + 1 }))).toBe('from-the-future');
    expect(check(updated(alice, bob, { now: NOW + MAX_AHEAD_SECONDS }))).toMatchObject({ routable: true });
    expect(cheap(updated(alice, bob, { now: NOW - TWO_WEEKS_SECONDS }))).toBe('too-old');
    expect(check(updated(alice, bob, { now: NOW - TWO_WEEKS_SECONDS + 1 }))).toMatchObject({ routable: true });
    // Of our own channel both are taken.
    expect(check(updated(alice, bob, { isPublic: false, now: NOW - 2 * TWO_WEEKS_SECONDS }), { own: true })).toMatchObject({
      routable: true,
    });
  });

  test('a wrong signature is told to the peer', () => {
    const msg = updated(alice, bob);
    const result = checkChannelUpdate({ ...msg, signature: spoiled(msg.signature) }, env);
    expect(result).toMatchObject({ ok: false, error: { code: 'bad-signature', warn: true } });
  });

  test('a maximum under the minimum or over the capacity: not for routes', () => {
    expect(check(updated(alice, bob, {}, { htlcMinimumMsat: 2n, htlcMaximumMsat: 1n }))).toMatchObject({ routable: false });
    expect(check(updated(alice, bob, {}, { htlcMinimumMsat: 2n, htlcMaximumMsat: 2n }))).toMatchObject({ routable: true });
    expect(check(updated(alice, bob, {}, { htlcMaximumMsat: 1_000_000_000n }))).toMatchObject({ routable: true });
    expect(check(updated(alice, bob, {}, { htlcMaximumMsat: 1_000_000_001n }))).toMatchObject({ routable: false });
  });

  test('ours keeps to the capacity, to what the peer lets be in flight, and to a later time each time', () => {
    const message = (change: Partial<typeof policy>) => updateToSign({ ...policy, ...change }).message;
    expect(message({}).htlcMaximumMsat).toBe(500_000_000n);
    expect(message({ capacitySat: 400_000n }).htlcMaximumMsat).toBe(400_000_000n);
    expect(message({ peerMaxHtlcValueInFlightMsat: 300_000_000n }).htlcMaximumMsat).toBe(300_000_000n);
    expect(() => message({ peerMaxHtlcValueInFlightMsat: 0n })).toThrow(TypeError);
    expect([message({}).timestamp, message({ lastTimestamp: NOW }).timestamp, message({ lastTimestamp: 5 }).timestamp]).toEqual([
      NOW,
      NOW + 1,
      NOW,
    ]);
    expect([message({}).messageFlags, message({ isPublic: false }).messageFlags]).toEqual([1, 3]);
    expect([message({}).channelFlags, message({ direction: 1, disabled: true }).channelFlags]).toEqual([0, 3]);
  });
});

describe('node_announcement', () => {
  const own = {
    nodeId: alice.nodeId,
    features: new Uint8Array(),
    alias: 'Alice',
    rgbColor: Uint8Array.of(1, 2, 3),
    now: NOW,
    lastTimestamp: 0,
  };
  const { message } = nodeToAnnounce(own);
  const check = (change: Partial<typeof message>) => outcome(checkNodeAnnouncement(signed({ ...message, ...change }, alice), { verify }));

  test('what a node says of itself', () => {
    expect(check({})).toEqual({ routable: true, forward: true, addresses: [] });
    expect(decodeMessage(encodeMessage(signed(message, alice))).ok).toBe(true);
    expect(outcome(checkNodeAnnouncement(signed(message, bob), { verify }))).toBe('bad-signature');
  });

  test('features: known ones may be required, unknown even ones keep payments away', () => {
    expect(check({ features: encodeFeatures([8, 14, 17, 101]) })).toMatchObject({ routable: true });
    expect(check({ features: encodeFeatures([100]) })).toMatchObject({ routable: false });
  });

  test('an alias is cut between characters, and is empty where none fits', () => {
    const alias = (text: string): Uint8Array => nodeToAnnounce({ ...own, alias: text }).message.alias;
    const bytes = (text: string): Uint8Array => concat(new TextEncoder().encode(text), new Uint8Array(32)).subarray(0, 32);
    expect(alias('Alice')).toEqual(bytes('Alice'));
    expect(alias('é'.repeat(16))).toEqual(bytes('é'.repeat(16)));
    expect(alias(`a${'é'.repeat(16)}`)).toEqual(bytes(`a${'é'.repeat(15)}`));
    expect(alias(`ab${'⚡'.repeat(11)}`)).toEqual(bytes(`ab${'⚡'.repeat(10)}`));
    expect(alias('')).toEqual(new Uint8Array(32));
  });

  test('addresses: each kind, port 0 left out, cut ones told to the peer', () => {
    const [v4, v6, tor2] = [fromHex('0101020304260f'), fromHex(`02${'20'.repeat(16)}0001`), fromHex(`03${'00'.repeat(10)}0001`)];
    const [tor3, dns] = [
      fromHex(`04${'07'.repeat(35)}0002`),
      concat(fromHex('050b'), new TextEncoder().encode('example.org'), fromHex('0003')),
    ];
    expect(check({ addresses: concat(v4, v6, tor2, tor3, dns) })).toEqual({
      routable: true,
      forward: true,
      addresses: [
        { kind: 'ipv4', bytes: Uint8Array.of(1, 2, 3, 4), port: 9743 },
        { kind: 'ipv6', bytes: new Uint8Array(16).fill(0x20), port: 1 },
        { kind: 'torv3', bytes: new Uint8Array(35).fill(7), port: 2 },
        { kind: 'dns', hostname: 'example.org', port: 3 },
      ],
    });
    expect(check({ addresses: concat(dns, dns) })).toMatchObject({ forward: false, addresses: [{ port: 3 }] });
    expect(check({ addresses: fromHex('01010203040000') })).toMatchObject({ addresses: [] });
    // What follows an unknown type cannot be read.
    expect(check({ addresses: concat(v4, Uint8Array.of(9), v4) })).toMatchObject({ addresses: [{ kind: 'ipv4' }] });
    for (const cut of [v4, v6, tor3, dns])
      for (let end = 1; end < cut.length; end += 1) expect(parseAddresses(cut.subarray(0, end)).ok).toBe(false);
    expect(checkNodeAnnouncement({ ...message, addresses: v4.subarray(1) }, { verify: never })).toMatchObject({
      ok: false,
      error: { code: 'bad-addresses', warn: true },
    });
  });
});
