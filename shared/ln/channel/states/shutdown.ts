/**
 * `shutdown`, ours and theirs, and the way from there to the negotiation. BOLT 2 § Closing Initiation.
 *
 * That a channel is to be closed, and where it pays us, is decided once (`localShutdownScript`); the word goes out as soon as it may, and
 * again on every connection. What the peer said counts for the connection that it said it on: it repeats it.
 */
import { equal } from '../../../lib/bytes.ts';
import { err, ok, type Result } from '../../../lib/result.ts';
import { isShutdownScript } from '../../tx/scripts.ts';
import type { ChannelCommand } from '../command.ts';
import { isQuiet } from '../commitments.ts';
import { note, send } from '../effect.ts';
import type { Env } from '../env.ts';
import { type ChannelError, describe } from '../error.ts';
import type { ChannelMessage, Shutdown } from '../message.ts';
import { withoutRounds } from '../negotiation.ts';
import { type ChannelState, groundOf, isLive, type Live } from '../state.ts';
import { andThen, fault, misplaced, type Step, stay } from '../step.ts';
import { beginRounds } from './rounds.ts';

type CloseCommand = Extract<ChannelCommand, { readonly tag: 'close' }>;

export const isShutdown = (msg: ChannelMessage): msg is Shutdown => msg.name === 'shutdown';

/** The user closes, or changes what the closing transaction may cost. */
export const sendShutdown = (state: Live, command: CloseCommand, env: Env): Step => settleShutdown(decideClose(state, command, env), env);

/** Without a connection the wish is kept: `shutdown` goes out after the next `channel_reestablish`. */
export function decideClose(state: Live, { feeratePerKw, scriptPubKey }: CloseCommand, env: Env): Step {
  const decided = withScript(state, scriptPubKey, env);
  // The user's own fault, and nobody else's affair.
  if (!decided.ok) return stay(state, note({ kind: 'fault', channelId: state.commitments.channelId, detail: describe(decided.error) }));
  const { commitments } = decided.value;
  return stay({ ...decided.value, commitments: { ...commitments, closeFeeratePerKw: Math.ceil(feeratePerKw) } });
}

/** Fixes where a close pays us: what was promised upfront, what was decided before, what the user asks for, or our wallet. */
function withScript(state: Live, asked: Uint8Array | undefined, env: Env): Result<Live, ChannelError> {
  const { commitments } = state;
  const { terms, localShutdownScript, guard } = commitments;
  // BOLT 2: "if it sent a non-zero-length `shutdown_scriptpubkey` in `open_channel` or `accept_channel`: MUST send the same value in
  // `scriptpubkey`."
  const bound = localShutdownScript ?? terms.local.upfrontShutdownScript;
  if (bound && asked && !equal(bound, asked)) return err({ code: 'shutdown-script-differs' });
  const script = bound ?? asked ?? env.wallet.scriptPubKey(env.sweepIndex);
  // BOLT 2: "MUST set `scriptpubkey` in one of the following forms". `OP_RETURN` would burn the money.
  if (!isShutdownScript(script, { anySegwit: env.negotiated.anySegwit, simpleClose: false })) return err({ code: 'shutdown-script-form' });
  const pinned = env.openSigner(terms.keyPath).pinCloseScript(script, guard);
  if (!pinned.ok) return err({ code: 'signer-refused', detail: `${pinned.error.code}: ${pinned.error.detail}` });
  return ok({ ...state, commitments: { ...commitments, localShutdownScript: script, guard: pinned.value.guard } });
}

export function recvShutdown(state: Live, { scriptpubkey }: Shutdown, env: Env): Step {
  const { commitments } = state;
  const { channelId, terms, remoteShutdownScript, localShutdownScript } = commitments;
  // BOLT 2: "if the `scriptpubkey` is not in one of the above forms: SHOULD send a `warning`."
  if (!isShutdownScript(scriptpubkey, env.negotiated)) return fault(state, { code: 'shutdown-script-form' }, env);
  // BOLT 2: "that `shutdown_scriptpubkey` is not equal to `scriptpubkey`: MAY send a `warning`. MUST fail the connection."
  const upfront = terms.remote.upfrontShutdownScript;
  if (upfront && !equal(upfront, scriptpubkey)) return fault(state, { code: 'shutdown-script-differs' }, env);
  // BOLT 2: "MUST NOT send multiple `shutdown` messages." The same again changes nothing.
  if (remoteShutdownScript) return equal(remoteShutdownScript, scriptpubkey) ? stay(state) : misplaced(state, 'shutdown', env);
  const isNews = localShutdownScript === undefined;
  const told = note({ kind: 'peer-shutdown', channelId, amountSat: commitments.toLocalMsat / 1000n });
  const heard: Live = { ...state, commitments: { ...commitments, remoteShutdownScript: scriptpubkey } };
  return settleShutdown(stay(heard, ...(isNews ? [told] : [])), env);
}

/** After anything that may have cleared the way: our `shutdown`, and the next state. */
export const settleShutdown = (step: Step, env: Env): Step =>
  andThen(step, (state) =>
    isLive(state) ? andThen(say(state, env), (next) => (isLive(next) ? advance(next, env) : stay(next))) : stay(state),
  );

/**
 * BOLT 2: "MUST reply to a `shutdown` message with a `shutdown`", "MAY send a `shutdown` before a `channel_ready`": we wait for ours, since
 * before it a close has nothing to stand on. BOLT 2: "if there are updates pending on the receiving node's commitment transaction: MUST NOT
 * send a `shutdown`."
 */
function say(state: Live, env: Env): Step {
  const { localShutdownScript, remoteShutdownScript, shutdownSent, unsigned } = state.commitments;
  if (shutdownSent || unsigned.length > 0 || state.tag === 'wait-for-funding-confirmed') return stay(state);
  if (!localShutdownScript && !remoteShutdownScript) return stay(state);
  const decided = withScript(state, undefined, env);
  if (!decided.ok) return stay(state, note({ kind: 'fault', channelId: state.commitments.channelId, detail: describe(decided.error) }));
  const { commitments } = decided.value;
  const { channelId, localShutdownScript: scriptpubkey } = commitments;
  if (!scriptpubkey) throw new TypeError('say: the script was decided');
  return stay(
    { ...decided.value, commitments: { ...commitments, shutdownSent: true } },
    send({ name: 'shutdown', channelId, scriptpubkey }),
  );
}

function advance(state: Live, env: Env): Step {
  const { commitments } = state;
  if (!commitments.shutdownSent || !commitments.remoteShutdownScript) return stay(state);
  if (state.tag === 'negotiating') return beginRounds(state, env);
  const shared = { commitments, ...groundOf(state) };
  if (!isQuiet(commitments)) return stay({ tag: 'shutting-down', ...shared });
  return beginRounds({ tag: 'negotiating', ...shared, since: { height: env.height, ms: env.now }, negotiation: { signed: [] } }, env);
}

/**
 * BOLT 2: "upon reconnection: if it has sent a previous `shutdown`: MUST retransmit `shutdown`." And: "negotiation restarts on
 * reconnection". The other side does the same, and until it has, nothing of the last connection counts.
 */
export function resumeClosing(state: ChannelState, env: Env): Step {
  if (!isLive(state)) return stay(state);
  const { shutdownSent: _, remoteShutdownScript: __, ...commitments } = state.commitments;
  const fresh: Live =
    state.tag === 'negotiating' ? { ...state, commitments, negotiation: withoutRounds(state.negotiation) } : { ...state, commitments };
  return settleShutdown(stay(fresh), env);
}
