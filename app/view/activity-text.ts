/** What an entry of the activity is called, said and pictured. */
import type { Catalogue } from '../i18n/index.ts';
import { lookup } from '../i18n/index.ts';
import type { ActivityView } from '../runtime/api.ts';
import { clean, duration, msat, shortId } from './format.ts';

const problems: ReadonlySet<string> = new Set([
  'open-refused',
  'open-expired',
  'channel-failed',
  'channel-abandoned',
  'peer-error',
  'peer-warning',
  'revoked-seen',
  'output-lost',
  'coins-needed',
  'claim-refused',
  'payment-failed',
  'fault',
]);
export const isProblemKind = (kind: string): boolean => problems.has(kind);
export const isChannelKind = (kind: string): boolean => /^(open|funding|channel|close|revoked|output|coins|claim)-/.test(kind);

export function activityTitle(item: ActivityView, t: Catalogue): string {
  return lookup(t.activity.kinds, item.kind) ?? t.activity.unknownKind(clean(item.kind, 40));
}

export function peerName(item: { readonly peerId?: string; readonly peerAlias?: string }): string {
  if (item.peerAlias) return clean(item.peerAlias, 40);
  return item.peerId === undefined ? '' : shortId(item.peerId);
}

/** What was said with it: words of a peer, or a code of ours that has words of its own. */
export function activityDetail({ kind, detail }: ActivityView, t: Catalogue, hidden: boolean): string {
  if (detail === undefined) return '';
  if (kind === 'payment-forwarded') return earned(detail, t, hidden);
  return lookup(t.activity.details, detail) ?? lookup(t.channels.sweeps, detail) ?? clean(detail, 600);
}

const earned = (feeMsat: string, t: Catalogue, hidden: boolean): string => (hidden ? '' : t.activity.earned(msat(feeMsat)));

/** The second line: with whom, why and how long for a wake, or what it earned. */
export function activitySub(item: ActivityView, t: Catalogue, hidden: boolean): string {
  const parts = [peerName(item)];
  if (item.kind === 'payment-forwarded') parts.push(earned(item.detail ?? '0', t, hidden));
  if (item.wake) parts.push(lookup(t.activity.reasons, item.wake.reason) ?? clean(item.wake.reason, 40), duration(item.wake.ms));
  return parts.filter((part) => part !== '').join(' · ');
}

export function activityIcon(
  item: ActivityView,
): 'shield' | 'bolt' | 'alert' | 'channels' | 'peers' | 'block' | 'activity' | 'key' | 'check' | 'coins' | 'in' | 'out' {
  if (item.wake) return 'bolt';
  if (item.kind === 'channel-confirmed' || item.kind === 'close-seen') return 'block';
  if (item.kind === 'channel-ready' || item.kind === 'close-resolved') return 'check';
  if (item.kind === 'revoked-seen') return 'shield';
  if (item.kind === 'output-claimed') return 'coins';
  if (item.kind === 'payment-received') return 'in';
  if (item.kind === 'payment-sent' || item.kind === 'payment-forwarded') return 'out';
  if (isProblemKind(item.kind)) return 'alert';
  if (isChannelKind(item.kind)) return 'channels';
  if (item.kind.startsWith('peer-')) return 'peers';
  return item.kind.startsWith('wallet-') ? 'key' : 'activity';
}
