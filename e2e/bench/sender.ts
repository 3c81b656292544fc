/** A peer of the phone's with an engine of ours and no chain behind it: opens a channel that needs no confirmation, and offers HTLCs in it. */
import { randomBytes } from 'node:crypto';
import { networkOf } from '../../app/runtime/network.ts';
import { TestPeer } from '../../relay/keeper/testing.ts';
import { type Commitments, isQuiet } from '../../shared/ln/channel/commitments.ts';
import { commitmentsOf } from '../../shared/ln/channel/state.ts';
import type { AddRequest } from '../../shared/ln/channel/updates.ts';
import { parseInvoice } from '../../shared/ln/invoice/parse.ts';
import { paymentOnion } from '../../shared/ln/onion/route.ts';
import type { ChannelRequest, PeerCommand } from '../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../shared/ln/peer/effect.ts';
import { newPeer, ourInit, stepPeer } from '../../shared/ln/peer/machine.ts';
import { decode } from '../../shared/ln/peer/wire.ts';
import { fundingTransaction } from '../../shared/ln/testing/acceptor.ts';
import { defaultPolicy } from '../../shared/ln/testing/node.ts';
import { partyKeys } from '../../shared/ln/testing/pair.ts';
import { waitFor } from '../lab/wait.ts';

const chainHash = networkOf('regtest').chainHash;
const PATIENCE_MS = 60_000;
/** From the height on. */
const CLTV_DELTA = 500;

/** `signedAtMs`: their `revoke_and_ack` and `commitment_signed` were here. */
type Offering = { readonly sentAtMs: number; readonly signedAtMs: number };
/** `fulfilledAtMs`: their last `update_fulfill_htlc` was here; so it was durable there. */
type Paid = Offering & { readonly fulfilledAtMs: number };

export class Sender {
  readonly #peer: TestPeer;
  /** A fresh wallet for each sender: a channel's keys are drawn anew anyway. */
  readonly #keys = partyKeys('a sender');
  #state = newPeer(new Uint8Array(33).fill(2));
  /** Of the peer's messages on this connection. */
  #heard = 0;
  #commitHeardAtMs = 0;
  /** When each HTLC of an offer was fulfilled. */
  #fulfillsHeardAtMs: number[] = [];

  readonly #height: number;

