/**
 * What the user lets the signer do with a peer's `open_channel`: sign alone, ask, or refuse. A pure decision in front of the signer;
 * the limits of BOLT 2 itself are the channel machine's, the rules that protect a commitment are the signer's.
 */

/** The user's settings for one peer. */
export type OpenRules = {
  readonly onOpen: 'sign' | 'ask' | 'refuse';
  readonly zeroConf: boolean;
  readonly minFundingSat: bigint;
  readonly maxFundingSat: bigint;
  readonly allowPublic: boolean;
  readonly maxPendingChannels: number;
};

/** What the peer asks for, and how many channels with it wait for their funding already. */
export type OpenRequest = {
  readonly fundingAmountSat: bigint;
  readonly pushMsat: bigint;
  /** `announce_channel` of `channel_flags`. */
  readonly isPublic: boolean;
  /** The channel type includes `option_zeroconf`. */
  readonly zeroConf: boolean;
  readonly pendingChannels: number;
};

export type OpenRefusal =
  | 'opens-refused'
  | 'funding-too-small'
  | 'funding-too-large'
  | 'public-not-allowed'
  | 'zero-conf-not-allowed'
  | 'too-many-pending';

/** What the user should be told with the prompt or the report. */
export type OpenNote =
  /** `push_msat` is not ours before the funding confirms. BOLT 2 forbids to "consider funds received" until then. */
  | 'push-unconfirmed'
  /** Usable at once, and worth nothing if the opener never publishes the funding transaction. */
  | 'zero-conf';

export type OpenVerdict =
  | { readonly answer: 'sign' | 'ask'; readonly notes: readonly OpenNote[] }
  | { readonly answer: 'refuse'; readonly reason: OpenRefusal };

/** A limit refuses even where the user would be asked: nobody approves at a lock screen what they ruled out in the settings. */
export function judgeOpen(rules: OpenRules, request: OpenRequest): OpenVerdict {
  const reason = refusal(rules, request);
  if (reason !== undefined) return { answer: 'refuse', reason };
  const notes: OpenNote[] = [];
  if (request.pushMsat > 0n) notes.push('push-unconfirmed');
  if (request.zeroConf) notes.push('zero-conf');
  return { answer: rules.onOpen === 'sign' ? 'sign' : 'ask', notes };
}

function refusal(rules: OpenRules, request: OpenRequest): OpenRefusal | undefined {
  if (rules.onOpen === 'refuse') return 'opens-refused';
  if (request.fundingAmountSat < rules.minFundingSat) return 'funding-too-small';
  if (request.fundingAmountSat > rules.maxFundingSat) return 'funding-too-large';
  if (request.isPublic && !rules.allowPublic) return 'public-not-allowed';
  if (request.zeroConf && !rules.zeroConf) return 'zero-conf-not-allowed';
  if (request.pendingChannels >= rules.maxPendingChannels) return 'too-many-pending';
  return undefined;
}
