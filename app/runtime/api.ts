/** What a page may ask of the worker, and what it sees. JSON-safe: amounts are decimal strings of sat. */

import type { PaymentFailure } from '../../shared/ln/payment/payment.ts';
import type { ForwardingView, PolicyChoice, PolicyView } from '../store/schema.ts';

export type { ForwardingView, PaymentFailure, PolicyChoice, PolicyView };
export type PeerView = {
  readonly peerId: string;
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly link: 'offline' | 'connecting' | 'ready';
  /** Why it is offline, in a stable code for the catalogue, and free detail. */
  readonly reason?: string;
  readonly onOpen: PolicyChoice | 'default';
  readonly zeroConf: boolean;
  /** It woke this node so often that the relay only queues what it says, until it has been quiet for a while. */
  readonly wakeBudgetSpent?: true;
};
export type ChannelView = {
  readonly id: string;
  /** What it was called before its funding transaction was known. */
  readonly temporaryId: string;
  readonly peerId: string;
  readonly peerAlias: string;
  readonly tag:
    | 'wait-for-approval'
    | 'wait-for-funding-created'
    | 'wait-for-accept-channel'
    | 'wait-for-funding'
    | 'wait-for-funding-signed'
    | 'wait-for-funding-confirmed'
    | 'wait-for-channel-ready'
    | 'normal'
    | 'shutting-down'
    | 'negotiating'
    | 'failed'
    | 'closing';
  readonly online: boolean;
  /** We opened it: we pay the fee of its commitments. */
  readonly opener: boolean;
  readonly kind?: 'static_remotekey' | 'anchors_zero_fee_htlc_tx';
  readonly capacitySat: string;
  readonly oursSat: string;
  readonly theirsSat: string;
  readonly confirmations?: number;
  readonly minDepth?: number;
  /** What each side must keep, as the other wants it. */
  readonly ourReserveSat?: string;
  readonly theirReserveSat?: string;
  readonly fundingTxid?: string;
  readonly fundingVout?: number;
  readonly shortChannelId?: string;
  readonly isPublic: boolean;
  /** For `failed` and `closing`: why. What the peer or we said is shown as text only. */
  readonly detail?: string;
  readonly feeratePerKw?: number;
  /** What a payment could move now, either way; zero where none can. */
  readonly sendableSat?: string;
  readonly receivableSat?: string;
  readonly htlcs: readonly HtlcView[];
  readonly closing?: ClosingView;
};
/** A payment on its way through the channel. */
export type HtlcView = {
  readonly id: string;
  readonly direction: 'in' | 'out';
  readonly amountMsat: string;
  readonly expiryHeight: number;
  /** `adding`: not in both commitments yet. `held`: waits for its end. `settling`, `failing`: on its way out. */
  readonly state: 'adding' | 'held' | 'settling' | 'failing';
};
export type ClosingView = {
  /** A `CloseCause` of the channel: `mutual`, `user`, `deadline`, `spent`, or the code of a fault. */
  readonly cause: string;
  /** Closing transactions that both signed, not in the chain yet. */
  readonly mutualTxids: readonly string[];
  readonly sweeps: readonly SweepView[];
};
export type SweepView = {
  readonly what: 'to-local' | 'to-remote' | 'offered-htlc' | 'received-htlc' | 'second-stage' | 'penalty' | 'anchor' | 'closing';
  readonly amountSat: string;
  readonly status: 'waiting' | 'due' | 'claimed' | 'final' | 'lost';
  readonly atHeight?: number;
  readonly txid?: string;
};
/** To be mined within about 20 minutes, an hour, and half a day. */
export type Speed = 'fast' | 'normal' | 'slow';
export type OpenEstimate = {
  /** Confirmed coins that nothing of ours is spending. */
  readonly spendableSat: string;
  readonly choices: {
    readonly [S in Speed]: {
      readonly satPerVb: number;
      /** Of the funding transaction; absent if the coins are not enough for the amount. */
      readonly feeSat?: string;
      /** The most that a channel could hold. */
      readonly maxSat: string;
    };
  };
};
/** One HTLC of a payment. Amounts in msat, decimal. */
export type PartView = {
  readonly n: number;
  readonly amountMsat: string;
  readonly feeMsat: string;
  readonly state: 'planned' | 'in-flight' | 'settled' | 'failed';
  /** 0: of a payment to us. */
  readonly hops: number;
  readonly peerAlias: string;
  /** Block height at which it comes back at the latest. */
  readonly expiryHeight?: number;
  /** A failure's name of BOLT 4 and the hop that it came from, or why it did not leave. */
  readonly failure?: string;
};
/** A payment either way. Amounts in msat, decimal. */
export type PaymentView = {
  readonly id: string;
  readonly direction: 'in' | 'out';
  readonly kind: 'invoice' | 'keysend';
  readonly paymentHash: string;
  readonly amountMsat?: string;
  /** Paid, or of the parts in flight. */
  readonly feeMsat?: string;
  readonly description?: string;
  /** Node id of the payee (out), hex. */
  readonly payee?: string;
  /** The invoice. */
  readonly text?: string;
  readonly atMs: number;
  readonly endedAtMs?: number;
  /** Of an invoice. */
  readonly expiresAtMs?: number;
  /** in: open → holding (parts are there, not all) → settling → paid; expired; `failed` with `cancelled`: the user took the invoice back. out: pending → sent | failed. */
  readonly state: 'open' | 'expired' | 'holding' | 'settling' | 'paid' | 'pending' | 'sent' | 'failed';
  readonly preimage?: string;
  readonly failure?: PaymentFailure;
  readonly parts: readonly PartView[];
};
/** What a payment would take. Amounts in msat, decimal. */
export type PayEstimate = {
  readonly amountMsat: string;
  readonly feeMsat: string;
  readonly maxFeeMsat: string;
  readonly parts: number;
  readonly hops: number;
  readonly route: 'direct' | 'hint' | 'network';
  readonly successPpm: number;
};
export type ProbeResult =
  | { readonly reached: true; readonly feeMsat: string; readonly hops: number }
  | { readonly reached: false; readonly failure: PaymentFailure };
