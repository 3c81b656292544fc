/**
 * What a claim pays: a curve from the blocks that are left, steps up while it is not mined, and a cap by what is claimed. BOLT 5
 * § Failing a Channel ("SHOULD use replace-by-fee"), BIP 125. Estimates come from outside and may be anything.
 */
import type { Attempt } from './types.ts';

/** One satoshi per virtual byte, rounded up: below it nothing is relayed, and a replacement must pay at least so much more. */
export const relayFeeratePerKw = 253;
/** 1000 sat/vB: no estimate is believed beyond. */
const highestFeeratePerKw = 250_000;
/** BOLT 5 recommends 18 blocks as `security_delay`: from there on the fee rises by itself, and may take more than half of the value. */
export const urgentBlocks = 18;
/** Nothing is replaced more often than this unless a deadline is near. */
const calmBlocks = 6;

export type Urgency = {
  /** Height at which somebody else may take the output. */
  readonly deadline?: number;
  /** The estimate asked for is never for more blocks than these. */
  readonly patience: number;
};

const isUrgent = (deadline: number | undefined, height: number): boolean => deadline !== undefined && deadline - height <= urgentBlocks;

export const feeSat = (feeratePerKw: number, weight: number): bigint => (BigInt(feeratePerKw) * BigInt(weight) + 999n) / 1000n;

/** What the estimate says for the blocks that are left. */
export function estimatedFeerate({ deadline, patience }: Urgency, height: number, feerateFor: (blocks: number) => number): number {
  const blocks = deadline === undefined ? patience : Math.min(Math.max(deadline - height, 1), patience);
  const estimate = feerateFor(blocks);
  if (!Number.isFinite(estimate)) return relayFeeratePerKw;
  return Math.min(Math.max(Math.ceil(estimate), relayFeeratePerKw), highestFeeratePerKw);
}

/** The least that replaces `feeratePerKw` in every mempool. */
export const replacingFeerate = (feeratePerKw: number): number =>
  Math.max(Math.ceil(feeratePerKw * 1.25), feeratePerKw + relayFeeratePerKw);

/** A quarter of the blocks that were left at `height`, at most six. */
const interval = (height: number, deadline: number | undefined): number =>
  deadline === undefined ? calmBlocks : Math.min(Math.max(Math.floor((deadline - height) / 4), 1), calmBlocks);

/** Height from which the attempt may be replaced. */
const bumpHeight = ({ madeAtHeight }: Attempt, deadline: number | undefined): number => madeAtHeight + interval(madeAtHeight, deadline);

/** The next height at which it should be looked at. */
export const lookHeight = (attempt: Attempt, deadline: number | undefined, height: number): number =>
  Math.max(bumpHeight(attempt, deadline), height + interval(height, deadline));

/** The feerate of the replacement that is due now, if one is. */
export function bumpedFeerate(prior: Attempt, urgency: Urgency, height: number, estimate: number): number | undefined {
  if (height < bumpHeight(prior, urgency.deadline)) return undefined;
  const least = replacingFeerate(prior.feeratePerKw);
  if (isUrgent(urgency.deadline, height)) return Math.max(estimate, least);
  return estimate >= least ? estimate : undefined;
}

/** The most that a claim of `amountSat` may pay: half of it, or with the deadline near all but what its output must keep. */
export const feeCapSat = (amountSat: bigint, keepSat: bigint, deadline: number | undefined, height: number): bigint =>
  isUrgent(deadline, height) ? amountSat - keepSat : amountSat / 2n < amountSat - keepSat ? amountSat / 2n : amountSat - keepSat;

/** The highest feerate whose fee stays within `capSat`. */
export const cappedFeerate = (feeratePerKw: number, weight: number, capSat: bigint): number => {
  const most = capSat <= 0n ? 0n : (capSat * 1000n) / BigInt(weight);
  return most < BigInt(feeratePerKw) ? Number(most) : feeratePerKw;
};
