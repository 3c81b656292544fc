/** The state of an agreement on the closing transaction. BOLT 2 § Closing Negotiation and § Legacy Closing Negotiation. */
import { equal } from '../../lib/bytes.ts';
import { parseTransaction } from '../tx/parse.ts';

/** In satoshi, both ends included. */
export type FeeRange = { readonly minSat: bigint; readonly maxSat: bigint };

export type Negotiation = {
  /**
   * Complete closing transactions that both signed, the one that pays the highest fee last. Any of them may be the one that is mined.
   * With the first of them the channel is over for us: nothing that the peer says or forgets costs a commitment any more.
   */
  readonly signed: readonly Uint8Array[];
  /** Our last `closing_signed` of this connection. BOLT 2: "negotiation restarts on reconnection". */
  readonly offered?: { readonly feeSat: bigint; readonly range: FeeRange };
  /** The fee of the peer's last. */
  readonly heardSat?: bigint;
  /** Our last `closing_complete` of this connection; the peer's `closing_sig` must be for it. */
  readonly complete?: {
    readonly feeSat: bigint;
    readonly lockTime: number;
    /** The peer's, as it was then. */
    readonly closeeScript: Uint8Array;
    readonly answered: boolean;
  };
};

/** What outlives a connection. */
export const withoutRounds = ({ signed }: Negotiation): Negotiation => ({ signed });

export const isAgreed = ({ signed }: Negotiation): boolean => signed.length > 0;

/** A peer that signs again and again must not fill our storage, nor push out the transaction that will be mined. */
const mostSigned = 8;

/** One more; of too many, the one with the lowest fee goes. */
export function withSigned(negotiation: Negotiation, transaction: Uint8Array): Negotiation {
  if (negotiation.signed.some((known) => equal(known, transaction))) return negotiation;
  const signed = [...negotiation.signed, transaction].sort((a, b) => Number(paidSat(b) - paidSat(a))).slice(-mostSigned);
  return { ...negotiation, signed };
}

/** What the outputs hold: the less, the higher the fee. */
function paidSat(transaction: Uint8Array): bigint {
  const parsed = parseTransaction(transaction);
  return parsed.ok ? parsed.value.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n) : -1n;
}
