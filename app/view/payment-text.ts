/** What a payment is called, and how it looks in a list. */
import type { Catalogue } from '../i18n/index.ts';
import type { PaymentView, PeerView } from '../runtime/api.ts';
import { clean, shortId } from './format.ts';

/** The name that we gave the node where it is a peer of ours, else both ends of its id. */
export function nodeName(nodeId: string, peers: readonly PeerView[]): string {
  const alias = peers.find((peer) => peer.peerId === nodeId)?.alias ?? '';
  return alias === '' ? shortId(nodeId) : clean(alias, 40);
}

export function paymentTitle(payment: PaymentView, peers: readonly PeerView[], t: Catalogue): string {
  const description = clean(payment.description ?? '', 80);
  if (description !== '') return description;
  if (payment.direction === 'out') return payment.payee === undefined ? t.pay.one : t.pay.toNode(nodeName(payment.payee, peers));
  return payment.kind === 'keysend' ? t.pay.keysendIn : t.pay.fromSomebody;
}

export const paymentTone = ({ state }: PaymentView): 'good' | 'warn' | 'bad' | 'plain' => {
  if (state === 'paid' || state === 'sent') return 'good';
  if (state === 'failed') return 'bad';
  return state === 'expired' ? 'plain' : 'warn';
};

/** Money has moved, or is moving: only such an amount carries a sign. */
export const isMoney = ({ state }: PaymentView): boolean => state !== 'open' && state !== 'expired' && state !== 'failed';
export const paymentSign = (payment: PaymentView): '' | '+' | '−' => (isMoney(payment) ? (payment.direction === 'in' ? '+' : '−') : '');
