/**
 * What app and relay say to each other (see README.md beside this file). Every body is JSON; byte strings are
 * base64url without padding, except keys, acts, hashes and transactions, which are lower-case hex.
 */
import * as v from 'valibot';

export const limits = {
  /** Inbound frames in one answer, and their bytes together. */
  framesPerAnswer: 64,
  bytesPerAnswer: 256 * 1024,
  framesPerSync: 64,
  maxFrameBytes: 65_535,
  maxLingerMs: 25_000,
  maxBackupBytes: 256 * 1024,
  /** A commitment of the greatest size leaves 966 HTLC outputs, each of which is watched. */
  watches: 2_048,
  /** Unconfirmed parents that travel with the transaction that pays for them. */
  packageParents: 8,
} as const;

const hexOf = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)));
const hexBytes = v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{2})*$/));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** Canonical base64url: no padding, and no bits set that belong to no byte. Whatever passes can be decoded. */
const b64 = (maxBytes: number) =>
  v.pipe(
    v.string(),
    v.maxLength(Math.ceil((maxBytes * 4) / 3)),
    v.regex(/^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$/),
  );
const id = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/));
const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
export const peerId = v.pipe(v.string(), v.regex(/^0[23][0-9a-f]{64}$/));

export const challengeRequest = v.strictObject({});
export const challengeAnswer = v.object({ challenge: hexOf(32), expiresAtMs: count });
/** `signature` is over `authDigest(audience, challenge)` with the relay-auth key; compact, low-S. */
export const loginRequest = v.strictObject({ relayKey: peerId, audience: text(256), challenge: hexOf(32), signature: hexOf(64) });
export const loginAnswer = v.object({ token: text(128), expiresAtMs: count });

export const connectRequest = v.strictObject({
  peer: peerId,
  host: text(253),
  port: v.pipe(count, v.minValue(1), v.maxValue(65_535)),
  act1: hexOf(50),
  /** The newest epoch that the app has used with this peer: the answer's is greater (a relay may have lost its database). */
  afterEpoch: v.optional(count),
});
export const connectAnswer = v.object({ session: id, epoch: count, act2: hexOf(50) });
/** sending/receiving are as the app sees them: `sending` encrypts what goes to the peer. */
export const establishRequest = v.strictObject({
  session: id,
  epoch: count,
  act3: hexOf(66),
  keys: v.strictObject({ sending: hexOf(32), receiving: hexOf(32), chaining: hexOf(32) }),
  init: b64(limits.maxFrameBytes),
});
export const disconnectRequest = v.strictObject({ session: id });

export const frame = v.object({ session: id, epoch: count, n: v.pipe(count, v.minValue(1)), bytes: b64(limits.maxFrameBytes) });
export const outFrame = v.strictObject({ session: id, epoch: count, m: v.pipe(count, v.minValue(1)), bytes: b64(limits.maxFrameBytes) });
export const position = v.strictObject({ session: id, epoch: count, n: count });
export const receipt = v.object({ session: id, epoch: count, m: count });
/** Rings at an hour, or when the relay's chain has reached a height. */
export const alarm = v.union([
  v.strictObject({ id, atMs: count, reason: text(64) }),
  v.strictObject({ id, atHeight: count, reason: text(64) }),
]);
/** `signature` is over `wakeReceiptDigest(...)` with the relay-auth key. */
export const wakeReceipt = v.strictObject({
  wakeId: id,
  reason: text(64),
  result: v.picklist(['done', 'needs-user', 'nothing', 'failed']),
  ms: count,
  signature: hexOf(64),
});

export const sessionStatus = v.object({
  session: id,
  peer: peerId,
  epoch: count,
  /** `handshaking`: act two is out, no hand-over yet. `lost`: the epoch is over. */
  state: v.picklist(['handshaking', 'live', 'lost']),
  reason: v.optional(text(128)),
  /** What this peer said cost too many wakes lately: it is queued, and wakes nobody for a while. */
  wakeBudgetSpent: v.optional(v.boolean()),
});

