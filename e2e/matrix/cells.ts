/**
 * The cells of the matrix: what is published, which HTLCs are in it, who is awake, what fees do, and which blocks are taken off again.
 * BOLT 5. A product with pruning, always the same cells in the same order.
 */
import type { ChannelKind } from '../../shared/ln/tx/commitment.ts';

export const publications = ['ours', 'theirs', 'theirs-next', 'revoked', 'revoked-old', 'unknown-future'] as const;
export const kinds: readonly ChannelKind[] = ['static_remotekey', 'anchors_zero_fee_htlc_tx'];
/** `late`: we sleep while the peer takes what it can. `peer-never`: it publishes (or does not), and is not seen again. */
export const wakefulness = ['at-once', 'late', 'peer-never'] as const;
/** `spike`: from the publication on, `spike-claims`: from when the commitment is mined; both are over some blocks later. */
export const feeLevels = ['253', 'normal', 'spike', 'spike-claims'] as const;
export type Publication = (typeof publications)[number];

/** Who knows the preimage of an HTLC: whoever it pays, at once or some blocks later, or nobody. */
export type Knowledge = 'payee' | 'payee-late' | 'nobody';
export type CellHtlc = {
  readonly offered: boolean;
  readonly amountSat: bigint;
  /** Blocks after the publication at which it expires; not above zero: it had expired. */
  readonly expiresIn: number;
  readonly knows: Knowledge;
  readonly hash?: string;
};

const offered = (knows: Knowledge, amountSat = 20_000n, expiresIn = 34, hash?: string): CellHtlc => ({
  offered: true,
  amountSat,
  expiresIn,
  knows,
  ...(hash !== undefined && { hash }),
});
const received = (knows: Knowledge, amountSat = 30_000n, expiresIn = 40, hash?: string): CellHtlc => ({
  ...offered(knows, amountSat, expiresIn, hash),
  offered: false,
});

const mixed: readonly CellHtlc[] = [
  offered('payee'),
  offered('nobody', 25_000n, 36),
  offered('nobody', 300n),
  received('payee'),
  received('nobody', 35_000n, 30),
  received('payee', 200n),
];

export const menus: { readonly [name: string]: readonly CellHtlc[] } = {
  none: [],
  'offered-known': [offered('payee')],
  'offered-late': [offered('payee-late')],
  'offered-unknown': [offered('nobody')],
  'offered-expired': [offered('nobody', 20_000n, -2)],
  'received-known': [received('payee')],
  'received-late': [received('payee-late')],
  'received-unknown': [received('nobody')],
  'received-expired': [received('nobody', 30_000n, -2)],
  dust: [offered('payee', 300n), offered('nobody', 200n), received('payee', 300n), received('nobody', 200n)],
  'hash-twice-offered': [offered('nobody', 20_000n, 34, 'x'), offered('nobody', 20_000n, 38, 'x')],
  'hash-twice-taken': [offered('payee', 20_000n, 34, 'x'), offered('payee', 20_000n, 34, 'x')],
  'hash-thrice-received': [received('payee', 30_000n, 44, 'x'), received('payee', 30_000n, 40, 'x'), received('payee', 30_000n, 40, 'x')],
  'hash-both-ways': [offered('payee', 20_000n, 34, 'x'), received('payee', 30_000n, 40, 'x')],
  // We learn it from the peer's own claim.
  'hash-learned': [offered('payee', 20_000n, 34, 'x'), received('nobody', 30_000n, 44, 'x')],
  mixed,
};

/** Blocks are taken off once: `depth` of them, `after` blocks from the time at which the commitment should be mined. */
export type Reorg = {
  readonly after: number;
  readonly depth: number;
  /** Nodes have lost what was in them: it comes back when somebody sends it again. */
  readonly forgotten?: boolean;
  /** Another commitment was mined first, and the one of the cell stands in its place afterwards. */
  readonly other?: boolean;
};
export const reorgs: { readonly [name: string]: Reorg | undefined } = {
  none: undefined,
  'close-1': { after: 0, depth: 1 },
  'close-3-forgotten': { after: 2, depth: 3, forgotten: true },
  'close-6': { after: 5, depth: 6 },
  'claim-2': { after: 3, depth: 2 },
  'claim-5-forgotten': { after: 6, depth: 5, forgotten: true },
  'delayed-6': { after: 25, depth: 6 },
  'timeout-4': { after: 38, depth: 4 },
  'other-3': { after: 2, depth: 3, forgotten: true, other: true },
};

export type Cell = {
  readonly name: string;
  readonly published: Publication;
  readonly kind: ChannelKind;
  readonly menu: string;
  readonly awake: (typeof wakefulness)[number];
  readonly fees: (typeof feeLevels)[number];
  readonly reorg: string;
  readonly weOpened: boolean;
};

type Coordinates = Omit<Cell, 'name'>;
const named = (cell: Coordinates): Cell => ({
  ...cell,
  name: [cell.published, cell.kind, cell.menu, cell.awake, cell.fees, cell.reorg, cell.weOpened ? 'we-opened' : 'they-opened'].join('/'),
});

/** The value at `index`, around and around. */
function at<T>(values: readonly T[], index: number): T {
  const value = values[index % values.length];
  if (value === undefined) throw new Error('matrix: nothing to choose from');
  return value;
}

/** Of an unknown commitment only our balance can be claimed: what HTLCs are in it makes little difference. */
const menusOf = (published: Publication): readonly string[] =>
  published === 'unknown-future' ? ['none', 'offered-unknown', 'received-known', 'dust', 'mixed'] : Object.keys(menus);

/** Who lost data publishes nothing, and while fees are high it is not known when the first of two commitments is mined. */
const isPossible = ({ reorg, published, fees }: Coordinates): boolean =>
  reorgs[reorg]?.other !== true || (published !== 'unknown-future' && fees !== 'spike');

/** Everything for the two that peers are caught by; of the rest `each` cells for each publication, kind and menu. */
export function allCells(each = 3): readonly Cell[] {
  const cells = new Map<string, Cell>();
  const add = (cell: Coordinates): void => {
    const one = named(isPossible(cell) ? cell : { ...cell, reorg: 'close-1' });
    cells.set(one.name, one);
  };
  const reorgNames = Object.keys(reorgs);
  let count = 0;
  for (const published of publications)
    for (const kind of kinds)
      for (const menu of menusOf(published))
        for (let turn = 0; turn < each; turn++) {
          add({
            published,
            kind,
            menu,
            awake: at(wakefulness, count),
            fees: at(feeLevels, Math.floor(count / 3)),
            reorg: at(reorgNames, count + Math.floor(count / reorgNames.length)),
            weOpened: Math.floor(count / 2) % 2 === 0,
          });
          count++;
        }
  for (const published of ['theirs-next', 'revoked'] as const)
    for (const kind of kinds)
      for (const awake of wakefulness)
        for (const fees of feeLevels)
          for (const reorg of reorgNames) add({ published, kind, menu: 'mixed', awake, fees, reorg, weOpened: count++ % 2 === 0 });
  return [...cells.values()];
}

/** `wanted` of the cells, spread over all of them. */
export function sample(cells: readonly Cell[], wanted: number): readonly Cell[] {
  if (wanted >= cells.length) return cells;
  return Array.from({ length: wanted }, (_, index) => at(cells, Math.floor((index * cells.length) / wanted)));
}
