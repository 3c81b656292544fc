/**
 * Routes for a payment, from what this node knows: its own channels, the invoice, the graph, and what payments have taught. Nothing here runs
 * unless a payment asks.
 */
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../../shared/lib/result.ts';
import { sendableMsat } from '../../../shared/ln/channel/updates.ts';
import type { Invoice } from '../../../shared/ln/invoice/invoice.ts';
import { parseInvoice } from '../../../shared/ln/invoice/parse.ts';
import { recover, verify } from '../../../shared/ln/keys/secp.ts';
import { MAX_HTLC_CLTV } from '../../../shared/ln/onion/checks.ts';
import type { PaymentEffect } from '../../../shared/ln/payment/command.ts';
import { type PaymentFailure, partsIn } from '../../../shared/ln/payment/payment.ts';
import { findRoutes } from '../../../shared/ln/route/find.ts';
import { noLiquidity } from '../../../shared/ln/route/liquidity.ts';
import type { LocalChannel, Route, RouteError } from '../../../shared/ln/route/query.ts';
import type { PaymentRecord } from '../../store/schema.ts';
import { setting } from '../../store/store.ts';
import { loadGraph, refreshGraph } from '../graph.ts';
import { networkOf } from '../network.ts';
import { livePeers } from '../peers.ts';
import type { Ports } from '../ports.ts';

export type Wanted = Extract<PaymentEffect, { readonly tag: 'route-wanted' }>;
/** When no way is found, the way may be newer than a graph of this age. */
const STALE_GRAPH_MS = 10_000;

export type NoRoute = { readonly code: PaymentFailure; readonly detail: string };

/** Undefined: there is none, or it cannot be read (any more). */
export async function invoiceOf(ports: Ports, { text }: Pick<PaymentRecord, 'text'>): Promise<Invoice | undefined> {
  if (text === undefined) return undefined;
  const parsed = parseInvoice(text, networkOf(await setting(ports.db, 'network')).name, { recover, verify });
  return parsed.ok ? parsed.value : undefined;
}

/** Our channels that could carry a payment now. */
async function localChannels(ports: Ports, avoid: readonly string[]): Promise<readonly LocalChannel[]> {
  return (await livePeers(ports)).flatMap(({ record, state }) =>
    state.channels.flatMap((channel): LocalChannel[] => {
      if (channel.tag !== 'normal') return [];
      const { channelId, terms } = channel.commitments;
      const key = toHex(channelId);
      if (avoid.includes(key)) return [];
      return [
        {
          shortChannelId: BigInt(`0x${key.slice(0, 16)}`),
          peerId: fromHex(record.peerId),
          sendableMsat: sendableMsat(channel.commitments),
          htlcMinimumMsat: terms.remote.htlcMinimumMsat,
          key,
        },
      ];
    }),
  );
}

/** By the graph that is here; where it knows no way, by what the relay has now. */
export async function routesFor(ports: Ports, record: PaymentRecord, wanted: Wanted): Promise<Result<readonly Route[], NoRoute>> {
  const found = await search(ports, record, wanted);
  if (found.ok || found.error.code !== 'no-route') return found;
  const refreshed = await refreshGraph(ports, STALE_GRAPH_MS);
  return refreshed.ok && refreshed.value === 'updated' ? search(ports, record, wanted) : found;
}

async function search(ports: Ports, record: PaymentRecord, wanted: Wanted): Promise<Result<readonly Route[], NoRoute>> {
  const { life, finalCltvDelta } = record;
  const [locals, invoice, graph, liquidity, chain, keys] = await Promise.all([
    localChannels(ports, wanted.avoidChannels),
    invoiceOf(ports, record),
    loadGraph(ports),
    setting(ports.db, 'liquidity'),
    setting(ports.db, 'chain'),
    ports.keys(),
  ]);
  const height = chain?.height ?? 0;
  const found = findRoutes({
    graph,
    locals,
    ...(keys === undefined ? {} : { payer: fromHex(keys.nodeId()) }),
    payee: fromHex(life.payee),
    amountMsat: wanted.amountMsat,
    finalCltv: height + finalCltvDelta,
    hints: invoice?.routeHints ?? [],
    maxFeeMsat: wanted.maxFeeMsat,
    maxCltvExpiry: height + MAX_HTLC_CLTV,
    maxParts: wanted.maxParts,
    liquidity: liquidity ?? noLiquidity,
    now: Math.floor(ports.now() / 1_000),
    avoid: { edges: wanted.avoidEdges },
    inFlight: partsIn(life, 'in-flight').map(({ htlcs }) => htlcs),
  });
  if (!found.ok) return err(noRoute(found.error, locals));
  return ok(found.value);
}

function noRoute(error: RouteError, locals: readonly LocalChannel[]): NoRoute {
  switch (error.code) {
    case 'not-enough':
      return locals.length === 0
        ? { code: 'no-route', detail: 'no channel that can be used now' }
        : { code: 'not-enough', detail: `${error.detail.sendableMsat} msat can be sent, ${error.detail.neededMsat} are needed` };
    case 'fee-too-high':
      return { code: 'fee-too-high', detail: error.detail.feeMsat.toString() };
    case 'amount-invalid':
    case 'expiry-too-far':
    case 'too-many-parts':
    case 'no-route':
      return { code: 'no-route', detail: error.code };
  }
}
