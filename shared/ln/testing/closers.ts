/**
 * Two channels of our own, end to end, without the peer machine between them: a test of closing chooses what was negotiated, and may read
 * or change every message. Each step starts from a frozen and thawed state.
 */
import type { ChannelCommand } from '../channel/command.ts';
import type { Commitments } from '../channel/commitments.ts';
import type { ChannelEffect, NoteKind } from '../channel/effect.ts';
import type { Env } from '../channel/env.ts';
import { step } from '../channel/machine.ts';
import type { ChannelMessage, OutMessage } from '../channel/message.ts';
import { type ChannelState, commitmentsOf, type Live } from '../channel/state.ts';
import { newPeer } from '../peer/machine.ts';
import { fundingScriptPubKey } from '../tx/scripts.ts';
import { decodeMessage, encodeMessage } from '../wire/registry.ts';
import { throughIce } from './freeze-each-step.ts';
import { spends } from './interpreter.ts';
import { defaultPolicy } from './node.ts';
import { hash, regtestChain } from './opener.ts';
import { type Keys, Pair, type PairOptions, type PartyName, partyKeys } from './pair.ts';

const frozen = (state: ChannelState, keys: Keys): ChannelState => {
  const [thawed] = throughIce({ ...newPeer(keys.nodeId), channels: [state] }).channels;
  if (!thawed) throw new Error('the channel was lost in ice');
  return thawed;
};

export class Closer {
  readonly keys: Keys;
  state: ChannelState;
  /** Said, and not heard yet. */
  readonly wire: OutMessage[] = [];
  readonly effects: ChannelEffect[] = [];
  negotiated: Env['negotiated'] = {
    largeChannels: true,
    anchors: true,
    scidAlias: true,
    zeroConf: true,
    anySegwit: true,
    simpleClose: false,
    quiesce: false,
  };
  feerate = 2_500;
  height = 1_000;
  now = 1_700_000_000_000;

  constructor(name: string, was: Live) {
    this.keys = partyKeys(name);
    this.state = { tag: 'offline', was };
  }

  get env(): Env {
    return {
      now: this.now,
      height: this.height,
      entropy: hash('entropy'),
      chainHash: regtestChain,
      policy: { ...defaultPolicy, minDepth: 1 },
      peerId: this.keys.nodeId,
      negotiated: this.negotiated,
      feeratePerKw: { min: 253, max: 100_000 },
      openSigner: this.keys.openSigner,
      wallet: this.keys.wallet,
      sweepIndex: 0,
      coins: [],
      feerateFor: () => this.feerate,
    };
  }

  step(command: ChannelCommand): readonly ChannelEffect[] {
    const next = step(this.state, command, this.env);
    if (!next.state) throw new Error('the channel was forgotten');
    this.state = frozen(next.state, this.keys);
    this.effects.push(...next.effects);
    for (const effect of next.effects) {
      if (effect.tag === 'send') this.wire.push(effect.msg);
      else if (effect.tag === 'repeat') this.wire.push(asChannelMessage(effect.bytes));
    }
    return next.effects;
  }

  /** As it would come over the wire. */
  hear(msg: OutMessage): readonly ChannelEffect[] {
    if (msg.name === 'warning') return [];
    if (msg.name === 'error') return this.step({ tag: 'peer-error', detail: String.fromCharCode(...msg.data) });
    return this.step({ tag: 'recv', msg: asChannelMessage(encodeMessage(msg)) });
  }

  close(feeratePerKw = this.feerate, scriptPubKey?: Uint8Array): readonly ChannelEffect[] {
    return this.step({ tag: 'close', feeratePerKw, ...(scriptPubKey ? { scriptPubKey } : {}) });
  }

