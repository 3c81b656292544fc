/**
 * An error ended the channel and the peer was told; most peers then publish their commitment, and what is ours is claimed from it.
 * We publish ours when the user says so, when an HTLC runs out, when the peer insists in a later connection, or after a day. An error
 * could be forged by whoever carries our messages, so one alone costs no transaction.
 */
import type { ChannelCommand } from '../command.ts';
import { note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { forgetAfterBlocks, isOverdue, publishAfterBlocks } from '../limits.ts';
import { textBytes } from '../message.ts';
import type { Failed } from '../state.ts';
import { type Step, stay } from '../step.ts';
import { beginClosing } from './begin-closing.ts';
import { confirmedBy, unconfirmed } from './confirmation.ts';
import { nextHtlcHeight } from './live.ts';

export function failed(state: Failed, command: ChannelCommand, env: Env): Step {
  const { channelId } = state.commitments;
  switch (command.tag) {
    case 'connected':
      // BOLT 2: "if a channel is in an error state: SHOULD retransmit the error packet and ignore any other packets for that channel."
      return stay({ ...state, connections: state.connections + 1 }, send({ name: 'error', channelId, data: textBytes(state.errorText) }));
    case 'peer-error':
      return state.connections > 0 ? publish(state, env) : stay(state);
    case 'recv':
      // A peer that lost its data, or one that insists, waits for us to publish.
      return state.connections > 0 && command.msg.name === 'channel_reestablish' ? publish(state, env) : stay(state);
    case 'force-close':
      return publish(state, env);
    case 'tick':
      return tick(state, env);
    case 'chain':
      switch (command.event.tag) {
        case 'funding-confirmed':
          return stay(confirmedBy(state, command.event));
        case 'funding-reorged':
          return stay(unconfirmed(state));
        case 'spent':
          return beginClosing(state, { code: state.code, detail: state.detail }, false, command.event, env);
        default:
          return stay(state);
      }
    case 'add':
      return stay(state, { tag: 'add-refused', channelId, request: command.request, error: { code: 'not-usable' } });
    case 'remove':
      if (command.removal.kind !== 'fulfill') return stay(state);
      return beginClosing(
        withPreimage(state, command.id, command.removal.preimage),
        { code: state.code, detail: state.detail },
        true,
        undefined,
        env,
      );
    default:
      return stay(state);
  }
}

/** A payment that is ours is reason enough to go on chain. */
function withPreimage(state: Failed, id: bigint, preimage: Uint8Array): Failed {
  const htlcs = state.commitments.htlcs.map((htlc) => (htlc.by === 'remote' && htlc.id === id ? { ...htlc, preimage } : htlc));
  return { ...state, commitments: { ...state.commitments, htlcs } };
}

const publish = (state: Failed, env: Env): Step =>
  state.doNotBroadcast ? stay(state) : beginClosing(state, { code: state.code, detail: state.detail }, true, undefined, env);

function tick(state: Failed, env: Env): Step {
  const { commitments, confirmed, since } = state;
  const due = nextHtlcHeight(commitments);
  if (due !== undefined && env.height >= due) return publish(state, env);
  if (confirmed && env.height >= since.height + publishAfterBlocks) return publish(state, env);
  // A funding transaction that never came leaves nothing to keep.
  if (confirmed || commitments.terms.localIsOpener || commitments.localCommit.number > 0n || !isOverdue(since, env)) return stay(state);
  return {
    state: null,
    effects: [
      note({
        kind: 'channel-abandoned',
        channelId: commitments.channelId,
        amountSat: commitments.terms.fundingAmountSat,
        detail: `no funding transaction in ${forgetAfterBlocks} blocks`,
      }),
    ],
  };
}
