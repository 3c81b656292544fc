/** For tests: nodes that sign real gossip, and a gossip peer on loopback that says what it is told to. */
import { createHash } from 'node:crypto';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import * as secp from '@noble/secp256k1';
import { chainHashOf } from '../../shared/lib/networks.ts';
import type { ChannelAnnouncement, ChannelUpdate, NodeAnnouncement } from '../../shared/ln/wire/messages/gossip.ts';
import { encodeMessage } from '../../shared/ln/wire/registry.ts';
import { type PeerEnd, TestPeer, until } from '../keeper/testing.ts';

secp.hashes.sha256 = sha256;
secp.hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

export const regtest = chainHashOf('regtest');

export type Signer = { readonly secret: Uint8Array; readonly id: Uint8Array };
/** The same name, the same key. */
export function signer(name: string): Signer {
  const secret = Uint8Array.from(createHash('sha256').update(name).digest());
  return { secret, id: secp.getPublicKey(secret, true) };
}

const NO_SIGNATURE = new Uint8Array(64);
const sign = (bytes: Uint8Array, { secret }: Signer): Uint8Array => secp.sign(sha256(sha256(bytes)), secret, { prehash: false });

export const scid = (block: number, tx = 1, output = 0): bigint => (BigInt(block) << 40n) | (BigInt(tx) << 16n) | BigInt(output);

export type Pair = {
  readonly shortChannelId: bigint;
  readonly node1: Signer;
  readonly node2: Signer;
  readonly bitcoin1: Signer;
  readonly bitcoin2: Signer;
};
/** A channel between two nodes, the lesser id first. */
export function pair(shortChannelId: bigint, one: Signer, other: Signer): Pair {
  const [node1, node2] = Buffer.compare(one.id, other.id) < 0 ? [one, other] : [other, one];
  return {
    shortChannelId,
    node1,
    node2,
    bitcoin1: signer(`bitcoin 1 of ${shortChannelId}`),
    bitcoin2: signer(`bitcoin 2 of ${shortChannelId}`),
  };
}

export function announcement(of: Pair, changes: Partial<ChannelAnnouncement> = {}): Uint8Array {
  const unsigned: ChannelAnnouncement = {
    name: 'channel_announcement',
    nodeSignature1: NO_SIGNATURE,
    nodeSignature2: NO_SIGNATURE,
    bitcoinSignature1: NO_SIGNATURE,
    bitcoinSignature2: NO_SIGNATURE,
    features: new Uint8Array(0),
    chainHash: regtest,
    shortChannelId: of.shortChannelId,
    nodeId1: of.node1.id,
    nodeId2: of.node2.id,
    bitcoinKey1: of.bitcoin1.id,
    bitcoinKey2: of.bitcoin2.id,
    ...changes,
  };
  const signed = encodeMessage(unsigned).subarray(2 + 4 * 64);
  return encodeMessage({
    ...unsigned,
    nodeSignature1: sign(signed, of.node1),
    nodeSignature2: sign(signed, of.node2),
    bitcoinSignature1: sign(signed, of.bitcoin1),
    bitcoinSignature2: sign(signed, of.bitcoin2),
  });
}

export function update(of: Pair, direction: 0 | 1, timestamp: number, changes: Partial<ChannelUpdate> = {}): Uint8Array {
  const unsigned: ChannelUpdate = {
    name: 'channel_update',
    signature: NO_SIGNATURE,
    chainHash: regtest,
    shortChannelId: of.shortChannelId,
    timestamp,
    messageFlags: 1,
    channelFlags: direction,
    cltvExpiryDelta: 40,
    htlcMinimumMsat: 1n,
    feeBaseMsat: 1_000,
    feeProportionalMillionths: 100,
    htlcMaximumMsat: 900_000_000n,
    ...changes,
  };
  const signature = sign(encodeMessage(unsigned).subarray(2 + 64), direction === 0 ? of.node1 : of.node2);
  return encodeMessage({ ...unsigned, signature });
}

export function nodeAnnouncement(of: Signer, timestamp: number, changes: Partial<NodeAnnouncement> = {}): Uint8Array {
  const unsigned: NodeAnnouncement = {
    name: 'node_announcement',
    signature: NO_SIGNATURE,
    features: new Uint8Array(0),
    timestamp,
    nodeId: of.id,
    rgbColor: Uint8Array.of(1, 2, 3),
    alias: new Uint8Array(32),
    addresses: new Uint8Array(0),
    ...changes,
  };
  return encodeMessage({ ...unsigned, signature: sign(encodeMessage(unsigned).subarray(2 + 64), of) });
}

/** The last byte of the first signature changed. */
export function forged(message: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(message);
  bytes[65] = (bytes[65] ?? 0) ^ 1;
  return bytes;
}

export const theirInit = (chain: Uint8Array = regtest): Uint8Array =>
  encodeMessage({ name: 'init', globalfeatures: new Uint8Array(0), features: Uint8Array.of(0x80), networks: [chain] });

/** A peer whose connection has said its init and has been asked for gossip. */
export class GossipSource {
  readonly peer: TestPeer;
  private constructor(peer: TestPeer) {
    this.peer = peer;
  }

  static async start(): Promise<GossipSource> {
    return new GossipSource(await TestPeer.start());
  }

  get address(): string {
    return `${this.peer.idHex}@127.0.0.1:${this.peer.port}`;
  }

  /** Waits for connection number `count` and plays the greeting. */
  async greeted(count = 1): Promise<PeerEnd> {
    await until(() => this.peer.ends.length >= count, 'the relay to connect', 10_000);
    const end = this.peer.ends[count - 1];
    if (end === undefined) throw new Error('unreachable');
    await until(() => end.types().includes(16), "the relay's init");
    end.send(theirInit());
    await until(() => end.types().includes(265), 'the question for gossip');
    return end;
  }

  stop(): Promise<void> {
    return this.peer.stop();
  }
}
