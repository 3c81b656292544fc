/** A path with an amount: every HTLC of it, exactly, and whether each obeys what its edge asks for. */
import type { RouteHtlc } from '../onion/route.ts';
import { HOP_MISS, missOf } from './chance.ts';
import { blindedOf, endOf, idOf, type Net, reserve, shortChannelIdOf, termsOf } from './net.ts';
import type { Route } from './query.ts';
import { feeOf, type Limits, type Path } from './search.ts';

export type Walk = {
  /** Over each edge, then what our own channel sends. */
  readonly amounts: readonly number[];
  readonly blocks: readonly number[];
  readonly firstMsat: number;
  readonly firstBlocks: number;
  /** −ln of the chance of success. */
  readonly miss: number;
};

/** Undefined: some edge, our own channel or a limit forbids it. */
export function walk(net: Net, { slot, edges }: Path, amountMsat: number, limits: Limits): Walk | undefined {
  const amounts: number[] = [];
  const blocks: number[] = [];
  let [amount, delta, miss] = [amountMsat, 0, 0];
  for (const edge of [...edges].reverse()) {
    const { usable, htlcMinimumMsat, htlcMaximumMsat, range, reservedMsat, ...asked } = termsOf(net, edge);
    if (!usable || amount < htlcMinimumMsat || amount > htlcMaximumMsat || amount + reservedMsat > range.high) return undefined;
    amounts.unshift(amount);
    blocks.unshift(delta);
    miss += HOP_MISS + missOf(amount, reservedMsat, range);
    amount += feeOf(amount, asked.feeBaseMsat, asked.feeProportionalMillionths);
    delta += asked.cltvExpiryDelta;
  }
  const isSendable = amount >= slot.minimumMsat && (limits.heed !== 'all' || amount <= slot.leftMsat);
  if (!isSendable || amount - amountMsat > limits.feeMsat || delta > limits.blocks) return undefined;
  return { amounts, blocks, firstMsat: amount, firstBlocks: delta, miss };
}

/** The most that the path bears, from an amount that it does on to one that is wished for. */
export function stretch(net: Net, path: Path, fromMsat: number, toMsat: number, limits: Limits): number {
  let [low, high] = [fromMsat, toMsat];
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2);
    if (walk(net, path, middle, limits) === undefined) high = middle - 1;
    else low = middle;
  }
  return low;
}

/** Takes the room that the part needs, on the way and in our own channel; `sign` -1 gives it back. */
export function occupy(net: Net, { slot, edges }: Path, { amounts, firstMsat }: Walk, sign: 1 | -1): void {
  edges.forEach((edge, i) => {
    reserve(net, edge, sign * (amounts[i] ?? 0));
  });
  slot.leftMsat -= sign * firstMsat;
}

export function routeOf(net: Net, { slot, edges }: Path, amountMsat: number, walked: Walk, finalCltv: number): Route {
  const { channel } = slot;
  const first: RouteHtlc = {
    nodeId: channel.peerId,
    shortChannelId: channel.shortChannelId,
    amountMsat: BigInt(walked.firstMsat),
    cltvExpiry: finalCltv + walked.firstBlocks,
  };
  const last = edges.at(-1);
  const blinded = last === undefined ? undefined : blindedOf(net, last);
  const layered = blinded === undefined ? edges : edges.slice(0, -1);
  const others = layered.map((edge, i) => ({
    nodeId: idOf(net, endOf(net, edge)),
    shortChannelId: shortChannelIdOf(net, edge),
    amountMsat: BigInt(walked.amounts[i] ?? 0),
    cltvExpiry: finalCltv + (walked.blocks[i] ?? 0),
  }));
  return {
    via: channel,
    htlcs: [first, ...others],
    amountMsat: BigInt(amountMsat),
    feeMsat: BigInt(walked.firstMsat - amountMsat),
    cltvExpiry: first.cltvExpiry,
    successPpm: Math.round(1e6 * Math.exp(-walked.miss)),
    ...(blinded === undefined ? {} : { blinded }),
  };
}
