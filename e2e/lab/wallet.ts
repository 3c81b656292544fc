/**
 * A one-key P2WPKH wallet that lives on raw blocks: enough to fund channels and to be swept to.
 * Its only state is the set of coins found by scanning, so it is rebuilt by reading the chain again.
 */
import { Address, OutScript, p2wpkh, RawTx, Transaction } from '@scure/btc-signer';
import { CompactSizeLen } from '@scure/btc-signer/script.js';
import { pubECDSA } from '@scure/btc-signer/utils.js';
import * as P from 'micro-packed';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import type { Result } from '../../shared/lib/result.ts';
import { err, ok } from '../../shared/lib/result.ts';
import type { BlockListener } from './source.ts';

/** Address forms of regtest, as bitcoind, btcd and LND write them. */
export const REGTEST = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, wif: 0xef };

const COINBASE_MATURITY = 100;
const NULL_TXID = '00'.repeat(32);
/** Above every node's minimum relay fee (1 sat per vbyte). */
const SAT_PER_VBYTE = 2n;
const DUST_SAT = 1_000n;

const Block = P.struct({ header: P.bytes(80), txs: P.array(CompactSizeLen, RawTx) });

/** The transactions of a block, each in wire form. Throws on a malformed block. */
export const transactionsOf = (rawBlock: Uint8Array): readonly Uint8Array[] => Block.decode(rawBlock).txs.map((tx) => RawTx.encode(tx));

export type Coin = {
  readonly txid: string;
  readonly index: number;
  readonly amountSat: bigint;
  readonly height: number;
  readonly coinbase: boolean;
};

export type Wallet = BlockListener & {
  readonly address: string;
  readonly script: Uint8Array;
  /** Confirmed, mature coins that no transaction of ours spends yet. */
  spendable(): readonly Coin[];
  balanceSat(): bigint;
  /** A signed transaction that pays `amountSat` to `script`, change to ourselves; its coins count as spent from now on. */
  pay(script: Uint8Array, amountSat: bigint): Result<{ readonly raw: Uint8Array; readonly txid: string }, 'not-enough-coins'>;
  /** Takes back a payment that was never sent. */
  release(rawTx: Uint8Array): void;
  /** Signs every input of a PSBT that is ours and gives the transaction back (inputs of others keep an empty witness). */
  signPsbt(psbt: Uint8Array): Uint8Array;
};

/** The output script of a regtest address. Throws on a malformed address. */
export const scriptOf = (address: string): Uint8Array => OutScript.encode(Address(REGTEST).decode(address));

const outpoint = (txid: string, index: number): string => `${txid}:${index}`;

export function createWallet(secretKey: Uint8Array): Wallet {
  const { script, address } = p2wpkh(pubECDSA(secretKey), REGTEST);
  if (address === undefined) throw new Error('P2WPKH always has an address');
  const scriptHex = toHex(script);
  const coins = new Map<string, Coin>();
  /** Coins spent by blocks, kept so that a re-org gives them back. */
  const spentAt = new Map<string, { readonly coin: Coin; readonly height: number }>();
  const reserved = new Set<string>();
  let height = 0;

  const spendable = (): Coin[] =>
    [...coins.values()].filter(
      (coin) => !reserved.has(outpoint(coin.txid, coin.index)) && (!coin.coinbase || height + 1 - coin.height >= COINBASE_MATURITY),
    );

  return {
    address,
    script,
    spendable,
    balanceSat: () => spendable().reduce((sum, coin) => sum + coin.amountSat, 0n),

    connect(rawBlock, atHeight) {
      height = atHeight;
      for (const tx of Block.decode(rawBlock).txs) {
        const coinbase = tx.inputs[0] !== undefined && toHex(tx.inputs[0].txid) === NULL_TXID;
        for (const input of tx.inputs) {
          const key = outpoint(toHex(input.txid), input.index);
          const coin = coins.get(key);
          if (coin === undefined) continue;
          coins.delete(key);
          spentAt.set(key, { coin, height: atHeight });
        }
        const mine = tx.outputs.flatMap((output, index) =>
          toHex(output.script) === scriptHex ? [{ index, amountSat: output.amount }] : [],
        );
        if (mine.length === 0) continue;
        const { id: txid } = Transaction.fromRaw(RawTx.encode(tx), {
          allowUnknownInputs: true,
          allowUnknownOutputs: true,
          disableScriptCheck: true,
        });
        for (const { index, amountSat } of mine) coins.set(outpoint(txid, index), { txid, index, amountSat, height: atHeight, coinbase });
      }
    },

    disconnect(_header, atHeight) {
      height = atHeight - 1;
      for (const [key, coin] of coins) if (coin.height === atHeight) coins.delete(key);
      for (const [key, spent] of spentAt) {
        if (spent.height !== atHeight) continue;
        spentAt.delete(key);
        if (spent.coin.height < atHeight) coins.set(key, spent.coin);
      }
    },

    pay(to, amountSat) {
      const feeFor = (inputs: number): bigint =>
        (SAT_PER_VBYTE * BigInt(42 + 272 * inputs + 4 * (9 + to.length) + 4 * (9 + script.length))) / 4n;
      const chosen: Coin[] = [];
      let sum = 0n;
      // Largest first: few inputs, whatever the subsidy has shrunk to.
      for (const coin of spendable().sort((a, b) => (a.amountSat < b.amountSat ? 1 : -1))) {
        if (sum >= amountSat + feeFor(chosen.length) && chosen.length > 0) break;
        chosen.push(coin);
        sum += coin.amountSat;
      }
      const change = sum - amountSat - feeFor(chosen.length);
      if (change < 0n) return err('not-enough-coins');
      const tx = new Transaction();
      for (const { txid, index, amountSat: amount } of chosen) tx.addInput({ txid, index, witnessUtxo: { script, amount } });
      tx.addOutput({ script: to, amount: amountSat });
      if (change >= DUST_SAT) tx.addOutput({ script, amount: change });
      tx.sign(secretKey);
      tx.finalize();
      for (const { txid, index } of chosen) reserved.add(outpoint(txid, index));
      return ok({ raw: tx.extract(), txid: tx.id });
    },

    release(rawTx) {
      for (const { txid, index } of RawTx.decode(rawTx).inputs) reserved.delete(outpoint(toHex(txid), index));
    },

    signPsbt(psbt) {
      const tx = Transaction.fromPSBT(psbt, { allowUnknownInputs: true, allowUnknownOutputs: true });
      const witnesses: Uint8Array[][] = [];
      for (let i = 0; i < tx.inputsLength; i++) {
        const { witnessUtxo } = tx.getInput(i);
        if (witnessUtxo === undefined || toHex(witnessUtxo.script) !== scriptHex) {
          witnesses.push([]);
          continue;
        }
        tx.signIdx(secretKey, i);
        tx.finalizeIdx(i);
        witnesses.push(tx.getInput(i).finalScriptWitness ?? []);
      }
      return RawTx.encode({ ...RawTx.decode(tx.toBytes(true, false)), segwitFlag: true, witnesses });
    },
  };
}

/** The same name gives the same key on every run: these coins are worth nothing. */
export const labKey = (name: string): Uint8Array => fromHex(Buffer.from(name.padEnd(32, '.').slice(0, 32)).toString('hex'));
