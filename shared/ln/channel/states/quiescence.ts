/**
 * `stfu`: the peer asks for silence, and gets it once nothing of ours is on its way. BOLT 2 § Channel Quiescence. We never ask ourselves, for
 * nothing that needs it is built; so a silence ends with the connection. What we decide meanwhile is kept and said in the next one.
 */
import type { ChannelCommand } from '../command.ts';
import type { Commitments } from '../commitments.ts';
import { send } from '../effect.ts';
import type { Env } from '../env.ts';
import type { Htlc } from '../htlc.ts';
import { quietMs } from '../limits.ts';
import type { ChannelMessage, Stfu } from '../message.ts';
import type { Normal } from '../state.ts';
import { fault, misplaced, type Step, stay } from '../step.ts';

/** The peer's. */
export function recvStfu(state: Normal, msg: Stfu, env: Env): Step {
  // BOLT 2: "MUST NOT send `stfu` unless `option_quiesce` is negotiated.", "MUST NOT send `stfu` twice."; an answer answers nothing here.
  if (!env.negotiated.quiesce || state.quiet || msg.initiator !== 1) return misplaced(state, msg.name, env);
  // BOLT 2: "MUST NOT send `stfu` if any of the sender's htlc additions, htlc removals or fee updates are pending for either peer."
  if (isPending(state.commitments, 'remote')) return fault(state, { code: 'quiescent' }, env);
  return answerStfu(stay({ ...state, quiet: { sinceMs: env.now, said: false, removals: [] } }));
}

/** BOLT 2: "MUST reply with `stfu` once it can do so." Looked at after every step of a channel that was asked. */
export function answerStfu(step: Step): Step {
  const { state } = step;
  if (state?.tag !== 'normal' || !state.quiet || state.quiet.said || isPending(state.commitments, 'local')) return step;
  const answer = send({ name: 'stfu', channelId: state.commitments.channelId, initiator: 0 });
  return stay({ ...state, quiet: { ...state.quiet, said: true } }, ...step.effects, answer);
}

/** Undefined: the silence does not touch it. */
export function inQuiet(state: Normal, command: ChannelCommand, env: Env): Step | undefined {
  const { quiet, commitments } = state;
  if (!quiet) return undefined;
  switch (command.tag) {
    case 'recv':
      // BOLT 2: "MUST NOT send an update message after `stfu`."
      return isUpdate(command.msg) ? fault(state, { code: 'quiescent' }, env) : undefined;
    case 'add':
      return stay(state, {
        tag: 'add-refused',
        channelId: commitments.channelId,
        request: command.request,
        error: { code: 'not-usable' },
      });
    case 'remove': {
      const { id, removal } = command;
      if (quiet.removals.some((one) => one.id === id)) return stay(state);
      const known = removal.kind === 'fulfill' ? withPreimage(commitments, id, removal.preimage) : commitments;
      return stay({ ...state, commitments: known, quiet: { ...quiet, removals: [...quiet.removals, { id, removal }] } });
    }
    case 'set-fee':
    case 'close':
      return stay(state);
    case 'tick':
      // BOLT 2: "MUST disconnect after 60 seconds of quiescence if the HTLCs are pending."
      if (env.now < quiet.sinceMs + quietMs || commitments.htlcs.length === 0) return undefined;
      return stay(state, { tag: 'disconnect', reason: 'the silence lasted too long' });
    default:
      return undefined;
  }
}

/** Known to us, so that a deadline finds it whatever becomes of the connection. */
const withPreimage = (commitments: Commitments, id: bigint, preimage: Uint8Array): Commitments => ({
  ...commitments,
  htlcs: commitments.htlcs.map((htlc): Htlc => (htlc.by === 'remote' && htlc.id === id ? { ...htlc, preimage } : htlc)),
});

const isUpdate = ({ name }: ChannelMessage): boolean => name.startsWith('update_');

/** Is an update of that side not in both commitments for good? */
const isPending = ({ htlcs, fees, terms }: Commitments, side: Htlc['by']): boolean =>
  htlcs.some(({ by, added, removal }) => (by === side ? added !== 'locked' : removal !== undefined)) ||
  (terms.localIsOpener === (side === 'local') && fees.some(({ progress }) => progress !== 'locked'));
