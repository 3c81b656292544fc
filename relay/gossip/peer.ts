/**
 * One gossip peer: dialled, greeted, asked for its graph, listened to, and dialled again when it is lost. The relay is nobody's node
 * here: its transport key is a fresh random one at each start, and there is no channel that a peer could speak about.
 *
 * Messages go to the intake unread; what it finds out about them comes back as `useless` and `offence`.
 */
import { randomBytes } from 'node:crypto';
import { equal, fromHex } from '../../shared/lib/bytes.ts';
import { decodeShortIds } from '../../shared/ln/gossip/queries.ts';
import { wipeKeys } from '../../shared/ln/transport/cipher.ts';
import { type InitiatorState, receiveAct2, startInitiator } from '../../shared/ln/transport/handshake.ts';
import { decodeMessage } from '../../shared/ln/wire/registry.ts';
import type { GossipPeerAddress, Limits } from '../config.ts';
import { messageType } from '../keeper/classify.ts';
import type { LinkEnd, Logger, Metrics, PeerDialler, PeerLink } from '../ports.ts';
import type { Cancel, Timers } from '../timers.ts';
import { askForChannels, askForIds, askFrom, IDS_PER_QUERY, ourInit } from './ask.ts';
import type { Feed, Intake } from './intake.ts';

export type GossipPeerParts = {
  readonly address: GossipPeerAddress;
  readonly staticSecret: Uint8Array;
  readonly chainHash: Uint8Array;
  readonly dialPeer: PeerDialler;
  readonly intake: Intake;
  /** The newest signature time that we have, seconds; 0: nothing yet. */
  readonly newest: () => number;
  readonly knows: (shortChannelId: bigint) => boolean;
  readonly limits: Limits;
  readonly timers: Timers;
  readonly log: Logger;
  readonly metrics: Metrics;
};
/** Why we hung up; else it is a `LinkEnd`. `flood`: more that is no news than any honest peer has. */
export type Misdeed = 'bad-signature' | 'malformed' | 'oversized' | 'wrong-chain' | 'no-init' | 'unfunded' | 'flood';
export type GossipPeer = { readonly connected: () => boolean; stop(): void };

const INIT = 16;
const REPLY_END = 262;
const REPLY_RANGE = 264;
const isGossip = (type: number): boolean => type >= 256 && type <= 258;
/** What was signed shortly before the newest that we have may have reached us out of order. */
const OVERLAP_SECONDS = 7_200;
/** A connection that lived this long was a good one: the back-off starts anew. */
const STABLE_MS = 600_000;

type Phase = 'greeting' | 'listening' | 'asked-for-ids' | 'asking-for-channels';

export function startGossipPeer(parts: GossipPeerParts): GossipPeer {
  const { address, limits, timers, log, metrics } = parts;
  const name = `${address.id.slice(0, 16)}@${address.host}:${address.port}`;
  let stopped = false;
  let live: Connection | undefined;
  let retryMs = limits.gossipRetryFirstMs;
  let cancelRetry: Cancel = () => {};

  const again = (why: LinkEnd | Misdeed | 'dial', wasBad: boolean): void => {
    metrics.count('beckon_gossip_ends_total', why);
    if (stopped) return;
    const waitMs = wasBad ? limits.gossipRetryMaxMs : retryMs;
    retryMs = Math.min(2 * retryMs, limits.gossipRetryMaxMs);
    log[wasBad ? 'warn' : 'info']({ gossipPeer: name, why, waitMs }, 'no gossip from this peer for a while');
    cancelRetry = timers.after(waitMs, () => void connect());
  };

  async function connect(): Promise<void> {
    const started = startInitiator({ ephemeralSecret: randomBytes(32), remoteStatic: fromHex(address.id) });
    if (!started.ok) {
      log.error({ gossipPeer: name }, 'BECKON_GOSSIP: this is the id of no node');
      return;
    }
    const startedMs = timers.nowMs();
    const connection = new Connection(parts, (why, wasBad) => {
      if (live === connection) live = undefined;
      if (timers.nowMs() - startedMs >= STABLE_MS) retryMs = limits.gossipRetryFirstMs;
      again(why, wasBad);
    });
    const { host, port } = address;
    const dialled = await parts.dialPeer({ host, port, act1: started.value.act1 }, connection);
    if (!dialled.ok) {
      again('dial', false);
      return;
    }
    // In place before anything can end it.
    live = connection;
    connection.begin(dialled.value, started.value.state);
    if (stopped) connection.stop();
    else if (live === connection) log.info({ gossipPeer: name }, 'connected to a gossip peer');
  }

  void connect();
  return {
    connected: () => live?.listening ?? false,
    stop() {
      stopped = true;
      cancelRetry();
      live?.stop();
    },
  };
}

class Connection {
  readonly #parts: GossipPeerParts;
  readonly #onEnd: (why: LinkEnd | Misdeed, wasBad: boolean) => void;
  readonly #feed: Feed;
  #link: PeerLink | undefined;
  #phase: Phase = 'greeting';
  #misdeed: Misdeed | undefined;
  #over = false;
  #useless = 0;
  #uselessSinceMs: number;
  #unfunded = 0;
  #lastNewsMs: number;
  #cancelQuiet: Cancel = () => {};
  /** Ids that the peer has and we do not. */
  #wanted: bigint[] = [];

