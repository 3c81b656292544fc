/** A channel's state in plain words. */
import { type Catalogue, lookup } from '../i18n/index.ts';
import type { ChannelView, HtlcView, SweepView } from '../runtime/api.ts';
import { clean, roughTime, shortId, whole } from './format.ts';

const MINUTES_PER_BLOCK = 10;
/** "about 3 hours": how long so many blocks take. */
export const blocksTime = (blocks: number): string => roughTime(Math.max(0, blocks) * MINUTES_PER_BLOCK);

export function channelPeer(channel: { readonly peerId: string; readonly peerAlias: string }): string {
  return channel.peerAlias === '' ? shortId(channel.peerId) : clean(channel.peerAlias, 40);
}

/** "2 of 3 confirmations, about 10 minutes", while the chain is waited for. */
export function channelProgress(channel: ChannelView, t: Catalogue): string {
  if (channel.tag !== 'wait-for-funding-confirmed' || channel.minDepth === undefined) return '';
  const have = channel.confirmations ?? 0;
  return `${t.channels.confirmations(have, channel.minDepth)}, ${t.channels.about(blocksTime(channel.minDepth - have))}`;
}

export function channelWhy(channel: ChannelView, t: Catalogue): string {
  const { tag, online, closing } = channel;
  if (tag === 'closing') return lookup(t.channels.causes, closing?.cause ?? 'other') ?? t.channels.causes.other;
  if (tag === 'normal' && !online) return t.channels.normalOffline;
  if ((tag === 'shutting-down' || tag === 'negotiating') && !online) return t.channels.closingOffline;
  return t.channels.why[tag];
}

export function channelTone(channel: ChannelView): 'good' | 'warn' | 'bad' {
  if (channel.tag === 'failed') return 'bad';
  return channel.tag === 'normal' && channel.online ? 'good' : 'warn';
}

/** How far an opening is: 0 the peer was asked … 3 ready but for the peer's word. Undefined where there is nothing left to open. */
export function openingStep({ tag }: ChannelView): 0 | 1 | 2 | 3 | undefined {
  switch (tag) {
    case 'wait-for-accept-channel':
      return 0;
    case 'wait-for-funding':
    case 'wait-for-funding-signed':
      return 1;
    case 'wait-for-funding-confirmed':
      return 2;
    case 'wait-for-channel-ready':
      return 3;
    default:
      return undefined;
  }
}
/** Nothing of ours is in it yet, and it may be given up for nothing. */
export const mayGiveUp = (channel: ChannelView): boolean => channel.opener && (openingStep(channel) ?? 9) < 2;

export function htlcExpiry({ expiryHeight }: HtlcView, height: number, t: Catalogue): string {
  const blocks = expiryHeight - height;
  return blocks > 0 ? t.channels.expires(whole(blocks), blocksTime(blocks)) : t.channels.expired;
}

export function sweepWhy({ status, atHeight }: SweepView, height: number, t: Catalogue): string {
  if (status !== 'waiting') return t.channels.sweepWhy[status];
  if (atHeight === undefined || atHeight <= height) return t.channels.sweepWhy.waiting;
  return t.channels.sweepWhy.waitingUntil(whole(atHeight), blocksTime(atHeight - height));
}
export const sweepTone = ({ status }: SweepView): 'good' | 'warn' | 'bad' =>
  status === 'lost' ? 'bad' : status === 'claimed' || status === 'final' ? 'good' : 'warn';
