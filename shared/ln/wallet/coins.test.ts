import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freeze, thaw } from '../../lib/freeze.ts';
import { openWalletSigner } from '../signer/wallet.ts';
import type { ParsedTransaction } from '../tx/parse.ts';
import { p2wpkh } from '../tx/scripts.ts';
import type { Outpoint } from '../tx/transaction.ts';
import {
  essence,
  type FundingReservation,
  GAP,
  keepFundings,
  newWallet,
  receiving,
  reorged,
  reserve,
  revived,
  sawTransaction,
  spendable,
  unspent,
  type WalletState,
  withClaims,
  withScripts,
  withUsedIndex,
} from './coins.ts';

const signer = openWalletSigner(new Uint8Array(64).fill(3));
const fresh = withScripts(newWallet, signer);
const foreign = p2wpkh(new Uint8Array(33).fill(2));

type Made = {
  readonly name: string;
  readonly spends?: readonly Outpoint[];
  readonly to?: readonly (number | 'foreign')[];
  readonly coinbase?: boolean;
  readonly witnessOf?: number;
};
/** A transaction: what it spends (signed by our key at `witnessOf`, if given), and which of our indexes it pays 1,000 sat each. */
function tx({ name, spends = [], to = [], coinbase = false, witnessOf }: Made): ParsedTransaction {
  const nothing = { txid: new Uint8Array(32), vout: 0xffff_ffff };
  const elsewhere = { txid: sha256(utf8ToBytes(`before ${name}`)), vout: 0 };
  const outpoints = coinbase ? [nothing] : spends.length > 0 ? spends : [elsewhere];
  const witness = witnessOf === undefined ? [] : [new Uint8Array(71), signer.pubkey(witnessOf)];
  return {
    txid: sha256(utf8ToBytes(name)),
    version: 2,
    lockTime: 0,
    inputs: outpoints.map((outpoint) => ({ outpoint, sequence: 0, scriptSig: new Uint8Array(0), witness })),
    outputs: to.map((index) => ({ amountSat: 1_000n, scriptPubKey: index === 'foreign' ? foreign : signer.scriptPubKey(index) })),
  };
}
const outputOf = (made: ParsedTransaction, vout = 0): Outpoint => ({ txid: made.txid, vout });
const outpointsOf = (coins: readonly { readonly outpoint: Outpoint }[]): readonly Outpoint[] => coins.map(({ outpoint }) => outpoint);

describe('indexes', () => {
  it('those in use and a gap of 20 are watched', () => {
    expect(fresh.scripts).toHaveLength(GAP);
    expect(withScripts(fresh, signer)).toBe(fresh);
    const used = withScripts(withUsedIndex(fresh, 7), signer);
    expect([used.nextIndex, used.scripts.length]).toEqual([8, 28]);
    expect(used.scripts[27]).toEqual(signer.scriptPubKey(27));
    expect(withUsedIndex(used, 3)).toBe(used);
  });

  it('an address is shown until it was paid, and is nobody else’s', () => {
    const first = receiving(fresh);
    expect([first.index, first.state.nextIndex]).toEqual([0, 1]);
    expect(receiving(first.state)).toEqual(first);
    const paid = sawTransaction(first.state, tx({ name: 'a', to: [0] }), 10);
    expect(receiving(paid).index).toBe(1);
    expect(receiving(withUsedIndex(first.state, 4)).index).toBe(0);
    expect(receiving(withUsedIndex(paid, 4)).index).toBe(5);
  });

  it('what another device with these words used is used here, too', () => {
    const seen = sawTransaction(fresh, tx({ name: 'a', to: [19] }), 10);
    expect(withScripts(seen, signer).scripts).toHaveLength(20 + GAP);
    expect(receiving(seen).index).toBe(20);
  });
});

describe('a copy', () => {
  const paid = tx({ name: 'paid', to: [3, 4] });
  const spend = tx({ name: 'spend', spends: [outputOf(paid)], to: ['foreign'] });
  const lived = withScripts(sawTransaction(sawTransaction(fresh, paid, 10), spend, 11), signer);

  it('holds what is ours and not what can be made anew', () => {
    const copy = essence(lived);
    expect([copy.scripts, copy.nextIndex, outpointsOf(copy.outputs)]).toEqual([[], 5, [outputOf(paid, 1)]]);
    expect(spendable(revived(fresh, copy), 11)).toEqual(spendable(lived, 11));
    expect(withScripts(revived(fresh, copy), signer).scripts).toEqual(lived.scripts);
  });

  it('gives no index out again, and undoes nothing', () => {
    expect(revived(withUsedIndex(fresh, 8), essence(lived)).nextIndex).toBe(9);
    const other = sawTransaction(fresh, tx({ name: 'other', to: [0] }), 12);
    expect(revived(other, essence(lived))).toEqual({ ...other, nextIndex: 5 });
    expect(revived(lived, newWallet)).toBe(lived);
  });
});

