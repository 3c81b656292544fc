/**
 * The database of the node: schema and migrations. Migrations are append-only: index + 1 = version.
 * Everything that must change together is in this one database, so that one transaction can hold it.
 */
import { type DBSchema, type IDBPDatabase, type IDBPTransaction, openDB, type StoreNames } from 'idb';
import type { ArchivedHtlc } from '../../shared/ln/onchain/types.ts';
import type { Forward } from '../../shared/ln/payment/forward.ts';
import type { ReceivePart } from '../../shared/ln/payment/receive-set.ts';
import type { Liquidity } from '../../shared/ln/route/liquidity.ts';
import type { WalletState } from '../../shared/ln/wallet/coins.ts';
import { type PaymentRecord, paymentFromV4 } from './payment-record.ts';

export type { PaymentRecord } from './payment-record.ts';

/** What the node does when a peer asks for a channel. */
export type PolicyChoice = 'sign' | 'ask' | 'refuse';
/** The user's rules for every peer that has none of its own. Amounts are decimal strings of sat. */
export type PolicyView = {
  readonly onOpen: PolicyChoice;
  readonly minFundingSat: string;
  readonly maxFundingSat: string;
  readonly minDepth: number;
  readonly allowPublic: boolean;
  readonly promptMinutes: number;
};

/** One peer: what a person set for it, where it is, and the frozen machine (`freezePeer`). */
export type PeerRecord = {
  readonly peerId: string;
  readonly host: string;
  readonly port: number;
  readonly alias: string;
  readonly onOpen: PolicyChoice | 'default';
  readonly zeroConf: boolean;
  /** Grows with every write; checked inside the transaction, so that of two writers one loses and nothing is mixed. */
  readonly fence: number;
  readonly frozen: Uint8Array;
  /** The relay's name for the session of the newest epoch. */
  readonly session?: string | undefined;
  /** Why the last attempt to connect failed. */
  readonly reason?: string | undefined;
  readonly retryAtMs?: number | undefined;
  readonly failures: number;
  /** Set when a step threw: our bug. The peer is left alone and its bytes stay as they are. */
  readonly quarantined?: string | undefined;
  /** What the peer asks for forwarding over its channels to us, as its newest `channel_update` of each said. */
  readonly policies?: readonly PeerPolicyRecord[] | undefined;
  /** What we asked last for passing payments on to this peer, and in which epoch we said it. */
  readonly told?:
    | { readonly epoch: number; readonly timestamp: number; readonly terms: { readonly [channel: string]: string } }
    | undefined;
  /** Our newest `channel_update` of each announced channel, by channel id, and in which epoch we said it. */
  readonly announced?:
    | { readonly [channel: string]: { readonly epoch: number; readonly timestamp: number; readonly terms: string } }
    | undefined;
  /** The relay wakes us no more for what this peer says, until it has been quiet for a while. */
  readonly wakesSpentAtMs?: number | undefined;
};

/** Channel id in hex. */
export type PeerPolicyRecord = {
  readonly channel: string;
  readonly timestamp: number;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly cltvExpiryDelta: number;
};

/** The coins on chain. One record: what is set aside must never be written by two at once. */
export type WalletRecord = {
  /** As a peer's. */
  readonly fence: number;
  readonly state: WalletState;
};

/** The words' entropy and the seed made of it, sealed by a key that cannot be exported. */
export type VaultRecord = { readonly key: CryptoKey; readonly iv: Uint8Array; readonly sealed: ArrayBuffer };

export type ActivityRecord = {
  readonly id?: number;
  readonly atMs: number;
  readonly kind: string;
  readonly peerId?: string;
  readonly channelId?: string;
  readonly amountSat?: string;
  readonly detail?: string;
  readonly wake?: {
    readonly wakeId: string;
    readonly reason: string;
    readonly result: 'done' | 'needs-user' | 'nothing' | 'failed';
    readonly ms: number;
    readonly transitMs?: number;
    readonly signed: readonly string[];
    /** Where the time until the answer went, ms by name; see `runtime/timing.ts`. */
    readonly parts?: { readonly [part: string]: number };
    readonly receiptSent: boolean;
  };
};

