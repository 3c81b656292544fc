/** What comes out of one channel besides its next state. */
import type { ArchivedHtlc } from '../onchain/types.ts';
import type { ChannelError } from './error.ts';
import type { Attribution, Htlc, Removal } from './htlc.ts';
import type { OutMessage } from './message.ts';

export type NoteKind =
  /** Needs the user. */
  | 'open-asked'
  | 'open-approved'
  | 'open-signed-alone'
  | 'open-denied'
  | 'open-refused'
  | 'open-expired'
  | 'funding-signed'
  | 'channel-confirmed'
  | 'channel-ready'
  | 'channel-reestablished'
  /** Given up before it held anything: the prompt, if there was one, is void. */
  | 'channel-abandoned'
  | 'channel-failed'
  | 'peer-error'
  | 'peer-warning'
  | 'peer-shutdown'
  | 'channel-closing'
  | 'close-seen'
  | 'revoked-seen'
  | 'output-claimed'
  | 'output-lost'
  | 'coins-needed'
  | 'claim-refused'
  | 'close-resolved'
  | 'payment-received'
  | 'payment-sent'
  | 'payment-failed'
  /** `detail`: what it earned, in msat. */
  | 'payment-forwarded'
  | 'fault';

/** Something a person may want to know; the runtime writes it to the activity log and makes the notification of it. */
export type Note = {
  readonly kind: NoteKind;
  readonly channelId?: Uint8Array;
  readonly amountSat?: bigint;
  /** Text that came from the peer is cleaned of control and bidi characters and cut before it gets here. */
  readonly detail?: string;
  readonly deadlineMs?: number;
};

export type Refusal = { readonly temporaryChannelId: Uint8Array; readonly errorText: string };

/** What the channel tells whoever pays or is paid through it, and asks of the runtime. Each is handled in the commit of its step. */
export type ChannelNews =
  | { readonly tag: 'htlc-offered'; readonly channelId: Uint8Array; readonly request: string; readonly id: bigint }
  | { readonly tag: 'add-refused'; readonly channelId: Uint8Array; readonly request: string; readonly error: ChannelError }
  /** Irrevocably committed. `overExposed`: it must be failed, the channel risks too much in dust. */
  | { readonly tag: 'htlc-received'; readonly channelId: Uint8Array; readonly htlc: Htlc; readonly overExposed: boolean }
  /** An HTLC of ours: the preimage is known. Said at once, and again on chain if it comes from there. */
  | {
      readonly tag: 'htlc-fulfilled';
      readonly channelId: Uint8Array;
      readonly id: bigint;
      readonly preimage: Uint8Array;
      readonly attribution?: Attribution;
    }
  /** An HTLC of ours is back with us for good. No `removal`: it never left, or the chain gave it back. */
  | { readonly tag: 'htlc-failed'; readonly channelId: Uint8Array; readonly id: bigint; readonly removal?: Removal }
  /** An HTLC of the peer's that we fulfilled: the peer can no longer take it back. */
  | { readonly tag: 'htlc-claimed'; readonly channelId: Uint8Array; readonly htlc: Htlc }
  /** To be kept apart, under channel and number: the HTLC outputs of a commitment that the peer has just revoked. */
  | { readonly tag: 'keep-archive'; readonly channelId: Uint8Array; readonly number: bigint; readonly htlcs: readonly ArchivedHtlc[] }
  | { readonly tag: 'need-archive'; readonly channelId: Uint8Array; readonly number: bigint }
  /** A transaction is wanted that pays `amountSat` to the script; answered by `funded` or `not-funded`. */
  | {
      readonly tag: 'fund';
      readonly temporaryChannelId: Uint8Array;
      readonly scriptPubKey: Uint8Array;
      readonly amountSat: bigint;
      readonly feeratePerKw: number;
    };

export type ChannelEffect =
  | { readonly tag: 'send'; readonly msg: OutMessage }
  /** Said before, and said again byte for byte. */
  | { readonly tag: 'repeat'; readonly bytes: Uint8Array }
  | ChannelNews
  | { readonly tag: 'note'; readonly note: Note }
  /**
   * The user's will, said once: the same offer again on this connection meets the same words and nobody is asked again.
   * LDK repeats a refused `open_channel` under the same temporary id with a lesser channel type.
   */
  | { readonly tag: 'remember-refusal'; readonly refusal: Refusal }
  /** Ends the transport, after what was sent has been delivered. */
  | { readonly tag: 'disconnect'; readonly reason: string };

export const send = (msg: OutMessage): ChannelEffect => ({ tag: 'send', msg });
export const note = (of: Note): ChannelEffect => ({ tag: 'note', note: of });
