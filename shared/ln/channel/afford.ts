/**
 * What a commitment could bear. BOLT 2 § Adding an HTLC, § Updating Fees, § Bounding exposure to trimmed in-flight HTLCs. A commitment is
 * weighed in one pass over the table of HTLCs, for both holders at once: every update asks this, so it stays cheap with hundreds of them.
 */
import { outputFromMsat, type TrimRules } from '../tx/trim.ts';
import { anchorsSat, commitmentFeeSat } from '../tx/weight.ts';
import { type Commitments, feerateIn, openerOf } from './commitments.ts';
import type { ChannelError } from './error.ts';
import { type Htlc, isFulfilledIn, isIn, type Side, type View } from './htlc.ts';
import * as limits from './limits.ts';
import type { ChannelTerms } from './terms.ts';

/** One commitment in figures. By side: who offered; by holder: whose transaction it is. */
export type Load = {
  readonly terms: ChannelTerms;
  readonly feeratePerKw: number;
  readonly toMsat: { readonly [S in Side]: bigint };
  readonly offered: { readonly [S in Side]: { readonly count: number; readonly msat: bigint } };
  /** HTLCs that are outputs, and what is too small to be one. */
  readonly held: { readonly [S in Side]: { readonly outputs: number; readonly dustMsat: bigint } };
};

const sides = ['local', 'remote'] as const;

const rulesOf = (terms: ChannelTerms, holder: Side, feeratePerKw: number): TrimRules => ({
  kind: terms.kind,
  dustLimitSat: terms[holder].dustLimitSat,
  feeratePerKw,
});

/** Linear in the HTLCs, and no more than a few comparisons for each. */
export function weigh(commitments: Commitments, view: View): Load {
  const { terms } = commitments;
  const feeratePerKw = feerateIn(commitments, view);
  const toMsat = { local: commitments.toLocalMsat, remote: commitments.toRemoteMsat };
  const offered = { local: { count: 0, msat: 0n }, remote: { count: 0, msat: 0n } };
  const held = sides.map((holder) => {
    const rules = rulesOf(terms, holder, feeratePerKw);
    return { holder, from: { offered: outputFromMsat(rules, true), received: outputFromMsat(rules, false) }, outputs: 0, dustMsat: 0n };
  });
  for (const htlc of commitments.htlcs) {
    const { by, amountMsat } = htlc;
    if (isIn(view, htlc)) {
      toMsat[by] -= amountMsat;
      offered[by].count += 1;
      offered[by].msat += amountMsat;
      for (const one of held) {
        if (amountMsat >= (one.holder === by ? one.from.offered : one.from.received)) one.outputs += 1;
        else one.dustMsat += amountMsat;
      }
    } else if (isFulfilledIn(view, htlc)) {
      toMsat[by] -= amountMsat;
      toMsat[by === 'local' ? 'remote' : 'local'] += amountMsat;
    }
  }
  const [local, remote] = held;
  if (!local || !remote) throw new TypeError('weigh: there are two sides');
  return { terms, feeratePerKw, toMsat, offered, held: { local, remote } };
}

/** In whole satoshi, once the opener has paid the fee and the anchors: the opener's may be below zero. */
function afterFeeSat({ terms, feeratePerKw, toMsat, held }: Load, holder: Side, side: Side): bigint {
  const balanceSat = toMsat[side] / 1000n;
  if (openerOf(terms) !== side) return balanceSat;
  return balanceSat - commitmentFeeSat(terms.kind, feeratePerKw, held[holder].outputs) - anchorsSat(terms.kind);
}

/** What we leave ourselves to pay where we opened the channel: a feerate so many times as high, so many HTLCs more. */
export type Room = { readonly times: number; readonly htlcs: number };
/** BOLT 2's fee spike buffer, beside an HTLC of ours. */
export const roomForSpike: Room = { times: 2, htlcs: 1 };
/** A new feerate is what that buffer was for; only what the peer may be offering at the same time must still be paid for. */
export const roomForHtlcs: Room = { times: 1, htlcs: 2 };

/** What the opener must have more for that. */
const roomSat = ({ terms, feeratePerKw, held }: Load, holder: Side, { times, htlcs }: Room): bigint =>
  commitmentFeeSat(terms.kind, times * feeratePerKw, held[holder].outputs + htlcs) -
  commitmentFeeSat(terms.kind, feeratePerKw, held[holder].outputs);

