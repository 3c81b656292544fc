/**
 * A revoked commitment of the peer: all that it holds is ours. BOLT 5 § Revoked Transaction Close Handling. The amounts of an old
 * commitment are not kept, so outputs are known by their scripts.
 */
import { equal } from '../../lib/bytes.ts';
import { pointFromSecret } from '../keys/secp.ts';
import type { SpendKey } from '../signer/signer.ts';
import { claimWitnessWeight, htlcPenaltyWitness, rbfSequence, toLocalPenaltyWitness } from '../tx/claim.ts';
import { commitmentKeys } from '../tx/commitment.ts';
import type { ParsedTransaction } from '../tx/parse.ts';
import { htlcWitnessScripts, p2wsh, toLocalWitnessScript } from '../tx/scripts.ts';
import {
  byCounterparty,
  type CloseOutput,
  futureOutputs,
  type Placed,
  placedOutputs,
  type SecondStage,
  toRemote,
  toRemoteScript,
  unknown,
} from './outputs.ts';
import type { ArchivedHtlc, ChannelFacts, HtlcFact } from './types.ts';

const secondItemFull = (witness: readonly Uint8Array[]): boolean => (witness[1]?.length ?? 0) > 0;

/** `htlcs` come from the archive; without it what is not a balance is only watched. */
export function revokedOutputs(
  transaction: ParsedTransaction,
  secret: Uint8Array,
  htlcs: readonly ArchivedHtlc[],
  facts: ChannelFacts,
  height: number,
): readonly CloseOutput[] {
  const { kind, holder, counterparty, toSelfDelay } = facts.remote;
  const keys = commitmentKeys({ holder, counterparty, perCommitmentPoint: pointFromSecret(secret) });
  if (keys === undefined) return futureOutputs(transaction, facts, height);

  const key: SpendKey = { kind: 'revocation', perCommitmentSecret: secret };
  const delayedScript = toLocalWitnessScript(keys.revocationPubkey, toSelfDelay, keys.delayedPubkey);
  const delayedScriptPubKey = p2wsh(delayedScript);
  // BOLT 5: "MUST *resolve* the _remote node's main output_ by spending it using the revocation private key."
  const delayed = (placed: Placed, confirmed: number, htlc?: HtlcFact): CloseOutput => ({
    ...placed,
    what: 'penalty',
    ...(htlc && { htlc }),
    claim: {
      tag: 'direct',
      key,
      witnessScript: delayedScript,
      sequence: rbfSequence,
      lockTime: 0,
      weight: claimWitnessWeight.toLocalPenalty(delayedScript.length),
      witness: (signature) => toLocalPenaltyWitness(signature, delayedScript),
    },
    fromHeight: confirmed,
    deadline: confirmed + toSelfDelay,
    takenByUs: secondItemFull,
  });
  // BOLT 5: "MUST *resolve* the _remote node's HTLC-timeout transaction_ by spending it using the revocation private key."
  const secondStage = (htlc?: HtlcFact): SecondStage => ({
    scriptPubKey: delayedScriptPubKey,
    output: (outpoint, amountSat, confirmed) => delayed({ outpoint, amountSat, scriptPubKey: delayedScriptPubKey }, confirmed, htlc),
  });

  const scripts = htlcWitnessScripts(kind === 'anchors_zero_fee_htlc_tx', keys);
  const candidates = htlcs.map((htlc) => {
    const witnessScript = (htlc.offered ? scripts.received : scripts.offered)(htlc.paymentHash, htlc.cltvExpiry);
    return { htlc, witnessScript, scriptPubKey: p2wsh(witnessScript) };
  });
  const taken = new Set<number>();
  const take = (placed: Placed) => {
    // Of two HTLCs with one script the amounts decide; where these are the same too it makes no difference.
    const at = candidates.findIndex(
      ({ htlc, scriptPubKey }, index) =>
        !taken.has(index) && htlc.amountMsat / 1000n === placed.amountSat && equal(scriptPubKey, placed.scriptPubKey),
    );
    taken.add(at);
    return candidates[at];
  };

  return placedOutputs(transaction).map((placed): CloseOutput => {
    if (equal(placed.scriptPubKey, delayedScriptPubKey)) return delayed(placed, height);
    if (equal(placed.scriptPubKey, toRemoteScript(facts.remote))) return toRemote(facts.remote, placed, height);
    const found = take(placed);
    if (found === undefined) return { ...unknown(placed, height), secondStage: secondStage() };
    const { htlc, witnessScript } = found;
    return {
      ...placed,
      what: 'penalty',
      htlc,
      claim: {
        tag: 'direct',
        key,
        witnessScript,
        sequence: rbfSequence,
        lockTime: 0,
        weight: claimWitnessWeight.htlcPenalty(witnessScript.length),
        witness: (signature) => htlcPenaltyWitness(signature, keys.revocationPubkey, witnessScript),
      },
      fromHeight: height,
      deadline: height + toSelfDelay,
      takenByUs: byCounterparty,
      secondStage: secondStage(htlc),
    };
  });
}
