/**
 * What a cell owes us, worked out from balances and from who knows which preimage, with the weights of BOLT 3 § Fee Calculation written
 * out: nothing here asks the code that is under test.
 */
import { type Cell, type CellHtlc, menus } from './cells.ts';

export const fundingSat = 1_000_000n;
export const ourSat = 600_000n;
export const dustLimitSat = 354n;
const anchorSat = 330n;

export const feerateOf = ({ fees }: Cell): number => (fees === '253' ? 253 : 1000);
/** Of the publications only ours is not the peer's. */
export const weHold = ({ published }: Cell): boolean => published === 'ours';
export const isRevoked = ({ published }: Cell): boolean => published === 'revoked' || published === 'revoked-old';

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

function isTrimmed(cell: Cell, htlc: CellHtlc): boolean {
  if (cell.kind === 'anchors_zero_fee_htlc_tx') return htlc.amountSat < dustLimitSat;
  // The holder takes back what it offered by a timeout, and the rest by success.
  const weight = htlc.offered === weHold(cell) ? 663n : 703n;
  return htlc.amountSat < dustLimitSat + (BigInt(feerateOf(cell)) * weight) / 1000n;
}

/** Does the peer take the preimage's side, in time? */
const peerTakes = (cell: Cell, htlc: CellHtlc): boolean => htlc.knows !== 'nobody' && cell.awake !== 'peer-never';

function isOurs(cell: Cell, htlc: CellHtlc, all: readonly CellHtlc[]): boolean {
  if (htlc.offered) return !peerTakes(cell, htlc);
  const shown = all.some((other) => other.offered && other.hash !== undefined && other.hash === htlc.hash && peerTakes(cell, other));
  return htlc.knows !== 'nobody' || shown;
}

export type Owed = {
  readonly totalSat: bigint;
  /** The HTLCs that we offered and the peer rightfully takes, as indexes of the menu. */
  readonly paid: readonly number[];
};

/** Fees of claims are not deducted. */
export function owedBy(cell: Cell): Owed {
  const all = menus[cell.menu] ?? [];
  const anchors = cell.kind === 'anchors_zero_fee_htlc_tx';
  const inOutputs = all.filter((htlc) => !isTrimmed(cell, htlc));
  const weight = BigInt((anchors ? 1124 : 724) + 172 * inOutputs.length);
  const openerPays = (BigInt(feerateOf(cell)) * weight) / 1000n + (anchors ? 2n * anchorSat : 0n);
  const offeredSat = (offered: boolean): bigint => sum(all.filter((htlc) => htlc.offered === offered).map(({ amountSat }) => amountSat));
  const ours = ourSat - offeredSat(true) - (cell.weOpened ? openerPays : 0n);
  const theirs = fundingSat - ourSat - offeredSat(false) - (cell.weOpened ? 0n : openerPays);
  const paid = all.flatMap((htlc, index) => (htlc.offered && inOutputs.includes(htlc) && !isOurs(cell, htlc, all) ? [index] : []));

  if (cell.published === 'unknown-future') return { totalSat: ours, paid: [] };
  if (isRevoked(cell)) return { totalSat: ours + theirs + sum(inOutputs.map(({ amountSat }) => amountSat)), paid: [] };
  return { totalSat: ours + sum(inOutputs.filter((htlc) => isOurs(cell, htlc, all)).map(({ amountSat }) => amountSat)), paid };
}
