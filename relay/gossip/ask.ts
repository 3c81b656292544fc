/**
 * BOLT 7 § Query Messages, as much as a node says that only listens: what to send after `init`, and which of the peer's channels to
 * ask for. Bytes and numbers only, no socket and no clock.
 */
import { encodeShortIds } from '../../shared/ln/gossip/queries.ts';
import { encodeFeatures, features } from '../../shared/ln/wire/features.ts';
import { encodeMessage } from '../../shared/ln/wire/registry.ts';

/** Ids of one question: LND and others answer no more than some thousand messages at a time. */
export const IDS_PER_QUERY = 500;
const EVERYTHING = 0xffffffff;

const bits: readonly number[] = [
  features.option_data_loss_protect.bit,
  features.gossip_queries.bit,
  features.var_onion_optin.bit,
  features.option_static_remotekey.bit,
  features.payment_secret.bit,
  features.option_channel_type.bit,
].map((bit) => bit + 1);

/** Without a channel of its own such a node promises nothing by its bits: they are those without which LND and LDK hang up. */
export const ourInit = (chainHash: Uint8Array): Uint8Array =>
  encodeMessage({ name: 'init', globalfeatures: new Uint8Array(0), features: encodeFeatures(bits), networks: [chainHash] });

/** All that was signed at or after `firstTimestamp` (seconds), and all that comes. */
export const askFrom = (chainHash: Uint8Array, firstTimestamp: number): Uint8Array =>
  encodeMessage({ name: 'gossip_timestamp_filter', chainHash, firstTimestamp, timestampRange: EVERYTHING - firstTimestamp });

/** The ids of all channels that the peer knows. */
export const askForIds = (chainHash: Uint8Array): Uint8Array =>
  encodeMessage({ name: 'query_channel_range', chainHash, firstBlocknum: 0, numberOfBlocks: EVERYTHING });

/** All about these channels: announcement, updates, nodes. At most `IDS_PER_QUERY`. */
export const askForChannels = (chainHash: Uint8Array, ids: readonly bigint[]): Uint8Array =>
  encodeMessage({ name: 'query_short_channel_ids', chainHash, encodedShortIds: encodeShortIds(ids) });
