import { expect, it } from 'vitest';
import { pointFromSecret } from '../keys/secp.ts';
import { walletSecret } from '../keys/seed.ts';
import { spends } from '../testing/interpreter.ts';
import { buildClaim, p2wpkhWitness, rbfSequence } from '../tx/claim.ts';
import { p2wpkh } from '../tx/scripts.ts';
import { serializeTransaction, withWitnesses } from '../tx/transaction.ts';
import { openWalletSigner } from './wallet.ts';

const walletKey = new Uint8Array(64).fill(1);
const wallet = openWalletSigner(walletKey);

it('a coin is P2WPKH of the key at its index', () => {
  for (const index of [0, 1, 2 ** 31 - 1]) {
    expect(wallet.pubkey(index)).toEqual(pointFromSecret(walletSecret(walletKey, index)));
    expect(wallet.scriptPubKey(index)).toEqual(p2wpkh(wallet.pubkey(index)));
  }
  expect(wallet.pubkey(1)).not.toEqual(wallet.pubkey(0));
});

it('the signature of a coin spends it, and with another index, amount or output it does not', () => {
  const input = { outpoint: { txid: new Uint8Array(32).fill(5), vout: 2 }, sequence: rbfSequence };
  const transaction = buildClaim({ inputs: [input], outputs: [{ amountSat: 900n, scriptPubKey: wallet.scriptPubKey(4) }], lockTime: 0 });
  const coin = { amountSat: 1_000n, scriptPubKey: wallet.scriptPubKey(3) };
  const passes = (signature: Uint8Array, tx = transaction): boolean =>
    spends(serializeTransaction(withWitnesses(tx, [p2wpkhWitness(signature, wallet.pubkey(3))])), coin);
  expect(passes(wallet.sign(transaction, 0, 1_000n, 3))).toBe(true);
  expect(passes(wallet.sign(transaction, 0, 1_001n, 3))).toBe(false);
  expect(passes(wallet.sign(transaction, 0, 1_000n, 4))).toBe(false);
  expect(passes(wallet.sign(transaction, 0, 1_000n, 3), { ...transaction, outputs: [] })).toBe(false);
});
