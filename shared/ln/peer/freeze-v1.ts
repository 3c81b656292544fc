/** Format 1: channels without HTLCs, that the peer had opened. Read for ever, written no more; what it says is said in today's form. */
import * as v from 'valibot';
import type { Commitments } from '../channel/commitments.ts';
import { type ChannelErrorCode, isErrorCode } from '../channel/error.ts';
import type { ChannelState, Live } from '../channel/state.ts';
import { emptySecretStore } from '../keys/shachain.ts';
import { amount, bytes, confirmed, count, id, maybe, moment, outpoint, peerMembers, point, sized, termsMembers } from './freeze-shapes.ts';
import type { PeerState } from './state.ts';

const terms = v.strictObject(termsMembers);
const spec = v.strictObject({ toLocalMsat: amount, toRemoteMsat: amount, feeratePerKw: count });
const guard = v.strictObject({
  fundingTxid: maybe(id),
  fundingVout: maybe(count),
  remoteNumber: maybe(amount),
  remoteSighash: maybe(id),
  releasedBelow: amount,
  localNumber: maybe(amount),
  localSighash: maybe(id),
});
const commitments = v.strictObject({
  channelId: id,
  terms,
  fundingOutpoint: outpoint,
  localCommit: v.strictObject({ number: amount, spec, remoteSignature: sized(64) }),
  remoteCommit: v.strictObject({ number: amount, spec, perCommitmentPoint: point }),
  remoteNextPerCommitmentPoint: maybe(point),
  remoteAlias: maybe(amount),
  remoteShutdownScript: maybe(bytes),
  guard,
});
const live = v.variant('tag', [
  v.strictObject({ tag: v.literal('wait-for-funding-confirmed'), commitments, since: moment, confirmed }),
  v.strictObject({ tag: v.literal('wait-for-channel-ready'), commitments, confirmed }),
  v.strictObject({ tag: v.literal('normal'), commitments, confirmed }),
]);
/** Codes that are no more: the one says that the funding output was spent, which is a state of its own now; the other has another name. */
const code = v.custom<ChannelErrorCode | 'funding-spent' | 'unsupported-message'>(
  (value) => isErrorCode(value) || value === 'funding-spent' || value === 'unsupported-message',
  'not an error code',
);
const channel = v.variant('tag', [
  v.strictObject({ tag: v.literal('wait-for-approval'), terms, deadlineMs: count }),
  v.strictObject({ tag: v.literal('wait-for-funding-created'), terms, deadlineMs: count }),
  ...live.options,
  v.strictObject({
    tag: v.literal('failed'),
    commitments,
    code,
    detail: v.string(),
    errorText: v.string(),
    doNotBroadcast: v.boolean(),
    since: moment,
    confirmed,
    spentBy: maybe(id),
  }),
  v.strictObject({ tag: v.literal('offline'), was: live }),
  v.strictObject({ tag: v.literal('syncing'), was: live }),
]);
export const recordV1 = v.strictObject({
  version: v.literal(1),
  peer: v.strictObject({ ...peerMembers, channels: v.array(channel) }),
});

type PeerV1 = v.InferOutput<typeof recordV1>['peer'];
type ChannelV1 = PeerV1['channels'][number];
type LiveV1 = v.InferOutput<typeof live>;
type CommitmentsV1 = v.InferOutput<typeof commitments>;

export const upgradeV1 = (peer: PeerV1): PeerState => ({ ...peer, channels: peer.channels.map(upgrade) });

function upgrade(old: ChannelV1): ChannelState {
  switch (old.tag) {
    case 'wait-for-approval':
    case 'wait-for-funding-created':
      return { ...old, terms: { ...old.terms, localIsOpener: false } };
    case 'offline':
    case 'syncing':
      return { tag: old.tag, was: upgradeLive(old.was) };
    case 'failed': {
      const { spentBy: _, code: was, ...rest } = old;
      const known = was === 'funding-spent' ? 'peer-error' : was === 'unsupported-message' ? 'misplaced-message' : was;
      return { ...rest, code: known, connections: 0, commitments: upgradeCommitments(old.commitments) };
    }
    default:
      return upgradeLive(old);
  }
}

const upgradeLive = (old: LiveV1): Live => ({ ...old, commitments: upgradeCommitments(old.commitments) });

/** There were no updates, so each commitment is the first, and the balances are those of the beginning. */
function upgradeCommitments({ localCommit, remoteCommit, guard: was, ...rest }: CommitmentsV1): Commitments {
  const { toLocalMsat, toRemoteMsat, feeratePerKw } = localCommit.spec;
  return {
    ...rest,
    terms: { ...rest.terms, localIsOpener: false },
    toLocalMsat,
    toRemoteMsat,
    fees: [{ feeratePerKw, progress: 'locked' }],
    htlcs: [],
    nextLocalHtlcId: 0n,
    nextRemoteHtlcId: 0n,
    localCommit: { number: localCommit.number, remoteSignature: localCommit.remoteSignature, htlcSignatures: [] },
    remoteCommit: { number: remoteCommit.number, perCommitmentPoint: remoteCommit.perCommitmentPoint },
    remoteSecrets: emptySecretStore,
    unsigned: [],
    guard: { ...was, revokedBelow: 0n, holding: { toUsMsat: toLocalMsat, offered: [], nextOfferedId: 0n, receivedMsat: 0n } },
  };
}
