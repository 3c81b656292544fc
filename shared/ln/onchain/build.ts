/**
 * Signed claims, one output each: nothing that a claim waits for can hold up another, and none is invalid because somebody took an
 * output that it shared. BOLT 5. Fees come from the output itself, or for `option_anchors` from coins of the wallet.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import type { SignerError, SignerGuard } from '../signer/signer.ts';
import { anchorWitness, buildClaim, claimWeight, claimWitnessWeight, rbfSequence } from '../tx/claim.ts';
import { dustLimitOf } from '../tx/dust.ts';
import { htlcTxWitness } from '../tx/htlc.ts';
import { serializeTransaction, type Transaction, txidOf, withWitnesses } from '../tx/transaction.ts';
import { coinInput, coinWitnesses, type Funding, fundFee } from './coins.ts';
import { cappedFeerate, feeCapSat, feeSat, relayFeeratePerKw, type Urgency } from './fees.ts';
import type { CloseOutput, DirectClaim, SecondStageClaim } from './outputs.ts';
import type { Attempt, Coin, OnchainEnv } from './types.ts';
import { secondStageKeepSat, secondStageWitnessWeight } from './worth.ts';

/** What a claim may pay, and with which coins. */
export type Terms = {
  readonly feeratePerKw: number;
  /** Below it the transaction would not be relayed, or would not replace the one before. */
  readonly leastFeeratePerKw: number;
  readonly urgency: Urgency;
  readonly coins: readonly Coin[];
  readonly sweepIndex: number;
  readonly guard: SignerGuard;
};

export type NotBuilt = { readonly code: 'uneconomic' | 'no-coins' } | SignerError;
type Built = Result<Attempt, NotBuilt>;

type Capped = { readonly weight: number; readonly capSat: bigint };

/** Within the cap, or undefined if that is too little to be relayed. */
function within({ weight, capSat }: Capped, terms: Terms): number | undefined {
  const feerate = cappedFeerate(terms.feeratePerKw, weight, capSat);
  return feerate < terms.leastFeeratePerKw ? undefined : feerate;
}

const attemptOf = (transaction: Transaction, feeratePerKw: number, env: OnchainEnv): Attempt => ({
  inputs: transaction.inputs.map(({ outpoint }) => outpoint),
  transaction: serializeTransaction(transaction),
  txid: txidOf(transaction),
  feeratePerKw,
  madeAtHeight: env.height,
});

export function buildDirect(output: CloseOutput, claim: DirectClaim, terms: Terms, env: OnchainEnv): Built {
  const { outpoint, amountSat } = output;
  const scriptPubKey = env.wallet.scriptPubKey(terms.sweepIndex);
  const weight = claimWeight([claim], [scriptPubKey]);
  const capSat = feeCapSat(amountSat, dustLimitOf(scriptPubKey), terms.urgency.deadline, env.height);
  const feerate = within({ weight, capSat }, terms);
  if (feerate === undefined) return err({ code: 'uneconomic' });
  const transaction = buildClaim({
    inputs: [{ outpoint, sequence: claim.sequence }],
    outputs: [{ amountSat: amountSat - feeSat(feerate, weight), scriptPubKey }],
    lockTime: claim.lockTime,
  });
  const signature = env.signer.signSpend({
    transaction,
    inputIndex: 0,
    amountSat,
    ...(claim.witnessScript && { witnessScript: claim.witnessScript }),
    key: claim.key,
    sweepIndex: terms.sweepIndex,
  });
  if (!signature.ok) return signature;
  return ok(attemptOf(withWitnesses(transaction, [claim.witness(signature.value)]), feerate, env));
}