export type CloseEstimate = {
  /** Sat per virtual byte. */
  readonly feerates: { readonly [S in Speed]: number };
  /** Virtual bytes of the cooperative closing transaction. */
  readonly closeVbytes: number;
  /** We pay for them: we opened the channel, or each side pays for its own (simple close). */
  readonly closePaidByUs: boolean;
  /** What the commitment and the claims from it will cost us at the fees of now. */
  readonly forceFeeSat: string;
  /** Blocks until our own balance may be spent after a forced close. */
  readonly forceBlocks: number;
  readonly htlcs: number;
};
export type PromptView = {
  readonly channelId: string;
  readonly peerId: string;
  readonly peerAlias: string;
  readonly amountSat: string;
  readonly pushSat: string;
  readonly isPublic: boolean;
  readonly zeroConf: boolean;
  readonly deadlineMs: number;
};
/** An output on chain that is ours and that nothing in the chain has spent. */
export type CoinView = {
  readonly txid: string;
  readonly vout: number;
  readonly amountSat: string;
  readonly address: string;
  readonly confirmations: number;
  /** False: newly mined by ourselves, or the chain is behind. */
  readonly mature: boolean;
  /** A transaction of ours that is not in the chain spends it: what funds a channel with this peer, or claims what one left. */
  readonly reservedFor?: { readonly what: 'funding' | 'claim'; readonly peerId: string };
};
export type ActivityView = {
  readonly id: number;
  readonly atMs: number;
  /** A NoteKind of shared/ln/peer/effect.ts, or one of the runtime's own. */
  readonly kind: string;
  readonly peerId?: string;
  readonly peerAlias?: string;
  readonly channelId?: string;
  readonly amountSat?: string;
  readonly detail?: string;
  /** Wakes only. */
  readonly wake?: {
    readonly wakeId: string;
    readonly reason: string;
    readonly result: string;
    /** Push event to our answer at the relay, ms; the worker lingers after it for the peer's next move. */
    readonly ms: number;
    /** Relay's send time to push event, ms (clocks of two machines). */
    readonly transitMs?: number;
    readonly signed: readonly string[];
    /** Where the time until the answer went, ms by name; see `runtime/timing.ts`. */
    readonly parts?: { readonly [part: string]: number };
    readonly receiptSent: boolean;
  };
};
export type Snapshot = {
  readonly wallet: 'none' | 'ready';
  readonly network: string;
  readonly nodeId?: string;
  readonly relay: { readonly url: string; readonly reachable: boolean; readonly sinceMs?: number; readonly error?: string };
  readonly chain: {
    readonly height: number;
    readonly checkedAtMs?: number;
    readonly tipTimeMs?: number;
    readonly stale: boolean;
    readonly error?: string;
  };
  /** The network that routes are searched in, as the relay told it last. */
  readonly graph?: { readonly nodes: number; readonly channels: number; readonly fetchedAtMs: number };
  readonly push: { readonly subscribed: boolean; readonly error?: string };
  readonly wordsSaved: boolean;
  readonly lastWake?: { readonly atMs: number; readonly ms: number; readonly reason: string };
  readonly lastTestMs?: number;
  readonly peers: readonly PeerView[];
  readonly channels: readonly ChannelView[];
  /** All that is ours on chain outside of channels, set aside or not. */
  readonly coinsSat: string;
  readonly prompts: readonly PromptView[];
  readonly policy: PolicyView;
  readonly forwarding: ForwardingView;
  /** Peers that this node had and whose records are gone from the browser's storage; `restore-peers` brings them back. */
  readonly missingPeers: number;
  readonly hideAmounts: boolean;
};

