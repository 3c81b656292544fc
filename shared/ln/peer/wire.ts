/** The messages that this node knows. Dual funding and splicing are not negotiated, so their even messages are unknown. BOLT 1. */
import { type PeerMessage, peerMessages, registry } from '../wire/registry.ts';

export type { PeerMessage } from '../wire/registry.ts';
export const { encode, decode } = registry(peerMessages);
export type Init = Extract<PeerMessage, { readonly name: 'init' }>;
