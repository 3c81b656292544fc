/** One cell set up on a chain: its two sides, what each knows, and what they do when they are awake. */
import { toHex } from '../../shared/lib/bytes.ts';
import { broadcasts, nextHeight, outputWatches } from '../../shared/ln/onchain/machine.ts';
import type { Coin, OnchainEvent } from '../../shared/ln/onchain/types.ts';
import { coinAmountSat, makePlayer, type Player, stepPlayer } from '../../shared/ln/testing/closing-player.ts';
import { type ClosingWorld, closingKeys, makeClosingWorld, type Side } from '../../shared/ln/testing/closing-world.ts';
import type { Spent } from '../../shared/ln/testing/mini-chain.ts';
import type { Outpoint, TxOutput } from '../../shared/ln/tx/transaction.ts';
import { type Cell, type Knowledge, menus, type Publication, reorgs } from './cells.ts';
import type { Network } from './network.ts';
import { dustLimitSat, feerateOf, fundingSat, ourSat, weHold } from './owed.ts';

/** Blocks that a late riser sleeps: more than the peer needs to claim, less than it must wait for what is ours. */
const sleepBlocks = 12;
/** Blocks until a preimage that comes late is known. */
const lateBlocks = 8;
const calmFeeratePerKw = 1000;
const spikeFeeratePerKw = 8000;
export const spikeBlocks = 10;

const coinCount = { us: 6, them: 4 } as const;
/** As `closing-player.ts` has them: coins stand at the first indexes of a wallet, sweeps go to the last. */
const walletIndexes = [0, 1, 2, 3, 4, 5, 7];

/** Which commitments there are, which one is published, and what we remember. */
const moments: {
  readonly [of in Publication]: { readonly newest: number; readonly published: number; readonly next?: true; readonly ours?: number };
} = {
  ours: { newest: 2, published: 2 },
  theirs: { newest: 2, published: 2 },
  'theirs-next': { newest: 2, published: 3, next: true },
  revoked: { newest: 2, published: 1 },
  'revoked-old': { newest: 5, published: 1 },
  'unknown-future': { newest: 3, published: 3, ours: 1 },
};

/** What is mined before a re-org puts the commitment of the cell in its place. */
const before: { readonly [of in Publication]: Publication } = {
  ours: 'theirs',
  theirs: 'ours',
  'theirs-next': 'ours',
  revoked: 'theirs',
  'revoked-old': 'ours',
  'unknown-future': 'unknown-future',
};
const firstOf = ({ published, reorg }: Cell): Publication => (reorgs[reorg]?.other === true ? before[published] : published);

/** What a block asks for. `offset`: blocks since the publication. */
export function marketAt({ fees }: Cell, offset: number): number {
  if (fees === '253') return 253;
  const from = { normal: spikeBlocks + 1, spike: 1, 'spike-claims': 2 }[fees];
  return offset >= from && offset <= spikeBlocks ? spikeFeeratePerKw : calmFeeratePerKw;
}

const keyName = (cell: Cell): string => `matrix ${cell.name}`;

/** What a cell needs in the chain before it begins: the funding output first, then our coins, then the peer's. */
export function outputsFor(cell: Cell): readonly TxOutput[] {
  const { fundingScript, wallets } = closingKeys(keyName(cell));
  const coins = (['us', 'them'] as const).flatMap((side) =>
    Array.from({ length: coinCount[side] }, (_, index) => ({ amountSat: coinAmountSat, scriptPubKey: wallets[side].scriptPubKey(index) })),
  );
  return [{ amountSat: fundingSat, scriptPubKey: fundingScript }, ...coins];
}

export const coinsAtFirstSat = coinAmountSat * BigInt(coinCount.us);

export type Close = {
  readonly cell: Cell;
  readonly world: ClosingWorld;
  readonly players: { readonly us: Player; them: Player };
  /** In the order in which they move. */
  readonly turns: readonly Side[];
  /** Preimages that arrive late. */
  readonly lateNews: { readonly [side in Side]: Uint8Array[] };
  /** Blocks since the publication. */
  readonly clock: { offset: number };
  /** By first input: the transaction of ours that the chain accepted last. */
  readonly claims: Map<string, string>;
  bumps: number;
  /** A re-org took a transaction of this cell out of the chain. */
  reorged: boolean;
};

