/**
 * Which transactions of ours should be in the mempool now: made, kept, or replaced at a higher fee. BOLT 5.
 *
 * Attempts follow from the view at each step; one that is not wanted any more (its output was taken, its commitment re-organised
 * away) is simply not made again. They are kept until their own confirmation is deep, so a re-org finds them.
 */
import { equal } from '../../lib/bytes.ts';
import type { Result } from '../../lib/result.ts';
import type { SignerGuard } from '../signer/signer.ts';
import { parseTransaction } from '../tx/parse.ts';
import type { Outpoint } from '../tx/transaction.ts';
import { transactionWeight, witnessWeight } from '../tx/weight.ts';
import { buildAnchorChild, buildDirect, buildSecondStage, type NotBuilt, type Package, type Terms } from './build.ts';
import { builtOnce } from './built.ts';
import { sameOutpoint } from './classify.ts';
import { bumpedFeerate, estimatedFeerate, feeSat, relayFeeratePerKw, replacingFeerate, type Urgency } from './fees.ts';
import { preimageFinder } from './outputs.ts';
import { type Attempt, type ChannelFacts, type OnchainEnv, type OnchainState, settledDepth } from './types.ts';
import { depthOf, type View, type ViewOutput } from './view.ts';
import { isWorthClaiming } from './worth.ts';

export type Claims = {
  readonly attempts: readonly Attempt[];
  readonly guard: SignerGuard;
  /** Something waits for a coin that pays its fee. */
  readonly coinsShort: boolean;
  /** What the signer refused, in its words: a bug of ours, or a state that is not what it seems. */
  readonly refused: readonly string[];
};

type Job = {
  readonly outpoint: Outpoint;
  readonly urgency: Urgency;
  /** Absent: nothing new is made, what stands is kept. */
  readonly build?: (terms: Terms) => Result<Attempt, NotBuilt>;
};

const patience = { commitment: 12, penalty: 6, claim: 144 } as const;

export function planClaims(state: OnchainState, facts: ChannelFacts, view: View, env: OnchainEnv): Claims {
  const published = publish(state, facts, view, env);
  const { guard } = published;
  const jobs = [...published.jobs, ...view.outputs.flatMap((output) => jobOf(output, env))].toSorted(byDeadline);
  const priorOf = (job: Job): Attempt | undefined =>
    state.attempts.find(({ inputs: [first] }) => first !== undefined && sameOutpoint(first, job.outpoint));
  const kept = keptAttempts(state, view, env.height);

  const attempts = [...published.attempts];
  const refused = [...published.refused];
  let coinsShort = false;
  // Coins of attempts that still stand belong to them, even where a more urgent claim comes first.
  const inUse = jobs.flatMap((job) => priorOf(job)?.inputs.slice(1) ?? []).concat(kept.flatMap(({ inputs }) => inputs.slice(1)));
  for (const job of jobs) {
    const prior = priorOf(job);
    const own = prior?.inputs.slice(1) ?? [];
    const free = (outpoint: Outpoint): boolean => !inUse.some((used) => sameOutpoint(used, outpoint));
    const coins = env.coins.filter(({ outpoint }) => free(outpoint) || own.some((one) => sameOutpoint(one, outpoint)));
    const stands = own.every((used) => coins.some(({ outpoint }) => sameOutpoint(used, outpoint)));
    const feeratePerKw = dueFeerate(job, prior, stands, env);
    const built =
      feeratePerKw === undefined
        ? undefined
        : job.build?.({
            feeratePerKw,
            leastFeeratePerKw: prior && stands ? replacingFeerate(prior.feeratePerKw) : relayFeeratePerKw,
            urgency: job.urgency,
            coins,
            sweepIndex: state.sweepIndex,
            guard,
          });
    if (built && !built.ok && built.error.code === 'no-coins' && !(prior && stands)) coinsShort = true;
    if (built && !built.ok && 'detail' in built.error) refused.push(`${built.error.code}: ${built.error.detail}`);
    const attempt = built?.ok ? built.value : prior;
    if (attempt === undefined) continue;
    attempts.push(attempt);
    inUse.push(...attempt.inputs.slice(1));
  }
  return { attempts: [...attempts, ...kept], guard, coinsShort, refused };
}

/** The most urgent claim chooses its coins first. */
function byDeadline(a: Job, b: Job): number {
  const [first, second] = [a.urgency.deadline ?? Number.MAX_SAFE_INTEGER, b.urgency.deadline ?? Number.MAX_SAFE_INTEGER];
  return first - second;
}

/** Undefined: what stands is good for now. */
function dueFeerate(job: Job, prior: Attempt | undefined, stands: boolean, env: OnchainEnv): number | undefined {
  const estimate = estimatedFeerate(job.urgency, env.height, env.feerateFor);
  if (prior === undefined) return estimate;
  return stands ? bumpedFeerate(prior, job.urgency, env.height, estimate) : Math.max(prior.feeratePerKw, estimate);
}

