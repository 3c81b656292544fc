/**
 * What a peer (or the user, or the chain) can do wrong to a channel, and what each of it costs. One table: nobody guesses
 * what a fault leads to.
 *
 * The costs are chosen with money in mind. An `error` makes the peer close the channel on chain, so once a channel is funded
 * it is kept for faults after which the channel cannot go on. A wrong update or signature costs a `warning` and the connection, as
 * BOLT 2 allows: nothing that was not committed survives a disconnect, and the channel goes on from where both sides agree. The one who
 * carries our messages could forge any of them, and must not be able to close a channel by it.
 */

export type Consequence =
  /** Nothing is said. */
  | 'ignore'
  /** A `warning`; the message has no other effect. */
  | 'warn'
  /** A `warning`, and the transport ends. */
  | 'disconnect'
  /** An `error`: an unfunded channel is forgotten, a funded one is kept as failed. */
  | 'fail-channel';

/** Codes with a figure and the limit it broke. */
type LimitCode =
  | 'funding-too-large'
  | 'push-too-large'
  | 'to-self-delay-too-large'
  | 'max-accepted-htlcs-too-large'
  | 'max-accepted-htlcs-too-small'
  | 'max-in-flight-too-small'
  | 'htlc-minimum-too-large'
  | 'feerate-too-low'
  | 'feerate-too-high'
  | 'dust-too-small'
  | 'dust-too-large'
  | 'dust-over-reserve'
  | 'reserve-too-large'
  | 'reserve-too-small'
  | 'funder-cannot-pay-fee'
  | 'fee-over-half'
  | 'both-below-reserve'
  | 'policy-funding-too-small'
  | 'policy-funding-too-large'
  | 'policy-too-many-pending'
  | 'reestablish-commitment-number'
  | 'reestablish-revocation-number'
  | 'min-depth-too-large'
  | 'htlc-id-unexpected'
  | 'htlc-unknown'
  | 'htlc-too-small'
  | 'cltv-not-a-height'
  | 'too-many-htlcs'
  | 'too-much-in-flight'
  | 'cannot-afford'
  | 'opener-cannot-pay-fee'
  | 'fee-buffer'
  | 'dust-exposure'
  | 'fee-too-low'
  | 'fee-too-high'
  | 'close-fee-out-of-range'
  | 'close-fee-no-overlap';

/** Codes whose `detail` names a field or a message, or carries a reason. */
type DetailCode =
  | 'point-invalid'
  | 'channel-type-unsuitable'
  | 'funding-signature-invalid'
  | 'unexpected-message'
  | 'misplaced-message'
  | 'message-before-reestablish'
  | 'funding-wrong'
  | 'not-funded'
  | 'commitment-signature-invalid'
  | 'revocation-secret-wrong'
  | 'closing-signature-invalid'
  | 'closing-invalid'
  | 'announcement-signature-invalid'
  | 'signer-refused'
  | 'peer-error';

type BareCode =
  | 'chain-unknown'
  | 'channel-type-missing'
  | 'zero-conf-untrusted'
  | 'scid-alias-announced'
  | 'shutdown-script-invalid'
  | 'temporary-id-in-use'
  | 'policy-refused'
  | 'policy-public'
  | 'denied-by-user'
  | 'prompt-expired'
  | 'funding-late'
  | 'outpoint-in-use'
  | 'channel-unknown'
  | 'channel-ready-differs'
  | 'reestablish-repeated'
  | 'reestablish-zero'
  | 'reestablish-secret'
  | 'data-lost'
  | 'channel-type-differs'
  | 'accept-late'
  | 'open-cancelled'
  | 'signed-late'
  | 'add-after-shutdown'
  | 'fee-after-shutdown'
  | 'preimage-wrong'
  | 'failure-code-wrong'
  | 'fee-not-opener'
  | 'revocation-unexpected'
  | 'next-point-invalid'
  | 'commit-unexpected'
  | 'not-usable'
  | 'quiescent'
  | 'shutdown-script-form'
  | 'shutdown-script-differs'
  | 'announcement-unasked'
  | 'announcement-elsewhere';

export type ChannelError =
  | { readonly code: LimitCode; readonly got: bigint; readonly limit: bigint }
  | { readonly code: DetailCode; readonly detail: string }
  | { readonly code: BareCode };
export type ChannelErrorCode = ChannelError['code'];

type Row = readonly [consequence: Consequence, text: string];

