/** What both pairs of the payments bench have in common. */

export const CHANNEL_SAT = 16_000_000n;
/** Above every dust limit: each payment is an output, with a signature of its own, in every commitment that it is in. */
export const AMOUNT_MSAT = 1_000_000n;

export type PaymentNode = {
  readonly id: string;
  readonly port: number;
  readonly address: string;
  connect(id: string, port: number): Promise<void>;
  open(id: string): Promise<void>;
  /** Reads the chain. Is the channel usable now? */
  tip(): Promise<boolean>;
  invoices(count: number): Promise<readonly string[]>;
  /** `atOnce` of them are on their way together, and the next ones when all of those have ended. Throws when one fails. */
  pay(invoices: readonly string[], atOnce: number): Promise<void>;
  /** Transactions of its database so far, where it has one. */
  commits(): number;
  stop(): Promise<void>;
};
