/**
 * The announcement of a public channel. BOLT 7 § The `announcement_signatures` Message. The one thing that the funding key signs besides
 * transactions, and the only door here to the node's key: nobody hands in a digest, so nothing but a `channel_announcement` of this channel
 * can be signed. Callers check that the funding output is at that short channel id, deep enough, and whose the other two keys are.
 */
import { ok } from '../../lib/result.ts';
import { channelToAnnounce, directionFrom } from '../gossip/announce.ts';
import { pointFromSecret, sign } from '../keys/secp.ts';
import { type Keyring, refuse } from './keyring.ts';
import type { ChannelSigner } from './signer.ts';

/** `nodeSecret` is asked for when there is something to sign: few wakes announce anything. */
export function announcementOperations(
  keys: Keyring,
  nodeSecret: () => Uint8Array,
): Pick<ChannelSigner, 'allowAnnouncement' | 'signAnnouncement'> {
  return {
    allowAnnouncement(guard) {
      if (guard.fundingTxid !== undefined) return refuse('announcement-refused', 'the channel was opened already');
      return ok({ guard: { ...guard, announced: true } });
    },

    signAnnouncement({ chainHash, shortChannelId, peerId, remoteFundingPubkey }, guard) {
      if (guard.announced !== true) return refuse('announcement-refused', 'the channel was not opened to be announced');
      if (guard.fundingTxid === undefined) return refuse('announcement-refused', 'the channel has no funding');
      const secret = nodeSecret();
      const ours = { nodeId: pointFromSecret(secret), fundingPubkey: keys.basepoints().fundingPubkey };
      const theirs = { nodeId: peerId, fundingPubkey: remoteFundingPubkey };
      const { message, digest } = channelToAnnounce({ chainHash, shortChannelId, ours, theirs });
      // BOLT 7: "MUST set `node_signature_1` and `node_signature_2` to valid signatures of the hash `h`"
      // BOLT 7: "MUST set `bitcoin_signature_1` and `bitcoin_signature_2` to valid signatures of the hash `h`"
      const signatures = { node: sign(digest, secret), bitcoin: sign(digest, keys.secrets.funding) };
      return ok({ message, direction: directionFrom(ours.nodeId, peerId), signatures });
    },
  };
}
