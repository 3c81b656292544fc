/**
 * What accounts want to hear of the chain, and the events that wait for them. An event is written in one transaction with the
 * state that says it has been told, and stays until the app acknowledges it. It is a hint: the app fetches and checks.
 */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { toBase64Url } from '../../shared/lib/bytes.ts';
import { type ChainHint, chainEvent, type Watch, watch as watchSchema } from '../../shared/protocol/session.ts';
import type { ChainListener, Store } from '../ports.ts';
import { atomically } from '../savepoint.ts';
import type { Block } from './block.ts';
import type { Outpoint } from './node.ts';

const hit = v.object({ txid: v.string(), height: v.number(), block: v.string() });
const watchState = v.object({
  /** Where the transaction is, or what spent the outpoint, or what paid the script. */
  hits: v.array(hit),
  /** The greatest depth that has been told (tx). */
  toldDepth: v.number(),
  /** Unconfirmed spenders that have been told (outpoint). */
  seen: v.optional(v.array(v.string())),
});
type WatchState = v.InferOutput<typeof watchState>;
export type Watched = { readonly account: string; readonly watch: Watch; readonly json: string; state: WatchState };

/** A script that anybody can pay must not fill the disk: beyond this, payments to it are not told until some are acknowledged. */
const maxPendingEvents = 1024;
const maxHits = 256;
/** A spender can be replaced as often as its owner pays for it; so many are told. */
const maxSeen = 8;
const nothingYet: WatchState = { hits: [], toldDepth: 0 };

export type WatchBook = {
  /** True when the list differs from the one before. */
  readonly replace: (account: string, watches: readonly Watch[]) => boolean;
  /** Watches that were added and have not been looked up in the past yet; taken, they are forgotten here. */
  readonly takeFresh: () => readonly Watched[];
  readonly allFresh: () => void;
  readonly count: () => number;
  readonly joined: (height: number, block: Block) => void;
  readonly left: (hash: string) => void;
  readonly foundTx: (watched: Watched, txid: string, height: number, block: string) => void;
  /** Watched outputs that no block is known to spend, each once. */
  readonly unspentOutpoints: () => readonly Outpoint[];
  /** Something in the mempool spends it. */
  readonly seenInMempool: (outpoint: Outpoint, txid: string, tipHeight: number) => void;
  /** An alarm of that account has come to its height. */
  readonly heightReached: (account: string, alarm: string, height: number) => void;
  /** Tells depths that have been reached. */
  readonly deepened: (tipHeight: number) => void;
  /** The block of a watched transaction, as far as it has been seen. */
  readonly blockOf: (txid: string) => string | undefined;
  readonly pending: (account: string) => readonly ChainHint[];
  readonly ack: (account: string, ids: readonly string[]) => void;
  readonly accountsWithEvents: () => readonly string[];
};

