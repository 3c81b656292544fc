/**
 * HTLCs of peers that no record of ours knows: this device was restored from a backup, which has the channels and nothing else. They go back,
 * unless they were passed on: then the other side of it is an HTLC of ours, and what becomes of that is waited for. One whose other side may be
 * with a peer that cannot be read waits, too.
 */
import { equal, toHex } from '../../../shared/lib/bytes.ts';
import type { Htlc } from '../../../shared/ln/channel/htlc.ts';
import { commitmentsOf } from '../../../shared/ln/channel/state.ts';
import type { Hop } from '../../../shared/ln/onion/htlc.ts';
import { foundForward, newForward, outgoingOf } from '../../../shared/ln/payment/forward.ts';
import type { PeerCommand } from '../../../shared/ln/peer/command.ts';
import type { ForwardRecord, InvoiceRecord } from '../../store/schema.ts';
import type { Live } from '../peers.ts';
import type { Ports } from '../ports.ts';
import type { ForwardWorld } from './forward.ts';
import { newForwardRecord, withForward } from './forward-record.ts';
import { readStray } from './receive.ts';
import { removeHtlc } from './receive-htlcs.ts';
import { htlcKey } from './record.ts';

/** `found`: to be stored. `removals`: by peer. */
export type Strays = { readonly found: readonly ForwardRecord[]; readonly removals: ReadonlyMap<string, readonly PeerCommand[]> };
const none: Strays = { found: [], removals: new Map() };

export async function straysOf(
  ports: Ports,
  sets: readonly InvoiceRecord[],
  forwards: readonly ForwardRecord[],
  { live, standings, moment, blind }: ForwardWorld,
): Promise<Strays> {
  const known = new Set([...sets.flatMap(({ parts = [] }) => parts.map(({ key }) => key)), ...forwards.map(({ key }) => key)]);
  const strays = [...standings].flatMap(([peerId, own]) =>
    [...own].flatMap(([key, { answer, channelId, htlc }]) => (answer === 'open' && !known.has(key) ? [{ peerId, channelId, htlc }] : [])),
  );
  const keys = strays.length === 0 ? undefined : await ports.keys();
  if (keys === undefined) return none;
  const found: ForwardRecord[] = [];
  const removals = new Map<string, readonly PeerCommand[]>();
  const nowMs = ports.now();
  for (const { peerId, channelId, htlc } of strays) {
    const { refused, hop } = readStray(htlc, keys, moment.height);
    const taken = [...forwards, ...found].flatMap(({ life }) => outgoingOf(life) ?? []);
    const out = hop && passedOn(live, htlc, hop, taken);
    if (hop && out) {
      const { id, amountMsat, cltvExpiry, paymentHash } = htlc;
      const planned = newForward({ peerId, channel: toHex(channelId), id, amountMsat, cltvExpiry }, paymentHash, hop, nowMs);
      found.push(withForward(newForwardRecord(planned, nowMs), foundForward(planned, out.key, out.preimage, nowMs), nowMs));
    } else if (!hop || !blind) removals.set(peerId, [...(removals.get(peerId) ?? []), removeHtlc(channelId, htlc.id, refused)]);
  }
  return { found, removals };
}

/** The HTLC of ours that does what the onion asks, whatever became of its channel. */
function passedOn(live: readonly Live[], { paymentHash }: Htlc, hop: Hop, taken: readonly string[]) {
  for (const { state } of live)
    for (const channel of state.channels) {
      const commitments = commitmentsOf(channel);
      for (const { by, id, preimage, ...out } of commitments?.htlcs ?? []) {
        const key = commitments && htlcKey(commitments.channelId, id);
        const fits = by === 'local' && equal(out.paymentHash, paymentHash) && out.amountMsat === hop.amtToForward;
        if (key !== undefined && fits && out.cltvExpiry === hop.outgoingCltvValue && !taken.includes(key))
          return { key, ...(preimage ? { preimage } : {}) };
      }
    }
  return undefined;
}