/** The HTLC outputs of a commitment that a peer revoked: what a penalty needs. Channel id in hex, commitment number in decimal. */
export type ArchiveRecord = { readonly channel: string; readonly number: string; readonly htlcs: readonly ArchivedHtlc[] };

/** One HTLC of a payment to us. `key`: `htlcKey` of channel and id. */
export type InvoicePart = ReceivePart & {
  readonly peerId: string;
  readonly channelId: Uint8Array;
  readonly htlcId: bigint;
  /** What came, which may be more than was meant to. */
  readonly amountMsat: bigint;
  /** Of its onion: wraps the failure, if it comes to one. */
  readonly sharedSecret: Uint8Array;
};

/** What somebody may pay us, or has paid without asking (keysend). Hashes and secrets in hex, amounts as decimal strings of msat. */
export type InvoiceRecord = {
  readonly paymentHash: string;
  readonly kind?: 'keysend';
  readonly preimage: string;
  /** Empty for a keysend. */
  readonly paymentSecret: string;
  /** Absent: the payer chooses. */
  readonly amountMsat?: string;
  readonly description: string;
  readonly text: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** `holding`: parts are there, and not all. `settling`: the preimage is out, and a peer could still deny its part. */
  readonly state: 'open' | 'holding' | 'settling' | 'paid' | 'cancelled';
  readonly receivedMsat?: string;
  /** HTLCs that are held or fulfilled, and those that fail, until they have. */
  readonly parts?: readonly InvoicePart[];
  readonly endedAtMs?: number;
  /** The user took it back. */
  readonly cancelledAtMs?: number;
  /** As a peer's: parts come over several peers, and none may be written over. Absent: 0. */
  readonly fence?: number;
};

/** What is passed on between two channels of ours. `key`: `htlcKey` of the incoming HTLC. */
export type ForwardRecord = {
  readonly key: string;
  /** As a peer's: its two sides move in rounds of two peers. */
  readonly fence: number;
  readonly createdAtMs: number;
  readonly endedAtMs?: number;
  readonly life: Forward;
  /** Until the incoming HTLC is answered for good. */
  readonly open?: 1;
  /** `htlcKey` of the outgoing HTLC: how its outcome finds the forward. */
  readonly outgoing?: string;
};
/** What somebody who pays over us must leave, if anything is passed on at all. Decimal string of msat. */
export type ForwardingView = {
  readonly on: boolean;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimumMsat: string;
};

/** The channel graph as the relay told it: a snapshot, unpacked. A hint, and lost without harm. */
export type GraphRecord = { readonly bytes: Uint8Array; readonly fetchedAtMs: number };

/** Single values by name. */
export type Settings = {
  readonly policy: PolicyView;
  readonly forwarding: ForwardingView;
  readonly relayUrl: string;
  readonly network: string;
  /** Of the wallet whose keys the stored channels need. */
  readonly nodeId: string;
  readonly wordsSaved: boolean;
  /** The peers that there must be: a store that lacks one was cleared from outside. */
  readonly peerIds: readonly string[];
  readonly hideAmounts: boolean;
  readonly device: string;
  readonly relayToken: { readonly url: string; readonly token: string; readonly expiresAtMs: number };
  readonly relayState: { readonly reachable: boolean; readonly sinceMs: number; readonly error?: string };
  readonly pushState: { readonly subscribed: boolean; readonly error?: string };
  readonly chain: {
    readonly state: Uint8Array;
    readonly height: number;
    readonly tipTimeMs: number;
    readonly checkedAtMs: number;
    readonly error?: string;
  };
  /** What payments taught of channels that are not ours. */
  readonly liquidity: Liquidity;
  /** sat per 1000 weight, as the relay told it last. */
  readonly fees: { readonly fast: number; readonly normal: number; readonly slow: number; readonly atMs: number };
  /** Our transactions on their way, by txid: the tip at which each was sent last, and why it was refused. */
  readonly sent: { readonly [txid: string]: { readonly tip: string; readonly refused?: string } };
  /** What is in the store of the graph: a page is not to unpack it for this. */
  readonly graph: { readonly nodes: number; readonly channels: number; readonly fetchedAtMs: number };
  readonly backupSeq: number;
  readonly lastWake: { readonly atMs: number; readonly ms: number; readonly reason: string };
  readonly lastTestMs: number;
  readonly unsentReceipts: readonly {
    readonly wakeId: string;
    readonly reason: string;
    readonly result: 'done' | 'needs-user' | 'nothing' | 'failed';
    readonly ms: number;
    readonly signature: string;
  }[];
};
export type SettingName = keyof Settings;

