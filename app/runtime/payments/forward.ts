/**
 * What is passed on between two channels of ours, on the machine of `shared/ln/payment/forward.ts`. An incoming HTLC is planned in the commit in
 * which it became ours to answer (`desk.ts`), offered in a round of the peer that it goes to, and answered in a round of the peer that it came
 * from; the outgoing side's news move it in the commit that brought them. `receive-sets.ts` drives, before anything leaves the device.
 */
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { parseChannelType } from '../../../shared/ln/channel/channel-type.ts';
import type { Note } from '../../../shared/ln/channel/effect.ts';
import { shortChannelIdOf } from '../../../shared/ln/channel/scid.ts';
import { isLive, liveOf, type Normal } from '../../../shared/ln/channel/state.ts';
import { sendableMsat } from '../../../shared/ln/channel/updates.ts';
import { type Forward, type ForwardEffect, forwardMs, stepForward, type WayFound } from '../../../shared/ln/payment/forward.ts';
import type { Moment } from '../../../shared/ln/payment/receive-set.ts';
import type { PeerCommand } from '../../../shared/ln/peer/command.ts';
import type { ForwardingView, ForwardRecord } from '../../store/schema.ts';
import { commit } from '../../store/store.ts';
import { type Collected, collect, type Live } from '../peers.ts';
import type { Ports } from '../ports.ts';
import { activityOf, round } from '../round.ts';
import { forwardWrite, withForward } from './forward-record.ts';
import { removeHtlc, type Standings } from './receive-htlcs.ts';
import { forwardName } from './record.ts';

/** The channel that the onion names: by where its funding is, unless that is hidden from payers, or by the name that we gave the peer. */
function wayOf({ to }: Forward, live: readonly Live[], rules: ForwardingView): WayFound {
  let found: WayFound = 'unknown';
  for (const { record, state } of live) {
    for (const channel of state.channels) {
      const ours = liveOf(channel);
      if (!isLive(ours)) continue;
      const names = namesOf(ours);
      const isMeant = 'shortChannelId' in to ? names.includes(to.shortChannelId) : toHex(to.nextNodeId) === record.peerId;
      if (!isMeant) continue;
      if (channel.tag !== 'normal') found = 'away';
      else return { peerId: record.peerId, channel: toHex(channel.commitments.channelId), policy: policyOf(channel, rules) };
    }
  }
  return found;
}

function namesOf(channel: Parameters<typeof shortChannelIdOf>[0]): readonly bigint[] {
  const { localAlias, channelType } = channel.commitments.terms;
  const hidden = parseChannelType(channelType)?.scidAlias ?? false;
  const scid = hidden ? undefined : shortChannelIdOf(channel);
  return scid === undefined ? [localAlias] : [scid, localAlias];
}

function policyOf({ commitments }: Normal, rules: ForwardingView) {
  const { feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } = rules;
  const least = BigInt(rules.htlcMinimumMsat);
  const peers = commitments.terms.remote.htlcMinimumMsat;
  return {
    feeBaseMsat,
    feeProportionalMillionths,
    cltvExpiryDelta,
    htlcMinimumMsat: least > peers ? least : peers,
    htlcMaximumMsat: sendableMsat(commitments),
    disabled: false,
  };
}

const noteOf = ({ incoming, amountMsat }: Forward, feeMsat: bigint): Note => ({
  kind: 'payment-forwarded',
  channelId: fromHex(incoming.channel),
  amountSat: amountMsat / 1_000n,
  detail: feeMsat.toString(),
});

/** What a forward makes of where its incoming HTLC stands and where it is to go. */
function ticked(record: ForwardRecord, world: ForwardWorld): ReturnType<typeof stepForward> {
  const { life, key } = record;
  const standings = world.standings.get(life.incoming.peerId);
  const incoming = standings === undefined ? 'unread' : (standings.get(key)?.answer ?? 'gone');
  const way = life.stage.state === 'planned' ? wayOf(life, world.live, world.rules) : 'unknown';
  return stepForward(life, { tag: 'tick', incoming, way, moment: world.moment });
}

/** All as of one moment. */
export type ForwardWorld = {
  readonly live: readonly Live[];
  readonly standings: ReadonlyMap<string, Standings>;
  readonly moment: Moment;
  readonly rules: ForwardingView;
  /** There is a peer that cannot be read now, and may have what was passed on. */
  readonly blind: boolean;
};

/** Ends what is over, and offers what is planned. True: something moved, and the records are to be loaded again. */
export async function driveForwards(
  ports: Ports,
  records: readonly ForwardRecord[],
  world: ForwardWorld,
  into: Collected,
): Promise<boolean> {
  const nowMs = ports.now();
  const moved: ForwardRecord[] = [];
  const told: { peerId: string; note: Note }[] = [];
  const offers = new Map<string, { record: ForwardRecord; effect: Extract<ForwardEffect, { readonly tag: 'offer' }> }[]>();
  for (const record of records) {
    const { forward, effects } = ticked(record, world);
    if (forward !== record.life) moved.push(withForward(record, forward, nowMs));
    for (const effect of effects) {
      if (effect.tag === 'earned') told.push({ peerId: forward.incoming.peerId, note: noteOf(forward, effect.feeMsat) });
      if (effect.tag === 'offer') offers.set(effect.way.peerId, [...(offers.get(effect.way.peerId) ?? []), { record, effect }]);
    }
  }
  let busy = moved.length > 0;
  if (moved.length > 0) {
    const activity = told.map(({ peerId, note }) => activityOf(nowMs, peerId, note));
    const written = await commit(ports.db, { writes: moved.map(forwardWrite), activity });
    if (written.ok) into.notes.push(...told);
  }
  for (const [peerId, planned] of offers) {
    const commands = planned.map(({ record, effect }): PeerCommand => {
      const request = forwardName(record.key);
      return { tag: 'channel', channelId: fromHex(effect.way.channel), command: { tag: 'add', request, ...effect.add } };
    });
    const stepped = await round(ports, peerId, commands, {}, { forwards: planned.map(({ record }) => record) });
    if (stepped.ok) collect(into, peerId, stepped.value);
    busy ||= stepped.ok || stepped.error.code === 'offer-moved';
  }
  return busy;
}

/** What is to be said of the incoming HTLCs of this peer, and is not said yet. */
export const forwardAnswers = (records: readonly ForwardRecord[], peerId: string, world: ForwardWorld): PeerCommand[] =>
  records.flatMap((record) => {
    const { incoming } = record.life;
    if (incoming.peerId !== peerId) return [];
    return ticked(record, world).effects.flatMap((effect) =>
      effect.tag === 'answer' ? [removeHtlc(fromHex(incoming.channel), incoming.id, effect.end)] : [],
    );
  });

/** When the node must look at what is planned and could not leave yet. Unix ms. */
export function nextForwardMs(records: readonly ForwardRecord[]): number | undefined {
  const times = records.flatMap(({ life: { stage } }) => (stage.state === 'planned' ? [stage.atMs + forwardMs] : []));
  return times.length === 0 ? undefined : Math.min(...times);
}

/** What waits for a look at the chain. */
export const wantsChain = (records: readonly ForwardRecord[], { fresh }: Moment): boolean =>
  !fresh && records.some(({ life }) => life.stage.state === 'planned');
