/** What a page may ask: one entry per name of `Api`. Input from a page is checked like any other. */
import * as v from 'valibot';
import { fromHex, toHex } from '../../shared/lib/bytes.ts';
import { ok } from '../../shared/lib/result.ts';
import { isPoint } from '../../shared/ln/keys/secp.ts';
import { freezePeer } from '../../shared/ln/peer/freeze.ts';
import { newPeer } from '../../shared/ln/peer/machine.ts';
import { newWallet } from '../../shared/ln/wallet/coins.ts';
import { syncAnswer } from '../../shared/protocol/session.ts';
import type { PeerRecord } from '../store/schema.ts';
import { commit, loadPeer, loadPeers, loadWallet, readActivity, removePeer, setting } from '../store/store.ts';
import { sealWallet } from '../store/vault.ts';
import { done, fail, type Handlers, type PagePorts, sat, settle } from './answers.ts';
import type { ApiResult, PeerView } from './api.ts';
import { restoreBackup } from './backup.ts';
import { followChain } from './chain.ts';
import { channelRequests } from './channel-requests.ts';
import { connectPeer } from './connect.ts';
import { refreshGraph } from './graph.ts';
import { nodeIdOf } from './keys.ts';
import { isNetwork } from './network.ts';
import { MIN_CLTV_EXPIRY_DELTA } from './payments/forward-record.ts';
import { paymentRequests } from './payments/requests.ts';
import { Collected, collect, livePeers } from './peers.ts';
import type { Ports } from './ports.ts';
import { priceRequests } from './price.ts';
import { round } from './round.ts';
import { syncAll, takeAnswer } from './sync.ts';
import { activityView, snapshot } from './view.ts';
import { coinViews, receiveAddress } from './wallet.ts';

export type { PagePorts } from './answers.ts';

const noToken = { url: '', token: '', expiresAtMs: 0 } as const;
const isUnreadable = ({ reason }: PeerView): boolean => reason === 'unreadable';

const policySchema = v.object({
  onOpen: v.picklist(['sign', 'ask', 'refuse']),
  minFundingSat: sat,
  maxFundingSat: sat,
  minDepth: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(144)),
  allowPublic: v.boolean(),
  promptMinutes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9)),
});
/** BOLT 7's fields of a `channel_update`, and no more than anybody would pay. */
const forwardingSchema = v.object({
  on: v.boolean(),
  feeBaseMsat: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000)),
  feeProportionalMillionths: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100_000)),
  // Less than this is too little to claim a payment on chain after the peer has.
  cltvExpiryDelta: v.pipe(v.number(), v.integer(), v.minValue(MIN_CLTV_EXPIRY_DELTA), v.maxValue(1_008)),
  htlcMinimumMsat: sat,
});
const peerPolicySchema = v.object({ peerId: v.string(), onOpen: v.picklist(['sign', 'ask', 'refuse', 'default']), zeroConf: v.boolean() });
const walletSchema = v.object({
  entropy: v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{32}|[0-9a-f]{64})$/)),
  walletKey: v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/)),
  network: v.pipe(v.string(), v.check(isNetwork)),
  restore: v.boolean(),
});

/** `pubkey@host:port`; the port may be left out (9735). IPv6 hosts stand in brackets. */
export function parseAddress(text: string): { peerId: string; host: string; port: number } | undefined {
  const found = /^([0-9a-f]{66})@(\[[0-9a-f:.]+\]|[a-z0-9._-]{1,253})(?::(\d{1,5}))?$/.exec(
    text
      .trim()
      .replace(/^lightning:(\/\/)?/i, '')
      .toLowerCase(),
  );
  if (found === null) return undefined;
  const [, peerId = '', host = '', portText] = found;
  const port = portText === undefined ? 9735 : Number(portText);
  if (port < 1 || port > 65_535 || !isPoint(fromHex(peerId))) return undefined;
  return { peerId, host: host.replace(/^\[|\]$/g, ''), port };
}

/** Changes only what a person set, never the machine. */
async function changePeer(
  ports: PagePorts,
  peerId: string,
  change: Pick<Partial<PeerRecord>, 'alias' | 'onOpen' | 'zeroConf'>,
): Promise<ApiResult<'rename-peer'>> {
  const stepped = await round(ports, peerId, [], change);
  if (stepped.ok) return done;
  return stepped.error.code === 'peer-unknown' ? fail('peer-unknown', peerId) : fail('storage-failed', stepped.error.detail);
}

const INIT_PATIENCE_MS = 3_000;
const saidInit = async (ports: Ports, peerId: string): Promise<boolean> =>
  (await livePeers(ports)).some(({ record, state }) => record.peerId === peerId && state.link === 'ready');