export const watch = v.variant('kind', [
  /** Tells when the transaction is confirmed, at each depth of the list, and when it leaves the chain. */
  v.strictObject({ id, kind: v.literal('tx'), txid: hexOf(32), script: hexBytes, depths: v.pipe(v.array(count), v.maxLength(8)) }),
  v.strictObject({ id, kind: v.literal('outpoint'), txid: hexOf(32), vout: count, script: hexBytes }),
  v.strictObject({ id, kind: v.literal('script'), script: hexBytes }),
]);
/** A hint, never a proof: the app fetches and checks. txids in display order. */
export const chainEvent = v.object({
  id,
  watch: id,
  /** `seen`: spent by a transaction in the mempool. `tip`: an alarm's height is reached; `watch` is the alarm's id. */
  kind: v.picklist(['confirmed', 'reorged', 'seen', 'spent', 'paid', 'tip']),
  txid: v.optional(hexOf(32)),
  height: count,
  depth: v.optional(count),
});

export const syncRequest = v.strictObject({
  /** What the app has durably processed; the relay forgets inbound frames up to n. */
  lastIn: v.optional(v.pipe(v.array(position), v.maxLength(64))),
  out: v.optional(v.pipe(v.array(outFrame), v.maxLength(limits.framesPerSync))),
  /** Stored before anything of `out` is written to a peer. `seq` only grows. */
  backup: v.optional(v.strictObject({ seq: count, bytes: b64(limits.maxBackupBytes) })),
  /** Replaces the account's whole list. */
  alarms: v.optional(v.pipe(v.array(alarm), v.maxLength(64))),
  /** Replaces the account's whole list. */
  watches: v.optional(v.pipe(v.array(watch), v.maxLength(limits.watches))),
  ackEvents: v.optional(v.pipe(v.array(id), v.maxLength(256))),
  wakes: v.optional(v.pipe(v.array(wakeReceipt), v.maxLength(32))),
  /** Wait this long for something new before answering (long poll). Counts as attached. */
  lingerMs: v.optional(v.pipe(count, v.maxValue(limits.maxLingerMs))),
});
export const syncAnswer = v.object({
  in: v.array(frame),
  receipts: v.array(receipt),
  sessions: v.array(sessionStatus),
  events: v.array(chainEvent),
  /** More is waiting: sync again at once. */
  more: v.boolean(),
});
/** An empty object asks for the newest backup; `bytes` absent when there is none. */
export const backupRequest = v.strictObject({});
export const backupAnswer = v.object({ seq: v.optional(count), bytes: v.optional(b64(limits.maxBackupBytes)) });

export const pushKeyAnswer = v.object({ vapidPublicKey: text(128) });
export const pushSubscribeRequest = v.strictObject({
  device: id,
  endpoint: v.pipe(v.string(), v.url(), v.maxLength(1024)),
  keys: v.strictObject({ p256dh: text(128), auth: text(64) }),
});
export const pushUnsubscribeRequest = v.strictObject({ device: id });
export const pushTestAnswer = v.object({ wakeId: id });

export const wakeReason = v.picklist(['message', 'session-lost', 'chain', 'deadline', 'test']);
/** The plaintext of a Web Push (JSON). `frames` only when all that waits fits. */
export const wakePayload = v.object({
  v: v.literal(1),
  wakeId: id,
  reason: wakeReason,
  sentAtMs: count,
  frames: v.optional(v.array(frame)),
  sessions: v.optional(v.array(sessionStatus)),
});

