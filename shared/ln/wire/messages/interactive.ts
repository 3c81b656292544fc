/** BOLT 2 § Interactive Transaction Construction. Transactions are opaque bytes here. */
import { bytes16, channelId, list16, present, s64, sha256, signature, u32, u64 } from '../codec.ts';
import { type Message, message } from '../message.ts';
import { tlv } from '../tlv.ts';

/** BOLT 2 § The `tx_add_input` Message */
export const txAddInput = message(
  66,
  'tx_add_input',
  { channelId, serialId: u64, prevtx: bytes16, prevtxVout: u32, sequence: u32 },
  { sharedInputTxid: tlv(0, sha256) },
);
export type TxAddInput = Message<typeof txAddInput>;

/** BOLT 2 § The `tx_add_output` Message */
export const txAddOutput = message(67, 'tx_add_output', { channelId, serialId: u64, sats: u64, script: bytes16 });
export type TxAddOutput = Message<typeof txAddOutput>;

/** BOLT 2 § The `tx_remove_input` and `tx_remove_output` Messages */
export const txRemoveInput = message(68, 'tx_remove_input', { channelId, serialId: u64 });
export type TxRemoveInput = Message<typeof txRemoveInput>;
export const txRemoveOutput = message(69, 'tx_remove_output', { channelId, serialId: u64 });
export type TxRemoveOutput = Message<typeof txRemoveOutput>;

/** BOLT 2 § The `tx_complete` Message */
export const txComplete = message(70, 'tx_complete', { channelId });
export type TxComplete = Message<typeof txComplete>;

/** BOLT 2 § The `tx_signatures` Message. Each witness is one input's stack, serialised as in a transaction. */
export const txSignatures = message(
  71,
  'tx_signatures',
  { channelId, txid: sha256, witnesses: list16(bytes16) },
  { sharedInputSignature: tlv(0, signature) },
);
export type TxSignatures = Message<typeof txSignatures>;

const rbfTlvs = { fundingOutputContribution: tlv(0, s64), requireConfirmedInputs: tlv(2, present) };
/** BOLT 2 § The `tx_init_rbf` Message */
export const txInitRbf = message(72, 'tx_init_rbf', { channelId, locktime: u32, feerate: u32 }, rbfTlvs);
export type TxInitRbf = Message<typeof txInitRbf>;

/** BOLT 2 § The `tx_ack_rbf` Message */
export const txAckRbf = message(73, 'tx_ack_rbf', { channelId }, rbfTlvs);
export type TxAckRbf = Message<typeof txAckRbf>;

/** BOLT 2 § The `tx_abort` Message */
export const txAbort = message(74, 'tx_abort', { channelId, data: bytes16 });
export type TxAbort = Message<typeof txAbort>;

export const interactiveMessages = [
  txAddInput,
  txAddOutput,
  txRemoveInput,
  txRemoveOutput,
  txComplete,
  txSignatures,
  txInitRbf,
  txAckRbf,
  txAbort,
] as const;
