/**
 * What the channels of a round say of payments of ours: an HTLC was offered, refused, fulfilled, or is back. Each goes to the machine of its
 * payment, and what it makes of it is written in the commit of the round.
 */
import type { ChannelNews, Note } from '../../../shared/ln/channel/effect.ts';
import type { PaymentCommand } from '../../../shared/ln/payment/command.ts';
import { stepPayment } from '../../../shared/ln/payment/machine.ts';
import type { Payment } from '../../../shared/ln/payment/payment.ts';
import type { PaymentRecord, Settings } from '../../store/schema.ts';
import { setting, type Write } from '../../store/store.ts';
import type { Ports } from '../ports.ts';
import { learn } from './lessons.ts';
import { htlcKey, partOfName, withLife } from './record.ts';

export type OutgoingNews = Extract<ChannelNews, { readonly tag: 'htlc-offered' | 'add-refused' | 'htlc-fulfilled' | 'htlc-failed' }>;
export type Outgoing = {
  readonly answer: (news: OutgoingNews) => Promise<void>;
  readonly notes: readonly Note[];
  readonly writes: () => readonly Write[];
  readonly settings: () => Partial<Settings>;
};

/** `offering`: a payment that this round offers parts of; written with it, whatever the channels answer. */
export function openOutgoing(ports: Ports, offering: PaymentRecord | undefined): Outgoing {
  const payments = new Map<string, PaymentRecord>(offering ? [[offering.id, offering]] : []);
  const notes: Note[] = [];
  let liquidity: Settings['liquidity'] | undefined;

  const byName = async (name: string): Promise<readonly [PaymentRecord | undefined, number]> => {
    const { id, n } = partOfName(name);
    return [payments.get(id) ?? (await ports.db.get('payments', id)), n];
  };
  const byHtlc = async (channelId: Uint8Array, id: bigint): Promise<readonly [PaymentRecord | undefined, number]> => {
    const key = htlcKey(channelId, id);
    const stored = await ports.db.getAllFromIndex('payments', 'htlc', key);
    const record = [...payments.values()].find(({ htlcs }) => htlcs.includes(key)) ?? stored.find((one) => !payments.has(one.id));
    return [record, record?.life.parts.find(({ htlc }) => htlc === key)?.n ?? -1];
  };
  const tell = async (record: PaymentRecord | undefined, channelId: Uint8Array, command: PaymentCommand): Promise<void> => {
    if (record === undefined) return;
    const { payment, effects } = stepPayment(record.life, command, { nowMs: ports.now() });
    if (payment === record.life) return;
    payments.set(record.id, withLife(record, payment, ports.now()));
    for (const effect of effects) {
      if (effect.tag === 'note') notes.push(...noteOf(payment, channelId));
      if (effect.tag === 'learn')
        liquidity = learn(liquidity ?? (await setting(ports.db, 'liquidity')), effect.lesson, Math.floor(ports.now() / 1_000));
    }
  };

  return {
    async answer(news) {
      const { channelId } = news;
      switch (news.tag) {
        case 'htlc-offered': {
          const [payment, n] = await byName(news.request);
          return tell(payment, channelId, { tag: 'offered', n, htlc: htlcKey(channelId, news.id) });
        }
        case 'add-refused': {
          const [payment, n] = await byName(news.request);
          return tell(payment, channelId, { tag: 'refused', n, code: news.error.code });
        }
        case 'htlc-fulfilled': {
          // The peer says it again after a reconnection: then no part has that HTLC any more.
          const [payment, n] = await byHtlc(channelId, news.id);
          return tell(payment, channelId, { tag: 'part-fulfilled', n, preimage: news.preimage });
        }
        case 'htlc-failed': {
          const [payment, n] = await byHtlc(channelId, news.id);
          const { removal } = news;
          if (removal?.kind === 'fulfill') return tell(payment, channelId, { tag: 'part-fulfilled', n, preimage: removal.preimage });
          return tell(payment, channelId, { tag: 'part-failed', n, ...(removal ? { end: removal } : {}) });
        }
      }
    },
    notes,
    writes: () => [...payments.values()].map((value): Write => ({ store: 'payments', value })),
    settings: () => (liquidity === undefined ? {} : { liquidity }),
  };
}

/** Nobody is told of probes. */
export function noteOf({ kind, state, amountMsat, failure }: Payment, channelId?: Uint8Array): readonly Note[] {
  if (kind === 'probe') return [];
  const about = { amountSat: amountMsat / 1_000n, ...(channelId === undefined ? {} : { channelId }) };
  if (state === 'sent') return [{ kind: 'payment-sent', ...about }];
  return [{ kind: 'payment-failed', ...about, ...(failure === undefined ? {} : { detail: failure }) }];
}
