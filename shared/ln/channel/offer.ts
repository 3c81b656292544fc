/**
 * A channel that we open: our `open_channel` and the first state. BOLT 2 § Channel Establishment v1, the funder.
 * The caller checks that the peer is connected and that the money is there; `temporary_channel_id` is drawn, so it is in no other use.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { maxFeeratePerKw } from '../signer/commitments.ts';
import { isShutdownScript } from '../tx/scripts.ts';
import { anchorsSat, type ChannelKind, commitmentFeeSat } from '../tx/weight.ts';
import { type ChannelType, encodeChannelType } from './channel-type.ts';
import { above, below, drawFrom, localSide, type OpenContext } from './checks.ts';
import { send } from './effect.ts';
import type { Env } from './env.ts';
import type { ChannelError } from './error.ts';
import * as limits from './limits.ts';
import type { OpenChannel } from './message.ts';
import type { WaitForAcceptChannel } from './state.ts';
import type { Step } from './step.ts';
import type { Offer } from './terms.ts';

/** What the user asks for. */
export type OpenRequest = {
  readonly fundingAmountSat: bigint;
  /** A gift to the peer. */
  readonly pushMsat: bigint;
  /** Of the first commitment. */
  readonly feeratePerKw: number;
  /** Of the funding transaction, if the user chose it. */
  readonly fundingFeeratePerKw?: number;
  readonly isPublic: boolean;
  /** If not given: anchors where they were negotiated. */
  readonly kind?: ChannelKind;
  readonly zeroConf?: boolean;
  /** Where a mutual close must pay us, for good. */
  readonly upfrontShutdownScript?: Uint8Array;
};

export type Offered = Step & { readonly state: WaitForAcceptChannel };

/** Or why it cannot be asked: then nothing was said to the peer. */
export function offerChannel(request: OpenRequest, { negotiated }: OpenContext, env: Env): Result<Offered, ChannelError> {
  const { fundingAmountSat, pushMsat, feeratePerKw, fundingFeeratePerKw, isPublic, zeroConf = false, upfrontShutdownScript } = request;
  const kind = request.kind ?? (negotiated.anchors ? 'anchors_zero_fee_htlc_tx' : 'static_remotekey');
  // A type with option_scid_alias would hide the real scid for good: it is not asked for.
  const type: ChannelType = { kind, scidAlias: false, zeroConf };
  const fault = checkRequest(request, type, negotiated, env);
  if (fault) return err(fault);

  const { keyPath, localAlias, temporaryChannelId } = drawFrom(env.entropy);
  const signer = env.openSigner(keyPath);
  const offer: Offer = {
    temporaryChannelId,
    keyPath,
    channelType: encodeChannelType(type),
    kind,
    zeroConf,
    isPublic,
    localIsOpener: true,
    fundingAmountSat,
    pushMsat,
    feeratePerKw,
    localAlias,
    sendAlias: negotiated.scidAlias,
    local: {
      ...localSide(signer, fundingAmountSat, limits.usualReserveSat),
      ...(upfrontShutdownScript && upfrontShutdownScript.length > 0 ? { upfrontShutdownScript } : {}),
    },
    ...(fundingFeeratePerKw === undefined ? {} : { fundingFeeratePerKw }),
    shutdownForms: { anySegwit: negotiated.anySegwit, simpleClose: negotiated.simpleClose },
  };
  const state: WaitForAcceptChannel = { tag: 'wait-for-accept-channel', offer, deadlineMs: env.now + limits.acceptChannelMs };
  return ok({ state, effects: [send(openMessage(offer, signer.perCommitmentPoint(0n), env))] });
}

