/** A worker's answers for the page tests: one lively node, one fresh one, one in trouble. Never part of the app. */
import type {
  ActivityView,
  ApiErrorCode,
  ChannelView,
  CloseEstimate,
  CoinView,
  OpenEstimate,
  PayEstimate,
  PaymentView,
  PeerView,
  ProbeResult,
  Snapshot,
} from '../../app/runtime/api.ts';
import { estimate, invoice, somePayments } from './payment-fixtures.ts';

export type Fixture = {
  readonly snapshot: Snapshot;
  readonly activity: readonly ActivityView[];
  readonly coins: readonly CoinView[];
  readonly openEstimate: OpenEstimate;
  readonly closeEstimate: CloseEstimate;
  readonly payments: readonly PaymentView[];
  readonly payEstimate: PayEstimate;
  /** Every payment is refused so. */
  readonly refuses?: { readonly code: ApiErrorCode; readonly detail: string };
  /** What comes of a trial of the way; without it, it arrives. */
  readonly probe?: ProbeResult | ApiErrorCode;
  /** A payment or a trial is made, and its answer waits for the hand of the test. */
  readonly holdsBack?: boolean;
  /** What a new invoice is. */
  readonly invoice: string;
};

const alice = '02a5c5b1f0a5b0d6e8f4c3b2a1908f7e6d5c4b3a2918f7e6d5c4b3a2918f7e6d5c';
const bob = '03b6d6c2a1b6c1e7f9a5d4c3b2a19f8e7d6c5b4a39280f7e6d5c4b3a29180f7e6d';
const carol = '02c7e7d3b2c7d2f8a0b6e5d4c3b2a09f8e7d6c5b4a3928170f6e5d4c3b2a190f7e';
export const nodeId = '03f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff01';
const txid = (n: number) => String(n).repeat(64).slice(0, 64);
/** As an alias with a direction override would reach the page if the worker let it through. */
const hostile = 'Trustworthy \u202eknab\u202c Lightning Services International (Liechtenstein) GmbH';

const peer = (peerId: string, alias: string, more: Partial<PeerView> = {}): PeerView => ({
  peerId,
  alias,
  host: 'node.example',
  port: 9735,
  link: 'ready',
  onOpen: 'default',
  zeroConf: false,
  ...more,
});

const channel = (n: number, peerId: string, peerAlias: string, more: Partial<ChannelView> = {}): ChannelView => ({
  id: txid(n),
  temporaryId: txid(n + 20),
  peerId,
  peerAlias,
  tag: 'normal',
  online: true,
  opener: false,
  kind: 'anchors_zero_fee_htlc_tx',
  capacitySat: '200000',
  oursSat: '0',
  theirsSat: '200000',
  confirmations: 6,
  minDepth: 3,
  fundingTxid: txid(n),
  fundingVout: 1,
  ...(more.confirmations === 0 ? {} : { shortChannelId: '840123x17x1' }),
  isPublic: false,
  ourReserveSat: '2000',
  theirReserveSat: '2000',
  feeratePerKw: 2_500,
  htlcs: [],
  ...more,
});

const base: Snapshot = {
  wallet: 'ready',
  network: 'regtest',
  nodeId,
  relay: { url: 'https://relay.example', reachable: true },
  chain: { height: 840_129, checkedAtMs: 0, stale: false },
  push: { subscribed: true },
  wordsSaved: true,
  peers: [],
  channels: [],
  prompts: [],
  policy: { onOpen: 'ask', minFundingSat: '20000', maxFundingSat: '16777215', minDepth: 3, allowPublic: false, promptMinutes: 5 },
  forwarding: { on: false, feeBaseMsat: 1_000, feeProportionalMillionths: 100, cltvExpiryDelta: 80, htlcMinimumMsat: '1000' },
  coinsSat: '1792353',
  missingPeers: 0,
  hideAmounts: false,
};

const wake = (id: number, atMs: number, reason: string, result: string, ms: number, signed: readonly string[]): ActivityView => ({
  id,
  atMs,
  kind: 'wake',
  wake: { wakeId: `w${id}k3yd0x9`, reason, result, ms, transitMs: 212, signed, receiptSent: true },
});