/** Requests from page to worker: name → [argument, answer]. Answers are `{ok:true,value}` or `{ok:false,error:{code,detail}}`. */
export type Api = {
  snapshot: [null, Snapshot];
  /**
   * Words are made, typed and shown in the page only (`app/view/words.ts`): the word list and PBKDF2 have no place in a
   * worker that wakes to sign. `entropy` and `walletKey` are hex. `restore`: ask the relay for an encrypted backup.
   */
  'create-wallet': [{ readonly entropy: string; readonly walletKey: string; readonly network: string; readonly restore: boolean }, null];
  /** The BIP 39 entropy in hex; `wordsOf` of `app/view/words.ts` spells it. */
  words: [null, { readonly entropy: string }];
  'words-saved': [null, null];
  'connect-peer': [{ readonly address: string }, { readonly peerId: string }];
  'forget-peer': [{ readonly peerId: string }, null];
  'rename-peer': [{ readonly peerId: string; readonly alias: string }, null];
  'set-peer-policy': [{ readonly peerId: string; readonly onOpen: PolicyChoice | 'default'; readonly zeroConf: boolean }, null];
  'set-policy': [PolicyView, null];
  /** Holds from the next payment on; what is being passed on goes its way. */
  'set-forwarding': [ForwardingView, null];
  'answer-prompt': [{ readonly peerId: string; readonly channelId: string; readonly approve: boolean; readonly always: boolean }, null];
  /** What a channel of that amount would cost from our own coins. */
  'open-estimate': [{ readonly amountSat: string }, OpenEstimate];
  /**
   * From our own coins. The peer must be connected. `channelId`: the temporary one. `feerateSatPerVb`: of the funding transaction,
   * as people name it.
   */
  'open-channel': [
    { readonly peerId: string; readonly amountSat: string; readonly isPublic: boolean; readonly feerateSatPerVb: number },
    { readonly channelId: string },
  ];
  /** Cooperatively, to an address of the user's or to our own coins. */
  'close-channel': [
    { readonly peerId: string; readonly channelId: string; readonly feerateSatPerVb: number; readonly address?: string },
    null,
  ];
  'force-close': [{ readonly peerId: string; readonly channelId: string }, null];
  /** What closing would cost and how long it would take, both ways, before it is done. */
  'close-estimate': [{ readonly peerId: string; readonly channelId: string }, CloseEstimate];
  /** Amounts in msat, decimal. Without one the payer chooses. */
  'create-invoice': [
    { readonly amountMsat?: string; readonly description: string; readonly expirySeconds?: number },
    { readonly text: string; readonly paymentHash: string; readonly expiresAtMs: number },
  ];
  /** Not one that is paid, or is being paid. */
  'cancel-invoice': [{ readonly paymentHash: string }, null];
  /** What `pay` would cost at the most likely. */
  'pay-estimate': [{ readonly text: string; readonly amountMsat?: string }, PayEstimate];
  /** `id`: the asker's own name for it; asked again with it, nothing is paid twice. `amountMsat` for an invoice without one. */
  pay: [{ readonly id: string; readonly text: string; readonly amountMsat?: string; readonly maxFeeMsat?: string }, PaymentView];
  /** To a node, without an invoice. */
  keysend: [{ readonly id: string; readonly payee: string; readonly amountMsat: string; readonly maxFeeMsat?: string }, PaymentView];
  /** Whether a payment would arrive, tried in one piece with one that nobody can take. Costs nothing, and is never listed. */
  probe: [{ readonly text: string; readonly amountMsat?: string }, ProbeResult];
  /** Newest first. `text` is looked for in descriptions, payees, hashes and invoices. */
  payments: [
    { readonly beforeMs?: number; readonly limit?: number; readonly text?: string; readonly direction?: 'in' | 'out' } | null,
    readonly PaymentView[],
  ];
  payment: [{ readonly id: string }, PaymentView];
  /**
   * What one bitcoin costs, by the relay's source or by one of the user's: an https address with `{currency}` or `{lower}` in it, and where
   * the number is in the JSON that it answers. Asked only when the user wants prices.
   */
  price: [{ readonly currency: string; readonly source?: { readonly url: string; readonly path: string } }, { readonly rate: number }];
  'set-relay': [{ readonly url: string }, null];
  /** The page asked the browser for this subscription; the worker registers it with the relay. */
  subscribed: [{ readonly endpoint: string; readonly p256dh: string; readonly auth: string }, null];
  'vapid-key': [null, { readonly key: string }];
  'test-wake': [null, { readonly wakeId: string }];
  /** Newest first. `channelId` and `peerId` narrow it to one channel or peer. */
  activity: [
    {
      readonly beforeId?: number;
      readonly limit: number;
      readonly kind?: string;
      readonly text?: string;
      readonly channelId?: string;
      readonly peerId?: string;
    },
    readonly ActivityView[],
  ];
  'export-log': [null, { readonly json: string }];
  /** From the encrypted copy at the relay. How many came back. */
  'restore-peers': [null, { readonly restored: number }];
  'hide-amounts': [{ readonly hide: boolean }, null];
  /** Where coins on chain can be sent to: a bech32 address, the same until somebody has paid to it. */
  'receive-address': [null, { readonly address: string; readonly index: number }];
  /** Newest first. */
  coins: [null, readonly CoinView[]];
  /** For the WebSocket that a visible page holds to the relay (`app/view/socket.ts`). */
  'relay-socket': [null, { readonly url: string; readonly token: string }];
  /** What came over that socket: a `SyncAnswer`, checked by the worker. */
  'relay-update': [{ readonly answer: unknown }, null];
  /** The page came to the front or the user asked: check everything now. */
  refresh: [null, null];
  /** The user asked: fetch what is new of the network. */
  'refresh-graph': [null, null];
};
export type ApiName = keyof Api;
/** Stable codes for the catalogue. */
export type ApiErrorCode =
  | 'no-wallet'
  | 'wallet-exists'
  | 'words-invalid'
  | 'address-invalid'
  | 'peer-unknown'
  | 'prompt-unknown'
  | 'relay-unreachable'
  | 'relay-refused'
  | 'peer-unreachable'
  | 'peer-refused'
  | 'handshake-failed'
  | 'no-subscription'
  | 'storage-failed'
  | 'storage-lost'
  | 'policy-invalid'
  | 'amount-invalid'
  | 'channel-unknown'
  | 'channel-refused'
  | 'not-enough'
  | 'peer-offline'
  | 'invoice-invalid'
  | 'invoice-expired'
  | 'amount-needed'
  | 'no-route'
  | 'paid-before'
  | 'payment-unknown'
  | 'fee-too-high'
  | 'payee-invalid'
  | 'price-unavailable'
  | 'price-source-refused'
  | 'internal';
export type ApiResult<N extends ApiName> =
  | { readonly ok: true; readonly value: Api[N][1] }
  | { readonly ok: false; readonly error: { readonly code: ApiErrorCode; readonly detail: string } };

/** Page → worker over `postMessage` with a MessagePort for the answer. */
export type ApiRequest = { readonly [N in ApiName]: { readonly t: 'api'; readonly name: N; readonly arg: Api[N][0] } }[ApiName];
/** Worker → pages over BroadcastChannel(`beckon`). */
export const CHANNEL = 'beckon';
export type Broadcast = { readonly t: 'changed' } | { readonly t: 'wake'; readonly wakeId: string; readonly ms: number };