describe('what the chain holds', () => {
  const paid = tx({ name: 'paid', to: ['foreign', 2, 5] });
  const both = sawTransaction(fresh, paid, 100);

  it('outputs that pay our scripts are coins once they are confirmed', () => {
    expect(spendable(both, 100)).toEqual([
      { outpoint: outputOf(paid, 1), amountSat: 1_000n, index: 2 },
      { outpoint: outputOf(paid, 2), amountSat: 1_000n, index: 5 },
    ]);
    expect(spendable(both, 99)).toEqual([]);
    expect(sawTransaction(both, paid, 100)).toEqual(both);
    expect(spendable(sawTransaction(fresh, tx({ name: 'not ours', to: ['foreign'] }), 100), 100)).toEqual([]);
  });

  it('a spend takes its coin away, a re-org gives it back', () => {
    const spend = tx({ name: 'spend', spends: [outputOf(paid, 1)], to: ['foreign'] });
    const spent = sawTransaction(both, spend, 105);
    expect(outpointsOf(spendable(spent, 105))).toEqual([outputOf(paid, 2)]);
    expect(spendable(reorged(spent, 105), 105)).toHaveLength(1);
    expect(outpointsOf(spendable(reorged(spent, 104), 104))).toEqual([outputOf(paid, 1), outputOf(paid, 2)]);
    expect(spendable(reorged(spent, 99), 99)).toEqual([]);
  });

  it('a coin mined again at another height has that height', () => {
    const again = sawTransaction(both, paid, 103);
    expect(again.outputs.map(({ height }) => height)).toEqual([103, 103]);
  });

  it('a coin whose spend is seen first is never spendable', () => {
    const spend = tx({ name: 'spend', spends: [outputOf(paid, 1)], witnessOf: 2 });
    const late = sawTransaction(sawTransaction(fresh, spend, 105), paid, 100);
    expect(outpointsOf(spendable(late, 200))).toEqual([outputOf(paid, 2)]);
    expect(late.strays).toEqual([]);
    const undone = reorged(sawTransaction(fresh, spend, 105), 104);
    expect(spendable(sawTransaction(undone, paid, 100), 200)).toHaveLength(2);
  });

  it('a coinbase may be spent by the hundredth block after it', () => {
    const mined = sawTransaction(fresh, tx({ name: 'mined', to: [0], coinbase: true }), 50);
    expect(spendable(mined, 148)).toEqual([]);
    expect(spendable(mined, 149)).toHaveLength(1);
  });
});

describe('what is set aside', () => {
  const [one, two, three] = [tx({ name: '1', to: [0] }), tx({ name: '2', to: [1] }), tx({ name: '3', to: [2] })];
  const all = [one, two, three].reduce((state, made) => sawTransaction(state, made, 10), fresh);
  const funding = (outpoints: readonly Outpoint[], peerId = 'alice'): FundingReservation => ({
    kind: 'funding',
    peerId,
    temporaryChannelId: new Uint8Array(32).fill(1),
    outpoints,
    transaction: Uint8Array.of(1),
    txid: sha256(Uint8Array.of(1)),
    vout: 0,
  });
  const none = () => false;

  it('a funding transaction’s coins are nobody’s until its channel is forgotten, whatever the chain does', () => {
    const held = reserve(all, funding([outputOf(one), outputOf(two)]));
    expect(outpointsOf(spendable(held, 10))).toEqual([outputOf(three)]);
    expect(outpointsOf(spendable(held, 10, 'alice'))).toEqual([outputOf(three)]);
    const back = [one, two, three].reduce((state, made) => sawTransaction(state, made, 12), reorged(held, 5));
    expect(outpointsOf(spendable(back, 12))).toEqual([outputOf(three)]);
    expect(keepFundings(held, 'alice', () => true)).toBe(held);
    expect(keepFundings(held, 'bob', none)).toBe(held);
    expect(spendable(keepFundings(held, 'alice', none), 10)).toHaveLength(3);
  });

  it('its own confirmed spend and a re-org of it free nothing', () => {
    const held = reserve(all, funding([outputOf(one)]));
    const mined = sawTransaction(held, tx({ name: 'funding', spends: [outputOf(one)], to: ['foreign'] }), 11);
    expect(outpointsOf(spendable(reorged(mined, 10), 10))).toEqual([outputOf(two), outputOf(three)]);
  });

  it('to set a coin aside twice is our bug', () => {
    const held = reserve(all, funding([outputOf(one)]));
    expect(() => reserve(held, funding([outputOf(two), outputOf(one)], 'bob'))).toThrow('spent twice');
  });

  it('claims of a peer keep their coins for that peer alone, and give back what they no longer spend', () => {
    const unknown = { txid: new Uint8Array(32).fill(9), vout: 0 };
    const held = withClaims(all, 'alice', [unknown, outputOf(one), outputOf(one), outputOf(two)]);
    expect(outpointsOf(spendable(held, 10))).toEqual([outputOf(three)]);
    expect(spendable(held, 10, 'alice')).toHaveLength(3);
    expect(outpointsOf(spendable(held, 10, 'bob'))).toEqual([outputOf(three)]);
    expect(withClaims(held, 'alice', [outputOf(two), outputOf(one)])).toBe(held);
    expect(withClaims(held, 'bob', [])).toBe(held);
    expect(outpointsOf(spendable(withClaims(held, 'alice', [outputOf(two)]), 10))).toEqual([outputOf(one), outputOf(three)]);
    expect(withClaims(held, 'alice', []).reservations).toEqual([]);
  });

  it('a claim’s coin that a re-org took away is still set aside when it comes back', () => {
    const held = withClaims(all, 'alice', [outputOf(one)]);
    const gone = withClaims(reorged(held, 5), 'alice', [outputOf(one)]);
    expect(outpointsOf(spendable(sawTransaction(gone, one, 11), 11))).toEqual([]);
  });
});

