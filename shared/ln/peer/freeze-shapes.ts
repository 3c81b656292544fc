/** The form of a frozen peer, format 2, member by member. Every member of every state is named here once. */
import * as v from 'valibot';
import { type ChannelErrorCode, isErrorCode } from '../channel/error.ts';

export const bytes = v.instance(Uint8Array);
export const sized = (size: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.length === size, `not ${size} bytes`),
  );
export const id = sized(32);
export const point = sized(33);
const signature = sized(64);
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const amount = v.pipe(v.bigint(), v.minValue(0n));
export const maybe = v.exactOptional;

export const outpoint = v.strictObject({ txid: id, vout: count });
const basepoints = v.strictObject({
  fundingPubkey: point,
  revocationBasepoint: point,
  paymentBasepoint: point,
  delayedPaymentBasepoint: point,
  htlcBasepoint: point,
});
export const side = v.strictObject({
  basepoints,
  dustLimitSat: amount,
  maxHtlcValueInFlightMsat: amount,
  channelReserveSat: amount,
  htlcMinimumMsat: amount,
  toSelfDelay: count,
  maxAcceptedHtlcs: count,
  upfrontShutdownScript: maybe(bytes),
});
const ours = {
  temporaryChannelId: id,
  keyPath: v.strictTuple([count, count]),
  channelType: bytes,
  kind: v.picklist(['static_remotekey', 'anchors_zero_fee_htlc_tx']),
  zeroConf: v.boolean(),
  isPublic: v.boolean(),
  fundingAmountSat: amount,
  pushMsat: amount,
  feeratePerKw: count,
  localAlias: amount,
  sendAlias: v.boolean(),
  local: side,
};
const theirs = { minDepth: count, remote: side, remoteFirstPerCommitmentPoint: point };
export const termsMembers = { ...ours, ...theirs };
const terms = v.strictObject({ ...termsMembers, localIsOpener: v.boolean() });
const shutdownForms = v.strictObject({ anySegwit: v.boolean(), simpleClose: v.boolean() });
const offer = v.strictObject({ ...ours, localIsOpener: v.boolean(), shutdownForms, fundingFeeratePerKw: maybe(count) });

const progress = v.picklist(['proposed', 'signed', 'revoked', 'countersigned', 'locked']);
const attribution = v.strictObject({ htlcHoldTimes: v.array(count), truncatedHmacs: bytes });
const removal = v.variant('kind', [
  v.strictObject({ kind: v.literal('fulfill'), progress, preimage: id, attribution: maybe(attribution) }),
  v.strictObject({ kind: v.literal('fail'), progress, reason: bytes, attribution: maybe(attribution) }),
  v.strictObject({ kind: v.literal('fail-malformed'), progress, sha256OfOnion: id, failureCode: count }),
]);
const removalRequest = v.variant('kind', [
  v.strictObject({ kind: v.literal('fulfill'), preimage: id, attribution: maybe(attribution) }),
  v.strictObject({ kind: v.literal('fail'), reason: bytes, attribution: maybe(attribution) }),
  v.strictObject({ kind: v.literal('fail-malformed'), sha256OfOnion: id, failureCode: count }),
]);
const quiet = v.strictObject({
  sinceMs: count,
  said: v.boolean(),
  removals: v.array(v.strictObject({ id: amount, removal: removalRequest })),
});
const htlc = v.strictObject({
  by: v.picklist(['local', 'remote']),
  id: amount,
  amountMsat: amount,
  paymentHash: id,
  cltvExpiry: count,
  onion: maybe(sized(1366)),
  pathKey: maybe(point),
  added: progress,
  removal: maybe(removal),
  preimage: maybe(id),
});
const holding = v.strictObject({
  toUsMsat: amount,
  offered: v.array(v.strictObject({ id: amount, amountMsat: amount, paymentHash: id, cltvExpiry: count })),
  nextOfferedId: amount,
  receivedMsat: amount,
});
const guard = v.strictObject({
  fundingTxid: maybe(id),
  fundingVout: maybe(count),
  remoteNumber: maybe(amount),
  remoteSighash: maybe(id),
  holding: maybe(holding),
  revokedBelow: amount,
  releasedBelow: amount,
  localNumber: maybe(amount),
  localSighash: maybe(id),
  localPublished: maybe(v.literal(true)),
  closeScript: maybe(bytes),
  announced: maybe(v.literal(true)),
});
const commitments = v.strictObject({
  channelId: id,
  terms,
  fundingOutpoint: outpoint,
  toLocalMsat: amount,
  toRemoteMsat: amount,
  fees: v.array(v.strictObject({ feeratePerKw: count, progress })),
  htlcs: v.array(htlc),
  nextLocalHtlcId: amount,
  nextRemoteHtlcId: amount,
  localCommit: v.strictObject({ number: amount, remoteSignature: signature, htlcSignatures: v.array(signature) }),
  remoteCommit: v.strictObject({ number: amount, perCommitmentPoint: point }),
  remoteNext: maybe(v.strictObject({ perCommitmentPoint: point, messages: v.array(bytes) })),
  remoteNextPerCommitmentPoint: maybe(point),
  remoteSecrets: v.array(v.strictObject({ index: amount, secret: id })),
  unsigned: v.array(bytes),
  revocation: maybe(v.strictObject({ message: bytes, beforeCommit: v.boolean() })),
  remoteAlias: maybe(amount),
  localShutdownScript: maybe(bytes),
  shutdownSent: maybe(v.literal(true)),
  remoteShutdownScript: maybe(bytes),
  closeFeeratePerKw: maybe(count),
  guard,
});
export const moment = v.strictObject({ height: count, ms: count });
export const confirmed = maybe(v.strictObject({ height: count, txIndex: count }));
const announcement = v.strictObject({
  shortChannelId: amount,
  remote: maybe(v.strictObject({ nodeSignature: signature, bitcoinSignature: signature })),
  complete: maybe(v.literal(true)),
  ours: maybe(v.picklist(['owed', 'sent'])),
});
const ground = { confirmed, fundingTransaction: maybe(bytes), announcement: maybe(announcement) };
const errorCode = v.custom<ChannelErrorCode>(isErrorCode, 'not an error code');

