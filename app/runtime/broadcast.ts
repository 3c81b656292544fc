/**
 * Our transactions that should be mined, sent again at each new tip until they are: a node forgets, a mempool fills, a relay
 * changes. One that was sent before is first looked for in the chain, so that a lost hint costs a block and no more.
 */
import { toHex } from '../../shared/lib/bytes.ts';
import type { Note } from '../../shared/ln/peer/effect.ts';
import { broadcasts } from '../../shared/ln/peer/machine.ts';
import { parseRawTx } from '../../shared/ln/spv/rawtx.ts';
import { limits } from '../../shared/protocol/session.ts';
import type { RelayClient } from '../net/relay.ts';
import type { Settings } from '../store/schema.ts';
import { commit, setting } from '../store/store.ts';
import { type Collected, livePeers } from './peers.ts';
import type { Ports } from './ports.ts';
import { isProven, provenTx } from './proofs.ts';
import { takeProven } from './spends.ts';

/** A transaction to be sent, with those of our unsent ones that it needs before it, and pays for. */
export type Sending = { readonly raw: Uint8Array; readonly txid: string; readonly parents: readonly Uint8Array[] };

/** `raws`: parents before their children. A parent travels with its child, or alone where there are too many of them. */
export function sendings(raws: readonly Uint8Array[]): readonly Sending[] {
  const known = new Map<string, { readonly raw: Uint8Array; readonly ancestors: readonly string[] }>();
  for (const raw of raws) {
    const tx = parseRawTx(raw);
    if (!tx.ok) continue;
    const direct = tx.value.inputs.map(({ txid }) => toHex(txid)).filter((txid) => known.has(txid));
    const ancestors = [...new Set(direct.flatMap((txid) => [...(known.get(txid)?.ancestors ?? []), txid]))];
    known.set(toHex(tx.value.txid), { raw, ancestors });
  }
  const packed = [...known].filter(([, { ancestors }]) => ancestors.length <= limits.packageParents);
  const carried = new Set(packed.flatMap(([, { ancestors }]) => ancestors));
  return [...known].flatMap(([txid, { raw, ancestors }]): Sending[] => {
    if (carried.has(txid)) return [];
    const along = ancestors.length <= limits.packageParents ? ancestors : [];
    return [{ raw, txid, parents: along.flatMap((ancestor) => known.get(ancestor)?.raw ?? []) }];
  });
}

/** Somebody else's transaction is ahead of ours, in a mempool or in a block: no fault of anybody, and the chain tells of it. */
const outrun = /missing|spent|conflict|replac|orphan/i;

const tipOf = (chain: Settings['chain'] | undefined): string => `${chain?.height ?? 0}/${chain?.tipTimeMs ?? 0}`;

/** Sends what was not sent at this tip. Harmless at any moment, and cheap when nothing is due. */
export async function sendBroadcasts(ports: Ports, relay: RelayClient, into: Collected): Promise<void> {
  const before = (await setting(ports.db, 'sent')) ?? {};
  const tip = tipOf(await setting(ports.db, 'chain'));
  const sent: Record<string, Settings['sent'][string]> = {};
  const notes: { readonly peerId: string; readonly note: Note }[] = [];
  for (const { record, state } of await livePeers(ports)) {
    for (const sending of sendings(broadcasts(state))) {
      const last = before[sending.txid];
      const now = last?.tip === tip ? last : await send(ports, relay, sending, last, tip, into);
      if (now === undefined) continue;
      sent[sending.txid] = now;
      if (now.refused !== undefined && now.refused !== last?.refused && !outrun.test(now.refused))
        notes.push({ peerId: record.peerId, note: { kind: 'fault', detail: `a transaction of ours was refused: ${now.refused}` } });
    }
  }
  if (JSON.stringify(before) === JSON.stringify(sent)) return;
  const activity = notes.map(({ peerId, note }) => ({ atMs: ports.now(), kind: note.kind, peerId, detail: note.detail ?? '' }));
  await commit(ports.db, { settings: { sent }, activity });
  into.notes.push(...notes);
}

/** `undefined`: mined, or nobody to send it to; then it is not remembered, and tried again the next time. */
async function send(
  ports: Ports,
  relay: RelayClient,
  { raw, parents }: Sending,
  last: Settings['sent'][string] | undefined,
  tip: string,
  into: Collected,
): Promise<Settings['sent'][string] | undefined> {
  if (last !== undefined && (await isMined(ports, relay, [...parents, raw], into))) return undefined;
  const answer = await relay.call('chain/broadcast', {
    raw: toHex(raw),
    ...(parents.length > 0 ? { parents: parents.map(toHex) } : {}),
  });
  if (answer.ok) return { tip };
  return answer.error.code === 'tx-rejected' ? { tip, refused: answer.error.detail.slice(0, 200) } : last;
}

/** Whether any of them is in the chain; then its channel knows by now, and the list is another one. */
async function isMined(ports: Ports, relay: RelayClient, raws: readonly Uint8Array[], into: Collected): Promise<boolean> {
  const keys = await ports.keys();
  if (keys === undefined) return false;
  let mined = false;
  for (const raw of raws) {
    const tx = parseRawTx(raw);
    const proven = tx.ok ? await provenTx(ports, relay, tx.value.txid) : undefined;
    if (proven?.ok === true && isProven(proven.value)) mined = (await takeProven(ports, keys, proven.value, into)) || mined;
  }
  return mined;
}