export interface BeckonSchema extends DBSchema {
  vault: { key: string; value: VaultRecord };
  peers: { key: string; value: PeerRecord };
  settings: { key: string; value: unknown };
  activity: { key: number; value: ActivityRecord };
  /** Verified block headers by height, 80 bytes each. */
  headers: { key: number; value: Uint8Array };
  archives: { key: [channel: string, number: string]; value: ArchiveRecord };
  wallet: { key: 'coins'; value: WalletRecord };
  invoices: { key: string; value: InvoiceRecord; indexes: { state: InvoiceRecord['state'] } };
  payments: { key: string; value: PaymentRecord; indexes: { htlc: string; hash: string; state: string; created: number } };
  graph: { key: 'network'; value: GraphRecord };
  forwards: { key: string; value: ForwardRecord; indexes: { open: number; outgoing: string } };
}
export type Database = IDBPDatabase<BeckonSchema>;

type Upgrade = IDBPTransaction<BeckonSchema, StoreNames<BeckonSchema>[], 'versionchange'>;
const migrations: readonly ((db: Database, tx: Upgrade) => void | Promise<void>)[] = [
  (db) => {
    db.createObjectStore('vault');
    db.createObjectStore('peers', { keyPath: 'peerId' });
    db.createObjectStore('settings');
    db.createObjectStore('activity', { keyPath: 'id', autoIncrement: true });
    db.createObjectStore('headers');
  },
  (db) => {
    db.createObjectStore('archives', { keyPath: ['channel', 'number'] });
  },
  (db) => {
    db.createObjectStore('wallet');
  },
  (db) => {
    db.createObjectStore('invoices', { keyPath: 'paymentHash' });
    db.createObjectStore('payments', { keyPath: 'id' }).createIndex('htlc', 'htlc');
  },
  async (_, tx) => {
    const payments = tx.objectStore('payments');
    payments.deleteIndex('htlc');
    payments.createIndex('htlc', 'htlcs', { multiEntry: true });
    payments.createIndex('hash', 'life.paymentHash');
    payments.createIndex('state', 'life.state');
    payments.createIndex('created', 'createdAtMs');
    for (const record of await payments.getAll()) await payments.put(paymentFromV4(record));
  },
  (_, tx) => {
    tx.objectStore('invoices').createIndex('state', 'state');
  },
  (db) => {
    db.createObjectStore('graph');
  },
  (db) => {
    const forwards = db.createObjectStore('forwards', { keyPath: 'key' });
    forwards.createIndex('open', 'open');
    forwards.createIndex('outgoing', 'outgoing');
  },
];

/**
 * Opens (and if needed migrates) the database. A newer schema than ours rejects with a VersionError and touches nothing.
 * `onClosed`: this connection is over (another context upgrades or deletes the database, or the browser closed it); open anew.
 */
export async function openDatabase(name = 'beckon', onClosed: () => void = () => undefined): Promise<Database> {
  const db = await openDB<BeckonSchema>(name, migrations.length, {
    async upgrade(database, oldVersion, _, tx) {
      for (const migrate of migrations.slice(oldVersion)) await migrate(database, tx);
    },
    // Another context wants to upgrade: let it.
    blocking() {
      db.close();
      onClosed();
    },
    terminated: onClosed,
  });
  return db;
}