export function createWatchBook({ db }: Store, listener: ChainListener): WatchBook {
  const insertWatch = db.prepare('INSERT OR REPLACE INTO watches (account, id, json, state) VALUES (?, ?, ?, ?)');
  const deleteWatch = db.prepare('DELETE FROM watches WHERE account = ? AND id = ?');
  const saveState = db.prepare('UPDATE watches SET state = ? WHERE account = ? AND id = ?');
  const insertEvent = db.prepare('INSERT INTO events (account, id, json) VALUES (?, ?, ?)');
  const countEvents = db.prepare('SELECT COUNT(*) AS n FROM events WHERE account = ?');
  const selectEvents = db.prepare('SELECT json FROM events WHERE account = ? ORDER BY n LIMIT 256');
  const deleteEvent = db.prepare('DELETE FROM events WHERE account = ? AND id = ?');
  const selectAccounts = db.prepare('SELECT DISTINCT account FROM events');

  const byAccount = new Map<string, Map<string, Watched>>();
  const index = new Index();
  let fresh = new Set<Watched>();
  /** Block of every transaction in some state's hits: a node without a transaction index cannot tell. */
  const located = new Map<string, string>();

  const add = (watched: Watched): void => {
    const own = byAccount.get(watched.account) ?? new Map<string, Watched>();
    byAccount.set(watched.account, own);
    own.set(watched.watch.id, watched);
    index.add(watched);
    for (const { txid, block } of watched.state.hits) located.set(txid, block);
  };
  const drop = (watched: Watched): void => {
    const own = byAccount.get(watched.account);
    own?.delete(watched.watch.id);
    if (own?.size === 0) byAccount.delete(watched.account);
    index.remove(watched);
    fresh.delete(watched);
    for (const { txid } of watched.state.hits) located.delete(txid);
  };
  for (const row of db.prepare('SELECT account, json, state FROM watches').all()) {
    const json = String(row.json);
    const state = row.state === null ? nothingYet : v.parse(watchState, JSON.parse(String(row.state)));
    add({ account: String(row.account), watch: v.parse(watchSchema, JSON.parse(json)), json, state });
  }
  const all = (): Watched[] => [...byAccount.values()].flatMap((own) => [...own.values()]);

  /** State and event together; whoever has new events hears of it once all is written. */
  const tell = (changes: readonly Change[]): void => {
    const accounts = new Set<string>();
    atomically(db, () => {
      for (const { watched, state, event } of changes) {
        saveState.run(JSON.stringify(state), watched.account, watched.watch.id);
        if (event === undefined) continue;
        const full: ChainHint = { id: toBase64Url(randomBytes(16)), watch: watched.watch.id, ...event };
        insertEvent.run(watched.account, full.id, JSON.stringify(full));
        accounts.add(watched.account);
      }
    });
    for (const { watched, state } of changes) {
      watched.state = state;
      for (const { txid, block } of state.hits) located.set(txid, block);
    }
    for (const account of accounts) listener(account);
  };

  const sighting = (watched: Watched, txid: string, height: number, block: string): Change | undefined => {
    if (watched.state.hits.some((seen) => seen.txid === txid && seen.block === block)) return undefined;
    const state = { ...watched.state, hits: [...watched.state.hits, { txid, height, block }].slice(-maxHits) };
    if (watched.watch.kind === 'tx') return { watched, state };
    if (watched.watch.kind === 'outpoint') return { watched, state, event: { kind: 'spent', txid, height } };
    if (Number(countEvents.get(watched.account)?.n) >= maxPendingEvents) return undefined;
    return { watched, state, event: { kind: 'paid', txid, height } };
  };

  return {
    replace: (account, watches) => {
      const wanted = new Map(watches.map((one) => [one.id, one]));
      const before = new Map(byAccount.get(account) ?? []);
      const added: Watched[] = [];
      for (const [id, one] of wanted) {
        const json = JSON.stringify(one);
        if (before.get(id)?.json !== json) added.push({ account, watch: one, json, state: nothingYet });
      }
      const removed = [...before.values()].filter((old) => !wanted.has(old.watch.id) || added.some((one) => one.watch.id === old.watch.id));
      if (added.length === 0 && removed.length === 0) return false;
      atomically(db, () => {
        for (const old of removed) deleteWatch.run(account, old.watch.id);
        for (const one of added) insertWatch.run(account, one.watch.id, one.json, JSON.stringify(one.state));
      });
      for (const old of removed) drop(old);
      for (const one of added) {
        add(one);
        fresh.add(one);
      }
      return true;
    },
    takeFresh: () => {
      const taken = [...fresh];
      fresh = new Set();
      return taken;
    },
    allFresh: () => {
      fresh = new Set(all());
    },
    count: () => [...byAccount.values()].reduce((sum, own) => sum + own.size, 0),
    joined: (height, block) => {
      const changes = new Map<Watched, Change>();
      for (const tx of block.txs) {
        for (const watched of index.touchedBy(tx)) {
          // Twice in one block (a script paid by two transactions): the second builds on the first.
          const earlier = changes.get(watched);
          if (earlier !== undefined) {
            tell([earlier]);
            changes.delete(watched);
          }
          const change = sighting(watched, tx.txid, height, block.header.hash);
          if (change !== undefined) changes.set(watched, change);
        }
      }
      if (changes.size > 0) tell([...changes.values()]);
    },
    left: (hash) => {
      const changes: Change[] = [];
      for (const watched of all()) {
        const gone = watched.state.hits.filter((seen) => seen.block === hash);
        if (gone.length === 0) continue;
        for (const { txid } of gone) located.delete(txid);
        const told = watched.watch.kind !== 'tx' || watched.state.toldDepth > 0;
        const state = { hits: watched.state.hits.filter((seen) => seen.block !== hash), toldDepth: 0 };
        for (const { txid, height } of gone) {
          changes.push(told ? { watched, state, event: { kind: 'reorged', txid, height } } : { watched, state });
        }
      }
      if (changes.length > 0) tell(changes);
    },
    foundTx: (watched, txid, height, block) => {
      if (byAccount.get(watched.account)?.get(watched.watch.id) !== watched) return;
      const change = sighting(watched, txid, height, block);
      if (change !== undefined) tell([change]);
    },
    unspentOutpoints: () => {
      const wanted = all().filter(({ watch, state }) => watch.kind === 'outpoint' && state.hits.length === 0);
      const byKey = new Map(wanted.flatMap(({ watch }) => (watch.kind === 'outpoint' ? [[keyOf(watch), watch] as const] : [])));
      return [...byKey.values()].map(({ txid, vout }) => ({ txid, vout }));
    },
    seenInMempool: ({ txid: of, vout }, txid, height) => {
      const changes = [...index.watching(`o${of}:${vout}`)].flatMap((watched): Change[] => {
        const { seen = [] } = watched.state;
        if (watched.state.hits.length > 0 || seen.includes(txid) || seen.length >= maxSeen) return [];
        return [{ watched, state: { ...watched.state, seen: [...seen, txid] }, event: { kind: 'seen', txid, height } }];
      });
      if (changes.length > 0) tell(changes);
    },
    heightReached: (account, alarm, height) => {
      if (Number(countEvents.get(account)?.n) >= maxPendingEvents) return;
      const event: ChainHint = { id: toBase64Url(randomBytes(16)), watch: alarm, kind: 'tip', height };
      insertEvent.run(account, event.id, JSON.stringify(event));
      listener(account);
    },
    deepened: (tipHeight) => {
      const changes: Change[] = [];
      for (const watched of all()) {
        if (watched.watch.kind !== 'tx') continue;
        const seen = watched.state.hits.at(-1);
        if (seen === undefined) continue;
        const depth = tipHeight - seen.height + 1;
        const reached = Math.max(
          0,
          ...(watched.watch.depths.length === 0 ? [1] : watched.watch.depths).filter((wanted) => wanted <= depth),
        );
        if (reached <= watched.state.toldDepth) continue;
        const state = { ...watched.state, toldDepth: reached };
        changes.push({ watched, state, event: { kind: 'confirmed', txid: seen.txid, height: seen.height, depth } });
      }
      if (changes.length > 0) tell(changes);
    },
    blockOf: (txid) => located.get(txid),
    pending: (account) => selectEvents.all(account).map((row) => v.parse(chainEvent, JSON.parse(String(row.json)))),
    ack: (account, ids) => {
      if (ids.length === 0) return;
      atomically(db, () => {
        for (const id of ids) deleteEvent.run(account, id);
      });
    },
    accountsWithEvents: () => selectAccounts.all().map((row) => String(row.account)),
  };
}

