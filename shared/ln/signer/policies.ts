/**
 * The policies of the Validating Lightning Signer, name by name, and who holds each here. The list is that of its
 * `docs/policy-controls.md` (88 names, April 2026), and the eight that only its code has.
 *
 * `signer`: the enforcing signer refuses, whoever asks; `test` is the title of the test that shows it. `engine`: the channel or the
 * on-chain machine, or the runtime, sees to it before it asks. `not-applicable`: there is nothing to hold.
 */
export type Policy =
  | { readonly heldBy: 'signer'; readonly test: string }
  | { readonly heldBy: 'engine'; readonly how: string }
  | { readonly heldBy: 'not-applicable'; readonly why: string };

const signer = (test: string): Policy => ({ heldBy: 'signer', test });
const engine = (how: string): Policy => ({ heldBy: 'engine', how });
const none = (why: string): Policy => ({ heldBy: 'not-applicable', why });

/** The signer takes a template, never a transaction, and signs what it builds from that: its form cannot be wrong. */
const built = signer('signs 0, 1, 2 … and the peer finds each signature good');
const builtHtlcs = signer('signs the HTLC transactions of %s in their order');
const ourKeys = signer('refuses a template whose counterparty has another %s than ours');
const ourKeysAsHolder = signer('refuses a holder that is not us, and a per-commitment point of another number');
const secondStage = signer('refuses a second stage that is not BOLT 3’s to the last field');
const numbers = signer('refuses a commitment that is not the newest accepted');
const closeForm = signer('refuses what is no close: more inputs, no or three outputs, another version, more than there is');
const ownScript = signer('refuses an output that is not our wallet’s at that index');
const sweepForm = signer('refuses another version than 2, and an input that is not there');
const agreedDelay = engine('delays come from the terms of the open, checked against limits there and never changed');
const cltv = engine('an HTLC with an expiry too near or too far is refused when it arrives, and never offered');
const noRouting = none('a leaf of the network: it forwards nothing');
const funding = engine('funding comes from outside and is answered only once its output was compared with the agreed script and amount');
const spending = engine('a payment is what the user, or a rule of the user, says to send');
const wallet = engine('only claims spend coins of the wallet: their outputs are ours, and the channel signer has refused any other');

type Policies = { readonly [name: string]: Policy };