  get tag(): string {
    return this.state.tag === 'offline' || this.state.tag === 'syncing' ? `${this.state.tag} ${this.state.was.tag}` : this.state.tag;
  }
  get commitments(): Commitments {
    const commitments = commitmentsOf(this.state);
    if (!commitments) throw new Error('no commitments');
    return commitments;
  }
  /** What both have signed, the highest fee last. */
  get signed(): readonly Uint8Array[] {
    const live = this.state.tag === 'offline' || this.state.tag === 'syncing' ? this.state.was : this.state;
    return live.tag === 'negotiating' ? live.negotiation.signed : live.tag === 'closing' ? live.mutual : [];
  }
  get notes(): readonly NoteKind[] {
    return this.effects.flatMap((effect) => (effect.tag === 'note' ? [effect.note.kind] : []));
  }
  get says(): readonly string[] {
    return this.wire.map(({ name }) => name);
  }
  get script(): Uint8Array {
    return this.keys.wallet.scriptPubKey(0);
  }
}

function asChannelMessage(bytes: Uint8Array): Extract<ChannelMessage, OutMessage> {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) throw new Error(`we said something that cannot be read: ${decoded.error.code}`);
  const msg = decoded.value;
  switch (msg.name) {
    case 'channel_ready':
    case 'channel_reestablish':
    case 'update_add_htlc':
    case 'update_fulfill_htlc':
    case 'update_fail_htlc':
    case 'update_fail_malformed_htlc':
    case 'update_fee':
    case 'commitment_signed':
    case 'revoke_and_ack':
    case 'stfu':
    case 'shutdown':
    case 'closing_signed':
    case 'closing_complete':
    case 'closing_sig':
      return msg;
    default:
      throw new Error(`${msg.name} is not for a channel`);
  }
}

export type ClosersOptions = PairOptions & { readonly simpleClose?: boolean };

export class Closers {
  readonly alice: Closer;
  readonly bob: Closer;
  connected = false;
  delivered = 0;

  constructor({ simpleClose = false, ...options }: ClosersOptions = {}) {
    const pair = new Pair(options);
    this.alice = closer('alice', pair);
    this.bob = closer('bob', pair);
    for (const side of this.sides) side.negotiated = { ...side.negotiated, simpleClose };
  }

  get sides(): readonly [Closer, Closer] {
    return [this.alice, this.bob];
  }

  connect(): this {
    this.connected = true;
    for (const side of this.sides) side.step({ tag: 'connected' });
    return this;
  }
  cut(): this {
    this.connected = false;
    for (const side of this.sides) {
      side.wire.length = 0;
      side.step({ tag: 'disconnected' });
    }
    return this;
  }

  /** One message reaches that side, perhaps changed on its way. */
  deliver(to: PartyName, change: (msg: OutMessage) => OutMessage = (msg) => msg): boolean {
    const msg = (to === 'alice' ? this.bob : this.alice).wire.shift();
    if (!msg) return false;
    this.delivered += 1;
    const effects = this[to].hear(change(msg));
    if (effects.some(({ tag }) => tag === 'disconnect')) this.cut();
    return true;
  }

  /** Until nobody has anything to say; or, after `limit` messages, stops. */
  settle(limit = 200, change?: (msg: OutMessage) => OutMessage): this {
    const until = this.delivered + limit;
    for (let busy = true; busy && this.connected; ) {
      busy = false;
      for (const to of ['alice', 'bob'] as const) {
        while (this.connected && this.delivered < until && this.deliver(to, change)) busy = true;
        if (this.connected) this[to].step({ tag: 'flush' });
      }
      if (this.delivered >= until) return this;
      busy ||= this.sides.some(({ wire }) => wire.length > 0);
    }
    return this;
  }

  /** Would the chain take it? */
  spendsFunding(transaction: Uint8Array): boolean {
    const { terms } = this.alice.commitments;
    const scriptPubKey = fundingScriptPubKey(terms.local.basepoints.fundingPubkey, terms.remote.basepoints.fundingPubkey);
    return spends(transaction, { amountSat: terms.fundingAmountSat, scriptPubKey });
  }
}

function closer(name: PartyName, pair: Pair): Closer {
  const [channel] = pair[name].state.channels;
  if (channel?.tag !== 'offline') throw new Error(`${name} has no channel`);
  return new Closer(name, channel.was);
}
