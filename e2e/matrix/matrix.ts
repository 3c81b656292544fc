/** All cells on one chain, and what is printed of them. */
import { openBank } from './bank.ts';
import { type Cell, kinds, publications } from './cells.ts';
import type { MatrixNode } from './network.ts';
import { type Outcome, playRound, roundsOf } from './round.ts';

/** More than a cell needs. */
const satPerCell = 1_700_000n;

export async function playMatrix(
  node: MatrixNode,
  cells: readonly Cell[],
  tell: (done: number) => void = () => {},
): Promise<readonly Outcome[]> {
  const bank = await openBank(node, BigInt(cells.length + 10) * satPerCell);
  const outcomes: Outcome[] = [];
  for (const round of roundsOf(cells)) {
    outcomes.push(...(await playRound(bank, round)));
    tell(outcomes.length);
  }
  return outcomes;
}

type Row = { cells: number; passed: number; claims: number; bumps: number; children: number; 're-orgs': number; 'worst fee share': string };

function rowOf(outcomes: readonly Outcome[]): Row {
  const shares = outcomes.filter(({ owedSat }) => owedSat > 0n).map(({ feesSat, owedSat }) => Number(feesSat) / Number(owedSat));
  return {
    cells: outcomes.length,
    passed: outcomes.filter(({ wrong }) => wrong.length === 0).length,
    claims: outcomes.reduce((sum, { claims }) => sum + claims, 0),
    bumps: outcomes.reduce((sum, { bumps }) => sum + bumps, 0),
    children: outcomes.filter(({ child }) => child).length,
    're-orgs': outcomes.filter(({ reorged }) => reorged).length,
    'worst fee share': `${(100 * Math.max(0, ...shares)).toFixed(2)} %`,
  };
}

export function tableOf(outcomes: readonly Outcome[]): { readonly [row: string]: Row } {
  const rows: { [row: string]: Row } = {};
  for (const published of publications)
    for (const kind of kinds) {
      const of = outcomes.filter(({ cell }) => cell.published === published && cell.kind === kind);
      if (of.length > 0) rows[`${published}, ${kind}`] = rowOf(of);
    }
  rows.total = rowOf(outcomes);
  return rows;
}

/** Each with the name by which it can be played alone. */
export const failuresOf = (outcomes: readonly Outcome[]): readonly string[] =>
  outcomes.filter(({ wrong }) => wrong.length > 0).map(({ cell, wrong }) => `${cell.name}: ${wrong.join('; ')}`);
