/** What every state answers with, and how a fault becomes a step. */

import { mutuallyClosing } from './agreed.ts';
import type { ChannelCommand } from './command.ts';
import type { Commitments } from './commitments.ts';
import { rollBack } from './dance.ts';
import { type ChannelEffect, note, send } from './effect.ts';
import type { Env } from './env.ts';
import { type ChannelError, consequence, describe } from './error.ts';
import { textBytes } from './message.ts';
import { isAgreed } from './negotiation.ts';
import { type ChannelState, channelIdOf, type Failed, fundingAmountOf, groundOf, isPending, type Live, liveOf } from './state.ts';
import { sendRemoval } from './updates.ts';

/** `state` null: the channel is forgotten. */
export type Step = { readonly state: ChannelState | null; readonly effects: readonly ChannelEffect[] };
export type Transition<S extends ChannelState> = (state: S, command: ChannelCommand, env: Env) => Step;

export const stay = (state: ChannelState, ...effects: readonly ChannelEffect[]): Step => ({ state, effects });

/** Applies the table of `error.ts`. For `fail-channel` see `fail`. */
export function fault(state: ChannelState, error: ChannelError, env: Env): Step {
  const channelId = channelIdOf(state);
  const warning = send({ name: 'warning', channelId, data: textBytes(describe(error)) });
  const kind = consequence(error.code);
  switch (kind) {
    case 'ignore':
      return stay(state);
    case 'warn':
      return stay(state, warning, note({ kind: 'fault', channelId, detail: describe(error) }));
    case 'disconnect':
      return stay(state, warning, note({ kind: 'fault', channelId, detail: describe(error) }), {
        tag: 'disconnect',
        reason: describe(error),
      });
    case 'fail-channel':
      return fail(state, error, env);
  }
}

/**
 * Ends the channel with an `error` to the peer: before `funding_signed` it is forgotten, after it the commitments are kept.
 * BOLT 1: "when sending `error`: MUST fail the channel(s) referred to by the error message."
 */
export function fail(state: ChannelState, error: ChannelError, env: Env): Step {
  const live = liveOf(state);
  if (live.tag === 'failed' || live.tag === 'closing') return stay(live);
  // A close that both signed waits for the chain, whatever the peer says now; it may have forgotten the channel already.
  if (live.tag === 'negotiating' && isAgreed(live.negotiation)) return stay(mutuallyClosing(live, error.code === 'data-lost', env));
  const channelId = channelIdOf(state);
  const errorText = describe(error);
  const amountSat = fundingAmountOf(state);
  const told = send({ name: 'error', channelId, data: textBytes(errorText) });
  if (isPending(live))
    return { state: null, effects: [told, note({ kind: 'channel-abandoned', channelId, amountSat, detail: errorText })] };
  const { commitments, gone } = withoutUnsigned(live);
  const failed: Failed = {
    tag: 'failed',
    commitments,
    code: error.code,
    detail: errorText,
    errorText,
    doNotBroadcast: error.code === 'data-lost',
    connections: 0,
    since: { height: env.height, ms: env.now },
    ...groundOf(live),
  };
  return stay(failed, told, ...gone, note({ kind: 'channel-failed', channelId, amountSat, detail: errorText }));
}

/**
 * What was never signed dies with the connection, or with the channel; what of it was ours is told. What we decided while the peer wanted
 * silence is kept: a preimage among it claims on chain.
 */
export function withoutUnsigned(state: Live | Failed): { readonly commitments: Commitments; readonly gone: readonly ChannelEffect[] } {
  const unsaid = (state.tag === 'normal' && state.quiet?.removals) || [];
  const decided = unsaid.reduce<Commitments>((before, { id, removal }) => {
    const removed = sendRemoval(before, id, removal);
    return removed.ok ? removed.value.commitments : before;
  }, state.commitments);
  const { commitments, dropped } = rollBack(decided);
  return { commitments, gone: dropped.map(({ id }) => ({ tag: 'htlc-failed', channelId: commitments.channelId, id })) };
}

/** The peer's `error`. BOLT 1: "MUST fail the channel referred to by `channel_id`, if that channel is with the sending node." */
export function failedByPeer(state: ChannelState, detail: string, env: Env): Step {
  const { state: next, effects } = fail(state, { code: 'peer-error', detail }, env);
  // The one who says it is over is not told so now, and the user hears the peer's words.
  const quiet = effects.flatMap((effect) =>
    effect.tag === 'send' ? [] : [effect.tag === 'note' ? note({ ...effect.note, detail }) : effect],
  );
  return next?.tag === 'failed' && next.code === 'peer-error' ? stay({ ...next, detail }, ...quiet) : { state: next, effects: quiet };
}

/** A message that has no place in this state of a funded channel. */
export const misplaced = (state: ChannelState, name: string, env: Env): Step =>
  fault(state, { code: 'misplaced-message', detail: name }, env);

/** Both steps' effects, the second step's state. */
export const andThen = (first: Step, next: (state: ChannelState) => Step): Step => {
  if (first.state === null) return first;
  const second = next(first.state);
  return { state: second.state, effects: [...first.effects, ...second.effects] };
};
