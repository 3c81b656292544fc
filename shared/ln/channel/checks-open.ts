/**
 * `open_channel`, judged. BOLT 2 § The `open_channel` Message. The user's own limits come last, so that what they say about a peer is
 * said about a channel that could be.
 */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { judgeOpen, type OpenRefusal } from '../signer/policy.ts';
import { checkBalances } from '../tx/commitment.ts';
import { type ChannelType, parseChannelType } from './channel-type.ts';
import { above, below, checkSide, drawFrom, localSide, type OpenContext, remoteSide } from './checks.ts';
import { initialSpec, templateFor } from './commitments.ts';
import type { Env } from './env.ts';
import type { ChannelError } from './error.ts';
import * as limits from './limits.ts';
import type { OpenChannel } from './message.ts';
import type { ChannelTerms } from './terms.ts';

export type OpenVerdict = { readonly terms: ChannelTerms; readonly answer: 'sign' | 'ask' };

/** The terms that `accept_channel` would seal, or what is wrong with the offer. */
export function judgeOpenChannel(msg: OpenChannel, context: OpenContext, env: Env): Result<OpenVerdict, ChannelError> {
  const fault = checkOffer(msg, context, env);
  if (fault) return err(fault);
  const type = checkChannelType(msg, context);
  if (!type.ok) return type;
  const terms = makeTerms(msg, type.value, context, env);
  const unpayable = checkFirstCommitment(terms);
  if (unpayable) return err(unpayable);
  const verdict = judgeOpen(env.policy, {
    fundingAmountSat: terms.fundingAmountSat,
    pushMsat: terms.pushMsat,
    isPublic: terms.isPublic,
    zeroConf: terms.zeroConf,
    pendingChannels: context.pendingChannels,
  });
  if (verdict.answer === 'refuse') return err(refusals[verdict.reason](terms, context, env));
  return ok({ terms, answer: verdict.answer });
}

function checkOffer(msg: OpenChannel, { negotiated }: OpenContext, env: Env): ChannelError | undefined {
  const funding = msg.fundingSatoshis;
  return (
    // BOLT 2: "the `chain_hash` value is set to a hash of a chain that is unknown to the receiver."
    (equal(msg.chainHash, env.chainHash) ? undefined : { code: 'chain-unknown' as const }) ??
    (negotiated.largeChannels ? undefined : above('funding-too-large', funding, limits.smallChannelLimitSat - 1n)) ??
    // BOLT 2: "`push_msat` is greater than `funding_satoshis` * 1000."
    above('push-too-large', msg.pushMsat, funding * 1000n) ??
    // BOLT 2: "it considers `feerate_per_kw` too small for timely processing or unreasonably large."
    below('feerate-too-low', BigInt(msg.feeratePerKw), BigInt(env.feeratePerKw.min)) ??
    above('feerate-too-high', BigInt(msg.feeratePerKw), BigInt(env.feeratePerKw.max)) ??
    checkSide(msg, funding, negotiated)
  );
}

/** BOLT 2: "Only the least-significant bit of `channel_flags` is currently defined: `announce_channel`." */
const announced = (msg: OpenChannel): boolean => (msg.channelFlags & 1) === 1;

function checkChannelType(msg: OpenChannel, { negotiated }: OpenContext): Result<ChannelType, ChannelError> {
  // BOLT 2: "if the message doesn't include a `channel_type`: fail the channel."
  if (!msg.channelType) return err({ code: 'channel-type-missing' });
  // BOLT 2: "the `channel_type` is not suitable."
  const type = parseChannelType(msg.channelType);
  if (!type) return err({ code: 'channel-type-unsuitable', detail: 'not one that we know' });
  // BOLT 2: "SHOULD NOT set it to a type containing a feature which was not negotiated."
  if (type.kind === 'anchors_zero_fee_htlc_tx' && !negotiated.anchors)
    return err({ code: 'channel-type-unsuitable', detail: 'option_anchors' });
  if (type.scidAlias && !negotiated.scidAlias) return err({ code: 'channel-type-unsuitable', detail: 'option_scid_alias' });
  if (type.zeroConf && !negotiated.zeroConf) return err({ code: 'channel-type-unsuitable', detail: 'option_zeroconf' });
  // BOLT 2: "if `announce_channel` is `true` (not `0`): MUST NOT send `channel_type` with the `option_scid_alias` bit set."
  if (type.scidAlias && announced(msg)) return err({ code: 'scid-alias-announced' });
  return ok(type);
}

function makeTerms(msg: OpenChannel, type: ChannelType, { negotiated }: OpenContext, env: Env): ChannelTerms {
  if (!msg.channelType) throw new TypeError('makeTerms: channel_type was checked');
  const { keyPath, localAlias } = drawFrom(env.entropy);
  return {
    temporaryChannelId: msg.temporaryChannelId,
    keyPath,
    channelType: msg.channelType,
    kind: type.kind,
    zeroConf: type.zeroConf,
    isPublic: announced(msg),
    localIsOpener: false,
    fundingAmountSat: msg.fundingSatoshis,
    pushMsat: msg.pushMsat,
    feeratePerKw: msg.feeratePerKw,
    // BOLT 2: "if `channel_type` includes `option_zeroconf`: MUST set `minimum_depth` to zero."
    minDepth: type.zeroConf ? 0 : Math.max(1, env.policy.minDepth),
    localAlias,
    sendAlias: negotiated.scidAlias,
    local: localSide(env.openSigner(keyPath), msg.fundingSatoshis, msg.dustLimitSatoshis),
    remote: remoteSide(msg),
    remoteFirstPerCommitmentPoint: msg.firstPerCommitmentPoint,
  };
}

function checkFirstCommitment(terms: ChannelTerms): ChannelError | undefined {
  const outpoint = { txid: new Uint8Array(32), vout: 0 };
  const first = { number: 0n, perCommitmentPoint: terms.remoteFirstPerCommitmentPoint };
  const template = templateFor('remote', terms, outpoint, first, initialSpec(terms));
  const checked = checkBalances(template, terms.remote.channelReserveSat);
  if (checked.ok) return undefined;
  return checked.error.code === 'opener-cannot-pay-fee'
    ? { code: 'funder-cannot-pay-fee', got: checked.error.shortSat, limit: 0n }
    : { code: 'both-below-reserve', got: terms.fundingAmountSat, limit: checked.error.reserveSat };
}

const refusals: { readonly [R in OpenRefusal]: (terms: ChannelTerms, context: OpenContext, env: Env) => ChannelError } = {
  'opens-refused': () => ({ code: 'policy-refused' }),
  'funding-too-small': (terms, _, { policy }) => ({
    code: 'policy-funding-too-small',
    got: terms.fundingAmountSat,
    limit: policy.minFundingSat,
  }),
  'funding-too-large': (terms, _, { policy }) => ({
    code: 'policy-funding-too-large',
    got: terms.fundingAmountSat,
    limit: policy.maxFundingSat,
  }),
  'public-not-allowed': () => ({ code: 'policy-public' }),
  // BOLT 2: "the `channel_type` includes `option_zeroconf` and it does not trust the sender to open an unconfirmed channel."
  'zero-conf-not-allowed': () => ({ code: 'zero-conf-untrusted' }),
  'too-many-pending': (_, { pendingChannels }, { policy }) => ({
    code: 'policy-too-many-pending',
    got: BigInt(pendingChannels + 1),
    limit: BigInt(policy.maxPendingChannels),
  }),
};
