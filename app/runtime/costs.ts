/** What opening and closing cost at the fees of now, for the page to show before it is done. Estimates: nothing is signed or set aside. */
import type { Result } from '../../shared/lib/result.ts';
import { type Commitments, feerateIn, specOf } from '../../shared/ln/channel/commitments.ts';
import { claimWeight, claimWitnessWeight } from '../../shared/ln/tx/claim.ts';
import { closingWeight } from '../../shared/ln/tx/closing.ts';
import { isTrimmed } from '../../shared/ln/tx/trim.ts';
import { anchorsSat, type ChannelKind, commitmentFeeSat } from '../../shared/ln/tx/weight.ts';
import { spendable } from '../../shared/ln/wallet/coins.ts';
import { type FundingTx, fundTransaction, type NotEnough } from '../../shared/ln/wallet/funding.ts';
import { loadWallet, setting } from '../store/store.ts';
import type { CloseEstimate, OpenEstimate, Speed } from './api.ts';
import { feerateFor } from './fees.ts';
import type { NodeKeys } from './keys.ts';
import type { Ports } from './ports.ts';

type FeerateFor = (blocks: number) => number;

/** Blocks; what the relay estimates for. */
const targets: { readonly [S in Speed]: number } = { fast: 2, normal: 6, slow: 72 };
/** More than there is: what it lacks tells what all coins together could pay. */
const ALL_SAT = 2_100_000_000_000_000n;
/** Of the forms that outputs of a channel have; only the lengths count. */
const walletScript = new Uint8Array(22);
const longScript = new Uint8Array(34);

export const perKw = (satPerVb: number): number => Math.max(253, Math.round(satPerVb * 250));
/** One digit behind the point, never less than what it stands for. */
const perVb = (feeratePerKw: number): number => Math.ceil(feeratePerKw / 25) / 10;
const vbytes = (weight: number): number => Math.ceil(weight / 4);
const feeSat = (feeratePerKw: number, weight: number): bigint => (BigInt(feeratePerKw) * BigInt(weight) + 999n) / 1000n;

const rates = (feerate: FeerateFor): CloseEstimate['feerates'] => ({
  fast: perVb(feerate(targets.fast)),
  normal: perVb(feerate(targets.normal)),
  slow: perVb(feerate(targets.slow)),
});

/** With anchors the fee can be raised when it counts, so it need only be relayed by then; without, it must do for a busy day. */
export const commitmentFeerate = (kind: ChannelKind, feerate: FeerateFor): number =>
  kind === 'anchors_zero_fee_htlc_tx' ? Math.min(feerate(targets.normal), 2_500) : feerate(targets.fast);

export async function fundingCost(
  ports: Pick<Ports, 'db'>,
  keys: Pick<NodeKeys, 'wallet'>,
  amountSat: bigint,
  feeratePerKw: number,
): Promise<Result<FundingTx, NotEnough>> {
  const [{ state }, chain] = await Promise.all([loadWallet(ports.db), setting(ports.db, 'chain')]);
  const coins = spendable(state, chain?.height ?? 0);
  // Nothing is signed: the weights count the longest signatures anyway.
  const blank = { ...keys.wallet, sign: () => new Uint8Array(64).fill(1) };
  const changeIndex = state.nextIndex + 1;
  return fundTransaction({ coins, scriptPubKey: longScript, amountSat, feeratePerKw, changeIndex, lockTime: 0 }, blank);
}

export async function openEstimate(ports: Pick<Ports, 'db'>, keys: Pick<NodeKeys, 'wallet'>, amountSat: bigint): Promise<OpenEstimate> {
  const [{ state }, chain, feerate] = await Promise.all([loadWallet(ports.db), setting(ports.db, 'chain'), feerateFor(ports)]);
  const choice = async (speed: Speed): Promise<OpenEstimate['choices'][Speed]> => {
    const satPerVb = perVb(feerate(targets[speed]));
    const [cost, all] = await Promise.all([
      fundingCost(ports, keys, amountSat, perKw(satPerVb)),
      fundingCost(ports, keys, ALL_SAT, perKw(satPerVb)),
    ]);
    const maxSat = all.ok ? 0n : all.error.availableSat - (all.error.neededSat - ALL_SAT);
    return {
      satPerVb,
      maxSat: (maxSat > 0n ? maxSat : 0n).toString(),
      ...(cost.ok ? { feeSat: cost.value.feeSat.toString() } : {}),
    };
  };
  const [fast, normal, slow] = await Promise.all([choice('fast'), choice('normal'), choice('slow')]);
  return {
    spendableSat: spendable(state, chain?.height ?? 0)
      .reduce((sum, coin) => sum + coin.amountSat, 0n)
      .toString(),
    choices: { fast, normal, slow },
  };
}

/** Of the claims from our own commitment: what waits for `to_self_delay`, and each HTLC in two stages. */
export function closeEstimate(commitments: Commitments, simpleClose: boolean, feerate: FeerateFor): CloseEstimate {
  const { terms, localShutdownScript = walletScript, remoteShutdownScript = longScript, htlcs } = commitments;
  const { kind, localIsOpener, local, remote } = terms;
  const feeratePerKw = feerateIn(commitments, 'local');
  const spec = specOf(commitments, 'local');
  const rules = { kind, dustLimitSat: local.dustLimitSat, feeratePerKw };
  const onChain = spec.htlcs.filter(({ by, amountMsat }) => !isTrimmed(rules, { offered: by === 'local', amountMsat }));
  const now = feerate(targets.normal);
  const sweep = feeSat(now, claimWeight([{ weight: claimWitnessWeight.toLocalDelayed(delayedScriptBytes) }], [walletScript]));
  const secondStage = feeSat(kind === 'static_remotekey' ? feeratePerKw : now, secondStageWeight);
  const claims = BigInt(onChain.length) * (sweep + secondStage) + (spec.toLocalMsat / 1000n >= local.dustLimitSat ? sweep : 0n);
  const commitment = localIsOpener ? commitmentFeeSat(kind, feeratePerKw, onChain.length) + anchorsSat(kind) : 0n;
  return {
    feerates: rates(feerate),
    closeVbytes: vbytes(closingWeight([localShutdownScript, remoteShutdownScript])),
    closePaidByUs: localIsOpener || simpleClose,
    forceFeeSat: (commitment + claims).toString(),
    forceBlocks: remote.toSelfDelay,
    htlcs: htlcs.length,
  };
}

/** BOLT 3 § Commitment Transaction Outputs: the script of `to_local`, with a delay of two bytes. */
const delayedScriptBytes = 77;
/** BOLT 3 Appendix A: of an HTLC-success transaction, the heavier one; with anchors a coin of ours and its change join it. */
const secondStageWeight = 706;
