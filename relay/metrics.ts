/**
 * What the relay counts (prom-client), and the two pages that tell: `/metrics` for the operator alone, `/health` for whoever
 * looks after the machine. No label holds an account, an address or anything else that a client can choose.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ChainStatus } from './chain/chain.ts';
import type { GraphStatus } from './gossip/gossip.ts';
import type { CounterName, GaugeName, HistogramName, Metrics } from './ports.ts';

const counters: Record<CounterName, string> = {
  beckon_requests_total: 'Requests, by outcome (ok or an error code)',
  beckon_connects_total: 'Connections to peers, by outcome',
  beckon_sessions_established_total: 'Hand-overs of transport keys',
  beckon_sessions_lost_total: 'Sessions that ended, by reason',
  beckon_frames_in_total: 'Messages from peers, by Lightning message type',
  beckon_frames_out_total: 'Messages to peers, by Lightning message type',
  beckon_pings_total: 'Pings of peers that were answered',
  beckon_wakes_total: 'Pushes, by outcome',
  beckon_wake_receipts_total: 'Signed receipts of wakes, by verdict',
  beckon_chain_faults_total: 'Calls to the Bitcoin node that failed (unreachable) or that it refused',
  beckon_gossip_messages_total: 'Gossip of Lightning peers, by what became of it',
  beckon_gossip_ends_total: 'Connections to gossip peers that ended or failed, by reason',
};
const gauges: Record<GaugeName, string> = {
  beckon_sessions_live: 'Peer connections held for apps',
  beckon_websockets: 'WebSockets of apps',
  beckon_queued_frames: 'Messages of peers that wait for an app',
  beckon_queued_bytes: 'Bytes of these messages',
  beckon_open_connections: 'Peer connections of the older HTTP contract',
  beckon_chain_up: '1 when the Bitcoin node answers',
  beckon_chain_height: 'Height of the best block',
  beckon_chain_tip_age_seconds: 'Time since the last new block was seen',
  beckon_gossip_peers: 'Gossip peers that are connected',
  beckon_gossip_queued: 'Messages of gossip peers that wait to be checked',
  beckon_graph_channels: 'Channels in the graph',
  beckon_graph_age_seconds: 'Time since the newest snapshot of the graph was made',
};
const histograms: Record<HistogramName, { readonly help: string; readonly buckets: number[] }> = {
  beckon_request_ms: { help: 'Time to answer a request, by operation', buckets: [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000] },
  beckon_wake_ms: {
    help: 'From a push to the signed receipt of the app',
    buckets: [100, 300, 1000, 2000, 5000, 10_000, 20_000, 60_000, 600_000],
  },
  beckon_push_ms: {
    help: 'Until a push service had taken or refused a push, with retries',
    buckets: [10, 30, 100, 300, 1000, 3000, 10_000, 60_000],
  },
};
/** A label that grows without bound fills the memory of this process and of the one that collects. */
const maxLabelsOfOne = 200;

export type MetricsBook = Metrics & { readonly text: () => Promise<string>; readonly contentType: string };

export function createMetrics(): MetricsBook {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const labelNames = ['kind'] as const;
  const counterOf = new Map(
    Object.entries(counters).map(([name, help]) => [name, new Counter({ name, help, labelNames, registers: [registry] })]),
  );
  const histogramOf = new Map(
    Object.entries(histograms).map(([name, { help, buckets }]) => [
      name,
      new Histogram({ name, help, buckets, labelNames, registers: [registry] }),
    ]),
  );
  const reads = new Map<GaugeName, () => number>();
  const seenLabels = new Map<string, Set<string>>();
  const bounded = (name: string, label: string): string => {
    const seen = seenLabels.get(name) ?? new Set<string>();
    seenLabels.set(name, seen);
    if (!seen.has(label) && seen.size >= maxLabelsOfOne) return 'other';
    seen.add(label);
    return label;
  };
  const labels = (name: string, label: string | undefined) => (label === undefined ? {} : { kind: bounded(name, label) });

  return {
    count: (name, label) => counterOf.get(name)?.inc(labels(name, label)),
    observe: (name, value, label) => histogramOf.get(name)?.observe(labels(name, label), value),
    gauge: (name, read) => {
      if (!reads.has(name)) {
        const gauge: Gauge = new Gauge({
          name,
          help: gauges[name],
          registers: [registry],
          collect: () => gauge.set(reads.get(name)?.() ?? 0),
        });
      }
      reads.set(name, read);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

const loopback = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const loopbackHost = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])(?::\d+)?$/i;

/**
 * With a token: whoever shows it (`Authorization: Bearer …`). Without: only this machine itself, and not through a proxy on
 * it, nor a page that points a name of its own at 127.0.0.1.
 */
export function metricsPage(book: MetricsBook, token: string | null): RequestHandler {
  const hashOf = (text: string) => createHash('sha256').update(text).digest();
  return (request, response, next) => {
    const { headers } = request;
    const local =
      loopback.test(request.socket.remoteAddress ?? '') &&
      loopbackHost.test(headers.host ?? '') &&
      headers.forwarded === undefined &&
      headers['x-forwarded-for'] === undefined &&
      headers['x-forwarded-host'] === undefined;
    const shown = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    const allowed = token === null ? local : timingSafeEqual(hashOf(shown), hashOf(token));
    if (!allowed) {
      response.status(403).type('text/plain').send('Not for you. See docs/operator.md on BECKON_METRICS_TOKEN.\n');
      return;
    }
    book.text().then((text) => response.set({ 'content-type': book.contentType, 'cache-control': 'no-store' }).send(text), next);
  };
}

export type HealthParts = {
  readonly nowMs: () => number;
  readonly chain: () => ChainStatus;
  readonly sessions: () => number;
  /** Undefined: this relay keeps none. */
  readonly graph: () => GraphStatus | undefined;
};

/** 200 as long as the relay itself works: without its Bitcoin node it is `degraded`, and still keeps peers and wakes apps. */
export function healthPage({ nowMs, chain, sessions, graph }: HealthParts): RequestHandler {
  const startedMs = nowMs();
  return (_request, response) => {
    const status = chain();
    response.set('cache-control', 'no-store').json({
      status: status.state === 'down' ? 'degraded' : 'ok',
      uptimeSeconds: Math.floor((nowMs() - startedMs) / 1000),
      sessions: sessions(),
      chain:
        status.state === 'up'
          ? { state: 'up', network: status.network, height: status.height, tipAgeSeconds: Math.floor(status.tipAgeMs / 1000) }
          : status,
      graph: graph() ?? { state: 'none' },
    });
  };
}
