/**
 * Commitments and the secrets that revoke them. BOLT 2 § `commitment_signed` and `revoke_and_ack`; BOLT 3 § Key Derivation.
 *
 * What the signer cannot know callers check: that the peer's points are points and belong to the number, that the delay, dust limit and
 * feerate are the agreed ones, that the funding transaction pays the 2-of-2 (the chain), and that an HTLC was really fulfilled or failed.
 */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { isScalar, pointFromSecret, sign, verify } from '../keys/secp.ts';
import { type Basepoints, type CommitmentTemplate, signedCommitment } from '../tx/commitment.ts';
import { commitmentFeeSat } from '../tx/weight.ts';
import { nextHolding } from './balance.ts';
import { type Built, type Keyring, refuse } from './keyring.ts';
import type { ChannelSigner, SignerError, SignerGuard } from './signer.ts';

/** BOLT 2: "`max_accepted_htlcs` is greater than 483." More would not fit a commitment transaction that relays. */
const maxHtlcsEachWay = 483;
/** 1000 sat/vB: no block of Bitcoin has asked for more for long. */
export const maxFeeratePerKw = 250_000;

type Operation = 'releaseSecret' | 'acceptRevocation' | 'signRemoteCommitment' | 'acceptLocalCommitment' | 'signLocalCommitment';

export function commitmentOperations(keys: Keyring): Pick<ChannelSigner, Operation> {
  return {
    releaseSecret(n, guard) {
      if (guard.localPublished) return published();
      if (n < 0n || guard.localNumber === undefined || n >= guard.localNumber)
        return refuse('secret-not-revocable', `secret ${n} with commitment ${guard.localNumber ?? 'none'} as the newest accepted`);
      // A secret may reveal older ones, so they leave in order. One that has left may be sent again.
      if (n > guard.releasedBelow) return refuse('commitment-gap', `secret ${n} where ${guard.releasedBelow} is next`);
      const releasedBelow = n === guard.releasedBelow ? n + 1n : guard.releasedBelow;
      return ok({ secret: keys.perCommitmentSecret(n), guard: { ...guard, releasedBelow } });
    },

    acceptRevocation(n, secret, point, guard) {
      if (n !== guard.revokedBelow) return refuse('secret-wrong', `the secret of commitment ${n} where ${guard.revokedBelow} is next`);
      // The peer must keep one commitment that it can publish: the newest that we signed.
      if (guard.remoteNumber === undefined || n >= guard.remoteNumber)
        return refuse('secret-wrong', `commitment ${n} revoked with ${guard.remoteNumber ?? 'none'} as the newest signed`);
      if (!isScalar(secret) || !equal(pointFromSecret(secret), point))
        return refuse('secret-wrong', `not the secret of the point of commitment ${n}`);
      return ok({ guard: { ...guard, revokedBelow: n + 1n } });
    },

    signRemoteCommitment(template, settled, guard) {
      if (guard.localPublished) return published();
      const checked = check(keys, template, 'counterparty', guard);
      if (!checked.ok) return checked;
      const { commitment, htlcTxs, digest } = checked.value;
      const { number } = template;
      const next = guard.remoteNumber === undefined ? 0n : guard.remoteNumber + 1n;
      if (number > next) return refuse('commitment-gap', `remote commitment ${number} where ${next} is next`);
      if (number < next - 1n || number < guard.revokedBelow)
        return refuse('commitment-revoked', `remote commitment ${number} is older than ${next - 1n} or revoked`);
      // BOLT 2 lets one `commitment_signed` be unanswered: the peer then holds two commitments, and never three.
      if (number > guard.revokedBelow + 1n)
        return refuse('not-revoked-yet', `remote commitment ${number} while ${guard.revokedBelow} is not revoked`);
      let after = guard;
      if (number < next) {
        if (!(guard.remoteSighash && equal(digest, guard.remoteSighash)))
          return refuse('commitment-differs', `remote commitment ${number} was signed with other contents`);
      } else {
        const holding = nextHolding(template, settled, guard.holding);
        if (!holding.ok) return holding;
        after = { ...pinFunding(template, guard), remoteNumber: number, remoteSighash: digest, holding: holding.value };
      }
      return ok({
        signature: sign(commitment.sighash, keys.secrets.funding),
        htlcSignatures: htlcTxs.map(({ remoteSighash }) => sign(remoteSighash, keys.htlcSecret(template.perCommitmentPoint))),
        guard: after,
      });
    },

    acceptLocalCommitment(template, remoteSignature, htlcSignatures, guard) {
      if (guard.localPublished) return published();
      const checked = check(keys, template, 'holder', guard);
      if (!checked.ok) return checked;
      const { commitment, htlcTxs, digest } = checked.value;
      const { number } = template;
      if (number < guard.releasedBelow) return refuse('state-revoked', `the secret of commitment ${number} has left`);
      const next = guard.localNumber === undefined ? 0n : guard.localNumber + 1n;
      if (number > next) return refuse('commitment-gap', `local commitment ${number} where ${next} is next`);
      if (number < next - 1n) return refuse('state-revoked', `local commitment ${number} is older than ${next - 1n}`);
      if (number === guard.localNumber && !(guard.localSighash && equal(digest, guard.localSighash)))
        return refuse('commitment-differs', `local commitment ${number} was accepted with other contents`);
      if (!verify(remoteSignature, commitment.sighash, template.counterparty.fundingPubkey))
        return err({ code: 'signature-invalid', detail: `local commitment ${number}` });
      const index = firstInvalid(htlcTxs, htlcSignatures, commitment.keys.counterpartyHtlcPubkey);
      if (index !== undefined)
        return err({ code: 'signature-invalid', detail: `HTLC signature ${index} of local commitment ${number}`, index });
      return ok({ guard: { ...pinFunding(template, guard), localNumber: number, localSighash: digest } });
    },

    signLocalCommitment(template, remoteSignature, guard) {
      const checked = check(keys, template, 'holder', guard);
      if (!checked.ok) return checked;
      const { commitment, digest } = checked.value;
      const { number, holder, counterparty } = template;
      if (number !== guard.localNumber || number < guard.releasedBelow)
        return refuse('state-revoked', `commitment ${number} with ${guard.localNumber ?? 'none'} as the newest accepted`);
      if (!(guard.localSighash && equal(digest, guard.localSighash)))
        return refuse('commitment-differs', `local commitment ${number} was accepted with other contents`);
      if (!verify(remoteSignature, commitment.sighash, counterparty.fundingPubkey))
        return refuse('spend-invalid', `not the peer's signature on local commitment ${number}`);
      const ours = { pubkey: holder.fundingPubkey, signature: sign(commitment.sighash, keys.secrets.funding) };
      const theirs = { pubkey: counterparty.fundingPubkey, signature: remoteSignature };
      return ok({ transaction: signedCommitment(commitment, ours, theirs), guard: { ...guard, localPublished: true } });
    },
  };
}