function openMessage(offer: Offer, firstPerCommitmentPoint: Uint8Array, { chainHash }: Env): OpenChannel {
  const { local } = offer;
  const { basepoints } = local;
  return {
    name: 'open_channel',
    // BOLT 2: "MUST ensure the `chain_hash` value identifies the chain it wishes to open the channel within."
    chainHash,
    temporaryChannelId: offer.temporaryChannelId,
    fundingSatoshis: offer.fundingAmountSat,
    pushMsat: offer.pushMsat,
    dustLimitSatoshis: local.dustLimitSat,
    maxHtlcValueInFlightMsat: local.maxHtlcValueInFlightMsat,
    channelReserveSatoshis: local.channelReserveSat,
    htlcMinimumMsat: local.htlcMinimumMsat,
    feeratePerKw: offer.feeratePerKw,
    toSelfDelay: local.toSelfDelay,
    maxAcceptedHtlcs: local.maxAcceptedHtlcs,
    fundingPubkey: basepoints.fundingPubkey,
    revocationBasepoint: basepoints.revocationBasepoint,
    paymentBasepoint: basepoints.paymentBasepoint,
    delayedPaymentBasepoint: basepoints.delayedPaymentBasepoint,
    htlcBasepoint: basepoints.htlcBasepoint,
    firstPerCommitmentPoint,
    // BOLT 2: "MUST set undefined bits in `channel_flags` to 0."
    channelFlags: offer.isPublic ? 1 : 0,
    // BOLT 2: "MUST include `upfront_shutdown_script` with either a valid `shutdown_scriptpubkey` [...] or a zero-length".
    upfrontShutdownScript: local.upfrontShutdownScript ?? new Uint8Array(0),
    channelType: offer.channelType,
  };
}

/** Our own request is held to what BOLT 2 would hold a peer's to, so that no honest peer has to refuse its form. */
function checkRequest(
  { fundingAmountSat, pushMsat, feeratePerKw, upfrontShutdownScript: script }: OpenRequest,
  type: ChannelType,
  negotiated: OpenContext['negotiated'],
  env: Env,
): ChannelError | undefined {
  const feeSat = commitmentFeeSat(type.kind, feeratePerKw, 0);
  const leftSat = (fundingAmountSat * 1000n - pushMsat) / 1000n - feeSat - anchorsSat(type.kind);
  const reserveSat = limits.ours.channelReserveSat(fundingAmountSat, limits.usualReserveSat);
  return (
    // BOLT 2: "MUST set `funding_satoshis` to less than 2^24 satoshi."
    above('funding-too-large', fundingAmountSat, negotiated.largeChannels ? limits.maxMoneySat : limits.smallChannelLimitSat - 1n) ??
    // BOLT 2: "MUST set `push_msat` to equal or less than 1000 * `funding_satoshis`."
    above('push-too-large', pushMsat, fundingAmountSat * 1000n) ??
    below('feerate-too-low', BigInt(feeratePerKw), BigInt(env.feeratePerKw.min)) ??
    above('feerate-too-high', BigInt(feeratePerKw), BigInt(Math.min(env.feeratePerKw.max, maxFeeratePerKw))) ??
    // BOLT 2: "the funder's amount for the initial commitment transaction is not sufficient for full" fee payment
    (leftSat < 0n ? { code: 'funder-cannot-pay-fee' as const, got: -leftSat, limit: 0n } : undefined) ??
    // Our signer signs no more for a channel of ours.
    above('fee-over-half', 2n * feeSat, fundingAmountSat) ??
    // What the peer will want us to keep is, as far as we know, what we want it to keep.
    below('cannot-afford', leftSat, reserveSat) ??
    (script && script.length > 0 && !isShutdownScript(script, negotiated) ? { code: 'shutdown-script-invalid' as const } : undefined) ??
    checkType(type, negotiated)
  );
}

/** BOLT 2: "SHOULD NOT set it to a type containing a feature which was not negotiated." */
function checkType({ kind, zeroConf }: ChannelType, negotiated: OpenContext['negotiated']): ChannelError | undefined {
  if (kind === 'anchors_zero_fee_htlc_tx' && !negotiated.anchors) return { code: 'channel-type-unsuitable', detail: 'option_anchors' };
  return zeroConf && !negotiated.zeroConf ? { code: 'channel-type-unsuitable', detail: 'option_zeroconf' } : undefined;
}
