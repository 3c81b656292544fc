/**
 * Two of our own engines on one wire, message by message. Every step goes through ice (frozen, thawed, made twice), so whatever a test
 * plays through could have slept between any two steps. A `Party` is one side: its state, what it hears, what it was told.
 */

import { encodeChannelType } from '../channel/channel-type.ts';
import type { Commitments } from '../channel/commitments.ts';
import { channelIdFrom } from '../channel/commitments.ts';
import { receiveFundingCreated, receiveFundingSigned, sendFundingCreated } from '../channel/funding.ts';
import { type ChannelState, commitmentsOf } from '../channel/state.ts';
import type { ChannelTerms, SideTerms } from '../channel/terms.ts';
import { pointFromSecret } from '../keys/secp.ts';
import { nodeSecret, walletKeyFromSeed } from '../keys/seed.ts';
import type { Coin } from '../onchain/types.ts';
import type { ChannelRequest, PeerCommand } from '../peer/command.ts';
import type { PeerEffect } from '../peer/effect.ts';
import type { PeerEnv } from '../peer/env.ts';
import { newPeer, stepPeer } from '../peer/machine.ts';
import type { PeerState } from '../peer/state.ts';
import { encode } from '../peer/wire.ts';
import { openSignerFrom } from '../signer/memory.ts';
import type { OpenSigner, WalletSigner } from '../signer/signer.ts';
import { openWalletSigner } from '../signer/wallet.ts';
import type { ChannelKind, Outpoint } from '../tx/commitment.ts';
import { encodeFeatures, features, ourFeatures, parseFeatures } from '../wire/features.ts';
import { stepIntoIce, stepThroughIce } from './freeze-each-step.ts';
import { defaultPolicy } from './node.ts';
import { hash, regtestChain, remembering } from './opener.ts';

export type PartyName = 'alice' | 'bob';
const other = (name: PartyName): PartyName => (name === 'alice' ? 'bob' : 'alice');

export type Keys = {
  readonly openSigner: OpenSigner;
  readonly wallet: WalletSigner;
  /** As fixtures have it. */
  readonly nodeId: Uint8Array;
  /** Whose key the signer has: who is announced. */
  readonly publicId: Uint8Array;
};
const keysOf = (seed: string): Keys => {
  const key = walletKeyFromSeed(hash(`seed of ${seed}`), 1);
  return {
    openSigner: remembering(openSignerFrom(key)),
    wallet: openWalletSigner(key),
    nodeId: pointFromSecret(hash(`node of ${seed}`)),
    publicId: pointFromSecret(nodeSecret(key)),
  };
};
const keysByName = new Map<string, Keys>();
/** One set of keys per name for a whole run: points are computed once. */
export function partyKeys(name: string): Keys {
  const keys = keysByName.get(name) ?? keysOf(name);
  keysByName.set(name, keys);
  return keys;
}

export class Party {
  readonly name: string;
  readonly keys: Keys;
  state: PeerState;
  /** What goes over the wire to the other side and is not there yet. */
  readonly wire: Uint8Array[] = [];
  readonly news: PeerEffect[] = [];
  height = 1_000;
  now = 1_700_000_000_000;
  feerate = 2_500;
  /** Of its wallet: for fees. */
  coins: readonly Coin[] = [];
  sweepIndex = 0;
  private draws = 0;
  /** `once`: for schedules by the thousand. False for benches: not through ice at all. */
  icy: boolean | 'once' = true;
  /** False: `init` does not offer `option_simple_close`. */
  simpleClose = true;

  constructor(name: string, peerId: Uint8Array) {
    this.name = name;
    this.keys = partyKeys(name);
    this.state = newPeer(peerId);
  }

  env(): PeerEnv {
    this.draws += 1;
    return {
      now: this.now,
      height: this.height,
      entropy: new Uint8Array([...hash(`${this.name} entropy ${this.draws}`), ...hash(`${this.name} more ${this.draws}`)]),
      chainHash: regtestChain,
      policy: { ...defaultPolicy, minDepth: 1 },
      feeratePerKw: { min: 253, max: 100_000 },
      openSigner: this.keys.openSigner,
      wallet: this.keys.wallet,
      sweepIndex: this.sweepIndex,
      coins: this.coins,
      feerateFor: () => this.feerate,
    };
  }