const published = () => refuse('channel-published', 'our commitment was signed for the chain');

/** What holds for either side's commitment. `us`: which of the two we are in it. */
export function check(
  keys: Keyring,
  template: CommitmentTemplate,
  us: 'holder' | 'counterparty',
  guard: SignerGuard,
): Result<Built, SignerError> {
  if (!sameBasepoints(template[us], keys.basepoints())) return refuse('template-invalid', `the keys of the ${us} are not ours`);
  const built = keys.build(template);
  if (!built.ok) return built;
  const invalid = findInvalid(template);
  if (invalid !== undefined) return refuse('template-invalid', invalid);
  // Of another number it would still be our key, and its secret may have left.
  if (us === 'holder' && !equal(template.perCommitmentPoint, keys.perCommitmentPoint(template.number)))
    return refuse('template-invalid', `not our per-commitment point of commitment ${template.number}`);
  if (template.holderIsOpener === (us === 'holder') && feeTooHigh(template))
    return refuse('fee-out-of-range', `feerate ${template.feeratePerKw} of a channel of ${template.fundingAmountSat} sat`);
  const { txid, vout } = template.fundingOutpoint;
  if (guard.fundingTxid !== undefined && !(equal(txid, guard.fundingTxid) && vout === guard.fundingVout))
    return refuse('funding-changed', 'this channel has another funding output');
  return built;
}

function findInvalid({ number, htlcs, toHolderMsat, toCounterpartyMsat, fundingAmountSat }: CommitmentTemplate): string | undefined {
  if (number === 0n && htlcs.length > 0) return 'the first commitment has no HTLCs';
  for (const offered of [true, false]) {
    const ids = htlcs.filter((htlc) => htlc.offered === offered).map(({ id }) => id);
    if (ids.length > maxHtlcsEachWay) return `${ids.length} HTLCs in one direction`;
    if (new Set(ids).size < ids.length) return 'two HTLCs of one id';
  }
  const totalMsat = htlcs.reduce((sum, { amountMsat }) => sum + amountMsat, toHolderMsat + toCounterpartyMsat);
  if (totalMsat !== fundingAmountSat * 1000n) return 'balances and HTLCs do not add up to the funding amount';
  return undefined;
}

/**
 * Whoever opened the channel pays for both commitments, so this is asked only where it was us. Half of the channel, and the fee without
 * its HTLCs: an opener that has spent nearly all, or into whose channel HTLCs pour, may rightly be left with less than the fee costs.
 */
const feeTooHigh = ({ kind, feeratePerKw, fundingAmountSat }: CommitmentTemplate): boolean =>
  feeratePerKw > maxFeeratePerKw || commitmentFeeSat(kind, feeratePerKw, 0) * 2n > fundingAmountSat;

/** The first HTLC signature that is missing, wrong, or one too many. */
function firstInvalid(htlcTxs: Built['htlcTxs'], signatures: readonly Uint8Array[], pubkey: Uint8Array): number | undefined {
  if (signatures.length !== htlcTxs.length) return Math.min(signatures.length, htlcTxs.length);
  const index = htlcTxs.findIndex(({ remoteSighash }, i) => !verify(signatures[i] ?? new Uint8Array(0), remoteSighash, pubkey));
  return index < 0 ? undefined : index;
}

const pinFunding = ({ fundingOutpoint }: CommitmentTemplate, guard: SignerGuard): SignerGuard => ({
  ...guard,
  fundingTxid: fundingOutpoint.txid,
  fundingVout: fundingOutpoint.vout,
});

const sameBasepoints = (a: Basepoints, b: Basepoints): boolean =>
  equal(a.fundingPubkey, b.fundingPubkey) &&
  equal(a.revocationBasepoint, b.revocationBasepoint) &&
  equal(a.paymentBasepoint, b.paymentBasepoint) &&
  equal(a.delayedPaymentBasepoint, b.delayedPaymentBasepoint) &&
  equal(a.htlcBasepoint, b.htlcBasepoint);
