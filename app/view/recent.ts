/** What happened last, events and payments in one list. */
import type { ActivityView, PaymentView } from '../runtime/api.ts';

/** How many are shown, and how many of each are read for it: some fall out. */
export const RECENT = 5;
export const RECENT_READ = 15;

export type Recent =
  | { readonly key: string; readonly event: ActivityView; readonly payment?: undefined }
  | { readonly key: string; readonly payment: PaymentView; readonly event?: undefined };
const timeOf = ({ event, payment }: Recent): number => (event ? event.atMs : (payment.endedAtMs ?? payment.atMs));

/** A payment stands for the events that tell of it. An invoice that nobody has begun to pay is no event. */
export function latest(events: readonly ActivityView[], payments: readonly PaymentView[], count: number): readonly Recent[] {
  const all: readonly Recent[] = [
    ...events.filter(({ kind }) => !kind.startsWith('payment-')).map((event) => ({ key: `e${event.id}`, event })),
    ...payments
      .filter(({ state }) => state !== 'open' && state !== 'expired')
      .map((payment) => ({ key: `${payment.direction} ${payment.id}`, payment })),
  ];
  return [...all].sort((a, b) => timeOf(b) - timeOf(a)).slice(0, count);
}
