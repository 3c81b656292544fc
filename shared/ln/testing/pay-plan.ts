/** Routes as a schedule chooses them: good ones, and such that no payment may follow. */
import { toHex } from '../../lib/bytes.ts';
import { sendableMsat } from '../channel/updates.ts';
import type { RouteHtlc } from '../onion/route.ts';
import type { PaymentEffect, PlannedRoute } from '../payment/command.ts';
import type { PartyName } from './pair.ts';
import { minFinalCltvExpiryDelta, nodeKeys } from './pay-books.ts';
import type { PayGround } from './pay-ground.ts';
import type { Edge, Plan } from './pay-moves.ts';

type Wanted = Extract<PaymentEffect, { readonly tag: 'route-wanted' }>;
type Hop = { readonly at: number; readonly from: PartyName; readonly node: number };
type Way = readonly Hop[];

/** Blocks that may come on the way. */
const SPARE_BLOCKS = 3;
const HOP_BLOCKS = 40;

export const scidOf = (at: number): bigint => (900n << 40n) | BigInt(at + 1);

/** Over one channel, or two. */
export function waysFrom(edges: readonly Edge[], from: number, to: number): readonly Way[] {
  const hops = (node: number): Hop[] =>
    edges.flatMap(({ alice, bob }, at): Hop[] =>
      alice === node ? [{ at, from: 'alice', node: bob }] : bob === node ? [{ at, from: 'bob', node: alice }] : [],
    );
  return hops(from).flatMap((first): Way[] =>
    first.node === to ? [[first]] : hops(first.node).flatMap((second) => (second.node === to ? [[first, second]] : [])),
  );
}

/** Undefined: there is no way. */
export function planned(world: PayGround, from: number, to: number, wanted: Wanted, plan: Plan): readonly PlannedRoute[] | undefined {
  const ways = waysFrom(world.edges, from, to).filter(([first]) => first && !wanted.avoidChannels.includes(world.channelHex(first.at)));
  if (ways.length === 0 || plan.kind === 'none') return undefined;
  const shares = plan.shares.slice(0, wanted.maxParts);
  const total = BigInt(shares.reduce((a, b) => a + b, 0));
  const amounts = shares.map((share) => (wanted.amountMsat * BigInt(share)) / total);
  amounts[0] = (amounts[0] ?? 0n) + wanted.amountMsat - amounts.reduce((a, b) => a + b, 0n);
  const parts =
    plan.kind === 'wise' ? spread(world, ways, wanted, plan) : amounts.map((amountMsat, i) => ({ amountMsat, turn: plan.turn + i }));
  const feeMsat = plan.kind === 'dear' ? wanted.maxFeeMsat + 1n : plan.feeMsat;
  const routes = parts?.map(({ amountMsat, turn }) => routeOf(world, ways[turn % ways.length] ?? [], amountMsat, feeMsat));
  if (plan.kind === 'short') return routes?.slice(1);
  if (plan.kind !== 'unsound') return routes;
  return routes?.map((route) => ({ ...route, htlcs: route.htlcs.map((htlc) => ({ ...htlc, amountMsat: htlc.amountMsat - 1n })) }));
}

/** The most that each way can take, in turn, until it is all of it. */
function spread(world: PayGround, ways: readonly Way[], { amountMsat, maxParts }: Wanted, { turn, feeMsat }: Plan) {
  const parts: { amountMsat: bigint; turn: number }[] = [];
  let left = amountMsat;
  for (let i = 0; i < Math.min(ways.length, maxParts) && left > 0n; i += 1) {
    const room = (ways[(turn + i) % ways.length] ?? []).map(({ at, from }) => roomMsat(world, at, from) - feeMsat);
    const part = [left, ...room].reduce((a, b) => (a < b ? a : b));
    if (part <= 0n) continue;
    parts.push({ amountMsat: part, turn: turn + i });
    left -= part;
  }
  return left > 0n ? undefined : parts;
}

function roomMsat(world: PayGround, at: number, from: PartyName): bigint {
  const commitments = world.isLiveAt(at, from) ? world.commitmentsAt(at, from) : undefined;
  return commitments === undefined ? 0n : sendableMsat(commitments);
}

function routeOf(world: PayGround, way: Way, amountMsat: bigint, feeMsat: bigint): PlannedRoute {
  const final = world.height + minFinalCltvExpiryDelta + SPARE_BLOCKS;
  const htlcs = way.map(({ at, node }, i): RouteHtlc => {
    const behind = way.length - 1 - i;
    return {
      nodeId: nodeKeys(node).id,
      shortChannelId: scidOf(at),
      amountMsat: amountMsat + feeMsat * BigInt(behind),
      cltvExpiry: final + HOP_BLOCKS * behind,
    };
  });
  return { channel: world.channelHex(way[0]?.at ?? 0), amountMsat, htlcs };
}

export const payee = (node: number): string => toHex(nodeKeys(node).id);
