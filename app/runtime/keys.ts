/** The node's secrets, opened once per life of the worker. They are never in the state of a machine. */
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { toHex } from '../../shared/lib/bytes.ts';
import { pointFromSecret, sign } from '../../shared/ln/keys/secp.ts';
import { nodeSecret, relayAuthSecret } from '../../shared/ln/keys/seed.ts';
import { openSignerFrom } from '../../shared/ln/signer/memory.ts';
import type { OpenSigner, WalletSigner } from '../../shared/ln/signer/signer.ts';
import { openWalletSigner } from '../../shared/ln/signer/wallet.ts';
import type { Database } from '../store/schema.ts';
import { openWallet } from '../store/vault.ts';

export type NodeKeys = {
  /** Hex of the node's public key. */
  readonly nodeId: () => string;
  readonly nodeSecret: () => Uint8Array;
  /** Of our invoices; 64 bytes. */
  readonly signAsNode: (digest: Uint8Array) => Uint8Array;
  readonly signForRelay: (digest: Uint8Array) => { publicKey: Uint8Array; signature: Uint8Array };
  readonly openSigner: OpenSigner;
  /** Of our own coins on chain. */
  readonly wallet: WalletSigner;
  /** AES-256 key of the backups that the relay holds. */
  readonly backupKey: () => Uint8Array;
  readonly entropy: Uint8Array;
};

/** Hex. `walletKey` as `sealWallet` takes it. */
export const nodeIdOf = (walletKey: Uint8Array): string => toHex(pointFromSecret(nodeSecret(walletKey)));

/** Each secret is made when it is first needed: a wake that only signs a commitment needs neither the node key nor the relay's. */
export async function loadKeys(db: Database): Promise<NodeKeys | undefined> {
  const opened = await openWallet(db);
  if (!opened.ok) return undefined;
  const { walletKey, entropy } = opened.value;
  const once = <T>(make: () => T): (() => T) => {
    let made: { readonly value: T } | undefined;
    return () => {
      made ??= { value: make() };
      return made.value;
    };
  };
  const relaySecret = once(() => relayAuthSecret(walletKey));
  const relayKey = once(() => pointFromSecret(relaySecret()));
  const secret = once(() => nodeSecret(walletKey));
  return {
    entropy,
    nodeSecret: secret,
    nodeId: once(() => toHex(pointFromSecret(secret()))),
    signAsNode: (digest) => sign(digest, secret()),
    signForRelay: (digest) => ({ publicKey: relayKey(), signature: sign(digest, relaySecret()) }),
    openSigner: openSignerFrom(walletKey),
    wallet: openWalletSigner(walletKey),
    backupKey: once(() => expand(sha256, extract(sha256, walletKey, utf8ToBytes('beckon')), utf8ToBytes('beckon/backup/1'), 32)),
  };
}
