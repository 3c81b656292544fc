/**
 * From the BIP 39 seed to every secret of the node. All steps are hardened BIP 32, so any BIP 32 tool can repeat them:
 *
 *     m / 1111835467' / coin'                    the wallet key, 64 bytes: all that a waking worker needs; the app wraps and stores it
 *         / 0'                                   node secret (node id, BOLT 8, gossip)
 *         / 1'                                   relay-auth secret; never the node key, so the relay's challenge can sign nothing else
 *         / 2' / a' / b'                         one channel, (a, b) its key path
 *             / 0' … / 4'                        funding, revocation, payment, delayed payment and HTLC secrets
 *             / 5'                               per-commitment seed (`shachain.ts`)
 *         / 3' / index'                          one coin of the wallet on chain: the secret of a P2WPKH output
 *
 * 1111835467 is "BECK" in ASCII. coin is 0 on bitcoin and 1 on every test network (SLIP 44).
 */
import { descend, type ExtendedKey, masterKey, secretOf } from './bip32.ts';

export type CoinType = 0 | 1;

/** m / 1111835467' / coin': 64 bytes, key ‖ chain code. */
export type WalletKey = ExtendedKey;

const purpose = 0x4245434b;

/** `seed`: the 64 bytes of `seedFromWords`. Done once, when the wallet is made or restored. */
export const walletKeyFromSeed = (seed: Uint8Array, coin: CoinType): WalletKey => descend(masterKey(seed), purpose, coin);

export const nodeSecret = (wallet: WalletKey): Uint8Array => secretOf(descend(wallet, 0));
export const relayAuthSecret = (wallet: WalletKey): Uint8Array => secretOf(descend(wallet, 1));

/** `index`: 31 bits. */
export const walletSecret = (wallet: WalletKey, index: number): Uint8Array => secretOf(descend(wallet, 3, index));

/** The secrets of one channel; 32 bytes each. They live in a signer and nowhere else. */
export type ChannelSecrets = {
  readonly funding: Uint8Array;
  readonly revocation: Uint8Array;
  readonly payment: Uint8Array;
  readonly delayedPayment: Uint8Array;
  readonly htlc: Uint8Array;
  readonly commitmentSeed: Uint8Array;
};

/** `a`, `b`: the channel's key path, two 31-bit numbers. */
export function channelSecrets(wallet: WalletKey, [a, b]: readonly [number, number]): ChannelSecrets {
  const channel = descend(wallet, 2, a, b);
  const secret = (index: number): Uint8Array => secretOf(descend(channel, index));
  return {
    funding: secret(0),
    revocation: secret(1),
    payment: secret(2),
    delayedPayment: secret(3),
    htlc: secret(4),
    commitmentSeed: secret(5),
  };
}
