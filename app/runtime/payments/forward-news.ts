/** What the channels of a round say of HTLCs that are passed on: written in the commit of the round. */
import { type Forward, type ForwardCommand, stepForward } from '../../../shared/ln/payment/forward.ts';
import type { ForwardRecord } from '../../store/schema.ts';
import type { Write } from '../../store/store.ts';
import type { Ports } from '../ports.ts';
import { forwardWrite, newForwardRecord, withForward } from './forward-record.ts';
import type { OutgoingNews } from './outcome.ts';
import { forwardOfName, htlcKey } from './record.ts';

export type ForwardNews = {
  readonly plan: (forward: Forward) => Promise<void>;
  /** False: it is no affair of a forward. */
  readonly answer: (news: OutgoingNews) => Promise<boolean>;
  readonly writes: () => readonly Write[];
};

export function openForwards(ports: Ports): ForwardNews {
  const records = new Map<string, ForwardRecord>();

  const byKey = async (key: string): Promise<ForwardRecord | undefined> => records.get(key) ?? ports.db.get('forwards', key);
  const byOutgoing = async (outgoing: string): Promise<ForwardRecord | undefined> => {
    const stored = await ports.db.getFromIndex('forwards', 'outgoing', outgoing);
    return [...records.values()].find((one) => one.outgoing === outgoing) ?? (stored && !records.has(stored.key) ? stored : undefined);
  };
  const tell = (record: ForwardRecord | undefined, command: ForwardCommand): void => {
    if (record === undefined) return;
    const { forward } = stepForward(record.life, command);
    if (forward !== record.life) records.set(record.key, withForward(record, forward, ports.now()));
  };

  return {
    async plan(forward) {
      const record = newForwardRecord(forward, ports.now());
      const known = await byKey(record.key);
      records.set(record.key, { ...record, fence: known?.fence ?? 0 });
    },
    async answer(news) {
      const nowMs = ports.now();
      switch (news.tag) {
        case 'htlc-offered':
        case 'add-refused': {
          const key = forwardOfName(news.request);
          if (key === undefined) return false;
          tell(
            await byKey(key),
            news.tag === 'add-refused' ? { tag: 'refused', nowMs } : { tag: 'offered', htlc: htlcKey(news.channelId, news.id) },
          );
          return true;
        }
        case 'htlc-fulfilled': {
          const record = await byOutgoing(htlcKey(news.channelId, news.id));
          const { preimage, attribution } = news;
          tell(record, { tag: 'fulfilled', nowMs, preimage, ...(attribution ? { attribution } : {}) });
          return record !== undefined;
        }
        case 'htlc-failed': {
          const record = await byOutgoing(htlcKey(news.channelId, news.id));
          const { removal } = news;
          if (removal?.kind === 'fulfill') tell(record, { ...removal, tag: 'fulfilled', nowMs });
          else tell(record, { tag: 'failed', nowMs, ...(removal ? { end: removal } : {}) });
          return record !== undefined;
        }
      }
    },
    writes: () => [...records.values()].map(forwardWrite),
  };
}