/** The same before the HTLC is there: it has an output of its own. */
const roomForOffer: Room = { times: roomForSpike.times, htlcs: roomForSpike.htlcs + 1 };

/** What the other side demands that `side` keeps. */
const reserveOf = (terms: ChannelTerms, side: Side): bigint => (side === 'local' ? terms.remote : terms.local).channelReserveSat;

/**
 * Can `by`, who has just made an update, afford it? BOLT 2 § Adding an HTLC: the payer of the fee keeps enough for it, the offerer keeps
 * its reserve, and we leave ourselves room ("fee spike buffer"), so that the channel cannot lock up.
 */
export function checkFunds(load: Load, by: Side, room = roomForSpike): ChannelError | undefined {
  const { terms, toMsat } = load;
  const opener = openerOf(terms);
  for (const side of sides) if (toMsat[side] < 0n) return { code: 'cannot-afford', got: toMsat[by], limit: 0n };
  const reserveSat = reserveOf(terms, by);
  for (const holder of sides) {
    const left = afterFeeSat(load, holder, by);
    if (left < reserveSat) return { code: 'cannot-afford', got: left, limit: reserveSat };
    if (opener !== by) {
      // The side that receives may be left below its reserve by it, but must be able to pay the fee.
      const openerLeft = afterFeeSat(load, holder, opener);
      if (openerLeft < 0n) return { code: 'opener-cannot-pay-fee', got: openerLeft, limit: 0n };
    } else if (by === 'local') {
      const spare = left - reserveSat - roomSat(load, holder, room);
      if (spare < 0n) return { code: 'fee-buffer', got: spare, limit: 0n };
    }
  }
  return undefined;
}

/** Counts and amounts of what `by` offers, against what the receiving side had set. */
export function checkCounts({ terms, offered }: Load, by: Side): ChannelError | undefined {
  const receiver = by === 'local' ? terms.remote : terms.local;
  const { count, msat } = offered[by];
  // BOLT 2: "if a sending node adds more than receiver `max_accepted_htlcs` HTLCs to its local commitment transaction"
  const most = Math.min(receiver.maxAcceptedHtlcs, limits.maxAcceptedHtlcs);
  if (count > most) return { code: 'too-many-htlcs', got: BigInt(count), limit: BigInt(most) };
  // BOLT 2: "adds more than receiver `max_htlc_value_in_flight_msat` worth of offered HTLCs to its local commitment transaction"
  if (msat > receiver.maxHtlcValueInFlightMsat) return { code: 'too-much-in-flight', got: msat, limit: receiver.maxHtlcValueInFlightMsat };
  return undefined;
}

/** The larger of both commitments' dust. */
export const exposureMsat = ({ held }: Load): bigint =>
  held.local.dustMsat > held.remote.dustMsat ? held.local.dustMsat : held.remote.dustMsat;

/** Amounts too small for an output go to miners when a commitment is published: no more than so much of them at a time. */
export function checkExposure(load: Load, added: Htlc | undefined): ChannelError | undefined {
  const exposed = exposureMsat(load);
  if (exposed <= limits.maxDustExposureMsat || (added && !isDust(load, added))) return undefined;
  return { code: 'dust-exposure', got: exposed, limit: limits.maxDustExposureMsat };
}

const isDust = ({ terms, feeratePerKw }: Load, { by, amountMsat }: Htlc): boolean =>
  sides.some((holder) => amountMsat < outputFromMsat(rulesOf(terms, holder, feeratePerKw), by === holder));

/** What `by` could still offer: zero where anything less than a payment stands in the way. `buffer`: leave room for the fee's rise. */
export function spendableMsat(load: Load, by: Side, buffer: boolean): bigint {
  const { terms } = load;
  const room = sides.map((holder) => {
    const spare = afterFeeSat(load, holder, by) - reserveOf(terms, by);
    return openerOf(terms) === by && buffer ? spare - roomSat(load, holder, roomForOffer) : spare;
  });
  const [first = 0n, second = 0n] = room;
  const leastSat = first < second ? first : second;
  const receiver = by === 'local' ? terms.remote : terms.local;
  const inFlight = receiver.maxHtlcValueInFlightMsat - load.offered[by].msat;
  const msat = leastSat * 1000n < inFlight ? leastSat * 1000n : inFlight;
  return msat > 0n && load.offered[by].count < receiver.maxAcceptedHtlcs ? msat : 0n;
}
