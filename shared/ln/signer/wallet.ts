/** The keys of our own coins on chain: P2WPKH, one hardened index each (`keys/seed.ts`). BIP 143. Callers answer for where coins go. */
import { pointFromSecret, sign } from '../keys/secp.ts';
import { type WalletKey, walletSecret } from '../keys/seed.ts';
import { p2wpkh, p2wpkhScriptCode } from '../tx/scripts.ts';
import { sighashAll } from '../tx/transaction.ts';
import { remembered } from './keyring.ts';
import type { WalletSigner } from './signer.ts';

export function openWalletSigner(wallet: WalletKey): WalletSigner {
  const pubkeys = new Map<number, Uint8Array>();
  const pubkey = (index: number): Uint8Array => remembered(pubkeys, index, () => pointFromSecret(walletSecret(wallet, index)));
  return {
    pubkey,
    scriptPubKey: (index) => p2wpkh(pubkey(index)),
    sign: (transaction, inputIndex, amountSat, index) =>
      sign(sighashAll(transaction, inputIndex, p2wpkhScriptCode(pubkey(index)), amountSat), walletSecret(wallet, index)),
  };
}
