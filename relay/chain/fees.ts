/** Fee estimates in sat per 1000 weight units, from what the node can tell. */
import { err, ok, type Result } from '../../shared/lib/result.ts';
import type { AnswerOf } from '../../shared/protocol/session.ts';
import type { BitcoinNode, Network } from './node.ts';
import type { RpcFault } from './rpc.ts';

export type Fees = AnswerOf<'chain/fees'>['satPerKw'];

/** Below this a transaction of even weight is not relayed: 1000 sat per 1000 vbytes, rounded up as all implementations do. */
const floorSatPerKw = 253;
const targets = { fast: 2, normal: 6, slow: 72 } as const;
/** A regtest chain has no fee market, so nothing to estimate from. */
const regtestFees: Fees = { fast: 5000, normal: 2500, slow: 1000, floor: floorSatPerKw };

export async function readFees(node: BitcoinNode, network: Network): Promise<Result<Fees, RpcFault>> {
  const floorRate = await node.relayFloor();
  if (!floorRate.ok) return floorRate;
  const floor = Math.max(floorSatPerKw, toSatPerKw(floorRate.value));
  const rates: number[] = [];
  for (const blocks of [targets.fast, targets.normal, targets.slow]) {
    const estimate = await node.estimate(blocks);
    if (!estimate.ok) return estimate;
    if (estimate.value === undefined) {
      if (network === 'regtest') return ok({ ...regtestFees, floor });
      return err({ tag: 'unreachable', message: 'the node has no fee estimate yet' });
    }
    rates.push(toSatPerKw(estimate.value));
  }
  // Estimators are noisy; a faster target is never the cheaper one here.
  const slow = Math.max(floor, rates[2] ?? 0);
  const normal = Math.max(slow, rates[1] ?? 0);
  return ok({ fast: Math.max(normal, rates[0] ?? 0), normal, slow, floor });
}

/** From BTC per 1000 vbytes. */
const toSatPerKw = (btcPerKvb: number | undefined): number => Math.ceil(Math.round((btcPerKvb ?? 0) * 1e8) / 4);
