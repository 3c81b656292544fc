/**
 * For tests: the node on an IndexedDB in memory, a relay in memory that keeps the protocol unless `meddle` says otherwise, and
 * behind it a peer with real keys that opens a channel and checks every signature it gets.
 */
import 'fake-indexeddb/auto';
import { sha256 } from '@noble/hashes/sha2.js';
import * as v from 'valibot';
import { equal, fromBase64Url, fromHex, toBase64Url, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { AcceptChannel } from '../../shared/ln/channel/message.ts';
import { channelIdOf, commitmentsOf } from '../../shared/ln/channel/state.ts';
import { thawPeer } from '../../shared/ln/peer/freeze.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { decode, encode, type PeerMessage } from '../../shared/ln/peer/wire.ts';
import { peerInit } from '../../shared/ln/testing/node.ts';
import { hash, makeOpener, type Opener, peerId } from '../../shared/ln/testing/opener.ts';
import { type ResponderState, receiveAct1, receiveAct3 } from '../../shared/ln/transport/handshake.ts';
import {
  type AnswerOf,
  type Op,
  operations,
  type RequestOf,
  type SyncAnswer,
  type SyncRequest,
  type WakeReceipt,
} from '../../shared/protocol/session.ts';
import type { CallError, RelayClient } from '../net/relay.ts';
import { openDatabase } from '../store/schema.ts';
import { loadPeer } from '../store/store.ts';
import type { Api, ApiName, ApiResult, Broadcast } from './api.ts';
import { loadKeys, type NodeKeys } from './keys.ts';
import { networkOf } from './network.ts';
import type { Notice } from './ports.ts';
import { handlers, type PagePorts } from './requests.ts';
import { wake } from './wake.ts';

const { chainHash } = networkOf('regtest');
const STATIC = hash('the peer');
const HOUR_MS = 3_600_000;
let draws = 0;
const draw = (bytes: number): Uint8Array => {
  draws += 1;
  return new Uint8Array([...hash(`draw ${draws}`), ...hash(`and ${draws}`)]).slice(0, bytes);
};

/** Opens one channel; when the connection ends before it has our signature, it forgets and offers another, as real nodes do. */
export class ScriptedPeer {
  /** All that we said to it, in order. */
  readonly heard: PeerMessage[] = [];
  /** Channel id → every signature that we gave for it. */
  readonly signatures = new Map<string, Set<string>>();
  offers = true;
  funded: Opener | undefined;
  opener: Opener;
  #accept: AcceptChannel | undefined;
  #offers = 1;

  constructor() {
    this.opener = this.#next();
  }

  #next(): Opener {
    return makeOpener({ name: `offer ${this.#offers++}`, open: { chainHash } });
  }

  connected(): PeerMessage[] {
    const init: PeerMessage = { ...peerInit, networks: [chainHash] };
    if (this.funded !== undefined) return [init, this.funded.reestablish()];
    return this.offers ? [init, this.opener.open] : [init];
  }

  disconnected(): void {
    if (this.funded === undefined && this.#accept !== undefined) this.opener = this.#next();
    this.#accept = undefined;
  }

  hear(msg: PeerMessage): PeerMessage[] {
    this.heard.push(msg);
    if (msg.name === 'accept_channel' && equal(msg.temporaryChannelId, this.opener.open.temporaryChannelId)) {
      if (this.#accept !== undefined) return [];
      this.#accept = msg;
      return [this.opener.fundingCreated(msg)];
    }
    if (msg.name === 'funding_signed') {
      const id = toHex(msg.channelId);
      this.signatures.set(id, (this.signatures.get(id) ?? new Set()).add(toHex(msg.signature)));
      if (!equal(msg.channelId, this.opener.channelId) || this.#accept === undefined) return [];
      if (!this.opener.checksFundingSigned(this.#accept, msg.signature)) throw new Error('a signature that does not hold');
      this.funded = this.opener;
      return [];
    }
    if (msg.name === 'channel_reestablish' && !(this.funded && equal(msg.channelId, this.funded.channelId)))
      return [{ name: 'error', channelId: msg.channelId, data: Uint8Array.from('unknown channel', (char) => char.charCodeAt(0)) }];
    return [];
  }
}

type Answer<O extends Op> = Result<AnswerOf<O>, CallError>;
/** Stands between the node and the relay: `honest()` lets the request through, as often as it is called. */
export type Meddle = (op: Op, body: unknown, honest: () => Promise<Answer<Op>>) => Promise<Answer<Op>>;
const refuse = <C extends CallError['code']>(code: C): Result<never, { readonly code: C; readonly detail: string }> =>
  err({ code, detail: `made for a test: ${code}` });

export class FakeRelay {
  readonly peer = new ScriptedPeer();
  readonly ops: Op[] = [];
  readonly receipts: WakeReceipt[] = [];
  /** Requests to `sync` as they came. */
  readonly syncs: SyncRequest[] = [];
  meddle: Meddle | undefined;
  session = 'session-1';
  epoch = 0;
  live = false;
  now = () => 1_800_000_000_000;
  #shaking: ResponderState | undefined;
  #lastN = 0;
  #lastM = 0;
  #backup: SyncRequest['backup'];
  #waiting: SyncAnswer['in'] = [];

  /** The process ends and begins again without its database. */
  forgetEverything(): void {
    this.lose();
    this.session = `${this.session}-`;
    this.epoch = 0;
  }

  lose(): void {
    this.live = false;
    this.#shaking = undefined;
    this.#waiting = [];
    this.peer.disconnected();
  }

  /** The peer says something. */
  deliver(messages: readonly PeerMessage[]): void {
    for (const msg of messages) {
      this.#lastN += 1;
      this.#waiting.push({ session: this.session, epoch: this.epoch, n: this.#lastN, bytes: toBase64Url(encode(msg)) });
    }
  }

  get waiting(): SyncAnswer['in'] {
    return [...this.#waiting];
  }

  readonly client: RelayClient = {
    url: 'http://relay.test',
    token: async () => ok('token'),
    download: async () => refuse('graph-unavailable'),
    call: async <O extends Op>(op: O, body: RequestOf<O>): Promise<Answer<O>> => {
      this.ops.push(op);
      const request = v.safeParse(operations[op].request, body);
      if (!request.success)
        throw new Error(`the app asked ${op} wrongly: ${request.issues[0].message} at ${v.getDotPath(request.issues[0])}`);
      const honest = async (): Promise<Answer<Op>> => this.#answer(op, request.output);
      const answer = await (this.meddle === undefined ? honest() : this.meddle(op, request.output, honest));
      if (!answer.ok) return answer;
      // As the client over HTTP does.
      const parsed = v.safeParse(operations[op].answer, answer.value);
      return parsed.success ? ok(parsed.output as AnswerOf<O>) : refuse('malformed');
    },
  };

  #answer(op: Op, body: unknown): Answer<Op> {
    switch (op) {
      case 'connect':
        return this.#connect(body as RequestOf<'connect'>);
      case 'establish':
        return this.#establish(body as RequestOf<'establish'>);
      case 'disconnect':
        this.lose();
        return ok({});
      case 'sync':
        return this.#sync(body as SyncRequest);
      case 'backup':
        return ok(this.#backup ?? {});
      default:
        return refuse('chain-unavailable');
    }
  }

  #connect({ act1, afterEpoch }: RequestOf<'connect'>): Answer<'connect'> {
    const answered = receiveAct1({ staticSecret: STATIC, ephemeralSecret: draw(32), act1: fromHex(act1) });
    if (!answered.ok) return refuse('act-timeout');
    this.#shaking = answered.value.state;
    this.epoch = Math.max(this.epoch, afterEpoch ?? 0, Math.floor(this.now() / 1_000)) + 1;
    return ok({ session: this.session, epoch: this.epoch, act2: toHex(answered.value.act2) });
  }

  #establish({ session, epoch, act3 }: RequestOf<'establish'>): Answer<'establish'> {
    if (session !== this.session) return refuse('session-unknown');
    if (this.#shaking === undefined || epoch !== this.epoch) {
      this.lose();
      return refuse('handover-used');
    }
    if (!receiveAct3(this.#shaking, fromHex(act3)).ok) return refuse('peer-closed');
    if (this.live) this.lose();
    this.#shaking = undefined;
    this.live = true;
    this.#lastN = 0;
    this.#lastM = 0;
    this.deliver(this.peer.connected());
    return ok({});
  }

  #sync(body: SyncRequest): Answer<'sync'> {
    this.syncs.push(body);
    this.receipts.push(...(body.wakes ?? []));
    if (body.backup !== undefined && body.backup.seq > (this.#backup?.seq ?? -1)) this.#backup = body.backup;
    for (const { session, epoch, n } of body.lastIn ?? []) {
      if (session === this.session && epoch === this.epoch) this.#waiting = this.#waiting.filter((frame) => frame.n > n);
    }
    for (const { session, epoch, m, bytes } of body.out ?? []) {
      if (!this.live || session !== this.session || epoch !== this.epoch || m <= this.#lastM) continue;
      if (m > this.#lastM + 1) return refuse('out-gap');
      this.#lastM = m;
      const msg = decode(fromBase64Url(bytes));
      if (!msg.ok || msg.value.name === 'unknown') throw new Error('we said something that cannot be read');
      this.deliver(this.peer.hear(msg.value));
    }
    const known = this.epoch > 0 && !(this.#shaking !== undefined && !this.live);
    return ok({
      in: [...this.#waiting],
      receipts: this.live && this.#lastM > 0 ? [{ session: this.session, epoch: this.epoch, m: this.#lastM }] : [],
      sessions: known
        ? [{ session: this.session, peer: peerIdHex, epoch: this.epoch, state: this.live ? ('live' as const) : ('lost' as const) }]
        : [],
      events: [],
      more: false,
    });
  }
}

export const peerIdHex = toHex(peerId);
export const peerAddress = `${peerIdHex}@127.0.0.1:9735`;

export type TestNode = {
  readonly ports: PagePorts;
  readonly relay: FakeRelay;
  readonly notices: Notice[];
  readonly broadcasts: Broadcast[];
  call<N extends ApiName>(name: N, arg: Api[N][0]): Promise<ApiResult<N>>;
  wake(payload?: string): Promise<void>;
  later(ms: number): void;
  /** Another context on the same database: a worker that was started again, or a second tab's. */
  again(options?: Partial<NodeOptions>): Promise<TestNode>;
};
export type NodeOptions = {
  readonly relay: FakeRelay;
  readonly name: string;
  readonly wrap: (ports: PagePorts) => PagePorts;
  readonly clock: { now: number };
};
let made = 0;

export async function testNode(options: Partial<NodeOptions> = {}): Promise<TestNode> {
  made += 1;
  const { relay = new FakeRelay(), name = `node-${made}`, wrap = (ports) => ports, clock = { now: 1_800_000_000_000 } } = options;
  relay.now = () => clock.now;
  const db = await openDatabase(name);
  const notices: Notice[] = [];
  const broadcasts: Broadcast[] = [];
  let keys: Promise<NodeKeys | undefined> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const ports = wrap({
    db,
    origin: 'http://relay.test',
    keys: () => {
      keys ??= loadKeys(db);
      return keys;
    },
    relay: async () => relay.client,
    reset: () => {
      keys = undefined;
    },
    now: () => clock.now,
    stopwatch: () => performance.now(),
    entropy: draw,
    exclusive: (work) => {
      const next = last.then(work, work);
      last = next.catch(() => undefined);
      return next;
    },
    notify: async (notice) => void notices.push(notice),
    broadcast: (message) => void broadcasts.push(message),
  });
  return {
    ports,
    relay,
    notices,
    broadcasts,
    // The name chooses the handler whose argument it is.
    call: (request, arg) => (handlers[request] as (ports: PagePorts, arg: unknown) => Promise<ApiResult<typeof request>>)(ports, arg),
    wake: (payload) => wake(ports, payload, clock.now, 1),
    later: (ms) => {
      clock.now += ms;
    },
    again: (other = {}) => testNode({ relay, name, clock, ...other }),
  };
}

/** 64 bytes of a wallet key and 16 of entropy, the same for the same name. */
export const walletOf = (name: string): Api['create-wallet'][0] => ({
  entropy: toHex(sha256(hash(name)).slice(0, 16)),
  walletKey: toHex(hash(`key of ${name}`)) + toHex(hash(`chain of ${name}`)),
  network: 'regtest',
  restore: false,
});

export const rules: Api['set-policy'][0] = {
  onOpen: 'sign',
  minFundingSat: '20000',
  maxFundingSat: '16777215',
  minDepth: 3,
  allowPublic: false,
  promptMinutes: 5,
};

/** A node with a wallet that signs alone, or asks. */
export async function walletNode(options: Partial<NodeOptions> & { readonly onOpen?: 'sign' | 'ask' | 'refuse' } = {}): Promise<TestNode> {
  const node = await testNode(options);
  const wallet = await node.call('create-wallet', walletOf('one'));
  if (!wallet.ok) throw new Error(wallet.error.code);
  await node.call('set-policy', { ...rules, onOpen: options.onOpen ?? 'sign' });
  return node;
}

/** The stored peer; throws if it cannot be thawed. */
export async function storedPeer(node: TestNode): Promise<PeerState | undefined> {
  const record = await loadPeer(node.ports.db, peerIdHex);
  if (record === undefined) return undefined;
  const thawed = thawPeer(record.frozen);
  if (!thawed.ok) throw new Error(`not thawable: ${thawed.error.code} ${thawed.error.detail}`);
  return thawed.value;
}

/** What must hold after whatever a relay did. */
export async function checkNothingLost(node: TestNode): Promise<void> {
  const state = await storedPeer(node);
  for (const signatures of node.relay.peer.signatures.values())
    if (signatures.size !== 1) throw new Error('two signatures for one commitment');
  for (const channel of state?.channels ?? []) {
    const commitments = commitmentsOf(channel);
    if (commitments === undefined) continue;
    const { toLocalMsat, toRemoteMsat, terms } = commitments;
    if (toLocalMsat !== terms.pushMsat || toLocalMsat + toRemoteMsat !== terms.fundingAmountSat * 1_000n) throw new Error('money moved');
  }
  const { funded } = node.relay.peer;
  if (funded !== undefined && !state?.channels.some((channel) => equal(channelIdOf(channel), funded.channelId)))
    throw new Error('the peer has our signature and we have forgotten the channel');
}

/** The channel that the peer believes in is open to talk about, on our side too. */
export async function isSettled(node: TestNode): Promise<boolean> {
  const { funded } = node.relay.peer;
  const state = await storedPeer(node);
  const channel = state?.channels.find((one) => funded !== undefined && equal(channelIdOf(one), funded.channelId));
  return state?.link === 'ready' && state.outbox.length === 0 && channel?.tag === 'wait-for-funding-confirmed';
}

/** What a phone does over a day: wakes, an hour apart, at most `wakes` times. */
export async function wakeUntilSettled(node: TestNode, wakes = 12): Promise<void> {
  for (let i = 0; i < wakes; i += 1) {
    if (await isSettled(node)) return;
    node.later(HOUR_MS);
    await node.wake();
    await checkNothingLost(node);
  }
  if (!(await isSettled(node))) {
    const state = await storedPeer(node);
    throw new Error(
      `not settled after ${wakes} wakes: ${state?.link} ${state?.channels.map(({ tag }) => tag).join()}; ${node.relay.ops.join(' ')}`,
    );
  }
}
