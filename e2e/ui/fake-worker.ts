/** Stands where the node stands: answers the page's calls from a fixture and keeps what the page changes. Sent as `/sw.js`; self-contained. */
import type { ApiRequest } from '../../app/runtime/api.ts';
import { servePayments } from './fake-payments.ts';
import type { Fixture } from './fixtures.ts';

declare const self: ServiceWorkerGlobalScope;

/** The text of the worker's script. `waits`: a new version that asks before it takes over; `build` makes its text differ. */
export type FakeOptions = { readonly waits?: boolean; readonly build?: number };

export function fakeWorker(fixture: Fixture, options: FakeOptions = {}): string {
  return `'use strict';(${serve})(${JSON.stringify(fixture)}, ${JSON.stringify(options)}, ${servePayments})`;
}

function serve(fixture: Fixture, options: FakeOptions, payments: typeof servePayments): void {
  let entropy = '000102030405060708090a0b0c0d0e0f';
  let { snapshot } = fixture;
  const tell = (message: unknown) => new BroadcastChannel('beckon').postMessage(message);
  const change = (change: Partial<typeof snapshot>) => {
    snapshot = { ...snapshot, ...change };
    tell({ t: 'changed' });
    return null;
  };
  const ofPayments = payments(fixture, tell);
  const fail = (code: string, detail: string) => Promise.reject({ code, detail });

  const answer = async (request: ApiRequest): Promise<unknown> => {
    const paid = ofPayments(request);
    if (paid !== undefined) return paid;
    const { peers, prompts, channels } = snapshot;
    switch (request.name) {
      case 'snapshot':
        return snapshot;
      case 'create-wallet':
        entropy = request.arg.entropy;
        return change({ wallet: 'ready', nodeId: `02${'1f'.repeat(32)}`, network: request.arg.network, wordsSaved: request.arg.restore });
      case 'words':
        return { entropy };
      case 'words-saved':
        return change({ wordsSaved: true });
      case 'connect-peer': {
        const [peerId = '', where = ''] = request.arg.address.split('@');
        if (where.startsWith('nobody')) return fail('peer-unreachable', 'connect ECONNREFUSED');
        change({ peers: [...peers, { peerId, alias: '', host: where, port: 9735, link: 'ready', onOpen: 'default', zeroConf: false }] });
        return { peerId };
      }
      case 'forget-peer':
        return change({ peers: peers.filter((peer) => peer.peerId !== request.arg.peerId) });
      case 'rename-peer':
        return change({ peers: peers.map((peer) => (peer.peerId === request.arg.peerId ? { ...peer, alias: request.arg.alias } : peer)) });
      case 'set-peer-policy':
        return change({ peers: peers.map((peer) => (peer.peerId === request.arg.peerId ? { ...peer, ...request.arg } : peer)) });
      case 'set-policy':
        return change({ policy: request.arg });
      case 'set-forwarding':
        return change({ forwarding: request.arg });
      case 'answer-prompt': {
        const { channelId } = request.arg;
        return change({
          prompts: prompts.filter((one) => one.channelId !== channelId),
          channels: channels.filter((one) => one.id !== channelId),
        });
      }
      case 'price':
        return request.arg.source?.url.includes('nobody') ? fail('price-unavailable', 'the source gave no price') : { rate: 95_000 };
      case 'set-relay':
        return change({ relay: { url: request.arg.url, reachable: true } });
      case 'vapid-key':
        return { key: 'BA'.repeat(43) };
      case 'subscribed':
        return change({ push: { subscribed: true } });
      case 'test-wake':
        // The push may be quicker than this answer.
        tell({ t: 'wake', wakeId: 'test-1', ms: 84 });
        return { wakeId: 'test-1' };
      case 'activity': {
        const { beforeId = Number.POSITIVE_INFINITY, limit, text = '' } = request.arg;
        const found = fixture.activity.filter(
          (item) => item.id < beforeId && JSON.stringify(item).toLowerCase().includes(text.toLowerCase()),
        );
        return found.slice(0, limit);
      }
      case 'export-log':
        return { json: JSON.stringify(fixture.activity) };
      case 'hide-amounts':
        return change({ hideAmounts: request.arg.hide });
      case 'restore-peers':
        change({ missingPeers: 0 });
        return { restored: 1 };
      case 'coins':
        return fixture.coins;
      case 'receive-address':
        return { address: 'bcrt1q0ur8v9c8dmxn4m2n6m9fa8q2v5yq5nkwnxg0yk', index: 0 };
      case 'open-estimate':
        return fixture.openEstimate;
      case 'close-estimate':
        return fixture.closeEstimate;
      case 'open-channel': {
        const { peerId, amountSat, isPublic } = request.arg;
        const [like] = channels;
        if (like === undefined || amountSat === '66666') return fail('peer-offline', '');
        const id = 'ab'.repeat(32);
        const shares = { capacitySat: amountSat, oursSat: amountSat, theirsSat: '0' };
        const opened = { ...like, ...shares, id, temporaryId: id, peerId, isPublic, opener: true, tag: 'wait-for-accept-channel' as const };
        change({ channels: [...channels, opened] });
        return { channelId: id };
      }
      case 'close-channel':
        if (request.arg.address !== undefined && !request.arg.address.startsWith('bcrt1')) return fail('address-invalid', 'malformed');
        return change({
          channels: channels.flatMap((one) =>
            one.id !== request.arg.channelId ? [one] : one.tag === 'normal' ? [{ ...one, tag: 'negotiating' as const }] : [],
          ),
        });
      case 'force-close':
        return change({
          channels: channels.map((one) =>
            one.id === request.arg.channelId
              ? { ...one, tag: 'closing' as const, closing: { cause: 'user', mutualTxids: [], sweeps: [] } }
              : one,
          ),
        });
      case 'relay-socket':
        return fail('relay-unreachable', 'no relay in this test');
      case 'relay-update':
      case 'refresh':
      case 'refresh-graph':
        return null;
    }
  };

  self.addEventListener('install', (event) => options.waits || event.waitUntil(self.skipWaiting()));
  self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
  // A page is installable only under a worker that answers fetches.
  self.addEventListener('fetch', () => {});
  self.addEventListener('message', (event) => {
    if (event.data?.type === 'SKIP_WAITING') {
      new BroadcastChannel('fake-worker').postMessage('let in');
      event.waitUntil(self.skipWaiting());
    }
    if (event.data?.t !== 'api') return;
    const [port] = event.ports;
    answer(event.data).then(
      (value) => port?.postMessage({ ok: true, value }),
      (error) => port?.postMessage({ ok: false, error }),
    );
  });
}
