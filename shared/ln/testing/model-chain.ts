/**
 * The chain under a line of channels, and what a runtime does with it for each party: coins for fees, news of what is watched, ticks
 * where one is due, and everything sent that should be mined. For tests.
 */
import { toHex } from '../../lib/bytes.ts';
import { commitmentsOf, liveOf } from '../channel/state.ts';
import type { PeerCommand } from '../peer/command.ts';
import { broadcasts, nextHeight, spendWatches } from '../peer/machine.ts';
import { parseTransaction } from '../tx/parse.ts';
import { fundingScriptPubKey } from '../tx/scripts.ts';
import type { Outpoint } from '../tx/transaction.ts';
import { keyOf, MiniChain, type Spent } from './mini-chain.ts';
import { partyNames } from './model-moves.ts';
import { hash } from './opener.ts';
import { type Pair, type Party, type PartyName, partyKeys } from './pair.ts';

export const START_HEIGHT = 1_000;
const COINS = 4;
const COIN_SAT = 100_000n;
/** Each channel sweeps to a place of its own, so that it can be told what it brought. */
const firstIndex = (at: number): number => 10 * at;
const sweepIndex = (at: number): number => firstIndex(at) + COINS;

const scripts = new Map<string, Uint8Array>();
function scriptOf(name: PartyName, index: number): Uint8Array {
  const key = `${name} ${index}`;
  const script = scripts.get(key) ?? partyKeys(name).wallet.scriptPubKey(index);
  scripts.set(key, script);
  return script;
}

type Tell = (at: number, name: PartyName, command: PeerCommand) => void;

export class LineChain {
  readonly chain: MiniChain;
  private readonly pairs: readonly Pair[];
  private readonly tell: Tell;
  /** By party: which spend of which output it was told. */
  private readonly told = new Map<Party, Map<string, string>>();
  readonly asleep = new Set<Party>();

  constructor(pairs: readonly Pair[], tell: Tell) {
    this.pairs = pairs;
    this.tell = tell;
    const fundings = pairs.map(({ alice: { commitments } }) => ({
      outpoint: commitments.fundingOutpoint,
      amountSat: commitments.terms.fundingAmountSat,
      scriptPubKey: fundingScriptPubKey(
        commitments.terms.local.basepoints.fundingPubkey,
        commitments.terms.remote.basepoints.fundingPubkey,
      ),
    }));
    const coins = pairs.flatMap((_, at) =>
      partyNames.flatMap((name) =>
        Array.from({ length: COINS }, (_, coin) => ({
          outpoint: { txid: hash(`coins of ${name} ${at}`), vout: coin },
          amountSat: COIN_SAT,
          scriptPubKey: scriptOf(name, firstIndex(at) + coin),
        })),
      ),
    );
    this.chain = new MiniChain(START_HEIGHT, [...fundings, ...coins]);
    for (const [at, pair] of pairs.entries())
      for (const party of pair.parties) {
        party.sweepIndex = sweepIndex(at);
        party.height = START_HEIGHT;
      }
  }

  get height(): number {
    return this.chain.height;
  }

  private coinsAt(at: number, name: PartyName): Party['coins'] {
    const indexes = new Map(
      Array.from({ length: COINS + 1 }, (_, i) => [toHex(scriptOf(name, firstIndex(at) + i)), firstIndex(at) + i] as const),
    );
    return [...this.chain.confirmed().values()].flatMap(({ outpoint, amountSat, scriptPubKey }) => {
      const index = indexes.get(toHex(scriptPubKey));
      return index === undefined ? [] : [{ outpoint, amountSat, index }];
    });
  }

  /** What the wallet of that side of the channel has more than in the beginning; the fees it paid are not in it. */
  gainSat(at: number, name: PartyName): bigint {
    return this.coinsAt(at, name).reduce((sum, { amountSat }) => sum + amountSat, -BigInt(COINS) * COIN_SAT);
  }

  /** Of everything that was mined. */
  get feesSat(): bigint {
    return this.chain.transactions().reduce((sum, { feeSat }) => sum + feeSat, 0n);
  }

  spenderOf = (outpoint: Outpoint): Spent | undefined => this.chain.spentIn(outpoint);

