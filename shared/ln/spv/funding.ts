/**
 * That a transaction really pays for a channel: the outpoint named in `funding_created` holds the agreed amount under the agreed
 * script. Says nothing about confirmation (merkle.ts, headers.ts) nor about the output being unspent.
 */
import { equal } from '../../lib/bytes.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { parseRawTx, type RawTx, type RawTxError } from './rawtx.ts';

/** `txid` in wire order. `scriptPubKey`: the P2WSH of the 2-of-2 that we computed ourselves. */
export type FundingClaim = {
  readonly outpoint: { readonly txid: Uint8Array; readonly vout: number };
  readonly scriptPubKey: Uint8Array;
  readonly amountSat: bigint;
};
export type FundingError =
  | RawTxError
  | { readonly code: 'wrong-txid' | 'no-such-output' | 'wrong-script' }
  | { readonly code: 'wrong-amount'; readonly valueSat: bigint };

/** For a transaction that `checkInclusion` has returned. */
export function checkFundingOutput(tx: RawTx, { outpoint, scriptPubKey, amountSat }: FundingClaim): Result<RawTx, FundingError> {
  if (!equal(tx.txid, outpoint.txid)) return err({ code: 'wrong-txid' });
  const output = tx.outputs[outpoint.vout];
  if (!output) return err({ code: 'no-such-output' });
  if (!equal(output.script, scriptPubKey)) return err({ code: 'wrong-script' });
  if (output.valueSat !== amountSat) return err({ code: 'wrong-amount', valueSat: output.valueSat });
  return ok(tx);
}

/** From the raw bytes, with or without witness. */
export function checkFunding(claim: FundingClaim & { readonly raw: Uint8Array }): Result<RawTx, FundingError> {
  const tx = parseRawTx(claim.raw);
  return tx.ok ? checkFundingOutput(tx.value, claim) : tx;
}
