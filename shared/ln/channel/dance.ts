/**
 * The commitment dance. BOLT 2 § Committing Updates So Far and § Completing the Transition to the Updated State.
 * What we say is kept encoded with the state, so that a reconnection repeats it byte for byte.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { isPoint } from '../keys/secp.ts';
import { insertSecret } from '../keys/shachain.ts';
import type { ChannelSigner } from '../signer/signer.ts';
import { isTrimmed } from '../tx/trim.ts';
import { encodeMessage } from '../wire/registry.ts';
import { type Commitments, localTemplate, openerOf, remoteNextTemplate, remoteTemplate, specOf } from './commitments.ts';
import type { ChannelError } from './error.ts';
import {
  countsIn,
  type Htlc,
  type Move,
  moveFee,
  moveHtlc,
  onCommitReceived,
  onCommitSent,
  onRevocationReceived,
  onRevocationSent,
  otherSide,
  reached,
} from './htlc.ts';
import type { CommitmentSigned, OutMessage, RevokeAndAck } from './message.ts';

/** What became final with a message, for whoever pays or is paid through the channel. */
export type Outcome =
  /** Irrevocably committed: from now on it may be settled, failed or passed on. */
  | { readonly tag: 'htlc-received'; readonly htlc: Htlc }
  /** Ours is out of every commitment, without a preimage. */
  | { readonly tag: 'htlc-failed'; readonly htlc: Htlc }
  /** The peer gave up the commitment in which an HTLC that we fulfilled was still its own: the money is ours. */
  | { readonly tag: 'htlc-claimed'; readonly htlc: Htlc };

/** HTLC outputs of a commitment that the peer has just revoked: what a penalty would need. */
export type Archive = { readonly number: bigint; readonly htlcs: readonly Htlc[] };

function moved(commitments: Commitments, moves: readonly Move[]): Commitments {
  const opener = openerOf(commitments.terms);
  const fees = commitments.fees.map((fee) => moveFee(fee, opener, moves));
  const settled = fees.findLastIndex(({ progress }) => progress === 'locked');
  return {
    ...commitments,
    htlcs: commitments.htlcs.map((htlc) => moveHtlc(htlc, moves)),
    // Once a feerate is in every commitment, the older ones are history.
    fees: settled > 0 ? fees.slice(settled) : fees,
  };
}

/** HTLCs that no commitment can bring back leave the table, and their money goes where it belongs. */
function cleared(commitments: Commitments): Commitments {
  const gone = commitments.htlcs.filter(({ removal }) => removal?.progress === 'locked');
  if (gone.length === 0) return commitments;
  let { toLocalMsat, toRemoteMsat } = commitments;
  for (const { by, amountMsat, removal } of gone) {
    if (removal?.kind !== 'fulfill') continue;
    toLocalMsat += by === 'local' ? -amountMsat : amountMsat;
    toRemoteMsat += by === 'local' ? amountMsat : -amountMsat;
  }
  return { ...commitments, toLocalMsat, toRemoteMsat, htlcs: commitments.htlcs.filter((htlc) => !gone.includes(htlc)) };
}

/** Would a `commitment_signed` of ours say anything new? BOLT 2: "MUST NOT send a `commitment_signed` message that does not include any updates." */
export function hasNews({ htlcs, fees, terms }: Commitments): boolean {
  const isNew = (by: 'local' | 'remote', progress: Htlc['added']): boolean => progress === (by === 'local' ? 'proposed' : 'revoked');
  return (
    htlcs.some(({ by, added, removal }) => isNew(by, added) || (removal && isNew(otherSide(by), removal.progress))) ||
    fees.some(({ progress }) => isNew(openerOf(terms), progress))
  );
}

/** May we sign, and is there something to sign? */
export const canSign = (commitments: Commitments): boolean =>
  commitments.remoteNext === undefined && commitments.remoteNextPerCommitmentPoint !== undefined && hasNews(commitments);

