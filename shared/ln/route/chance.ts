/**
 * How likely a channel is to carry an amount. Of a channel nothing is known but its capacity and what earlier payments have shown: that it
 * had at least `low` and at most `high`. Balances lie at the ends of a channel rather than in its middle, so the density that is assumed has
 * the form of a U on a floor: ¼ + 9(x − ½)², of the share x of the capacity. It has a polynomial for its integral, and no place is impossible.
 */

/** What is believed of a directed edge, in msat. */
export type Range = { readonly capacity: number; readonly low: number; readonly high: number };

/** That a node fails for another reason than its balance: −ln of 99 %. */
export const HOP_MISS = 0.01;
/** Nothing that may be tried is hopeless. */
const FLOOR = 1e-3;

/** The share of channels that have no more than the share `x` of their capacity on this side. */
function below(x: number): number {
  const y = x - 0.5;
  return 0.25 * x + 3 * y * y * y + 0.375;
}

/** −ln of the chance that all of `amount` is there, of a channel of which only the capacity is known. */
export const missOfNew = (amount: number, capacity: number): number => -Math.log(Math.max(FLOOR, 1 - below(amount / capacity)));

function chance(amount: number, { capacity, low, high }: Range): number {
  if (amount <= low) return 1;
  // A hint, of which nobody knows the capacity: whoever gave it wants to be paid.
  if (high === Number.POSITIVE_INFINITY) return 1;
  const whole = Number.isFinite(capacity) ? capacity : high;
  const over = below(high / whole);
  return Math.max(FLOOR, (over - below(amount / whole)) / (over - below(low / whole)));
}

/** −ln of the chance that `amount` is there when `reserved` was there. The caller sees to it that both fit below `high`. */
export const missOf = (amount: number, reserved: number, range: Range): number =>
  Math.max(0, Math.log(chance(reserved, range)) - Math.log(chance(reserved + amount, range)));
