/**
 * What payments have taught about the channels of others: plain values that are kept, forgotten with time, and never more than so many.
 *
 * A learned bound is the word of the node that failed a payment, so it is a hint; a hostile node can lie about its own channels and about
 * nobody else's, if callers learn from nothing but failures that were decrypted with that node's key.
 */
import { compare } from '../../lib/bytes.ts';
import type { RouteHtlc } from '../onion/route.ts';
import type { Range } from './chance.ts';

/** A directed edge: short channel id in decimal, slash, direction as in `channel_update`: 0 from the lesser node id. */
export type EdgeName = string;

export type Bounds = { readonly minMsat: number; readonly maxMsat: number | null; readonly atSeconds: number };

/** Of a `channel_update` that came with a failure. */
export type Policy = {
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimumMsat: number;
  readonly htlcMaximumMsat: number;
  readonly disabled: boolean;
  /** Seconds since 1970: the graph's own wins when it is newer. */
  readonly timestamp: number;
};

export type Liquidity = {
  readonly bounds: { readonly [edge: EdgeName]: Bounds };
  readonly policies: { readonly [edge: EdgeName]: Policy };
};

export const noLiquidity: Liquidity = { bounds: {}, policies: {} };
export const MAX_BOUNDS = 1000;
export const MAX_POLICIES = 200;
/** Half of what was learned is forgotten. */
export const HALF_LIFE_SECONDS = 6 * 3600;

export const edgeName = (shortChannelId: bigint, direction: number): EdgeName => `${shortChannelId}/${direction}`;
export const edgeBetween = (shortChannelId: bigint, from: Uint8Array, to: Uint8Array): EdgeName =>
  edgeName(shortChannelId, compare(from, to) < 0 ? 0 : 1);

/** The edge under `htlcs[i]`; undefined for the first, our own channel, and past the end. */
export function edgeUnder(htlcs: readonly RouteHtlc[], i: number): EdgeName | undefined {
  const [from, over] = [htlcs[i - 1], htlcs[i]];
  return from && over && edgeBetween(over.shortChannelId, from.nodeId, over.nodeId);
}

/** What is left of a bound at `now`, and the capacity around it (infinite where unknown). */
export function rangeOf(bounds: Bounds | undefined, capacity: number, now: number): Range {
  if (bounds === undefined) return { capacity, low: 0, high: capacity };
  const kept = 2 ** (-Math.max(0, now - bounds.atSeconds) / HALF_LIFE_SECONDS);
  const low = Math.min(capacity, Math.floor(bounds.minMsat * kept));
  const max = bounds.maxMsat ?? capacity;
  const high = Number.isFinite(capacity) ? capacity - Math.max(0, capacity - max) * kept : max / kept;
  return { capacity, low: Math.min(low, high), high };
}

/** The edge was asked for `amountMsat` and failed. */
export function learnFailure(liquidity: Liquidity, edge: EdgeName, amountMsat: bigint, now: number): Liquidity {
  const { low, high } = known(liquidity, edge, now);
  const maxMsat = Math.max(0, Math.min(high, Number(amountMsat) - 1));
  return withBounds(liquidity, edge, Math.min(low, maxMsat), maxMsat, now);
}

/** The edge passed `amountMsat` on, which then came back. */
export function learnPassed(liquidity: Liquidity, edge: EdgeName, amountMsat: bigint, now: number): Liquidity {
  const { low, high } = known(liquidity, edge, now);
  const minMsat = Math.max(low, Number(amountMsat));
  return withBounds(liquidity, edge, minMsat, Math.max(high, minMsat), now);
}

/** The edge passed `amountMsat` on for good: it is on the other side now. */
export function learnSuccess(liquidity: Liquidity, edge: EdgeName, amountMsat: bigint, now: number): Liquidity {
  const amount = Number(amountMsat);
  const { low, high } = known(liquidity, edge, now);
  const [shortChannelId = '', direction] = edge.split('/');
  const back = `${shortChannelId}/${direction === '0' ? 1 : 0}`;
  const other = known(liquidity, back, now);
  const after = withBounds(liquidity, edge, Math.max(0, low - amount), Math.max(high - amount, 0), now);
  return withBounds(after, back, other.low + amount, other.high + amount, now);
}

/** The caller has checked the update's signature, or takes the word of the node that sent it about its own channel. */
export const learnPolicy = (liquidity: Liquidity, shortChannelId: bigint, direction: number, policy: Policy): Liquidity => {
  const edge = edgeName(shortChannelId, direction);
  const before = liquidity.policies[edge];
  if (before !== undefined && before.timestamp > policy.timestamp) return liquidity;
  return { ...liquidity, policies: kept(liquidity.policies, edge, policy, MAX_POLICIES, ({ timestamp }) => timestamp) };
};

/** Without the capacity: a lower bound fades to nothing, an upper one to no bound. */
const known = (liquidity: Liquidity, edge: EdgeName, now: number): Range => rangeOf(liquidity.bounds[edge], Number.POSITIVE_INFINITY, now);

function withBounds(liquidity: Liquidity, edge: EdgeName, minMsat: number, high: number, now: number): Liquidity {
  // JSON has no infinity.
  const maxMsat = Number.isFinite(high) ? Math.floor(high) : null;
  const bounds: Bounds = { minMsat, maxMsat, atSeconds: now };
  return { ...liquidity, bounds: kept(liquidity.bounds, edge, bounds, MAX_BOUNDS, ({ atSeconds }) => atSeconds) };
}

/** No more than `most`: the oldest goes. */
function kept<T>(
  entries: { readonly [edge: EdgeName]: T },
  edge: EdgeName,
  entry: T,
  most: number,
  timeOf: (entry: T) => number,
): { readonly [edge: EdgeName]: T } {
  const others = Object.entries(entries).filter(([name]) => name !== edge);
  if (others.length >= most) {
    const oldest = others.reduce((least, [, one]) => Math.min(least, timeOf(one)), Number.POSITIVE_INFINITY);
    others.splice(
      others.findIndex(([, one]) => timeOf(one) === oldest),
      1,
    );
  }
  return { ...Object.fromEntries(others), [edge]: entry };
}