/** Signs the peer's next commitment with everything that is due in it. The caller asks `canSign` first. */
export function sendCommit(
  commitments: Commitments,
  signer: ChannelSigner,
): Result<{ readonly commitments: Commitments; readonly message: OutMessage }, ChannelError> {
  const perCommitmentPoint = commitments.remoteNextPerCommitmentPoint;
  if (!perCommitmentPoint || commitments.remoteNext) throw new TypeError('sendCommit: canSign was asked');
  const { remoteNextPerCommitmentPoint: _, ...rest } = moved(commitments, onCommitSent);
  const next: Commitments = { ...rest, remoteNext: { perCommitmentPoint, messages: [] } };
  const template = remoteNextTemplate(next);
  if (!template) throw new TypeError('sendCommit: remoteNext was set');
  const settled = next.htlcs.flatMap(({ by, removal }) => (by === 'local' && removal?.kind === 'fulfill' ? [removal.preimage] : []));
  const signed = signer.signRemoteCommitment(template, settled, commitments.guard);
  if (!signed.ok) return err({ code: 'signer-refused', detail: `${signed.error.code}: ${signed.error.detail}` });
  const { signature, htlcSignatures, guard } = signed.value;
  const message: OutMessage = {
    name: 'commitment_signed',
    channelId: commitments.channelId,
    signature,
    htlcSignature: [...htlcSignatures],
  };
  return ok({
    commitments: {
      ...next,
      remoteNext: { perCommitmentPoint, messages: [...commitments.unsigned, encodeMessage(message)] },
      unsigned: [],
      ...(commitments.revocation ? { revocation: { ...commitments.revocation, beforeCommit: true } } : {}),
      guard,
    },
    message,
  });
}

/** The peer's signatures on our next commitment: checked, taken over, and the old one revoked in the same breath. */
export function receiveCommit(
  commitments: Commitments,
  msg: CommitmentSigned,
  signer: ChannelSigner,
): Result<{ readonly commitments: Commitments; readonly message: OutMessage; readonly outcomes: readonly Outcome[] }, ChannelError> {
  const { channelId, localCommit } = commitments;
  const number = localCommit.number + 1n;
  const next: Commitments = {
    ...moved(commitments, onCommitReceived),
    localCommit: { number, remoteSignature: msg.signature, htlcSignatures: msg.htlcSignature },
  };
  // BOLT 2: "if `num_htlcs` is not equal to the number of HTLC outputs in the local commitment transaction", or a signature is wrong.
  const accepted = signer.acceptLocalCommitment(
    localTemplate(next, signer.perCommitmentPoint(number)),
    msg.signature,
    msg.htlcSignature,
    commitments.guard,
  );
  if (!accepted.ok) {
    const { code, detail } = accepted.error;
    return err(
      code === 'signature-invalid'
        ? { code: 'commitment-signature-invalid', detail }
        : { code: 'signer-refused', detail: `${code}: ${detail}` },
    );
  }
  const released = signer.releaseSecret(localCommit.number, accepted.value.guard);
  if (!released.ok) return err({ code: 'signer-refused', detail: `${released.error.code}: ${released.error.detail}` });
  const message: OutMessage = {
    name: 'revoke_and_ack',
    channelId,
    perCommitmentSecret: released.value.secret,
    nextPerCommitmentPoint: signer.perCommitmentPoint(number + 1n),
  };
  const after = moved(next, onRevocationSent);
  return ok({
    commitments: cleared({ ...after, revocation: { message: encodeMessage(message), beforeCommit: false }, guard: released.value.guard }),
    message,
    outcomes: [],
  });
}

