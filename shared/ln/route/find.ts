/**
 * The routes of a payment: one when it is good, else as many parts as make it likelier than they cost. Parts are found one after the other,
 * each on what the earlier ones have left; of a few sizes to begin with the cheapest plan is taken. The same query has the same answer.
 *
 * Callers must still: send no part before all are found, and after a failure learn from it (`liquidity.ts`) and ask again for what is
 * missing, with the parts that are on their way in `inFlight`.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import { makeNet, type Net } from './net.ts';
import type { Route, RouteError, RouteQuery } from './query.ts';
import { type Limits, type Path, search, type Weights } from './search.ts';
import { occupy, routeOf, stretch, type Walk, walk } from './walk.ts';

/** No part is made smaller than this, for every one pays base fees and takes a place in a channel. */
export const MIN_PART_MSAT = 1_000_000;
/** Nodes that a route's payloads leave room for. */
export const MAX_HOPS = 20;

/** What a failed try is worth avoiding: this, and so much of each million. */
const TRY_MSAT = 20_000;
const TRY_PPM = 1000;
/** What a block of waiting costs: 5 % a year, for one payment of fifty that hangs. */
const BLOCK_SHARE = 0.05 / 52_560 / 50;
/** So many sizes to begin with may lead nowhere. */
const FAILURES = 2;
/** −ln of the chance of success with which no other plan is looked for. */
const GOOD_MISS = 0.4;
/** A further part must be worth as much as this more of a miss. */
const PART_MISS = 0.05;

type Part = { readonly path: Path; readonly amount: number; readonly walked: Walk };
/** `tryMsat`: what it is worth that no part of the payment fails. */
type Budget = Limits & { readonly parts: number; readonly tryMsat: number };

const tryPrice = (amount: number): number => TRY_MSAT + (amount * TRY_PPM) / 1e6;
const usual = (amount: number, tryMsat: number): Weights => ({ fee: 1, block: amount * BLOCK_SHARE, miss: tryMsat, hop: 0 });
/** Fees and blocks are whole numbers: a thousandth for a hop decides between equals only. */
const cheapest: Weights = { fee: 1, block: 0, miss: 0, hop: 1e-3 };
const quickest: Weights = { fee: 0, block: 1, miss: 0, hop: 1e-3 };
const shortest: Weights = { fee: 0, block: 0, miss: 0, hop: 1 };

export function findRoutes(query: RouteQuery): Result<readonly Route[], RouteError> {
  const { amountMsat, maxFeeMsat, maxCltvExpiry, finalCltv, maxParts, maxHops = MAX_HOPS } = query;
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  if (amountMsat <= 0n || amountMsat * 2n > most) return err({ code: 'amount-invalid' });
  const sendableMsat = query.locals.reduce((sum, local) => sum + local.sendableMsat, 0n);
  if (sendableMsat < amountMsat) return err({ code: 'not-enough', detail: { sendableMsat, neededMsat: amountMsat } });
  if (finalCltv > maxCltvExpiry) return err({ code: 'expiry-too-far', detail: { cltvExpiry: finalCltv } });

  const net = makeNet(query);
  const amount = Number(amountMsat);
  const affordable = most - amountMsat;
  const feeMsat = Number(maxFeeMsat < affordable ? maxFeeMsat : affordable);
  const budget: Budget = {
    feeMsat,
    blocks: maxCltvExpiry - finalCltv,
    hops: maxHops,
    heed: 'all',
    parts: maxParts,
    tryMsat: tryPrice(amount),
  };
  const parts = bestPlan(net, amount, budget);
  if (parts !== undefined) return ok(parts.map((part) => routeOf(net, part.path, part.amount, part.walked, finalCltv)));
  return err(whyNot(net, query, amount, budget, sendableMsat));
}

const sumOf = (parts: readonly Part[], of: (part: Part) => number): number => parts.reduce((sum, part) => sum + of(part), 0);
const feesOf = (parts: readonly Part[]): number => sumOf(parts, ({ walked, amount }) => walked.firstMsat - amount);

function costOf(parts: readonly Part[], tryMsat: number): number {
  const cost = ({ walked, amount }: Part): number =>
    walked.firstMsat - amount + amount * BLOCK_SHARE * walked.firstBlocks + tryMsat * walked.miss;
  return sumOf(parts, cost) + (parts.length - 1) * PART_MISS * tryMsat;
}

function bestPlan(net: Net, amount: number, budget: Budget): readonly Part[] | undefined {
  let best: readonly Part[] | undefined;
  let failures = 0;
  for (let pieces = 1; pieces <= Math.max(1, budget.parts); pieces *= 2) {
    const size = Math.ceil(amount / pieces);
    if (pieces > 1 && size < MIN_PART_MSAT) break;
    const parts = plan(net, amount, size, budget);
    if (parts === undefined) {
      failures += 1;
      if (failures === FAILURES) break;
      continue;
    }
    if (best !== undefined && costOf(parts, budget.tryMsat) >= costOf(best, budget.tryMsat)) break;
    best = parts;
    if (sumOf(best, ({ walked }) => walked.miss) <= GOOD_MISS) break;
  }
  return best;
}

