/** A payment of ours as a page sees it. */
import { cleanDescription } from '../../../shared/ln/invoice/description.ts';
import { paidFeeMsat } from '../../../shared/ln/payment/machine.ts';
import { feeOf, type Part, peerOf } from '../../../shared/ln/payment/payment.ts';
import type { PaymentRecord } from '../../store/schema.ts';
import { loadPeers } from '../../store/store.ts';
import type { PartView, PaymentView } from '../api.ts';
import type { Ports } from '../ports.ts';

/** By peer id. */
export type Aliases = ReadonlyMap<string, string>;
export const aliasesOf = async ({ db }: Pick<Ports, 'db'>): Promise<Aliases> =>
  new Map((await loadPeers(db)).map(({ peerId, alias }) => [peerId, alias]));

export function paymentView(record: PaymentRecord, aliases: Aliases): PaymentView {
  const { id, createdAtMs, endedAtMs, text, description, life } = record;
  return {
    id,
    direction: 'out',
    kind: life.kind === 'keysend' ? 'keysend' : 'invoice',
    paymentHash: life.paymentHash,
    amountMsat: life.amountMsat.toString(),
    feeMsat: paidFeeMsat(life).toString(),
    ...(description === undefined ? {} : { description: cleanDescription(description) }),
    ...(life.payee === '' ? {} : { payee: life.payee }),
    ...(text === undefined ? {} : { text }),
    atMs: createdAtMs,
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    state: life.state,
    ...(life.preimage === undefined ? {} : { preimage: life.preimage }),
    ...(life.state === 'failed' && life.failure !== undefined ? { failure: life.failure } : {}),
    parts: life.parts.map((part) => partView(part, aliases)),
  };
}

function partView(part: Part, aliases: Aliases): PartView {
  const { n, amountMsat, state, htlcs, failure } = part;
  const expiryHeight = htlcs[0]?.cltvExpiry ?? 0;
  return {
    n,
    amountMsat: amountMsat.toString(),
    feeMsat: feeOf(part).toString(),
    state,
    hops: htlcs.length,
    peerAlias: aliases.get(peerOf(part)) ?? '',
    ...(expiryHeight > 0 ? { expiryHeight } : {}),
    ...(failure === undefined ? {} : { failure: failure.hop === undefined ? failure.code : `${failure.code} at hop ${failure.hop}` }),
  };
}
