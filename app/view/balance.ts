/** Sums over channels, in sat. Only a ready channel counts as ours; the rest is on the way, there or back. */
import type { ChannelView, CoinView } from '../runtime/api.ts';

export type Sums = { readonly ours: bigint; readonly theirs: bigint; readonly pending: bigint; readonly closing: bigint };

export function sumChannels(channels: readonly ChannelView[]): Sums {
  let [ours, theirs, pending, closing] = [0n, 0n, 0n, 0n];
  for (const channel of channels) {
    if (channel.tag === 'normal') {
      ours += BigInt(channel.oursSat);
      theirs += BigInt(channel.theirsSat);
    } else if (isEnding(channel)) closing += comingBack(channel);
    else pending += BigInt(channel.capacitySat);
  }
  return { ours, theirs, pending, closing };
}

export const isEnding = ({ tag }: ChannelView): boolean =>
  tag === 'shutting-down' || tag === 'negotiating' || tag === 'closing' || tag === 'failed';

/** What of a channel that ends is ours and not among our coins yet. */
export function comingBack({ oursSat, closing }: ChannelView): bigint {
  if (closing === undefined || closing.sweeps.length === 0) return BigInt(oursSat);
  return closing.sweeps.reduce(
    (sum, { status, amountSat }) => (status === 'waiting' || status === 'due' ? sum + BigInt(amountSat) : sum),
    0n,
  );
}

/** `usable`: confirmed, and not set aside. */
export function sumCoins(coins: readonly CoinView[]): { readonly all: bigint; readonly usable: bigint } {
  let [all, usable] = [0n, 0n];
  for (const { amountSat, confirmations, mature, reservedFor } of coins) {
    all += BigInt(amountSat);
    if (confirmations > 0 && mature && reservedFor === undefined) usable += BigInt(amountSat);
  }
  return { all, usable };
}

/** What all channels together could move now. A payment goes in parts where one channel is not enough. */
export const sendableSat = (channels: readonly ChannelView[]): bigint =>
  channels.reduce((sum, { sendableSat: sat, online, tag }) => (tag === 'normal' && online ? sum + BigInt(sat ?? 0) : sum), 0n);
export const receivableSat = (channels: readonly ChannelView[]): bigint =>
  channels.reduce((sum, { receivableSat: sat, tag }) => (tag === 'normal' ? sum + BigInt(sat ?? 0) : sum), 0n);