/** Parts of `size`, or of what can be had; the net is left as it was. */
function plan(net: Net, amount: number, size: number, budget: Budget, weights?: Weights): readonly Part[] | undefined {
  const parts: Part[] = [];
  let [left, feeMsat] = [amount, budget.feeMsat];
  while (left > 0) {
    const room = budget.parts - parts.length;
    const limits = { ...budget, feeMsat };
    const part = room < 1 ? undefined : nextPart(net, left, room === 1 ? left : Math.min(left, size), room === 1, limits, weights);
    if (part === undefined) break;
    occupy(net, part.path, part.walked, 1);
    parts.push(part);
    left -= part.amount;
    feeMsat -= part.walked.firstMsat - part.amount;
  }
  for (const { path, walked } of parts) occupy(net, path, walked, -1);
  return left > 0 ? undefined : parts;
}

/** `isLast`: it must be all of what is left. */
function nextPart(net: Net, left: number, wished: number, isLast: boolean, limits: Budget, weights?: Weights): Part | undefined {
  // What would be left over is a part too: it is no crumb either.
  const noCrumb = (part: number): number => (left - part >= MIN_PART_MSAT || part === left ? part : left - MIN_PART_MSAT);
  const wish = left - wished < MIN_PART_MSAT ? left : wished;
  for (let size = wish; ; size = Math.max(MIN_PART_MSAT, Math.floor(size / (size > wish / 8 ? 2 : 4)))) {
    const path = pathFor(net, size, limits, weights);
    if (path !== undefined) {
      const part = size === wish ? size : noCrumb(stretch(net, path, size, wish, limits));
      const walked = part > 0 ? walk(net, path, part, limits) : undefined;
      return walked && { path, amount: part, walked };
    }
    if (isLast || size <= MIN_PART_MSAT || left < 2 * MIN_PART_MSAT) return undefined;
    if (size === wish && !isReachable(net, limits.hops)) return undefined;
  }
}

/** With other weights where the usual ones came upon a limit. */
function pathFor(net: Net, amount: number, limits: Budget, weights?: Weights): Path | undefined {
  if (amount > 0) {
    const found = search(net, amount, limits, weights ?? usual(amount, limits.tryMsat));
    if ('edges' in found) return found;
    if (weights !== undefined) return undefined;
    const { fee, ...base } = usual(amount, limits.tryMsat);
    const others = [
      ...(found.fee ? [{ ...base, fee: 8 * fee }, cheapest] : []),
      ...(found.blocks ? [quickest] : []),
      ...(found.hops ? [shortest] : []),
    ];
    for (const other of others) {
      const second = search(net, amount, limits, other);
      if ('edges' in second) return second;
    }
  }
  return undefined;
}

/** By channels of whatever size, for whatever fee. */
const isReachable = (net: Net, hops: number): boolean =>
  'edges' in search(net, 1, { feeMsat: Number.MAX_SAFE_INTEGER - 1, blocks: Number.MAX_SAFE_INTEGER, hops, heed: 'ways' }, shortest);

/** Takes one limit away after the other, until there is a way. */
function whyNot(net: Net, query: RouteQuery, amount: number, budget: Budget, sendableMsat: bigint): RouteError {
  const { finalCltv } = query;
  if (!isReachable(net, budget.hops)) return { code: 'no-route', detail: { reachable: false } };
  const anyFee = plan(net, amount, amount, { ...budget, feeMsat: Number.MAX_SAFE_INTEGER - amount }, cheapest);
  if (anyFee !== undefined) return { code: 'fee-too-high', detail: { feeMsat: BigInt(feesOf(anyFee)) } };
  const anyTime = plan(net, amount, amount, { ...budget, blocks: Number.MAX_SAFE_INTEGER }, quickest);
  if (anyTime !== undefined) {
    return { code: 'expiry-too-far', detail: { cltvExpiry: finalCltv + Math.max(...anyTime.map(({ walked }) => walked.firstBlocks)) } };
  }
  const anyParts = plan(net, amount, amount, { ...budget, parts: 4 * Math.max(1, budget.parts) });
  if (anyParts !== undefined) return { code: 'too-many-parts', detail: { parts: anyParts.length } };
  const anySum = plan(net, amount, amount, { ...budget, heed: 'others' });
  if (anySum !== undefined) {
    return { code: 'not-enough', detail: { sendableMsat, neededMsat: query.amountMsat + BigInt(feesOf(anySum)) } };
  }
  return { code: 'no-route', detail: { reachable: true } };
}
