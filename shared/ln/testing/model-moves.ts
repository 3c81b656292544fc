/** What can be done to a line of nodes, as plain values: a failing schedule is a list of these. */
import type { PartyName } from './pair.ts';

/** `at`: which channel of the line. `pick` is taken modulo what there is to pick from. */
export type Move =
  /** A payment from one end towards the other: over as many channels as there are, or back. `hash`: few, so that some are equal. */
  | { readonly move: 'pay'; readonly from: PartyName; readonly amountMsat: bigint; readonly hash: number }
  | { readonly move: 'end'; readonly pick: number; readonly how: Ending }
  | { readonly move: 'fee'; readonly at: number; readonly feeratePerKw: number }
  | { readonly move: 'deliver'; readonly at: number; readonly to: PartyName; readonly count: number }
  | { readonly move: 'flush'; readonly at: number; readonly who: PartyName }
  /** Both sign what is due, and up to `count` messages reach each of them. */
  | { readonly move: 'dance'; readonly at: number; readonly count: number }
  | { readonly move: 'cut'; readonly at: number }
  /** One side hears of the end of the connection, the other not yet. */
  | { readonly move: 'half-cut'; readonly at: number; readonly who: PartyName }
  /** A new connection where there is none; `greet`: the first messages of both get through at once. */
  | { readonly move: 'connect'; readonly at: number; readonly greet: boolean }
  | { readonly move: 'clock'; readonly ms: number }
  /** `pick`: which transactions that wait are in the first of them, and who hears of them first. */
  | { readonly move: 'blocks'; readonly count: number; readonly pick: number }
  /** `forgotten`: what was in the blocks does not wait to be mined again. */
  | { readonly move: 'reorg'; readonly depth: number; readonly forgotten: boolean; readonly pick: number }
  /** The funding transaction leaves the best chain, and is in it again further up. */
  | { readonly move: 'funding-reorg'; readonly at: number; readonly who: PartyName }
  | { readonly move: 'close'; readonly at: number; readonly who: PartyName; readonly feeratePerKw: number }
  /** `asleep`: the other side hears nothing of the chain until the end of the schedule. */
  | { readonly move: 'force-close'; readonly at: number; readonly who: PartyName; readonly asleep: boolean };

export type Ending = 'fulfill' | 'fail' | 'malformed';

export const otherParty = (name: PartyName): PartyName => (name === 'alice' ? 'bob' : 'alice');
export const partyNames = ['alice', 'bob'] as const;
