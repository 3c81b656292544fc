/** What the page shows of a close, and when there is nothing left to do. BOLT 5 § General Nomenclature. */
import { equal } from '../../lib/bytes.ts';
import { builtOnce } from './built.ts';
import { sameOutpoint } from './classify.ts';
import { localOutputs, preimageFinder } from './outputs.ts';
import { type ChannelFacts, finalDepth, type OnchainState, type Sweep } from './types.ts';
import { depthOf, type View, type ViewOutput, viewOf } from './view.ts';
import { isWorthClaiming } from './worth.ts';

export function sweeps(state: OnchainState, facts: ChannelFacts, height: number): readonly Sweep[] {
  const view = viewOf(state, facts);
  return [
    ...expectedSweeps(state, facts, view),
    ...closingSweeps(view, facts, height),
    ...view.outputs.filter(isWorthClaiming).map((output) => sweepOf(output, state, height)),
  ];
}

function sweepOf(output: ViewOutput, state: OnchainState, height: number): Sweep {
  const { what, outpoint, amountSat, spender, fromHeight } = output;
  const base = { what, outpoint, amountSat };
  if (spender && !output.takenByUs(spender.witness)) return { ...base, status: 'lost', txid: spender.txid };
  if (spender) return { ...base, status: depthOf(spender, height) >= finalDepth ? 'final' : 'claimed', txid: spender.txid };
  const attempt = state.attempts.find(({ inputs: [first] }) => first !== undefined && sameOutpoint(first, outpoint));
  return attempt ? { ...base, status: 'due', txid: attempt.txid } : { ...base, status: 'waiting', atHeight: fromHeight };
}

/** Of our own commitment while it is not mined yet: what will be ours, at heights that nobody knows. */
function expectedSweeps(state: OnchainState, facts: ChannelFacts, { close }: View): readonly Sweep[] {
  const built = builtOnce(facts.local.template);
  if (close !== undefined || !state.publishing || facts.dataLost || !built.ok) return [];
  const { txid } = built.value;
  return localOutputs(facts.local, built.value, { txid, height: 0, preimageOf: preimageFinder(state.preimages) })
    .filter(isWorthClaiming)
    .map(({ what, outpoint, amountSat }) => ({ what, outpoint, amountSat, status: 'waiting' }));
}

/** A mutual close pays us by itself. */
function closingSweeps({ close }: View, { guard }: ChannelFacts, height: number): readonly Sweep[] {
  const { closeScript } = guard;
  if (close?.classified.kind !== 'mutual' || closeScript === undefined) return [];
  const { txid, transaction } = close.spender;
  return transaction.outputs.flatMap(({ scriptPubKey, amountSat }, vout): Sweep[] => {
    if (!equal(scriptPubKey, closeScript)) return [];
    const status = depthOf(close.spender, height) >= finalDepth ? 'final' : 'claimed';
    return [{ what: 'closing', outpoint: { txid, vout }, amountSat, status, txid }];
  });
}

/** Outputs that are not ours to claim now, and whose spending would change something. */
const isAwaited = (output: ViewOutput, height: number): boolean =>
  // BOLT 5: "once the HTLC output has expired, it is considered *irrevocably resolved*."
  output.what === 'received-htlc' && output.claim === undefined && height < (output.deadline ?? 0);

/** True once every output is *irrevocably resolved*: nothing of the channel needs to be kept. */
export function isResolved(state: OnchainState, facts: ChannelFacts, height: number): boolean {
  const { close, outputs } = viewOf(state, facts);
  if (close === undefined || depthOf(close.spender, height) < finalDepth) return false;
  const { classified } = close;
  if (classified.kind === 'revoked' && state.archive?.number !== classified.number) return false;
  if (facts.htlcs.some(({ offered, id }) => offered && !state.told.includes(id))) return false;
  return outputs.every((output) =>
    output.spender ? depthOf(output.spender, height) >= finalDepth : !isWorthClaiming(output) && !isAwaited(output, height),
  );
}

/** What is ours of the close, fees not deducted and nobody having taken it; an HTLC and its second stage count once. */
export function owed(state: OnchainState, facts: ChannelFacts): bigint {
  const isOurs = (output: ViewOutput): boolean =>
    output.spender
      ? (output.claim !== undefined || output.what === 'anchor') && output.takenByUs(output.spender.witness)
      : isWorthClaiming(output);
  return viewOf(state, facts).outputs.reduce(
    (sum, output) => (output.what !== 'second-stage' && isOurs(output) ? sum + output.amountSat : sum),
    0n,
  );
}
