/** What a message means and where it goes. BOLT 1 § Setup Messages; BOLT 2's messages go to the channel that they name. */
import { equal, toHex } from '../../lib/bytes.ts';
import { channelIdFrom } from '../channel/commitments.ts';
import { describe } from '../channel/error.ts';
import { addressOf, type ChannelMessage, type FundingCreated, type OpenChannel, textBytes } from '../channel/message.ts';
import { openChannel } from '../channel/open.ts';
import { type ChannelState, channelIdOf } from '../channel/state.ts';
import { fail } from '../channel/step.ts';
import { advance, apply, close, type Draft, find, pendingChannels, say, tell, toChannels } from './draft.ts';
import type { Env } from './env.ts';
import { checkInit, negotiatedWith } from './init.ts';
import { peerPolicy } from './policy.ts';
import { printable } from './text.ts';
import { decode, type Init, type PeerMessage } from './wire.ts';

/** BOLT 1: "unless `channel_id` is 0 (i.e. all bytes are 0), in which case it refers to all channels." */
const allChannels = new Uint8Array(32);
const meansAll = (channelId: Uint8Array): boolean => equal(channelId, allChannels);

export function receive(at: Draft, bytes: Uint8Array, env: Env): void {
  if (at.link === 'connected') receiveFirst(at, bytes, env);
  else receiveNext(at, bytes, env);
}

/** BOLT 1: "MUST wait to receive `init` before sending any other messages." So a peer that does not begin with it is not answered. */
function receiveFirst(at: Draft, bytes: Uint8Array, env: Env): void {
  const decoded = decode(bytes);
  // BOLT 1: "MUST send `init` as the first Lightning message for any connection."
  if (!decoded.ok) close(at, `before init: ${decoded.error.code} ${decoded.error.detail}`, env);
  else if (decoded.value.name !== 'init') close(at, `${decoded.value.name} before init`, env);
  else init(at, decoded.value, env);
}

function receiveNext(at: Draft, bytes: Uint8Array, env: Env): void {
  const decoded = decode(bytes);
  // BOLT 1: "upon receiving a message of _even_, unknown type: MUST close the connection.", "upon receiving a known message with
  // insufficient length for the contents: MUST close the connection."
  if (!decoded.ok) complain(at, `${decoded.error.code}: ${decoded.error.detail}`, env);
  // BOLT 1: "upon receiving a message of _odd_, unknown type: MUST ignore the received message."
  else if (decoded.value.name !== 'unknown') receiveKnown(at, decoded.value, env);
}

/** A `warning` about no channel in particular, and the end. An `error` for all channels would close them on chain. */
function complain(at: Draft, text: string, env: Env): void {
  say(at, { name: 'warning', channelId: allChannels, data: textBytes(text) });
  tell(at, { kind: 'fault', detail: text });
  close(at, text, env);
}

function init(at: Draft, msg: Init, env: Env): void {
  const checked = checkInit(msg, env.chainHash);
  at.link = 'ready';
  if (checked.ok) {
    at.remoteFeatures = checked.value;
    toChannels(at, () => true, { tag: 'connected' }, { ...env, negotiated: negotiatedWith(at.remoteFeatures) });
  } else {
    complain(at, checked.error, env);
  }
}

