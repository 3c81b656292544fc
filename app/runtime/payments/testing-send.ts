/**
 * For tests of payments: the node with channels to peers that are engines of ours, message by message and without a relay, and behind them a
 * payee that the node knows by its invoices only. What arrives at a peer waits until the test says what becomes of it.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { err } from '../../../shared/lib/result.ts';
import type { Commitments } from '../../../shared/ln/channel/commitments.ts';
import type { Htlc } from '../../../shared/ln/channel/htlc.ts';
import { type ChannelState, commitmentsOf } from '../../../shared/ln/channel/state.ts';
import { encodeInvoice } from '../../../shared/ln/invoice/encode.ts';
import type { RouteHintHop } from '../../../shared/ln/invoice/invoice.ts';
import { pointFromSecret, sign } from '../../../shared/ln/keys/secp.ts';
import { walletKeyFromSeed } from '../../../shared/ln/keys/seed.ts';
import type { AnyFailure } from '../../../shared/ln/onion/failure.ts';
import { failHtlc, relayFailure } from '../../../shared/ln/onion/failure-packet.ts';
import { type Hop, type Receipt, readHtlc } from '../../../shared/ln/onion/htlc.ts';
import type { PeerCommand } from '../../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../../shared/ln/peer/effect.ts';
import { freezePeer, thawPeer } from '../../../shared/ln/peer/freeze.ts';
import { ourInit } from '../../../shared/ln/peer/machine.ts';
import type { PeerState } from '../../../shared/ln/peer/state.ts';
import { hash, regtestChain } from '../../../shared/ln/testing/opener.ts';
import { Pair, type PairOptions, type Party } from '../../../shared/ln/testing/pair.ts';
import { encodeFeatures, features } from '../../../shared/ln/wire/features.ts';
import { commit, loadPeer } from '../../store/store.ts';
import { networkOf } from '../network.ts';
import { Collected, collect } from '../peers.ts';
import { round } from '../round.ts';
import { type NodeOptions, type TestNode, testNode } from '../testing.ts';
import { drivePayments } from './drive.ts';
import { settleSets } from './receive-sets.ts';

export const HEIGHT = 1_000;
const secretOf = (name: string): Uint8Array => hash(`node secret of ${name}`);
export const idOf = (name: string): string => toHex(pointFromSecret(secretOf(name)));
/** Of the channel from that peer to the payee. */
export const scidOf = (name: string): bigint => BigInt(`0x${toHex(hash(`channel of ${name}`)).slice(0, 12)}`);

/** `unheard`: what it said since `said`, until it is committed here; a life that dies with it hears it again. */
type Peer = { readonly name: string; readonly party: Party; heard: number; said: number; unheard: readonly Uint8Array[] };
/** An HTLC that is a peer's to answer. */
export type Arrival = {
  readonly peer: string;
  readonly htlc: Htlc;
  readonly atPeer: Hop | Receipt;
  /** What the payee reads, where the peer is a hop. */
  readonly atPayee?: Receipt;
};

export type Invoiced = { readonly text: string; readonly preimage: Uint8Array; readonly paymentHash: string };

export class PaymentWorld {
  node: TestNode;
  readonly into = new Collected();
  readonly arrivals: Arrival[] = [];
  /** What else a peer's own engine tells. */
  heard: (peer: string, news: PeerEffect) => void = () => undefined;
  readonly #peers: Peer[] = [];
  #invoices = 0;

  private constructor(node: TestNode) {
    this.node = node;
  }

  /** A channel to each; we have half of it. */
  static async start(channels: { readonly [peer: string]: Omit<PairOptions, 'name'> }): Promise<PaymentWorld> {
    const node = offline(await testNode());
    const walletKey = toHex(walletKeyFromSeed(hash('seed of alice'), 1));
    const made = await node.call('create-wallet', { entropy: '00'.repeat(16), walletKey, network: 'regtest', restore: false });
    if (!made.ok) throw new Error(made.error.code);
    const chain = { state: new Uint8Array(0), height: HEIGHT, tipTimeMs: node.ports.now(), checkedAtMs: node.ports.now() };
    await commit(node.ports.db, { settings: { chain } });
    const world = new PaymentWorld(node);
    for (const [name, options] of Object.entries(channels)) await world.#befriend(name, options);
    return world;
  }

