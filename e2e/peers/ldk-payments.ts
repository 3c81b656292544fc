/** What an LDK node of ours is paid and pays: its invoices, those that it holds, and how its payments end. */
import { sha256 } from '@noble/hashes/sha2.js';
import {
  Bolt11Invoice,
  type ChannelManager,
  type Event,
  Event_PaymentClaimable,
  Event_PaymentClaimed,
  Event_PaymentFailed,
  Event_PaymentSent,
  RouteHintHop as LdkHintHop,
  Option_PaymentFailureReasonZ_Some,
  Option_ThirtyTwoBytesZ,
  Option_ThirtyTwoBytesZ_Some,
  Option_u16Z,
  Option_u64Z,
  Payee,
  PaymentFailureReason,
  PaymentParameters,
  PaymentPurpose_Bolt11InvoicePayment,
  PaymentPurpose_SpontaneousPayment,
  RecipientOnionFields,
  Result_Bolt11InvoiceParseOrSemanticErrorZ_OK,
  Result_Bolt11InvoiceSignOrCreationErrorZ_OK,
  Result_C3Tuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZNoneZ_OK,
  Result_NoneRetryableSendFailureZ_Err,
  Result_ThirtyTwoBytesRetryableSendFailureZ_Err,
  Retry,
  RetryableSendFailure,
  RouteHint,
  RouteParameters,
  RoutingFees,
  UtilMethods,
} from 'lightningdevkit';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { RouteHintHop } from '../../shared/ln/invoice/invoice.ts';
import type { InvoiceOptions, InvoiceState, PayOptions } from './peer.ts';

/** LDK's clock is the last block. */
const EXPIRY_SECONDS = 7 * 86_400;
/** BOLT 11's default, and some blocks for a chain that moves meanwhile. */
const FINAL_CLTV_DELTA = 80;

export type LdkPayments = {
  invoice(
    manager: ChannelManager,
    amountMsat: bigint | undefined,
    options: InvoiceOptions,
  ): { readonly text: string; readonly paymentHash: string };
  state(paymentHash: string): InvoiceState;
  settle(manager: ChannelManager, paymentHash: string): void;
  cancel(manager: ChannelManager, paymentHash: string): void;
  /** `pump`: what was asked for is to leave. */
  pay(manager: ChannelManager, text: string, options: PayOptions, pump: () => void): Promise<Result<string, string>>;
  keysend(manager: ChannelManager, to: Uint8Array, amountMsat: bigint, pump: () => void): Promise<Result<string, string>>;
  /** Every event of the node, those of no payment too. */
  take(manager: ChannelManager, event: Event): void;
};

/** The payee of an invoice, with another hint than it had. */
function payeeBehind(invoice: Bolt11Invoice, hint: RouteHintHop): Payee {
  const { nodeId, shortChannelId, feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } = hint;
  const none = Option_u64Z.constructor_none();
  const fees = RoutingFees.constructor_new(feeBaseMsat, feeProportionalMillionths);
  const hop = LdkHintHop.constructor_new(nodeId, shortChannelId, fees, cltvExpiryDelta, none, none);
  const hints = [RouteHint.constructor_new([hop])];
  const delta = Number(invoice.min_final_cltv_expiry_delta());
  return Payee.constructor_clear(invoice.recover_payee_pub_key(), hints, invoice.features(), delta);
}

type Outcome = Result<string, string>;
type Kept = { readonly hold: boolean; readonly state: InvoiceState; readonly preimage?: Uint8Array };

