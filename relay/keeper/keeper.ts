/**
 * Holds the sockets of all accounts: acts in and out, hand-over, numbered queues, outbox, and who must be woken.
 * The hand-over rules R1–R10 that a relay can keep are kept here and in tcp.ts; each has a test of its name.
 */
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { wipeKeys } from '../../shared/ln/transport/cipher.ts';
import type { RelayError } from '../../shared/protocol/errors.ts';
import type { AnswerOf, RequestOf, SyncAnswer } from '../../shared/protocol/session.ts';
import type { Limits } from '../config.ts';
import type { Clock, LinkEnd, Logger, Metrics, PeerDialler, PeerLink, Store, Wake, WakeSource } from '../ports.ts';
import { AttentionBook } from './attention.ts';
import { fromBase64Url } from './bytes.ts';
import { messageType } from './classify.ts';
import { type Cursor, pick, toJson } from './pick.ts';
import { SessionRows } from './rows.ts';
import { Epoch } from './session.ts';
import { LinkOwner, lostWakeDelay, Slot } from './slot.ts';
import type { Timed, Wheel } from './wheel.ts';

export type KeeperDeps = {
  readonly store: Store;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly dialPeer: PeerDialler;
  readonly wake: Wake;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** A fresh session id: `[A-Za-z0-9_-]{1,64}`, not guessable. */
  readonly newId: () => string;
  /** Chain events wait for the account. */
  readonly hasEvents: (account: string) => boolean;
};
export type OutFrame = NonNullable<RequestOf<'sync'>['out']>[number];
export type Position = NonNullable<RequestOf<'sync'>['lastIn']>[number];
/** Far more than an app can use up, and far from where numbers end. */
const MAX_EPOCH = 2 ** 48;

const unknownSession: RelayError = { code: 'session-unknown', message: 'there is no such session' };
const epochOver: RelayError = { code: 'epoch-over', message: 'that epoch is over: connect anew' };

/** Version 0 and the sign byte of a compressed point. */
const looksLikeAct1 = (act1: Uint8Array) => act1[0] === 0 && (act1[1] === 2 || act1[1] === 3);

export class Keeper implements WakeSource {
  readonly #deps: KeeperDeps;
  readonly #rows: SessionRows;
  readonly #book: AttentionBook;
  readonly #slots = new Map<string, Slot>();
  readonly #accounts = new Map<string, Map<string, Slot>>();
  /** Ephemeral keys of past act ones, oldest first. */
  readonly #acts = new Set<string>();
  /** Dials and handshakes under way, by account. */
  readonly #shaking = new Map<string, number>();
  #shakingTotal = 0;
  /** Accounts with a loss that no answer has told yet. */
  readonly #lossUntold = new Set<string>();
  readonly #checks = new Map<string, { readonly check: Timed; readonly atMs: number }>();
  #live = 0;
  #turn = 0;
  #stopping = false;

