/** One shape for every Lightning node that we did not write, so that a scenario can be run against each. */
import type { Result } from '../../shared/lib/result.ts';
import type { RouteHintHop } from '../../shared/ln/invoice/invoice.ts';

/** One end of a channel as this peer sees it. */
export type PeerChannel = {
  /** The node at the other end, hex. */
  readonly peer: string;
  /** hex; the temporary id until the funding is known */
  readonly channelId: string;
  /** `txid:index`, txid in display order; undefined before funding */
  readonly fundingOutpoint: string | undefined;
  readonly capacitySat: bigint;
  /** `channel_ready` went both ways. */
  readonly ready: boolean;
  /** Ready, and the other end is connected: could carry a payment now. */
  readonly active: boolean;
  readonly public: boolean;
  /** An anchors channel, else `static_remotekey`. */
  readonly anchors: boolean;
  /** What this peer has of it, in whole satoshis; HTLCs in flight are nobody's. Peers count fees differently: compare differences. */
  readonly ownSat: bigint;
  /** HTLCs that it holds either way. */
  readonly htlcs: number;
  /** By which this peer's counterparty finds the channel in an onion; of peers that tell. */
  readonly inboundScid?: bigint;
};

/** `held`: an HTLC waits for `settle` or `cancel`. */
export type InvoiceState = 'open' | 'held' | 'paid' | 'cancelled';

export type InvoiceOptions = {
  /** What is paid to it waits for `settle` or `cancel`. */
  readonly hold?: boolean;
  readonly expirySeconds?: number;
};
export type PayOptions = {
  /** For an invoice without an amount. */
  readonly amountMsat?: bigint;
  /** Default none: straight to the payee. */
  readonly maxFeeMsat?: bigint;
  /** Instead of those of the invoice: the last hop. Of peers that can be told. */
  readonly hint?: RouteHintHop;
};

export type OpenOptions = { readonly public?: boolean; readonly pushSat?: bigint };

/** A channel of the network, with the policies that were heard of. */
export type GraphEdge = { readonly policies: readonly { readonly nodeId: string; readonly disabled: boolean }[] };

export type Peer = {
  readonly alias: string;
  /** Node id: 33-byte public key, hex. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** From its own files where it has been up before. */
  start(): Promise<void>;
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** Dials a node; resolves when `init` went both ways. */
  connect(id: string, host: string, port: number): Promise<void>;
  connectedTo(id: string): Promise<boolean>;
  disconnect(id: string): Promise<void>;
  /**
   * Asks a connected node to take a channel. Resolves when the funding transaction is in the mempool, or with the
   * reason in the words of whoever refused. That can take minutes: the other side may ask its user.
   */
  openChannel(to: string, amountSat: bigint, options?: OpenOptions): Promise<Result<{ readonly fundingTxid: string }, string>>;
  channels(): Promise<readonly PeerChannel[]>;
  /** `txid:index`. Resolves when the peer has begun with it: its `shutdown` is on the way, or its commitment is broadcast. */
  closeChannel(fundingOutpoint: string, options?: { readonly force?: boolean }): Promise<Result<null, string>>;

  /** Without an amount the payer chooses. `paymentHash` is hex. */
  invoice(amountMsat?: bigint, options?: InvoiceOptions): Promise<{ readonly text: string; readonly paymentHash: string }>;
  invoiceState(paymentHash: string): Promise<InvoiceState>;
  settle(paymentHash: string): Promise<void>;
  cancel(paymentHash: string): Promise<void>;
  /** Resolves with the preimage (hex) or the reason, however long that takes. */
  pay(text: string, options?: PayOptions): Promise<Result<string, string>>;
  /** The same without an invoice: to a node that has a channel with this peer, or that its graph knows. */
  keysend(to: string, amountMsat: bigint): Promise<Result<string, string>>;

  /** A channel as its graph has it; undefined if it has not heard of the channel. Of peers that can be asked. */
  edge?(shortChannelId: bigint): Promise<GraphEdge | undefined>;
  /** From now on its commitments are to cost this, in sat per kw. Of peers whose mind can be changed. */
  setFeerate?(perKw: number): Promise<void>;
  /** Resolves when every block of now has been dealt with; of peers that can tell. */
  settled?(): Promise<void>;
  /** Where coins for channels are to be sent. */
  address(): Promise<string>;
  /** Confirmed coins that can be spent now. */
  balanceSat(): Promise<bigint>;
  /** The last refusal, close reason or error message from a peer, in plain words. */
  lastError(): string | undefined;
};
