/**
 * Reads and writes of the node. A step of the engine becomes exactly one strict transaction: the frozen peer, its
 * outbox and last inbound number (inside the frozen bytes) and the activity it caused are written together or not at all.
 */
import type { IDBPTransaction } from 'idb';
import { err, ok, type Result } from '../../shared/lib/result.ts';
import { newWallet } from '../../shared/ln/wallet/coins.ts';
import type {
  ActivityRecord,
  ArchiveRecord,
  BeckonSchema,
  Database,
  ForwardRecord,
  InvoiceRecord,
  PaymentRecord,
  PeerRecord,
  SettingName,
  Settings,
  WalletRecord,
} from './schema.ts';

/** The log keeps this many entries; the oldest go first. */
export const ACTIVITY_LIMIT = 5_000;

export type CommitError = { readonly code: 'fence-lost' | 'storage-failed'; readonly detail: string };
/** A record that is written with a step. */
export type Write =
  | { readonly store: 'archives'; readonly value: ArchiveRecord }
  | { readonly store: 'invoices'; readonly value: InvoiceRecord }
  | { readonly store: 'payments'; readonly value: PaymentRecord }
  /** `over`: the record goes. */
  | { readonly store: 'forwards'; readonly value: ForwardRecord; readonly over?: true };
export type Step = {
  readonly peer?: PeerRecord;
  readonly wallet?: WalletRecord;
  readonly activity?: readonly ActivityRecord[];
  readonly settings?: Partial<Settings>;
  readonly writes?: readonly Write[];
};

/** What one step may write to. */
const STEP_STORES = ['peers', 'wallet', 'activity', 'settings', 'archives', 'invoices', 'payments', 'forwards'] as const;

const detailOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

export const loadPeer = (db: Database, peerId: string): Promise<PeerRecord | undefined> => db.get('peers', peerId);
export const loadArchive = (db: Database, channel: string, number: string): Promise<ArchiveRecord | undefined> =>
  db.get('archives', [channel, number]);
/** Another payment of that hash that has not failed: there is never a second one. */
export async function rivalOf(db: Database, { id, life }: Pick<PaymentRecord, 'id' | 'life'>): Promise<PaymentRecord | undefined> {
  return (await db.getAllFromIndex('payments', 'hash', life.paymentHash)).find((one) => isRival(one, id));
}
const isRival = (one: PaymentRecord, id: string): boolean => one.id !== id && one.life.state !== 'failed';
export const loadPeers = (db: Database): Promise<PeerRecord[]> => db.getAll('peers');

export type ReceivingRecords = {
  readonly peers: PeerRecord[];
  readonly unsettled: InvoiceRecord[];
  readonly forwards: ForwardRecord[];
};

/** The peers, the invoices that somebody has begun to pay and that are not paid, and what is being passed on, all as of one moment. */
export async function loadReceiving(db: Database): Promise<ReceivingRecords> {
  const tx = db.transaction(['peers', 'invoices', 'forwards'], 'readonly');
  const byState = tx.objectStore('invoices').index('state');
  const [peers, holding, settling, forwards] = await Promise.all([
    tx.objectStore('peers').getAll(),
    byState.getAll('holding'),
    byState.getAll('settling'),
    tx.objectStore('forwards').index('open').getAll(),
  ]);
  return { peers, unsettled: [...holding, ...settling], forwards };
}

const WALLET = 'coins';
/** As it is before the first commit where there is none. */
export const loadWallet = async (db: Database): Promise<WalletRecord> => (await db.get('wallet', WALLET)) ?? { fence: 0, state: newWallet };

export async function setting<N extends SettingName>(db: Database, name: N): Promise<Settings[N] | undefined> {
  // Written only by `commit`, under the same name and type.
  return (await db.get('settings', name)) as Settings[N] | undefined;
}

/**
 * Writes one step. `peer.fence`, `wallet.fence` and those of invoices, payments and forwards are those that were **loaded**; the record is written with
 * the next one, and only if nobody wrote in between; a payment is written first only if there is no other of its hash. 'fence-lost': load
 * again. 'storage-failed': nothing was written; nothing may be sent.
 */
