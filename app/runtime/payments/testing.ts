/**
 * For tests: peers with our own engine on the other end that pay us, each over channels of its own, and a relay in memory that carries for all of
 * them. Each HTLC's end is kept, and what left the node with which request.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromBase64Url, fromHex, toBase64Url, toHex } from '../../../shared/lib/bytes.ts';
import { err, ok } from '../../../shared/lib/result.ts';
import { commitmentsOf } from '../../../shared/ln/channel/state.ts';
import { parseInvoice } from '../../../shared/ln/invoice/parse.ts';
import { sign } from '../../../shared/ln/keys/secp.ts';
import { readHoldTimes } from '../../../shared/ln/onion/attribution.ts';
import { readFailure } from '../../../shared/ln/onion/failure-packet.ts';
import { encodePayload, type PaymentPayload } from '../../../shared/ln/onion/payload.ts';
import { buildOnion } from '../../../shared/ln/onion/sphinx.ts';
import type { ChannelRequest, PeerCommand } from '../../../shared/ln/peer/command.ts';
import type { PeerEffect } from '../../../shared/ln/peer/effect.ts';
import { freezePeer } from '../../../shared/ln/peer/freeze.ts';
import { newPeer, ourInit, stepPeer } from '../../../shared/ln/peer/machine.ts';
import { decode, encode, type PeerMessage } from '../../../shared/ln/peer/wire.ts';
import { fundingTransaction } from '../../../shared/ln/testing/acceptor.ts';
import { defaultPolicy } from '../../../shared/ln/testing/node.ts';
import { hash } from '../../../shared/ln/testing/opener.ts';
import { type Keys, partyKeys } from '../../../shared/ln/testing/pair.ts';
import type { AnswerOf, Op, RequestOf, SyncAnswer, SyncRequest } from '../../../shared/protocol/session.ts';
import type { RelayClient } from '../../net/relay.ts';
import { commit } from '../../store/store.ts';
import { networkOf } from '../network.ts';
import { round } from '../round.ts';
import { syncAll } from '../sync.ts';
import { type TestNode, walletNode } from '../testing.ts';

const { chainHash } = networkOf('regtest');
export const HEIGHT = 1_000;
export const CHANNEL_SAT = 1_000_000n;

export type Offer = {
  readonly amountMsat: bigint;
  /** Of the set; default: as much as this part. */
  readonly totalMsat?: bigint;
  readonly paymentHash: Uint8Array;
  readonly paymentSecret?: Uint8Array;
  readonly cltvExpiry?: number;
  readonly payload?: PaymentPayload;
  /** Which of the payer's channels. */
  readonly channel?: number;
};
/** `held` until it has ended; then the preimage in hex, or the failure's name. */
export type Ended =
  | { readonly tag: 'held' }
  | { readonly tag: 'paid'; readonly preimage: string }
  | { readonly tag: 'failed'; readonly why: string };

let draws = 0;
const entropy = (): Uint8Array => {
  draws += 1;
  return new Uint8Array([...hash(`payer ${draws}`), ...hash(`and payer ${draws}`)]);
};

export class Payer {
  readonly name: string;
  readonly keys: Keys;
  readonly session: string;
  readonly ends = new Map<string, Ended>();
  /** By name: what the answer said of the time that it took. */
  readonly holdTimes = new Map<string, readonly number[]>();
  readonly heard: PeerMessage[] = [];
  /** As the relay tells it. */
  wakeBudgetSpent = false;
  state;
  height = HEIGHT;
  waiting: SyncAnswer['in'] = [];
  lastM = 0;
  #lastN = 0;
  #payee: Uint8Array;
  #secrets = new Map<string, readonly Uint8Array[]>();
  #offered = new Map<string, string>();