  async #befriend(name: string, options: Omit<PairOptions, 'name'>): Promise<void> {
    const pair = new Pair({ ...options, name });
    pair.connect();
    pair.settle();
    pair.bob.news.length = 0;
    const state: PeerState = { ...pair.alice.state, peerId: fromHex(idOf(name)), channels: pair.alice.state.channels.map(placedFor(name)) };
    const peer = {
      peerId: idOf(name),
      host: name,
      port: 1,
      alias: name,
      onOpen: 'default',
      zeroConf: false,
      fence: 0,
      failures: 0,
    } as const;
    await commit(this.node.ports.db, { peer: { ...peer, frozen: freezePeer(state) } });
    this.#peers.push({ name, party: pair.bob, heard: state.outSeq, said: state.lastInSeq, unheard: [] });
  }

  /** The worker ends; another life of it begins on the same database. */
  async again(wrap?: NodeOptions['wrap']): Promise<void> {
    this.node = offline(await this.node.again(wrap === undefined ? {} : { wrap }));
  }

  async state(name: string): Promise<PeerState> {
    const record = await loadPeer(this.node.ports.db, idOf(name));
    const thawed = record && thawPeer(record.frozen);
    if (!thawed?.ok) throw new Error(`no ${name}`);
    return thawed.value;
  }

  /** All that was said is heard, on both sides, and payments go on, until nobody has anything to say. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn += 1) {
      await settleSets(this.node.ports, this.into);
      let busy = await drivePayments(this.node.ports, this.into);
      for (const peer of this.#peers) busy = (await this.#exchange(peer)) || busy;
      if (!busy) return;
    }
    throw new Error('they never come to rest');
  }

  async #exchange(peer: Peer): Promise<boolean> {
    const { ports } = this.node;
    const { outbox, epoch, link } = await this.state(peer.name);
    if (link === 'offline') return false;
    const fresh = outbox.filter(({ m }) => m > peer.heard);
    for (const { bytes, m } of fresh) {
      peer.party.hear(bytes);
      peer.heard = m;
    }
    if (fresh.length > 0) await round(ports, idOf(peer.name), [{ tag: 'receipt', epoch, m: peer.heard }]);
    peer.party.step({ tag: 'flush' });
    for (const news of peer.party.news.splice(0)) {
      if (news.tag === 'htlc-received') this.arrivals.push(readArrival(peer.name, news.htlc));
      else this.heard(peer.name, news);
    }
    const frames = [...peer.unheard, ...peer.party.wire.splice(0)];
    peer.unheard = frames;
    for (const bytes of frames) {
      const stepped = await round(ports, idOf(peer.name), [{ tag: 'frame', epoch, n: peer.said + 1, bytes }]);
      if (!stepped.ok) throw new Error(`${stepped.error.code}: ${stepped.error.detail}`);
      peer.said += 1;
      peer.unheard = peer.unheard.slice(1);
      collect(this.into, idOf(peer.name), stepped.value);
    }
    return fresh.length > 0 || frames.length > 0;
  }

  #peer(name: string): Peer {
    const peer = this.#peers.find((one) => one.name === name);
    if (!peer) throw new Error(`nobody is called ${name}`);
    return peer;
  }
  party(name: string): Party {
    return this.#peer(name).party;
  }

  /** The connection ends; what was on its way is lost. */
  async cut(name: string): Promise<void> {
    const peer = this.#peer(name);
    const { party } = peer;
    const { epoch } = await this.state(name);
    await this.#round(name, { tag: 'disconnected', epoch });
    party.step({ tag: 'disconnected', epoch: party.state.epoch });
    party.wire.length = 0;
    peer.unheard = [];
  }
  /** And is there again. */
  async connect(name: string): Promise<void> {
    const peer = this.#peer(name);
    const { epoch } = await this.state(name);
    peer.heard = 0;
    peer.said = 0;
    await this.#round(name, { tag: 'connected', epoch: epoch + 1 });
    peer.party.connect(peer.party.state.epoch + 1);
    // The parties of tests live on a chain of their own.
    peer.party.wire[0] = ourInit(networkOf('regtest').chainHash);
    peer.party.hear(ourInit(regtestChain));
  }
  async #round(name: string, command: PeerCommand): Promise<void> {
    const stepped = await round(this.node.ports, idOf(name), [command]);
    if (!stepped.ok) throw new Error(`${stepped.error.code}: ${stepped.error.detail}`);
    collect(this.into, idOf(name), stepped.value);
  }

  async fulfil({ peer, htlc }: Arrival, preimage: Uint8Array): Promise<void> {
    this.party(peer).ask({ tag: 'remove', id: htlc.id, removal: { kind: 'fulfill', preimage } });
    await this.settle();
  }

  /** By the payee where it got there, else by the peer. */
  async fail(
    { peer, htlc, atPeer, atPayee }: Arrival,
    failure: AnyFailure,
    by: 'peer' | 'payee' = atPayee ? 'payee' : 'peer',
  ): Promise<void> {
    const { sharedSecret } = atPeer;
    const { reason, attributionData: attribution } =
      by === 'peer' || !atPayee
        ? failHtlc({ sharedSecret, failure, holdTime: 0 })
        : relayFailure({ sharedSecret, ...failHtlc({ sharedSecret: atPayee.sharedSecret, failure, holdTime: 0 }), holdTime: 0 });
    this.party(peer).ask({ tag: 'remove', id: htlc.id, removal: { kind: 'fail', reason, attribution } });
    await this.settle();
  }

  /** Of that node; `through`: hints at these peers. */
  invoice(
    payee: string,
    amountMsat: bigint | undefined,
    options: { through?: readonly string[]; mpp?: boolean; feeBaseMsat?: number } = {},
  ): Invoiced {
    this.#invoices += 1;
    const preimage = hash(`preimage ${this.#invoices}`);
    const { through = [], mpp = true, feeBaseMsat = 1_000 } = options;
    const hint = (name: string): readonly RouteHintHop[] => [
      {
        nodeId: fromHex(idOf(name)),
        shortChannelId: scidOf(name),
        feeBaseMsat,
        feeProportionalMillionths: 0,
        cltvExpiryDelta: 40,
      },
    ];
    const offered = [features.var_onion_optin.bit, features.payment_secret.bit, ...(mpp ? [features.basic_mpp.bit + 1] : [])];
    const text = encodeInvoice(
      {
        network: 'regtest',
        ...(amountMsat === undefined ? {} : { amountMsat }),
        timestamp: Math.floor(this.node.ports.now() / 1_000),
        expirySeconds: 3_600,
        paymentHash: sha256(preimage),
        paymentSecret: hash('payment secret'),
        description: 'a coffee',
        payee: fromHex(idOf(payee)),
        minFinalCltvExpiryDelta: 18,
        fallbacks: [],
        routeHints: through.map(hint),
        features: encodeFeatures(offered),
      },
      (digest) => sign(digest, secretOf(payee)),
    );
    return { text, preimage, paymentHash: toHex(sha256(preimage)) };
  }

  /** As both sides of the one channel with that peer have it, in msat. */
  async sides(name: string): Promise<readonly Commitments[]> {
    const [channel] = (await this.state(name)).channels;
    const own = channel && commitmentsOf(channel);
    if (!own) throw new Error('no channel');
    return [own, this.party(name).commitments];
  }

  /** Ours in all channels with that peer. */
  async ours(name: string): Promise<bigint> {
    const view = await this.node.call('snapshot', null);
    if (!view.ok) throw new Error(view.error.code);
    return view.value.channels.filter(({ peerId }) => peerId === idOf(name)).reduce((sum, { oursSat }) => sum + BigInt(oursSat), 0n);
  }
}

