/**
 * The encrypted copy of all peers and of the wallet's coins that travels in the same request as the messages which depend on it; the relay keeps
 * it before it writes to a peer. AES-GCM under a key of the seed: the relay can withhold a copy or give an old one, but
 * can neither read nor change it. A restored copy is never trusted to be the newest: the peer's
 * `channel_reestablish` tells, and a node that is behind signs nothing.
 */
import * as v from 'valibot';
import { concat, fromBase64Url, toBase64Url } from '../../shared/lib/bytes.ts';
import { freeze, thaw } from '../../shared/lib/freeze.ts';
import { essence } from '../../shared/ln/wallet/coins.ts';
import type { PeerRecord } from '../store/schema.ts';
import { commit, loadPeers, loadWallet, setting } from '../store/store.ts';
import type { Ports } from './ports.ts';
import { reviveWallet } from './wallet.ts';

const IV_BYTES = 12;
const bytes = v.instance(Uint8Array);
const outpoint = v.object({ txid: bytes, vout: v.number() });
/** `WalletState` of shared/ln/wallet/coins.ts. */
const walletState = v.object({
  nextIndex: v.number(),
  receiveIndex: v.exactOptional(v.number()),
  scripts: v.array(bytes),
  outputs: v.array(v.object({ outpoint, amountSat: v.bigint(), index: v.number(), height: v.number(), coinbase: v.boolean() })),
  strays: v.array(v.object({ outpoint, txid: bytes, height: v.number() })),
  reservations: v.array(
    v.variant('kind', [
      v.object({
        kind: v.literal('funding'),
        peerId: v.string(),
        temporaryChannelId: bytes,
        outpoints: v.array(outpoint),
        transaction: bytes,
        txid: bytes,
        vout: v.number(),
      }),
      v.object({ kind: v.literal('claim'), peerId: v.string(), outpoints: v.array(outpoint) }),
    ]),
  ),
});
/** `seq` is sealed with the peers: a relay that could name another would choose the number of our next copy. */
const contents = v.object({
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  peers: v.array(
    v.object({
      peerId: v.string(),
      host: v.string(),
      port: v.number(),
      alias: v.string(),
      onOpen: v.picklist(['sign', 'ask', 'refuse', 'default']),
      zeroConf: v.boolean(),
      frozen: bytes,
    }),
  ),
  /** A `walletState`, read apart: one that cannot be read must not keep the peers back. */
  wallet: v.optional(v.unknown()),
});

const importKey = (raw: Uint8Array): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', raw as Uint8Array<ArrayBuffer>, 'AES-GCM', false, ['encrypt', 'decrypt']);

export async function sealBackup(ports: Ports): Promise<{ seq: number; bytes: string } | undefined> {
  const keys = await ports.keys();
  if (keys === undefined) return undefined;
  const [peers, wallet] = await Promise.all([loadPeers(ports.db), loadWallet(ports.db)]);
  // The sum of all fences grows with every committed step; `backupSeq` stands for peers that were restored or forgotten.
  const seq = peers.reduce((sum, peer) => sum + peer.fence, wallet.fence + ((await setting(ports.db, 'backupSeq')) ?? 0));
  const plain = freeze({
    seq,
    wallet: essence(wallet.state),
    peers: peers.map(({ peerId, host, port, alias, onOpen, zeroConf, frozen }) => ({
      peerId,
      host,
      port,
      alias,
      onOpen,
      zeroConf,
      frozen,
    })),
  });
  const iv = ports.entropy(IV_BYTES);
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv: iv as Uint8Array<ArrayBuffer> },
    await importKey(keys.backupKey()),
    plain as Uint8Array<ArrayBuffer>,
  );
  return { seq, bytes: toBase64Url(concat(iv, new Uint8Array(sealed))) };
}

/** Brings back what the relay holds for this seed. How many peers came back; 0 when there is no copy or it is not ours. */
export async function restoreBackup(ports: Ports): Promise<number> {
  const keys = await ports.keys();
  if (keys === undefined) return 0;
  const relay = await ports.relay();
  const answer = await relay.call('backup', {});
  if (!answer.ok || answer.value.bytes === undefined) return 0;
  const sealed = fromBase64Url(answer.value.bytes);
  let plain: Uint8Array;
  try {
    const iv = sealed.slice(0, IV_BYTES) as Uint8Array<ArrayBuffer>;
    plain = new Uint8Array(
      await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv },
        await importKey(keys.backupKey()),
        sealed.slice(IV_BYTES) as Uint8Array<ArrayBuffer>,
      ),
    );
  } catch {
    return 0;
  }
  const thawed = thaw(plain);
  const parsed = v.safeParse(contents, thawed.ok ? thawed.value : undefined);
  if (!parsed.success) return 0;
  let restored = 0;
  const { seq, peers } = parsed.output;
  // First: a peer that is back may ask for coins.
  const wallet = v.safeParse(walletState, parsed.output.wallet);
  if (wallet.success) await reviveWallet(ports, wallet.output);
  for (const peer of peers) {
    // One that a newer version of the app froze is kept as it is, and shown as unreadable: the next copy must not lose it.
    const record: PeerRecord = { ...peer, frozen: Uint8Array.from(peer.frozen), fence: 0, failures: 0 };
    const written = await commit(ports.db, { peer: record, settings: { backupSeq: seq } });
    if (written.ok) restored += 1;
  }
  const known = (await setting(ports.db, 'peerIds')) ?? [];
  await commit(ports.db, { settings: { peerIds: [...new Set([...known, ...peers.map((peer) => peer.peerId)])] } });
  return restored;
}
