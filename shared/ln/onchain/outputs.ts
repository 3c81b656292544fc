/**
 * The outputs that a close left in the chain, and for each what it is to us: how we claim it, from which height, until when, and how
 * to tell from a witness who took it. BOLT 5 § Unilateral Close Handling, § Revoked Transaction Close Handling.
 *
 * Derived anew at each step from the facts and never stored; a claim here is a possibility, `claims.ts` makes transactions of it.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equal, toHex } from '../../lib/bytes.ts';
import type { SpendKey } from '../signer/signer.ts';
import {
  anchorsCsvSequence,
  claimWitnessWeight,
  htlcOfferedPreimageWitness,
  htlcReceivedTimeoutWitness,
  p2wpkhWitness,
  rbfSequence,
  toLocalDelayedWitness,
  toRemoteAnchorsWitness,
} from '../tx/claim.ts';
import type { CommitmentTemplate, CommitmentTx } from '../tx/commitment.ts';
import { type HtlcTx, htlcTransactions } from '../tx/htlc.ts';
import type { ParsedTransaction } from '../tx/parse.ts';
import { p2wpkh, p2wsh, toRemoteAnchorsWitnessScript } from '../tx/scripts.ts';
import type { Outpoint } from '../tx/transaction.ts';
import type { ChannelFacts, HtlcFact, Sweep } from './types.ts';

/** One input, our own signature, all of the value (less the fee) to our wallet. */
export type DirectClaim = {
  readonly tag: 'direct';
  readonly key: SpendKey;
  /** Absent for P2WPKH. */
  readonly witnessScript?: Uint8Array;
  readonly sequence: number;
  readonly lockTime: number;
  readonly weight: number;
  readonly witness: (signature: Uint8Array) => readonly Uint8Array[];
};

/** The HTLC transaction that the peer signed with our own commitment. */
export type SecondStageClaim = {
  readonly tag: 'second-stage';
  readonly template: CommitmentTemplate;
  readonly htlcTx: HtlcTx;
  readonly remoteSignature: Uint8Array;
  readonly preimage?: Uint8Array;
};

export type CloseOutput = {
  readonly what: Sweep['what'];
  readonly outpoint: Outpoint;
  readonly amountSat: bigint;
  readonly scriptPubKey: Uint8Array;
  readonly htlc?: HtlcFact;
  /** Absent if there is nothing that we could do: no preimage, or not ours. */
  readonly claim?: DirectClaim | SecondStageClaim;
  /** The claim may be sent once the tip is so high. */
  readonly fromHeight: number;
  /** Height at which somebody else may take it. */
  readonly deadline?: number;
  /** Who took it, by the witness of the spending input. */
  readonly takenByUs: (witness: readonly Uint8Array[]) => boolean;
  /** Outputs of its spender that carry this script are the second stage; `secondStageOf` says what they are to us. */
  readonly secondStage?: SecondStage;
};

export type SecondStage = {
  readonly scriptPubKey: Uint8Array;
  readonly output: (outpoint: Outpoint, amountSat: bigint, height: number) => CloseOutput;
};

/** A confirmed commitment: what was classified, and the height. */
type Confirmed = { readonly txid: Uint8Array; readonly height: number; readonly preimageOf: ReturnType<typeof preimageFinder> };

/** An HTLC that timed out is to be back before whoever paid through us closes; their expiry is some more blocks away. */
const reclaimWithin = 18;

const always = (): boolean => true;
/** BOLT 3 lets anybody spend an anchor without a signature, 16 blocks later. */
const signed = (witness: readonly Uint8Array[]): boolean => (witness[0]?.length ?? 0) > 0;
const secondItemEmpty = (witness: readonly Uint8Array[]): boolean => (witness[1]?.length ?? 0) === 0;
/** Only the second-stage transactions show both signatures: `0 <sig> <sig> <preimage or nothing> <script>`. */
const byHolder = (witness: readonly Uint8Array[]): boolean => witness.length === 5;
export const byCounterparty = (witness: readonly Uint8Array[]): boolean => witness.length === 3;

/** The tip height from which an output that waits `blocks` after its own confirmation may be spent in the next block. */
const afterCsv = (height: number, blocks: number): number => height + Math.max(blocks, 1) - 1;