/** The peer's secret of its old commitment, and its next point. */
export function receiveRevocation(
  commitments: Commitments,
  msg: RevokeAndAck,
  signer: ChannelSigner,
): Result<{ readonly commitments: Commitments; readonly outcomes: readonly Outcome[]; readonly archive?: Archive }, ChannelError> {
  const { remoteNext, remoteCommit, guard } = commitments;
  if (!remoteNext) return err({ code: 'revocation-unexpected' });
  // BOLT 2: "if `per_commitment_secret` is not a valid secret key or does not generate the previous `per_commitment_point`"
  const revoked = signer.acceptRevocation(remoteCommit.number, msg.perCommitmentSecret, remoteCommit.perCommitmentPoint, guard);
  if (!revoked.ok) return err({ code: 'revocation-secret-wrong', detail: revoked.error.detail });
  // BOLT 2: "if the `per_commitment_secret` was not generated by the protocol in"
  // BOLT 3.
  const stored = insertSecret(commitments.remoteSecrets, remoteCommit.number, msg.perCommitmentSecret);
  if (!stored.ok) return err({ code: 'revocation-secret-wrong', detail: stored.error.detail });
  if (!isPoint(msg.nextPerCommitmentPoint)) return err({ code: 'next-point-invalid' });
  const { remoteNext: _, ...rest } = moved(commitments, onRevocationReceived);
  const next: Commitments = {
    ...rest,
    remoteCommit: { number: remoteCommit.number + 1n, perCommitmentPoint: remoteNext.perCommitmentPoint },
    remoteNextPerCommitmentPoint: msg.nextPerCommitmentPoint,
    remoteSecrets: stored.value,
    guard: revoked.value.guard,
  };
  const archived = archivable(commitments);
  return ok({
    commitments: cleared(next),
    outcomes: next.htlcs.flatMap((htlc, at) => outcomeOf(commitments.htlcs[at], htlc)),
    ...(archived.length > 0 ? { archive: { number: remoteCommit.number, htlcs: archived } } : {}),
  });
}

/** The HTLC outputs of the commitment that is being revoked. */
function archivable(commitments: Commitments): readonly Htlc[] {
  const template = remoteTemplate(commitments);
  return specOf(commitments, 'remote').htlcs.filter(
    (htlc) => !isTrimmed(template, { offered: htlc.by === 'remote', amountMsat: htlc.amountMsat }),
  );
}

function outcomeOf(before: Htlc | undefined, htlc: Htlc): readonly Outcome[] {
  const { by, added, removal } = htlc;
  if (by === 'remote' && added === 'locked' && before?.added !== 'locked') return [{ tag: 'htlc-received', htlc }];
  if (!removal || removal.progress === before?.removal?.progress) return [];
  if (by === 'local' && removal.kind !== 'fulfill' && removal.progress === 'locked') return [{ tag: 'htlc-failed', htlc }];
  if (by === 'remote' && removal.kind === 'fulfill' && removal.progress === 'revoked') return [{ tag: 'htlc-claimed', htlc }];
  return [];
}

/**
 * What a lost connection takes away. BOLT 2 § Message Retransmission: "upon disconnection: MUST reverse any uncommitted updates sent by
 * the other side". Our own unsigned HTLCs go, too, and are told as failed; our unsigned removals stay and are said again.
 */
export function rollBack(commitments: Commitments): { readonly commitments: Commitments; readonly dropped: readonly Htlc[] } {
  const unsaid = commitments.htlcs.filter(({ added }) => added === 'proposed');
  const dropped = unsaid.filter(({ by }) => by === 'local');
  const count = (by: Htlc['by']): bigint => BigInt(unsaid.filter((htlc) => htlc.by === by).length);
  return {
    commitments: {
      ...commitments,
      htlcs: commitments.htlcs.filter((htlc) => !unsaid.includes(htlc)).map(withoutRemoteProposal),
      nextLocalHtlcId: commitments.nextLocalHtlcId - count('local'),
      nextRemoteHtlcId: commitments.nextRemoteHtlcId - count('remote'),
      fees: commitments.fees.filter(({ progress }) => progress !== 'proposed'),
      unsigned: [],
    },
    dropped,
  };
}

function withoutRemoteProposal(htlc: Htlc): Htlc {
  if (htlc.by !== 'local' || htlc.removal?.progress !== 'proposed') return htlc;
  const { removal: _, ...kept } = htlc;
  return kept;
}

/** Does this HTLC of the peer's still count on our word only? The peer could yet publish a commitment without our fulfilment. */
export const isClaimPending = ({ by, removal, preimage }: Htlc): boolean =>
  by === 'remote' && (removal ? removal.kind === 'fulfill' && !reached(removal.progress, 'revoked') : preimage !== undefined);

/** Is an HTLC of ours in a commitment that could be published? */
export const isAtStake = (htlc: Htlc): boolean =>
  (['local', 'remote', 'remote-next'] as const).some(
    (view) => countsIn(view, htlc.by, htlc.added) && !(htlc.removal && countsIn(view, otherSide(htlc.by), htlc.removal.progress)),
  );