  constructor(deps: KeeperDeps) {
    this.#deps = deps;
    this.#rows = new SessionRows(deps.store);
    this.#book = new AttentionBook(deps.clock);
    const sum = (of: (epoch: Epoch) => number) => () =>
      [...this.#slots.values()].reduce((total, slot) => total + (slot.epoch === undefined ? 0 : of(slot.epoch)), 0);
    deps.metrics.gauge('beckon_sessions_live', () => this.#live);
    deps.metrics.gauge(
      'beckon_queued_frames',
      sum((epoch) => epoch.waiting.length),
    );
    deps.metrics.gauge(
      'beckon_queued_bytes',
      sum((epoch) => epoch.waitingBytes),
    );
  }

  /** Sessions whose keys are held now. */
  get live(): number {
    return this.#live;
  }

  /** What was live when the process ended is lost, for its keys went with it (R3, R8); the apps are woken. */
  start(): void {
    for (const row of this.#rows.all()) {
      const slot = this.#adopt(new Slot(row, this.#onLostDue));
      if (row.state === 'live') this.#lose(slot, 'relay-restarted', true);
      else if (slot.reason !== 'disconnected' && slot.lostWakes > 0) this.#scheduleLostWake(slot);
    }
  }

  /** Closes every socket and wipes every key. What was live stays so in the store, so that the next start wakes its app. */
  stop(): void {
    this.#stopping = true;
    for (const slot of this.#slots.values()) {
      slot.handshake?.link.end('relay-stopped');
      slot.live?.link.end('relay-stopped');
    }
  }

  // --- acts and hand-over ---------------------------------------------------------------------------------------

  async connect(account: string, request: RequestOf<'connect'>): Promise<Result<AnswerOf<'connect'>, RelayError>> {
    const act1 = fromHex(request.act1);
    if (!looksLikeAct1(act1)) return err({ code: 'bad-request', message: 'act1 is not a BOLT 8 act one' });
    if ((request.afterEpoch ?? 0) > MAX_EPOCH) return err({ code: 'bad-request', message: 'afterEpoch leaves no number above it' });
    const refusal = this.#mayConnect(account, request.peer, act1);
    if (refusal !== undefined) return err(refusal);
    const owner = new LinkOwner(this.#onMessage, this.#onEnded);
    this.#countShaking(account, 1);
    const dialled = await this.#deps.dialPeer({ host: request.host, port: request.port, act1 }, owner);
    this.#countShaking(account, -1);
    this.#deps.metrics.count('beckon_connects_total', dialled.ok ? 'ok' : dialled.error.code);
    if (!dialled.ok) return dialled;
    if (this.#stopping) {
      dialled.value.end('relay-stopped');
      return err({ code: 'shutting-down', message: 'the relay is stopping' });
    }
    return ok(this.#beginHandshake(account, request, owner, dialled.value));
  }

  #mayConnect(account: string, peer: string, act1: Uint8Array): RelayError | undefined {
    const { limits } = this.#deps;
    if (this.#stopping) return { code: 'shutting-down', message: 'the relay is stopping' };
    const open = this.#slotsOf(account).filter((slot) => slot.handshake !== undefined && slot.peer !== peer).length;
    if ((this.#shaking.get(account) ?? 0) + open >= limits.handshakesPerAccount || this.#shakingTotal >= limits.handshakesTotal) {
      return { code: 'quota-connects', message: 'too many handshakes at once', retryAfterMs: 1_000 };
    }
    if (this.#live >= limits.sessionsTotal) return { code: 'quota-sessions', message: 'this relay is full' };
    const mine = this.#accounts.get(account);
    if (this.#find(account, peer) === undefined && mine !== undefined && mine.size >= limits.sessionsPerAccount && !this.#forgetOne(mine)) {
      return { code: 'quota-sessions', message: `at most ${limits.sessionsPerAccount} peers` };
    }
    // R10: the same ephemeral key twice would be a handshake that somebody replays.
    const ephemeral = toHex(act1.subarray(1, 34));
    if (this.#acts.has(ephemeral)) return { code: 'handover-used', message: 'this act one was used before' };
    this.#acts.add(ephemeral);
    if (this.#acts.size > limits.rememberedActs)
      for (const oldest of [...this.#acts].slice(0, limits.rememberedActs / 2)) this.#acts.delete(oldest);
    return undefined;
  }

  #beginHandshake(account: string, request: RequestOf<'connect'>, owner: LinkOwner, link: PeerLink): AnswerOf<'connect'> {
    const { peer, host, port } = request;
    const known = this.#find(account, peer);
    const session = known?.session ?? this.#deps.newId();
    // The app's own count where that is more: epochs grow for it also when it changes relays or a relay loses its data.
    const epoch = Math.max(known?.newest ?? 0, request.afterEpoch ?? 0) + 1;
    this.#rows.saveEpoch({ account, session, peer, host, port, epoch });
    const slot =
      known ??
      this.#adopt(new Slot({ account, session, peer, host, port, epoch, state: 'lost', reason: undefined, lostWakes: 0 }, this.#onLostDue));
    slot.host = host;
    slot.port = port;
    slot.newest = epoch;
    const older = slot.handshake;
    slot.handshake = { link, epoch };
    older?.link.end('superseded');
    owner.slot = slot;
    owner.link = link;
    this.#deps.log.debug({ session, epoch }, 'act two');
    return { session, epoch, act2: toHex(link.act2) };
  }

  /** R2: once for each handshake. Whoever comes second closes the link, for two holders of the keys are one too many. */
  establish(account: string, request: RequestOf<'establish'>): Result<object, RelayError> {
    const slot = this.#slots.get(request.session);
    if (slot === undefined || slot.account !== account) return err(unknownSession);
    if (slot.live !== undefined && slot.epoch?.number === request.epoch) {
      slot.live.link.end('handover-used');
      return err({ code: 'handover-used', message: 'these keys were handed over before; the link is closed' });
    }
    const handshake = slot.handshake;
    if (handshake === undefined || handshake.epoch !== request.epoch) return err(epochOver);
    const init = fromBase64Url(request.init);
    if (init === undefined) return err({ code: 'bad-request', message: 'init is not base64url' });
    const keys = {
      sending: fromHex(request.keys.sending),
      receiving: fromHex(request.keys.receiving),
      chaining: fromHex(request.keys.chaining),
    };
    // Everything that a message of the peer may need is in place before the link may deliver one.
    const before = slot.live;
    slot.live = undefined;
    slot.handshake = undefined;
    before?.link.end('superseded');
    slot.epoch = new Epoch(handshake.epoch, this.#deps.limits);
    slot.live = { link: handshake.link, sinceMs: this.#deps.clock() };
    slot.reason = undefined;
    if (before === undefined) this.#live += 1;
    handshake.link.establish(fromHex(request.act3), keys);
    wipeKeys(keys);
    handshake.link.send(init);
    this.#deps.wheel.set(slot, slot.live.sinceMs + this.#deps.limits.stableMs);
    this.#rows.saveState(slot.session, 'live', undefined, slot.lostWakes);
    this.#deps.metrics.count('beckon_sessions_established_total');
    this.#deps.log.info({ session: slot.session, epoch: handshake.epoch }, 'session live');
    this.busy(account);
    return ok({});
  }

  disconnect(account: string, session: string): Result<object, RelayError> {
    const slot = this.#slots.get(session);
    if (slot === undefined || slot.account !== account) return err(unknownSession);
    slot.handshake?.link.end('disconnected');
    if (slot.live !== undefined) slot.live.link.end('disconnected');
    else this.#settle(slot, 'disconnected');
    return ok({});
  }

  // --- what sync is made of -------------------------------------------------------------------------------------

  /** Before anything of a request is applied. Frames of another epoch are not an error: `sessions` tells the app. */
  checkOut(account: string, out: readonly OutFrame[]): RelayError | undefined {
    const ahead = new Map<Epoch, number>();
    for (const frame of out) {
      if (frame.bytes.length % 4 === 1) return { code: 'bad-request', message: 'a frame is not base64url' };
      const epoch = this.#liveEpoch(account, frame);
      if (epoch === undefined) continue;
      const place = epoch.place(frame.m, ahead.get(epoch) ?? 0);
      if (place === 'gap') return { code: 'out-gap', message: `frame ${frame.m} of ${frame.session} does not follow ${epoch.lastM}` };
      if (place === 'next') ahead.set(epoch, (ahead.get(epoch) ?? 0) + 1);
    }
    return undefined;
  }

  /** Each frame is sealed at most once (R5, R8). When the peer does not take more, the rest stays with the app, without a receipt. */
  writeOut(account: string, out: readonly OutFrame[]): void {
    for (const frame of out) {
      const epoch = this.#liveEpoch(account, frame);
      const live = this.#slots.get(frame.session)?.live;
      const bytes = fromBase64Url(frame.bytes);
      if (epoch === undefined || live === undefined || bytes === undefined || epoch.place(frame.m, 0) !== 'next') continue;
      if (!live.link.send(bytes)) continue;
      epoch.wrote(frame.m);
      this.#deps.metrics.count('beckon_frames_out_total', String(messageType(bytes)));
    }
  }

  /** What the app has durably processed is forgotten; a socket that waited for room is read again. */
  acknowledge(account: string, positions: readonly Position[]): void {
    for (const { session, epoch, n } of positions) {
      const slot = this.#slots.get(session);
      if (slot === undefined || slot.account !== account || slot.epoch?.number !== epoch) continue;
      if (slot.epoch.acknowledge(n)) slot.live?.link.resume();
    }
  }

  /** All but the events of an answer. With a cursor: only what it has not seen, and it is moved. Counts as told to the app. */
  collect(account: string, cursor?: Cursor): Omit<SyncAnswer, 'events'> {
    const now = this.#deps.clock();
    const slots = this.#slotsOf(account);
    const { picked, more } = pick(slots, this.#turn++, cursor);
    for (const { slot, epoch, frame } of picked) {
      if (frame.offeredMs === 0) frame.offeredMs = now;
      cursor?.set(slot.session, { epoch: epoch.number, n: frame.n });
    }
    if (picked.some(({ frame }) => frame.wakes)) this.#checkAt(account, now + this.#deps.limits.ackPatienceMs);
    this.#lossUntold.delete(account);
    return {
      in: picked.map(toJson),
      receipts: slots.flatMap((slot) =>
        slot.live !== undefined && slot.epoch !== undefined && slot.epoch.lastM > 0
          ? [{ session: slot.session, epoch: slot.epoch.number, m: slot.epoch.lastM }]
          : [],
      ),
      sessions: slots.map(this.#statusOf),
      more,
    };
  }

  /** Something that an answer should not be kept back for. */
  hasNews(account: string): boolean {
    if (this.#lossUntold.has(account) || this.#deps.hasEvents(account)) return true;
    return this.#slotsOf(account).some((slot) => slot.epoch?.waiting.some((frame) => frame.wakes) === true);
  }

  /** Told of everything new until the answer is called. Counts as attached. */
  listen(account: string, listener: (urgent: boolean) => void): () => void {
    const leave = this.#book.listen(account, listener);
    return () => {
      leave();
      this.#check(account);
    };
  }

  /** The app has got something to do and will be back; after that time what still waits wakes it. */
  busy(account: string): void {
    const until = this.#deps.clock() + this.#deps.limits.busyMs;
    this.#book.busyUntil(account, until);
    this.#checkAt(account, until);
  }

  /** The app was told that nothing waits: it sleeps now. */
  idle(account: string): void {
    this.#book.busyUntil(account, 0);
  }

  /** A new chain event. */
  onEvent(account: string): void {
    this.#book.tell(account, true);
    if (!this.attached(account)) this.#deps.wake.notify(account, 'chain', { urgency: 'normal' });
  }

  // --- for the wake module --------------------------------------------------------------------------------------

  attached(account: string): boolean {
    if (!this.#book.present(account)) return false;
    const stale = this.#deps.clock() - this.#deps.limits.ackPatienceMs;
    return !this.#slotsOf(account).some((slot) =>
      slot.epoch?.waiting.some((frame) => frame.wakes && frame.offeredMs > 0 && frame.offeredMs <= stale),
    );
  }

  pendingFor(account: string): Pick<SyncAnswer, 'sessions'> & { readonly frames: SyncAnswer['in'] } {
    const slots = this.#slotsOf(account);
    return { frames: pick(slots, 0).picked.map(toJson), sessions: slots.map(this.#statusOf) };
  }

  nudge(account: string): void {
    this.#book.tell(account, true);
  }

  readonly #statusOf = (slot: Slot): SyncAnswer['sessions'][number] =>
    this.#deps.wake.withheld(slot.session) ? { ...slot.status(), wakeBudgetSpent: true } : slot.status();

  // --- inside ---------------------------------------------------------------------------------------------------

  readonly #onMessage = (slot: Slot, link: PeerLink, bytes: Uint8Array): boolean => {
    if (slot.live?.link !== link || slot.epoch === undefined) return true;
    const received = slot.epoch.receive(bytes);
    this.#deps.metrics.count('beckon_frames_in_total', received.kept ? String(messageType(bytes)) : 'dropped');
    if (received.kept) {
      this.#book.tell(slot.account, received.wakes);
      if (received.wakes && !this.attached(slot.account)) this.#wakeForMessage(slot.account, [slot.session]);
    }
    return received.room;
  };

  readonly #onEnded = (slot: Slot, link: PeerLink, reason: LinkEnd): void => {
    if (slot.handshake?.link === link) {
      slot.handshake = undefined;
      this.#book.tell(slot.account, false);
      return;
    }
    if (slot.live?.link !== link) return;
    const livedMs = this.#deps.clock() - slot.live.sinceMs;
    slot.live = undefined;
    this.#live -= 1;
    this.#deps.metrics.count('beckon_sessions_lost_total', reason);
    this.#deps.log.info({ session: slot.session, reason, livedMs }, 'session over');
    if (reason === 'relay-stopped') return;
    if (reason === 'disconnected') this.#settle(slot, reason);
    else this.#lose(slot, reason, slot.lostWakes < this.#deps.limits.lostWakesAtOnce);
  };

  /** The app asked for the end: nobody is woken. */
  #settle(slot: Slot, reason: LinkEnd): void {
    slot.reason = reason;
    slot.lostWakes = 0;
    this.#deps.wheel.cancel(slot);
    this.#saveLost(slot);
    this.#book.tell(slot.account, false);
  }

  #lose(slot: Slot, reason: LinkEnd, wakeNow: boolean): void {
    slot.reason = reason;
    this.#lossUntold.add(slot.account);
    if (wakeNow) this.#wakeForLoss(slot);
    else {
      this.#saveLost(slot);
      this.#scheduleLostWake(slot);
    }
    this.#book.tell(slot.account, true);
  }

  /** A disk that fails must not end the other sessions. What stays written as live is lost at the next start all the same. */
  #saveLost(slot: Slot): void {
    try {
      this.#rows.saveState(slot.session, 'lost', slot.reason, slot.lostWakes);
    } catch (cause) {
      this.#deps.log.error({ session: slot.session, err: cause }, 'the loss of a session was not stored');
    }
  }

  #wakeForLoss(slot: Slot): void {
    slot.lostWakes += 1;
    this.#saveLost(slot);
    this.#scheduleLostWake(slot);
    this.#deps.wake.notify(slot.account, 'session-lost', { urgency: 'high' });
  }

  #scheduleLostWake(slot: Slot): void {
    const delay = lostWakeDelay(slot.lostWakes, this.#deps.limits);
    if (delay === undefined) this.#deps.wheel.cancel(slot);
    else this.#deps.wheel.set(slot, this.#deps.clock() + delay);
  }

  readonly #onLostDue = (slot: Slot): void => {
    if (slot.live !== undefined) {
      // It has lived long enough: the next loss begins a new series.
      slot.lostWakes = 0;
      this.#rows.saveState(slot.session, 'live', undefined, 0);
    } else if (slot.handshake !== undefined) this.#scheduleLostWake(slot);
    else this.#wakeForLoss(slot);
  };

  #wakeForMessage(account: string, from: readonly string[]): void {
    const deadlineMs = this.#deps.clock() + this.#deps.limits.peerPatienceMs;
    this.#deps.wake.notify(account, 'message', { urgency: 'high', deadlineMs, from });
  }

  /** Looks again at `atMs` (or earlier, when that is set already) whether something waits and nobody takes it. */
  #checkAt(account: string, atMs: number): void {
    const set = this.#checks.get(account);
    if (set !== undefined && set.atMs <= atMs) return;
    const check = set?.check ?? {
      due: () => {
        this.#checks.delete(account);
        this.#check(account);
      },
    };
    this.#checks.set(account, { check, atMs });
    this.#deps.wheel.set(check, atMs + 1);
  }

  #check(account: string): void {
    if (this.#stopping) return;
    const wakes = (slot: Slot) => slot.epoch?.waiting.filter((frame) => frame.wakes) ?? [];
    const speaking = this.#slotsOf(account).filter((slot) => wakes(slot).length > 0);
    const offered = speaking.flatMap((slot) => wakes(slot).map((frame) => frame.offeredMs));
    if (!this.attached(account)) {
      if (offered.length > 0)
        this.#wakeForMessage(
          account,
          speaking.map((slot) => slot.session),
        );
      else if (this.#deps.hasEvents(account)) this.#deps.wake.notify(account, 'chain', { urgency: 'normal' });
      return;
    }
    // Attached until then, if nothing else happens; what was not offered yet will set its own time when it is.
    const patience = offered.filter((ms) => ms > 0).map((ms) => ms + this.#deps.limits.ackPatienceMs);
    const next = Math.min(this.#book.busyEnd(account) ?? Number.POSITIVE_INFINITY, ...patience);
    if (next < Number.POSITIVE_INFINITY) this.#checkAt(account, next);
  }

  #liveEpoch(account: string, frame: OutFrame): Epoch | undefined {
    const slot = this.#slots.get(frame.session);
    return slot?.account === account && slot.live !== undefined && slot.epoch?.number === frame.epoch ? slot.epoch : undefined;
  }

  #slotsOf(account: string): Slot[] {
    return [...(this.#accounts.get(account)?.values() ?? [])];
  }

  #find(account: string, peer: string): Slot | undefined {
    return this.#accounts.get(account)?.get(peer);
  }

  #adopt(slot: Slot): Slot {
    this.#slots.set(slot.session, slot);
    const mine = this.#accounts.get(slot.account);
    if (mine === undefined) this.#accounts.set(slot.account, new Map([[slot.peer, slot]]));
    else mine.set(slot.peer, slot);
    return slot;
  }

  /** Makes room by dropping a peer that the app has disconnected from. */
  #forgetOne(mine: Map<string, Slot>): boolean {
    const gone = [...mine.values()].find(
      (slot) => slot.live === undefined && slot.handshake === undefined && slot.reason === 'disconnected',
    );
    if (gone === undefined) return false;
    mine.delete(gone.peer);
    this.#slots.delete(gone.session);
    this.#rows.remove(gone.session);
    return true;
  }

  #countShaking(account: string, change: 1 | -1): void {
    const count = (this.#shaking.get(account) ?? 0) + change;
    if (count === 0) this.#shaking.delete(account);
    else this.#shaking.set(account, count);
    this.#shakingTotal += change;
  }
}
