/** bcoin as a judge of our transactions: an interpreter, ids and weights that we did not write. For tests. */
import { createRequire } from 'node:module';

type BcoinTx = { txid(): string; getWeight(): number; verifyInput(index: number, coin: unknown, flags: number): boolean };
type Script = { fromRaw(raw: Buffer): unknown; flags: { STANDARD_VERIFY_FLAGS: number } };

const require = createRequire(import.meta.url);
const Tx: { fromRaw(raw: Buffer): BcoinTx } = require('bcoin/lib/primitives/tx');
const Coin: new (options: { value: number; script: unknown }) => unknown = require('bcoin/lib/primitives/coin');
const Script: Script = require('bcoin/lib/script/script');

/** The id (display order) and weight of a serialised transaction. */
export function idAndWeight(raw: Uint8Array): { readonly txid: string; readonly weight: number } {
  const tx = Tx.fromRaw(Buffer.from(raw));
  return { txid: tx.txid(), weight: tx.getWeight() };
}

/** True if the input of the serialised transaction may spend the output, under the rules by which nodes relay. */
export const spends = (
  raw: Uint8Array,
  output: { readonly amountSat: bigint; readonly scriptPubKey: Uint8Array },
  inputIndex = 0,
): boolean =>
  Tx.fromRaw(Buffer.from(raw)).verifyInput(
    inputIndex,
    new Coin({ value: Number(output.amountSat), script: Script.fromRaw(Buffer.from(output.scriptPubKey)) }),
    Script.flags.STANDARD_VERIFY_FLAGS,
  );
