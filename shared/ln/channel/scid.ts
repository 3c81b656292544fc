/** The names of a channel in routes. BOLT 7 § Definition of `short_channel_id`; BOLT 2 § The `channel_ready` Message for aliases. */
import type { Commitments } from './commitments.ts';
import type { Ground } from './state.ts';

export type Named = Ground & { readonly commitments: Commitments };

/** Block, transaction and output of the funding; undefined before it is confirmed. */
export const shortChannelIdOf = ({ confirmed, commitments }: Named): bigint | undefined =>
  confirmed && (BigInt(confirmed.height) << 40n) | (BigInt(confirmed.txIndex) << 16n) | BigInt(commitments.fundingOutpoint.vout);

/**
 * By which name the peer finds the channel in an onion: BOLT 2: "MAY use any of the `alias` it received, in BOLT 11 `r` fields." Undefined: by
 * none yet.
 */
export const scidForPeer = (channel: Named): bigint | undefined => channel.commitments.remoteAlias ?? shortChannelIdOf(channel);

/** Every name under which the peer may speak of the channel. */
export const scidsOf = (channel: Named): readonly bigint[] => {
  const { remoteAlias, terms } = channel.commitments;
  return [shortChannelIdOf(channel), remoteAlias, terms.localAlias].filter((scid) => scid !== undefined);
};