type Change = {
  readonly watched: Watched;
  readonly state: WatchState;
  readonly event?: Pick<ChainHint, 'kind' | 'txid' | 'height'> & { readonly depth?: number };
};

/** From what a transaction is, spends and pays to the watches that this concerns. */
class Index {
  readonly #byKey = new Map<string, Set<Watched>>();

  add(watched: Watched): void {
    const key = keyOf(watched.watch);
    const there = this.#byKey.get(key) ?? new Set<Watched>();
    this.#byKey.set(key, there);
    there.add(watched);
  }
  remove(watched: Watched): void {
    const key = keyOf(watched.watch);
    const there = this.#byKey.get(key);
    there?.delete(watched);
    if (there?.size === 0) this.#byKey.delete(key);
  }
  watching(key: string): ReadonlySet<Watched> {
    return this.#byKey.get(key) ?? new Set();
  }
  touchedBy(tx: Block['txs'][number]): ReadonlySet<Watched> {
    const keys = [`t${tx.txid}`, ...tx.spends.map((outpoint) => `o${outpoint}`), ...tx.scripts.map((script) => `s${script}`)];
    return new Set(keys.flatMap((key) => [...(this.#byKey.get(key) ?? [])]));
  }
}

function keyOf(watch: Watch): string {
  if (watch.kind === 'tx') return `t${watch.txid}`;
  return watch.kind === 'outpoint' ? `o${watch.txid}:${watch.vout}` : `s${watch.script}`;
}
