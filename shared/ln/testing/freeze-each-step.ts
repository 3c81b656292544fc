/**
 * `stepPeer` for tests: every step starts from a frozen and thawed copy and goes on from one, so whatever a test plays through
 * could also have slept between any two steps. It checks what must hold after every step, whatever the command was.
 */
import { equal } from '../../lib/bytes.ts';
import { specOf } from '../channel/commitments.ts';
import { commitmentsOf } from '../channel/state.ts';
import { secretCount } from '../keys/shachain.ts';
import type { PeerCommand } from '../peer/command.ts';
import type { PeerEnv } from '../peer/env.ts';
import { freezePeer, thawPeer } from '../peer/freeze.ts';
import { nextDeadlineMs, type PeerStep, stepPeer, watches } from '../peer/machine.ts';
import type { PeerState } from '../peer/state.ts';

export function throughIce(state: PeerState): PeerState {
  const frozen = freezePeer(state);
  const thawed = thawPeer(frozen);
  if (!thawed.ok) throw new Error(`a state that does not thaw: ${thawed.error.code} ${thawed.error.detail}`);
  if (!equal(freezePeer(thawed.value), frozen)) throw new Error('a state that thaws to another');
  return thawed.value;
}

/** The same at a third of the price, where many schedules see to it that a step changes nothing else and comes to the same twice. */
export function stepIntoIce(state: PeerState, command: PeerCommand, env: PeerEnv): PeerStep {
  const { state: made, effects } = stepPeer(state, command, env);
  const thawed = thawPeer(freezePeer(made));
  if (!thawed.ok) throw new Error(`a state that does not thaw: ${thawed.error.code} ${thawed.error.detail}`);
  checkInvariants(state, thawed.value);
  return { state: thawed.value, effects };
}

export function stepThroughIce(state: PeerState, command: PeerCommand, env: PeerEnv): PeerStep {
  const before = freezePeer(state);
  const first = stepPeer(state, command, env);
  if (!equal(before, freezePeer(state))) throw new Error(`${command.tag}: the step changed the state that it was given`);
  const again = stepPeer(throughIce(state), command, env);
  if (!equal(freezePeer(first.state), freezePeer(again.state))) throw new Error(`${command.tag}: the step is not a function of its input`);
  const next = throughIce(first.state);
  checkInvariants(state, next);
  return { state: next, effects: first.effects };
}

function checkInvariants(before: PeerState, { epoch, link, outbox, outSeq, lastInSeq, channels }: PeerState): void {
  const hold = (what: string, holds: boolean): void => {
    if (!holds) throw new Error(`after a step: ${what}`);
  };
  hold('epochs only grow', epoch >= before.epoch);
  hold('what was heard stays heard', epoch > before.epoch || lastInSeq >= before.lastInSeq);
  hold('numbers are not used twice', epoch > before.epoch || outSeq >= before.outSeq);
  hold(
    'the outbox is of this epoch',
    outbox.every((frame) => frame.epoch === epoch),
  );
  hold(
    'the outbox is in order',
    outbox.every((frame, i) => i === 0 || frame.m === (outbox[i - 1]?.m ?? 0) + 1),
  );
  hold('the outbox ends at outSeq', outbox.length === 0 || outbox.at(-1)?.m === outSeq);
  hold('nothing is said offline', link !== 'offline' || outbox.length === 0);
  hold('nothing is said before init', link !== 'connected' || outSeq === 0);
  for (const old of before.outbox) {
    const same = outbox.find((frame) => frame.epoch === old.epoch && frame.m === old.m);
    hold('a frame keeps its bytes', same === undefined || equal(same.bytes, old.bytes));
  }
  for (const channel of channels) {
    if (link !== 'ready') hold(`no ${channel.tag} without a connection`, ['offline', 'failed', 'closing'].includes(channel.tag));
    else hold('no channel offline with a connection', channel.tag !== 'offline');
    const commitments = commitmentsOf(channel);
    if (!commitments) continue;
    const { terms } = commitments;
    const fundingMsat = terms.fundingAmountSat * 1000n;
    hold('money is conserved', commitments.toLocalMsat + commitments.toRemoteMsat === fundingMsat);
    for (const view of ['local', 'remote', 'remote-next'] as const) {
      const { toLocalMsat, toRemoteMsat, htlcs } = specOf(commitments, view);
      const inFlight = htlcs.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
      hold(`money is conserved in ${view}`, toLocalMsat + toRemoteMsat + inFlight === fundingMsat);
      hold(`nobody is in debt in ${view}`, toLocalMsat >= 0n && toRemoteMsat >= 0n);
    }
    hold('a revocation is owed, or the next point is known', !(commitments.remoteNext && commitments.remoteNextPerCommitmentPoint));
    hold('every secret of the past is kept', secretCount(commitments.remoteSecrets) === commitments.remoteCommit.number);
    if (link !== 'ready')
      hold(
        'nothing unsigned outlives its connection',
        commitments.unsigned.length === 0 && commitments.htlcs.every(({ added }) => added !== 'proposed'),
      );
  }
}

/** The derived values must be had from any state. */
export const derived = (state: PeerState): readonly [number | undefined, number] => [nextDeadlineMs(state), watches(state).length];