  /** `pick`: not all that waits is in the first block. */
  mine(count: number, pick?: number): void {
    for (let i = 0; i < count; i += 1) this.chain.mine(i === 0 && pick !== undefined ? (raw) => isPicked(raw, pick) : undefined);
  }

  reorganise(depth: number, forgotten: boolean, pick: number): void {
    const count = Math.min(depth, this.height - START_HEIGHT);
    if (count === 0) return;
    this.chain.reorganise(count, forgotten);
    const fork = this.height;
    // The chain that wins is the longer one.
    this.mine(count + 1, pick);
    this.each(pick, (at, name, party) => {
      const known = this.told.get(party);
      for (const [key, spend] of known ?? []) if (Number(spend.split('@')[1]) > fork) known?.delete(key);
      party.height = this.height;
      this.tell(at, name, { tag: 'chain', event: { tag: 'reorged', height: fork } });
    });
  }

  /** Everybody who is awake hears what is new, in an order of chance, and sends what is to be sent. */
  wake(pick: number, tick: 'always' | 'when due'): void {
    this.each(pick, (at, name, party) => {
      if (!this.asleep.has(party)) this.wakeOne(at, name, party, tick);
    });
  }

  private each(pick: number, visit: (at: number, name: PartyName, party: Party) => void): void {
    const all = this.pairs.flatMap((pair, at) => partyNames.map((name) => [at, name, pair[name]] as const));
    for (const [at, name, party] of pick % 2 === 0 ? all : all.toReversed()) visit(at, name, party);
  }

  /** The height at which somebody has something to do. */
  nextHeight(): number | undefined {
    const heights = this.pairs
      .flatMap(({ parties }) => parties)
      .flatMap((party) => nextHeight(party.state, this.height, party.keys.openSigner) ?? []);
    return heights.length === 0 ? undefined : Math.min(...heights);
  }

  /** Before anything that may make claims. */
  supply(at: number, name: PartyName, party: Party): void {
    party.coins = this.coinsAt(at, name);
  }

  private wakeOne(at: number, name: PartyName, party: Party, tick: 'always' | 'when due'): void {
    const due = nextHeight(party.state, party.height, party.keys.openSigner);
    party.height = this.height;
    const channels = party.state.channels.map((channel) => liveOf(channel).tag);
    if (channels.includes('closing') || channels.includes('failed')) this.supply(at, name, party);
    if (tick === 'always' || (due !== undefined && due <= this.height)) this.tell(at, name, { tag: 'tick' });
    for (let spend = this.newsFor(party); spend; spend = this.newsFor(party)) {
      this.supply(at, name, party);
      this.tell(at, name, { tag: 'chain', event: { tag: 'spent', ...spend } });
    }
    // The child of a commitment that another one keeps out has no parent, and is no fault.
    const orphans = new Set<string>();
    for (const raw of broadcasts(party.state)) {
      const parsed = parseTransaction(raw);
      if (!parsed.ok) throw new Error(`${name} of channel ${at} sends what is no transaction`);
      const { txid, inputs } = parsed.value;
      if (inputs.some(({ outpoint }) => orphans.has(toHex(outpoint.txid)))) {
        orphans.add(toHex(txid));
        continue;
      }
      const verdict = this.chain.send(raw);
      if (verdict === 'replaced-not') orphans.add(toHex(txid));
      if (verdict.startsWith('invalid')) throw new Error(`${name} of channel ${at} sends what no block can hold: ${verdict}`);
    }
  }

  private newsFor(party: Party): Spent | undefined {
    if (!party.state.channels.some(commitmentsOf)) return undefined;
    const known = this.told.get(party) ?? new Map<string, string>();
    this.told.set(party, known);
    if (this.chain.transactions().length === 0) return undefined;
    for (const { outpoint } of spendWatches(party.state, party.keys.openSigner)) {
      const spent = this.chain.spentIn(outpoint);
      if (!spent) continue;
      const word = `${toHex(spent.txid)}@${spent.height}`;
      if (known.get(keyOf(outpoint)) === word) continue;
      known.set(keyOf(outpoint), word);
      return spent;
    }
    return undefined;
  }
}

const isPicked = (raw: Uint8Array, pick: number): boolean => ((raw.reduce((sum, byte) => sum + byte, 0) + pick) & 1) === 0;
