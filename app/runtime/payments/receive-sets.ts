/**
 * What is decided of the parts of payments to us, carried out: `settleSets` is called before anything is sent, so that what one peer's step
 * decided is said to all of them, also by the next life of a worker that was killed in between. It looks for sets whose time is over, for parts
 * whose HTLCs are gone, and for HTLCs that nothing knows of.
 */

import { dueOf, expire, isWhole, type Moment, settle, without } from '../../../shared/ln/payment/receive-set.ts';
import type { ForwardRecord, InvoiceRecord } from '../../store/schema.ts';
import { commit, loadReceiving, setting, type Write } from '../../store/store.ts';
import { type Collected, collect, type Live, thawPeers } from '../peers.ts';
import type { Ports } from '../ports.ts';
import { activityOf, round } from '../round.ts';
import { driveForwards, type ForwardWorld, forwardAnswers, nextForwardMs, wantsChain } from './forward.ts';
import { defaultForwarding, forwardingOf, forwardWrite } from './forward-record.ts';
import { momentOf, receivedNote, withParts } from './receive.ts';
import { decidedRemovals, isGone, type Standings, standingsOf } from './receive-htlcs.ts';
import { type Strays, straysOf } from './strays.ts';

/** Decide, pass on, carry out, forget what was carried out; and one for whoever wrote in between. */
const MAX_PASSES = 5;

/** The peers as they are then, and what the node must be awake for. */
export type Receiving = {
  readonly live: readonly Live[];
  /** When the nearest set fails, by the clock and by height. */
  readonly due: { readonly atMs?: number; readonly height?: number };
  /** A payment is whole, and waits for a look at the chain. */
  readonly wantsChain: boolean;
};

export async function settleSets(ports: Ports, into: Collected): Promise<Receiving> {
  for (let pass = 1; ; pass += 1) {
    const { peers, unsettled, forwards } = await loadReceiving(ports.db);
    const live = thawPeers(peers);
    const standings = new Map(live.map(({ record, state }) => [record.peerId, standingsOf(state)]));
    const height = (await setting(ports.db, 'chain'))?.height ?? 0;
    const moment = await momentOf(ports, height);
    const blind = live.length < peers.length;
    const world: ForwardWorld = {
      live,
      standings,
      moment,
      blind,
      rules: forwards.length > 0 ? await forwardingOf(ports) : defaultForwarding,
    };
    const sets = unsettled.map((invoice) => looked(invoice, standings, moment));
    const changed = sets.filter((invoice, at) => invoice !== unsettled[at]);
    const paid = changed.filter(
      ({ paymentHash, endedAtMs }) => endedAtMs !== unsettled.find((one) => one.paymentHash === paymentHash)?.endedAtMs,
    );
    const isLast = pass === MAX_PASSES;
    if (changed.length > 0) {
      const kept = await keep(ports, changed, paid, into);
      // Whoever was faster has decided on more than we saw.
      if (!kept && !isLast) continue;
      if (!kept) return receiving(world, unsettled, forwards);
    }
    if (!isLast && forwards.length > 0 && (await driveForwards(ports, forwards, world, into))) continue;
    const strays = await straysOf(ports, sets, forwards, world);
    if (strays.found.length > 0) {
      await commit(ports.db, { writes: strays.found.map(forwardWrite) });
      if (!isLast) continue;
    }
    const said = isLast ? 0 : await carryOut(ports, sets, forwards, strays, world, into);
    if (said === 0) return receiving(world, sets, forwards);
  }
}

const receiving = ({ live, moment }: ForwardWorld, sets: readonly InvoiceRecord[], forwards: readonly ForwardRecord[]): Receiving => {
  const dues = sets.flatMap(({ parts = [] }) => dueOf(parts) ?? []);
  const times = [...dues.map(({ atMs }) => atMs), ...[nextForwardMs(forwards)].filter((atMs) => atMs !== undefined)];
  return {
    live,
    due: {
      ...(times.length === 0 ? {} : { atMs: Math.min(...times) }),
      ...(dues.length === 0 ? {} : { height: Math.min(...dues.map((due) => due.height)) }),
    },
    wantsChain: wantsChain(forwards, moment) || (!moment.fresh && sets.some(({ parts = [] }) => isWhole(parts))),
  };
};

/** The same record if nothing became of it. */
function looked(invoice: InvoiceRecord, standings: ReadonlyMap<string, Standings>, moment: Moment): InvoiceRecord {
  const { parts } = invoice;
  if (parts === undefined) return invoice;
  const there = parts.some((part) => isGone(part, standings.get(part.peerId)))
    ? without(parts, (part) => isGone(part, standings.get(part.peerId)))
    : parts;
  const next = settle(expire(there, moment), moment);
  return next === parts ? invoice : withParts(invoice, next, moment.nowMs);
}

/** `paid`: those whose last channel ended on chain; whoever paid has the preimage. */
async function keep(ports: Ports, changed: readonly InvoiceRecord[], paid: readonly InvoiceRecord[], into: Collected): Promise<boolean> {
  const told = paid.flatMap((invoice) => {
    const last = invoice.parts?.at(-1);
    return last ? [{ peerId: last.peerId, note: receivedNote(last.channelId, invoice) }] : [];
  });
  const activity = told.map(({ peerId, note }) => activityOf(ports.now(), peerId, note));
  const writes = changed.map((value): Write => ({ store: 'invoices', value }));
  const kept = await commit(ports.db, { writes, activity });
  if (kept.ok) into.notes.push(...told);
  return kept.ok;
}

/** How many peers had something to be told. */
async function carryOut(
  ports: Ports,
  sets: readonly InvoiceRecord[],
  forwards: readonly ForwardRecord[],
  strays: Strays,
  world: ForwardWorld,
  into: Collected,
): Promise<number> {
  let said = 0;
  const { live, standings, moment } = world;
  for (const { record } of live) {
    const own = standings.get(record.peerId) ?? new Map();
    const commands = [
      ...sets.flatMap((invoice) => decidedRemovals(invoice, own, moment)),
      ...forwardAnswers(forwards, record.peerId, world),
      ...(strays.removals.get(record.peerId) ?? []),
    ];
    if (commands.length === 0) continue;
    const stepped = await round(ports, record.peerId, commands);
    if (!stepped.ok) continue;
    collect(into, record.peerId, stepped.value);
    said += 1;
  }
  return said;
}
