/**
 * A transaction of the chain as this folder's `Transaction`, any kind of input: what spent an output of ours tells preimages,
 * signatures and second-stage outputs. Parsed strictly by `spv/rawtx.ts`. Nothing here says that it is valid or confirmed.
 */
import { ok, type Result } from '../../lib/result.ts';
import { parseRawTx, type RawTxError } from '../spv/rawtx.ts';
import type { Transaction, TxInput } from './transaction.ts';

export type ParsedInput = TxInput & {
  /** Empty for an input that spends a native segwit output. */
  readonly scriptSig: Uint8Array;
};
/** `txid` in wire order. Without its script_sigs it is what `serializeTransaction` takes. */
export type ParsedTransaction = Omit<Transaction, 'inputs'> & { readonly txid: Uint8Array; readonly inputs: readonly ParsedInput[] };

/** Never throws, whatever the bytes. */
export function parseTransaction(bytes: Uint8Array): Result<ParsedTransaction, RawTxError> {
  const parsed = parseRawTx(bytes);
  if (!parsed.ok) return parsed;
  const { txid, version, locktime, inputs, outputs, witnesses } = parsed.value;
  return ok({
    txid,
    version,
    lockTime: locktime,
    inputs: inputs.map((input, i) => ({
      outpoint: { txid: input.txid, vout: input.vout },
      sequence: input.sequence,
      scriptSig: input.script,
      witness: witnesses[i] ?? [],
    })),
    outputs: outputs.map(({ valueSat, script }) => ({ amountSat: valueSat, scriptPubKey: script })),
  });
}
