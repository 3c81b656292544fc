/** What the relay says of peers that cost too many wakes: kept with the peer, and told once each time it begins. */
import type { SessionStatus } from '../../shared/protocol/session.ts';
import { commit } from '../store/store.ts';
import type { Live } from './peers.ts';
import type { Ports } from './ports.ts';
import { round } from './round.ts';

export async function noteWakeBudgets(ports: Ports, live: readonly Live[], sessions: readonly SessionStatus[]): Promise<void> {
  for (const { record } of live) {
    const status = sessions.find(({ session }) => session === record.session);
    const isSpent = status?.wakeBudgetSpent === true;
    if (status === undefined || isSpent === (record.wakesSpentAtMs !== undefined)) continue;
    const { peerId } = record;
    if (isSpent) await commit(ports.db, { activity: [{ atMs: ports.now(), kind: 'wakes-spent', peerId }] });
    await round(ports, peerId, [], { wakesSpentAtMs: isSpent ? ports.now() : undefined });
  }
}