function receiveKnown(at: Draft, msg: PeerMessage, env: Env): void {
  switch (msg.name) {
    case 'init':
      complain(at, 'init came a second time', env);
      break;
    case 'error':
      peerError(at, msg.channelId, printable(msg.data), env);
      break;
    case 'warning':
      // BOLT 1: "SHOULD log the message for later diagnosis.", "if no existing channel is referred to by `channel_id`: MUST ignore"
      if (meansAll(msg.channelId)) tell(at, { kind: 'peer-warning', detail: printable(msg.data) });
      else if (find(at, msg.channelId)) tell(at, { kind: 'peer-warning', channelId: msg.channelId, detail: printable(msg.data) });
      break;
    case 'open_channel':
      open(at, msg, env);
      break;
    case 'channel_update': {
      const policy = peerPolicy(at, msg, env.chainHash);
      if (policy) at.effects.push({ tag: 'peer-policy', policy });
      break;
    }
    case 'announcement_signatures': {
      // Gossip about a channel that is not here is nobody's fault. BOLT 1 has an `error` for types up to 255 only.
      const channel = find(at, msg.channelId);
      if (channel) advance(at, channel, { tag: 'recv', msg }, env);
      break;
    }
    // The relay answers pings; blobs and other gossip are nothing that we asked for.
    case 'ping':
    case 'pong':
    case 'peer_storage':
    case 'peer_storage_retrieval':
    case 'channel_announcement':
    case 'node_announcement':
    case 'query_short_channel_ids':
    case 'reply_short_channel_ids_end':
    case 'query_channel_range':
    case 'reply_channel_range':
    case 'gossip_timestamp_filter':
    case 'onion_message':
      break;
    default:
      toChannel(at, msg satisfies ChannelMessage, env);
  }
}

function peerError(at: Draft, channelId: Uint8Array, detail: string, env: Env): void {
  const all = meansAll(channelId);
  if (all) tell(at, { kind: 'peer-error', detail });
  toChannels(at, (channel) => all || namesOf(channel).some((name) => equal(name, channelId)), { tag: 'peer-error', detail }, env);
}

/**
 * BOLT 1: "for all error messages sent before (and not including) the `funding_signed` message: MUST use `temporary_channel_id` in lieu of
 * `channel_id`." So who refuses our `funding_created` calls the channel by the name that is history for us.
 */
const namesOf = (channel: ChannelState): readonly Uint8Array[] =>
  channel.tag === 'wait-for-funding-signed' ? [channelIdOf(channel), channel.terms.temporaryChannelId] : [channelIdOf(channel)];

function open(at: Draft, msg: OpenChannel, env: Env): void {
  // BOLT 2: "MUST ensure `temporary_channel_id` is unique from any other channel ID with the same peer."
  if (find(at, msg.temporaryChannelId) || meansAll(msg.temporaryChannelId)) {
    complain(at, `${describe({ code: 'temporary-id-in-use' })}: ${toHex(msg.temporaryChannelId)}`, env);
    return;
  }
  const refused = at.refused.find(({ temporaryChannelId }) => equal(temporaryChannelId, msg.temporaryChannelId));
  if (refused) {
    say(at, { name: 'error', channelId: refused.temporaryChannelId, data: textBytes(refused.errorText) });
    return;
  }
  apply(at, undefined, openChannel(msg, { negotiated: negotiatedWith(at.remoteFeatures), pendingChannels: pendingChannels(at) }, env), env);
}

function toChannel(at: Draft, msg: ChannelMessage, env: Env): void {
  const channelId = addressOf(msg);
  const channel = find(at, channelId);
  if (meansAll(channelId)) {
    // An `error` with that id would close every channel.
    complain(at, `${msg.name} for no channel`, env);
  } else if (!channel) {
    // BOLT 1: "SHOULD send `error` with the unknown `channel_id` in reply to messages of type `32`-`255` related to unknown channels."
    say(at, { name: 'error', channelId, data: textBytes(describe({ code: 'channel-unknown' })) });
  } else if (msg.name === 'funding_created' && isTaken(at, msg)) {
    apply(at, channel, fail(channel, { code: 'outpoint-in-use' }, env), env);
  } else {
    advance(at, channel, { tag: 'recv', msg }, env);
  }
}

/** The peer chooses the txid freely, so two different outpoints can come to one channel id, or to the one that means all. */
function isTaken(at: Draft, { fundingTxid, fundingOutputIndex }: FundingCreated): boolean {
  const next = channelIdFrom({ txid: fundingTxid, vout: fundingOutputIndex });
  return find(at, next) !== undefined || meansAll(next);
}
