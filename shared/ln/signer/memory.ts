/**
 * The signer over secrets in memory, with its rules always on: no caller, however wrong or however lied to, gets a second signature
 * for a commitment number, a signature for another funding output, a secret that would make our newest commitment punishable, or a
 * signature that takes money from us without a known reason. The rules stand beside the operations: `commitments.ts`, `balance.ts`,
 * `spends.ts`, `closing.ts`, `announcement.ts`; each file says what is left to its callers. `policies.ts` is the whole list.
 */
import { type ChannelSecrets, channelSecrets, nodeSecret, type WalletKey } from '../keys/seed.ts';
import { announcementOperations } from './announcement.ts';
import { closingOperations } from './closing.ts';
import { commitmentOperations } from './commitments.ts';
import { keyringOf } from './keyring.ts';
import type { ChannelSigner, OpenSigner, WalletSigner } from './signer.ts';
import { spendOperations } from './spends.ts';
import { openWalletSigner } from './wallet.ts';

/** Opens signers from the wallet key (64 bytes, `keys/seed.ts`): a few hashes, no curve work until an operation needs it. */
export function openSignerFrom(walletKey: WalletKey): OpenSigner {
  const wallet = openWalletSigner(walletKey);
  return (keyPath) => memorySigner(channelSecrets(walletKey, keyPath), wallet, () => nodeSecret(walletKey));
}

/** `wallet`: where claims pay to. `node`: the node's own secret, for announcements. */
export function memorySigner(secrets: ChannelSecrets, wallet: Pick<WalletSigner, 'scriptPubKey'>, node: () => Uint8Array): ChannelSigner {
  const keys = keyringOf(secrets);
  return {
    get basepoints() {
      return keys.basepoints();
    },
    perCommitmentPoint: keys.perCommitmentPoint,
    ...commitmentOperations(keys),
    ...spendOperations(keys, wallet),
    ...closingOperations(keys),
    ...announcementOperations(keys, node),
  };
}
