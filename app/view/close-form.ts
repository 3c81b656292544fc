/** What closing together costs at each speed. */
import type { CloseEstimate, Speed } from '../runtime/api.ts';

type Offer = { readonly satPerVb: number; readonly feeSat: bigint };

/** Nothing where the peer pays. */
export function closeFees({ feerates, closeVbytes, closePaidByUs }: CloseEstimate): { readonly [S in Speed]: Offer } {
  const offer = (satPerVb: number): Offer => ({ satPerVb, feeSat: closePaidByUs ? BigInt(Math.ceil(satPerVb * closeVbytes)) : 0n });
  return { fast: offer(feerates.fast), normal: offer(feerates.normal), slow: offer(feerates.slow) };
}