  /** Steps, and puts what was said on the wire. */
  step(command: PeerCommand): readonly PeerEffect[] {
    const { epoch, outSeq } = this.state;
    const env = this.env();
    const make = this.icy === 'once' ? stepIntoIce : this.icy ? stepThroughIce : stepPeer;
    const { state, effects } = make(this.state, command, env);
    this.state = state;
    const fresh = state.outbox.filter((frame) => frame.epoch !== epoch || frame.m > outSeq);
    this.wire.push(...fresh.map(({ bytes }) => bytes));
    this.news.push(...effects);
    // The carrier has taken what was said.
    if (fresh.length > 0) this.state = stepPeer(this.state, { tag: 'receipt', epoch: state.epoch, m: state.outSeq }, env).state;
    return effects;
  }

  hear(bytes: Uint8Array): readonly PeerEffect[] {
    return this.step({ tag: 'frame', epoch: this.state.epoch, n: this.state.lastInSeq + 1, bytes });
  }

  /** A new epoch; our `init` goes first. */
  connect(epoch: number): readonly PeerEffect[] {
    const effects = this.step({ tag: 'connected', epoch });
    const all = ourFeatures();
    const offered = this.simpleClose
      ? all
      : encodeFeatures(parseFeatures(all).filter((bit) => bit >> 1 !== features.option_simple_close.bit >> 1));
    this.wire.unshift(encode({ name: 'init', globalfeatures: new Uint8Array(0), features: offered, networks: [regtestChain] }));
    return effects;
  }

  ask(command: ChannelRequest, channelId = this.onlyChannelId): readonly PeerEffect[] {
    return this.step({ tag: 'channel', channelId, command });
  }

  get channel(): ChannelState {
    const [channel] = this.state.channels;
    if (!channel) throw new Error(`${this.name} has no channel`);
    return channel;
  }
  get commitments(): Commitments {
    const commitments = commitmentsOf(this.channel);
    if (!commitments) throw new Error(`${this.name} has no commitments`);
    return commitments;
  }
  private get onlyChannelId(): Uint8Array {
    return this.commitments.channelId;
  }
}

export type PairOptions = {
  readonly name?: string;
  readonly kind?: ChannelKind;
  readonly opener?: PartyName;
  readonly fundingSat?: bigint;
  readonly pushMsat?: bigint;
  readonly feeratePerKw?: number;
  readonly dustLimitSat?: { readonly alice: bigint; readonly bob: bigint };
  readonly reserveSat?: bigint;
  readonly maxAcceptedHtlcs?: number;
  readonly isPublic?: boolean;
  /** False: neither offers `option_simple_close`. */
  readonly simpleClose?: boolean;
};

/** Two parties with a channel between them that is ready to be used, and no connection yet. */
export class Pair {
  readonly alice: Party;
  readonly bob: Party;
  /** As alice sees them. */
  readonly terms: ChannelTerms;
  epoch = 0;

  constructor(options: PairOptions = {}) {
    const idOf = (name: PartyName): Uint8Array => partyKeys(name)[options.isPublic ? 'publicId' : 'nodeId'];
    this.alice = new Party('alice', idOf('bob'));
    this.bob = new Party('bob', idOf('alice'));
    const channels = openedOnce(options);
    this.terms = channels.alice.terms;
    for (const name of ['alice', 'bob'] as const) {
      this[name].simpleClose = options.simpleClose ?? true;
      const was = { tag: 'normal', commitments: channels[name], confirmed: { height: 900, txIndex: 1 } } as const;
      this[name].state = { ...this[name].state, channels: [{ tag: 'offline', was }] };
    }
  }

  get parties(): readonly Party[] {
    return [this.alice, this.bob];
  }
  of(name: PartyName): Party {
    return this[name];
  }

  connect(): void {
    this.epoch += 1;
    for (const party of this.parties) {
      party.wire.length = 0;
      party.connect(this.epoch);
    }
  }
  cut(): void {
    for (const party of this.parties) {
      party.wire.length = 0;
      party.step({ tag: 'disconnected', epoch: party.state.epoch });
    }
  }
  get connected(): boolean {
    return this.parties.every(({ state }) => state.link !== 'offline' && state.link !== 'closing');
  }

  /** One message reaches `to`. False if none was under way. */
  deliver(to: PartyName): boolean {
    const bytes = this[other(to)].wire.shift();
    if (!bytes) return false;
    this[to].hear(bytes);
    return true;
  }
  flush(name: PartyName): void {
    this[name].step({ tag: 'flush' });
  }

