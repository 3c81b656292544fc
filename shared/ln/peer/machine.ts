/**
 * One peer connection with its channels: `stepPeer(state, command, env) → { state, effects }`, synchronous and total.
 * BOLT 1 § Connection Handling and Multiplexing. What messages mean is in `route.ts`, how a step is put together in `draft.ts`.
 *
 * What goes to the peer is put into `state.outbox` with (epoch, m), so that it is stored with the state that it depends on.
 * Nothing here catches: an exception is a bug of ours, and the runtime quarantines this peer (it never force-closes for it).
 */
import { equal } from '../../lib/bytes.ts';
import { offerChannel } from '../channel/offer.ts';
import { type ChannelState, channelIdOf, commitmentsOf } from '../channel/state.ts';
import type { Outpoint } from '../tx/transaction.ts';
import type { ChainEvent, PeerCommand } from './command.ts';
import { advance, apply, close, type Draft, draft, find, finish, pendingChannels, say, toChannels } from './draft.ts';
import type { PeerEffect } from './effect.ts';
import type { Env, PeerEnv } from './env.ts';
import { negotiatedWith } from './init.ts';
import { receive } from './route.ts';
import type { PeerState } from './state.ts';

export { broadcasts, type FundingWatch, nextDeadlineMs, nextHeight, type SpendWatch, spendWatches, watches } from './derived.ts';
export { ourInit } from './init.ts';

export const newPeer = (peerId: Uint8Array): PeerState => ({
  peerId,
  link: 'offline',
  epoch: 0,
  lastInSeq: 0,
  outSeq: 0,
  outbox: [],
  remoteFeatures: new Uint8Array(0),
  refused: [],
  channels: [],
});

export type PeerStep = { readonly state: PeerState; readonly effects: readonly PeerEffect[] };

export function stepPeer(state: PeerState, command: PeerCommand, given: PeerEnv): PeerStep {
  const at = draft(state);
  const env: Env = { ...given, peerId: at.peerId, negotiated: negotiatedWith(at.remoteFeatures) };
  switch (command.tag) {
    case 'connected':
      connected(at, command.epoch, env);
      break;
    case 'frame':
      frame(at, command, env);
      break;
    case 'receipt':
      if (command.epoch === at.epoch) at.outbox = at.outbox.filter(({ m }) => m > command.m);
      break;
    case 'disconnected':
      if (command.epoch === at.epoch) disconnected(at, env);
      break;
    case 'answer':
      toChannels(at, (channel) => equal(channelIdOf(channel), command.channelId), { tag: 'answer', approve: command.approve }, env);
      break;
    case 'tick':
      toChannels(at, everyChannel, { tag: 'tick' }, env);
      break;
    case 'chain':
      toChannels(at, isAbout(command.event), { tag: 'chain', event: command.event }, env);
      break;
    case 'open':
      open(at, command, env);
      break;
    case 'channel':
      toOne(at, command, env);
      break;
    case 'say-update':
      if (at.link === 'ready') say(at, command.update);
      break;
    case 'flush':
      toChannels(at, everyChannel, { tag: 'flush' }, env);
      break;
  }
  return finish(at);
}

function open(at: Draft, { request, open: wanted }: Extract<PeerCommand, { tag: 'open' }>, env: Env): void {
  if (at.link !== 'ready') {
    at.effects.push({ tag: 'open-refused', request, error: { code: 'not-connected' } });
    return;
  }
  const offered = offerChannel(wanted, { negotiated: negotiatedWith(at.remoteFeatures), pendingChannels: pendingChannels(at) }, env);
  if (!offered.ok) {
    at.effects.push({ tag: 'open-refused', request, error: offered.error });
    return;
  }
  at.effects.push({ tag: 'opening', request, temporaryChannelId: channelIdOf(offered.value.state) });
  apply(at, undefined, offered.value, env);
}

/** Whoever asks of a channel that is not there is told so. */
function toOne(at: Draft, { channelId, command }: Extract<PeerCommand, { tag: 'channel' }>, env: Env): void {
  const channel = find(at, channelId);
  if (channel) advance(at, channel, command, env);
  else if (command.tag === 'add')
    at.effects.push({ tag: 'add-refused', channelId, request: command.request, error: { code: 'not-usable' } });
}

const everyChannel = (): boolean => true;

/** A re-org is for all; everything else is about one output, which may be of a commitment that is in the chain. */
const isAbout =
  (event: ChainEvent) =>
  (channel: ChannelState): boolean => {
    if (event.tag === 'reorged') return true;
    const commitments = commitmentsOf(channel);
    if (!commitments) return false;
    return sameOutpoint(commitments.fundingOutpoint, event.outpoint) || (channel.tag === 'closing' && event.tag !== 'funding-confirmed');
  };

const sameOutpoint = (a: Outpoint, b: Outpoint): boolean => a.vout === b.vout && equal(a.txid, b.txid);

/** A newer epoch ends the older one, whether or not anybody told us of its end. */
function connected(at: Draft, epoch: number, env: Env): void {
  if (epoch <= at.epoch) return;
  disconnected(at, env);
  at.link = 'connected';
  at.epoch = epoch;
  at.lastInSeq = 0;
  at.outSeq = 0;
}

function disconnected(at: Draft, env: Env): void {
  if (at.link === 'offline') return;
  at.link = 'offline';
  at.outbox = [];
  at.refused = [];
  toChannels(at, everyChannel, { tag: 'disconnected' }, env);
}

/** Frames come at least once and in order; anything else is of an old transport, a repetition, or a relay that lost one. */
function frame(at: Draft, { epoch, n, bytes }: Extract<PeerCommand, { tag: 'frame' }>, env: Env): void {
  if (epoch !== at.epoch || at.link === 'offline' || n <= at.lastInSeq) return;
  if (at.link === 'closing') {
    if (n === at.lastInSeq + 1) at.lastInSeq = n;
    return;
  }
  if (n > at.lastInSeq + 1) {
    close(at, `frame ${n} came where ${at.lastInSeq + 1} is next`, env);
    return;
  }
  at.lastInSeq = n;
  receive(at, bytes, env);
}
