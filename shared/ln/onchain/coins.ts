/**
 * Coins of the wallet that pay the fee of a transaction which cannot pay for itself: HTLC transactions and anchor children of
 * `option_anchors`. BOLT 5 § Generation of HTLC Transactions.
 */

import type { WalletSigner } from '../signer/signer.ts';
import { claimWitnessWeight, p2wpkhWitness, rbfSequence } from '../tx/claim.ts';
import { dustLimitOf } from '../tx/dust.ts';
import type { Transaction, TxOutput } from '../tx/transaction.ts';
import type { Coin } from './types.ts';

export type Funding = { readonly coins: readonly Coin[]; readonly change: TxOutput };

/**
 * The fewest, smallest coins that pay the fee and leave change worth having. `spareSat`: what the other inputs bring beyond the other
 * outputs; `feeSatWith`: the fee when so many coins are added to the transaction, change included.
 */
export function fundFee(
  coins: readonly Coin[],
  spareSat: bigint,
  changeScript: Uint8Array,
  feeSatWith: (coinCount: number) => bigint,
): Funding | undefined {
  const ascending = [...coins].sort((a, b) => (a.amountSat < b.amountSat ? -1 : a.amountSat > b.amountSat ? 1 : 0));
  const dustSat = dustLimitOf(changeScript);
  const changeOf = (chosen: readonly Coin[]): bigint =>
    chosen.reduce((sum, { amountSat }) => sum + amountSat, spareSat) - feeSatWith(chosen.length);
  const funding = (chosen: readonly Coin[]): Funding => ({
    coins: chosen,
    change: { amountSat: changeOf(chosen), scriptPubKey: changeScript },
  });

  const single = ascending.find((coin) => changeOf([coin]) >= dustSat);
  if (single) return funding([single]);
  const descending = ascending.toReversed();
  const count = descending.findIndex((_, index) => changeOf(descending.slice(0, index + 1)) >= dustSat);
  return count < 0 ? undefined : funding(descending.slice(0, count + 1));
}

export const coinInput = ({ outpoint }: Coin) => ({ outpoint, sequence: rbfSequence, weight: claimWitnessWeight.p2wpkh() });

/** The witnesses of the coins, which stand at `firstInput` and after. */
export const coinWitnesses = (
  transaction: Transaction,
  firstInput: number,
  coins: readonly Coin[],
  wallet: WalletSigner,
): readonly (readonly Uint8Array[])[] =>
  coins.map(({ amountSat, index }, at) => p2wpkhWitness(wallet.sign(transaction, firstInput + at, amountSat, index), wallet.pubkey(index)));