  constructor(name: string, payee: string) {
    this.name = name;
    this.keys = partyKeys(name);
    this.session = `session-${name}`;
    this.#payee = fromHex(payee);
    this.state = newPeer(this.#payee);
  }

  get peerId(): string {
    return toHex(this.keys.nodeId);
  }
  get channelIds(): readonly Uint8Array[] {
    return this.state.channels.flatMap((channel) => commitmentsOf(channel)?.channelId ?? []);
  }

  connect(): void {
    this.waiting = [];
    this.#lastN = 0;
    this.lastM = 0;
    this.#step({ tag: 'connected', epoch: this.state.epoch + 1 });
    this.#put(ourInit(chainHash));
    this.hear(ourInit(chainHash));
  }
  hear(bytes: Uint8Array): void {
    const decoded = decode(bytes);
    if (decoded.ok && decoded.value.name !== 'unknown') this.heard.push(decoded.value);
    this.#step({ tag: 'frame', epoch: this.state.epoch, n: this.state.lastInSeq + 1, bytes });
  }
  flush(): void {
    this.#step({ tag: 'flush' });
  }
  open(): void {
    const open = { fundingAmountSat: CHANNEL_SAT, pushMsat: 300_000_000n, feeratePerKw: 2_500, isPublic: false, zeroConf: true };
    this.#step({ tag: 'open', request: 'test', open });
  }
  /** One HTLC; its end is under `name`. */
  offer(name: string, offer: Offer): void {
    const { amountMsat, totalMsat = amountMsat, paymentHash, paymentSecret, cltvExpiry = HEIGHT + 100, channel = 0 } = offer;
    const payload = encodePayload({
      amtToForward: amountMsat,
      outgoingCltvValue: cltvExpiry,
      ...(paymentSecret ? { paymentData: { paymentSecret, totalMsat } } : {}),
      ...offer.payload,
    });
    const onion = buildOnion({ sessionKey: entropy().slice(0, 32), hops: [{ nodeId: this.#payee, payload }], associatedData: paymentHash });
    if (!onion.ok) throw new Error(onion.error.code);
    this.ends.set(name, { tag: 'held' });
    this.#secrets.set(name, onion.value.sharedSecrets);
    const channelId = this.channelIds[channel];
    if (channelId === undefined) throw new Error('no channel');
    const add: ChannelRequest = { tag: 'add', request: name, amountMsat, paymentHash, cltvExpiry, onion: onion.value.packet };
    this.#step({ tag: 'channel', channelId, command: add });
    this.flush();
  }
  /** Our node's channel, as the payer's policy for it. */
  say(message: PeerMessage): void {
    this.#put(encode(message));
  }
  /** Signs what stands behind the signature of a gossip message. */
  signed<M extends Extract<PeerMessage, { readonly name: 'channel_update' }>>(message: M): M {
    return { ...message, signature: sign(sha256(sha256(encode(message).subarray(66))), hash(`node of ${this.name}`)) };
  }

  #put(bytes: Uint8Array): void {
    this.#lastN += 1;
    this.waiting = [...this.waiting, { session: this.session, epoch: this.state.epoch, n: this.#lastN, bytes: toBase64Url(bytes) }];
  }
  #step(command: PeerCommand): void {
    const { openSigner, wallet } = this.keys;
    const stepped = stepPeer(this.state, command, {
      now: 1_800_000_000_000,
      height: this.height,
      entropy: entropy(),
      chainHash,
      policy: defaultPolicy,
      feeratePerKw: { min: 253, max: 100_000 },
      openSigner,
      wallet,
      sweepIndex: 0,
      coins: [],
      feerateFor: () => 2_500,
    });
    this.state = stepped.state;
    const { outbox, epoch, outSeq } = this.state;
    for (const frame of outbox) this.#put(frame.bytes);
    if (outbox.length > 0) this.#step({ tag: 'receipt', epoch, m: outSeq });
    for (const effect of stepped.effects) this.#take(effect);
  }
  #take(effect: PeerEffect): void {
    const named = 'channelId' in effect && 'id' in effect && effect.channelId ? `${toHex(effect.channelId)}:${effect.id}` : '';
    const name = this.#offered.get(named) ?? '';
    switch (effect.tag) {
      case 'open-refused':
      case 'add-refused':
        throw new Error(`${effect.tag}: ${effect.error.code}`);
      case 'disconnect':
        throw new Error(effect.reason);
      case 'fund': {
        const { bytes: transaction, outpoint } = fundingTransaction(effect.scriptPubKey, effect.amountSat);
        const command = { tag: 'funded', transaction, vout: outpoint.vout } as const;
        this.#step({ tag: 'channel', channelId: effect.temporaryChannelId, command });
        break;
      }
      case 'htlc-offered':
        this.#offered.set(named, effect.request);
        break;
      case 'htlc-fulfilled':
        this.ends.set(name, { tag: 'paid', preimage: toHex(effect.preimage) });
        if (effect.attribution) this.holdTimes.set(name, readHoldTimes(this.#secrets.get(name) ?? [], effect.attribution));
        break;
      case 'htlc-failed':
        if (effect.removal?.kind !== 'fail') this.ends.set(name, { tag: 'failed', why: effect.removal?.kind ?? 'not sent' });
        else {
          const { reason, attribution } = effect.removal;
          const attributionData = attribution ? { attributionData: attribution } : {};
          const { source, holdTimes } = readFailure({ sharedSecrets: this.#secrets.get(name) ?? [], reason, ...attributionData });
          this.holdTimes.set(name, holdTimes);
          this.ends.set(name, { tag: 'failed', why: source?.failure.name ?? 'unreadable' });
        }
        break;
      default:
        break;
    }
  }
}

export class PayRelay {
  readonly payers: Payer[] = [];
  readonly syncs: SyncRequest[] = [];
  /** Names of what left the node, by request: `payer message`. */
  readonly left: string[][] = [];
  /** Peers are farther away than apps: what they answer comes with the next request. */
  distant = false;
  /** What is said to peers is taken, and does not reach them. */
  deaf = false;
  /** Stands before every operation. */
  before: (op: Op) => Promise<void> = async () => undefined;
  /** Stands before the answer of a `sync` that was carried out. */
  after: () => void = () => undefined;

  readonly client: RelayClient = {
    url: 'http://relay.test',
    token: async () => ok('token'),
    download: async () => err({ code: 'graph-unavailable' as const, detail: 'none in this test' }),
    call: async <O extends Op>(op: O, body: RequestOf<O>) => {
      await this.before(op);
      if (op !== 'sync') return err({ code: 'chain-unavailable' as const, detail: 'none in this test' });
      const answer = this.#sync(body as SyncRequest);
      this.after();
      return ok(answer as AnswerOf<O>);
    },
  };

  #sync(body: SyncRequest): SyncAnswer {
    this.syncs.push(body);
    const left: string[] = [];
    const here = this.payers.flatMap(({ waiting }) => waiting);
    for (const payer of this.payers) {
      const { session } = payer;
      const is = (one: { readonly session: string; readonly epoch: number }) => one.session === session && one.epoch === payer.state.epoch;
      for (const { n } of (body.lastIn ?? []).filter(is)) payer.waiting = payer.waiting.filter((frame) => frame.n > n);
      for (const { m, bytes } of (body.out ?? []).filter(is)) {
        if (m <= payer.lastM) continue;
        payer.lastM = m;
        if (this.deaf) continue;
        payer.hear(fromBase64Url(bytes));
        left.push(`${payer.name} ${payer.heard.at(-1)?.name}`);
      }
      payer.flush();
    }
    this.left.push(left);
    return {
      in: this.payers.flatMap(({ waiting }) => waiting.filter((frame) => !this.distant || here.includes(frame))),
      receipts: this.payers.flatMap(({ session, state, lastM }) => (lastM > 0 ? [{ session, epoch: state.epoch, m: lastM }] : [])),
      sessions: this.payers.map(({ session, peerId, state, wakeBudgetSpent }) => ({
        session,
        peer: peerId,
        epoch: state.epoch,
        state: 'live' as const,
        ...(wakeBudgetSpent ? { wakeBudgetSpent } : {}),
      })),
      events: [],
      more: false,
    };
  }
}

export type Scene = {
  readonly node: TestNode;
  readonly relay: PayRelay;
  readonly payers: readonly Payer[];
};

/** The chain was looked at now, and is this high. */
export const atHeight = async ({ ports }: TestNode, height: number): Promise<void> => {
  const chain = { state: new Uint8Array(0), height, tipTimeMs: ports.now(), checkedAtMs: ports.now() };
  const written = await commit(ports.db, { settings: { chain } });
  if (!written.ok) throw new Error(written.error.detail);
};
export const sync = ({ ports }: TestNode) => syncAll(ports, { lingerMs: 0 });

/** A node with `channels` ready channels of each payer, all connected. */
export async function payScene(names: readonly string[] = ['anna', 'bert'], channels = 1): Promise<Scene> {
  const relay = new PayRelay();
  const node = await walletNode({ wrap: (ports) => ({ ...ports, relay: async () => relay.client }) });
  const view = await node.call('snapshot', null);
  if (!view.ok || view.value.nodeId === undefined) throw new Error('no node id');
  await atHeight(node, HEIGHT);
  for (const name of names) {
    const payer = new Payer(name, view.value.nodeId);
    relay.payers.push(payer);
    const frozen = freezePeer(newPeer(payer.keys.nodeId));
    const record = {
      peerId: payer.peerId,
      host: 'h',
      port: 1,
      alias: name,
      onOpen: 'sign',
      zeroConf: true,
      fence: 0,
      failures: 0,
    } as const;
    await commit(node.ports.db, { peer: { ...record, frozen, session: payer.session } });
    payer.connect();
    const connected = await round(node.ports, payer.peerId, [{ tag: 'connected', epoch: 1 }]);
    if (!connected.ok) throw new Error(connected.error.code);
    await sync(node);
    for (let i = 0; i < channels; i += 1) {
      payer.open();
      await sync(node);
    }
    if (payer.state.channels.filter(({ tag }) => tag === 'normal').length !== channels) throw new Error(`${name} has no channel`);
  }
  return { node, relay, payers: relay.payers };
}

export type Asked = { readonly paymentHash: Uint8Array; readonly paymentSecret: Uint8Array; readonly text: string; readonly id: string };
export async function invoiceOf(node: TestNode, amountMsat?: bigint, description = 'coffee'): Promise<Asked> {
  const made = await node.call('create-invoice', {
    description,
    ...(amountMsat === undefined ? {} : { amountMsat: amountMsat.toString() }),
  });
  if (!made.ok) throw new Error(made.error.code);
  const parsed = parseInvoice(made.value.text, 'regtest');
  if (!parsed.ok) throw new Error(parsed.error.code);
  const { paymentHash, paymentSecret } = parsed.value;
  return { paymentHash, paymentSecret, text: made.value.text, id: made.value.paymentHash };
}

export async function viewOf(node: TestNode, id: string) {
  const listed = await node.call('payments', null);
  const found = listed.ok ? listed.value.find((one) => one.id === id) : undefined;
  if (found === undefined) throw new Error(`${id} is not listed`);
  return found;
}
