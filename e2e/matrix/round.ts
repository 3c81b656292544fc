/** A round: cells with the same re-org live through the same blocks of one chain, and each is then judged. */
import { toHex } from '../../shared/lib/bytes.ts';
import { isResolved } from '../../shared/ln/onchain/machine.ts';
import { faults, type Player } from '../../shared/ln/testing/closing-player.ts';
import { keyOf } from '../../shared/ln/testing/mini-chain.ts';
import type { Bank } from './bank.ts';
import { type Cell, reorgs } from './cells.ts';
import {
  type Close,
  coinsAtFirstSat,
  coinsOf,
  live,
  marketAt,
  otherCommitment,
  outputsFor,
  reorganised,
  setUp,
  spikeBlocks,
} from './close.ts';
import type { Entry } from './ledger.ts';
import type { Network } from './network.ts';
import { isRevoked, owedBy } from './owed.ts';

/** Blocks in which everything must have ended, and those that bury it (`finalDepth`, and a few). */
const roundBlocks = 95;
const buryBlocks = 103;
const lookEvery = 20;

export type Outcome = {
  readonly cell: Cell;
  /** Empty: passed. */
  readonly wrong: readonly string[];
  readonly owedSat: bigint;
  readonly lostSat: bigint;
  readonly feesSat: bigint;
  readonly claims: number;
  readonly bumps: number;
  /** A child of our anchor paid for our commitment. */
  readonly child: boolean;
  readonly reorged: boolean;
};

/** The cells that may share blocks. */
export function roundsOf(cells: readonly Cell[]): readonly (readonly Cell[])[] {
  const rounds = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = `${cell.reorg} ${cell.fees === 'spike'}`;
    rounds.set(key, [...(rounds.get(key) ?? []), cell]);
  }
  return [...rounds.values()];
}

export async function playRound(bank: Bank, cells: readonly Cell[]): Promise<readonly Outcome[]> {
  const { network } = bank;
  const outputs = cells.map(outputsFor);
  const outpoints = await bank.pay(outputs.flat());
  const start = network.ledger.height;
  let at = 0;
  const closes = cells.map((cell, index) => {
    const funding = outpoints[at];
    at += outputs[index]?.length ?? 0;
    if (funding === undefined) throw new Error('matrix: a cell without money');
    return setUp(cell, index, funding, start);
  });

  for (const close of closes) await live(close, network);
  const owners = new Map<string, Close>();
  const whose = (entry: Entry): Close | undefined => ownerOf(entry, closes, owners);
  const [first] = cells;
  const plan = first && reorgs[first.reorg];
  const closedAt = first?.fees === 'spike' ? spikeBlocks + 1 : 1;
  for (let offset = 1; offset <= roundBlocks; offset++) {
    await network.mine((entry) => {
      const close = whose(entry);
      return close ? marketAt(close.cell, offset) : 0;
    });
    for (const { clock } of closes) clock.offset = offset;
    if (plan && offset === closedAt + plan.after) {
      const height = network.ledger.height - plan.depth;
      const isForgotten = (entry: Entry): boolean => plan.forgotten === true && (plan.other === true || hasSender(entry, whose(entry)));
      const sent = closes.map(({ players }) => [...sentBy(players.us, network), ...sentBy(players.them, network)]);
      const instead = plan.other ? closes.map((close) => network.entry(otherCommitment(close, height))) : [];
      const removed = new Set(await network.reorganise(plan.depth, isForgotten, instead));
      for (const [index, close] of closes.entries()) {
        close.reorged = sent[index]?.some(({ id }) => removed.has(id)) ?? false;
        await reorganised(close, network, height);
      }
    }
    for (const close of closes) await live(close, network);
  }
  for (let count = 1; count <= buryBlocks; count++) {
    await network.mine(() => 0);
    if (count % lookEvery === 0 || count === buryBlocks) for (const close of closes) await live(close, network);
  }
  return closes.map((close) => judge(close, network));
}

const sentBy = (player: Player, network: Network): readonly Entry[] =>
  [...player.sent].filter(([, verdict]) => verdict === 'accepted').map(([hex]) => network.entry(Buffer.from(hex, 'hex')));