/** Ours that are in the chain, not yet deep: should a re-org take them out, they are sent again as they are. */
const keptAttempts = (state: OnchainState, view: View, height: number): readonly Attempt[] =>
  state.attempts.filter(({ txid }) => {
    const spenders = [view.close?.spender, ...view.outputs.map(({ spender }) => spender)];
    return spenders.some((spender) => spender && equal(spender.txid, txid) && depthOf(spender, height) < settledDepth);
  });

function jobOf(output: ViewOutput, env: OnchainEnv): readonly Job[] {
  const { claim, outpoint, deadline, fromHeight, spender, what } = output;
  if (spender) return [];
  // The child of our commitment, mined without it: it still holds its coin, and its turn comes.
  if (what === 'anchor') return [{ outpoint, urgency: { patience: patience.claim } }];
  if (claim === undefined || env.height < fromHeight || !isWorthClaiming(output)) return [];
  const urgency = { ...(deadline !== undefined && { deadline }), patience: what === 'penalty' ? patience.penalty : patience.claim };
  if (claim.tag === 'direct') return [{ outpoint, urgency, build: (terms) => buildDirect(output, claim, terms, env) }];
  return [{ outpoint, urgency, build: (terms) => buildSecondStage(output, claim, terms, env) }];
}

type Published = Pick<Claims, 'guard' | 'attempts' | 'refused'> & { readonly jobs: readonly Job[] };

/** Our own commitment, wished for and not yet in the chain; or in the chain, so that the signer must know. */
function publish(state: OnchainState, facts: ChannelFacts, view: View, env: OnchainEnv): Published {
  const nothing = { guard: facts.guard, attempts: [], refused: [], jobs: [] };
  const { local, guard } = facts;
  // BOLT 5: "if the node knows or assumes its channel state is outdated: - MUST NOT broadcast its *last commitment transaction*."
  const wished = state.publishing && !facts.dataLost && view.close === undefined;
  const confirmed = view.close?.classified.kind === 'local';
  if (!wished && !(confirmed && guard.localPublished === undefined)) return nothing;
  const signed = env.signer.signLocalCommitment(local.template, local.remoteSignature, guard);
  if (!signed.ok) return { ...nothing, refused: [`${signed.error.code}: ${signed.error.detail}`] };
  if (!wished) return { ...nothing, guard: signed.value.guard };

  const parsed = parseTransaction(signed.value.transaction);
  const built = builtOnce(local.template);
  if (!parsed.ok || !built.ok) throw new Error('the signer signed a commitment that is none');
  const { value: transaction } = parsed;
  const prior = state.attempts.find(({ txid }) => equal(txid, transaction.txid));
  const attempt: Attempt = prior ?? {
    inputs: [facts.fundingOutpoint],
    transaction: signed.value.transaction,
    txid: transaction.txid,
    feeratePerKw: local.template.feeratePerKw,
    madeAtHeight: env.height,
  };
  const weight = transactionWeight(
    transaction.inputs.map(({ witness }) => witnessWeight(witness.map(({ length }) => length))),
    transaction.outputs.map(({ scriptPubKey }) => scriptPubKey),
  );
  const preimageOf = preimageFinder(state.preimages);
  const ours = built.value.outputs.filter(
    (output) =>
      output.role === 'to-local' || ('htlc' in output && (output.htlc.offered || preimageOf(output.htlc.paymentHash) !== undefined)),
  );
  const vout = built.value.outputs.findIndex(({ role }) => role === 'to-local-anchor');
  const anchor = built.value.outputs[vout];
  const expiries = ours.flatMap((output) => ('htlc' in output ? [output.htlc.cltvExpiry] : []));
  const urgency = { ...(expiries.length > 0 && { deadline: Math.min(...expiries) }), patience: patience.commitment };
  const enough = built.value.feeSat >= feeSat(estimatedFeerate(urgency, env.height, env.feerateFor), weight);
  if (anchor?.witnessScript === undefined) return { guard: signed.value.guard, attempts: [attempt], refused: [], jobs: [] };
  const outpoint = { txid: transaction.txid, vout };
  const whole: Package = {
    anchor: { outpoint, amountSat: anchor.amountSat, witnessScript: anchor.witnessScript },
    weight,
    feeSat: built.value.feeSat,
    ourSat: ours.reduce((sum, { amountSat }) => sum + amountSat, 0n),
  };
  const child: Job = { outpoint, urgency, ...(!enough && { build: (terms) => buildAnchorChild(whole, terms, env) }) };
  return { guard: signed.value.guard, attempts: [attempt], refused: [], jobs: [child] };
}