/** Looks for the preimage of a payment hash; each preimage is hashed once. */
export function preimageFinder(preimages: readonly Uint8Array[]): (paymentHash: Uint8Array) => Uint8Array | undefined {
  const byHash = new Map(preimages.map((preimage) => [toHex(sha256(preimage)), preimage]));
  return (paymentHash) => byHash.get(toHex(paymentHash));
}

/** BOLT 5 § Unilateral Close Handling: Local Commitment Transaction. */
export function localOutputs(
  local: ChannelFacts['local'],
  built: CommitmentTx,
  { txid, height, preimageOf }: Confirmed,
): readonly CloseOutput[] {
  const { template, htlcSignatures } = local;
  const { perCommitmentPoint, toSelfDelay } = template;
  const secondStages = htlcTransactions(template, built);
  const signatureAt = new Map(secondStages.map(({ vout }, index) => [vout, htlcSignatures[index]]));
  const secondStageAt = new Map(secondStages.map((htlcTx) => [htlcTx.vout, htlcTx]));
  const delayed = (witnessScript: Uint8Array): DirectClaim => ({
    tag: 'direct',
    key: { kind: 'delayed', perCommitmentPoint },
    witnessScript,
    sequence: toSelfDelay,
    lockTime: 0,
    weight: claimWitnessWeight.toLocalDelayed(witnessScript.length),
    witness: (signature) => toLocalDelayedWitness(signature, witnessScript),
  });

  return built.outputs.flatMap((output, vout): CloseOutput[] => {
    const { amountSat, scriptPubKey } = output;
    const base = { outpoint: { txid, vout }, amountSat, scriptPubKey };
    // BOLT 5: "MUST wait until the `OP_CHECKSEQUENCEVERIFY` delay has passed [...] before spending the output."
    if (output.role === 'to-local' && output.witnessScript)
      return [
        {
          ...base,
          what: 'to-local',
          claim: delayed(output.witnessScript),
          fromHeight: afterCsv(height, toSelfDelay),
          takenByUs: secondItemEmpty,
        },
      ];
    if (output.role === 'to-local-anchor') return [{ ...base, what: 'anchor', fromHeight: height, takenByUs: signed }];
    if (!('htlc' in output)) return [];

    const { htlc } = output;
    const htlcTx = secondStageAt.get(vout);
    const remoteSignature = signatureAt.get(vout);
    const preimage = htlc.offered ? undefined : preimageOf(htlc.paymentHash);
    const script = htlcTx?.outputWitnessScript;
    const second: SecondStage | undefined = script && {
      scriptPubKey: p2wsh(script),
      output: (outpoint: Outpoint, value: bigint, confirmed: number): CloseOutput => ({
        what: 'second-stage',
        outpoint,
        amountSat: value,
        scriptPubKey: p2wsh(script),
        htlc,
        claim: delayed(script),
        fromHeight: afterCsv(confirmed, toSelfDelay),
        takenByUs: secondItemEmpty,
      }),
    };
    const claimable = htlcTx && remoteSignature && (htlc.offered || preimage);
    return [
      {
        ...base,
        what: htlc.offered ? 'offered-htlc' : 'received-htlc',
        htlc,
        ...(claimable && { claim: { tag: 'second-stage', template, htlcTx, remoteSignature, ...(preimage && { preimage }) } }),
        // BOLT 5: "The HTLC output has *timed out* once the height of the latest block is equal to or greater than the HTLC `cltv_expiry`."
        fromHeight: htlc.offered ? Math.max(height, htlc.cltvExpiry) : height,
        deadline: htlc.offered ? htlc.cltvExpiry + reclaimWithin : htlc.cltvExpiry,
        takenByUs: byHolder,
        ...(second && { secondStage: second }),
      },
    ];
  });
}

