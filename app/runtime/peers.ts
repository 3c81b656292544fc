/** The stored peers as machines, and what the machines say while they work. */
import type { Note } from '../../shared/ln/peer/effect.ts';
import { thawPeer } from '../../shared/ln/peer/freeze.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import type { WakeReceipt } from '../../shared/protocol/session.ts';
import type { PeerRecord } from '../store/schema.ts';
import { loadPeers } from '../store/store.ts';
import type { Ports } from './ports.ts';
import type { Round } from './round.ts';
import { noParts, type Parts } from './timing.ts';

export type Live = { readonly record: PeerRecord; readonly state: PeerState };

/** Those that can be read and are not quarantined. */
export const livePeers = async (ports: Ports): Promise<Live[]> => thawPeers(await loadPeers(ports.db));

export function thawPeers(records: readonly PeerRecord[]): Live[] {
  const live: Live[] = [];
  for (const record of records) {
    const thawed = thawPeer(record.frozen);
    if (thawed.ok && record.quarantined === undefined) live.push({ record, state: thawed.value });
  }
  return live;
}

/** What one piece of work brought forth, over all its rounds. */
export class Collected {
  readonly notes: { readonly peerId: string; readonly note: Note }[] = [];
  readonly spoken: string[] = [];
  readonly unreachable: string[] = [];
  readonly parts: Parts = noParts();
  /** Receipts of this wake: they leave with the answer, and are kept only if it cannot leave. */
  readonly receipts: WakeReceipt[] = [];
}

export function collect(into: Collected, peerId: string, stepped: Pick<Round, 'notes' | 'spoken' | 'parts'>): void {
  for (const part of Object.keys(into.parts) as (keyof Parts)[]) into.parts[part] += stepped.parts[part];
  into.notes.push(...stepped.notes.map((note) => ({ peerId, note })));
  into.spoken.push(...stepped.spoken);
}
