/**
 * The recovery words at rest. What the words stand for (their entropy, and the wallet key
 * made of them: see `shared/ln/keys/seed.ts`) is sealed with AES-GCM under a WebCrypto key
 * that cannot be exported; both live in IndexedDB. This keeps them out of a copied profile's plain bytes; it does
 * not protect against a script running in our origin, which is what the content security policy is for.
 */
import { concat } from '../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { Database } from './schema.ts';

const WALLET_KEY_BYTES = 64;
const ITEM = 'wallet';

export type Opened = { readonly entropy: Uint8Array; readonly walletKey: Uint8Array };
export type VaultError = { readonly code: 'no-wallet' | 'wallet-exists' | 'vault-unreadable' | 'storage-failed'; readonly detail: string };

/** BIP 39 entropy (16 or 32 bytes) and the 64-byte wallet key. Refuses to replace a wallet. */
export async function sealWallet(db: Database, entropy: Uint8Array, walletKey: Uint8Array): Promise<Result<null, VaultError>> {
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const plain = concat(walletKey, entropy);
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, plain as Uint8Array<ArrayBuffer>);
  plain.fill(0);
  const tx = db.transaction('vault', 'readwrite', { durability: 'strict' });
  try {
    if ((await tx.store.get(ITEM)) !== undefined) {
      await tx.done;
      return err({ code: 'wallet-exists', detail: 'this device already has a wallet' });
    }
    await Promise.all([tx.store.put({ key, iv, sealed }, ITEM), tx.done]);
    return ok(null);
  } catch (error) {
    return err({ code: 'storage-failed', detail: String(error) });
  }
}

export async function openWallet(db: Database): Promise<Result<Opened, VaultError>> {
  const record = await db.get('vault', ITEM);
  if (record === undefined) return err({ code: 'no-wallet', detail: 'no wallet on this device' });
  try {
    const plain = new Uint8Array(
      await crypto.subtle.decrypt({ name: 'AES-GCM', iv: record.iv as Uint8Array<ArrayBuffer> }, record.key, record.sealed),
    );
    return ok({ walletKey: plain.slice(0, WALLET_KEY_BYTES), entropy: plain.slice(WALLET_KEY_BYTES) });
  } catch (error) {
    return err({ code: 'vault-unreadable', detail: String(error) });
  }
}
