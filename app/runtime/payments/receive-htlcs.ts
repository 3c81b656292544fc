/** The HTLCs that peers offered to us, as their stored states have them: which still wait for an answer, and the answers to those that are decided. */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal, fromHex } from '../../../shared/lib/bytes.ts';
import type { Htlc, RemovalRequest } from '../../../shared/ln/channel/htlc.ts';
import { isLive, isPending, liveOf } from '../../../shared/ln/channel/state.ts';
import { unknownPayment } from '../../../shared/ln/onion/checks.ts';
import type { Refusal } from '../../../shared/ln/onion/htlc.ts';
import { endOfFulfilment, endOfRefusal } from '../../../shared/ln/payment/htlc-end.ts';
import type { Moment } from '../../../shared/ln/payment/receive-set.ts';
import type { PeerCommand } from '../../../shared/ln/peer/command.ts';
import type { PeerState } from '../../../shared/ln/peer/state.ts';
import type { InvoicePart, InvoiceRecord } from '../../store/schema.ts';
import { htlcKey } from './record.ts';

/** `open`: any answer will do. `chain`: its channel is at its end, and only a preimage means something. `given`: it is answered. */
export type Standing = { readonly channelId: Uint8Array; readonly htlc: Htlc; readonly answer: 'open' | 'chain' | 'given' };
/** By `htlcKey`: irrevocably committed ones of this peer. */
export type Standings = ReadonlyMap<string, Standing>;

export function standingsOf(state: PeerState): Standings {
  const standings = new Map<string, Standing>();
  for (const channel of state.channels) {
    const live = liveOf(channel);
    if (isPending(live)) continue;
    const { channelId, htlcs } = live.commitments;
    for (const htlc of htlcs) {
      if (htlc.by !== 'remote' || htlc.added !== 'locked') continue;
      standings.set(htlcKey(channelId, htlc.id), { channelId, htlc, answer: answerOf(live, htlc) });
    }
  }
  return standings;
}

function answerOf(channel: ReturnType<typeof liveOf>, { id, removal, paymentHash }: Htlc): Standing['answer'] {
  if (removal !== undefined) return 'given';
  if (channel.tag === 'normal' && channel.quiet?.removals.some((one) => one.id === id)) return 'given';
  if (isLive(channel)) return 'open';
  const known = channel.tag === 'closing' && channel.onchain.preimages.some((preimage) => equal(sha256(preimage), paymentHash));
  return known ? 'given' : 'chain';
}

export const removeHtlc = (channelId: Uint8Array, id: bigint, removal: RemovalRequest): PeerCommand => ({
  tag: 'channel',
  channelId,
  command: { tag: 'remove', id, removal },
});

/** What is decided of the parts of this peer, and not said yet. */
export const decidedRemovals = ({ parts = [], preimage }: InvoiceRecord, standings: Standings, moment: Moment): PeerCommand[] =>
  parts.flatMap((part) => {
    const answer = standings.get(part.key)?.answer;
    if (part.state === 'fulfilling' && (answer === 'open' || answer === 'chain'))
      return [removeHtlc(part.channelId, part.htlcId, fulfilmentOf(part, fromHex(preimage), moment))];
    return part.state === 'failing' && answer === 'open' ? [removeHtlc(part.channelId, part.htlcId, failureOf(part, moment))] : [];
  });

const fulfilmentOf = ({ sharedSecret, atMs }: InvoicePart, preimage: Uint8Array, { nowMs }: Moment): RemovalRequest =>
  endOfFulfilment(sharedSecret, { preimage }, nowMs - atMs);

function failureOf({ sharedSecret, failure, amountMsat, atMs }: InvoicePart, { height, nowMs }: Moment): RemovalRequest {
  const why = failure === 'mpp_timeout' ? ({ name: 'mpp_timeout' } as const) : unknownPayment({ amountMsat }, height);
  return endOfRefusal({ reply: 'fail', sharedSecret, failure: why }, nowMs - atMs);
}

/** Answered in the commit in which it became ours to answer. */
export const removalOf = (refused: Refusal): RemovalRequest => endOfRefusal(refused, 0);

/** Can a part be counted on no more? Of `standings` undefined, its peer cannot be read. */
export function isGone({ key, state }: InvoicePart, standings: Standings | undefined): boolean {
  // Nothing more becomes of it, whether its HTLC is still there or not.
  if (state === 'fulfilled') return false;
  if (state === 'fulfilling') return standings !== undefined && !standings.has(key);
  return standings?.get(key)?.answer !== 'open' && (standings !== undefined || state === 'held');
}
