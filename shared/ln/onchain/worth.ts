/** What is too small to be claimed: at the lowest of fees more would go to miners than to us. */
import { claimWeight, claimWitnessWeight } from '../tx/claim.ts';
import { feeSat, relayFeeratePerKw } from './fees.ts';
import type { CloseOutput, SecondStageClaim } from './outputs.ts';

/** P2WPKH: where a wallet of ours is paid. */
const walletScript = new Uint8Array(22);
const walletDustSat = 294n;
const leastSat = (witnessWeight: number): bigint =>
  walletDustSat + feeSat(relayFeeratePerKw, claimWeight([{ weight: witnessWeight }], [walletScript]));

/** What the output of a second stage must hold for its own sweep to make sense. */
export const secondStageKeepSat = ({ htlcTx }: SecondStageClaim): bigint =>
  leastSat(claimWitnessWeight.toLocalDelayed(htlcTx.outputWitnessScript.length));

export const secondStageWitnessWeight = ({ htlcTx }: SecondStageClaim): number =>
  htlcTx.kind === 'success'
    ? claimWitnessWeight.htlcSuccessTx(htlcTx.witnessScript.length)
    : claimWitnessWeight.htlcTimeoutTx(htlcTx.witnessScript.length);

export function isWorthClaiming({ claim, amountSat }: Pick<CloseOutput, 'claim' | 'amountSat'>): boolean {
  if (claim === undefined) return false;
  if (claim.tag === 'direct') return amountSat >= leastSat(claim.weight);
  const { htlcTx, template } = claim;
  const keptSat = htlcTx.transaction.outputs.reduce((sum, output) => sum + output.amountSat, 0n);
  const withCoin = [{ weight: secondStageWitnessWeight(claim) }, { weight: claimWitnessWeight.p2wpkh() }];
  const scripts = [...htlcTx.transaction.outputs.map(({ scriptPubKey }) => scriptPubKey), walletScript];
  const costSat = template.kind === 'static_remotekey' ? 0n : feeSat(relayFeeratePerKw, claimWeight(withCoin, scripts));
  return keptSat >= costSat + secondStageKeepSat(claim);
}