const coins: readonly CoinView[] = [
  {
    txid: txid(8),
    vout: 1,
    amountSat: '41200',
    address: 'bcrt1q0ur8v9c8dmxn4m2n6m9fa8q2v5yq5nkwnxg0yk',
    confirmations: 0,
    mature: true,
  },
  {
    txid: txid(5),
    vout: 0,
    amountSat: '1250000',
    address: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
    confirmations: 31,
    mature: true,
  },
  {
    txid: txid(6),
    vout: 2,
    amountSat: '501153',
    address: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
    confirmations: 1_204,
    mature: true,
    reservedFor: { what: 'funding', peerId: alice },
  },
];
const choice = (satPerVb: number, feeSat: string, maxSat: string) => ({ satPerVb, feeSat, maxSat });
/** What the estimates are of a node without coins. */
const noCoins: OpenEstimate = {
  spendableSat: '0',
  choices: { fast: { satPerVb: 12.4, maxSat: '0' }, normal: { satPerVb: 6.1, maxSat: '0' }, slow: { satPerVb: 1.2, maxSat: '0' } },
};
const openEstimate: OpenEstimate = {
  spendableSat: '1250000',
  choices: {
    fast: choice(12.4, '1898', '1248484'),
    normal: choice(6.1, '934', '1249254'),
    slow: choice(1.2, '184', '1249853'),
  },
};
const closeEstimate: CloseEstimate = {
  feerates: { fast: 12.4, normal: 6.1, slow: 1.2 },
  closeVbytes: 169,
  closePaidByUs: true,
  forceFeeSat: '7214',
  forceBlocks: 720,
  htlcs: 2,
};
const worker = { coins, openEstimate, closeEstimate, payments: [], payEstimate: estimate, invoice: invoice(Date.now(), 9) };

function activity(now: number): readonly ActivityView[] {
  const minute = 60_000;
  return [
    { id: 12, atMs: now - minute, kind: 'open-asked', peerId: alice, peerAlias: 'Alice', channelId: txid(9), amountSat: '1200000' },
    wake(11, now - minute, 'message', 'needs-user', 41, []),
    { id: 10, atMs: now - 31 * minute, kind: 'channel-ready', peerId: alice, peerAlias: 'Alice', channelId: txid(1), amountSat: '200000' },
    wake(9, now - 31 * minute, 'chain', 'done', 96, ['channel_ready']),
    { id: 8, atMs: now - 64 * minute, kind: 'funding-signed', peerId: alice, peerAlias: 'Alice', channelId: txid(1), amountSat: '200000' },
    wake(7, now - 64 * minute, 'message', 'done', 84, ['accept_channel', 'funding_signed']),
    { id: 6, atMs: now - 26 * 60 * minute, kind: 'open-expired', peerId: bob, peerAlias: '', amountSat: '50000' },
    {
      id: 5,
      atMs: now - 27 * 60 * minute,
      kind: 'peer-error',
      peerId: carol,
      peerAlias: hostile,
      channelId: txid(4),
      detail: 'internal error: funding transaction broadcast failed because the mempool minimum fee was not met (1253 < 2000 sat/kvB)',
    },
    wake(4, now - 28 * 60 * minute, 'test', 'done', 62, []),
    { id: 3, atMs: now - 28 * 60 * minute, kind: 'peer-added', peerId: alice, peerAlias: 'Alice' },
    { id: 2, atMs: now - 29 * 60 * minute, kind: 'something-newer-than-this-page' },
    { id: 1, atMs: now - 29 * 60 * minute, kind: 'wallet-made' },
  ];
}