  constructor(parts: GossipPeerParts, onEnd: (why: LinkEnd | Misdeed, wasBad: boolean) => void) {
    this.#parts = parts;
    this.#onEnd = onEnd;
    this.#lastNewsMs = parts.timers.nowMs();
    this.#uselessSinceMs = this.#lastNewsMs;
    this.#feed = parts.intake.open({
      resume: () => this.#link?.resume(),
      useless: () => this.#onUseless(),
      offence: (what) => {
        if (what !== 'unfunded') this.#hangUp(what);
        else if (++this.#unfunded > parts.limits.gossipUnfunded) this.#hangUp('unfunded');
      },
    });
  }

  get listening(): boolean {
    return !this.#over && this.#phase !== 'greeting';
  }

  begin(link: PeerLink, state: InitiatorState): void {
    this.#link = link;
    // Ended between act two and now.
    if (this.#over) return;
    const done = receiveAct2(state, link.act2, this.#parts.staticSecret);
    if (!done.ok) {
      link.end('bad-frame');
      return;
    }
    const { act3, keys } = done.value;
    link.establish(act3, keys);
    wipeKeys(keys);
    link.send(ourInit(this.#parts.chainHash));
  }

  stop(): void {
    this.#link?.end('relay-stopped');
  }

  message(bytes: Uint8Array): boolean {
    const type = messageType(bytes);
    if (this.#phase === 'greeting') this.#onGreeting(type, bytes);
    else if (isGossip(type)) {
      this.#lastNewsMs = this.#parts.timers.nowMs();
      if (bytes.length <= this.#parts.limits.gossipMessageBytes) return this.#feed.push(bytes);
      this.#hangUp('oversized');
    } else if (type === REPLY_RANGE) this.#onIds(bytes);
    else if (type === REPLY_END && this.#phase === 'asking-for-channels') this.#askForMore();
    // For nodes that have channels, or that pass gossip on: whoever asks learns nothing from us.
    else this.#onUseless();
    return true;
  }

  ended(reason: LinkEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelQuiet();
    this.#feed.close();
    this.#wanted = [];
    this.#onEnd(this.#misdeed ?? reason, this.#misdeed !== undefined);
  }

  #hangUp(why: Misdeed): void {
    this.#misdeed ??= why;
    this.#link?.end('bad-frame');
  }

  #onGreeting(type: number, bytes: Uint8Array): void {
    const init = type === INIT ? decodeMessage(bytes) : undefined;
    if (init?.ok !== true || init.value.name !== 'init') {
      this.#hangUp('no-init');
      return;
    }
    const { chainHash, newest, timers, limits } = this.#parts;
    const { networks } = init.value;
    const nowSeconds = Math.floor(timers.nowMs() / 1000);
    if (networks !== undefined && !networks.some((chain) => equal(chain, chainHash))) {
      this.#hangUp('wrong-chain');
      return;
    }
    this.#phase = 'listening';
    this.#link?.send(askFrom(chainHash, Math.max(0, Math.min(newest(), nowSeconds) - OVERLAP_SECONDS)));
    const lookForQuiet = (): void => {
      if (timers.nowMs() - this.#lastNewsMs >= limits.gossipQuietMs) this.#askForIds();
      else this.#cancelQuiet = timers.after(limits.gossipQuietMs, lookForQuiet);
    };
    this.#cancelQuiet = timers.after(limits.gossipQuietMs, lookForQuiet);
  }

  /** When the peer has told what it tells by itself (some tell nothing of the past), and again: what was refused may be good by now. */
  #askForIds(): void {
    this.#phase = 'asked-for-ids';
    this.#link?.send(askForIds(this.#parts.chainHash));
  }

  #onIds(bytes: Uint8Array): void {
    if (this.#phase !== 'asked-for-ids') {
      this.#onUseless();
      return;
    }
    const reply = decodeMessage(bytes);
    if (!reply.ok || reply.value.name !== 'reply_channel_range') {
      this.#hangUp('malformed');
      return;
    }
    const ids = decodeShortIds(reply.value.encodedShortIds);
    if (!ids.ok) {
      this.#hangUp('malformed');
      return;
    }
    const { knows, limits } = this.#parts;
    const before = this.#wanted.length;
    for (const id of ids.value) if (this.#wanted.length < limits.gossipChannels && !knows(id)) this.#wanted.push(id);
    // An answer without end, or one that says what is known, is paid for like other messages of that kind.
    this.#onUseless(1 + ids.value.length - (this.#wanted.length - before));
    const { firstBlocknum, numberOfBlocks } = reply.value;
    // BOLT 7: the last one reaches to the end of what was asked for. `sync_complete` says something else.
    if (firstBlocknum + numberOfBlocks < 0xffffffff) return;
    this.#phase = 'asking-for-channels';
    this.#askForMore();
  }

  #askForMore(): void {
    const ids = this.#wanted.splice(0, IDS_PER_QUERY).filter((id) => !this.#parts.knows(id));
    if (ids.length > 0) this.#link?.send(askForChannels(this.#parts.chainHash, ids));
    else if (this.#wanted.length > 0) this.#askForMore();
    else {
      this.#phase = 'listening';
      this.#cancelQuiet = this.#parts.timers.after(this.#parts.limits.gossipAskAgainMs, () => this.#askForIds());
    }
  }

  #onUseless(count = 1): void {
    const { limits, timers } = this.#parts;
    const now = timers.nowMs();
    if (now - this.#uselessSinceMs >= 3_600_000) {
      this.#uselessSinceMs = now;
      this.#useless = 0;
    }
    this.#useless += count;
    if (this.#useless > limits.gossipUselessPerHour) this.#hangUp('flood');
  }
}
