/** What a pasted, scanned, typed or shared text may turn out to be. `understand.ts` makes it, the pages show it. */
import type { InvoiceNetwork } from '../../shared/ln/invoice/amount.ts';

/** `nowMs`: milliseconds since 1970. */
export type Context = { readonly network: InvoiceNetwork; readonly nowMs: number };

export type InvoiceFacts = {
  /** The invoice alone, in lower case: what `pay` takes. */
  readonly text: string;
  /** Undefined: the payer chooses. */
  readonly amountMsat?: bigint;
  /** Fit to be shown; undefined when there is nothing to show. */
  readonly description?: string;
  /** Of 33 bytes, hex. */
  readonly payee: string;
  readonly paymentHash: string;
  readonly expiresAtMs: number;
  /** An address on the chain that may be paid instead. */
  readonly fallbackAddress?: string;
};

export type AddressFacts = {
  readonly address: string;
  /** Of the kinds 1…, 3…, m…, n…, 2…: no channel can be closed to one, coins can be sent to it. */
  readonly old: boolean;
  readonly amountSat?: bigint;
  /** Both fit to be shown. */
  readonly label?: string;
  readonly message?: string;
};

export type SecretCode =
  /** A private key, an extended one too. */
  | 'secret-key'
  /** What looks like recovery words. */
  | 'secret-words'
  /** A link that gives power over a node or wallet. */
  | 'secret-access';

export type ProblemCode =
  | SecretCode
  | 'empty'
  /** Nothing that we know. */
  | 'unknown'
  | 'too-long'
  /** More than one thing to pay, or the same one twice over. */
  | 'several'
  /** `atMs` */
  | 'expired'
  /** `network`, `own` */
  | 'wrong-network'
  /** An invoice of a chain that nobody here knows. */
  | 'unknown-network'
  /** An address of another currency. */
  | 'other-coin'
  | 'checksum'
  | 'mixed-case'
  /** Letters that do not occur in an invoice. */
  | 'letters'
  /** An end or a middle part is missing. */
  | 'cut'
  | 'bad-signature'
  /** Read and signed, but not as the rules want it. */
  | 'malformed'
  | 'unknown-features'
  | 'amount-missing'
  | 'amount-zero'
  | 'amount-bad'
  | 'amount-too-precise'
  | 'amount-too-large'
  /** The link and the invoice in it ask for different amounts. */
  | 'amounts-differ'
  /** `name` */
  | 'required-parameter'
  /** `name` */
  | 'duplicate-parameter'
  /** A percent sign and no code after it. */
  | 'encoding'
  | 'address-checksum'
  /** A kind of address whose rules are not known yet. */
  | 'address-version'
  /** A `bitcoin:` link without an address. */
  | 'address-missing'
  /** A node's address with something wrong behind its id. */
  | 'node-address'
  /** 64 hex digits: a hash, a transaction's id, perhaps a key. */
  | 'hash'
  /** The public key of a whole wallet. */
  | 'wallet-key'
  | 'web-link';

/** What the words of a problem may need; which ones stands beside the code. `name` is fit to be shown. */
export type ProblemParams = {
  readonly network?: InvoiceNetwork;
  readonly own?: InvoiceNetwork;
  readonly atMs?: number;
  readonly name?: string;
};
export type Problem = { readonly code: ProblemCode; readonly params: ProblemParams };

export type Understood =
  | ({ readonly tag: 'invoice' } & InvoiceFacts)
  /** `invoiceProblem`: there was an invoice too, which is good no more; the address is. */
  | ({ readonly tag: 'address'; readonly invoiceProblem?: Problem } & AddressFacts)
  /** Both ways to pay the same thing. */
  | { readonly tag: 'unified'; readonly invoice: InvoiceFacts; readonly onchain: AddressFacts }
  /** To connect to, or to send to without an invoice. */
  | { readonly tag: 'node'; readonly nodeId: string; readonly host?: string; readonly port?: number }
  /** Known, but not built. `onchain`: what can be paid instead. */
  | { readonly tag: 'later'; readonly what: 'offer' | 'lnurl' | 'name' | 'silent-payment'; readonly onchain?: AddressFacts }
  | ({ readonly tag: 'problem' } & Problem);