export const documentedPolicies: Policies = {
  'policy-channel-contest-delay-range-counterparty': agreedDelay,
  'policy-channel-contest-delay-range-holder': agreedDelay,
  'policy-channel-original-channel-id-reuse': none('keys hang on two 31-bit numbers drawn for each channel, not on a counter'),
  'policy-channel-safe-mode': engine('a channel type is static_remotekey or zero-fee anchors; any other is refused at the open'),
  'policy-commitment': built,
  'policy-commitment-anchor-amount': built,
  'policy-commitment-anchor-match-fundingkey': built,
  'policy-commitment-anchor-static-remotekey': none('both channel types have option_static_remotekey'),
  'policy-commitment-anchor-to-counterparty': built,
  'policy-commitment-anchor-to-holder': built,
  'policy-commitment-anchors-not-when-off': built,
  'policy-commitment-broadcaster-pubkey': ourKeysAsHolder,
  'policy-commitment-countersignatory-pubkey': ourKeys,
  'policy-commitment-fee-range': signer('refuses a fee beyond half of the channel, or a feerate that no block asks for, where we pay it'),
  'policy-commitment-first-no-htlcs': signer('refuses HTLCs in the first commitment'),
  'policy-commitment-holder-not-revoked': numbers,
  'policy-commitment-htlc-cltv-range': cltv,
  'policy-commitment-htlc-count-limit': signer('refuses more than 483 HTLCs in one direction'),
  'policy-commitment-htlc-counterparty-htlc-pubkey': ourKeys,
  'policy-commitment-htlc-holder-htlc-pubkey': ourKeysAsHolder,
  'policy-commitment-htlc-inflight-limit': engine(
    'the value in flight is counted at each HTLC, both ways, against the limit of the side that receives it',
  ),
  'policy-commitment-htlc-offered-hash-matches': noRouting,
  'policy-commitment-htlc-received-spends-active-utxo': noRouting,
  'policy-commitment-htlc-revocation-pubkey': ourKeys,
  'policy-commitment-htlc-routing-balance': noRouting,
  'policy-commitment-initial-funding-value': engine('commitment 0 is built from the funding amount and the push of the open'),
  'policy-commitment-input-match-funding': signer('refuses another funding output, by txid or by index'),
  'policy-commitment-input-single': built,
  'policy-commitment-locktime': built,
  'policy-commitment-no-unrecognized-outputs': built,
  'policy-commitment-other': built,
  'policy-commitment-outputs-trimmed': built,
  'policy-commitment-payment-allowlisted': spending,
  'policy-commitment-payment-approved': spending,
  'policy-commitment-payment-invoiced': spending,
  'policy-commitment-payment-settled-preimage': signer('an HTLC of ours goes to the peer against its preimage, and else comes back to us'),
  'policy-commitment-payment-velocity': spending,
  'policy-commitment-previous-revoked': signer('refuses a third commitment beside two that are not revoked'),
  'policy-commitment-retry-same': signer('the same commitment again gives the same bytes: a resend after a crash'),
  'policy-commitment-revocation-pubkey': ourKeys,
  'policy-commitment-scripts': built,
  'policy-commitment-sequence': built,
  'policy-commitment-singular-to-counterparty': built,
  'policy-commitment-singular-to-holder': built,
  'policy-commitment-spends-active-utxo': engine(
    'the funding transaction is proved to be in the chain before the channel is used, unless the user trusts the opener',
  ),
  'policy-commitment-to-self-delay-range': agreedDelay,
  'policy-commitment-version': built,
  'policy-funding-max': engine('the rules for opens have a largest amount; the user enters the amount of one that we open'),
  'policy-generic-error': none('a tag for errors without a rule; each refusal here has its own code'),
  'policy-htlc-cltv-range': cltv,
  'policy-htlc-delayed-pubkey': ourKeysAsHolder,
  'policy-htlc-fee-range': secondStage,
  'policy-htlc-locktime': builtHtlcs,
  'policy-htlc-other': builtHtlcs,
  'policy-htlc-revocation-pubkey': ourKeys,
  'policy-htlc-sequence': builtHtlcs,
  'policy-htlc-to-self-delay': agreedDelay,
  'policy-htlc-version': builtHtlcs,
  'policy-invoice-not-expired': spending,
  'policy-merchant-no-sends': none('no rule of a merchant is offered; balance-falls holds what a payment did not explain'),
  'policy-mutual-destination-allowlisted': signer('refuses another script than the one that was fixed, and any while none was'),
  'policy-mutual-fee-range': signer('refuses to bear more of the fee than was agreed'),
  'policy-mutual-no-pending-htlcs': signer('refuses while an HTLC of either side is pending'),
  'policy-mutual-value-matches-commitment': signer('refuses another balance than the newest commitment’s'),
  'policy-no-routing': none('a leaf of the network: a peer has nobody to reach through it'),
  'policy-onchain-fee-range': wallet,
  'policy-onchain-format-standard': funding,
  'policy-onchain-funding-non-malleable': funding,
  'policy-onchain-initial-commitment-countersigned': engine(
    'the funding transaction goes out only after the signer accepted commitment 0 with the signature of the peer',
  ),
  'policy-onchain-max-size': funding,
  'policy-onchain-no-channel-push': engine('what is pushed at an open is what the user entered; nothing else sets it'),
  'policy-onchain-no-fund-inbound': none('a channel that the peer opens is funded by the peer; dual funding is not built'),
  'policy-onchain-no-unknown-outputs': wallet,
  'policy-onchain-output-match-commitment': signer('refuses another funding output, by txid or by index'),
  'policy-onchain-output-scriptpubkey': funding,
  'policy-onchain-wallet-path-predictable': ownScript,
  'policy-revoke-new-commitment-signed': signer('refuses the newest accepted commitment, a future one, and all while none is accepted'),
  'policy-revoke-new-commitment-valid': signer('refuses another funding output, balances that do not add up, and too high a fee of ours'),
  'policy-revoke-not-closed': engine('after a signed close no update is made or taken; after a forced close the signer itself refuses'),
  'policy-routing-balanced': noRouting,
  'policy-routing-deltas-only-htlc': signer('may rise, and stay; our balance alone does not fall by a msat'),
  'policy-sweep-destination-allowlisted': ownScript,
  'policy-sweep-fee-range': signer('refuses to give everything to miners'),
  'policy-sweep-locktime': engine('the locktime is the expiry of the HTLC, or none'),
  'policy-sweep-sequence': engine('the sequence is that of the script, and the chain accepts no smaller one'),
  'policy-sweep-version': sweepForm,
  'policy-velocity-funding': engine('the rules for opens limit how many wait for their funding; each of ours is asked for by the user'),
  'policy-velocity-transferred': spending,
};

export const policiesOnlyInCode: Policies = {
  'policy-chain-validated': engine('headers are checked by work from a checkpoint, transactions by their branch'),
  'policy-channel-safe-type': engine('a channel type is static_remotekey or zero-fee anchors; any other is refused at the open'),
  'policy-mutual-other': closeForm,
  'policy-mutual-scripts': signer('refuses another script than the one that was fixed, and any while none was'),
  'policy-optional-fail-fast': none('a switch that turns warnings into refusals; here every rule refuses'),
  'policy-other': none('a tag for the rest; each refusal here has its own code'),
  'policy-routing-cltv-delta': noRouting,
  'policy-sweep-other': signer('signs for no output that asks for another key than the one named'),
};