  private constructor(peer: TestPeer, height: number) {
    this.#peer = peer;
    this.#height = height;
  }
  /** `height`: that of the phone's chain, 1 where it has none. */
  static async start({ height = 1 } = {}): Promise<Sender> {
    return new Sender(await TestPeer.start(), height);
  }
  get #cltvExpiry(): number {
    return this.#height + CLTV_DELTA;
  }
  stop(): Promise<void> {
    return this.#peer.stop();
  }
  get address(): string {
    return `${this.#peer.idHex}@127.0.0.1:${this.#peer.port}`;
  }
  get peerId(): string {
    return this.#peer.idHex;
  }

  /** The phone is connected, for the first and only time: says `init`, and answers from now on. */
  greet(): void {
    this.#step({ tag: 'connected', epoch: 1 });
    this.#peer.end.send(ourInit(chainHash));
    // The peer's own listener came first: what it decrypts is in its list by the time ours is called.
    this.#peer.end.socket.on('data', () => this.#listen());
    this.#listen();
  }

  async open(): Promise<void> {
    await this.#until('init', () => this.#state.link === 'ready');
    const open = { fundingAmountSat: 10_000_000n, pushMsat: 1_000_000_000n, feeratePerKw: 2_500, isPublic: false, zeroConf: true };
    this.#step({ tag: 'open', request: 'bench', open });
    await this.#until('the channel', () => this.#state.channels[0]?.tag === 'normal');
  }

  /** So many HTLCs and our signature at once; answers when the phone's `revoke_and_ack` and `commitment_signed` are here, and good. */
  offer(count: number): Promise<Offering> {
    const add = () => ({ amountMsat: 1_000_000n, paymentHash: bytes(32), cltvExpiry: this.#cltvExpiry, onion: bytes(1366) });
    return this.#offer(Array.from({ length: count }, add));
  }

  /** All of these invoices of the phone's at once; answers when the last one is fulfilled, with the preimage that its hash asks for. */
  async pay(invoices: readonly string[]): Promise<Paid> {
    // The onions are made before the clock runs.
    const offering = await this.#offer(invoices.map((text) => paymentOf(text, this.#cltvExpiry)));
    await this.#until('the preimages', () => this.#fulfillsHeardAtMs.length === invoices.length);
    return { ...offering, fulfilledAtMs: this.#fulfillsHeardAtMs.at(-1) ?? Number.NaN };
  }

  async #offer(adds: readonly AddRequest[]): Promise<Offering> {
    const { nextLocalHtlcId: from } = this.#commitments;
    for (const [i, add] of adds.entries()) this.#ask({ tag: 'add', request: `${from + BigInt(i)}`, ...add });
    const { localCommit } = this.#commitments;
    const sentAtMs = Date.now();
    this.#commitHeardAtMs = 0;
    this.#fulfillsHeardAtMs = [];
    this.#step({ tag: 'flush' });
    await this.#until('revoke_and_ack and commitment_signed', () => this.#commitments.localCommit.number > localCommit.number);
    if (this.#commitments.htlcs.length !== adds.length) throw new Error('not every HTLC is in the commitment');
    return { sentAtMs, signedAtMs: this.#commitHeardAtMs };
  }

  /** The HTLCs are answered and gone: of an offer the phone cannot read the onions, and fails them. */
  quiet(): Promise<void> {
    return this.#until('the HTLCs to be gone', () => isQuiet(this.#commitments));
  }

  get #commitments(): Commitments {
    const [channel] = this.#state.channels;
    const commitments = channel && commitmentsOf(channel);
    if (!commitments) throw new Error('no channel');
    return commitments;
  }
  async #until(what: string, condition: () => boolean): Promise<void> {
    await waitFor(condition, { what, timeoutMs: PATIENCE_MS });
  }
  #ask(command: ChannelRequest): void {
    this.#step({ tag: 'channel', channelId: this.#commitments.channelId, command });
  }

  #listen(): void {
    const { messages } = this.#peer.end;
    const fresh = messages.slice(this.#heard);
    this.#heard = messages.length;
    for (const message of fresh) {
      const decoded = decode(message);
      if (decoded.ok && decoded.value.name === 'commitment_signed' && this.#commitHeardAtMs === 0) this.#commitHeardAtMs = Date.now();
      this.#step({ tag: 'frame', epoch: 1, n: this.#state.lastInSeq + 1, bytes: message });
    }
    if (fresh.length > 0) this.#step({ tag: 'flush' });
  }

  #step(command: PeerCommand): void {
    const { openSigner, wallet } = this.#keys;
    const { state, effects } = stepPeer(this.#state, command, {
      now: Date.now(),
      height: this.#height,
      entropy: bytes(64),
      chainHash,
      policy: defaultPolicy,
      feeratePerKw: { min: 253, max: 100_000 },
      openSigner,
      wallet,
      sweepIndex: 0,
      coins: [],
      feerateFor: () => 2_500,
    });
    this.#state = state;
    const { outbox, epoch, outSeq } = state;
    for (const frame of outbox) this.#peer.end.send(frame.bytes);
    if (outbox.length > 0) this.#step({ tag: 'receipt', epoch, m: outSeq });
    for (const effect of effects) this.#answer(effect);
  }
  #answer(effect: PeerEffect): void {
    if (effect.tag === 'open-refused' || effect.tag === 'add-refused') throw new Error(`${effect.tag}: ${effect.error.code}`);
    if (effect.tag === 'disconnect') throw new Error(effect.reason);
    // Told only of a preimage that fits, as it comes.
    if (effect.tag === 'htlc-fulfilled') this.#fulfillsHeardAtMs.push(Date.now());
    if (effect.tag !== 'fund') return;
    const { bytes: transaction, outpoint } = fundingTransaction(effect.scriptPubKey, effect.amountSat);
    const command = { tag: 'funded', transaction, vout: outpoint.vout } as const;
    this.#step({ tag: 'channel', channelId: effect.temporaryChannelId, command });
  }
}

function paymentOf(text: string, cltvExpiry: number): AddRequest {
  const parsed = parseInvoice(text, 'regtest');
  if (!parsed.ok) throw new Error(parsed.error.code);
  const { payee, paymentHash, paymentSecret, amountMsat } = parsed.value;
  if (amountMsat === undefined) throw new Error('an invoice without an amount');
  const onion = paymentOnion({
    sessionKey: bytes(32).fill(1, 0, 1),
    paymentHash,
    htlcs: [{ nodeId: payee, shortChannelId: 0n, amountMsat, cltvExpiry }],
    recipient: { tag: 'node', totalMsat: amountMsat, paymentSecret },
  });
  if (!onion.ok) throw new Error(onion.error.code);
  return { amountMsat, paymentHash, cltvExpiry, onion: onion.value.packet };
}

const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