export const handlers: Handlers = {
  ...channelRequests,
  ...paymentRequests,
  ...priceRequests,

  snapshot: async (ports) => ok(await snapshot(ports, ports.origin)),

  async 'create-wallet'(ports, arg) {
    const parsed = v.safeParse(walletSchema, arg);
    if (!parsed.success) return fail('words-invalid', parsed.issues[0].message);
    const { entropy, walletKey, network, restore } = parsed.output;
    const nodeId = nodeIdOf(fromHex(walletKey));
    const before = await setting(ports.db, 'nodeId');
    const view = await snapshot(ports, ports.origin);
    // The vault is gone and the channels are not: only the keys they were made with may stand beside them again.
    if (before !== undefined && before !== nodeId && (view.channels.length > 0 || view.peers.some(isUnreadable)))
      return fail('wallet-exists', 'this device holds channels of another wallet');
    const sealed = await sealWallet(ports.db, fromHex(entropy), fromHex(walletKey));
    if (!sealed.ok)
      return sealed.error.code === 'wallet-exists'
        ? fail('wallet-exists', sealed.error.detail)
        : fail('storage-failed', sealed.error.detail);
    const written = await commit(ports.db, {
      // A token of another wallet would let this one speak in its name.
      // Coins of other keys are none of this wallet's.
      ...(before === nodeId ? {} : { wallet: { ...(await loadWallet(ports.db)), state: newWallet } }),
      settings: { network, nodeId, device: toHex(ports.entropy(16)), wordsSaved: restore, relayToken: noToken },
      activity: [{ atMs: ports.now(), kind: restore ? 'wallet-restored' : 'wallet-made' }],
    });
    if (!written.ok) return fail('storage-failed', written.error.detail);
    ports.reset();
    if (restore) await restoreBackup(ports);
    ports.broadcast({ t: 'changed' });
    return done;
  },

  async words(ports) {
    const keys = await ports.keys();
    return keys === undefined ? fail('no-wallet') : ok({ entropy: toHex(keys.entropy) });
  },

  async 'words-saved'(ports) {
    const written = await commit(ports.db, { settings: { wordsSaved: true } });
    ports.broadcast({ t: 'changed' });
    return written.ok ? done : fail('storage-failed', written.error.detail);
  },

  async 'connect-peer'(ports, { address }) {
    const parsed = parseAddress(address);
    if (parsed === undefined) return fail('address-invalid', address.slice(0, 100));
    const keys = await ports.keys();
    if (keys === undefined) return fail('no-wallet');
    if (keys.nodeId() === parsed.peerId) return fail('address-invalid', 'that is this node');
    const known = await loadPeer(ports.db, parsed.peerId);
    const peerIds = (await setting(ports.db, 'peerIds')) ?? [];
    if (known === undefined) {
      // Met anew, such a peer would be told that its channels are unknown here, and close them.
      if (peerIds.includes(parsed.peerId)) return fail('storage-lost', parsed.peerId);
      const record: PeerRecord = {
        ...parsed,
        alias: '',
        onOpen: 'default',
        zeroConf: false,
        fence: 0,
        failures: 0,
        frozen: freezePeer(newPeer(fromHex(parsed.peerId))),
      };
      const written = await commit(ports.db, {
        peer: record,
        settings: { peerIds: [...peerIds, parsed.peerId] },
        activity: [{ atMs: ports.now(), kind: 'peer-added', peerId: parsed.peerId }],
      });
      if (!written.ok) return fail('storage-failed', written.error.detail);
    } else {
      const moved = await round(ports, parsed.peerId, [], { host: parsed.host, port: parsed.port });
      if (!moved.ok) return fail('storage-failed', moved.error.detail);
    }
    const connected = await connectPeer(ports, parsed.peerId);
    if (connected.ok) await syncAll(ports, { lingerMs: INIT_PATIENCE_MS, until: () => saidInit(ports, parsed.peerId) });
    ports.broadcast({ t: 'changed' });
    if (connected.ok) return ok({ peerId: parsed.peerId });
    const { code, detail } = connected.error;
    if (code === 'unreachable' || code === 'malformed') return fail('relay-unreachable', detail);
    if (code === 'dial-refused' || code === 'onion-unsupported' || code === 'quota-connects' || code === 'quota-sessions')
      return fail('relay-refused', `${code}: ${detail}`);
    if (code === 'handshake-failed' || code === 'act-timeout') return fail('handshake-failed', `${code}: ${detail}`);
    return fail('peer-unreachable', `${code}: ${detail}`);
  },

  async 'forget-peer'(ports, { peerId }) {
    const view = await snapshot(ports, ports.origin);
    if (!view.peers.some((peer) => peer.peerId === peerId)) return fail('peer-unknown', peerId);
    if (view.channels.some((channel) => channel.peerId === peerId)) return fail('peer-refused', 'there is a channel with this peer');
    if (view.peers.some((peer) => peer.peerId === peerId && isUnreadable(peer)))
      return fail('peer-refused', 'what is stored of this peer cannot be read: there may be a channel');
    const record = await loadPeer(ports.db, peerId);
    const relay = await ports.relay();
    if (record?.session !== undefined) await relay.call('disconnect', { session: record.session });
    const peerIds = (await setting(ports.db, 'peerIds')) ?? [];
    await commit(ports.db, {
      settings: {
        backupSeq: ((await setting(ports.db, 'backupSeq')) ?? 0) + (record?.fence ?? 0),
        peerIds: peerIds.filter((known) => known !== peerId),
      },
      activity: [{ atMs: ports.now(), kind: 'peer-forgotten', peerId }],
    });
    await removePeer(ports.db, peerId);
    ports.broadcast({ t: 'changed' });
    return done;
  },

  'rename-peer': (ports, { peerId, alias }) => changePeer(ports, peerId, { alias: alias.trim().slice(0, 64) }),

  async 'set-peer-policy'(ports, arg) {
    const parsed = v.safeParse(peerPolicySchema, arg);
    if (!parsed.success) return fail('policy-invalid', parsed.issues[0].message);
    const { peerId, onOpen, zeroConf } = parsed.output;
    return changePeer(ports, peerId, { onOpen, zeroConf });
  },

  async 'set-policy'(ports, arg) {
    const parsed = v.safeParse(policySchema, arg);
    if (!parsed.success) return fail('policy-invalid', parsed.issues[0].message);
    if (BigInt(parsed.output.minFundingSat) > BigInt(parsed.output.maxFundingSat)) return fail('policy-invalid', 'minimum above maximum');
    const written = await commit(ports.db, { settings: { policy: parsed.output } });
    ports.broadcast({ t: 'changed' });
    return written.ok ? done : fail('storage-failed', written.error.detail);
  },

  async 'set-forwarding'(ports, arg) {
    const parsed = v.safeParse(forwardingSchema, arg);
    if (!parsed.success) return fail('policy-invalid', parsed.issues[0].message);
    const written = await commit(ports.db, { settings: { forwarding: parsed.output } });
    ports.broadcast({ t: 'changed' });
    return written.ok ? done : fail('storage-failed', written.error.detail);
  },

  async 'answer-prompt'(ports, { peerId, channelId, approve, always }) {
    const into = new Collected();
    const answered = await answerPrompt(ports, peerId, channelId, approve, into);
    if (!answered) return fail('prompt-unknown', channelId.slice(0, 64));
    const late = into.notes.some(({ note }) => note.kind === 'open-expired');
    if (always && approve && !late) await changePeer(ports, peerId, { onOpen: 'sign' });
    await settle(ports, into);
    return late ? fail('prompt-unknown', 'its time was over') : done;
  },

  async 'set-relay'(ports, { url }) {
    if (!URL.canParse(url)) return fail('relay-refused', 'not an address');
    const { origin, protocol, hostname } = new URL(url);
    if (protocol !== 'https:' && hostname !== 'localhost' && hostname !== '127.0.0.1') return fail('relay-refused', 'only https');
    await commit(ports.db, {
      settings: { relayUrl: origin, relayToken: noToken, pushState: { subscribed: false } },
    });
    ports.reset();
    const report = await syncAll(ports, { lingerMs: 0 });
    return report.reached ? done : fail('relay-unreachable', report.error ?? '');
  },

  async subscribed(ports, { endpoint, p256dh, auth }) {
    const relay = await ports.relay();
    const device = (await setting(ports.db, 'device')) ?? 'device';
    const answer = await relay.call('push/subscribe', { device, endpoint, keys: { p256dh, auth } });
    await commit(ports.db, {
      settings: { pushState: answer.ok ? { subscribed: true } : { subscribed: false, error: answer.error.detail } },
    });
    ports.broadcast({ t: 'changed' });
    if (answer.ok) return done;
    return fail(answer.error.code === 'unreachable' ? 'relay-unreachable' : 'relay-refused', answer.error.detail);
  },

  async 'vapid-key'(ports) {
    const relay = await ports.relay();
    const answer = await relay.call('push/key', {});
    return answer.ok ? ok({ key: answer.value.vapidPublicKey }) : fail('relay-unreachable', answer.error.detail);
  },

  async 'test-wake'(ports) {
    const relay = await ports.relay();
    const answer = await relay.call('push/test', {});
    if (answer.ok) return ok({ wakeId: answer.value.wakeId });
    return fail(answer.error.code === 'no-subscription' ? 'no-subscription' : 'relay-unreachable', answer.error.detail);
  },

  async activity(ports, { beforeId, limit, kind, text, channelId, peerId }) {
    const wanted = text?.trim().toLowerCase() ?? '';
    const aliases = new Map((await loadPeers(ports.db)).map((peer) => [peer.peerId, peer.alias.toLowerCase()]));
    const records = await readActivity(ports.db, {
      limit: Math.min(Math.max(1, limit), 200),
      ...(beforeId === undefined ? {} : { beforeId }),
      matches: (record) =>
        (kind === undefined || record.kind === kind) &&
        (channelId === undefined || record.channelId === channelId) &&
        (peerId === undefined || record.peerId === peerId) &&
        (wanted === '' ||
          [record.kind, record.detail, record.peerId, record.channelId, record.amountSat, aliases.get(record.peerId ?? '')].some(
            (field) => field?.toLowerCase().includes(wanted) ?? false,
          )),
    });
    return ok(await activityView(ports.db, records));
  },

  async 'export-log'(ports) {
    const view = await snapshot(ports, ports.origin);
    const records = await readActivity(ports.db, { limit: 5_000 });
    return ok({ json: JSON.stringify({ exportedAt: new Date(ports.now()).toISOString(), snapshot: view, activity: records }, null, 2) });
  },

  async 'restore-peers'(ports) {
    if ((await ports.keys()) === undefined) return fail('no-wallet');
    const restored = await restoreBackup(ports);
    await settle(ports, new Collected());
    ports.broadcast({ t: 'changed' });
    return ok({ restored });
  },

  async 'hide-amounts'(ports, { hide }) {
    const written = await commit(ports.db, { settings: { hideAmounts: hide } });
    ports.broadcast({ t: 'changed' });
    return written.ok ? done : fail('storage-failed', written.error.detail);
  },

  async 'receive-address'(ports) {
    const given = await receiveAddress(ports);
    if (given.ok) return given;
    return given.error.code === 'no-wallet' ? fail('no-wallet') : fail('storage-failed', given.error.detail);
  },

  coins: async (ports) => ok(await coinViews(ports)),

  async 'relay-socket'(ports) {
    if ((await ports.keys()) === undefined) return fail('no-wallet');
    const relay = await ports.relay();
    const token = await relay.token();
    return token.ok ? ok({ url: relay.url, token: token.value }) : fail('relay-unreachable', token.error.detail);
  },

  async 'relay-update'(ports, { answer }) {
    const parsed = v.safeParse(syncAnswer, answer);
    if (!parsed.success) return fail('internal', parsed.issues[0].message);
    const into = new Collected();
    await takeAnswer(ports, parsed.output, await livePeers(ports), new Set(), into);
    await settle(ports, into);
    return done;
  },

  async refresh(ports) {
    if ((await ports.keys()) === undefined) return fail('no-wallet');
    const into = new Collected();
    await followChain(ports, into);
    // A person looks: peers that are waiting for their next try are tried now.
    for (const peer of await loadPeers(ports.db))
      if (peer.retryAtMs !== undefined) await round(ports, peer.peerId, [{ tag: 'tick' }], { retryAtMs: undefined });
    const reached = await settle(ports, into);
    // Nobody waits for the network's map; whoever pays before it is here asks for it then.
    if (reached) void refreshGraph(ports).catch(() => undefined);
    return reached ? done : fail('relay-unreachable');
  },

  async 'refresh-graph'(ports) {
    if ((await ports.keys()) === undefined) return fail('no-wallet');
    const fetched = await refreshGraph(ports, 0);
    if (!fetched.ok) return fail('relay-unreachable', `${fetched.error.code}: ${fetched.error.detail}`);
    ports.broadcast({ t: 'changed' });
    return done;
  },
};

/** False: there is no such prompt (any more). */
export async function answerPrompt(ports: Ports, peerId: string, channelId: string, approve: boolean, into: Collected): Promise<boolean> {
  if (!/^[0-9a-f]{64}$/.test(channelId)) return false;
  const before = into.notes.length;
  const stepped = await round(ports, peerId, [{ tag: 'answer', channelId: fromHex(channelId), approve }]);
  if (!stepped.ok) return false;
  collect(into, peerId, stepped.value);
  return into.notes.length > before;
}
