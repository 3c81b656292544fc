/**
 * One round: load → step → commit. Nothing leaves the device from here: frames wait in the outbox, which is inside the
 * frozen peer, until `sync.ts` sends what has been committed. A step that throws is our bug: the peer is quarantined,
 * its bytes stay as they were, and the other peers go on.
 */
import { equal, toHex } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { PeerCommand } from '../../shared/ln/peer/command.ts';
import type { Note } from '../../shared/ln/peer/effect.ts';
import { freezePeer, thawPeer } from '../../shared/ln/peer/freeze.ts';
import { stepPeer } from '../../shared/ln/peer/machine.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import type { ChannelSigner, OpenSigner } from '../../shared/ln/signer/signer.ts';
import { messageName } from '../../shared/ln/wire/registry.ts';
import type { ActivityRecord, ForwardRecord, PaymentRecord, PeerRecord } from '../store/schema.ts';
import { type CommitError, commit, loadPeer, rivalOf } from '../store/store.ts';
import { type DeskEffect, openDesk } from './desk.ts';
import { envFor } from './env.ts';
import type { Ports } from './ports.ts';
import { noParts, type Parts, timed, timedSigner } from './timing.ts';
import { openRoundWallet } from './wallet.ts';

export type RoundError =
  | CommitError
  | { readonly code: 'no-wallet' | 'peer-unknown' | 'quarantined' | 'unreadable' | 'paid-before'; readonly detail: string }
  /** Somebody else wrote the payment or forward that is to be offered: it is to be looked at again. */
  | { readonly code: 'payment-moved' | 'offer-moved'; readonly detail: string };
export type Round = {
  readonly record: PeerRecord;
  readonly state: PeerState;
  readonly notes: readonly Note[];
  /** Names of the messages that this round put into the outbox. */
  readonly spoken: readonly string[];
  readonly disconnect?: string;
  /** What the channels told and asked, answered already. */
  readonly news: readonly DeskEffect[];
  /** False: the commands meant nothing (repetitions, mostly), and nothing was written. */
  readonly changed: boolean;
  readonly parts: Parts;
};
/** What HTLCs are offered for in a round, as it was loaded: its records are those of the store, or nothing is done. */
export type Offering = { readonly payment?: PaymentRecord; readonly forwards?: readonly ForwardRecord[] };
/** What else of the record changes with the step (never the frozen bytes or the fence). */
export type RecordChange = Partial<Omit<PeerRecord, 'peerId' | 'fence' | 'frozen'>>;

const ATTEMPTS = 3;

export async function round(
  ports: Ports,
  peerId: string,
  commands: readonly PeerCommand[],
  change: RecordChange = {},
  offering: Offering = {},
): Promise<Result<Round, RoundError>> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await ports.exclusive(() => once(ports, peerId, commands, change, offering));
    // Another writer was faster: the step is a function of what is stored now, so it is simply made again.
    if (result.ok || result.error.code !== 'fence-lost' || attempt === ATTEMPTS) return result;
  }
}