export const chainTipAnswer = v.object({
  network: v.picklist(['mainnet', 'testnet', 'signet', 'regtest']),
  height: count,
  hash: hexOf(32),
});
export const headersRequest = v.strictObject({ from: count, count: v.pipe(count, v.minValue(1), v.maxValue(2000)) });
/** Concatenated 80-byte headers from height `from`; shorter at the tip. */
export const headersAnswer = v.object({ from: count, headers: hexBytes });
export const txRequest = v.strictObject({ txid: hexOf(32) });
/** `raw` with witness. The proof fields are there when it is confirmed; `siblings` in display order, bottom up. */
export const txAnswer = v.object({
  raw: hexBytes,
  height: v.optional(count),
  blockHash: v.optional(hexOf(32)),
  pos: v.optional(count),
  siblings: v.optional(v.array(hexOf(32))),
  /** The coinbase of the same block with its own branch: proves the depth of the tree (CVE-2017-12842). */
  coinbase: v.optional(hexBytes),
  coinbaseSiblings: v.optional(v.array(hexOf(32))),
  /** BIP 141: the branch of its wtxid, in a block that commits to witnesses. Without it nothing in `raw`'s witnesses is proved. */
  witnessSiblings: v.optional(v.array(hexOf(32))),
});
export const feesAnswer = v.object({ satPerKw: v.object({ fast: count, normal: count, slow: count, floor: count }) });
/** `parents`: unconfirmed transactions that `raw` spends from and pays for; nodes that can take all of them as one package. */
export const broadcastRequest = v.strictObject({
  raw: hexBytes,
  parents: v.optional(v.pipe(v.array(hexBytes), v.maxLength(limits.packageParents))),
});
export const broadcastAnswer = v.object({ txid: hexOf(32) });
/**
 * What one bitcoin costs in a currency (ISO 4217). `source`: an https address in which `{currency}` and `{lower}` stand for it, and where in
 * the JSON that it answers the number is. Without one the operator's is asked.
 */
export const priceRequest = v.strictObject({
  currency: v.pipe(v.string(), v.regex(/^[A-Z]{3}$/)),
  source: v.optional(v.strictObject({ url: text(400), path: text(200) })),
});
export const priceAnswer = v.object({ rate: v.pipe(v.number(), v.finite(), v.minValue(1), v.maxValue(1e12)) });
export const empty = v.object({});

/** Every operation: `POST /api/v1/<op>` or a WebSocket frame `{id, op, body}`. */
export const operations = {
  'auth/challenge': { request: challengeRequest, answer: challengeAnswer, auth: false },
  'auth/login': { request: loginRequest, answer: loginAnswer, auth: false },
  connect: { request: connectRequest, answer: connectAnswer, auth: true },
  establish: { request: establishRequest, answer: empty, auth: true },
  disconnect: { request: disconnectRequest, answer: empty, auth: true },
  sync: { request: syncRequest, answer: syncAnswer, auth: true },
  backup: { request: backupRequest, answer: backupAnswer, auth: true },
  'push/key': { request: challengeRequest, answer: pushKeyAnswer, auth: false },
  'push/subscribe': { request: pushSubscribeRequest, answer: empty, auth: true },
  'push/unsubscribe': { request: pushUnsubscribeRequest, answer: empty, auth: true },
  'push/test': { request: challengeRequest, answer: pushTestAnswer, auth: true },
  'chain/tip': { request: challengeRequest, answer: chainTipAnswer, auth: true },
  'chain/headers': { request: headersRequest, answer: headersAnswer, auth: true },
  'chain/tx': { request: txRequest, answer: txAnswer, auth: true },
  'chain/fees': { request: challengeRequest, answer: feesAnswer, auth: true },
  'chain/broadcast': { request: broadcastRequest, answer: broadcastAnswer, auth: true },
  price: { request: priceRequest, answer: priceAnswer, auth: true },
} as const;
export type Op = keyof typeof operations;
export type RequestOf<O extends Op> = v.InferOutput<(typeof operations)[O]['request']>;
export type AnswerOf<O extends Op> = v.InferOutput<(typeof operations)[O]['answer']>;
export type SyncRequest = RequestOf<'sync'>;
export type SyncAnswer = AnswerOf<'sync'>;
export type Frame = v.InferOutput<typeof frame>;
export type OutFrameJson = v.InferOutput<typeof outFrame>;
export type SessionStatus = v.InferOutput<typeof sessionStatus>;
export type Alarm = v.InferOutput<typeof alarm>;
export type Watch = v.InferOutput<typeof watch>;
export type ChainHint = v.InferOutput<typeof chainEvent>;
export type WakePayload = v.InferOutput<typeof wakePayload>;
export type WakeReason = v.InferOutput<typeof wakeReason>;
export type WakeReceipt = v.InferOutput<typeof wakeReceipt>;

/** WebSocket: first client frame is `{id, op:'hello', body:{token}}`; the server may send `{event:'update', body: SyncAnswer}` at any time. */
export const wsRequest = v.strictObject({ id: count, op: v.string(), body: v.unknown() });
export const helloRequest = v.strictObject({ token: text(128) });
