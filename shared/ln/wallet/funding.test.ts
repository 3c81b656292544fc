import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reversed, toHex } from '../../lib/bytes.ts';
import type { Coin } from '../onchain/types.ts';
import { openWalletSigner } from '../signer/wallet.ts';
import { idAndWeight, spends } from '../testing/interpreter.ts';
import { rbfSequence } from '../tx/claim.ts';
import { dustLimitOf } from '../tx/dust.ts';
import { parseTransaction } from '../tx/parse.ts';
import { p2wsh } from '../tx/scripts.ts';
import { type FundingRequest, type FundingTx, fundTransaction } from './funding.ts';

const wallet = openWalletSigner(new Uint8Array(64).fill(7));
const funding = p2wsh(Uint8Array.of(0x51));
const coin = (amountSat: bigint, n: number): Coin => ({
  outpoint: { txid: new Uint8Array(32).fill(n % 256), vout: n },
  amountSat,
  index: n % 5,
});
const coinsOf = (...amounts: readonly bigint[]): Coin[] => amounts.map((amountSat, i) => coin(amountSat, i + 1));
const request = (coins: readonly Coin[], more: Partial<FundingRequest> = {}): FundingRequest => ({
  coins,
  scriptPubKey: funding,
  amountSat: 200_000n,
  feeratePerKw: 1_000,
  changeIndex: 9,
  lockTime: 800_000,
  ...more,
});
const make = (asked: FundingRequest): FundingTx => {
  const made = fundTransaction(asked, wallet);
  if (!made.ok) throw new Error(JSON.stringify(made.error, (_, value) => (typeof value === 'bigint' ? `${value}` : value)));
  return made.value;
};
const parsed = (tx: FundingTx) => {
  const read = parseTransaction(tx.transaction);
  if (!read.ok) throw new Error(read.error.reason);
  return read.value;
};

/** What must hold of every transaction that is made. */
function check(asked: FundingRequest): FundingTx {
  const made = make(asked);
  const tx = parsed(made);
  expect(tx.txid).toEqual(made.txid);
  expect(idAndWeight(made.transaction).txid).toBe(toHex(reversed(made.txid)));
  expect(tx.outputs[made.vout]).toEqual({ amountSat: asked.amountSat, scriptPubKey: asked.scriptPubKey });
  expect(tx.outputs.length).toBe(made.changeSat === 0n ? 1 : 2);
  if (made.changeSat > 0n) {
    expect(tx.outputs[1 - made.vout]).toEqual({ amountSat: made.changeSat, scriptPubKey: wallet.scriptPubKey(asked.changeIndex) });
    expect(made.changeSat).toBeGreaterThanOrEqual(dustLimitOf(wallet.scriptPubKey(asked.changeIndex)));
  }
  const inSat = made.used.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  expect(made.feeSat).toBe(inSat - tx.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n));
  // bcoin's weight of what was signed: the fee is what was asked for, and no more than short signatures and dust explain.
  const { weight } = idAndWeight(made.transaction);
  const least = (BigInt(asked.feeratePerKw) * BigInt(weight)) / 1000n;
  const shortSignatures = BigInt(asked.feeratePerKw) * BigInt(3 * made.used.length);
  const spared = made.changeSat > 0n ? 1n : 294n + (BigInt(asked.feeratePerKw) * 124n) / 1000n + 1n;
  expect(made.feeSat).toBeGreaterThanOrEqual(least);
  expect(made.feeSat).toBeLessThanOrEqual(least + shortSignatures / 1000n + spared + 2n);
  expect(tx.inputs.map(({ outpoint }) => outpoint)).toEqual(made.used.map(({ outpoint }) => outpoint));
  made.used.forEach((used, i) => {
    expect(spends(made.transaction, { amountSat: used.amountSat, scriptPubKey: wallet.scriptPubKey(used.index) }, i)).toBe(true);
  });
  return made;
}

