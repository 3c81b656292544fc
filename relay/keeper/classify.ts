/**
 * What the relay does with a message of a peer while the app sleeps. Looks at the type alone, never inside.
 * Types: BOLT 1, 2 and 7 at a377265, and BOLT 12's onion messages.
 */

/**
 * `relay`: answered here. `drop`: never numbered, the app does not see it. `queue`: kept for the next time the app is awake,
 * means nothing yet. `wake`: somebody waits for the app.
 */
export type Attention = 'relay' | 'drop' | 'queue' | 'wake';

const known: { readonly [type: number]: Attention } = {
  1: 'queue', // warning
  2: 'queue', // stfu
  7: 'drop', // peer_storage: we store nothing for peers
  9: 'queue', // peer_storage_retrieval
  16: 'wake', // init: the app waits for it after a reconnect
  17: 'wake', // error
  18: 'relay', // ping
  19: 'relay', // pong
  32: 'wake', // open_channel
  33: 'wake', // accept_channel
  34: 'wake', // funding_created
  35: 'wake', // funding_signed
  36: 'wake', // channel_ready
  38: 'wake', // shutdown
  39: 'wake', // closing_signed
  40: 'wake', // closing_complete
  41: 'wake', // closing_sig
  64: 'wake', // open_channel2
  65: 'wake', // accept_channel2
  66: 'wake', // tx_add_input
  67: 'wake', // tx_add_output
  68: 'wake', // tx_remove_input
  69: 'wake', // tx_remove_output
  70: 'wake', // tx_complete
  71: 'wake', // tx_signatures
  72: 'wake', // tx_init_rbf
  73: 'wake', // tx_ack_rbf
  74: 'wake', // tx_abort
  77: 'wake', // splice_locked
  80: 'wake', // splice_init
  81: 'wake', // splice_ack
  127: 'queue', // start_batch
  128: 'queue', // update_add_htlc: means nothing until commitment_signed
  130: 'queue', // update_fulfill_htlc
  131: 'queue', // update_fail_htlc
  132: 'wake', // commitment_signed
  133: 'wake', // revoke_and_ack
  134: 'queue', // update_fee
  135: 'queue', // update_fail_malformed_htlc
  136: 'wake', // channel_reestablish
  256: 'drop', // channel_announcement
  257: 'drop', // node_announcement
  258: 'queue', // channel_update: a peer tells its own for our channel; the session keeps a few
  259: 'wake', // announcement_signatures: nobody can pay over the channel before our channel_update follows it
  261: 'drop', // query_short_channel_ids
  262: 'drop', // reply_short_channel_ids_end
  263: 'drop', // query_channel_range
  264: 'drop', // reply_channel_range
  265: 'drop', // gossip_timestamp_filter
  513: 'wake', // onion_message
};

/** `-1` for what is shorter than a type. */
export const messageType = (bytes: Uint8Array): number => (bytes.length < 2 ? -1 : ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));

export function classify(bytes: Uint8Array): Attention {
  const type = messageType(bytes);
  // Too short to have a type: the app must see it and end the connection as BOLT 1 wants.
  if (type < 0) return 'wake';
  // BOLT 1: "upon receiving a message of _odd_, unknown type" … "MUST ignore the received message."
  // BOLT 1: "upon receiving a message of _even_, unknown type" … "MUST close the connection." That is the app's to do.
  return known[type] ?? (type % 2 === 0 ? 'wake' : 'drop');
}
