/** `channel_reestablish`. BOLT 2 § Message Retransmission. */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { isScalar, pointFromSecret } from '../keys/secp.ts';
import { findSecret } from '../keys/shachain.ts';
import type { ChannelSigner } from '../signer/signer.ts';
import type { Commitments } from './commitments.ts';
import type { ChannelError } from './error.ts';
import type { ChannelReestablish, OutMessage } from './message.ts';
import { removalMessage, saying } from './updates.ts';

/** Nobody counts past 2^48 - 1. */
const lastCommitmentNumber = (1n << 48n) - 1n;

export const sendReestablish = (commitments: Commitments, signer: ChannelSigner): OutMessage => ({
  name: 'channel_reestablish',
  channelId: commitments.channelId,
  nextCommitmentNumber: commitments.localCommit.number + 1n,
  nextRevocationNumber: commitments.remoteCommit.number,
  yourLastPerCommitmentSecret: lastSecretOf(commitments),
  myCurrentPerCommitmentPoint: signer.perCommitmentPoint(commitments.localCommit.number),
});

/**
 * BOLT 2: "if `next_revocation_number` equals 0: MUST set `your_last_per_commitment_secret` to all zeroes". Otherwise: "MUST set
 * `your_last_per_commitment_secret` to the last `per_commitment_secret` it received".
 */
const lastSecretOf = ({ remoteCommit, remoteSecrets }: Commitments): Uint8Array =>
  (remoteCommit.number > 0n ? findSecret(remoteSecrets, remoteCommit.number - 1n) : undefined) ?? new Uint8Array(32);

/** What is said again, in the order it was first said in: encoded messages, and after them updates made anew. */
export type Repetition = {
  readonly commitments: Commitments;
  readonly repeat: readonly Uint8Array[];
  readonly say: readonly OutMessage[];
};

/** Both sides must be where we believe them to be. A claim that we lost data is believed only with proof. */
export function receiveReestablish(
  commitments: Commitments,
  msg: ChannelReestablish,
  signer: ChannelSigner,
): Result<Repetition, ChannelError> {
  // BOLT 2: "if `next_commitment_number` is zero: MUST immediately fail the channel"
  if (msg.nextCommitmentNumber === 0n) return err({ code: 'reestablish-zero' });
  const secret = checkSecret(commitments, msg, signer);
  if (secret) return err(secret);
  const revocation = lostRevocation(commitments, msg);
  if (!revocation.ok) return revocation;
  const commit = lostCommit(commitments, msg);
  if (!commit.ok) return commit;
  const repeat = commitments.revocation?.beforeCommit ? [...revocation.value, ...commit.value] : [...commit.value, ...revocation.value];
  const { commitments: next, say } = unsaidRemovals(commitments);
  return ok({ commitments: next, repeat, say });
}

function checkSecret({ localCommit }: Commitments, msg: ChannelReestablish, signer: ChannelSigner): ChannelError | undefined {
  const given = msg.yourLastPerCommitmentSecret;
  const revoked = localCommit.number;
  if (msg.nextRevocationNumber > revoked) {
    // BOLT 2: "if `next_revocation_number` is greater than expected above, AND `your_last_per_commitment_secret` is correct for that
    // `next_revocation_number` minus 1: MUST NOT broadcast its commitment transaction."
    const claimed = msg.nextRevocationNumber - 1n;
    if (claimed <= lastCommitmentNumber && isOurs(given, claimed, signer)) return { code: 'data-lost' };
    return { code: 'reestablish-revocation-number', got: msg.nextRevocationNumber, limit: revoked };
  }
  // BOLT 2: "if `your_last_per_commitment_secret` does not match the expected values: SHOULD send an `error` and fail the channel."
  const matches =
    msg.nextRevocationNumber === 0n ? given.every((byte) => byte === 0) : isOurs(given, msg.nextRevocationNumber - 1n, signer);
  return matches ? undefined : { code: 'reestablish-secret' };
}

/** BOLT 2: "if `next_revocation_number` is equal to the commitment number of the last `revoke_and_ack` the receiving node sent [...]: MUST re-send the `revoke_and_ack`." */
function lostRevocation({ localCommit, revocation }: Commitments, msg: ChannelReestablish): Result<readonly Uint8Array[], ChannelError> {
  const revoked = localCommit.number;
  if (msg.nextRevocationNumber === revoked) return ok([]);
  if (msg.nextRevocationNumber === revoked - 1n && revocation) return ok([revocation.message]);
  return err({ code: 'reestablish-revocation-number', got: msg.nextRevocationNumber, limit: revoked });
}

/** BOLT 2: "if `next_commitment_number` is equal to the commitment number of the last `commitment_signed` message the receiving node has sent: MUST reuse the same commitment number for its next `commitment_signed`." */
function lostCommit({ remoteCommit, remoteNext }: Commitments, msg: ChannelReestablish): Result<readonly Uint8Array[], ChannelError> {
  const next = remoteCommit.number + (remoteNext ? 2n : 1n);
  if (msg.nextCommitmentNumber === next) return ok([]);
  if (remoteNext && msg.nextCommitmentNumber === next - 1n) return ok(remoteNext.messages);
  return err({ code: 'reestablish-commitment-number', got: msg.nextCommitmentNumber, limit: next });
}

/** How we end an HTLC is decided once; where the word was not signed it is said again. */
function unsaidRemovals(commitments: Commitments): { readonly commitments: Commitments; readonly say: readonly OutMessage[] } {
  const say: OutMessage[] = [];
  let next = commitments;
  for (const { by, id, removal } of commitments.htlcs) {
    if (by !== 'remote' || removal?.progress !== 'proposed') continue;
    const said = saying(next, removalMessage(commitments.channelId, id, removal));
    next = said.commitments;
    say.push(said.message);
  }
  return { commitments: next, say };
}

/** The point of the secret is enough to know it by, so nothing is released to compare. */
const isOurs = (secret: Uint8Array, number: bigint, signer: ChannelSigner): boolean =>
  isScalar(secret) && equal(pointFromSecret(secret), signer.perCommitmentPoint(number));