/** Each channel is somewhere else in the chain, and has an alias of its own. */
const placedFor =
  (name: string) =>
  (channel: ChannelState): ChannelState => {
    if (channel.tag !== 'normal') return channel;
    const { commitments } = channel;
    const terms = { ...commitments.terms, localAlias: aliasOf(name) };
    return { ...channel, commitments: { ...commitments, terms }, confirmed: { height: 900, txIndex: placeOf(name) } };
  };
/** By which the peer knows our channel, if we told it. */
export const aliasOf = (name: string): bigint => BigInt(`0x${toHex(hash(`alias for ${name}`)).slice(0, 12)}`);
const placeOf = (name: string): number => (hash(`place of ${name}`)[0] ?? 0) + 1;
/** Of our channel with that peer. */
export const ourScidOf = (name: string): bigint => (900n << 40n) | (BigInt(placeOf(name)) << 16n);

function readArrival(peer: string, htlc: Htlc): Arrival {
  const { amountMsat, paymentHash, cltvExpiry, onion } = htlc;
  if (!onion) throw new Error('an HTLC without an onion');
  const read = readHtlc({ amountMsat, paymentHash, cltvExpiry, onionRoutingPacket: onion }, secretOf(peer));
  if (!read.ok) throw new Error('the peer cannot read its onion');
  const atPeer = read.value;
  if (atPeer.tag === 'receipt') return { peer, htlc, atPeer };
  if (!('shortChannelId' in atPeer.to) || atPeer.to.shortChannelId !== scidOf(peer)) throw new Error('to nowhere');
  const { amtToForward, outgoingCltvValue, next } = atPeer;
  const inner = { amountMsat: amtToForward, paymentHash, cltvExpiry: outgoingCltvValue, onionRoutingPacket: next };
  const atPayee = readHtlc(inner, secretOf('dave'));
  if (!atPayee.ok || atPayee.value.tag !== 'receipt') throw new Error('the payee cannot read its onion');
  return { peer, htlc, atPeer, atPayee: atPayee.value };
}

/** Peers are reached by hand, not over the relay. */
function offline(node: TestNode): TestNode {
  node.relay.meddle = async () => err({ code: 'unreachable', detail: 'by hand' });
  return node;
}
