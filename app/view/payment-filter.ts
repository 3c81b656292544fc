/** Which payments of a list are shown. */
import type { PaymentView } from '../runtime/api.ts';

export type Direction = 'all' | 'in' | 'out';
export type StateFilter = 'any' | 'done' | 'waiting' | 'failed';
export const directions: readonly Direction[] = ['all', 'in', 'out'];
export const stateFilters: readonly StateFilter[] = ['any', 'done', 'waiting', 'failed'];

const filterOf: { readonly [S in PaymentView['state']]: StateFilter } = {
  open: 'waiting',
  holding: 'waiting',
  settling: 'waiting',
  pending: 'waiting',
  paid: 'done',
  sent: 'done',
  failed: 'failed',
  expired: 'failed',
};
export const hasState = ({ state }: PaymentView, filter: StateFilter): boolean => filter === 'any' || filterOf[state] === filter;

/** What of a further page is new; the page begins with those of the last one's very millisecond. */
export function following(known: readonly PaymentView[], page: readonly PaymentView[]): readonly PaymentView[] {
  const ids = new Set(known.map(({ direction, id }) => `${direction} ${id}`));
  return page.filter(({ direction, id }) => !ids.has(`${direction} ${id}`));
}