describe('laws', () => {
  type Block = readonly ParsedTransaction[];
  /** Chains in which a later transaction may spend any earlier output. */
  const chains = fc
    .array(
      fc.array(fc.record({ to: fc.array(fc.constantFrom<number | 'foreign'>(0, 1, 7, 'foreign'), { maxLength: 3 }), spend: fc.nat() }), {
        maxLength: 3,
      }),
      {
        minLength: 1,
        maxLength: 6,
      },
    )
    .map((blocks): Block[] => {
      const left: { readonly outpoint: Outpoint; readonly index: number }[] = [];
      return blocks.map((block, height) =>
        block.map(({ to, spend }, i) => {
          const [spent] = spend % 2 === 1 ? left.splice(spend % Math.max(1, left.length), 1) : [];
          const name = `${height}/${i}`;
          const made = tx(spent === undefined ? { name, to } : { name, to, spends: [spent.outpoint], witnessOf: spent.index });
          to.forEach((index, vout) => {
            if (index !== 'foreign') left.push({ outpoint: outputOf(made, vout), index });
          });
          return made;
        }),
      );
    });
  const seen = (state: WalletState, list: readonly (readonly [ParsedTransaction, number])[]): WalletState =>
    list.reduce((wallet, [made, height]) => sawTransaction(wallet, made, height), state);
  const listOf = (blocks: readonly Block[]) => blocks.flatMap((block, height) => block.map((made) => [made, height] as const));
  const facts = (state: WalletState) => ({
    outputs: state.outputs.map((output) => JSON.stringify(output, (_, value) => (typeof value === 'bigint' ? `${value}` : value))).sort(),
    strays: state.strays.length,
  });

  it('the order in which transactions are seen does not matter, nor how often', () => {
    fc.assert(
      fc.property(
        chains.chain((blocks) =>
          fc.tuple(
            fc.constant(blocks),
            fc.shuffledSubarray([...listOf(blocks), ...listOf(blocks)], { minLength: 2 * listOf(blocks).length }),
          ),
        ),
        ([blocks, shuffled]) => {
          expect(facts(seen(fresh, shuffled))).toEqual(facts(seen(fresh, listOf(blocks))));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('after a re-org it is as if the blocks had never been', () => {
    fc.assert(
      fc.property(chains, fc.nat(6), (blocks, height) => {
        const before = facts(reorged(seen(fresh, listOf(blocks)), height));
        expect(before).toEqual(facts(seen(fresh, listOf(blocks.slice(0, height + 1)))));
      }),
      { numRuns: 100 },
    );
  });

  it('it is a plain value', () => {
    fc.assert(
      fc.property(chains, (blocks) => {
        const state = withClaims(seen(fresh, listOf(blocks)), 'alice', outpointsOf(unspent(seen(fresh, listOf(blocks)))));
        expect(thaw(freeze(state))).toEqual({ ok: true, value: state });
      }),
      { numRuns: 30 },
    );
  });
});