const table: { readonly [C in ChannelErrorCode]: Row } = {
  // open_channel: BOLT 2 "The receiving node MUST fail the channel if" and "MAY fail the channel if".
  'chain-unknown': ['fail-channel', 'chain_hash is of another chain'],
  'funding-too-large': ['fail-channel', 'funding_satoshis is too large'],
  'push-too-large': ['fail-channel', 'push_msat is greater than funding_satoshis * 1000'],
  'to-self-delay-too-large': ['fail-channel', 'to_self_delay is unreasonably large'],
  'max-accepted-htlcs-too-large': ['fail-channel', 'max_accepted_htlcs is too large'],
  'max-accepted-htlcs-too-small': ['fail-channel', 'max_accepted_htlcs is too small'],
  'max-in-flight-too-small': ['fail-channel', 'max_htlc_value_in_flight_msat is too small'],
  'htlc-minimum-too-large': ['fail-channel', 'htlc_minimum_msat is too large'],
  'feerate-too-low': ['fail-channel', 'feerate_per_kw is too small for timely processing'],
  'feerate-too-high': ['fail-channel', 'feerate_per_kw is unreasonably large'],
  'dust-too-small': ['fail-channel', 'dust_limit_satoshis is too small'],
  'dust-too-large': ['fail-channel', 'dust_limit_satoshis is too large'],
  'dust-over-reserve': ['fail-channel', 'dust_limit_satoshis is greater than channel_reserve_satoshis'],
  'reserve-too-large': ['fail-channel', 'channel_reserve_satoshis is too large'],
  'funder-cannot-pay-fee': ['fail-channel', "the funder's amount does not cover the fee of the first commitment transaction"],
  'both-below-reserve': ['fail-channel', 'neither side would hold more than channel_reserve_satoshis'],
  'point-invalid': ['fail-channel', 'not a valid compressed public key'],
  'channel-type-missing': ['fail-channel', 'channel_type is required'],
  'channel-type-unsuitable': ['fail-channel', 'channel_type is not suitable'],
  'zero-conf-untrusted': ['fail-channel', 'we do not take unconfirmed channels from you'],
  'scid-alias-announced': ['fail-channel', 'option_scid_alias cannot go with announce_channel'],
  'shutdown-script-invalid': ['fail-channel', 'upfront_shutdown_script is not of a valid form'],
  // An `error` would name the other channel too, so it is not the answer here.
  'temporary-id-in-use': ['disconnect', 'temporary_channel_id is in use'],
  'policy-refused': ['fail-channel', 'this node does not take channels from you'],
  'policy-funding-too-small': ['fail-channel', 'funding_satoshis is below what this node takes'],
  'policy-funding-too-large': ['fail-channel', 'funding_satoshis is above what this node takes'],
  'policy-public': ['fail-channel', 'this node takes unannounced channels only'],
  'policy-too-many-pending': ['fail-channel', 'too many channels of yours are being opened'],
  'denied-by-user': ['fail-channel', 'the owner of this node declined the channel'],
  'prompt-expired': ['fail-channel', 'the owner of this node did not answer in time'],
  // Between accept_channel and funding_signed.
  'funding-late': ['fail-channel', 'funding_created did not come in time'],
  'funding-signature-invalid': ['fail-channel', 'the signature is not valid for our commitment transaction'],
  'outpoint-in-use': ['fail-channel', 'another channel has this funding output'],
  'signer-refused': ['fail-channel', 'our signer refused'],
  // Before funding a message out of turn ends the attempt; after it, nothing is worth a close.
  'unexpected-message': ['fail-channel', 'this message does not belong here'],
  'channel-unknown': ['fail-channel', 'no such channel'],
  'misplaced-message': ['disconnect', 'this message does not belong here now'],
  'message-before-reestablish': ['disconnect', 'channel_reestablish comes first'],
  'channel-ready-differs': ['warn', 'channel_ready names another second_per_commitment_point than before'],
  'reestablish-repeated': ['warn', 'channel_reestablish was already exchanged'],
  'channel-type-differs': ['fail-channel', 'channel_type is not the one offered'],
  'accept-late': ['fail-channel', 'accept_channel did not come in time'],
  'min-depth-too-large': ['fail-channel', 'minimum_depth is unreasonably large'],
  'reserve-too-small': ['fail-channel', 'channel_reserve_satoshis is less than dust_limit_satoshis of open_channel'],
  'not-funded': ['fail-channel', 'the funding transaction was not made'],
  'open-cancelled': ['fail-channel', 'the owner of this node gave the channel up'],
  'signed-late': ['fail-channel', 'funding_signed did not come in time'],
  // Updates. BOLT 2: "MAY send a `warning` and close the connection, or send an `error` and fail the channel", or MUST do one of them.
  'htlc-id-unexpected': ['disconnect', 'id is not the next one'],
  'htlc-unknown': ['disconnect', 'no such HTLC that could be removed'],
  'htlc-too-small': ['disconnect', 'amount_msat is below htlc_minimum_msat'],
  'cltv-not-a-height': ['disconnect', 'cltv_expiry is not a block height'],
  'too-many-htlcs': ['disconnect', 'more HTLCs than max_accepted_htlcs'],
  'too-much-in-flight': ['disconnect', 'more than max_htlc_value_in_flight_msat'],
  'cannot-afford': ['disconnect', 'the balance does not cover it with the reserve'],
  'opener-cannot-pay-fee': ['disconnect', 'the opener could not pay the fee any more'],
  'fee-buffer': ['disconnect', 'too little would be left for a rise of the fee'],
  'dust-exposure': ['disconnect', 'too much would be lost as dust'],
  'fee-too-low': ['disconnect', 'feerate_per_kw is too low for timely processing'],
  'fee-too-high': ['disconnect', 'feerate_per_kw is unreasonably large'],
  'fee-not-opener': ['disconnect', 'only the opener changes the fee'],
  'add-after-shutdown': ['disconnect', 'update_add_htlc after shutdown'],
  'fee-after-shutdown': ['ignore', 'update_fee for a channel that is being closed and holds nothing'],
  'preimage-wrong': ['disconnect', 'payment_preimage is not that of payment_hash'],
  'failure-code-wrong': ['disconnect', 'failure_code lacks the BADONION bit'],
  'commitment-signature-invalid': ['disconnect', 'the signatures are not valid for our commitment transaction'],
  'revocation-secret-wrong': ['disconnect', 'per_commitment_secret is not that of the last commitment'],
  'next-point-invalid': ['disconnect', 'next_per_commitment_point is not a valid compressed public key'],
  'revocation-unexpected': ['disconnect', 'no revocation is owed'],
  'commit-unexpected': ['disconnect', 'commitment_signed has no place here'],
  // The user's or a payment's own request: told to whoever asked, nothing goes to the peer.
  'fee-over-half': ['ignore', 'the fee of the first commitment takes more than half of the channel'],
  'not-usable': ['ignore', 'the channel cannot carry a payment now'],
  quiescent: ['disconnect', 'no updates after stfu'],
  // Closing.
  'closing-signature-invalid': ['disconnect', 'the signature is not valid for the closing transaction'],
  'closing-invalid': ['disconnect', 'the closing transaction is not acceptable'],
  'close-fee-out-of-range': ['disconnect', 'the closing fee is not acceptable'],
  'close-fee-no-overlap': ['warn', 'we have no closing fee in common'],
  'shutdown-script-form': ['warn', 'scriptpubkey of shutdown is not of a valid form'],
  'shutdown-script-differs': ['disconnect', 'scriptpubkey of shutdown is not the upfront_shutdown_script'],
  // announcement_signatures. BOLT 7: "SHOULD send a `warning`.", "MAY send a `warning` and close the connection, or send an `error` and fail the channel."
  'announcement-unasked': ['warn', 'this channel is not to be announced'],
  'announcement-elsewhere': ['warn', 'short_channel_id of announcement_signatures is not where the funding output is'],
  'announcement-signature-invalid': ['disconnect', 'a signature is not valid for our channel_announcement'],
  // channel_reestablish: BOLT 2 § Message Retransmission says "fail the channel" for each of these.
  'reestablish-zero': ['fail-channel', 'next_commitment_number is zero'],
  'reestablish-commitment-number': ['fail-channel', 'next_commitment_number is not the one we expect'],
  'reestablish-revocation-number': ['fail-channel', 'next_revocation_number is not the one we expect'],
  'reestablish-secret': ['fail-channel', 'your_last_per_commitment_secret is wrong'],
  'data-lost': ['fail-channel', 'we have lost the newest state of this channel: please close it'],
  // The chain and the peer.
  'funding-wrong': ['fail-channel', 'the funding output is not the one agreed'],
  'peer-error': ['fail-channel', 'you failed this channel'],
};

export const consequence = (code: ChannelErrorCode): Consequence => table[code][0];

/** One line for the peer and for the log; printable ASCII unless a `detail` of ours is not. */
export function describe(error: ChannelError): string {
  const text = table[error.code][1];
  if ('limit' in error) return `${text}: ${error.got}, limit ${error.limit}`;
  return 'detail' in error ? `${text}: ${error.detail}` : text;
}

/** For readers of stored states. */
export const isErrorCode = (code: unknown): code is ChannelErrorCode => typeof code === 'string' && Object.hasOwn(table, code);