export async function commit(db: Database, step: Step): Promise<Result<null, CommitError>> {
  let tx: StepTx;
  try {
    tx = db.transaction([...STEP_STORES], 'readwrite', { durability: 'strict' });
  } catch (error) {
    // Closed under us: another context brought a newer version of the schema.
    return err({ code: 'storage-failed', detail: detailOf(error) });
  }
  // Awaiting `done` is what tells of an abort; without a handler from the start a failing put would be reported twice.
  const done = tx.done.then(
    () => ok(null),
    (error: unknown) => err<CommitError>({ code: 'storage-failed', detail: detailOf(error) }),
  );
  const fenceLost = async (loaded: number, found: number): Promise<Result<null, CommitError>> => {
    tx.abort();
    await done;
    return err({ code: 'fence-lost', detail: `fence ${loaded}, found ${found}` });
  };
  try {
    if (step.peer !== undefined) {
      const peers = tx.objectStore('peers');
      const found = (await peers.get(step.peer.peerId))?.fence ?? 0;
      if (found !== step.peer.fence) return fenceLost(step.peer.fence, found);
      await peers.put({ ...step.peer, fence: found + 1 });
    }
    if (step.wallet !== undefined) {
      const wallet = tx.objectStore('wallet');
      const found = (await wallet.get(WALLET))?.fence ?? 0;
      if (found !== step.wallet.fence) return fenceLost(step.wallet.fence, found);
      await wallet.put({ ...step.wallet, fence: found + 1 }, WALLET);
    }
    for (const [name, value] of Object.entries(step.settings ?? {})) await tx.objectStore('settings').put(value, name);
    for (const write of step.writes ?? []) {
      const lost = await put(tx, write);
      if (lost !== undefined) return fenceLost(lost.had, lost.found);
    }
    for (const record of step.activity ?? []) {
      const id = await tx.objectStore('activity').add(record);
      if (id > ACTIVITY_LIMIT) await tx.objectStore('activity').delete(id - ACTIVITY_LIMIT);
    }
  } catch (error) {
    try {
      tx.abort();
    } catch {
      // It had aborted by itself.
    }
    await done;
    return err({ code: 'storage-failed', detail: detailOf(error) });
  }
  return done;
}

type StepTx = IDBPTransaction<BeckonSchema, (typeof STEP_STORES)[number][], 'readwrite'>;

/** What is fenced is written only over what was loaded; the answer is what was found there instead. */
async function put(tx: StepTx, write: Write): Promise<{ readonly had: number; readonly found: number } | undefined> {
  switch (write.store) {
    case 'invoices': {
      const invoices = tx.objectStore('invoices');
      const { paymentHash, fence: had = 0 } = write.value;
      const found = (await invoices.get(paymentHash))?.fence ?? 0;
      if (found !== had) return { had, found };
      await invoices.put({ ...write.value, fence: found + 1 });
      return undefined;
    }
    case 'payments': {
      const payments = tx.objectStore('payments');
      const { id, fence: had, life } = write.value;
      const found = (await payments.get(id))?.fence ?? 0;
      const hasRival = found === 0 && (await payments.index('hash').getAll(life.paymentHash)).some((one) => isRival(one, id));
      if (found !== had || hasRival) return { had, found };
      await payments.put({ ...write.value, fence: found + 1 });
      return undefined;
    }
    case 'forwards': {
      const forwards = tx.objectStore('forwards');
      const { key, fence: had } = write.value;
      const found = (await forwards.get(key))?.fence ?? 0;
      if (found !== had) return { had, found };
      if (write.over) await forwards.delete(key);
      else await forwards.put({ ...write.value, fence: found + 1 });
      return undefined;
    }
    case 'archives':
      await tx.objectStore('archives').put(write.value);
      return undefined;
  }
}

export async function removePeer(db: Database, peerId: string): Promise<void> {
  const tx = db.transaction('peers', 'readwrite', { durability: 'strict' });
  await Promise.all([tx.store.delete(peerId), tx.done]);
}

export type ActivityQuery = { readonly beforeId?: number; readonly limit: number; readonly matches?: (record: ActivityRecord) => boolean };

/** Newest first. */
export async function readActivity(db: Database, query: ActivityQuery): Promise<ActivityRecord[]> {
  const out: ActivityRecord[] = [];
  const range = query.beforeId === undefined ? null : IDBKeyRange.upperBound(query.beforeId, true);
  let cursor = await db.transaction('activity').store.openCursor(range, 'prev');
  while (cursor !== null && out.length < query.limit) {
    if (query.matches?.(cursor.value) ?? true) out.push(cursor.value);
    cursor = await cursor.continue();
  }
  return out;
}

export async function readHeaders(db: Database, from: number, to: number): Promise<Uint8Array[]> {
  return db.getAll('headers', IDBKeyRange.bound(from, to));
}

/** Replaces everything from `from` on; written with the new chain state or not at all. */
export async function writeHeaders(
  db: Database,
  from: number,
  headers: readonly Uint8Array[],
  chain: Settings['chain'],
): Promise<Result<null, CommitError>> {
  const tx = db.transaction(['headers', 'settings'], 'readwrite');
  const done = tx.done.then(
    () => ok(null),
    (error: unknown) => err<CommitError>({ code: 'storage-failed', detail: detailOf(error) }),
  );
  try {
    const store = tx.objectStore('headers');
    await store.delete(IDBKeyRange.lowerBound(from));
    for (const [i, header] of headers.entries()) await store.put(header, from + i);
    await tx.objectStore('settings').put(chain, 'chain');
  } catch {
    // `done` tells.
  }
  return done;
}
