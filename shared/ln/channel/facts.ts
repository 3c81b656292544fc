/** What the on-chain machine needs of a channel, derived anew at each step. BOLT 5. */
import type { ChannelFacts, HtlcFact } from '../onchain/types.ts';
import { localTemplate, remoteNextTemplate, remoteTemplate } from './commitments.ts';
import { isAtStake } from './dance.ts';
import type { Env } from './env.ts';
import type { Closing } from './state.ts';

export function factsOf({ commitments, dataLost }: Pick<Closing, 'commitments' | 'dataLost'>, env: Pick<Env, 'openSigner'>): ChannelFacts {
  const { channelId, fundingOutpoint, terms, localCommit, remoteSecrets, guard } = commitments;
  const signer = env.openSigner(terms.keyPath);
  const remoteNext = remoteNextTemplate(commitments);
  return {
    channelId,
    fundingOutpoint,
    fundingAmountSat: terms.fundingAmountSat,
    local: {
      template: localTemplate(commitments, signer.perCommitmentPoint(localCommit.number)),
      remoteSignature: localCommit.remoteSignature,
      htlcSignatures: localCommit.htlcSignatures,
    },
    remote: remoteTemplate(commitments),
    ...(remoteNext ? { remoteNext } : {}),
    remoteSecrets,
    guard,
    dataLost,
    htlcs: commitments.htlcs.filter(isAtStake).map(
      ({ by, id, amountMsat, paymentHash, cltvExpiry }): HtlcFact => ({
        offered: by === 'local',
        id,
        amountMsat,
        paymentHash,
        cltvExpiry,
      }),
    ),
  };
}
