/**
 * What a route search is asked, and what it answers. Amounts are what BOLT 7 § HTLC Fees and BOLT 4's payloads count: whole msat, hop by hop.
 *
 * Callers must still: hold `finalCltv` and `maxCltvExpiry` against the height of their own chain, offer at most what their channels let them
 * (`sendableMsat` is of one HTLC alone), and believe of a route only that it obeys what strangers have said.
 */
import type { Graph } from '../gossip/graph.ts';
import type { RouteHintHop } from '../invoice/invoice.ts';
import type { RouteHtlc } from '../onion/route.ts';
import type { EdgeName, Liquidity } from './liquidity.ts';

/** One of our own channels, as a first hop: free of fees, and what it can send is known. */
export type LocalChannel = {
  /** Our name for it in the search; it never leaves the app. */
  readonly shortChannelId: bigint;
  readonly peerId: Uint8Array;
  readonly sendableMsat: bigint;
  /** The least that the peer takes. */
  readonly htlcMinimumMsat?: bigint;
  /** The channel id in hex. */
  readonly key: string;
};

/** A blinded path as one edge, from its introduction node to the payee; BOLT 12's `blinded_payinfo`. */
export type BlindedTail = {
  readonly introduction: Uint8Array;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimumMsat: bigint;
  readonly htlcMaximumMsat: bigint;
};

/** What nodes, and edges by their names, are to be left alone for this payment. */
export type Avoided = { readonly nodes?: readonly Uint8Array[]; readonly edges?: readonly EdgeName[] };

export type RouteQuery = {
  readonly graph: Graph;
  readonly locals: readonly LocalChannel[];
  /** Our own id: no route leads through ourselves. */
  readonly payer?: Uint8Array;
  /** Not looked at when there are `blinded` tails. */
  readonly payee: Uint8Array;
  /** What is to arrive, of all parts together. */
  readonly amountMsat: bigint;
  /** Absolute, at the payee. */
  readonly finalCltv: number;
  readonly hints: readonly (readonly RouteHintHop[])[];
  /** When there are any, every route ends in one of them. One that begins at ourselves is no use here. */
  readonly blinded?: readonly BlindedTail[];
  /** Of all parts together. */
  readonly maxFeeMsat: bigint;
  /** Absolute, of what we offer ourselves. */
  readonly maxCltvExpiry: number;
  readonly maxParts: number;
  readonly liquidity: Liquidity;
  /** Seconds since 1970. */
  readonly now: number;
  readonly avoid?: Avoided;
  /** Parts of the same payment that are on their way: they take room on the channels past our own. */
  readonly inFlight?: readonly (readonly RouteHtlc[])[];
  /** Nodes that get a layer of the onion; 20 unless a payload at the end is large. */
  readonly maxHops?: number;
};

export type Route = {
  readonly via: LocalChannel;
  /** The first is over `via`. With a blinded tail, the last one goes to the introduction node. */
  readonly htlcs: readonly RouteHtlc[];
  /** Arrives at the payee. */
  readonly amountMsat: bigint;
  readonly feeMsat: bigint;
  /** Of the first HTLC. */
  readonly cltvExpiry: number;
  /** By the model of `chance.ts` and what was learned; of a million. */
  readonly successPpm: number;
  /** Which one of `blinded`. */
  readonly blinded?: number;
};

export type RouteError =
  /** Zero, or more than can be counted in exact numbers. */
  | { readonly code: 'amount-invalid' }
  /** Our own channels cannot send that much, or not the fees with it. */
  | { readonly code: 'not-enough'; readonly detail: { readonly sendableMsat: bigint; readonly neededMsat: bigint } }
  /** There are routes, for this. */
  | { readonly code: 'fee-too-high'; readonly detail: { readonly feeMsat: bigint } }
  /** There are routes, that might hold our money until then. */
  | { readonly code: 'expiry-too-far'; readonly detail: { readonly cltvExpiry: number } }
  /** There are routes, for so many parts. */
  | { readonly code: 'too-many-parts'; readonly detail: { readonly parts: number } }
  /** Nobody leads there: not with that amount. `reachable`: a smaller one would get through. */
  | { readonly code: 'no-route'; readonly detail: { readonly reachable: boolean } };
