/**
 * How HTLCs that we offered end on chain, for whoever paid through us: by the preimage as soon as it is seen, or back with us once
 * nothing can take that away. BOLT 5 § HTLC Output Handling, both commitments.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../lib/bytes.ts';
import type { ParsedTransaction } from '../tx/parse.ts';
import { preimageFinder } from './outputs.ts';
import { type ChannelFacts, type HtlcFact, type OnchainEffect, type OnchainState, settledDepth } from './types.ts';
import { depthOf, readSpends, type View } from './view.ts';
import { isWorthClaiming } from './worth.ts';

/**
 * Every preimage of an HTLC of this channel, in whichever commitment it is or was, that the witnesses show: a preimage is one
 * wherever it stands, and a peer may close with any of its commitments.
 */
export function preimagesIn(transactions: readonly ParsedTransaction[], state: OnchainState, facts: ChannelFacts): readonly Uint8Array[] {
  const wanted = new Set([...facts.htlcs, ...(state.archive?.htlcs ?? [])].map(({ paymentHash }) => toHex(paymentHash)));
  for (const preimage of state.preimages) wanted.delete(toHex(sha256(preimage)));
  const found: Uint8Array[] = [];
  for (const { inputs } of transactions)
    for (const item of inputs.flatMap(({ witness }) => witness))
      if (item.length === 32 && wanted.delete(toHex(sha256(item)))) found.push(item);
  return found;
}

/** Preimages of all the spends that are known: an archive may arrive after them. */
export function learnedPreimages(state: OnchainState, facts: ChannelFacts): readonly Uint8Array[] {
  const transactions = readSpends(state.spends).map(([, { transaction }]) => transaction);
  return preimagesIn([...new Set(transactions)], state, facts);
}

export type Ends = { readonly told: readonly bigint[]; readonly effects: readonly OnchainEffect[] };

export function htlcEnds(state: OnchainState, facts: ChannelFacts, view: View, height: number): Ends {
  const preimageOf = preimageFinder(state.preimages);
  const effects = facts.htlcs.flatMap((htlc): readonly OnchainEffect[] => {
    if (!htlc.offered || state.told.includes(htlc.id)) return [];
    const preimage = preimageOf(htlc.paymentHash);
    // BOLT 5: "if the payment preimage is known: - MUST fulfill the corresponding incoming HTLC (if any)."
    if (preimage) return [{ tag: 'htlc-settled', id: htlc.id, preimage }];
    return isBack(htlc, state, view, height) ? [{ tag: 'htlc-failed', id: htlc.id }] : [];
  });
  const ids = effects.flatMap((effect) => ('id' in effect ? [effect.id] : []));
  return { told: [...state.told, ...ids], effects };
}

/** Heights at which `htlcEnds` may say more. */
export function endHeight({ id, cltvExpiry, offered }: HtlcFact, state: OnchainState, { close, outputs }: View): number | undefined {
  if (!offered || state.told.includes(id) || close === undefined) return undefined;
  const { classified, spender } = close;
  // BOLT 5: "once the commitment transaction has reached reasonable depth: - MUST fail the corresponding incoming HTLC (if any)."
  const settled = spender.height + settledDepth - 1;
  // Its outputs are strangers to us: only the peer could be too late.
  if (classified.kind === 'future') return Math.max(settled, cltvExpiry + settledDepth);
  if (classified.kind === 'revoked' && state.archive?.number !== classified.number) return undefined;
  // The first: its second stage, which names it too, stands behind it.
  const output = outputs.find(({ htlc }) => htlc?.offered && htlc.id === id);
  if (output === undefined) return settled;
  if (output.spender) return Math.max(settled, output.spender.height + settledDepth - 1);
  // The peer may still take it: what we lose then is less than what claiming it costs.
  return isWorthClaiming(output) ? undefined : Math.max(settled, cltvExpiry + settledDepth);
}

function isBack(htlc: HtlcFact, state: OnchainState, view: View, height: number): boolean {
  const end = endHeight(htlc, state, view);
  return end !== undefined && view.close !== undefined && depthOf(view.close.spender, height) >= settledDepth && height >= end;
}
