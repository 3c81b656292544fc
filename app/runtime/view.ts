/** What a page sees: the stored records as plain, JSON-safe values. Nothing here decides anything. */
import { toHex } from '../../shared/lib/bytes.ts';
import { type ChannelState, channelIdOf } from '../../shared/ln/channel/state.ts';
import { thawPeer } from '../../shared/ln/peer/freeze.ts';
import type { PeerState } from '../../shared/ln/peer/state.ts';
import { unspent } from '../../shared/ln/wallet/coins.ts';
import type { ActivityRecord, Database, PeerRecord } from '../store/schema.ts';
import { loadPeers, loadWallet, setting } from '../store/store.ts';
import type { ActivityView, ChannelView, PeerView, PromptView, Snapshot } from './api.ts';
import { channelView } from './channel-view.ts';
import { defaultPolicy } from './env.ts';
import { forwardingOf } from './payments/forward-record.ts';
import type { Ports } from './ports.ts';

/** A tip older than this means that the relay's chain is stuck or kept from us. */
const STALE_TIP_MS = 2 * 3_600_000;

export async function snapshot(ports: Ports, origin: string): Promise<Snapshot> {
  const { db } = ports;
  const [
    keys,
    records,
    network,
    relayUrl,
    relay,
    chain,
    push,
    wordsSaved,
    lastWake,
    lastTestMs,
    policy,
    hideAmounts,
    peerIds,
    wallet,
    graph,
    forwarding,
  ] = await Promise.all([
    ports.keys(),
    loadPeers(db),
    setting(db, 'network'),
    setting(db, 'relayUrl'),
    setting(db, 'relayState'),
    setting(db, 'chain'),
    setting(db, 'pushState'),
    setting(db, 'wordsSaved'),
    setting(db, 'lastWake'),
    setting(db, 'lastTestMs'),
    setting(db, 'policy'),
    setting(db, 'hideAmounts'),
    setting(db, 'peerIds'),
    loadWallet(db),
    setting(db, 'graph'),
    forwardingOf(ports),
  ]);
  const peers: PeerView[] = [];
  const channels: ChannelView[] = [];
  const prompts: PromptView[] = [];
  for (const record of records) {
    const thawed = thawPeer(record.frozen);
    const state = thawed.ok ? thawed.value : undefined;
    peers.push(peerView(record, state));
    for (const channel of state?.channels ?? []) {
      channels.push(channelView(record, channel, chain?.height ?? 0, keys?.openSigner));
      const prompt = promptView(record, channel);
      if (prompt !== undefined) prompts.push(prompt);
    }
  }
  return {
    wallet: keys === undefined ? 'none' : 'ready',
    network: network ?? 'mainnet',
    ...(keys === undefined ? {} : { nodeId: keys.nodeId() }),
    relay: { url: relayUrl ?? origin, ...(relay ?? { reachable: false }) },
    chain: {
      height: chain?.height ?? 0,
      stale: chain !== undefined && network !== 'regtest' && ports.now() - chain.tipTimeMs > STALE_TIP_MS,
      ...(chain === undefined ? {} : { checkedAtMs: chain.checkedAtMs, tipTimeMs: chain.tipTimeMs }),
      ...(chain?.error === undefined ? {} : { error: chain.error }),
    },
    ...(graph === undefined ? {} : { graph }),
    push: push ?? { subscribed: false },
    wordsSaved: wordsSaved ?? false,
    ...(lastWake === undefined ? {} : { lastWake }),
    ...(lastTestMs === undefined ? {} : { lastTestMs }),
    peers,
    channels,
    coinsSat: unspent(wallet.state)
      .reduce((sum, { amountSat }) => sum + amountSat, 0n)
      .toString(),
    prompts,
    policy: policy ?? defaultPolicy,
    forwarding,
    missingPeers: (peerIds ?? []).filter((peerId) => !records.some((record) => record.peerId === peerId)).length,
    hideAmounts: hideAmounts ?? false,
  };
}

function peerView(record: PeerRecord, state: PeerState | undefined): PeerView {
  const { peerId, host, port, alias, onOpen, zeroConf } = record;
  const link = state === undefined || state.link === 'offline' ? 'offline' : state.link === 'ready' ? 'ready' : 'connecting';
  const reason = record.quarantined !== undefined ? 'quarantined' : state === undefined ? 'unreadable' : record.reason;
  const spent = record.wakesSpentAtMs === undefined ? {} : { wakeBudgetSpent: true as const };
  return { peerId, host, port, alias, onOpen, zeroConf, link, ...spent, ...(reason === undefined ? {} : { reason }) };
}

function promptView(record: PeerRecord, channel: ChannelState): PromptView | undefined {
  if (channel.tag !== 'wait-for-approval') return undefined;
  const { terms, deadlineMs } = channel;
  return {
    channelId: toHex(channelIdOf(channel)),
    peerId: record.peerId,
    peerAlias: record.alias,
    amountSat: terms.fundingAmountSat.toString(),
    pushSat: (terms.pushMsat / 1000n).toString(),
    isPublic: terms.isPublic,
    zeroConf: terms.zeroConf,
    deadlineMs,
  };
}

export async function activityView(db: Database, records: readonly ActivityRecord[]): Promise<ActivityView[]> {
  const aliases = new Map((await loadPeers(db)).map((peer) => [peer.peerId, peer.alias]));
  return records.map((record) => {
    const alias = record.peerId === undefined ? undefined : aliases.get(record.peerId);
    return { ...record, id: record.id ?? 0, ...(alias === undefined ? {} : { peerAlias: alias }) };
  });
}
