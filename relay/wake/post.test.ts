import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import webpush from 'web-push';
import { systemTimers } from '../timers.ts';
import { httpsPost, type Post } from './post.ts';
import { createSender } from './sender.ts';
import { deviceKeys } from './testing.ts';

/** A push service of our own over real TLS on loopback. */
const folder = mkdtempSync(join(tmpdir(), 'beckon-push-'));
const seen: {
  readonly url: string;
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
  readonly port: number | undefined;
}[] = [];
let answer: (response: ServerResponse) => void = (response) => void response.writeHead(201).end();
let server: https.Server;
let origin: string;
let ca: string;
const agents: https.Agent[] = [];
const post = (timeoutMs = 5000): Post => {
  const agent = new https.Agent({ keepAlive: true, ca });
  agents.push(agent);
  return httpsPost(agent, timeoutMs);
};
const never = new AbortController().signal;

function portOf(listening: https.Server): number {
  const address = listening.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, ...subject],
    {
      stdio: 'ignore',
    },
  );
  ca = readFileSync(cert, 'utf8');
  server = https.createServer({ key: readFileSync(key), cert: ca }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks), port: request.socket.remotePort });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `https://127.0.0.1:${portOf(server)}`;
});
afterAll(async () => {
  for (const agent of agents) agent.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  seen.length = 0;
  answer = (response) => void response.writeHead(201).end();
});

const request = () => ({ url: new URL(`${origin}/wpush/1?token=x`), headers: { TTL: '60' }, body: new Uint8Array([1, 2, 3]) });

describe('a push over TLS', () => {
  it('a push of the sender arrives and opens with the keys of the device', async () => {
    const keys = deviceKeys();
    const sender = createSender({
      vapid: webpush.generateVAPIDKeys(),
      subject: 'mailto:op@example.org',
      post: post(),
      timers: systemTimers,
    });
    const push = { payload: 'żółw ✓', slim: '', urgency: 'high' as const, deadlineMs: Date.now() + 60_000 };
    const outcome = await sender.send({ endpoint: `${origin}/wpush/7`, ...keys.subscription, nextTryMs: 0 }, push, never);
    expect(outcome).toEqual({ tag: 'sent', attempts: 1 });
    expect(seen[0]?.url).toBe('/wpush/7');
    expect(seen[0]?.headers).toMatchObject({ urgency: 'high', topic: 'beckon-wake', 'content-encoding': 'aes128gcm' });
    expect(keys.open(seen[0]?.body ?? new Uint8Array())).toBe('żółw ✓');
  });

  it('status and Retry-After come back, the path keeps its query, the connection is used again', async () => {
    answer = (response) => void response.writeHead(429, { 'retry-after': '17' }).end('slow down');
    const send = post();
    expect(await send(request(), never)).toEqual({ status: 429, retryAfter: '17' });
    await send(request(), never);
    expect(seen.map((one) => one.url)).toEqual(['/wpush/1?token=x', '/wpush/1?token=x']);
    expect(seen[1]?.port).toBe(seen[0]?.port);
  });

  it('a redirect is an answer, not a journey', async () => {
    answer = (response) => void response.writeHead(307, { location: `${origin}/elsewhere` }).end();
    expect(await post()(request(), never)).toEqual({ status: 307, retryAfter: undefined });
    expect(seen).toHaveLength(1);
  });

  it('an endless body is cut off', async () => {
    const cut = new Promise<void>((resolve) => {
      answer = (response) => {
        response.on('close', resolve);
        response.writeHead(201);
        const pour = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(16_384)));
          if (!response.destroyed) response.once('drain', pour);
        };
        pour();
      };
    });
    // The time limit is far away: it is the length that ends it.
    expect(await post(600_000)(request(), never)).toEqual({ status: 201, retryAfter: undefined });
    await cut;
  });

  it('a service that says nothing is given up', async () => {
    answer = () => {};
    await expect(post(100)(request(), never)).rejects.toThrow();
  });

  it('a stop ends the request', async () => {
    const stop = new AbortController();
    answer = () => stop.abort();
    await expect(post()(request(), stop.signal)).rejects.toThrow();
  });

  it('a certificate that we do not trust is no push service', async () => {
    await expect(httpsPost(new https.Agent(), 5000)(request(), never)).rejects.toThrow(/certificate/);
    expect(seen).toHaveLength(0);
  });
});
