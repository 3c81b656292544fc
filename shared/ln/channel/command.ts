/** What comes in to one channel. */

import type { ArchivedHtlc } from '../onchain/types.ts';
import type { Outpoint } from '../tx/commitment.ts';
import type { RemovalRequest } from './htlc.ts';
import type { ChannelMessage } from './message.ts';
import type { AddRequest } from './updates.ts';

/** A fact about the chain that the runtime has already proved (header work, links, merkle proof, output value and script). */
export type ChainEvent =
  /** The funding output exists as agreed and is buried: depth 1 is "in the tip block". */
  | {
      readonly tag: 'funding-confirmed';
      readonly outpoint: Outpoint;
      readonly height: number;
      readonly txIndex: number;
      readonly depth: number;
    }
  /** It was confirmed and a re-org took it out of the best chain. */
  | { readonly tag: 'funding-reorged'; readonly outpoint: Outpoint }
  /** A transaction with that txid is in the chain, but the output is not the one agreed (CVE-2019-12998 class). */
  | { readonly tag: 'funding-wrong'; readonly outpoint: Outpoint; readonly detail: string }
  /** An output that the channel watches was spent: the funding output, or one of a commitment in the chain. The whole transaction. */
  | {
      readonly tag: 'spent';
      readonly outpoint: Outpoint;
      readonly txid: Uint8Array;
      readonly transaction: Uint8Array;
      readonly height: number;
    }
  /** Blocks above this height left the best chain, and spends in them are no more. */
  | { readonly tag: 'reorged'; readonly height: number }
  /** Seen unconfirmed: believed for the preimages in it only. */
  | { readonly tag: 'seen'; readonly outpoint: Outpoint; readonly transaction: Uint8Array };

export type ChannelCommand =
  | { readonly tag: 'recv'; readonly msg: ChannelMessage }
  /** The peer's `error` for this channel or for all; `detail` is already cleaned. */
  | { readonly tag: 'peer-error'; readonly detail: string }
  /** The user's answer to the prompt. */
  | { readonly tag: 'answer'; readonly approve: boolean }
  | { readonly tag: 'chain'; readonly event: ChainEvent }
  /** Time or height moved on: deadlines are looked at. */
  | { readonly tag: 'tick' }
  /** Offer an HTLC. `request` names it in the answer (`htlc-offered` or `add-refused`). */
  | ({ readonly tag: 'add'; readonly request: string } & AddRequest)
  /** End an HTLC of the peer's. Repeating it is harmless. */
  | { readonly tag: 'remove'; readonly id: bigint; readonly removal: RemovalRequest }
  /** The opener's new feerate. */
  | { readonly tag: 'set-fee'; readonly feeratePerKw: number }
  /** The end of a batch: what is due is signed now, once for all of it. */
  | { readonly tag: 'flush' }
  /** Cooperatively, to our wallet or to a script of the user's; `feeratePerKw` of the closing transaction. */
  | { readonly tag: 'close'; readonly feeratePerKw: number; readonly scriptPubKey?: Uint8Array }
  /** By our own commitment. */
  | { readonly tag: 'force-close' }
  /** The answer to `fund`: a whole signed transaction, not published yet. */
  | { readonly tag: 'funded'; readonly transaction: Uint8Array; readonly vout: number }
  /** The funding transaction cannot be made. */
  | { readonly tag: 'not-funded'; readonly detail: string }
  /** The answer to `need-archive`. */
  | { readonly tag: 'archive'; readonly number: bigint; readonly htlcs: readonly ArchivedHtlc[] }
  /** `init` went both ways. */
  | { readonly tag: 'connected' }
  | { readonly tag: 'disconnected' };
