/**
 * The worker's part of the catalogue: what a notification says. Apart from the pages' text so that a waking worker loads
 * only these few lines. Title = what happened, with the amount; body = with whom and what now.
 */
export type NoticeText = { readonly title: string; readonly body: string };
/** `amount` is formatted already, empty when amounts are hidden or unknown; `peer` is a name or a short node id. */
export type NoticeFacts = { readonly amount: string; readonly peer: string; readonly detail: string; readonly until: string };

const withAmount = (title: string, amount: string): string => (amount === '' ? title : `${title} · ${amount}`);

/** Why a payment was not made: `PaymentFailure` of the engine. */
const unpaid: Readonly<Record<string, string>> = {
  'no-route': 'there is no way to the receiver',
  'not-enough': 'your channels do not hold enough',
  'fee-too-high': 'the way costs more than you allow',
  expired: 'the invoice ran out',
  'refused-by-payee': 'the receiver refused it',
  'payee-offline': 'the receiver is not there',
  timeout: 'it took too long',
  'invoice-unknown': 'the receiver does not know the invoice',
  'not-sent': 'it could not leave',
  cancelled: 'you stopped it',
  unreadable: 'the answer was spoilt on its way',
};

export const notices = {
  'open-asked': (f: NoticeFacts): NoticeText => ({
    title: f.amount === '' ? `${f.peer} wants to open a channel` : `${f.peer} wants to open a ${f.amount} channel`,
    body: `Approve or deny. The answer counts until ${f.until}.`,
  }),
  'open-approved': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Channel approved', f.amount),
    body: `${f.peer} can fund it now.`,
  }),
  'open-signed-alone': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Channel accepted', f.amount),
    body: `From ${f.peer}, as your rules allow.`,
  }),
  'open-denied': (f: NoticeFacts): NoticeText => ({ title: withAmount('Channel denied', f.amount), body: `${f.peer} was told.` }),
  'open-refused': (f: NoticeFacts): NoticeText => ({ title: withAmount('Channel refused', f.amount), body: `${f.peer}: ${f.detail}` }),
  'open-expired': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Missed: nobody answered', f.amount),
    body: `${f.peer} waited for a channel. Nothing is lost.`,
  }),
  'funding-signed': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Channel signed', f.amount),
    body: `With ${f.peer}. Waiting for confirmations.`,
  }),
  'channel-confirmed': (f: NoticeFacts): NoticeText => ({ title: withAmount('Channel confirmed', f.amount), body: `With ${f.peer}.` }),
  'channel-ready': (f: NoticeFacts): NoticeText => ({ title: withAmount('Channel ready', f.amount), body: `With ${f.peer}.` }),
  'channel-reestablished': (f: NoticeFacts): NoticeText => ({ title: 'Back in touch', body: `The channel with ${f.peer} goes on.` }),
  'channel-abandoned': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Channel not opened', f.amount),
    body: `${f.peer}: ${f.detail}`,
  }),
  'channel-failed': (f: NoticeFacts): NoticeText => ({ title: withAmount('Channel needs you', f.amount), body: `${f.peer}: ${f.detail}` }),
  'peer-error': (f: NoticeFacts): NoticeText => ({ title: `${f.peer} reports an error`, body: f.detail }),
  'peer-warning': (f: NoticeFacts): NoticeText => ({ title: `${f.peer} sends a warning`, body: f.detail }),
  'peer-shutdown': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Asked to close', f.amount),
    body: `${f.peer} wants to close the channel.`,
  }),
  'channel-closing': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Channel closing', f.amount),
    body: `With ${f.peer}: ${f.detail}`,
  }),
  'close-seen': (f: NoticeFacts): NoticeText => ({ title: withAmount('Channel closed on chain', f.amount), body: `With ${f.peer}.` }),
  'revoked-seen': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Caught an old state', f.amount),
    body: `${f.peer} published a state that it had given up. Beckon takes the money back.`,
  }),
  'output-claimed': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Back in your coins', f.amount),
    body: `From the channel with ${f.peer}.`,
  }),
  'output-lost': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Not yours any more', f.amount),
    body: `From the channel with ${f.peer}. See Activity for why.`,
  }),
  'coins-needed': (f: NoticeFacts): NoticeText => ({
    title: 'Coins are needed for a fee',
    body: `To get your money out of the channel with ${f.peer}, send some coins to this wallet.`,
  }),
  'claim-refused': (f: NoticeFacts): NoticeText => ({ title: 'A claim waits', body: `${f.peer}: ${f.detail}` }),
  'close-resolved': (f: NoticeFacts): NoticeText => ({ title: withAmount('Channel closed for good', f.amount), body: `With ${f.peer}.` }),
  'payment-received': (f: NoticeFacts): NoticeText => ({
    title: f.amount === '' ? 'Received' : `Received ${f.amount}`,
    body: f.detail === '' ? `Over ${f.peer}.` : `${f.detail} · over ${f.peer}`,
  }),
  'payment-sent': (f: NoticeFacts): NoticeText => ({ title: f.amount === '' ? 'Sent' : `Sent ${f.amount}`, body: `Over ${f.peer}.` }),
  'payment-failed': (f: NoticeFacts): NoticeText => ({
    title: withAmount('Payment not sent', f.amount),
    body: `Nothing was paid: ${unpaid[f.detail] ?? f.detail}.`,
  }),
  /** Not shown: it stays in the activity. */
  'payment-forwarded': (f: NoticeFacts): NoticeText => ({ title: withAmount('Passed on', f.amount), body: `From ${f.peer}.` }),
  /** With a detail: what a peer or the chain did. Without: a mistake of ours, the peer is left alone. */
  fault: (f: NoticeFacts): NoticeText =>
    f.detail === ''
      ? { title: 'A fault in Beckon', body: `${f.peer} is paused; nothing was lost. See Activity.` }
      : { title: `Something happened with ${f.peer}`, body: `${f.detail}. Nothing was lost.` },
} as const;

export const plainNotices = {
  test: (ms: number): NoticeText => ({ title: 'Test received', body: `Your node woke and answered in ${ms} ms.` }),
  unreadable: { title: 'Woken, but the storage cannot be opened', body: 'Nothing was signed. Open Beckon to see why.' },
  checked: { title: 'Checked in', body: 'Nothing needed you.' },
  unreachable: { title: 'Relay not reachable', body: 'Your money is safe. Beckon tries again when it is woken or opened.' },
  fault: { title: 'A fault in Beckon', body: 'Nothing was lost. Open the app to go on.' },
  peerAway: (peer: string): NoticeText => ({ title: `${peer} is not reachable`, body: 'Nothing is lost. Beckon tries again.' }),
  approve: 'Approve',
  deny: 'Deny',
  answered: (approved: boolean): NoticeText => ({ title: approved ? 'Approved' : 'Denied', body: 'Your answer was sent.' }),
  notAnswered: { title: 'That prompt is gone', body: 'It was answered before, or its time was over.' },
} as const;