/** With anchors the peer signed for input and output alone: coins and change go beside them. Without, it stands as it is. */
export function buildSecondStage(output: CloseOutput, claim: SecondStageClaim, terms: Terms, env: OnchainEnv): Built {
  const { template, htlcTx } = claim;
  const anchors = template.kind === 'anchors_zero_fee_htlc_tx';
  const witnessWeight = secondStageWitnessWeight(claim);
  const changeScript = env.wallet.scriptPubKey(terms.sweepIndex);
  const scripts = htlcTx.transaction.outputs.map(({ scriptPubKey }) => scriptPubKey);
  const weightWith = (coins: number): number =>
    claimWeight(
      [{ weight: witnessWeight }, ...Array.from({ length: coins }, () => ({ weight: claimWitnessWeight.p2wpkh() }))],
      [...scripts, changeScript],
    );

  let funded: (Funding & { readonly feerate: number }) | undefined;
  if (anchors) {
    const capSat = feeCapSat(output.amountSat, secondStageKeepSat(claim), terms.urgency.deadline, env.height);
    const feerate = within({ weight: weightWith(1), capSat }, terms);
    if (feerate === undefined) return err({ code: 'uneconomic' });
    funded = fundAt(feerate, terms, { spareSat: 0n, changeScript, capSat }, (rate, count) => feeSat(rate, weightWith(count)));
    if (funded === undefined) return err({ code: 'no-coins' });
  }
  const { transaction: bare } = htlcTx;
  const transaction: Transaction = funded
    ? {
        ...bare,
        inputs: [...bare.inputs, ...funded.coins.map((coin) => ({ ...coinInput(coin), witness: [] }))],
        outputs: [...bare.outputs, funded.change],
      }
    : bare;
  const signature = env.signer.signHtlc(
    { template, vout: htlcTx.vout, transaction, inputIndex: 0, sweepIndex: terms.sweepIndex },
    terms.guard,
  );
  if (!signature.ok) return signature;
  const witness = htlcTxWitness(htlcTx, template.kind, claim.remoteSignature, signature.value, claim.preimage);
  const coinsSigned = coinWitnesses(transaction, 1, funded?.coins ?? [], env.wallet);
  return ok(attemptOf(withWitnesses(transaction, [witness, ...coinsSigned]), funded?.feerate ?? template.feeratePerKw, env));
}

/** At the feerate wished for, or with too little money at the least that is relayed. Many small coins must not cost more than the cap. */
function fundAt(
  feerate: number,
  { coins, leastFeeratePerKw }: Terms,
  { spareSat, changeScript, capSat }: { readonly spareSat: bigint; readonly changeScript: Uint8Array; readonly capSat: bigint },
  feeSatWith: (feerate: number, coinCount: number) => bigint,
): (Funding & { readonly feerate: number }) | undefined {
  for (const rate of [feerate, leastFeeratePerKw]) {
    const funding = fundFee(coins, spareSat, changeScript, (count) => feeSatWith(rate, count));
    if (funding && feeSatWith(rate, funding.coins.length) <= capSat) return { ...funding, feerate: rate };
  }
  return undefined;
}

/** Our own commitment, unconfirmed, and what its anchor child may cost. */
export type Package = {
  readonly anchor: Pick<CloseOutput, 'outpoint' | 'amountSat'> & { readonly witnessScript: Uint8Array };
  readonly weight: number;
  readonly feeSat: bigint;
  /** What we have in it. */
  readonly ourSat: bigint;
};

/** BOLT 5: "MUST spend any `to_local_anchor` output, providing sufficient fees as incentive to include the commitment transaction in a block." */
export function buildAnchorChild({ anchor, weight, feeSat: paidSat, ourSat }: Package, given: Terms, env: OnchainEnv): Built {
  // Below what the commitment pays by itself a child would hold it back.
  const own = Number((paidSat * 1000n) / BigInt(weight)) + 1;
  const terms: Terms = { ...given, leastFeeratePerKw: Math.max(given.leastFeeratePerKw, own) };
  const changeScript = env.wallet.scriptPubKey(terms.sweepIndex);
  const witnessWeight = claimWitnessWeight.anchor(anchor.witnessScript.length);
  const childWeight = (coins: number): number =>
    claimWeight(
      [{ weight: witnessWeight }, ...Array.from({ length: coins }, () => ({ weight: claimWitnessWeight.p2wpkh() }))],
      [changeScript],
    );
  const capSat = ourSat / 2n;
  const feerate = within({ weight: weight + childWeight(1), capSat: capSat + paidSat }, terms);
  if (feerate === undefined) return err({ code: 'uneconomic' });
  const childFeeSat = (rate: number, coins: number): bigint => {
    const alone = feeSat(relayFeeratePerKw, childWeight(coins));
    const both = feeSat(rate, weight + childWeight(coins)) - paidSat;
    return both > alone ? both : alone;
  };
  const funded = fundAt(feerate, terms, { spareSat: anchor.amountSat, changeScript, capSat }, childFeeSat);
  if (funded === undefined) return err({ code: 'no-coins' });
  const transaction = buildClaim({
    inputs: [{ outpoint: anchor.outpoint, sequence: rbfSequence }, ...funded.coins.map(coinInput)],
    outputs: [funded.change],
    lockTime: 0,
  });
  const signature = env.signer.signSpend({
    transaction,
    inputIndex: 0,
    amountSat: anchor.amountSat,
    witnessScript: anchor.witnessScript,
    key: { kind: 'anchor' },
    sweepIndex: terms.sweepIndex,
  });
  if (!signature.ok) return signature;
  const witnesses = [anchorWitness(signature.value, anchor.witnessScript), ...coinWitnesses(transaction, 1, funded.coins, env.wallet)];
  return ok(attemptOf(withWitnesses(transaction, witnesses), funded.feerate, env));
}
