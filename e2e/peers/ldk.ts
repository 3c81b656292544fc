/**
 * A Lightning node of the Lightning Development Kit (wasm) in this process: it listens on loopback, opens channels to whoever
 * is connected, and keeps its state in files. LDK has neither a clock nor timers: with `ticks: 'manual'` a test moves them.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { pubECDSA } from '@scure/btc-signer/utils.js';
import {
  type ChannelDetails,
  type ChannelTypeFeatures,
  type Event,
  EventHandler,
  KeysManager,
  Option_u64Z_Some,
  type OutPoint,
  Result_ChannelIdAPIErrorZ_Err,
  Result_NoneAPIErrorZ_Err,
  Result_NoneReplayEventZ,
} from 'lightningdevkit';
import { concat, fromHex, toHex } from '../../shared/lib/bytes.ts';
import type { Result } from '../../shared/lib/result.ts';
import { err, ok } from '../../shared/lib/result.ts';
import type { ChainPoint, ChainSource } from '../lab/source.ts';
import { follow, REGTEST_GENESIS } from '../lab/source.ts';
import { waitFor } from '../lab/wait.ts';
import { createWallet, type Wallet } from '../lab/wallet.ts';
import { apiErrorText, ldkEventHandler, randomU64 } from './ldk-events.ts';
import type { LdkNode } from './ldk-node.ts';
import { buildLdkNode, outpointText } from './ldk-node.ts';
import { ldkPayments } from './ldk-payments.ts';
import { feeLevel, loadLdk, userConfig } from './ldk-setup.ts';
import { type LdkSockets, ldkSockets } from './ldk-sockets.ts';
import { openLdkStore } from './ldk-store.ts';
import type { Peer, PeerChannel } from './peer.ts';

export type LdkTick = 'peers' | 'channels' | 'rebroadcast';

/** The usual distances of LDK's own background processor. */
const TICK_MS: Readonly<Record<LdkTick, number>> = { peers: 10_000, channels: 60_000, rebroadcast: 30_000 };

export type LdkOptions = {
  readonly alias: string;
  readonly source: ChainSource;
  /** The node's own folder: what is in it is taken up again. */
  readonly dir: string;
  /** default: the port of the last run, else one of the system's choice */
  readonly port?: number;
  /** `real`: pings, patience and rebroadcasts by the clock, as a node in the wild. Default `manual`: only by `tick()`. */
  readonly ticks?: 'real' | 'manual';
};

export type LdkPeer = Peer & {
  /** One turn of a timer: `peers` stands for 10 s (ping, then drop the mute), `channels` for 60 s, `rebroadcast` for 30 s. */
  tick(timer: LdkTick): void;
  /** Resolves when every block and every transaction of now has been dealt with. */
  settled(): Promise<void>;
  forceClose(to: string): Promise<void>;
};

type Running = {
  readonly node: LdkNode;
  readonly wallet: Wallet;
  readonly sockets: LdkSockets;
  pump(): void;
  settled(): Promise<void>;
  stop(): Promise<void>;
};
type Opened = Result<{ readonly fundingTxid: string }, string>;

