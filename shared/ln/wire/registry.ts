/** Every message of BOLT 1, 2 and 7 (and BOLT 4's `onion_message`), and the codec over all of them. */
import type { Result } from '../../lib/result.ts';
import type { WireError } from './cursor.ts';
import { type Message, messageType, registry, type UnknownMessage } from './message.ts';
import { closeMessages } from './messages/close.ts';
import { commitMessages } from './messages/commit.ts';
import { gossipMessages } from './messages/gossip.ts';
import { interactiveMessages } from './messages/interactive.ts';
import { openMessages } from './messages/open.ts';
import { open2Messages } from './messages/open2.ts';
import { setupMessages } from './messages/setup.ts';
import { spliceMessages } from './messages/splice.ts';

export type { WireError, WireErrorCode } from './cursor.ts';
export { MAX_MESSAGE_BYTES, type Message, messageType, registry, type UnknownMessage } from './message.ts';

/** What a node without dual funding and splicing meets. */
export const peerMessages = [...setupMessages, ...openMessages, ...commitMessages, ...closeMessages, ...gossipMessages] as const;
export const allMessages = [...peerMessages, ...open2Messages, ...interactiveMessages, ...spliceMessages] as const;

export type PeerMessage = Message<(typeof peerMessages)[number]>;
export type AnyMessage = Message<(typeof allMessages)[number]>;

const all = registry(allMessages);

/** Whole message, type included. Throws when a value does not fit its field: our own bug. */
export function encodeMessage(msg: AnyMessage | UnknownMessage): Uint8Array {
  return all.encode(msg);
}

/** Never throws. An odd unknown type comes back as `{ name: 'unknown' }`, an even one is the error `unknown-even`. */
export function decodeMessage(bytes: Uint8Array): Result<AnyMessage | UnknownMessage, WireError> {
  return all.decode(bytes);
}

/** What a message is, from its type alone; the rest is not looked at. */
export function messageName(bytes: Uint8Array): AnyMessage['name'] | 'unknown' {
  const type = messageType(bytes);
  return allMessages.find((def) => def.type === type)?.name ?? 'unknown';
}
