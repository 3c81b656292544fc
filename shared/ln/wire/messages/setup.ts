/** BOLT 1: setup, control and peer storage. Extensions of messages that only inform are kept unread. */
import { bytes16, chainHash, channelId, listRest, rest, u16 } from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

/** BOLT 1 § The `init` Message. The receiver ORs both feature fields. */
export const init = message(
  16,
  'init',
  { globalfeatures: bytes16, features: bytes16 },
  { networks: tlv(1, listRest(chainHash)), remoteAddr: tlv(3, rest) },
);
export type Init = Message<typeof init>;

/** BOLT 1 § The `error` and `warning` Messages. `data` is the peer's text: clean it before anyone sees it. */
export const error = message(17, 'error', { channelId, data: bytes16 }, 'opaque');
export type ErrorMessage = Message<typeof error>;
export const warning = message(1, 'warning', { channelId, data: bytes16 }, 'opaque');
export type Warning = Message<typeof warning>;

/** BOLT 1 § The `ping` and `pong` Messages. No answer is due when `numPongBytes` is 65532 or more. */
export const ping = message(18, 'ping', { numPongBytes: u16, ignored: bytes16 }, 'opaque');
export type Ping = Message<typeof ping>;
export const pong = message(19, 'pong', { ignored: bytes16 }, 'opaque');
export type Pong = Message<typeof pong>;

/** BOLT 1 § Peer Storage */
export const peerStorage = message(7, 'peer_storage', { blob: bytes16 }, 'opaque');
export type PeerStorage = Message<typeof peerStorage>;
export const peerStorageRetrieval = message(9, 'peer_storage_retrieval', { blob: bytes16 }, 'opaque');
export type PeerStorageRetrieval = Message<typeof peerStorageRetrieval>;

export const setupMessages = [init, error, warning, ping, pong, peerStorage, peerStorageRetrieval] as const;