  /** Until nobody has anything to say. */
  settle(): void {
    for (let rounds = 0; rounds < 200; rounds += 1) {
      let busy = false;
      for (const name of ['alice', 'bob'] as const) {
        while (this.deliver(name)) busy = true;
        this.flush(name);
        if (this[name].wire.length > 0) busy = true;
      }
      if (!busy) return;
    }
    throw new Error('the two never come to rest');
  }
}

const opened = new Map<string, ReturnType<typeof openedChannel>>();
/** Channels are values: the same options make the same one. */
function openedOnce(options: PairOptions): ReturnType<typeof openedChannel> {
  const key = JSON.stringify(options, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
  const known = opened.get(key) ?? openedChannel(options);
  opened.set(key, known);
  return known;
}

/** Terms for both sides, and the first commitments, made by the verbs that open a channel. */
function openedChannel(options: PairOptions): { readonly alice: Commitments; readonly bob: Commitments } {
  const { name = 'pair', opener = 'alice', fundingSat = 1_000_000n } = options;
  const accepter = other(opener);
  const [ours, theirs] = [termsFor(options, opener), termsFor(options, accepter)];
  const outpoint: Outpoint = { txid: hash(`funding of ${name} ${fundingSat}`), vout: 0 };
  const openerSigner = partyKeys(opener).openSigner(ours.keyPath);
  const accepterSigner = partyKeys(accepter).openSigner(theirs.keyPath);
  const created = sendFundingCreated(ours, outpoint, openerSigner);
  if (!created.ok || created.value.message.name !== 'funding_created') throw new Error('no funding_created');
  const accepted = receiveFundingCreated(theirs, created.value.message, accepterSigner);
  if (!accepted.ok || accepted.value.fundingSigned.name !== 'funding_signed') throw new Error('no funding_signed');
  const signed = receiveFundingSigned(
    { terms: ours, fundingOutpoint: outpoint, guard: created.value.guard },
    accepted.value.fundingSigned,
    openerSigner,
  );
  if (!signed.ok) throw new Error(`funding_signed: ${signed.error.code}`);
  const ready = (commitments: Commitments, remoteNextPerCommitmentPoint: Uint8Array): Commitments => ({
    ...commitments,
    channelId: channelIdFrom(outpoint),
    remoteNextPerCommitmentPoint,
  });
  const sides = {
    [opener]: ready(signed.value, accepterSigner.perCommitmentPoint(1n)),
    [accepter]: ready(accepted.value.commitments, openerSigner.perCommitmentPoint(1n)),
  };
  const { alice, bob } = sides;
  if (!alice || !bob) throw new Error('a side is missing');
  return { alice, bob };
}

function termsFor(options: PairOptions, me: PartyName): ChannelTerms {
  const { name = 'pair', kind = 'anchors_zero_fee_htlc_tx', opener = 'alice', fundingSat = 1_000_000n } = options;
  const pathOf = (party: PartyName): readonly [number, number] => {
    const [a = 0, b = 0] = hash(`${name} path of ${party}`);
    return [a, b];
  };
  const sideOf = (party: PartyName): SideTerms => ({
    basepoints: partyKeys(party).openSigner(pathOf(party)).basepoints,
    dustLimitSat: options.dustLimitSat?.[party] ?? 354n,
    maxHtlcValueInFlightMsat: fundingSat * 1000n,
    channelReserveSat: options.reserveSat ?? fundingSat / 100n,
    htlcMinimumMsat: 1n,
    toSelfDelay: 144,
    maxAcceptedHtlcs: options.maxAcceptedHtlcs ?? 30,
  });
  return {
    temporaryChannelId: hash(`temporary ${name}`),
    keyPath: pathOf(me),
    channelType: encodeChannelType({ kind, scidAlias: false, zeroConf: false }),
    kind,
    zeroConf: false,
    isPublic: options.isPublic ?? false,
    localIsOpener: opener === me,
    fundingAmountSat: fundingSat,
    pushMsat: options.pushMsat ?? (fundingSat * 1000n) / 2n,
    feeratePerKw: options.feeratePerKw ?? 2_500,
    minDepth: 1,
    localAlias: 1n,
    sendAlias: false,
    local: sideOf(me),
    remote: sideOf(other(me)),
    remoteFirstPerCommitmentPoint: partyKeys(other(me))
      .openSigner(pathOf(other(me)))
      .perCommitmentPoint(0n),
  };
}
