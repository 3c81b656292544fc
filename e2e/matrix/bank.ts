/** Money for the matrix: one coin of the faucet, paid out to all the scripts that a round needs. */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { Address, OutScript } from '@scure/btc-signer';
import { fromHex, reversed } from '../../shared/lib/bytes.ts';
import { openWalletSigner } from '../../shared/ln/signer/wallet.ts';
import { p2wpkhWitness } from '../../shared/ln/tx/claim.ts';
import {
  type Outpoint,
  serializeTransaction,
  type Transaction,
  type TxOutput,
  txidOf,
  withWitnesses,
} from '../../shared/ln/tx/transaction.ts';
import { REGTEST } from '../lab/wallet.ts';
import { type MatrixNode, Network } from './network.ts';

/** Outputs of one payment: far below the weight that nodes relay. */
const outputsAtOnce = 1000;
const feeSatOf = (outputs: number): bigint => BigInt(outputs * 60 + 500);

export type Bank = {
  readonly network: Network;
  /** Pays and mines; the outpoints stand in the order of the outputs. */
  pay(outputs: readonly TxOutput[]): Promise<readonly Outpoint[]>;
};

export async function openBank(node: MatrixNode, amountSat: bigint): Promise<Bank> {
  const seed = sha256(utf8ToBytes('the bank of the matrix'));
  const wallet = openWalletSigner(Uint8Array.from([...seed, ...seed]));
  const script = wallet.scriptPubKey(0);
  const txid = await node.fund(Address(REGTEST).encode(OutScript.decode(script)), amountSat);
  await node.mine();
  const tip = await node.tip();
  const header = fromHex(String(await node.rpc('getblockheader', [tip.hash, false])));
  const time = new DataView(header.buffer).getUint32(68, true) + 1;
  const network = new Network(node, { height: tip.height, hash: reversed(fromHex(tip.hash)), time });
  // The faucet pays first and gives itself change after.
  let coin = { outpoint: { txid: reversed(fromHex(txid)), vout: 0 }, amountSat, scriptPubKey: script, height: tip.height };
  network.ledger.begin(coin);

  async function payOnce(outputs: readonly TxOutput[]): Promise<readonly Outpoint[]> {
    const spentSat = outputs.reduce((sum, output) => sum + output.amountSat, feeSatOf(outputs.length));
    const change = { amountSat: coin.amountSat - spentSat, scriptPubKey: script };
    if (change.amountSat < 1000n) throw new Error('matrix: the bank is empty');
    const transaction: Transaction = {
      version: 2,
      lockTime: 0,
      inputs: [{ outpoint: coin.outpoint, sequence: 0xffff_fffd, witness: [] }],
      outputs: [...outputs, change],
    };
    const signed = withWitnesses(transaction, [p2wpkhWitness(wallet.sign(transaction, 0, coin.amountSat, 0), wallet.pubkey(0))]);
    const verdict = await network.send(serializeTransaction(signed), 'bank');
    if (verdict !== 'accepted') throw new Error(`matrix: the bank cannot pay: ${verdict}`);
    await network.mine(() => 0);
    const paid = txidOf(transaction);
    coin = { ...coin, ...change, outpoint: { txid: paid, vout: outputs.length }, height: network.ledger.height };
    return outputs.map((_, vout) => ({ txid: paid, vout }));
  }

  return {
    network,
    async pay(outputs) {
      const outpoints: Outpoint[] = [];
      for (let at = 0; at < outputs.length; at += outputsAtOnce) outpoints.push(...(await payOnce(outputs.slice(at, at + outputsAtOnce))));
      return outpoints;
    },
  };
}