describe('a funding transaction', () => {
  it('pays the script, its fee and change, from the smallest coin that is enough', () => {
    const made = check(request(coinsOf(900_000n, 150_000n, 300_000n, 5_000_000n)));
    expect(made.used.map(({ amountSat }) => amountSat)).toEqual([300_000n]);
    expect(made.feeSat + made.changeSat).toBe(100_000n);
  });

  it('takes the largest first when none is enough', () => {
    const made = check(request(coinsOf(90_000n, 150_000n, 10_000n, 100_000n)));
    expect(made.used.map(({ amountSat }) => amountSat).sort()).toEqual([100_000n, 150_000n]);
  });

  it('can be replaced, counts its locktime, and nobody can change its id', () => {
    const tx = parsed(check(request(coinsOf(150_000n, 150_000n))));
    expect(tx.lockTime).toBe(800_000);
    for (const input of tx.inputs) {
      expect(input.sequence).toBe(rbfSequence);
      expect(input.scriptSig).toHaveLength(0);
    }
  });

  it('leaves change below dust to the fee, and makes change from dust on', () => {
    const [bare] = coinsOf(200_000n + 444n);
    if (bare === undefined) throw new Error('a coin');
    // With change the transaction weighs 611 units as weights assume, without it 487.
    const limit = 200_000n + 611n + 294n;
    expect(check(request([{ ...bare, amountSat: limit }])).changeSat).toBe(294n);
    const below = check(request([{ ...bare, amountSat: limit - 1n }]));
    expect([below.changeSat, below.feeSat]).toEqual([0n, 904n]);
  });

  it('tells what it would need', () => {
    const all = coinsOf(100_000n, 50_000n);
    expect(fundTransaction(request(all), wallet)).toEqual({
      ok: false,
      error: { code: 'not-enough', neededSat: 200_000n + 760n, availableSat: 150_000n },
    });
    expect(fundTransaction(request([]), wallet)).toMatchObject({ ok: false, error: { availableSat: 0n } });
  });

  it('is made when the coins are exactly enough, and not with one satoshi less', () => {
    const exactly = 200_000n + 487n;
    expect(check(request(coinsOf(exactly))).changeSat).toBe(0n);
    expect(fundTransaction(request(coinsOf(exactly - 1n)), wallet)).toMatchObject({ ok: false, error: { neededSat: exactly } });
  });

  it('spends no coin that costs more than it is worth', () => {
    const dear = request(coinsOf(199_000n, 2_000n, 2_700n, 60_000n), { feeratePerKw: 10_000 });
    expect(
      check(dear)
        .used.map(({ amountSat }) => amountSat)
        .sort(),
    ).toEqual([199_000n, 60_000n]);
    expect(fundTransaction(request(coinsOf(200_000n, 2_000n, 2_000n), { feeratePerKw: 10_000 }), wallet)).toMatchObject({
      ok: false,
      error: { availableSat: 200_000n },
    });
  });

  it('never pays less than what nodes relay', () => {
    expect(make(request(coinsOf(300_000n), { feeratePerKw: 1 })).feeSat).toBe((253n * 611n + 999n) / 1000n);
  });

  it('is the same whatever the order of the coins', () => {
    const coins = coinsOf(90_000n, 90_000n, 90_000n, 90_000n);
    expect(make(request(coins.toReversed()))).toEqual(make(request(coins)));
  });

  it('holds for any coins', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt(1n, 200_000n), { maxLength: 12 }),
        fc.bigInt(20_000n, 400_000n),
        fc.integer({ min: 253, max: 20_000 }),
        (amounts, amountSat, feeratePerKw) => {
          const asked = request(coinsOf(...amounts), { amountSat, feeratePerKw });
          const made = fundTransaction(asked, wallet);
          if (made.ok) check(asked);
          else expect(made.error.availableSat).toBeLessThan(made.error.neededSat);
        },
      ),
      { numRuns: 15 },
    );
  });
});