/** Somebody would send it again. */
const hasSender = ({ raw }: Entry, close: Close | undefined): boolean =>
  close?.cell.awake !== 'peer-never' || close.players.us.sent.has(toHex(raw));

/** The cell that a waiting transaction belongs to. */
function ownerOf(entry: Entry, closes: readonly Close[], owners: Map<string, Close>): Close | undefined {
  const known = owners.get(entry.id);
  if (known) return known;
  const key = toHex(entry.raw);
  const found = closes.find(({ players }) => players.us.sent.has(key) || players.them.sent.has(key));
  if (found) owners.set(entry.id, found);
  return found;
}

function judge(close: Close, network: Network): Outcome {
  const { cell, players, world } = close;
  const { us, them } = players;
  const { ledger } = network;
  const commitment = ledger.spentIn(world.fundingOutpoint);
  const fundingKey = keyOf(world.fundingOutpoint);
  const isCommitment = ({ tx }: Entry): boolean => tx.inputs.some(({ outpoint }) => keyOf(outpoint) === fundingKey);
  const minedBy = (player: Player): readonly Entry[] =>
    [...player.sent.keys()]
      .map((hex) => network.entry(Buffer.from(hex, 'hex')))
      .filter((entry) => ledger.heightOf(entry.id) !== undefined && !isCommitment(entry));
  const ofCommitment = ({ tx }: Entry): boolean =>
    commitment !== undefined && tx.inputs.some(({ outpoint }) => toHex(outpoint.txid) === toHex(commitment.txid));
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

  const owed = owedBy(cell);
  const claims = minedBy(us);
  const feesSat = sum(claims.map(network.feeOf));
  const gainedSat = sum(coinsOf(close, network, 'us').map(({ amountSat }) => amountSat)) - coinsAtFirstSat;
  // Our anchor came back with the child that paid for its parent.
  const anchorSat = claims.some(({ tx }) => tx.inputs.some(({ outpoint }) => isAnchor(outpoint))) ? 330n : 0n;
  function isAnchor(outpoint: Entry['tx']['inputs'][number]['outpoint']): boolean {
    return toHex(outpoint.txid) === toHex(commitment?.txid ?? new Uint8Array(0)) && ledger.output(outpoint)?.amountSat === 330n;
  }
  // Without anchors the cheat's second stage pays its fee out of the HTLC before we can take it.
  const burntSat = isRevoked(cell) && cell.kind === 'static_remotekey' ? sum(minedBy(them).filter(ofCommitment).map(network.feeOf)) : 0n;
  const lostSat = owed.totalSat + anchorSat - burntSat - gainedSat - feesSat;

  const wrong: string[] = faults(us).map((fault) => `refused by the chain: ${fault}`);
  if (commitment === undefined) wrong.push('no commitment in the chain');
  if (lostSat !== 0n) wrong.push(`lost ${lostSat} sat of ${owed.totalSat}`);
  if (feesSat * 10n > owed.totalSat) wrong.push(`${feesSat} sat of fees for ${owed.totalSat}`);
  if (!isResolved(us.state, us.facts, ledger.height)) wrong.push('not resolved');
  const ends = us.effects.flatMap((effect) => ('id' in effect ? [{ id: effect.id, settled: effect.tag === 'htlc-settled' }] : []));
  for (const { id, offered } of us.facts.htlcs) {
    const count = ends.filter((end) => end.id === id).length;
    if (offered && count !== 1) wrong.push(`HTLC ${id} ended ${count} times`);
  }
  for (const index of owed.paid) {
    const end = ends.find(({ id }) => id === world.htlcs[index]?.id);
    if (end?.settled === false) wrong.push(`HTLC ${end.id} was paid for and failed`);
  }
  const refused = us.effects.flatMap((effect) => (effect.tag === 'note' && effect.kind === 'claim-refused' ? [effect.detail ?? ''] : []));
  wrong.push(...new Set(refused));
  return {
    cell,
    wrong,
    owedSat: owed.totalSat,
    lostSat,
    feesSat,
    claims: claims.length,
    bumps: close.bumps,
    child: anchorSat > 0n,
    reorged: close.reorged,
  };
}
