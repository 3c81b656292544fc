/** Our side of a connection, for tests that read as a story: `node.connect(); node.hear(opener.open)` → what it said and noted. */
import type { ChainEvent } from '../channel/command.ts';
import type { PeerCommand } from '../peer/command.ts';
import type { Note } from '../peer/effect.ts';
import type { Env, OpenPolicy, PeerEnv } from '../peer/env.ts';
import { negotiatedWith } from '../peer/init.ts';
import { newPeer, ourInit } from '../peer/machine.ts';
import type { PeerState } from '../peer/state.ts';
import { decode, encode, type PeerMessage } from '../peer/wire.ts';
import { encodeFeatures, features, ourFeatures } from '../wire/features.ts';
import { stepThroughIce } from './freeze-each-step.ts';
import { hash, ourOpenSigner, ourWallet, peerId, regtestChain } from './opener.ts';

export type Said<N extends PeerMessage['name']> = Extract<PeerMessage, { readonly name: N }>;

/** What one step, or a few in a row, brought. */
export class Heard {
  readonly said: readonly PeerMessage[];
  readonly notes: readonly Note[];
  readonly disconnects: readonly string[];

  constructor(said: readonly PeerMessage[], notes: readonly Note[], disconnects: readonly string[]) {
    this.said = said;
    this.notes = notes;
    this.disconnects = disconnects;
  }

  get names(): readonly string[] {
    return this.said.map(({ name }) => name);
  }
  get kinds(): readonly string[] {
    return this.notes.map(({ kind }) => kind);
  }
  message<N extends PeerMessage['name']>(name: N): Said<N> {
    const found = this.said.find((msg): msg is Said<N> => msg.name === name);
    if (!found) throw new Error(`expected ${name}, heard ${this.names.join(', ') || 'nothing'}`);
    return found;
  }
  note(kind: Note['kind']): Note {
    const found = this.notes.find((note) => note.kind === kind);
    if (!found) throw new Error(`expected the note ${kind}, got ${this.kinds.join(', ') || 'none'}`);
    return found;
  }
  amountOf(kind: Note['kind']): bigint | undefined {
    return this.note(kind).amountSat;
  }
  /** The text of the one `error` or `warning`. */
  get text(): string {
    const [first] = this.said.flatMap((msg) => (msg.name === 'error' || msg.name === 'warning' ? [msg.data] : []));
    return first ? String.fromCharCode(...first) : '';
  }
}

export const defaultPolicy: OpenPolicy = {
  onOpen: 'sign',
  zeroConf: false,
  minFundingSat: 20_000n,
  maxFundingSat: 16_777_215n,
  minDepth: 3,
  allowPublic: false,
  promptMs: 300_000,
  maxPendingChannels: 4,
};

/** A peer's `init` with every feature that a channel may ask for. */
export const peerInit: Said<'init'> = {
  name: 'init',
  globalfeatures: new Uint8Array(0),
  features: ourFeatures(),
  networks: [regtestChain],
};

/** Feature bits by name, optional form. */
export const optional = (...names: readonly (keyof typeof features)[]): Uint8Array =>
  encodeFeatures(names.map((name) => features[name].bit + 1));

export class TestNode {
  state: PeerState = newPeer(peerId);
  policy: OpenPolicy;
  now = 1_700_000_000_000;
  height = 1_000;
  feeratePerKw = { min: 253, max: 50_000 };
  private draws = 0;
  private n = 0;

  constructor(policy: Partial<OpenPolicy> = {}) {
    this.policy = { ...defaultPolicy, ...policy };
  }

  /** States are values, so a copy goes its own way. */
  copy(): TestNode {
    const other = new TestNode(this.policy);
    return Object.assign(other, this);
  }

  env(): PeerEnv {
    this.draws += 1;
    const entropy = new Uint8Array([...hash(`entropy ${this.draws}`), ...hash(`more ${this.draws}`)]);
    const { now, height, policy, feeratePerKw } = this;
    return {
      now,
      height,
      policy,
      feeratePerKw,
      entropy,
      chainHash: regtestChain,
      openSigner: ourOpenSigner,
      wallet: ourWallet,
      sweepIndex: 0,
      coins: [],
      feerateFor: () => 1_000,
    };
  }

  /** As a step of one channel sees it. */
  channelEnv(): Env {
    return { ...this.env(), peerId: this.state.peerId, negotiated: negotiatedWith(this.state.remoteFeatures) };
  }

  step(command: PeerCommand): Heard {
    const { epoch, outSeq } = this.state;
    const { state, effects } = stepThroughIce(this.state, command, this.env());
    this.state = state;
    const fresh = state.outbox.filter((frame) => frame.epoch !== epoch || frame.m > outSeq);
    const said = fresh.map(({ bytes }) => {
      const decoded = decode(bytes);
      if (!decoded.ok || decoded.value.name === 'unknown') throw new Error('we said something that cannot be read');
      return decoded.value;
    });
    return new Heard(
      said,
      effects.flatMap((effect) => (effect.tag === 'note' ? [effect.note] : [])),
      effects.flatMap((effect) => (effect.tag === 'disconnect' ? [effect.reason] : [])),
    );
  }

  /** A new epoch and the peer's `init`. */
  connect(init: Said<'init'> = peerInit): Heard {
    this.transport();
    return this.hear(init);
  }
  /** A new epoch, `init` still to come. */
  transport(): Heard {
    this.n = 0;
    return this.step({ tag: 'connected', epoch: this.state.epoch + 1 });
  }
  disconnect(): Heard {
    return this.step({ tag: 'disconnected', epoch: this.state.epoch });
  }
  hear(msg: PeerMessage): Heard {
    return this.hearBytes(encode(msg));
  }
  hearBytes(bytes: Uint8Array): Heard {
    this.n += 1;
    return this.step({ tag: 'frame', epoch: this.state.epoch, n: this.n, bytes });
  }
  chain(event: ChainEvent): Heard {
    return this.step({ tag: 'chain', event });
  }
  later(ms: number): Heard {
    this.now += ms;
    return this.tick();
  }
  tick(): Heard {
    return this.step({ tag: 'tick' });
  }

  /** The one channel. */
  get channel(): PeerState['channels'][number] {
    const [channel, ...others] = this.state.channels;
    if (!channel || others.length > 0) throw new Error(`expected one channel, have ${this.state.channels.length}`);
    return channel;
  }
  get tags(): readonly string[] {
    return this.state.channels.map((channel) =>
      channel.tag === 'offline' || channel.tag === 'syncing' ? `${channel.tag} ${channel.was.tag}` : channel.tag,
    );
  }
}

export const ourInitBytes = (): Uint8Array => ourInit(regtestChain);
