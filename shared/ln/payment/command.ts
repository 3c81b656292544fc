/** What comes in to a payment, and what comes out of it. */
import type { AttributionData } from '../onion/attribution.ts';
import type { RouteHtlc } from '../onion/route.ts';
import type { EdgeName, Policy } from '../route/liquidity.ts';
import type { Part, PaymentFailure } from './payment.ts';

/** A way for one part. `htlcs[0]` is over our channel of that id (hex). */
export type PlannedRoute = { readonly channel: string; readonly amountMsat: bigint; readonly htlcs: readonly RouteHtlc[] };

/** How the peer ended an HTLC of ours that was not paid, as BOLT 2 says it. */
export type PartEnd =
  | {
      readonly kind: 'fail';
      readonly reason: Uint8Array;
      readonly attribution?: AttributionData;
    }
  | { readonly kind: 'fail-malformed'; readonly sha256OfOnion: Uint8Array; readonly failureCode: number };

export type PaymentCommand =
  /** What is to be done now? Both the same: a beginning is a moment like any other. */
  | { readonly tag: 'begin' | 'tick' }
  /** The answer to `route-wanted`: together exactly what was wanted. */
  | { readonly tag: 'routes'; readonly routes: readonly PlannedRoute[] }
  | { readonly tag: 'no-route'; readonly code: PaymentFailure }
  /** The onion of a planned part is made. Another one before it is offered takes its place. */
  | { readonly tag: 'sealed'; readonly n: number; readonly sharedSecrets: readonly Uint8Array[] }
  | { readonly tag: 'offered'; readonly n: number; readonly htlc: string }
  /** It could not be offered. */
  | { readonly tag: 'refused'; readonly n: number; readonly code: string }
  /** Its HTLC is back with us for good. Without `end`: it never left, or the chain gave it back. */
  | { readonly tag: 'part-failed'; readonly n: number; readonly end?: PartEnd }
  | { readonly tag: 'part-fulfilled'; readonly n: number; readonly preimage: Uint8Array }
  /** Nothing more is to be tried. What is in flight cannot be taken back. */
  | { readonly tag: 'cancel' };

/** What a part taught of the network. */
export type Lesson =
  /** That much was passed on, and came back. */
  | { readonly tag: 'passed'; readonly edge: EdgeName; readonly amountMsat: bigint }
  /** That much is on the other side now. */
  | { readonly tag: 'settled'; readonly edge: EdgeName; readonly amountMsat: bigint }
  /** That much was not passed on. */
  | { readonly tag: 'stuck'; readonly edge: EdgeName; readonly amountMsat: bigint }
  /** Nothing goes through for now. */
  | { readonly tag: 'shut'; readonly edge: EdgeName }
  /** What the edge's own node says of it. Told to nobody else. */
  | { readonly tag: 'policy'; readonly edge: EdgeName; readonly policy: Policy };

export type PaymentEffect =
  | {
      readonly tag: 'route-wanted';
      readonly amountMsat: bigint;
      readonly maxFeeMsat: bigint;
      readonly maxParts: number;
      /** Where answers were spoilt, or told the same twice: not proved against anybody, and not asked again for this payment. */
      readonly avoidEdges: readonly EdgeName[];
      /** Channels of ours that refused a part. */
      readonly avoidChannels: readonly string[];
    }
  | { readonly tag: 'offer'; readonly part: Part }
  | { readonly tag: 'learn'; readonly lesson: Lesson }
  | { readonly tag: 'note'; readonly note: 'sent' | 'failed' };