const spend = v.strictObject({ outpoint, txid: id, transaction: bytes, height: count });
const attempt = v.strictObject({
  inputs: v.array(outpoint),
  transaction: bytes,
  txid: id,
  feeratePerKw: count,
  madeAtHeight: count,
});
const archived = v.strictObject({ offered: v.boolean(), id: amount, amountMsat: amount, paymentHash: id, cltvExpiry: count });
const onchain = v.strictObject({
  publishing: v.boolean(),
  sweepIndex: count,
  spends: v.array(spend),
  preimages: v.array(id),
  attempts: v.array(attempt),
  archive: maybe(v.strictObject({ number: amount, htlcs: v.array(archived) })),
  told: v.array(amount),
  coinsShort: v.boolean(),
});
const negotiation = v.strictObject({
  signed: v.array(bytes),
  offered: maybe(v.strictObject({ feeSat: amount, range: v.strictObject({ minSat: amount, maxSat: amount }) })),
  heardSat: maybe(amount),
  complete: maybe(v.strictObject({ feeSat: amount, lockTime: count, closeeScript: bytes, answered: v.boolean() })),
});
const cause = v.union([errorCode, v.picklist(['mutual', 'user', 'deadline', 'spent'])]);

const live = v.variant('tag', [
  v.strictObject({
    tag: v.literal('wait-for-funding-confirmed'),
    commitments,
    since: moment,
    ...ground,
  }),
  v.strictObject({ tag: v.literal('wait-for-channel-ready'), commitments, ...ground }),
  v.strictObject({ tag: v.literal('normal'), commitments, ...ground, quiet: maybe(quiet) }),
  v.strictObject({ tag: v.literal('shutting-down'), commitments, ...ground }),
  v.strictObject({ tag: v.literal('negotiating'), commitments, ...ground, since: moment, negotiation }),
]);
const channel = v.variant('tag', [
  v.strictObject({ tag: v.literal('wait-for-approval'), terms, deadlineMs: count }),
  v.strictObject({ tag: v.literal('wait-for-funding-created'), terms, deadlineMs: count }),
  v.strictObject({ tag: v.literal('wait-for-accept-channel'), offer, deadlineMs: count }),
  v.strictObject({ tag: v.literal('wait-for-funding'), terms, deadlineMs: count }),
  v.strictObject({
    tag: v.literal('wait-for-funding-signed'),
    terms,
    fundingOutpoint: outpoint,
    fundingTransaction: bytes,
    guard,
    deadlineMs: count,
  }),
  ...live.options,
  v.strictObject({
    tag: v.literal('failed'),
    commitments,
    code: errorCode,
    detail: v.string(),
    errorText: v.string(),
    doNotBroadcast: v.boolean(),
    connections: count,
    since: moment,
    ...ground,
  }),
  v.strictObject({
    tag: v.literal('closing'),
    commitments,
    onchain,
    mutual: v.array(bytes),
    cause: v.strictObject({ code: cause, detail: v.string() }),
    dataLost: v.boolean(),
    since: moment,
    ...ground,
  }),
  v.strictObject({ tag: v.literal('offline'), was: live }),
  v.strictObject({ tag: v.literal('syncing'), was: live }),
]);

export const peerMembers = {
  peerId: point,
  link: v.picklist(['offline', 'connected', 'ready', 'closing']),
  epoch: count,
  lastInSeq: count,
  outSeq: count,
  outbox: v.array(v.strictObject({ epoch: count, m: count, bytes })),
  remoteFeatures: bytes,
  refused: v.array(v.strictObject({ temporaryChannelId: id, errorText: v.string() })),
};
export const peerShape = v.strictObject({ ...peerMembers, channels: v.array(channel) });
