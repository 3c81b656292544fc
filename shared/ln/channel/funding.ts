/** From agreed terms to the first commitments, from both sides, and `channel_ready`. BOLT 2 § Channel Establishment v1. */
import { equal, toHex } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { isPoint } from '../keys/secp.ts';
import { emptySecretStore } from '../keys/shachain.ts';
import { type ChannelSigner, freshGuard, type SignerGuard } from '../signer/signer.ts';
import { buildCommitment, type CommitmentTemplate, type Outpoint } from '../tx/commitment.ts';
import { type Commitments, channelIdFrom, initialBalances, initialSpec, templateFor } from './commitments.ts';
import type { ChannelError } from './error.ts';
import type { ChannelReady, FundingCreated, FundingSigned, OutMessage } from './message.ts';
import type { ChannelTerms } from './terms.ts';

const firstLocal = (terms: ChannelTerms, outpoint: Outpoint, signer: ChannelSigner): CommitmentTemplate =>
  templateFor('local', terms, outpoint, { number: 0n, perCommitmentPoint: signer.perCommitmentPoint(0n) }, initialSpec(terms));

const firstRemote = (terms: ChannelTerms, outpoint: Outpoint): CommitmentTemplate =>
  templateFor('remote', terms, outpoint, { number: 0n, perCommitmentPoint: terms.remoteFirstPerCommitmentPoint }, initialSpec(terms));

const refused = (fault: { readonly code: string; readonly detail: string }): ChannelError => ({
  code: 'signer-refused',
  detail: `${fault.code}: ${fault.detail}`,
});

/** BOLT 1: "SHOULD include the raw, hex-encoded transaction in reply to a `funding_created`" */
function badSignature(template: CommitmentTemplate): ChannelError {
  const built = buildCommitment(template);
  return { code: 'funding-signature-invalid', detail: built.ok ? toHex(built.value.unsigned) : built.error.code };
}

const begin = (terms: ChannelTerms, fundingOutpoint: Outpoint, remoteSignature: Uint8Array, guard: SignerGuard): Commitments => ({
  channelId: channelIdFrom(fundingOutpoint),
  terms,
  fundingOutpoint,
  ...initialBalances(terms),
  fees: [{ feeratePerKw: terms.feeratePerKw, progress: 'locked' }],
  htlcs: [],
  nextLocalHtlcId: 0n,
  nextRemoteHtlcId: 0n,
  localCommit: { number: 0n, remoteSignature, htlcSignatures: [] },
  remoteCommit: { number: 0n, perCommitmentPoint: terms.remoteFirstPerCommitmentPoint },
  remoteSecrets: emptySecretStore,
  unsigned: [],
  guard,
});

/** `funding_created`: checks the peer's signature on our commitment 0, then signs the peer's. */
export function receiveFundingCreated(
  terms: ChannelTerms,
  msg: FundingCreated,
  signer: ChannelSigner,
): Result<{ readonly commitments: Commitments; readonly fundingSigned: OutMessage }, ChannelError> {
  const outpoint: Outpoint = { txid: msg.fundingTxid, vout: msg.fundingOutputIndex };
  const ours = firstLocal(terms, outpoint, signer);
  // BOLT 2: "if `signature` is incorrect OR non-compliant with LOW-S-standard rule"
  const accepted = signer.acceptLocalCommitment(ours, msg.signature, [], pinned(terms, signer));
  if (!accepted.ok) return err(accepted.error.code === 'signature-invalid' ? badSignature(ours) : refused(accepted.error));
  const signed = signer.signRemoteCommitment(firstRemote(terms, outpoint), [], accepted.value.guard);
  if (!signed.ok) return err(refused(signed.error));
  const commitments = begin(terms, outpoint, msg.signature, signed.value.guard);
  return ok({
    commitments,
    fundingSigned: { name: 'funding_signed', channelId: commitments.channelId, signature: signed.value.signature },
  });
}

/** An upfront script of ours binds the signer from the start, and a channel that was not opened as public is never announced. */
function pinned(terms: ChannelTerms, signer: ChannelSigner): SignerGuard {
  const script = terms.local.upfrontShutdownScript;
  const pin = script && signer.pinCloseScript(script, freshGuard);
  const guard = pin?.ok ? pin.value.guard : freshGuard;
  const allowed = terms.isPublic ? signer.allowAnnouncement(guard) : undefined;
  return allowed?.ok ? allowed.value.guard : guard;
}

/** `funding_created`, ours: signs the peer's commitment 0. The transaction stays here until the answer. */
export function sendFundingCreated(
  terms: ChannelTerms,
  outpoint: Outpoint,
  signer: ChannelSigner,
): Result<{ readonly guard: SignerGuard; readonly message: OutMessage }, ChannelError> {
  const signed = signer.signRemoteCommitment(firstRemote(terms, outpoint), [], pinned(terms, signer));
  if (!signed.ok) return err(refused(signed.error));
  return ok({
    guard: signed.value.guard,
    message: {
      name: 'funding_created',
      temporaryChannelId: terms.temporaryChannelId,
      fundingTxid: outpoint.txid,
      fundingOutputIndex: outpoint.vout,
      signature: signed.value.signature,
    },
  });
}

/** `funding_signed`: the peer's signature on our commitment 0. Only with it may the funding transaction go out. */
export function receiveFundingSigned(
  { terms, fundingOutpoint, guard }: { readonly terms: ChannelTerms; readonly fundingOutpoint: Outpoint; readonly guard: SignerGuard },
  msg: FundingSigned,
  signer: ChannelSigner,
): Result<Commitments, ChannelError> {
  const ours = firstLocal(terms, fundingOutpoint, signer);
  const accepted = signer.acceptLocalCommitment(ours, msg.signature, [], guard);
  if (!accepted.ok) return err(accepted.error.code === 'signature-invalid' ? badSignature(ours) : refused(accepted.error));
  return ok(begin(terms, fundingOutpoint, msg.signature, accepted.value.guard));
}

export function sendChannelReady(commitments: Commitments, signer: ChannelSigner): OutMessage {
  const { channelId, terms, localCommit } = commitments;
  const ready = { name: 'channel_ready', channelId, secondPerCommitmentPoint: signer.perCommitmentPoint(localCommit.number + 1n) } as const;
  // BOLT 2: "if `option_scid_alias` was negotiated: MUST set `short_channel_id` `alias`."
  return terms.sendAlias ? { ...ready, shortChannelId: terms.localAlias } : ready;
}

/**
 * `channel_ready`: the peer's next point, and the scid it knows the channel by. The same point again is a repetition (which may
 * bring another alias), another one is a fault. Once there are updates the point has been used up, and only the alias counts.
 */
export function receiveChannelReady(commitments: Commitments, msg: ChannelReady): Result<Commitments, ChannelError> {
  const point = msg.secondPerCommitmentPoint;
  const alias = msg.shortChannelId === undefined ? {} : { remoteAlias: msg.shortChannelId };
  if (commitments.remoteCommit.number > 0n || commitments.remoteNext) return ok({ ...commitments, ...alias });
  const known = commitments.remoteNextPerCommitmentPoint;
  if (known && !equal(known, point)) return err({ code: 'channel-ready-differs' });
  if (!known && !isPoint(point)) return err({ code: 'point-invalid', detail: 'second_per_commitment_point' });
  return ok({ ...commitments, remoteNextPerCommitmentPoint: point, ...alias });
}
