/** The end of a channel on chain. BOLT 5; what is claimed and how is `shared/ln/onchain`'s, here its answers become the channel's. */
import { isResolved, stepOnchain } from '../../onchain/machine.ts';
import type { OnchainEffect, OnchainEvent } from '../../onchain/types.ts';
import type { ChainEvent } from '../command.ts';
import { type ChannelEffect, note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { factsOf } from '../facts.ts';
import { textBytes } from '../message.ts';
import type { Closing } from '../state.ts';
import { type Step, stay, type Transition } from '../step.ts';
import { confirmedBy, unconfirmed } from './confirmation.ts';

export const closing: Transition<Closing> = (state, command, env) => {
  const { channelId } = state.commitments;
  switch (command.tag) {
    case 'chain':
      return onChain(state, command.event, env);
    case 'tick':
    case 'flush':
      return onTick(state, env);
    case 'archive':
      return apply(state, { tag: 'archive', number: command.number, htlcs: command.htlcs }, env);
    case 'remove':
      // A preimage that comes late still claims on chain. A failure has nobody left to hear it.
      if (command.removal.kind !== 'fulfill') return stay(state);
      return apply(state, { tag: 'preimage', preimage: command.removal.preimage }, env);
    case 'force-close':
      if (state.dataLost || state.onchain.publishing) return stay(state);
      return onTick({ ...state, onchain: { ...state.onchain, publishing: true } }, env);
    case 'connected':
      // BOLT 2: "if a channel is in an error state: SHOULD retransmit the error packet and ignore any other packets for that channel."
      if (state.cause.code === 'mutual' || state.onchain.spends.length > 0) return stay(state);
      return stay(state, send({ name: 'error', channelId, data: textBytes(state.cause.detail) }));
    case 'add':
      return stay(state, { tag: 'add-refused', channelId, request: command.request, error: { code: 'not-usable' } });
    case 'recv':
    case 'peer-error':
    case 'answer':
    case 'disconnected':
    case 'set-fee':
    case 'close':
    case 'funded':
    case 'not-funded':
      return stay(state);
  }
};

export function onChain(state: Closing, event: ChainEvent, env: Env): Step {
  switch (event.tag) {
    case 'spent': {
      const { outpoint, txid, transaction, height } = event;
      return apply(state, { tag: 'spent', spend: { outpoint, txid, transaction, height } }, env);
    }
    case 'reorged':
      return apply(state, { tag: 'reorged', height: event.height }, env);
    case 'seen':
      return apply(state, { tag: 'seen', transaction: event.transaction }, env);
    case 'funding-confirmed':
      return stay(confirmedBy(state, event));
    case 'funding-reorged':
      return stay(unconfirmed(state));
    case 'funding-wrong':
      return stay(state);
  }
}

export function onTick(state: Closing, env: Env): Step {
  const step = apply(state, { tag: 'tick' }, env);
  if (step.state?.tag !== 'closing') return step;
  const { onchain, commitments } = step.state;
  if (!isResolved(onchain, factsOf(step.state, env), env.height)) return step;
  return {
    state: null,
    effects: [
      ...step.effects,
      note({ kind: 'close-resolved', channelId: commitments.channelId, amountSat: commitments.terms.fundingAmountSat }),
    ],
  };
}

function apply(state: Closing, event: OnchainEvent, env: Env): Step {
  const { height, wallet, coins, feerateFor } = env;
  const { commitments } = state;
  const signer = env.openSigner(commitments.terms.keyPath);
  const stepped = stepOnchain(state.onchain, factsOf(state, env), event, { height, signer, wallet, coins, feerateFor });
  const next: Closing = { ...state, onchain: stepped.state, commitments: { ...commitments, guard: stepped.guard } };
  return stay(next, ...stepped.effects.map((effect) => tell(commitments.channelId, effect)));
}

function tell(channelId: Uint8Array, effect: OnchainEffect): ChannelEffect {
  switch (effect.tag) {
    case 'need-archive':
      return { tag: 'need-archive', channelId, number: effect.number };
    case 'htlc-settled':
      return { tag: 'htlc-fulfilled', channelId, id: effect.id, preimage: effect.preimage };
    case 'htlc-failed':
      return { tag: 'htlc-failed', channelId, id: effect.id };
    case 'note': {
      const { tag: _, kind, ...rest } = effect;
      return note({ kind, channelId, ...rest });
    }
  }
}
