/** The HTTP door: who may come in, in what shape, how often. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { operations } from '../../shared/protocol/session.ts';
import type { ConfigInput } from '../config.ts';
import { appHandshake, must, TestPeer } from '../keeper/testing.ts';
import { startTestRelay, TestApp, type TestRelay } from './testing.ts';

let lab: TestRelay;
let app: TestApp;

async function start(config: ConfigInput = {}): Promise<void> {
  lab = await startTestRelay(config);
  app = new TestApp(lab.relay.url);
  await app.login();
}
afterEach(() => lab.stop());

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${lab.relay.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

const codeIn = async (response: Response): Promise<unknown> => JSON.parse(await response.text()).error.code;

describe('requests', () => {
  beforeEach(() => start());

  test.each(Object.entries(operations).filter(([, operation]) => operation.auth))('%s wants a login', async (op) => {
    const response = await post(`/api/v1/${op}`, '{}');
    expect([response.status, await response.json()]).toEqual([401, { error: { code: 'auth-required', message: 'log in first' } }]);
  });

  test('a token that is not one', async () => {
    const response = await post('/api/v1/sync', '{}', { authorization: 'Bearer nonsense' });
    expect(response.status).toBe(401);
  });

  test.each([
    ['no JSON', '/api/v1/sync', '{', 400, 'bad-request'],
    ['not an object', '/api/v1/sync', '"x"', 400, 'bad-request'],
    ['a field that is unknown', '/api/v1/sync', '{"lastin":[]}', 400, 'bad-request'],
    ['a field of the wrong type', '/api/v1/sync', '{"lingerMs":"5"}', 400, 'bad-request'],
    ['a frame that is not base64url', '/api/v1/sync', '{"out":[{"session":"a","epoch":1,"m":1,"bytes":"AAAAA"}]}', 400, 'bad-request'],
    ['a backup that is not base64url', '/api/v1/sync', '{"backup":{"seq":1,"bytes":"A"}}', 400, 'bad-request'],
    ['an unknown operation', '/api/v1/constructor', '{}', 404, 'not-found'],
    ['another unknown operation', '/api/v1/toString', '{}', 404, 'not-found'],
    ['a session that is not there', '/api/v1/disconnect', '{"session":"nope"}', 404, 'session-unknown'],
    [
      'an onion address',
      '/api/v1/connect',
      JSON.stringify({ peer: `02${'11'.repeat(32)}`, host: 'x.onion', port: 9735, act1: `0002${'11'.repeat(48)}` }),
      400,
      'onion-unsupported',
    ],
    [
      'an address inside',
      '/api/v1/connect',
      JSON.stringify({ peer: `02${'11'.repeat(32)}`, host: '10.0.0.1', port: 9735, act1: `0002${'11'.repeat(48)}` }),
      403,
      'dial-refused',
    ],
  ])('%s', async (_name, path, body, status, code) => {
    const response = await post(path, body, { authorization: `Bearer ${app.token}` });
    expect([response.status, await codeIn(response)]).toEqual([status, code]);
  });

  test('a refusal names the field, never its value', async () => {
    const response = await post('/api/v1/establish', JSON.stringify({ keys: { sending: 'deadbeef'.repeat(9) } }), {
      authorization: `Bearer ${app.token}`,
    });
    const text = await response.text();
    expect(response.status).toBe(400);
    expect(text).not.toContain('deadbeef');
  });

  test('GET does nothing', async () => {
    const response = await fetch(`${lab.relay.url}/api/v1/sync`, { headers: { authorization: `Bearer ${app.token}` } });
    expect(response.status).toBe(404);
  });

  test('answers are not cached', async () => {
    expect((await post('/api/v1/auth/challenge', '{}')).headers.get('cache-control')).toBe('no-store');
  });

  test('without a chain source the chain operations say so', async () => {
    expect(await app.call('chain/tip', {})).toMatchObject({ ok: false, error: { code: 'chain-unavailable', status: 503 } });
  });
});

describe('origins', () => {
  beforeEach(() => start({ origins: ['https://app.example'], publicUrls: ['https://relay.example'] }));
  const preflight = (origin: string) =>
    fetch(`${lab.relay.url}/api/v1/sync`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });

  test('a page of another origin is refused, whatever Host it says', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1', 'https://app.example.evil.example', 'http://app.example']) {
      const response = await post('/api/v1/auth/challenge', '{}', { origin });
      expect([response.status, await codeIn(response)]).toEqual([403, 'origin-refused']);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      expect((await preflight(origin)).status).toBe(403);
    }
  });

  test('own pages, listed pages and programs are let in', async () => {
    for (const origin of [lab.relay.url, `http://localhost:${lab.relay.port}`, 'https://relay.example', 'https://app.example']) {
      const response = await post('/api/v1/auth/challenge', '{}', { origin });
      expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
      const asked = await preflight(origin);
      expect([asked.status, asked.headers.get('access-control-allow-headers')]).toEqual([204, 'Authorization, Content-Type']);
    }
    expect((await post('/api/v1/auth/challenge', '{}')).status).toBe(200);
  });
});

describe('limits', () => {
  const code = (answer: { ok: boolean; error?: { code: string } }) => (answer.ok ? 'ok' : answer.error?.code);

  test('a body that is too large', async () => {
    await start({ limits: { bodyBytes: 10_000 } });
    const response = await post('/api/v1/sync', JSON.stringify({ x: 'x'.repeat(20_000) }), { authorization: `Bearer ${app.token}` });
    expect([response.status, await codeIn(response)]).toEqual([413, 'too-large']);
  });

  test('requests of an account a minute', async () => {
    await start({ limits: { requestsPerMinute: 3 } });
    const codes = [
      await app.call('backup', {}),
      await app.call('backup', {}),
      await app.call('backup', {}),
      await app.call('backup', {}),
    ].map(code);
    expect(codes).toEqual(['ok', 'ok', 'ok', 'quota-requests']);
    const other = new TestApp(lab.relay.url);
    await other.login();
    expect(code(await other.call('backup', {}))).toBe('ok');
  });

  test('logins of an address a minute, with the time to wait', async () => {
    await start({ limits: { loginsPerMinute: 3 } });
    expect(code(await app.call('auth/challenge', {}))).toBe('ok');
    const refused = await post('/api/v1/auth/challenge', '{}');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '20']);
  });

  test('all requests of an address a minute', async () => {
    await start({ limits: { requestsPerAddressPerMinute: 4 } });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await post('/api/v1/push/key', '{}')).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
  });

  test('connects of an account a minute', async () => {
    await start({ limits: { connectsPerMinute: 2 } });
    const request = () => ({ peer: `02${'11'.repeat(32)}`, host: '10.0.0.1', port: 9735, act1: `0002${'11'.repeat(48)}` });
    const codes = [];
    for (let i = 0; i < 3; i++) codes.push(code(await app.call('connect', request())));
    expect(codes).toEqual(['dial-refused', 'handover-used', 'quota-connects']);
  });

  test('handshakes at once, sessions of an account; a peer that was let go makes room', async () => {
    await start({ limits: { sessionsPerAccount: 2, handshakesPerAccount: 1 } });
    const peers = await Promise.all([TestPeer.start(), TestPeer.start(), TestPeer.start()]);
    const connect = async (peer: TestPeer | undefined) => {
      if (peer === undefined) throw new Error('no peer');
      return app.call('connect', { peer: peer.idHex, host: '127.0.0.1', port: peer.port, act1: toHex(appHandshake(peer.id).act1) });
    };
    must(await connect(peers[0]));
    expect(code(await connect(peers[1]))).toBe('quota-connects');
    // With the same peer it takes the place of the older one.
    must(await connect(peers[0]));
    const [first, second, third] = peers;
    if (first === undefined || second === undefined || third === undefined) throw new Error('no peer');
    await app.call('disconnect', { session: (await app.sync()).sessions[0]?.session ?? '' });
    const one = await app.open(first);
    await app.open(second);
    expect(code(await connect(third))).toBe('quota-sessions');
    must(await app.call('disconnect', { session: one.session }));
    await app.open(third);
    expect((await app.sync()).sessions.map((status) => status.peer).sort()).toEqual([second.idHex, third.idHex].sort());
    await Promise.all(peers.map((peer) => peer.stop()));
  });

  test('watches and backup bytes', async () => {
    await start({ limits: { watchesPerAccount: 1, backupBytesPerHour: 1_000 } });
    const watch = (id: string) => ({ id, kind: 'script' as const, script: '0014' });
    expect(code(await app.call('sync', { watches: [watch('a')] }))).toBe('ok');
    expect(code(await app.call('sync', { watches: [watch('a'), watch('b')] }))).toBe('quota-watches');
    const bytes = 'A'.repeat(800);
    expect(code(await app.call('sync', { backup: { seq: 1, bytes } }))).toBe('ok');
    expect(code(await app.call('sync', { backup: { seq: 2, bytes } }))).toBe('quota-backup');
    expect(must(await app.call('backup', {})).seq).toBe(1);
  });
});

describe('backups', () => {
  beforeEach(() => start());

  test('the newest counts: an older seq changes nothing, and is no error', async () => {
    expect(must(await app.call('backup', {}))).toEqual({});
    await app.sync({ backup: { seq: 5, bytes: 'AAAA' } });
    await app.sync({ backup: { seq: 4, bytes: 'BBBB' } });
    await app.sync({ backup: { seq: 5, bytes: 'CCCC' } });
    expect(must(await app.call('backup', {}))).toEqual({ seq: 5, bytes: 'AAAA' });
    await app.sync({ backup: { seq: 6, bytes: 'DDDD' } });
    expect(must(await app.call('backup', {}))).toEqual({ seq: 6, bytes: 'DDDD' });
  });

  test('nobody reads the backup of another account', async () => {
    await app.sync({ backup: { seq: 1, bytes: 'AAAA' } });
    const other = new TestApp(lab.relay.url);
    await other.login();
    expect(must(await other.call('backup', {}))).toEqual({});
  });
});

describe('the app as files', () => {
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'beckon-app-'));
    mkdirSync(join(folder, 'assets'));
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>Beckon</title>');
    writeFileSync(join(folder, 'sw.js'), '1');
    writeFileSync(join(folder, 'assets', 'index-abc123.js'), '2');
    await start({ appFolder: folder, connectSrc: ['https://other.example'], publicUrls: ['https://relay.example'] });
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const get = async (path: string) => {
    const response = await fetch(`${lab.relay.url}${path}`);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  test('the page and its worker are asked for anew, what has a hash in its name never', async () => {
    for (const path of ['/', '/index.html', '/sw.js', '/channels/abc'])
      expect((await get(path)).headers.get('cache-control')).toBe('no-cache');
    expect((await get('/assets/index-abc123.js')).headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  test('addresses of the app lead to its page; a missing file and the API do not', async () => {
    expect((await get('/channels/abc')).text).toContain('Beckon');
    for (const path of ['/assets/gone.js', '/gone.png', '/api/v1/nothing', '/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd.txt']) {
      expect((await get(path)).text).not.toContain('root:');
    }
    expect([(await get('/assets/gone.js')).status, (await get('/api/v1/nothing')).status]).toEqual([404, 404]);
  });

  test('only our own script runs, and only known places are talked to', async () => {
    const policy = (await get('/')).headers.get('content-security-policy') ?? '';
    expect(policy.split(';')).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "worker-src 'self'",
        "manifest-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
      ]),
    );
    expect(policy).toContain("connect-src 'self' https://other.example wss://other.example https://relay.example wss://relay.example;");
    expect(policy).not.toMatch(/unsafe|\*/);
    expect((await get('/')).headers.get('cross-origin-opener-policy')).toBe('same-origin');
    // The worker may compile WebAssembly besides, nothing else.
    const worker = (await get('/sw.js')).headers.get('content-security-policy') ?? '';
    expect(worker).toBe(policy.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"));
  });

  test('health, and metrics for this machine alone', async () => {
    expect(JSON.parse((await get('/health')).text)).toMatchObject({ status: 'ok', sessions: 0 });
    expect((await get('/metrics')).text).toBe('counted');
    const proxied = await fetch(`${lab.relay.url}/metrics`, { headers: { 'x-forwarded-for': '9.9.9.9' } });
    expect(proxied.status).toBe(403);
  });
});
