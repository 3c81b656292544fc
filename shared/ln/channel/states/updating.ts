/** Updates and the commitment dance, as `normal` and `shutting-down` share them. BOLT 2 § Normal Operation. */
import type { ChannelCommand } from '../command.ts';
import type { Commitments } from '../commitments.ts';
import { type Archive, canSign, type Outcome, receiveCommit, receiveRevocation, sendCommit } from '../dance.ts';
import { type ChannelEffect, send } from '../effect.ts';
import type { Env } from '../env.ts';
import type { ChannelMessage } from '../message.ts';
import type { Normal, ShuttingDown } from '../state.ts';
import { fault, misplaced, type Step, stay } from '../step.ts';
import { attributionOf, isOverExposed, receiveAdd, receiveFee, receiveRemoval, sendFee, sendRemoval } from '../updates.ts';

type Updating = Normal | ShuttingDown;

const signerOf = ({ commitments }: Updating, env: Env) => env.openSigner(commitments.terms.keyPath);

export function recvUpdate(state: Updating, msg: ChannelMessage, env: Env): Step {
  const { commitments } = state;
  switch (msg.name) {
    case 'update_add_htlc': {
      const added = receiveAdd(commitments, msg);
      return added.ok ? stay({ ...state, commitments: added.value }) : fault(state, added.error, env);
    }
    case 'update_fulfill_htlc':
    case 'update_fail_htlc':
    case 'update_fail_malformed_htlc': {
      const removed = receiveRemoval(commitments, msg);
      if (!removed.ok) return fault(state, removed.error, env);
      const news: readonly ChannelEffect[] =
        msg.name === 'update_fulfill_htlc'
          ? [{ tag: 'htlc-fulfilled', channelId: commitments.channelId, id: msg.id, preimage: msg.paymentPreimage, ...attributionOf(msg) }]
          : [];
      return stay({ ...state, commitments: removed.value }, ...news);
    }
    case 'update_fee': {
      const changed = receiveFee(commitments, msg, env.feeratePerKw);
      return changed.ok ? stay({ ...state, commitments: changed.value }) : fault(state, changed.error, env);
    }
    case 'commitment_signed': {
      const received = receiveCommit(commitments, msg, signerOf(state, env));
      if (!received.ok) return fault(state, received.error, env);
      const { commitments: next, message } = received.value;
      return stay({ ...state, commitments: next }, send(message));
    }
    case 'revoke_and_ack': {
      const received = receiveRevocation(commitments, msg, signerOf(state, env));
      if (!received.ok) return fault(state, received.error, env);
      const { commitments: next, outcomes, archive } = received.value;
      return stay({ ...state, commitments: next }, ...keeping(next, archive), ...outcomes.map((outcome) => newsOf(next, outcome)));
    }
    default:
      return misplaced(state, msg.name, env);
  }
}

function keeping({ channelId }: Commitments, archive: Archive | undefined): readonly ChannelEffect[] {
  if (!archive) return [];
  const htlcs = archive.htlcs.map(({ by, id, amountMsat, paymentHash, cltvExpiry }) => ({
    offered: by === 'local',
    id,
    amountMsat,
    paymentHash,
    cltvExpiry,
  }));
  return [{ tag: 'keep-archive', channelId, number: archive.number, htlcs }];
}

function newsOf(commitments: Commitments, outcome: Outcome): ChannelEffect {
  const { channelId } = commitments;
  const { htlc } = outcome;
  switch (outcome.tag) {
    case 'htlc-received':
      return { tag: 'htlc-received', channelId, htlc, overExposed: isOverExposed(commitments, htlc) };
    case 'htlc-claimed':
      return { tag: 'htlc-claimed', channelId, htlc };
    case 'htlc-failed':
      return { tag: 'htlc-failed', channelId, id: htlc.id, ...(htlc.removal ? { removal: htlc.removal } : {}) };
  }
}

type UpdateCommand = Extract<ChannelCommand, { readonly tag: 'remove' | 'set-fee' | 'flush' }>;

/** Our own updates. What the channel cannot do is the caller's affair: the peer hears nothing of it. */
export function update(state: Updating, command: UpdateCommand, env: Env): Step {
  const { commitments } = state;
  switch (command.tag) {
    case 'remove': {
      const removed = sendRemoval(commitments, command.id, command.removal);
      return removed.ok ? stay({ ...state, commitments: removed.value.commitments }, send(removed.value.message)) : stay(state);
    }
    case 'set-fee': {
      const changed = sendFee(commitments, command.feeratePerKw);
      return changed.ok ? stay({ ...state, commitments: changed.value.commitments }, send(changed.value.message)) : stay(state);
    }
    case 'flush': {
      if (!canSign(commitments)) return stay(state);
      const signed = sendCommit(commitments, signerOf(state, env));
      if (!signed.ok) return fault(state, signed.error, env);
      return stay({ ...state, commitments: signed.value.commitments }, send(signed.value.message));
    }
  }
}
