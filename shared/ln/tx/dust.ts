/** Below what amount an output is not relayed. BOLT 3 § Dust Limits: Bitcoin Core's rule at 3000 sat/kB. */
import type { TxOutput } from './transaction.ts';

/** An output that costs this much to spend is dust below three satoshi for each byte of the output and of its input. */
const spendingLegacy = 148;
const spendingSegwit = 67;
const thresholdSat = (outputBytes: number, inputBytes: number): bigint => BigInt(3 * (outputBytes + inputBytes));
/** BOLT 3: "Unknown segwit outputs are at most 51 bytes" */
const unknownSegwitOutputBytes = 51;

/** For any script: BOLT 3 knows P2PKH, P2SH, segwit and OP_RETURN, another legacy form counts as its length has it. */
export function dustLimitOf(scriptPubKey: Uint8Array): bigint {
  const [first = -1, second = -1, third = -1, fourth = -1] = scriptPubKey;
  const { length } = scriptPubKey;
  const outputBytes = 8 + 1 + length;
  if (first === 0x6a) return 0n;
  const program = length >= 4 && length <= 42 && second === length - 2;
  if (first === 0x00 && program) return thresholdSat(outputBytes, spendingSegwit);
  // Pay to anchor: OP_1 and two fixed bytes.
  if (first === 0x51 && length === 4 && second === 2 && third === 0x4e && fourth === 0x73) return thresholdSat(outputBytes, spendingSegwit);
  if (first >= 0x51 && first <= 0x60 && program) return thresholdSat(unknownSegwitOutputBytes, spendingSegwit);
  return thresholdSat(outputBytes, spendingLegacy);
}

export const isDust = ({ amountSat, scriptPubKey }: TxOutput): boolean => amountSat < dustLimitOf(scriptPubKey);