async function once(
  ports: Ports,
  peerId: string,
  commands: readonly PeerCommand[],
  change: RecordChange,
  { payment, forwards = [] }: Offering,
): Promise<Result<Round, RoundError>> {
  const parts = noParts();
  const [record, keys] = await timed(ports.stopwatch, parts, 'loadMs', () => Promise.all([loadPeer(ports.db, peerId), ports.keys()]));
  if (keys === undefined) return err({ code: 'no-wallet', detail: 'no wallet on this device' });
  if (record === undefined) return err({ code: 'peer-unknown', detail: peerId });
  if (record.quarantined !== undefined) return err({ code: 'quarantined', detail: record.quarantined });
  const thawed = thawPeer(record.frozen);
  if (!thawed.ok) return err({ code: 'unreadable', detail: `${thawed.error.code}: ${thawed.error.detail}` });

  if (payment !== undefined) {
    const stored = await ports.db.get('payments', payment.id);
    if ((stored?.fence ?? 0) !== payment.fence) return err({ code: 'payment-moved', detail: payment.id });
    const rival = await rivalOf(ports.db, payment);
    if (rival !== undefined) return err({ code: 'paid-before', detail: rival.id });
  }
  for (const { key, fence } of forwards)
    if ((await ports.db.get('forwards', key))?.fence !== fence) return err({ code: 'offer-moved', detail: key });

  const before = thawed.value;
  let state = before;
  const notes: Note[] = [];
  const news: DeskEffect[] = [];
  let disconnect: string | undefined;
  const [env, wallet] = await timed(ports.stopwatch, parts, 'loadMs', () =>
    Promise.all([envFor(ports, record, keys), openRoundWallet(ports, peerId, keys.wallet)]),
  );
  const desk = openDesk(ports, { keys, peerId, height: env.height, wallet, ...(payment === undefined ? {} : { offering: payment }) });
  const openSigner = openedOnce(timedSigner(env.openSigner, ports.stopwatch, parts));
  const stepping = ports.stopwatch();
  try {
    // What the channels ask for while they step is answered in the same round; then everything is signed at once.
    const waiting: PeerCommand[] = [...commands];
    for (let flushed = false; waiting.length > 0 || !flushed; ) {
      const command = waiting.shift() ?? { tag: 'flush' };
      flushed = command.tag === 'flush';
      const stepped = stepPeer(state, command, {
        ...env,
        openSigner,
        wallet: wallet.signer,
        sweepIndex: wallet.sweepIndex,
        coins: wallet.coins(state),
        entropy: ports.entropy(64),
      });
      state = stepped.state;
      for (const effect of stepped.effects) {
        if (effect.tag === 'note') notes.push(effect.note);
        else if (effect.tag === 'disconnect') disconnect = effect.reason;
        else {
          news.push(effect);
          waiting.push(...(await desk.answer(effect, state)));
        }
      }
    }
  } catch (error) {
    const detail = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error);
    await commit(ports.db, {
      peer: { ...record, quarantined: detail.slice(0, 2_000) },
      activity: [{ atMs: ports.now(), kind: 'fault', peerId, detail: detail.slice(0, 200) }],
    });
    return err({ code: 'quarantined', detail });
  }

  const spoken = state.outbox
    .filter((frame) => frame.epoch !== before.epoch || frame.m > before.outSeq)
    .map((frame) => messageName(frame.bytes));
  // The optional members of a change that are `undefined` take the member away.
  const told = desk.change(record);
  const merged: PeerRecord = { ...record, ...change, ...told, frozen: freezePeer(state) };
  notes.push(...desk.notes());
  const writes = desk.writes();
  const coins = wallet.changed(state);
  const same =
    equal(merged.frozen, record.frozen) &&
    notes.length === 0 &&
    disconnect === undefined &&
    Object.keys(change).length + Object.keys(told).length === 0 &&
    writes.length === 0 &&
    coins === undefined;
  if (same) return ok({ record, state, notes, news, spoken: [], parts, changed: false });
  parts.stepMs += ports.stopwatch() - stepping - parts.signMs - parts.verifyMs;
  const activity = notes.map((note) => activityOf(ports.now(), peerId, note));
  const committed = await timed(ports.stopwatch, parts, 'commitMs', () =>
    commit(ports.db, { peer: merged, activity, writes, settings: desk.settings(), ...(coins === undefined ? {} : { wallet: coins }) }),
  );
  if (!committed.ok) return committed;
  return ok({
    record: { ...merged, fence: merged.fence + 1 },
    state,
    notes,
    news,
    spoken,
    parts,
    changed: true,
    ...(disconnect === undefined ? {} : { disconnect }),
  });
}

/** A signer keeps the points that it derived; for the length of a round each channel has one. */
function openedOnce(open: OpenSigner): OpenSigner {
  const signers = new Map<string, ChannelSigner>();
  return (keyPath) => {
    const path = keyPath.join('/');
    const signer = signers.get(path) ?? open(keyPath);
    signers.set(path, signer);
    return signer;
  };
}

export function activityOf(atMs: number, peerId: string, note: Note): ActivityRecord {
  return {
    atMs,
    peerId,
    kind: note.kind,
    ...(note.channelId === undefined ? {} : { channelId: toHex(note.channelId) }),
    ...(note.amountSat === undefined ? {} : { amountSat: note.amountSat.toString() }),
    ...(note.detail === undefined ? {} : { detail: note.detail }),
  };
}
