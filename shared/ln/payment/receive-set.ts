/**
 * The parts of one payment to us, as a value: held until they reach the amount that the sender promised, then fulfilled together, or failed
 * together. BOLT 4 § Basic Multi-Part Payments. What is decided of a part is never taken back, so whoever keeps the set may be killed after
 * any step and go on from it.
 *
 * Callers must still: hold each part against the invoice (`checkReceipt`) before it is added, store a decision before anybody hears of it, take
 * out (`without`) the parts whose HTLC is not there any more, and carry out `fulfilling` and `failing` until their HTLCs are answered.
 */

/** `fulfilled`: the peer can no longer take it back. */
export type PartState = 'held' | 'fulfilling' | 'fulfilled' | 'failing';
export type PartFailure = 'mpp_timeout' | 'incorrect_or_unknown_payment_details';

export type ReceivePart = {
  /** Names the HTLC, in the words of whoever keeps the set. */
  readonly key: string;
  /** `amt_to_forward`, as the sender said it; what came may be more. */
  readonly amtToForward: bigint;
  readonly totalMsat: bigint;
  readonly cltvExpiry: number;
  readonly atMs: number;
  readonly state: PartState;
  /** Of a part that fails. */
  readonly failure?: PartFailure;
};
export type Moment = {
  readonly nowMs: number;
  readonly height: number;
  /** The height was looked at not long ago. With an old one nobody knows how much time a part has left, and nothing is fulfilled. */
  readonly fresh: boolean;
};

/** BOLT 4: "SHOULD wait for at least 60 seconds after the initial HTLC." */
export const mppTimeoutMs = 60_000;
/**
 * A part fails when it has so many blocks left, and none is fulfilled with less: a channel goes on chain for a fulfilled HTLC 24 blocks before
 * it expires, and the peer needs some before that.
 */
export const holdBeforeBlocks = 36;

export type SetState = 'open' | 'holding' | 'settling' | 'paid';

export function stateOf(parts: readonly Pick<ReceivePart, 'state'>[]): SetState {
  if (parts.some(({ state }) => state === 'fulfilling')) return 'settling';
  if (parts.some(({ state }) => state === 'fulfilled')) return 'paid';
  return parts.some(({ state }) => state === 'held') ? 'holding' : 'open';
}

const isHeld = ({ state }: Pick<ReceivePart, 'state'>): boolean => state === 'held';
const isSettled = ({ state }: Pick<ReceivePart, 'state'>): boolean => state === 'fulfilling' || state === 'fulfilled';

const failHeld = <P extends ReceivePart>(parts: readonly P[], failure: PartFailure): readonly P[] =>
  parts.map((part) => (isHeld(part) ? { ...part, state: 'failing', failure } : part));

/** When the held parts fail for want of the others, by the clock and by height; undefined where nothing is held. */
export function dueOf(parts: readonly ReceivePart[]): { readonly atMs: number; readonly height: number } | undefined {
  const held = parts.filter(isHeld);
  if (held.length === 0) return undefined;
  return {
    atMs: Math.min(...held.map(({ atMs }) => atMs)) + mppTimeoutMs,
    height: Math.min(...held.map(({ cltvExpiry }) => cltvExpiry)) - holdBeforeBlocks,
  };
}

/** BOLT 4: "MUST fail all HTLCs in the HTLC set after some reasonable timeout." */
export function expire<P extends ReceivePart>(parts: readonly P[], { nowMs, height }: Moment): readonly P[] {
  const due = dueOf(parts);
  return due && (nowMs >= due.atMs || height >= due.height) ? failHeld(parts, 'mpp_timeout') : parts;
}

/** The user takes the invoice back: what is held goes back, what is decided stays. */
export const cancel = <P extends ReceivePart>(parts: readonly P[]): readonly P[] => failHeld(parts, 'incorrect_or_unknown_payment_details');

export type Added<P> = { readonly parts: readonly P[]; readonly accepted: boolean };

/** One more part, which is `held` as it comes. Not accepted: it fails as if its hash were unknown; `parts` may have changed all the same. */
export function addPart<P extends ReceivePart>(before: readonly P[], part: P, moment: Moment): Added<P> {
  if (before.some(({ key }) => key === part.key)) return { parts: before, accepted: true };
  // Paid once is paid: what comes later goes back.
  if (before.some(isSettled)) return { parts: before, accepted: false };
  const parts = expire(before, moment);
  // BOLT 4: "SHOULD fail the entire HTLC set if `total_msat` is not the same for all HTLCs in the set."
  if (parts.some((other) => isHeld(other) && other.totalMsat !== part.totalMsat)) return { parts: cancel(parts), accepted: false };
  return { parts: settle(expire([...parts, part], moment), moment), accepted: true };
}

/** Have the parts that are held reached what was promised? Then only a fresh height can be missing. */
export function isWhole(parts: readonly ReceivePart[]): boolean {
  const held = parts.filter(isHeld);
  const [first] = held;
  return first !== undefined && held.reduce((sum, { amtToForward }) => sum + amtToForward, 0n) >= first.totalMsat;
}

/**
 * BOLT 4: "MUST NOT fulfill any HTLCs in the HTLC set" below the total, and "if it fulfills any HTLCs in the HTLC set: MUST fulfill the
 * entire HTLC set." The caller has looked for what is due (`expire`).
 */
export const settle = <P extends ReceivePart>(parts: readonly P[], { fresh }: Moment): readonly P[] =>
  fresh && isWhole(parts) ? parts.map((part) => (isHeld(part) ? { ...part, state: 'fulfilling' } : part)) : parts;

/** The peer gave up the commitment in which it was still its own. */
export const fulfilled = <P extends ReceivePart>(parts: readonly P[], key: string): readonly P[] =>
  parts.map((part) => (part.key === key && part.state === 'fulfilling' ? { ...part, state: 'fulfilled' } : part));

/**
 * HTLCs that can be counted on no more: their channel ended, or they are answered. One that we fulfilled stays: its preimage is known to the
 * payer, for whom it is paid.
 */
export const without = <P extends ReceivePart>(parts: readonly P[], isGone: (part: P) => boolean): readonly P[] =>
  parts.flatMap((part) => (!isGone(part) ? [part] : isSettled(part) ? [{ ...part, state: 'fulfilled' as const }] : []));