export function setUp(cell: Cell, index: number, fundingOutpoint: Outpoint, height: number): Close {
  const { newest, published, next, ours } = moments[cell.published];
  const first = firstOf(cell);
  const menu = menus[cell.menu] ?? [];
  // Every other HTLC is in the published commitment alone, the rest in those around it too.
  const around = Array.from({ length: Math.max(newest, published) }, (_, at) => at + 1).filter((moment) => moment >= published - 2);
  const world = makeClosingWorld({
    name: keyName(cell),
    fundingOutpoint,
    kind: cell.kind,
    weOpened: cell.weOpened,
    fundingSat,
    ourSat,
    feeratePerKw: feerateOf(cell),
    dustLimitSat,
    newest,
    ...(next && { next }),
    htlcs: menu.map(({ offered, amountSat, expiresIn, hash }, at) => ({
      offered,
      amountSat,
      cltvExpiry: height + expiresIn,
      moments: at % 2 === 0 ? [published] : around,
      ...(hash !== undefined && { hash }),
    })),
  });
  const clock = { offset: 0 };
  const known = (side: Side, knows: Knowledge): Uint8Array[] =>
    menu.flatMap((htlc, at) => (htlc.knows === knows && htlc.offered === (side === 'them') ? [world.preimage(at)] : []));
  const player = (side: Side): Player =>
    makePlayer(world, side, {
      publishing: (first === 'ours') === (side === 'us'),
      preimages: known(side, 'payee'),
      feerateFor: () => marketAt(cell, clock.offset),
      ...(side === 'them' && { moment: first === cell.published ? published : newest }),
      ...(side === 'us' && ours !== undefined && { moment: ours, dataLost: true }),
    });
  return {
    cell,
    world,
    players: { us: player('us'), them: player('them') },
    turns: index % 2 === 0 ? ['them', 'us'] : ['us', 'them'],
    lateNews: { us: known('us', 'payee-late'), them: known('them', 'payee-late') },
    clock,
    claims: new Map(),
    bumps: 0,
    reorged: false,
  };
}

function isAwake(close: Close, side: Side): boolean {
  const { awake } = close.cell;
  if (close.clock.offset === 0) return (side === 'us') === (firstOf(close.cell) === 'ours');
  if (side === 'them') return awake !== 'peer-never';
  return awake !== 'late' || close.clock.offset >= sleepBlocks;
}

export function coinsOf({ world }: Close, { ledger }: Network, side: Side): readonly Coin[] {
  const wallet = world.wallets[side];
  return walletIndexes.flatMap((index) =>
    ledger.coins(wallet.scriptPubKey(index)).map(({ outpoint, amountSat }) => ({ outpoint, amountSat, index })),
  );
}

function hear(close: Close, network: Network, side: Side, event: OnchainEvent): void {
  const player = close.players[side];
  const { height } = network.ledger;
  stepPlayer(close.world, player, event, height, coinsOf(close, network, side));
  player.watches = outputWatches(player.state, player.facts);
  player.alarm = nextHeight(player.state, player.facts, height);
}

function newsFor({ state, watches }: Player, { ledger }: Network): Spent | undefined {
  for (const { outpoint } of watches) {
    const spent = ledger.spentIn(outpoint);
    if (spent === undefined) continue;
    const known = state.spends.find(({ outpoint: { txid, vout } }) => vout === outpoint.vout && toHex(txid) === toHex(outpoint.txid));
    if (known?.height !== spent.height || toHex(known.txid) !== toHex(spent.txid)) return spent;
  }
  return undefined;
}

/** Whoever is awake hears what the chain has and sends what the machine says. */
export async function live(close: Close, network: Network): Promise<void> {
  for (const side of close.turns) if (isAwake(close, side)) await wake(close, network, side);
}

/** The commitment of the cell, for a miner who prefers it; whoever publishes it knows from now on that it is out. */
export function otherCommitment(close: Close, height: number): Uint8Array {
  const { cell, world, players, clock } = close;
  const side = weHold(cell) ? 'us' : 'them';
  const publisher = makePlayer(world, side, {
    publishing: true,
    preimages: players[side].state.preimages,
    feerateFor: () => marketAt(cell, clock.offset),
    ...(side === 'them' && { moment: moments[cell.published].published }),
  });
  stepPlayer(world, publisher, { tag: 'tick' }, height, []);
  const [commitment] = broadcasts(publisher.state);
  if (commitment === undefined) throw new Error('matrix: no other commitment');
  if (side === 'them') players.them = publisher;
  else players.us.state = { ...players.us.state, publishing: true };
  return commitment;
}

/** A re-org is heard of by those who sleep too: not waking for it, they learn of it when they do. */
export async function reorganised(close: Close, network: Network, height: number): Promise<void> {
  for (const side of close.turns) hear(close, network, side, { tag: 'reorged', height });
  await live(close, network);
}

async function wake(close: Close, network: Network, side: Side): Promise<void> {
  const player = close.players[side];
  const late = close.clock.offset >= lateBlocks ? close.lateNews[side].splice(0) : [];
  for (const preimage of late) hear(close, network, side, { tag: 'preimage', preimage });
  if (player.alarm !== undefined && player.alarm <= network.ledger.height) hear(close, network, side, { tag: 'tick' });
  for (let spend = newsFor(player, network); spend; spend = newsFor(player, network)) hear(close, network, side, { tag: 'spent', spend });
  for (const raw of broadcasts(player.state)) {
    const verdict = await network.send(raw, `${side} ${close.cell.name}`);
    const key = toHex(raw);
    if (!player.sent.has(key) || verdict.startsWith('invalid')) player.sent.set(key, verdict);
    if (side === 'us' && verdict === 'accepted') countBump(close, network, raw);
  }
}

function countBump(close: Close, network: Network, raw: Uint8Array): void {
  const { id, tx } = network.entry(raw);
  const [first] = tx.inputs;
  if (first === undefined) return;
  const key = `${toHex(first.outpoint.txid)}:${first.outpoint.vout}`;
  const before = close.claims.get(key);
  if (before !== undefined && before !== id) close.bumps++;
  close.claims.set(key, id);
}
