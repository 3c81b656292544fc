/**
 * The announcement of a public channel. BOLT 7 § The `announcement_signatures` Message. The peer's signatures are kept whenever they come; ours go
 * out, and the peer's are judged, at the end of a batch, once the channel is in use and its funding deep in the chain. The name is the real
 * short channel id: no alias is ever announced. What follows the announcement, our `channel_update`, is the runtime's: it knows the terms.
 */
import { withSignatures } from '../../gossip/announce.ts';
import { checkChannelAnnouncement } from '../../gossip/check.ts';
import { verify } from '../../keys/secp.ts';
import type { SignedAnnouncement } from '../../signer/signer.ts';
import { type ChannelEffect, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { announceDepth } from '../limits.ts';
import type { AnnouncementSignatures } from '../message.ts';
import { shortChannelIdOf } from '../scid.ts';
import type { Announcement, ChannelState, Live, Normal } from '../state.ts';
import { andThen, fault, type Step, stay } from '../step.ts';

/** BOLT 7: "If it has not sent `channel_ready`: SHOULD defer handling the `announcement_signatures` until after it has sent `channel_ready`." */
export function recvAnnouncementSignatures(state: Live, msg: AnnouncementSignatures, env: Env): Step {
  if (!state.commitments.terms.isPublic) return fault(state, { code: 'announcement-unasked' }, env);
  const { shortChannelId, nodeSignature, bitcoinSignature } = msg;
  // BOLT 7: "If the `short_channel_id` doesn't match one of its funding transactions: SHOULD send a `warning`."
  const known = shortChannelIdOf(state);
  if (known !== undefined && known !== shortChannelId) return fault(state, { code: 'announcement-elsewhere' }, env);
  const { announcement } = state;
  const heard = announcement?.complete ? announcement : { shortChannelId, remote: { nodeSignature, bitcoinSignature } };
  // BOLT 7: "If it receives `announcement_signatures` for the funding transaction: MUST respond with its own `announcement_signatures` message."
  return stay({ ...state, announcement: { ...heard, ours: announcement?.ours ?? 'owed' } });
}

/** The height from which on a channel is announced; undefined if it is not to be. */
export function announceHeight({ commitments, confirmed }: Normal): number | undefined {
  const { terms, localShutdownScript, remoteShutdownScript } = commitments;
  // BOLT 7: "If the `open_channel` message has the `announce_channel` bit set AND a `shutdown` message has not been sent"
  const open = localShutdownScript === undefined && remoteShutdownScript === undefined;
  return terms.isPublic && open && confirmed ? confirmed.height + announceDepth - 1 : undefined;
}

/** What is due of the announcement. */
export function announce(state: ChannelState, env: Env): Step {
  if (state.tag !== 'normal') return stay(state);
  const height = announceHeight(state);
  const shortChannelId = shortChannelIdOf(state);
  if (height === undefined || shortChannelId === undefined || env.height < height) return stay(state);
  const announcement = state.announcement ?? { shortChannelId };
  const { complete, remote, ours } = announcement;
  // Until the peer's are here, once in each connection; after that the peer, who may not have ours, asks by saying its own.
  const speaks = ours !== 'sent' && (ours === 'owed' || !complete);
  if (!speaks && (complete || !remote)) return stay(state);
  const { terms, channelId } = state.commitments;
  const { fundingPubkey } = terms.remote.basepoints;
  const request = { chainHash: env.chainHash, shortChannelId, peerId: env.peerId, remoteFundingPubkey: fundingPubkey };
  const signed = env.openSigner(terms.keyPath).signAnnouncement(request, state.commitments.guard);
  // A channel that an older version opened: its signer was never told that it may be announced.
  if (!signed.ok) return stay(state);
  const { node: nodeSignature, bitcoin: bitcoinSignature } = signed.value.signatures;
  const said: readonly ChannelEffect[] = speaks
    ? [send({ name: 'announcement_signatures', channelId, shortChannelId, nodeSignature, bitcoinSignature })]
    : [];
  const told: Normal = { ...state, announcement: { ...announcement, ours: 'sent' } };
  return andThen(stay(told, ...said), () => (remote && !complete ? finish(told, signed.value, remote, env) : stay(told)));
}

/** BOLT 7: "If it has sent AND received a valid `announcement_signatures` message" */
function finish(state: Normal, signed: SignedAnnouncement, remote: NonNullable<Announcement['remote']>, env: Env): Step {
  const { message, direction, signatures } = signed;
  const whole = withSignatures(message, direction, signatures, { node: remote.nodeSignature, bitcoin: remote.bitcoinSignature });
  const checked = checkChannelAnnouncement(whole, { chainHash: env.chainHash, verify });
  const { shortChannelId } = message;
  // BOLT 7: "If the `node_signature` OR the `bitcoin_signature` is NOT correct: MAY send a `warning` and close the connection"
  if (!checked.ok) {
    const without: Normal = { ...state, announcement: { shortChannelId, ours: 'sent' } };
    return fault(without, { code: 'announcement-signature-invalid', detail: checked.error.detail }, env);
  }
  // BOLT 7: "If the funding transaction has at least 6 confirmations: SHOULD queue the `channel_announcement` message for its peers."
  return stay({ ...state, announcement: { shortChannelId, remote, ours: 'sent', complete: true } }, send(whole));
}

/** What was said on a connection ends with it. */
export function withoutOurs<S extends Live>(state: S): S {
  const { announcement, ...rest } = state;
  if (!announcement) return state;
  const { ours: _, ...kept } = announcement;
  return { ...rest, announcement: kept } as S;
}