/** A node in daily use, with a question waiting. */
export function lively(now: number): Fixture {
  return {
    ...worker,
    payments: somePayments(now),
    activity: activity(now),
    snapshot: {
      ...base,
      chain: { ...base.chain, checkedAtMs: now - 20_000 },
      lastWake: { atMs: now - 60_000, ms: 84, reason: 'message' },
      peers: [
        peer(alice, 'Alice', { host: '127.0.0.1', port: 19_735 }),
        peer(bob, '', { link: 'offline', reason: 'dial-timeout', host: '2001:db8:85a3:8d3:1319:8a2e:370:7348' }),
        peer(carol, hostile, { link: 'connecting', onOpen: 'sign', zeroConf: true }),
      ],
      channels: [
        channel(1, alice, 'Alice', { oursSat: '84210', theirsSat: '115790', sendableSat: '80830', receivableSat: '113790' }),
        channel(5, alice, 'Alice', {
          opener: true,
          capacitySat: '1000000',
          oursSat: '611250',
          theirsSat: '262500',
          ourReserveSat: '10000',
          theirReserveSat: '10000',
          sendableSat: '594120',
          receivableSat: '252500',
          htlcs: [
            { id: '4', direction: 'out', amountMsat: '125000000', expiryHeight: 840_273, state: 'held' },
            { id: '0', direction: 'in', amountMsat: '1249750', expiryHeight: 840_163, state: 'settling' },
          ],
        }),
        channel(6, alice, 'Alice', {
          tag: 'wait-for-funding-signed',
          opener: true,
          capacitySat: '500000',
          oursSat: '500000',
          theirsSat: '0',
          confirmations: 0,
        }),
        channel(7, carol, hostile, {
          tag: 'closing',
          opener: true,
          online: false,
          capacitySat: '3000000',
          oursSat: '2188012',
          theirsSat: '700000',
          detail: 'by our own commitment',
          closing: {
            cause: 'user',
            mutualTxids: [],
            sweeps: [
              { what: 'to-local', amountSat: '2188012', status: 'waiting', atHeight: 840_813 },
              { what: 'offered-htlc', amountSat: '60000', status: 'due', txid: txid(71) },
              { what: 'received-htlc', amountSat: '31988', status: 'claimed', txid: txid(72) },
              { what: 'received-htlc', amountSat: '20000', status: 'lost', txid: txid(73) },
              { what: 'anchor', amountSat: '330', status: 'final', txid: txid(74) },
            ],
          },
        }),
        channel(8, bob, '', {
          tag: 'negotiating',
          online: false,
          opener: true,
          oursSat: '150000',
          theirsSat: '50000',
        }),
        channel(2, alice, 'Alice', { tag: 'wait-for-funding-confirmed', confirmations: 1, capacitySat: '500000', theirsSat: '500000' }),
        channel(3, bob, '', { online: false, capacitySat: '2100000000', oursSat: '1050000000', theirsSat: '1050000000' }),
        channel(4, carol, hostile, { tag: 'failed', detail: 'internal error: funding transaction broadcast failed' }),
        channel(9, alice, 'Alice', { tag: 'wait-for-approval', capacitySat: '1200000', theirsSat: '1200000' }),
      ],
      prompts: [
        {
          channelId: txid(9),
          peerId: alice,
          peerAlias: 'Alice',
          amountSat: '1200000',
          pushSat: '0',
          isPublic: false,
          zeroConf: false,
          deadlineMs: now + 272_000,
        },
      ],
    },
  };
}

/** A wallet just made: nothing set up, nothing happened. */
export function empty(): Fixture {
  return {
    ...worker,
    coins: [],
    openEstimate: noCoins,
    activity: [],
    snapshot: { ...base, coinsSat: '0', push: { subscribed: false }, wordsSaved: false, chain: { height: 0, stale: false } },
  };
}

export function noWallet(): Fixture {
  const { nodeId: _, ...rest } = base;
  return { ...worker, coins: [], activity: [], snapshot: { ...rest, wallet: 'none', wordsSaved: false, push: { subscribed: false } } };
}

/** The relay is away and the chain stands still. */
export function troubled(now: number): Fixture {
  const { snapshot, ...rest } = lively(now);
  return {
    ...rest,
    snapshot: {
      ...snapshot,
      prompts: [],
      relay: { url: 'https://relay.example', reachable: false, sinceMs: now - 1_800_000, error: 'connect ECONNREFUSED' },
      chain: { ...snapshot.chain, stale: true },
      push: { subscribed: false },
    },
  };
}

export const peers = { alice, bob, carol };
export const channelIds = {
  ready: txid(1),
  confirming: txid(2),
  offline: txid(3),
  failed: txid(4),
  htlcs: txid(5),
  opening: txid(6),
  closing: txid(7),
  negotiating: txid(8),
};
