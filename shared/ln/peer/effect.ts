/** What goes out of the peer machine besides the outbox, which is part of its state. */
import type { ChannelNews, Note } from '../channel/effect.ts';
import type { ChannelError } from '../channel/error.ts';
import type { PeerPolicy } from './policy.ts';

export type { ChannelNews, Note, NoteKind } from '../channel/effect.ts';

export type PeerEffect =
  | { readonly tag: 'note'; readonly note: Note }
  /** Ends the transport, after the outbox has been delivered. */
  | { readonly tag: 'disconnect'; readonly reason: string }
  | { readonly tag: 'opening'; readonly request: string; readonly temporaryChannelId: Uint8Array }
  | { readonly tag: 'open-refused'; readonly request: string; readonly error: ChannelError | { readonly code: 'not-connected' } }
  /** What the peer asks for passing payments on to us, over one channel. */
  | { readonly tag: 'peer-policy'; readonly policy: PeerPolicy }
  | ChannelNews;
