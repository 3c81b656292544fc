/**
 * A service worker on LDK: at a push it starts the wasm and makes the node's key, and tells when each was there. The glue in it is
 * what a node needs that only opens channels (as e2e/peers has one), not all of the package.
 */
import * as ldk from 'lightningdevkit';

declare const self: ServiceWorkerGlobalScope;

/** Kept in the bundle. */
const node = [
  ldk.BestBlock,
  ldk.BroadcasterInterface,
  ldk.BumpTransactionEventHandler,
  ldk.ChainMonitor,
  ldk.ChainParameters,
  ldk.ChannelHandshakeConfig,
  ldk.ChannelManager,
  ldk.DefaultMessageRouter,
  ldk.DefaultRouter,
  ldk.EventHandler,
  ldk.FeeEstimator,
  ldk.IgnoringMessageHandler,
  ldk.Logger,
  ldk.MultiThreadedLockableScore,
  ldk.NetworkGraph,
  ldk.P2PGossipSync,
  ldk.PeerManager,
  ldk.Persist,
  ldk.ProbabilisticScorer,
  ldk.SocketDescriptor,
  ldk.UserConfig,
  ldk.UtilMethods,
  ldk.WalletSource,
];

async function start(startedAtMs: number): Promise<void> {
  await ldk.initializeWasmWebFetch('/liblightningjs.wasm');
  const wasmAtMs = Date.now();
  const keys = ldk.KeysManager.constructor_new(new Uint8Array(32).fill(7), BigInt(Math.floor(startedAtMs / 1000)), 0);
  const keyBytes = keys.get_node_secret_key().length;
  const keyAtMs = Date.now();
  await fetch('/done', { method: 'POST', body: JSON.stringify({ startedAtMs, wasmAtMs, keyAtMs, keyBytes, parts: node.length }) });
}

self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('push', (event) => event.waitUntil(start(Date.now())));
