/** From what the machines noted to what a person is shown: one notification per subject, replaced by a newer one. */
import { toHex } from '../../shared/lib/bytes.ts';
import type { Note } from '../../shared/ln/peer/effect.ts';
import { notices } from '../i18n/notices.ts';
import { loadPeer, setting } from '../store/store.ts';
import type { Notice, Ports } from './ports.ts';

/** Notes that stay in the activity log: a later note of the same round says more, or nobody needs to look up for them. */
const quiet: ReadonlySet<Note['kind']> = new Set(['open-approved', 'channel-confirmed', 'channel-reestablished', 'payment-forwarded']);

/** They take the place of the prompt, whose buttons mean nothing any more. */
const ends: ReadonlySet<Note['kind']> = new Set(['open-denied', 'open-expired', 'channel-abandoned']);

/** The formatter is made here and not at the top: the browser's first one costs tens of milliseconds, and a wake answers before it shows. */
export const satText = (sat: bigint | string): string => `${new Intl.NumberFormat().format(BigInt(sat))} sat`;
export const peerName = (alias: string | undefined, peerId: string): string =>
  alias === undefined || alias === '' ? `${peerId.slice(0, 8)}…` : alias;

export async function noticesOf(ports: Ports, noted: readonly { readonly peerId: string; readonly note: Note }[]): Promise<Notice[]> {
  const hide = (await setting(ports.db, 'hideAmounts')) ?? false;
  const bySubject = new Map<string, Notice>();
  for (const { peerId, note } of noted) {
    if (quiet.has(note.kind)) continue;
    const record = await loadPeer(ports.db, peerId);
    const text = notices[note.kind]({
      amount: note.amountSat === undefined || hide ? '' : satText(note.amountSat),
      peer: peerName(record?.alias, peerId),
      detail: note.detail ?? '',
      until: note.deadlineMs === undefined ? '' : new Date(note.deadlineMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }),
    });
    const channelId = note.channelId === undefined ? undefined : toHex(note.channelId);
    const asks = note.kind === 'open-asked' && channelId !== undefined;
    const tag = channelId !== undefined && (asks || ends.has(note.kind)) ? `prompt-${channelId}` : `peer-${peerId}`;
    bySubject.set(tag, { ...text, tag, path: asks ? '/' : '/#/activity', ...(asks ? { prompt: { peerId, channelId } } : {}) });
  }
  return [...bySubject.values()];
}
