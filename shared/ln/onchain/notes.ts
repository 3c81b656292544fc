/** What a person is told while a close goes its way: each thing once, when the facts first say it. */
import { equal } from '../../lib/bytes.ts';
import { dustLimitOf } from '../tx/dust.ts';
import { sameOutpoint } from './classify.ts';
import type { ChannelFacts, OnchainEffect, OnchainState } from './types.ts';
import type { View } from './view.ts';

type Note = Extract<OnchainEffect, { readonly tag: 'note' }>;

export function notesOf(
  before: OnchainState,
  state: OnchainState,
  facts: ChannelFacts,
  view: View,
  refused: readonly string[],
): readonly Note[] {
  const notes: Note[] = [];
  const isNew = (outpoint: ChannelFacts['fundingOutpoint'], txid: Uint8Array): boolean =>
    !before.spends.some((spend) => sameOutpoint(spend.outpoint, outpoint) && equal(spend.txid, txid));
  if (view.close && isNew(facts.fundingOutpoint, view.close.spender.txid)) notes.push(...closeNotes(facts, view));
  for (const output of view.outputs) {
    const { spender, outpoint, amountSat, claim, what } = output;
    if (!spender || !isNew(outpoint, spender.txid) || !claim) continue;
    if (output.takenByUs(spender.witness)) notes.push({ tag: 'note', kind: 'output-claimed', amountSat, detail: what });
    // What we offered and the peer took by its preimage was paid for.
    else if (what !== 'offered-htlc') notes.push({ tag: 'note', kind: 'output-lost', amountSat, detail: what });
  }
  if (state.coinsShort && !before.coinsShort) notes.push({ tag: 'note', kind: 'coins-needed' });
  for (const detail of refused) notes.push({ tag: 'note', kind: 'claim-refused', detail });
  return notes;
}

function closeNotes(facts: ChannelFacts, { close, outputs }: View): readonly Note[] {
  if (close === undefined) return [];
  const { kind } = close.classified;
  const notes: Note[] = [{ tag: 'note', kind: kind === 'revoked' ? 'revoked-seen' : 'close-seen', detail: kind }];
  const { closeScript } = facts.guard;
  const ours = facts.local.template.toHolderMsat / 1000n;
  const unpaid =
    kind === 'mutual' &&
    ours >= (closeScript === undefined ? 1n : dustLimitOf(closeScript)) &&
    !close.spender.transaction.outputs.some(({ scriptPubKey }) => closeScript !== undefined && equal(scriptPubKey, closeScript));
  // BOLT 5: "MUST warn the user of potentially lost funds."
  const stranger = kind === 'future' || (kind === 'revoked' && outputs.every(({ claim }) => claim === undefined));
  if (unpaid || stranger) notes.push({ tag: 'note', kind: 'output-lost', amountSat: ours, detail: kind });
  return notes;
}
