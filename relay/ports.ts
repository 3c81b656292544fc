/**
 * The seams inside the relay. Each part gets what stands to its right as plain values of these types, so that
 * a test can put its own in place:  api ► keeper, wake, chain ► store.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Result } from '../shared/lib/result.ts';
import type { TransportKeys } from '../shared/ln/transport/cipher.ts';
import type { RelayError } from '../shared/protocol/errors.ts';
import type {
  Alarm,
  AnswerOf,
  ChainHint,
  Frame,
  RequestOf,
  SessionStatus,
  WakeReason,
  WakeReceipt,
  Watch,
} from '../shared/protocol/session.ts';

/** Milliseconds since 1970. Injected so that tests can move it. */
export type Clock = () => number;

/** What pino offers and all that we use of it. Never give it a key, a token or the bytes of a message. */
export type Logger = {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

export type CounterName =
  | 'beckon_requests_total'
  | 'beckon_connects_total'
  | 'beckon_sessions_established_total'
  | 'beckon_sessions_lost_total'
  | 'beckon_frames_in_total'
  | 'beckon_frames_out_total'
  | 'beckon_pings_total'
  | 'beckon_wakes_total'
  | 'beckon_wake_receipts_total'
  | 'beckon_chain_faults_total'
  | 'beckon_gossip_messages_total'
  | 'beckon_gossip_ends_total';
export type GaugeName =
  | 'beckon_sessions_live'
  | 'beckon_websockets'
  | 'beckon_queued_frames'
  | 'beckon_queued_bytes'
  | 'beckon_open_connections'
  | 'beckon_chain_up'
  | 'beckon_chain_height'
  | 'beckon_chain_tip_age_seconds'
  | 'beckon_gossip_peers'
  | 'beckon_gossip_queued'
  | 'beckon_graph_channels'
  | 'beckon_graph_age_seconds';
export type HistogramName = 'beckon_request_ms' | 'beckon_wake_ms' | 'beckon_push_ms';
export type Metrics = {
  /** `label`: a member of a small fixed set (an operation, a code, a message class), never an account or an address. */
  count(name: CounterName, label?: string): void;
  observe(name: HistogramName, value: number, label?: string): void;
  /** Read when somebody asks for `/metrics`. */
  gauge(name: GaugeName, read: () => number): void;
};

/** One SQLite file. Tables in `store/schema.ts`; each part keeps its own statements. */
export type Store = {
  readonly db: DatabaseSync;
  /** Runs `work` in one immediate transaction; rolled back when it throws. Does not nest. */
  transaction<T>(work: () => T): T;
  close(): void;
};

// --- wake ------------------------------------------------------------------------------------------------------

export type NotifyOptions = {
  /** When the reason is moot (a peer hangs up, an HTLC falls due). Gives the push its TTL. */
  readonly deadlineMs?: number;
  /** `high` only where a peer waits. */
  readonly urgency: 'high' | 'normal';
  /** Sessions whose messages these are: each has its own share of wakes. */
  readonly from?: readonly string[];
  /** Left out: `pendingFor` is asked at send time, which is what the keeper wants. */
  readonly frames?: readonly Frame[];
  readonly sessions?: readonly SessionStatus[];
};
/** Something is due for an account. Returns at once; bursts are gathered; nothing is sent while the account is attached. */
export type Wake = {
  notify(account: string, reason: WakeReason, options: NotifyOptions): void;
  /** The peer of that session had spent its share of wakes, and was only queued, within the last hour. */
  withheld(session: string): boolean;
};
/** What the wake module asks the keeper at send time. */
export type WakeSource = {
  /** Somebody is there to take an update: a WebSocket, a long poll, or a worker that is still busy with the last answer. */
  attached(account: string): boolean;
  /** All that waits, oldest first. The wake module decides whether it fits. */
  pendingFor(account: string): { readonly frames: readonly Frame[]; readonly sessions: readonly SessionStatus[] };
  /** Whoever is there is to look again: something of its own fell due. */
  nudge(account: string): void;
};
/** All of the wake module, as the API sees it. */
export type WakeModule = Wake & {
  /** base64url, as `PushManager.subscribe` wants it. */
  publicKey(): string;
  subscribe(account: string, request: RequestOf<'push/subscribe'>): Promise<Result<object, RelayError>>;
  unsubscribe(account: string, device: string): void;
  /** Sends one wake with reason `test` to each device, attached or not. */
  test(account: string): Promise<Result<AnswerOf<'push/test'>, RelayError>>;
  /** Replaces the account's alarms; each one notifies with reason `deadline` when it is due, also after a restart. */
  setAlarms(account: string, alarms: readonly Alarm[]): void;
  /** The chain is this high: alarms of heights ring, and `tell` is called for each of them first. */
  reached: HeightListener;
  /** Signatures are checked against the account's relay key (the account id is that key in hex). */
  receipts(account: string, receipts: readonly WakeReceipt[]): void;
  /** The app was heard from (a sync, a WebSocket hello): the last push has done its work. */
  answered(account: string): void;
  stop(): Promise<void>;
};

// --- chain -----------------------------------------------------------------------------------------------------

export type ChainPort = {
  tip(): Promise<Result<AnswerOf<'chain/tip'>, RelayError>>;
  headers(request: RequestOf<'chain/headers'>): Promise<Result<AnswerOf<'chain/headers'>, RelayError>>;
  tx(request: RequestOf<'chain/tx'>): Promise<Result<AnswerOf<'chain/tx'>, RelayError>>;
  fees(): Promise<Result<AnswerOf<'chain/fees'>, RelayError>>;
  broadcast(request: RequestOf<'chain/broadcast'>): Promise<Result<AnswerOf<'chain/broadcast'>, RelayError>>;
  /** Replaces the account's list. Kept over a restart. */
  setWatches(account: string, watches: readonly Watch[]): void;
  /** Not yet acknowledged, oldest first. */
  pendingEvents(account: string): readonly ChainHint[];
  ack(account: string, ids: readonly string[]): void;
  stop(): Promise<void>;
};
/** What the chain module calls when an account has a new event: the keeper updates whoever is attached, else wakes. */
export type ChainListener = (account: string) => void;
/** Called with the height after each look at the chain; `tell` leaves an event of kind `tip` for the owner of an alarm. */
export type HeightListener = (height: number, tell: (due: { readonly account: string; readonly id: string }) => void) => void;

// --- peers -----------------------------------------------------------------------------------------------------

/** Why a link ended; `reason` of a session's status and label of a metric. */
export type LinkEnd =
  | 'peer-closed'
  | 'connection-error'
  | 'ping-timeout'
  | 'bad-frame'
  | 'handover-timeout'
  | 'handover-used'
  | 'act-timeout'
  | 'disconnected'
  | 'superseded'
  | 'relay-restarted'
  | 'relay-stopped';

/** What a link tells its owner. Called synchronously, one at a time, never after `ended`. */
export type LinkEvents = {
  /** A decrypted message from the peer. `false` stops the reading of the socket until `resume()`. */
  message(bytes: Uint8Array): boolean;
  ended(reason: LinkEnd): void;
};
/** One TCP socket to one peer, from act two on. It is the only holder of the transport keys. */
export type PeerLink = {
  readonly act2: Uint8Array;
  /** Writes act three and takes the keys (copied; the caller wipes its own). Once: a second call ends the link and answers false. */
  establish(act3: Uint8Array, keys: TransportKeys): boolean;
  /** Seals once into the socket's buffer. `false`: the buffer is full or the link is over, and nothing was sealed. */
  send(message: Uint8Array): boolean;
  resume(): void;
  /** Wipes the keys and closes the socket. */
  end(reason: LinkEnd): void;
};
/** Guard, dial, 50 bytes out, exactly 50 bytes in. Errors say nothing about what the address answered. */
export type PeerDialler = (
  target: { host: string; port: number; act1: Uint8Array },
  events: LinkEvents,
) => Promise<Result<PeerLink, RelayError>>;
