import { createServer, request, type Server } from 'node:http';
import express from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import type { ChainStatus } from './chain/chain.ts';
import type { GraphStatus } from './gossip/gossip.ts';
import { createMetrics, healthPage, metricsPage } from './metrics.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(app: express.Express): Promise<number> {
  const server = createServer(app);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Not fetch: that would not let us choose the Host. */
function get(port: number, path: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string; type: string }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += String(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, type: response.headers['content-type'] ?? '' }));
    })
      .on('error', reject)
      .end();
  });
}

describe('/metrics', () => {
  async function world(token: string | null) {
    const book = createMetrics();
    const port = await serve(express().get('/metrics', metricsPage(book, token)));
    return { book, port };
  }

  it('counts, observes and reads', async () => {
    const { book, port } = await world(null);
    let live = 1;
    book.count('beckon_wakes_total', 'sent');
    book.count('beckon_wakes_total', 'sent');
    book.count('beckon_pings_total');
    book.observe('beckon_wake_ms', 250);
    book.gauge('beckon_sessions_live', () => live);
    live = 7;
    const { status, text, type } = await get(port, '/metrics');
    expect(status).toBe(200);
    expect(type).toMatch(/^text\/plain/);
    expect(text).toMatch(/^beckon_wakes_total\{kind="sent"\} 2$/m);
    expect(text).toMatch(/^beckon_pings_total 1$/m);
    expect(text).toMatch(/^beckon_wake_ms_bucket\{le="300"\} 1$/m);
    expect(text).toMatch(/^beckon_wake_ms_bucket\{le="100"\} 0$/m);
    expect(text).toMatch(/^beckon_sessions_live 7$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    book.gauge('beckon_sessions_live', () => 9);
    expect((await get(port, '/metrics')).text).toMatch(/^beckon_sessions_live 9$/m);
  });

  it('two relays in one process count apart', async () => {
    const a = await world(null);
    const b = await world(null);
    a.book.count('beckon_pings_total');
    expect((await get(b.port, '/metrics')).text).not.toMatch(/^beckon_pings_total 1$/m);
  });

  it('labels without bound end in one', async () => {
    const { book, port } = await world(null);
    for (let i = 0; i < 1000; i++) book.count('beckon_frames_in_total', String(i));
    const { text } = await get(port, '/metrics');
    expect(text.match(/^beckon_frames_in_total\{/gm)?.length).toBe(201);
    expect(text).toMatch(/^beckon_frames_in_total\{kind="other"\} 800$/m);
  });

  it('without a token: this machine only, and neither through a proxy nor under a name', async () => {
    const { port } = await world(null);
    for (const headers of [
      { 'x-forwarded-for': '203.0.113.9' },
      { forwarded: 'for=203.0.113.9' },
      { 'x-forwarded-host': 'relay.example' },
      { host: 'relay.example' },
      { host: '127.0.0.1.evil.example' },
    ]) {
      expect((await get(port, '/metrics', headers)).status, JSON.stringify(headers)).toBe(403);
    }
    expect((await get(port, '/metrics', { host: `localhost:${port}` })).status).toBe(200);
  });

  it('with a token: whoever shows it, from anywhere', async () => {
    const { port } = await world('s3cret');
    for (const authorization of ['', 'Bearer', 'Bearer wrong', 'Bearer s3cret ', 'Basic s3cret', 's3cret']) {
      const { status, text } = await get(port, '/metrics', { authorization });
      // Node itself trims a header.
      expect(status, authorization).toBe(authorization.trim() === 'Bearer s3cret' ? 200 : 403);
      if (status === 403) expect(text).not.toContain('beckon_');
    }
    expect(
      (await get(port, '/metrics', { authorization: 'Bearer s3cret', 'x-forwarded-for': '203.0.113.9', host: 'relay.example' })).status,
    ).toBe(200);
  });
});

describe('/health', () => {
  async function health(chain: ChainStatus, graph?: GraphStatus) {
    let nowMs = 1000;
    const page = healthPage({ nowMs: () => nowMs, chain: () => chain, sessions: () => 3, graph: () => graph });
    const port = await serve(express().get('/health', page));
    nowMs += 61_500;
    const { status, text } = await get(port, '/health');
    return { status, body: JSON.parse(text) };
  }

  it('all is well', async () => {
    expect(await health({ state: 'up', network: 'regtest', height: 7, tipAgeMs: 2500 })).toEqual({
      status: 200,
      body: {
        status: 'ok',
        uptimeSeconds: 61,
        sessions: 3,
        chain: { state: 'up', network: 'regtest', height: 7, tipAgeSeconds: 2 },
        graph: { state: 'none' },
      },
    });
  });

  it('a relay that keeps the channel graph says how large and how old it is', async () => {
    const graph = { state: 'kept', channels: 40_000, nodes: 15_000, peers: 2, ageSeconds: 1_200 } as const;
    expect(await health({ state: 'none' }, graph)).toMatchObject({ status: 200, body: { graph } });
  });

  it('a node that is down is a degraded relay, no node is none', async () => {
    expect(await health({ state: 'down', fault: 'the node did not answer in time' })).toMatchObject({
      status: 200,
      body: { status: 'degraded', chain: { state: 'down', fault: 'the node did not answer in time' } },
    });
    expect(await health({ state: 'none' })).toMatchObject({ status: 200, body: { status: 'ok', chain: { state: 'none' } } });
  });
});