/** BOLT 5 § Unilateral Close Handling: Remote Commitment Transaction. */
export function remoteOutputs(
  template: CommitmentTemplate,
  built: CommitmentTx,
  { txid, height, preimageOf }: Confirmed,
): readonly CloseOutput[] {
  const anchors = template.kind === 'anchors_zero_fee_htlc_tx';
  const { perCommitmentPoint } = template;
  return built.outputs.flatMap((output, vout): CloseOutput[] => {
    const base = { outpoint: { txid, vout }, amountSat: output.amountSat, scriptPubKey: output.scriptPubKey };
    if (output.role === 'to-remote') return [toRemote(template, base, height)];
    if (!('htlc' in output)) return [];

    const { witnessScript } = output;
    // The holder is the peer: what it offered we receive.
    const htlc: HtlcFact = { ...output.htlc, offered: !output.htlc.offered };
    const preimage = htlc.offered ? undefined : preimageOf(htlc.paymentHash);
    const direct = {
      tag: 'direct',
      key: { kind: 'htlc', perCommitmentPoint },
      witnessScript,
      sequence: anchors ? anchorsCsvSequence : rbfSequence,
    } as const;
    const byTimeout: DirectClaim = {
      ...direct,
      lockTime: htlc.cltvExpiry,
      weight: claimWitnessWeight.htlcReceivedTimeout(witnessScript.length),
      witness: (signature) => htlcReceivedTimeoutWitness(signature, witnessScript),
    };
    const byPreimage: DirectClaim | undefined = preimage && {
      ...direct,
      lockTime: 0,
      weight: claimWitnessWeight.htlcOfferedPreimage(witnessScript.length),
      witness: (signature) => htlcOfferedPreimageWitness(signature, preimage, witnessScript),
    };
    const claim = htlc.offered ? byTimeout : byPreimage;
    return [
      {
        ...base,
        what: htlc.offered ? 'offered-htlc' : 'received-htlc',
        htlc,
        ...(claim && { claim }),
        fromHeight: htlc.offered ? Math.max(height, htlc.cltvExpiry) : height,
        deadline: htlc.offered ? htlc.cltvExpiry + reclaimWithin : htlc.cltvExpiry,
        takenByUs: byCounterparty,
      },
    ];
  });
}

export type Placed = Pick<CloseOutput, 'outpoint' | 'amountSat' | 'scriptPubKey'>;

/** Ours on any commitment of the peer: with `option_static_remotekey` it needs nothing but our payment key. */
export function toRemote({ kind, counterparty }: CommitmentTemplate, placed: Placed, height: number): CloseOutput {
  const pubkey = counterparty.paymentBasepoint;
  const shared = { ...placed, what: 'to-remote', fromHeight: height, takenByUs: always } as const;
  const direct = { tag: 'direct', key: { kind: 'payment' }, lockTime: 0 } as const;
  if (kind === 'static_remotekey')
    return {
      ...shared,
      claim: {
        ...direct,
        sequence: rbfSequence,
        weight: claimWitnessWeight.p2wpkh(),
        witness: (signature) => p2wpkhWitness(signature, pubkey),
      },
    };
  const witnessScript = toRemoteAnchorsWitnessScript(pubkey);
  return {
    ...shared,
    claim: {
      ...direct,
      witnessScript,
      sequence: anchorsCsvSequence,
      weight: claimWitnessWeight.toRemoteAnchors(witnessScript.length),
      witness: (signature) => toRemoteAnchorsWitness(signature, witnessScript),
    },
  };
}

export const toRemoteScript = ({ kind, counterparty }: CommitmentTemplate): Uint8Array =>
  kind === 'static_remotekey' ? p2wpkh(counterparty.paymentBasepoint) : p2wsh(toRemoteAnchorsWitnessScript(counterparty.paymentBasepoint));

/** A newer commitment than we know of, after we lost data: `to_remote` is ours, the rest is watched for preimages only. */
export const futureOutputs = (transaction: ParsedTransaction, facts: ChannelFacts, height: number): readonly CloseOutput[] =>
  placedOutputs(transaction).map((placed) =>
    equal(placed.scriptPubKey, toRemoteScript(facts.remote)) ? toRemote(facts.remote, placed, height) : unknown(placed, height),
  );

export const placedOutputs = ({ txid, outputs }: ParsedTransaction): readonly Placed[] =>
  outputs.map(({ amountSat, scriptPubKey }, vout) => ({ outpoint: { txid, vout }, amountSat, scriptPubKey }));

export const unknown = (placed: Placed, height: number): CloseOutput => ({
  ...placed,
  what: 'penalty',
  fromHeight: height,
  takenByUs: () => false,
});