/** Lives as long as the test, over every restart of the node. */
export function ldkPayments(): LdkPayments {
  const invoices = new Map<string, Kept>();
  const paying = new Map<string, (outcome: Outcome) => void>();
  const end = (paymentHash: string, outcome: Outcome): void => {
    paying.get(paymentHash)?.(outcome);
    paying.delete(paymentHash);
  };

  function claimable(manager: ChannelManager, event: Event_PaymentClaimable): void {
    const hash = toHex(event.payment_hash);
    const { purpose } = event;
    if (purpose instanceof PaymentPurpose_SpontaneousPayment) {
      manager.claim_funds(purpose.spontaneous_payment);
      return;
    }
    if (!(purpose instanceof PaymentPurpose_Bolt11InvoicePayment)) return;
    if (!(purpose.payment_preimage instanceof Option_ThirtyTwoBytesZ_Some)) return;
    const preimage = purpose.payment_preimage.some;
    if (invoices.get(hash)?.hold === true) invoices.set(hash, { hold: true, state: 'held', preimage });
    else manager.claim_funds(preimage);
  }

  return {
    invoice(manager, amountMsat, { hold = false, expirySeconds = EXPIRY_SECONDS }) {
      const made = UtilMethods.constructor_create_invoice_from_channelmanager(
        manager,
        amountMsat === undefined ? Option_u64Z.constructor_none() : Option_u64Z.constructor_some(amountMsat),
        'paid to LDK',
        expirySeconds,
        Option_u16Z.constructor_none(),
      );
      if (!(made instanceof Result_Bolt11InvoiceSignOrCreationErrorZ_OK)) throw new Error('LDK made no invoice');
      const paymentHash = toHex(made.res.payment_hash());
      invoices.set(paymentHash, { hold, state: 'open' });
      return { text: made.res.to_str(), paymentHash };
    },
    state: (paymentHash) => invoices.get(paymentHash)?.state ?? 'cancelled',
    settle(manager, paymentHash) {
      const { preimage } = invoices.get(paymentHash) ?? {};
      if (preimage === undefined) throw new Error(`nothing is held for ${paymentHash}`);
      manager.claim_funds(preimage);
    },
    cancel(manager, paymentHash) {
      manager.fail_htlc_backwards(fromHex(paymentHash));
      invoices.set(paymentHash, { hold: true, state: 'cancelled' });
    },
    async pay(manager, text, { amountMsat, maxFeeMsat = 0n, hint }, pump) {
      const parsed = Bolt11Invoice.constructor_from_str(text);
      if (!(parsed instanceof Result_Bolt11InvoiceParseOrSemanticErrorZ_OK)) return err('LDK cannot read the invoice');
      const read =
        amountMsat === undefined
          ? UtilMethods.constructor_payment_parameters_from_invoice(parsed.res)
          : UtilMethods.constructor_payment_parameters_from_variable_amount_invoice(parsed.res, amountMsat);
      if (!(read instanceof Result_C3Tuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZNoneZ_OK)) return err('no amount');
      const hash = read.res.get_a();
      const outcome = new Promise<Outcome>((resolve) => paying.set(toHex(hash), resolve));
      const route = read.res.get_c();
      if (hint !== undefined) {
        const params = route.get_payment_params();
        params.set_payee(payeeBehind(parsed.res, hint));
        route.set_payment_params(params);
      }
      route.set_max_total_routing_fee_msat(Option_u64Z.constructor_some(maxFeeMsat));
      const sent = manager.send_payment(hash, read.res.get_b(), hash, route, Retry.constructor_attempts(0));
      if (sent instanceof Result_NoneRetryableSendFailureZ_Err) end(toHex(hash), err(RetryableSendFailure[sent.err] ?? 'not sent'));
      pump();
      return outcome;
    },
    async keysend(manager, to, amountMsat, pump) {
      const preimage = crypto.getRandomValues(new Uint8Array(32));
      const hash = sha256(preimage);
      const outcome = new Promise<Outcome>((resolve) => paying.set(toHex(hash), resolve));
      const sent = manager.send_spontaneous_payment(
        Option_ThirtyTwoBytesZ.constructor_some(preimage),
        RecipientOnionFields.constructor_spontaneous_empty(),
        hash,
        RouteParameters.constructor_from_payment_params_and_value(
          PaymentParameters.constructor_for_keysend(to, FINAL_CLTV_DELTA, false),
          amountMsat,
        ),
        Retry.constructor_attempts(0),
      );
      if (sent instanceof Result_ThirtyTwoBytesRetryableSendFailureZ_Err)
        end(toHex(hash), err(RetryableSendFailure[sent.err] ?? 'not sent'));
      pump();
      return outcome;
    },
    take(manager, event) {
      if (event instanceof Event_PaymentClaimable) claimable(manager, event);
      else if (event instanceof Event_PaymentClaimed) {
        const hash = toHex(event.payment_hash);
        invoices.set(hash, { hold: invoices.get(hash)?.hold ?? false, state: 'paid' });
      } else if (event instanceof Event_PaymentSent) end(toHex(event.payment_hash), ok(toHex(event.payment_preimage)));
      else if (event instanceof Event_PaymentFailed) {
        const reason = event.reason instanceof Option_PaymentFailureReasonZ_Some ? PaymentFailureReason[event.reason.some] : undefined;
        end(toHex(event.payment_id), err(reason ?? 'failed'));
      }
    },
  };
}
