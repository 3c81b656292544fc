/**
 * A transaction of our own coins that pays one output: the funding transaction of a channel. BOLT 2 § The `funding_created` Message.
 *
 * The same coins give the same transaction. Every input is P2WPKH, so nobody can change the txid. Callers set the coins aside and
 * keep the transaction off the network until the peer has signed our first commitment.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import type { Coin } from '../onchain/types.ts';
import type { WalletSigner } from '../signer/signer.ts';
import { claimWitnessWeight, p2wpkhWitness, rbfSequence } from '../tx/claim.ts';
import { dustLimitOf } from '../tx/dust.ts';
import {
  compareBytes,
  compareOutputs,
  serializeTransaction,
  type Transaction,
  type TxOutput,
  txidOf,
  withWitnesses,
} from '../tx/transaction.ts';
import { transactionWeight } from '../tx/weight.ts';

export type FundingRequest = {
  readonly coins: readonly Coin[];
  readonly scriptPubKey: Uint8Array;
  readonly amountSat: bigint;
  readonly feeratePerKw: number;
  /** Where the rest goes: an index of the wallet that nothing else uses. */
  readonly changeIndex: number;
  /** The height of the best chain: the transaction is for the next block and no earlier one. */
  readonly lockTime: number;
};
export type FundingTx = {
  /** Signed, serialised. */
  readonly transaction: Uint8Array;
  readonly txid: Uint8Array;
  readonly vout: number;
  readonly feeSat: bigint;
  readonly used: readonly Coin[];
  /** 0: there is no change. */
  readonly changeSat: bigint;
};
/** `neededSat`: the amount and the fee of spending all that there is. */
export type NotEnough = { readonly code: 'not-enough'; readonly neededSat: bigint; readonly availableSat: bigint };

/** Below it nothing is relayed. */
const minFeeratePerKw = 253;

export function fundTransaction(request: FundingRequest, wallet: WalletSigner): Result<FundingTx, NotEnough> {
  const { scriptPubKey, amountSat, changeIndex } = request;
  const feerate = BigInt(Math.max(minFeeratePerKw, request.feeratePerKw));
  const changeScript = wallet.scriptPubKey(changeIndex);
  const feeOf = (inputs: number, ...outputScripts: readonly Uint8Array[]): bigint => {
    const witnesses = Array.from({ length: inputs }, () => claimWitnessWeight.p2wpkh());
    return (feerate * BigInt(transactionWeight(witnesses, outputScripts)) + 999n) / 1000n;
  };

  // A coin that costs more to spend than it is worth only takes away.
  const worthSat = feeOf(2, scriptPubKey) - feeOf(1, scriptPubKey);
  const descending = request.coins
    .filter((coin) => coin.amountSat > worthSat)
    .sort(byAmount)
    .reverse();
  const sufficient = (coins: readonly Coin[]): boolean => sumOf(coins) >= amountSat + feeOf(coins.length, scriptPubKey);
  // The smallest coin that is enough by itself, else the fewest.
  const single = descending.findLast((coin) => sufficient([coin]));
  const count = descending.findIndex((_, last) => sufficient(descending.slice(0, last + 1)));
  if (count < 0) {
    const neededSat = amountSat + feeOf(Math.max(1, descending.length), scriptPubKey);
    return err({ code: 'not-enough', neededSat, availableSat: sumOf(descending) });
  }
  const used = (single === undefined ? descending.slice(0, count + 1) : [single]).sort(byOutpoint);

  const restSat = sumOf(used) - amountSat - feeOf(used.length, scriptPubKey, changeScript);
  const changeSat = restSat >= dustLimitOf(changeScript) ? restSat : 0n;
  const payment: TxOutput = { amountSat, scriptPubKey };
  const change: TxOutput = { amountSat: changeSat, scriptPubKey: changeScript };
  const outputs = changeSat > 0n ? [payment, change].sort(compareOutputs) : [payment];
  const unsigned: Transaction = {
    version: 2,
    lockTime: request.lockTime,
    inputs: used.map(({ outpoint }) => ({ outpoint, sequence: rbfSequence, witness: [] })),
    outputs,
  };
  const witnesses = used.map(({ amountSat: spentSat, index }, i) =>
    p2wpkhWitness(wallet.sign(unsigned, i, spentSat, index), wallet.pubkey(index)),
  );
  return ok({
    transaction: serializeTransaction(withWitnesses(unsigned, witnesses)),
    txid: txidOf(unsigned),
    vout: outputs.indexOf(payment),
    feeSat: sumOf(used) - amountSat - changeSat,
    used,
    changeSat,
  });
}

const sumOf = (coins: readonly Coin[]): bigint => coins.reduce((sum, coin) => sum + coin.amountSat, 0n);

/** BIP 69: by txid as explorers show it, then by output. */
const byOutpoint = (a: Coin, b: Coin): number =>
  compareBytes(a.outpoint.txid.toReversed(), b.outpoint.txid.toReversed()) || a.outpoint.vout - b.outpoint.vout;
/** Those of one amount by outpoint, so that the order they came in does not matter. */
const byAmount = (a: Coin, b: Coin): number => (a.amountSat < b.amountSat ? -1 : a.amountSat > b.amountSat ? 1 : byOutpoint(a, b));
