/** For tests: anna pays bob over us. All three are engines of ours; what becomes of anna's HTLC is read as she reads it. */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { readHoldTimes } from '../../../shared/ln/onion/attribution.ts';
import { type ReadFailure, readFailure } from '../../../shared/ln/onion/failure-packet.ts';
import { paymentOnion, type RouteHtlc } from '../../../shared/ln/onion/route.ts';
import type { PeerEffect } from '../../../shared/ln/peer/effect.ts';
import { hash } from '../../../shared/ln/testing/opener.ts';
import { type Arrival, HEIGHT, idOf, ourScidOf, PaymentWorld } from './testing-send.ts';

export const AMOUNT = 10_000_000n;
/** 1000 msat, and 100 of a million. */
export const FEE = 2_000n;
export const DELTA = 80;
export const preimage = hash('a preimage of bob');
export const paymentHash = sha256(preimage);

export type Sending = {
  readonly amountMsat?: bigint;
  readonly feeMsat?: bigint;
  /** Of the HTLC that goes to bob. */
  readonly cltvExpiry?: number;
  readonly delta?: number;
  readonly shortChannelId?: bigint;
  readonly paymentHash?: Uint8Array;
};

export class Line {
  readonly world: PaymentWorld;
  /** By name: what anna hears of her HTLC, in order. */
  readonly ends = new Map<string, readonly string[]>();
  /** By name: how long each hop held it, and who is suspected, as the last end tells it. */
  readonly told = new Map<string, Pick<ReadFailure, 'holdTimes' | 'suspect'>>();
  readonly #secrets = new Map<string, readonly Uint8Array[]>();
  readonly #names = new Map<bigint, string>();

  private constructor(world: PaymentWorld) {
    this.world = world;
    world.heard = (peer, news) => {
      if (peer === 'anna') this.#hear(news);
    };
  }

  /** `pushMsat`: what anna has of her channel. */
  static async start({ on = true, pushMsat = 500_000_000n }: { readonly on?: boolean; readonly pushMsat?: bigint } = {}): Promise<Line> {
    const world = await PaymentWorld.start({ anna: { pushMsat }, bob: {} });
    const line = new Line(world);
    if (on) await line.passOn();
    return line;
  }

  async passOn(change: { readonly on?: boolean; readonly htlcMinimumMsat?: string } = {}): Promise<void> {
    const view = await this.world.node.call('snapshot', null);
    if (!view.ok) throw new Error(view.error.code);
    const set = await this.world.node.call('set-forwarding', { ...view.value.forwarding, on: true, ...change });
    if (!set.ok) throw new Error(set.error.detail);
  }

  /** Anna offers an HTLC that we are to pass on; nothing is delivered yet. */
  async offer(name = 'it', sending: Sending = {}): Promise<void> {
    const { amountMsat = AMOUNT, feeMsat = FEE, cltvExpiry = HEIGHT + 60, delta = DELTA, shortChannelId = ourScidOf('bob') } = sending;
    const keys = await this.world.node.ports.keys();
    if (keys === undefined) throw new Error('no keys');
    const [first, second]: readonly RouteHtlc[] = [
      { nodeId: fromHex(keys.nodeId()), shortChannelId: 0n, amountMsat: amountMsat + feeMsat, cltvExpiry: cltvExpiry + delta },
      { nodeId: fromHex(idOf('bob')), shortChannelId, amountMsat, cltvExpiry },
    ];
    if (!first || !second) throw new Error('no route');
    const recipient = { tag: 'node', totalMsat: amountMsat, paymentSecret: hash('secret of bob') } as const;
    const hashed = sending.paymentHash ?? paymentHash;
    const built = paymentOnion({ sessionKey: hash(`session ${name}`), paymentHash: hashed, htlcs: [first, second], recipient });
    if (!built.ok) throw new Error(built.error.code);
    this.#secrets.set(name, built.value.sharedSecrets);
    const effects = this.world.party('anna').ask({
      tag: 'add',
      request: name,
      amountMsat: first.amountMsat,
      paymentHash: hashed,
      cltvExpiry: first.cltvExpiry,
      onion: built.value.packet,
    });
    this.world.party('anna').news.length = 0;
    for (const effect of effects) this.#hear(effect);
  }
  async send(name = 'it', sending: Sending = {}): Promise<void> {
    await this.offer(name, sending);
    await this.world.settle();
  }
  end(name = 'it'): string {
    return (this.ends.get(name) ?? []).join(' and ') || 'held';
  }

  get arrival(): Arrival {
    const { arrivals } = this.world;
    const [arrival] = arrivals;
    if (arrival === undefined || arrivals.length > 1) throw new Error(`${arrivals.length} HTLCs arrived`);
    return arrival;
  }

  #hear(news: PeerEffect): void {
    if (news.tag === 'add-refused') throw new Error(news.error.code);
    if (news.tag === 'htlc-offered') this.#names.set(news.id, news.request);
    if (news.tag !== 'htlc-fulfilled' && news.tag !== 'htlc-failed') return;
    const name = this.#names.get(news.id) ?? '';
    this.ends.set(name, [...(this.ends.get(name) ?? []), this.#endOf(name, news)]);
  }
  #endOf(name: string, news: Extract<PeerEffect, { readonly tag: 'htlc-fulfilled' | 'htlc-failed' }>): string {
    const sharedSecrets = this.#secrets.get(name) ?? [];
    if (news.tag === 'htlc-fulfilled') {
      this.told.set(name, { holdTimes: news.attribution ? readHoldTimes(sharedSecrets, news.attribution) : [] });
      return `paid ${toHex(news.preimage).slice(0, 8)}`;
    }
    const { removal } = news;
    if (removal?.kind !== 'fail') return removal?.kind ?? 'not sent';
    const attributionData = removal.attribution ? { attributionData: removal.attribution } : {};
    const { source, ...told } = readFailure({ sharedSecrets, reason: removal.reason, ...attributionData });
    this.told.set(name, told);
    return source === undefined ? 'unreadable' : `${source.failure.name} of ${source.hop}`;
  }
}
export const PAID = `paid ${toHex(preimage).slice(0, 8)}`;
