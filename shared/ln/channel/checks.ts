/**
 * What `open_channel` and `accept_channel` say about their sender, judged alike and taken over alike, and what we say about us.
 * BOLT 2: "Other fields have the same requirements as their counterparts in `open_channel`." The order is BOLT 2's.
 */
import { isPoint } from '../keys/secp.ts';
import type { ChannelSigner, KeyPath } from '../signer/signer.ts';
import type { Basepoints } from '../tx/commitment.ts';
import { isShutdownScript, type ShutdownForms } from '../tx/scripts.ts';
import type { ChannelError } from './error.ts';
import * as limits from './limits.ts';
import type { AcceptChannel, OpenChannel } from './message.ts';
import type { Negotiated } from './negotiated.ts';
import type { SideTerms } from './terms.ts';

/** What the connection adds to an opening. */
export type OpenContext = {
  readonly negotiated: Negotiated;
  /** Channels of this peer that wait for approval, for their funding, or for its confirmation. */
  readonly pendingChannels: number;
};

type LimitFault = Extract<ChannelError, { readonly limit: bigint }>['code'];
export const above = (code: LimitFault, got: bigint, limit: bigint): ChannelError | undefined =>
  got > limit ? { code, got, limit } : undefined;
export const below = (code: LimitFault, got: bigint, limit: bigint): ChannelError | undefined =>
  got < limit ? { code, got, limit } : undefined;

/** The fields that both messages have. */
export function checkSide(msg: OpenChannel | AcceptChannel, fundingSat: bigint, forms: ShutdownForms): ChannelError | undefined {
  const point = firstInvalidPoint(msg);
  const script = msg.upfrontShutdownScript;
  return (
    // BOLT 2: "`to_self_delay` is unreasonably large."
    above('to-self-delay-too-large', BigInt(msg.toSelfDelay), BigInt(limits.maxToSelfDelay)) ??
    above('max-accepted-htlcs-too-large', BigInt(msg.maxAcceptedHtlcs), BigInt(limits.maxAcceptedHtlcs)) ??
    below('max-accepted-htlcs-too-small', BigInt(msg.maxAcceptedHtlcs), BigInt(limits.minAcceptedHtlcs)) ??
    (point ? { code: 'point-invalid' as const, detail: point } : undefined) ??
    below('dust-too-small', msg.dustLimitSatoshis, limits.minDustLimitSat) ??
    above('dust-too-large', msg.dustLimitSatoshis, limits.maxDustLimitSat) ??
    // BOLT 2: "`dust_limit_satoshis` is greater than `channel_reserve_satoshis`."
    // As 354 is the least of the one, our own dust limit of 354 lies below the other, too.
    above('dust-over-reserve', msg.dustLimitSatoshis, msg.channelReserveSatoshis) ??
    above('reserve-too-large', msg.channelReserveSatoshis, limits.maxReserve(fundingSat)) ??
    above('htlc-minimum-too-large', msg.htlcMinimumMsat, limits.maxHtlcMinimumMsat(fundingSat)) ??
    below('max-in-flight-too-small', msg.maxHtlcValueInFlightMsat, limits.minHtlcValueInFlightMsat(fundingSat)) ??
    (script && script.length > 0 && !isShutdownScript(script, forms) ? { code: 'shutdown-script-invalid' as const } : undefined)
  );
}

/**
 * BOLT 2: "`funding_pubkey`, `revocation_basepoint`, `htlc_basepoint`, `payment_basepoint`, or `delayed_payment_basepoint` are not valid
 * secp256k1 pubkeys in compressed format." The first per-commitment point is computed with at once, so it is held to the same.
 */
const firstInvalidPoint = (msg: OpenChannel | AcceptChannel): string | undefined =>
  (
    [
      ['funding_pubkey', msg.fundingPubkey],
      ['revocation_basepoint', msg.revocationBasepoint],
      ['payment_basepoint', msg.paymentBasepoint],
      ['delayed_payment_basepoint', msg.delayedPaymentBasepoint],
      ['htlc_basepoint', msg.htlcBasepoint],
      ['first_per_commitment_point', msg.firstPerCommitmentPoint],
    ] as const
  ).find(([, point]) => !isPoint(point))?.[0];

/** The peer's half of the terms. */
export function remoteSide(msg: OpenChannel | AcceptChannel): SideTerms {
  const script = msg.upfrontShutdownScript;
  return {
    basepoints: onlyPoints(msg),
    dustLimitSat: msg.dustLimitSatoshis,
    maxHtlcValueInFlightMsat: msg.maxHtlcValueInFlightMsat,
    channelReserveSat: msg.channelReserveSatoshis,
    htlcMinimumMsat: msg.htlcMinimumMsat,
    toSelfDelay: msg.toSelfDelay,
    maxAcceptedHtlcs: msg.maxAcceptedHtlcs,
    ...(script && script.length > 0 ? { upfrontShutdownScript: script } : {}),
  };
}

/** Our half. `remoteDustLimitSat`: the peer's, or what it may be at most. */
export const localSide = (signer: ChannelSigner, fundingSat: bigint, remoteDustLimitSat: bigint): SideTerms => ({
  basepoints: onlyPoints(signer.basepoints),
  dustLimitSat: limits.ours.dustLimitSat,
  maxHtlcValueInFlightMsat: limits.ours.maxHtlcValueInFlightMsat(fundingSat),
  channelReserveSat: limits.ours.channelReserveSat(fundingSat, remoteDustLimitSat),
  htlcMinimumMsat: limits.ours.htlcMinimumMsat,
  toSelfDelay: limits.ours.toSelfDelay,
  maxAcceptedHtlcs: limits.ours.maxAcceptedHtlcs,
});

const onlyPoints = (from: Basepoints): Basepoints => ({
  fundingPubkey: from.fundingPubkey,
  revocationBasepoint: from.revocationBasepoint,
  paymentBasepoint: from.paymentBasepoint,
  delayedPaymentBasepoint: from.delayedPaymentBasepoint,
  htlcBasepoint: from.htlcBasepoint,
});

/** What is drawn for a new channel. The temporary id, which others see, has bytes of its own. */
export type Draw = { readonly keyPath: KeyPath; readonly localAlias: bigint; readonly temporaryChannelId: Uint8Array };

export function drawFrom(entropy: Uint8Array): Draw {
  const view = new DataView(entropy.buffer, entropy.byteOffset, entropy.byteLength);
  return {
    keyPath: [view.getUint32(0) >>> 1, view.getUint32(4) >>> 1],
    localAlias: aliasFrom(view.getBigUint64(8)),
    temporaryChannelId: entropy.slice(16, 48),
  };
}

/**
 * BOLT 2: "MUST set `alias` to a value not related to the real `short_channel_id`." 56 random bits under block heights that no
 * chain reaches for a century, so that it collides with no real one; positive where a peer keeps scids as signed numbers.
 */
const aliasFrom = (random: bigint): bigint => (0x7fn << 56n) | (random & ((1n << 56n) - 1n));
