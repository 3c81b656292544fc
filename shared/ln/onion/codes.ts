/** BOLT 4 § Failure Messages: the codes and their flags. */

/** The top byte of a code: unreadable onion, permanent, of the node (else of the channel), of the channel's parameters. */
export const flags = { BADONION: 0x8000, PERM: 0x4000, NODE: 0x2000, UPDATE: 0x1000 } as const;
const { BADONION, PERM, NODE, UPDATE } = flags;

/** What a node says of an onion that it cannot open: the only codes of `update_fail_malformed_htlc`. */
export const badOnion = {
  invalid_onion_version: BADONION | PERM | 4,
  invalid_onion_hmac: BADONION | PERM | 5,
  invalid_onion_key: BADONION | PERM | 6,
  invalid_onion_blinding: BADONION | PERM | 24,
} as const;

export const failureCodes = {
  ...badOnion,
  temporary_node_failure: NODE | 2,
  permanent_node_failure: PERM | NODE | 2,
  required_node_feature_missing: PERM | NODE | 3,
  temporary_channel_failure: UPDATE | 7,
  permanent_channel_failure: PERM | 8,
  required_channel_feature_missing: PERM | 9,
  unknown_next_peer: PERM | 10,
  amount_below_minimum: UPDATE | 11,
  fee_insufficient: UPDATE | 12,
  incorrect_cltv_expiry: UPDATE | 13,
  expiry_too_soon: UPDATE | 14,
  incorrect_or_unknown_payment_details: PERM | 15,
  final_incorrect_cltv_expiry: 18,
  final_incorrect_htlc_amount: 19,
  channel_disabled: UPDATE | 20,
  expiry_too_far: 21,
  invalid_onion_payload: PERM | 22,
  mpp_timeout: 23,
} as const;
export type FailureName = keyof typeof failureCodes;
