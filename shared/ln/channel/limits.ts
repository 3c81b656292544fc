/** The figures of both sides: what we tolerate of an `open_channel` or `accept_channel`, and what we say in ours. BOLT 2. */

import type { Moment } from './state.ts';

/** BOLT 2: "`funding_satoshis` is greater than or equal to 2^24 and the receiver does not support `option_support_large_channel`" */
export const smallChannelLimitSat = 1n << 24n;
/** BOLT 2: "`dust_limit_satoshis` is smaller than `354 satoshis`" */
export const minDustLimitSat = 354n;
/** BOLT 2: "`max_accepted_htlcs` is greater than 483." More would not fit a commitment transaction that relays. */
export const maxAcceptedHtlcs = 483;
/** BOLT 2: "SHOULD forget the channel if it does not see the correct funding transaction after a timeout of 2016 blocks." */
export const forgetAfterBlocks = 2016;
/** And no sooner than this by the clock: two thirds of the time that so many blocks take. */
const forgetAfterMs = (forgetAfterBlocks * 600_000 * 2) / 3;
export const isOverdue = (since: Moment, env: { readonly height: number; readonly now: number }): boolean =>
  env.height >= since.height + forgetAfterBlocks && env.now >= since.ms + forgetAfterMs;

/** Two weeks: what every implementation we know draws as the line of "`to_self_delay` is unreasonably large". */
export const maxToSelfDelay = 2016;
/** Three times the least. BOLT 2: "should not accept large `dust_limit_satoshis`", "But it must allow values higher than the standard". */
export const maxDustLimitSat = 3n * minDustLimitSat;
/** A fifth of the channel: more would make it a deposit. BOLT 2 suggests a hundredth. */
export const maxReserve = (fundingSat: bigint): bigint => fundingSat / 5n;
/** A hundredth of the channel: payments below `htlc_minimum_msat` cannot leave through it. */
export const maxHtlcMinimumMsat = (fundingSat: bigint): bigint => fundingSat * 10n;
/** A hundredth of the channel must be able to move at once. */
export const minHtlcValueInFlightMsat = (fundingSat: bigint): bigint => fundingSat * 10n;
/** A payment in a few parts must be able to leave. */
export const minAcceptedHtlcs = 5;

/** Re-orgs are deeper than this in no chain that we would trust with money. */
export const buriedDepth = 6;

/** BOLT 7: "If the funding transaction has less than 6 confirmations: MUST NOT send `channel_announcement`." */
export const announceDepth = 6;

/** BOLT 2: `cltv_expiry` below it is a block height. */
export const heightLimit = 500_000_000;
/** BOLT 4: the bit of a failure code that says the onion could not be read. */
export const badOnion = 0x8000;
/** HTLCs too small for an output: at most so much of them at a time may be lost to miners. BOLT 2 § Bounding exposure to trimmed in-flight HTLCs. */
export const maxDustExposureMsat = 50_000_000n;
/**
 * An HTLC that we can claim goes on chain this many blocks before it expires, if the peer has not given it up by then: time to be woken,
 * to publish, to be mined twice, and to pay more if we are not.
 */
export const claimBeforeBlocks = 24;
/** An HTLC of ours that expired goes on chain after so many blocks: the peer may have been asleep, and a close costs more than a wait. */
export const timeoutAfterBlocks = 6;
/** A failed channel that the peer does not close is closed by us after a day. */
export const publishAfterBlocks = 144;

/** BOLT 2: "MUST disconnect after 60 seconds of quiescence if the HTLCs are pending." */
export const quietMs = 60_000;

/** Between `accept_channel` and `funding_created`: the opener makes a transaction, which may need a person or a hardware signer. */
export const fundingCreatedMs = 10 * 60_000;
/** Between our `open_channel` and `accept_channel`: the other side may be asleep, or ask a person, as ours does. */
export const acceptChannelMs = 10 * 60_000;
/** For our funding transaction to be made, perhaps by a person: a minute less than peers (and we) wait for `funding_created`. */
export const fundingMs = fundingCreatedMs - 60_000;
/** Between `funding_created` and `funding_signed`: either side may sleep meanwhile, and our coins are held as long. */
export const fundingSignedMs = 10 * 60_000;
/** Our funding transaction pays to be mined within so many blocks. */
export const fundingWithinBlocks = 6;
/** A day: more confirmations than that before a channel may be used is a refusal. BOLT 2: "if `minimum_depth` is unreasonably large". */
export const maxMinDepth = 144;
/** The least reserve that we ask of who accepts our offer: its dust limit is not known yet and may be as much, and peers know this figure. */
export const usualReserveSat = 1_000n;
/** All the bitcoin that there will be. */
export const maxMoneySat = 21_000_000n * 100_000_000n;

/** What we say in `open_channel` and `accept_channel`, with why. */
export const ours = {
  /** The least that BOLT 2 allows: the fewest satoshi go to miners. */
  dustLimitSat: minDustLimitSat,
  /** BOLT 2: "1% of the channel total is suggested", and both dust limits must lie below it. */
  channelReserveSat: (fundingSat: bigint, remoteDustLimitSat: bigint): bigint =>
    [fundingSat / 100n, remoteDustLimitSat, minDustLimitSat].reduce((a, b) => (a > b ? a : b)),
  /** All of it: a wallet must be able to receive a payment of the whole capacity. */
  maxHtlcValueInFlightMsat: (fundingSat: bigint): bigint => fundingSat * 1000n,
  htlcMinimumMsat: 1n,
  /** Five days: the app may sleep that long before it sees a revoked commitment, and peers take it without question. */
  toSelfDelay: 720,
  /** A wallet has few payments in flight; a small number bounds the fee of a commitment and the work of a forced close. */
  maxAcceptedHtlcs: 30,
} as const;
