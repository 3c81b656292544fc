/** What an LDK node does about its events. LDK's handler only queues; this acts afterwards, outside LDK. */
import {
  type APIError,
  APIError_APIMisuseError,
  APIError_ChannelUnavailable,
  APIError_FeeRateTooHigh,
  BumpTransactionEventHandler,
  ClosureReason_CounterpartyForceClosed,
  ClosureReason_ProcessingError,
  type Event,
  Event_BumpTransaction,
  Event_ChannelClosed,
  Event_ChannelPending,
  Event_FundingGenerationReady,
  Event_OpenChannelRequest,
  Event_PendingHTLCsForwardable,
  Event_SpendableOutputs,
  Wallet as LdkWallet,
  Option_u32Z,
  OutPoint,
  Result_CVec_UtxoZNoneZ,
  Result_CVec_u8ZNoneZ,
  Result_TransactionNoneZ,
  Result_TransactionNoneZ_OK,
  TxOut,
  Utxo,
  WalletSource,
} from 'lightningdevkit';
import { fromHex, reversed, toHex } from '../../shared/lib/bytes.ts';
import type { Wallet } from '../lab/wallet.ts';
import type { LdkNode } from './ldk-node.ts';
import { txidOf } from './ldk-node.ts';

/** Called for the channel with this `userChannelId`. */
export type LdkEventSink = {
  funded(userChannelId: bigint, fundingTxid: string): void;
  closed(userChannelId: bigint, reason: string): void;
};

/** Weight of a P2WPKH input's signature script and witness. */
const P2WPKH_SATISFACTION_WEIGHT = 4n + 109n;
const SWEEP_SAT_PER_KW = 1_000;

export function apiErrorText(error: APIError): string {
  if (error instanceof APIError_APIMisuseError) return error.err;
  if (error instanceof APIError_ChannelUnavailable) return error.err;
  if (error instanceof APIError_FeeRateTooHigh) return error.err;
  return error.constructor.name;
}

function closeReason(event: Event_ChannelClosed): string {
  const { reason } = event;
  if (reason instanceof ClosureReason_CounterpartyForceClosed) return reason.peer_msg.get_a();
  if (reason instanceof ClosureReason_ProcessingError) return reason.err;
  return reason.to_str();
}

export function ldkEventHandler(node: LdkNode, wallet: Wallet, sink: LdkEventSink): (event: Event) => void {
  /** Funding transactions that the other side has not signed for yet. */
  const unsent = new Map<bigint, Uint8Array>();
  /** Why we ourselves gave up on a channel: LDK's event tells only that we did. */
  const refused = new Map<bigint, string>();
  const bumps = BumpTransactionEventHandler.constructor_new(
    node.broadcaster,
    LdkWallet.constructor_new(walletSource(wallet), node.logger).as_CoinSelectionSource(),
    node.keys.as_SignerProvider(),
    node.logger,
  );

  return (event) => {
    if (event instanceof Event_FundingGenerationReady) {
      const { temporary_channel_id: id, counterparty_node_id: peer, user_channel_id } = event;
      const user = turned(user_channel_id);
      const paid = wallet.pay(event.output_script, event.channel_value_satoshis);
      if (!paid.ok) {
        refused.set(user, `the wallet has only ${wallet.balanceSat()} sat that can be spent now`);
        node.manager.force_close_without_broadcasting_txn(id, peer, 'no coins for the funding');
        return;
      }
      unsent.set(user, paid.value.raw);
      // Where LDK finds fault with it, it closes the channel and says so in an event.
      node.manager.funding_transaction_generated(id, peer, paid.value.raw);
    } else if (event instanceof Event_ChannelPending) {
      unsent.delete(turned(event.user_channel_id));
      sink.funded(turned(event.user_channel_id), txidOf(event.funding_txo));
    } else if (event instanceof Event_ChannelClosed) {
      const user = turned(event.user_channel_id);
      const raw = unsent.get(user);
      if (raw !== undefined) wallet.release(raw);
      unsent.delete(user);
      sink.closed(user, refused.get(user) ?? closeReason(event));
      refused.delete(user);
    } else if (event instanceof Event_OpenChannelRequest) {
      node.manager.accept_inbound_channel(event.temporary_channel_id, event.counterparty_node_id, randomU64());
    } else if (event instanceof Event_PendingHTLCsForwardable) {
      node.manager.process_pending_htlc_forwards();
    } else if (event instanceof Event_SpendableOutputs) {
      const spent = node.keys
        .as_OutputSpender()
        .spend_spendable_outputs(event.outputs, [], wallet.script, SWEEP_SAT_PER_KW, Option_u32Z.constructor_none());
      if (spent instanceof Result_TransactionNoneZ_OK) node.broadcaster.broadcast_transactions([spent.res]);
    } else if (event instanceof Event_BumpTransaction) {
      bumps.handle_event(event.bump_transaction);
    }
  };
}

export function randomU64(): bigint {
  const [value = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return value;
}

/** The binding writes 128-bit numbers little endian and reads them big endian: what an event carries is turned around. */
const turned = (value: bigint): bigint => BigInt(`0x${toHex(reversed(fromHex(value.toString(16).padStart(32, '0'))))}`);

/** LDK's view of our wallet, for fee bumps of anchor channels. */
const walletSource = (wallet: Wallet): WalletSource =>
  WalletSource.new_impl({
    list_confirmed_utxos: () =>
      Result_CVec_UtxoZNoneZ.constructor_ok(
        wallet
          .spendable()
          .map(({ txid, index, amountSat }) =>
            Utxo.constructor_new(
              OutPoint.constructor_new(reversed(fromHex(txid)), index),
              TxOut.constructor_new(amountSat, wallet.script),
              P2WPKH_SATISFACTION_WEIGHT,
            ),
          ),
      ),
    get_change_script: () => Result_CVec_u8ZNoneZ.constructor_ok(wallet.script),
    sign_psbt(psbt) {
      try {
        return Result_TransactionNoneZ.constructor_ok(wallet.signPsbt(psbt));
      } catch {
        // Nothing may be thrown through LDK.
        return Result_TransactionNoneZ.constructor_err();
      }
    },
  });
