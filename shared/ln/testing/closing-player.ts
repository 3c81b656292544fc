/** One side of a closing world as it would live: hears blocks, asks the on-chain machine, sends what it says. For tests. */
import { toHex } from '../../lib/bytes.ts';
import { broadcasts, nextHeight, outputWatches, startOnchain, stepOnchain } from '../onchain/machine.ts';
import type { ChannelFacts, Coin, OnchainEffect, OnchainEvent, OnchainState, OutputWatch } from '../onchain/types.ts';
import type { ClosingWorld, Side } from './closing-world.ts';
import { keyOf, MiniChain, type Spent, type Verdict } from './mini-chain.ts';

const sweepIndex = 7;

export type PlayerOptions = {
  readonly publishing?: boolean;
  readonly preimages?: readonly Uint8Array[];
  /** Which moment of the channel the player believes to be the newest. */
  readonly moment?: number;
  readonly dataLost?: boolean;
  readonly feerateFor?: (blocks: number) => number;
};

export type Player = {
  readonly side: Side;
  state: OnchainState;
  facts: ChannelFacts;
  readonly effects: OnchainEffect[];
  /** Every transaction that was ever sent, with the chain's first word on it. */
  readonly sent: Map<string, Verdict>;
  feerateFor: (blocks: number) => number;
  /** Both as of the newest step: between them the player sleeps. */
  watches: readonly OutputWatch[];
  alarm: number | undefined;
};

export const coinAmountSat = 50_000n;

/** A chain with the funding output and `coins` coins for each side. */
export function chainFor(world: ClosingWorld, startHeight = 100, coins = 6): MiniChain {
  const coinsOf = (side: Side) =>
    Array.from({ length: coins }, (_, index) => ({
      outpoint: { txid: world.fundingOutpoint.txid.map((byte, at) => (at === 0 ? byte ^ (side === 'us' ? 1 : 2) : byte)), vout: index },
      amountSat: coinAmountSat + BigInt(index),
      scriptPubKey: world.wallets[side].scriptPubKey(index),
    }));
  const funding = { outpoint: world.fundingOutpoint, amountSat: world.options.fundingSat, scriptPubKey: world.fundingScript };
  return new MiniChain(startHeight, [funding, ...coinsOf('us'), ...coinsOf('them')]);
}

export function makePlayer(world: ClosingWorld, side: Side, options: PlayerOptions = {}): Player {
  const { publishing = false, preimages = [], feerateFor = () => 1000 } = options;
  const facts = { ...world.facts(side, options.moment), dataLost: options.dataLost ?? false };
  return {
    side,
    state: startOnchain({ publishing, sweepIndex, preimages }),
    facts,
    effects: [],
    sent: new Map(),
    feerateFor,
    watches: [],
    alarm: 0,
  };
}

/** Confirmed outputs of the side's wallet. */
export function coinsOf(world: ClosingWorld, chain: MiniChain, side: Side): readonly Coin[] {
  const wallet = world.wallets[side];
  const indexes = new Map([0, 1, 2, 3, 4, 5, sweepIndex].map((index) => [toHex(wallet.scriptPubKey(index)), index]));
  return [...chain.confirmed().values()].flatMap(({ outpoint, amountSat, scriptPubKey }) => {
    const index = indexes.get(toHex(scriptPubKey));
    return index === undefined ? [] : [{ outpoint, amountSat, index }];
  });
}

export const balanceOf = (world: ClosingWorld, chain: MiniChain, side: Side): bigint =>
  coinsOf(world, chain, side).reduce((sum, { amountSat }) => sum + amountSat, 0n);

/** One step, on whatever chain: answers for the archive, and keeps what was said. */
export function stepPlayer(world: ClosingWorld, player: Player, event: OnchainEvent, height: number, coins: readonly Coin[]): void {
  const { side, feerateFor } = player;
  const env = { height, coins, feerateFor, signer: world.signers[side], wallet: world.wallets[side] };
  const { state, guard, effects } = stepOnchain(player.state, player.facts, event, env);
  player.state = state;
  player.facts = { ...player.facts, guard };
  player.effects.push(...effects);
  for (const effect of effects) {
    if (effect.tag !== 'need-archive') continue;
    const htlcs = world.archive(side, Number(effect.number));
    stepPlayer(world, player, { tag: 'archive', number: effect.number, htlcs }, height, coins);
  }
}

export const tell = (world: ClosingWorld, chain: MiniChain, player: Player, event: OnchainEvent): void =>
  stepPlayer(world, player, event, chain.height, coinsOf(world, chain, player.side));

/** A spend that the player watches for and has not heard of. */
function newsFor(chain: MiniChain, player: Player): Spent | undefined {
  for (const { outpoint } of player.watches) {
    const spent = chain.spentIn(outpoint);
    const known = player.state.spends.find((spend) => keyOf(spend.outpoint) === keyOf(outpoint));
    if (spent && !(known && toHex(known.txid) === toHex(spent.txid) && known.height === spent.height)) return spent;
  }
  return undefined;
}

/** A tick where the alarm is due, and what the chain has, until the player watches nothing new; then its transactions go out. */
export function wake(world: ClosingWorld, chain: MiniChain, player: Player): void {
  const heard = (event: OnchainEvent): void => {
    tell(world, chain, player, event);
    player.watches = outputWatches(player.state, player.facts);
    player.alarm = nextHeight(player.state, player.facts, chain.height);
  };
  if (player.alarm !== undefined && player.alarm <= chain.height) heard({ tag: 'tick' });
  for (let spend = newsFor(chain, player); spend; spend = newsFor(chain, player)) heard({ tag: 'spent', spend });
  for (const raw of broadcasts(player.state)) {
    const verdict = chain.send(raw);
    const key = toHex(raw);
    if (!player.sent.has(key)) player.sent.set(key, verdict);
  }
}

/** Blocks pass; after each the players wake in turn. */
export function pass(world: ClosingWorld, chain: MiniChain, players: readonly Player[], blocks = 1): void {
  for (let count = 0; count < blocks; count++) {
    chain.mine();
    for (const player of players) wake(world, chain, player);
  }
}

/** Long after: what is in the mempool is mined, and buried deeper than any re-org. */
export function bury(world: ClosingWorld, chain: MiniChain, players: readonly Player[]): void {
  for (let count = 0; count < 110; count++) chain.mine();
  for (const player of players) wake(world, chain, player);
}

export function reorganise(world: ClosingWorld, chain: MiniChain, players: readonly Player[], count: number, forgotten = false): void {
  chain.reorganise(count, forgotten);
  for (const player of players) {
    tell(world, chain, player, { tag: 'reorged', height: chain.height });
    player.alarm = chain.height;
    wake(world, chain, player);
  }
}

/** Words of the chain on transactions that it would never take. */
export const faults = (player: Player): readonly string[] => [...player.sent.values()].filter((verdict) => verdict.startsWith('invalid'));

/** All fees of confirmed transactions that the player sent, without that of a commitment: its outputs are less already. */
export const feesOf = (chain: MiniChain, player: Player): bigint =>
  chain
    .transactions()
    .filter(
      ({ raw, tx }) =>
        player.sent.has(toHex(raw)) && !tx.inputs.some(({ outpoint }) => keyOf(outpoint) === keyOf(player.facts.fundingOutpoint)),
    )
    .reduce((sum, { feeSat }) => sum + feeSat, 0n);