/** Makes the node without starting it; its id and coins' address are known at once. */
export async function createLdkPeer(options: LdkOptions): Promise<LdkPeer> {
  const { alias, source, dir, ticks = 'manual' } = options;
  await loadLdk();
  const store = openLdkStore(dir);
  const identity = KeysManager.constructor_new(store.seed, 0n, 0);
  const id = toHex(pubECDSA(identity.get_node_secret_key()));
  const walletKey = sha256(concat(store.seed, new TextEncoder().encode('on-chain wallet')));
  const { address } = createWallet(walletKey);
  const host = '127.0.0.1';
  let port = options.port ?? store.port() ?? 0;
  let lastError: string | undefined;
  let running: Running | undefined;
  const opening = new Map<bigint, (outcome: Opened) => void>();
  const payments = ldkPayments();
  const fees = feeLevel();

  const up = (): Running => {
    if (running === undefined) throw new Error(`${alias} is not running`);
    return running;
  };

  async function launch(): Promise<Running> {
    const toBroadcast: Uint8Array[] = [];
    const funded: (() => void)[] = [];
    const events: Event[] = [];
    const node = await buildLdkNode(store, source, fees, (txs) => toBroadcast.push(...txs));
    const wallet = createWallet(walletKey);
    const actOnChannels = ldkEventHandler(node, wallet, {
      funded(user, fundingTxid) {
        // Told once the chain has the transaction, see `flush`.
        funded.push(() => opening.get(user)?.(ok({ fundingTxid })));
      },
      closed(user, reason) {
        lastError = reason;
        opening.get(user)?.(err(reason));
      },
    });
    const act = (event: Event): void => {
      actOnChannels(event);
      payments.take(node.manager, event);
    };
    const handler = EventHandler.new_impl({
      handle_event(event) {
        events.push(event);
        return Result_NoneReplayEventZ.constructor_ok();
      },
    });
    const providers = [node.manager.as_EventsProvider(), node.chainMonitor.as_EventsProvider()];

    let work: Promise<void> = Promise.resolve();
    /** Chain work is asynchronous: one piece after the other. A piece that fails is told to who asked for it, and the next is tried. */
    const then = (piece: () => Promise<void>): Promise<void> => {
      const done = work.then(piece);
      work = done.catch((error: unknown) => {
        lastError = error instanceof Error ? error.message : String(error);
      });
      return done;
    };
    /** For those that nobody waits for: what went wrong stands in `lastError`. */
    const inBackground = (done: Promise<void>): void => void done.catch(() => {});

    async function flush(): Promise<void> {
      // A transaction that is known already, or whose parent was spent otherwise, is refused: LDK tries again by itself.
      for (const tx of toBroadcast.splice(0)) await source.submit(tx);
      for (const tell of funded.splice(0)) tell();
    }

    function pump(): void {
      do {
        for (const event of events.splice(0)) act(event);
        node.peers.process_events();
        for (const provider of providers) provider.process_pending_events(handler);
      } while (events.length > 0);
      if (node.manager.get_and_clear_needs_persistence()) store.writeManager(node.manager.write());
      if (toBroadcast.length > 0 || funded.length > 0) inBackground(then(flush));
    }

    let at: ChainPoint = node.at;
    let walletAt: ChainPoint = { height: 0, hash: REGTEST_GENESIS };
    const sync = (): Promise<void> =>
      then(async () => {
        walletAt = await follow(source, walletAt, wallet);
        at = await follow(source, at, node.listener);
        pump();
        await flush();
      });

    const sockets = ldkSockets(node.peers, pump);
    await sync();
    store.writeManager(node.manager.write());
    const unsubscribe = source.onTip(() => inBackground(sync()));
    const timers =
      ticks === 'manual'
        ? []
        : (Object.keys(TICK_MS) as LdkTick[]).map((timer) => setInterval(() => turn(node, timer, pump), TICK_MS[timer]));
    try {
      port = await sockets.listen(host, port);
    } catch (error) {
      // The port of the last run may have gone to somebody else; one that was asked for is wanted.
      if (options.port !== undefined || !(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
      port = await sockets.listen(host, 0);
    }
    store.writePort(port);
    return {
      node,
      wallet,
      sockets,
      pump,
      settled: sync,
      async stop() {
        unsubscribe();
        for (const timer of timers) clearInterval(timer);
        node.peers.disconnect_all_peers();
        await sockets.close();
        // The chain may have gone before us; what it still has to tell is read at the next start.
        await sync().catch(() => {});
        store.writeManager(node.manager.write());
      },
    };
  }

  const peer: LdkPeer = {
    alias,
    id,
    host,
    get port() {
      return port;
    },

    async start() {
      running ??= await launch();
    },
    async stop() {
      await running?.stop();
      running = undefined;
      for (const tell of opening.values()) tell(err(`${alias} was stopped`));
    },
    async restart() {
      await peer.stop();
      await peer.start();
    },

    async connect(to, toHost, toPort) {
      await up().sockets.dial(fromHex(to), toHost, toPort);
      await waitFor(() => peer.connectedTo(to), { what: `${alias} to be connected to ${to}` });
    },
    async connectedTo(to) {
      return up()
        .node.peers.list_peers()
        .some((details) => toHex(details.get_counterparty_node_id()) === to);
    },
    async disconnect(from) {
      up().node.peers.disconnect_by_node_id(fromHex(from));
      up().pump();
    },

    async openChannel(to, amountSat, { public: isPublic = false, pushSat = 0n } = {}) {
      const { node, pump } = up();
      const user = randomU64();
      const outcome = new Promise<Opened>((resolve) => {
        opening.set(user, (result) => {
          opening.delete(user);
          resolve(result);
        });
      });
      const asked = node.manager.create_channel(fromHex(to), amountSat, pushSat * 1000n, user, null, userConfig({ public: isPublic }));
      if (asked instanceof Result_ChannelIdAPIErrorZ_Err) {
        opening.delete(user);
        lastError = apiErrorText(asked.err);
        return err(lastError);
      }
      pump();
      return outcome;
    },

    async channels() {
      return up()
        .node.manager.list_channels()
        .map((details): PeerChannel => {
          // The binding answers 0 and 1 for booleans, and its types hide that the next two are absent before the funding is known.
          const funding: OutPoint | null = details.get_funding_txo();
          const scid = details.get_inbound_payment_scid();
          const type: ChannelTypeFeatures | null = details.get_channel_type();
          return {
            peer: toHex(details.get_counterparty().get_node_id()),
            channelId: toHex(details.get_channel_id().write()),
            fundingOutpoint: funding === null ? undefined : outpointText(funding),
            capacitySat: details.get_channel_value_satoshis(),
            ready: Boolean(details.get_is_channel_ready()),
            active: Boolean(details.get_is_usable()),
            public: Boolean(details.get_is_announced()),
            anchors: Boolean(type?.supports_anchors_zero_fee_htlc_tx()),
            ownSat: ownSat(details),
            htlcs: details.get_pending_inbound_htlcs().length + details.get_pending_outbound_htlcs().length,
            ...(scid instanceof Option_u64Z_Some ? { inboundScid: scid.some } : {}),
          };
        });
    },

    async closeChannel(fundingOutpoint, { force = false } = {}) {
      const { node, pump } = up();
      const details = node.manager.list_channels().find((one) => {
        const funding: OutPoint | null = one.get_funding_txo();
        return funding !== null && outpointText(funding) === fundingOutpoint;
      });
      if (details === undefined) return err(`no channel at ${fundingOutpoint}`);
      const [channelId, to] = [details.get_channel_id(), details.get_counterparty().get_node_id()];
      const asked = force
        ? node.manager.force_close_broadcasting_latest_txn(channelId, to, 'closed by the operator')
        : node.manager.close_channel(channelId, to);
      pump();
      return asked instanceof Result_NoneAPIErrorZ_Err ? err(apiErrorText(asked.err)) : ok(null);
    },

    async invoice(amountMsat, options = {}) {
      return payments.invoice(up().node.manager, amountMsat, options);
    },
    invoiceState: async (paymentHash) => payments.state(paymentHash),
    async settle(paymentHash) {
      payments.settle(up().node.manager, paymentHash);
      up().pump();
    },
    async cancel(paymentHash) {
      payments.cancel(up().node.manager, paymentHash);
      up().pump();
    },
    pay: (text, options = {}) => payments.pay(up().node.manager, text, options, up().pump),
    keysend: (to, amountMsat) => payments.keysend(up().node.manager, fromHex(to), amountMsat, up().pump),

    async address() {
      return address;
    },
    balanceSat: async () => up().wallet.balanceSat(),
    lastError: () => lastError,

    async setFeerate(perKw) {
      fees.perKw = perKw;
      turn(up().node, 'channels', up().pump);
    },
    tick: (timer) => turn(up().node, timer, up().pump),
    settled: () => up().settled(),
    async forceClose(to) {
      const { node, pump } = up();
      const them = fromHex(to);
      for (const details of node.manager.list_channels_with_counterparty(them)) {
        node.manager.force_close_broadcasting_latest_txn(details.get_channel_id(), them, 'closed by the operator');
      }
      pump();
    },
  };
  return peer;
}

/** LDK leaves out of its outbound capacity what it must keep. */
function ownSat(details: ChannelDetails): bigint {
  const reserve = details.get_unspendable_punishment_reserve();
  return details.get_outbound_capacity_msat() / 1_000n + (reserve instanceof Option_u64Z_Some ? reserve.some : 0n);
}

function turn(node: LdkNode, timer: LdkTick, pump: () => void): void {
  if (timer === 'peers') node.peers.timer_tick_occurred();
  if (timer === 'channels') node.manager.timer_tick_occurred();
  if (timer === 'rebroadcast') node.chainMonitor.rebroadcast_pending_claims();
  pump();
}
