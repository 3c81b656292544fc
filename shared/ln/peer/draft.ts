/** The state of a peer while a step is being made, and the few ways to change it. Lives for one `stepPeer` only. */
import { equal } from '../../lib/bytes.ts';
import type { ChannelCommand } from '../channel/command.ts';
import { step } from '../channel/machine.ts';
import type { OutMessage } from '../channel/message.ts';
import { type ChannelState, channelIdOf, isPending, liveOf } from '../channel/state.ts';
import type { Step } from '../channel/step.ts';
import type { ChannelUpdate } from '../wire/messages/gossip.ts';
import type { Note, PeerEffect } from './effect.ts';
import type { Env } from './env.ts';
import type { PeerState } from './state.ts';
import { encode } from './wire.ts';

export type Draft = { -readonly [K in keyof PeerState]: PeerState[K] } & { readonly effects: PeerEffect[] };

export const draft = (state: PeerState): Draft => ({ ...state, effects: [] });

export function finish({ effects, ...state }: Draft): { readonly state: PeerState; readonly effects: readonly PeerEffect[] } {
  return { state, effects };
}

/** Into the outbox. Throws where there is nobody to hear it: no transition says anything then. */
export function say(at: Draft, msg: OutMessage | ChannelUpdate): void {
  if (at.link !== 'ready') throw new Error(`${msg.name} to a peer that is ${at.link}`);
  at.outSeq += 1;
  at.outbox = [...at.outbox, { epoch: at.epoch, m: at.outSeq, bytes: encode(msg) }];
}

/** Bytes that were said before. */
export function repeat(at: Draft, bytes: Uint8Array): void {
  if (at.link !== 'ready') throw new Error(`a repetition to a peer that is ${at.link}`);
  at.outSeq += 1;
  at.outbox = [...at.outbox, { epoch: at.epoch, m: at.outSeq, bytes }];
}

export const tell = (at: Draft, note: Note): void => {
  at.effects.push({ tag: 'note', note });
};

/** Asks for the end of this transport. From here on nothing is heard and nothing said; for the channels it is over already. */
export function close(at: Draft, reason: string, env: Env): void {
  if (at.link === 'closing') return;
  at.link = 'closing';
  at.effects.push({ tag: 'disconnect', reason });
  toChannels(at, () => true, { tag: 'disconnected' }, env);
}

export function toChannels(at: Draft, which: (channel: ChannelState) => boolean, command: ChannelCommand, env: Env): void {
  for (const channel of at.channels) {
    // A step may end the connection, and with that replace the others.
    if (at.channels.includes(channel) && which(channel)) advance(at, channel, command, env);
  }
}

/** One channel's step. A coin that another closing channel pays a fee with is not there for this one. */
export function advance(at: Draft, channel: ChannelState, command: ChannelCommand, env: Env): void {
  const spent = at.channels.flatMap((other) =>
    other !== channel && other.tag === 'closing' ? other.onchain.attempts.flatMap(({ inputs }) => inputs) : [],
  );
  const isFree = ({ outpoint }: Env['coins'][number]): boolean =>
    !spent.some(({ txid, vout }) => vout === outpoint.vout && equal(txid, outpoint.txid));
  const own = spent.length === 0 ? env : { ...env, coins: env.coins.filter(isFree) };
  apply(at, channel, step(channel, command, own), env);
}

/** Older ones are forgotten: the user may be asked again about the seventeenth offer. */
const maxRefused = 16;

/** Takes over what a channel's step came to. `before` undefined: a new channel. */
export function apply(at: Draft, before: ChannelState | undefined, { state, effects }: Step, env: Env): void {
  const others = at.channels.filter((channel) => channel !== before);
  if (state === null) at.channels = others;
  else if (others.length === at.channels.length) at.channels = [...others, state];
  else at.channels = at.channels.map((channel) => (channel === before ? state : channel));
  let reason: string | undefined;
  for (const effect of effects) {
    if (effect.tag === 'send') say(at, effect.msg);
    else if (effect.tag === 'repeat') repeat(at, effect.bytes);
    else if (effect.tag === 'remember-refusal') at.refused = [...at.refused.slice(1 - maxRefused), effect.refusal];
    else if (effect.tag === 'disconnect') reason = effect.reason;
    else at.effects.push(effect);
  }
  if (reason !== undefined) close(at, reason, env);
}

export const find = (at: Draft, channelId: Uint8Array): ChannelState | undefined =>
  at.channels.find((channel) => equal(channelIdOf(channel), channelId));

/** Channels of this peer that wait for approval, for their funding, or for its confirmation. */
export const pendingChannels = (at: Draft): number =>
  at.channels.filter((channel) => isPending(channel) || liveOf(channel).tag === 'wait-for-funding-confirmed').length;
