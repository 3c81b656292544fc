/** What can be done to nodes that pay each other, as plain values: a failing schedule is a list of these. */
import type { PartyName } from './pair.ts';

/** Which nodes each channel joins: alice's and bob's. */
export type Edge = { readonly [P in PartyName]: number };
export const shapes = {
  pair: [{ alice: 0, bob: 1 }],
  /** Two channels, each over a connection of its own. */
  twin: [
    { alice: 0, bob: 1 },
    { alice: 1, bob: 0 },
  ],
  line: [
    { alice: 0, bob: 1 },
    { alice: 1, bob: 2 },
  ],
  triangle: [
    { alice: 0, bob: 1 },
    { alice: 1, bob: 2 },
    { alice: 0, bob: 2 },
  ],
} as const satisfies { readonly [name: string]: readonly Edge[] };
export type Shape = keyof typeof shapes;

/** `wise`: what each channel can send. `blind`: whatever falls to it. The rest are plans that no payment may follow. */
export type PlanKind = 'wise' | 'blind' | 'none' | 'short' | 'dear' | 'unsound';
export type Plan = {
  readonly kind: PlanKind;
  /** One part for each: its weight. */
  readonly shares: readonly number[];
  /** Which way the first takes. */
  readonly turn: number;
  /** Of each hop. */
  readonly feeMsat: bigint;
};

/** How a node treats what it is to pass on. `shave`: less than it was told. `spoil`: failures that nobody can read. */
export type Mood = 'honest' | 'fail' | 'malformed' | 'shave' | 'spoil';

/** Nodes, channels and picks are taken modulo what there is. */
export type PayMove =
  | {
      readonly move: 'pay';
      readonly from: number;
      /** How many nodes on from there. */
      readonly to: number;
      readonly amountMsat: bigint;
      readonly maxParts: number;
      readonly plan: Plan;
    }
  /** An invoice of before, with a new payment of any node: refused while another one of that node is under way, or has paid it. */
  | { readonly move: 'pay-again'; readonly pick: number; readonly by: number }
  /** One turn of a payment: what it wants next is done, or answered by the plan. */
  | { readonly move: 'drive'; readonly pick: number; readonly plan: Plan }
  /** Decides on the node's sets, and tells the channels of `channels` (bits) what is decided. */
  | { readonly move: 'carry'; readonly node: number; readonly channels: number }
  | { readonly move: 'mood'; readonly node: number; readonly mood: Mood }
  | { readonly move: 'cancel-payment' | 'cancel-invoice'; readonly pick: number }
  | { readonly move: 'deliver'; readonly at: number; readonly to: PartyName; readonly count: number }
  | { readonly move: 'dance'; readonly at: number; readonly count: number }
  /** Everything that is said is heard, and every node carries out and drives. */
  | { readonly move: 'rest'; readonly plan: Plan }
  | { readonly move: 'cut'; readonly at: number }
  | { readonly move: 'half-cut'; readonly at: number; readonly who: PartyName }
  | { readonly move: 'connect'; readonly at: number }
  /** A message reaches that side, whose node dies before or after its commit. */
  | { readonly move: 'die'; readonly at: number; readonly who: PartyName; readonly when: 'before' | 'after' }
  | { readonly move: 'clock'; readonly ms: number }
  /** Blocks, or none: everybody looks at the chain. */
  | { readonly move: 'look'; readonly blocks: number }
  | { readonly move: 'close'; readonly at: number; readonly who: PartyName; readonly feeratePerKw: number }
  | { readonly move: 'force-close'; readonly at: number; readonly who: PartyName };
