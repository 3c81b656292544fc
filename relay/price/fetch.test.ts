/** Sources that lie, hang, lead inside or never end, behind a real server on loopback; and addresses that must not be dialled at all. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http, { type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { err } from '../../shared/lib/result.ts';
import { Buckets } from '../keeper/buckets.ts';
import { createDial, type Dialler, tcpDialler } from '../keeper/dial.ts';
import { until } from '../keeper/testing.ts';
import { createFetch } from './fetch.ts';

const folder = mkdtempSync(join(tmpdir(), 'beckon-price-'));
const servers: (http.Server | https.Server)[] = [];
let answer: (response: ServerResponse) => void;
let asked: { readonly url: string | undefined; readonly headers: http.IncomingHttpHeaders }[] = [];
let [plain, secure, ca] = ['', '', ''];
let gone = 0;

const listener: RequestListener = ({ url, headers, socket }, response) => {
  asked.push({ url, headers });
  socket.once('close', () => gone++);
  answer(response);
};
async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
beforeAll(async () => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=prices.example', '-addext', 'subjectAltName=DNS:prices.example'];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...request, ...subject], { stdio: 'ignore' });
  ca = readFileSync(cert, 'utf8');
  servers.push(http.createServer(listener), https.createServer({ key: readFileSync(key), cert: ca }, listener));
  const [httpPort, httpsPort] = await Promise.all(servers.map(listen));
  plain = `http://127.0.0.1:${httpPort}`;
  secure = `https://prices.example:${httpsPort}`;
});
afterAll(async () => {
  for (const server of servers) server.closeAllConnections();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  [asked, gone] = [[], 0];
  answer = (response) => void response.end('{"EUR": 95000}');
});

type Lab = {
  readonly names?: (name: string, lookups: number) => readonly string[];
  readonly allow?: readonly string[];
  readonly timeoutMs?: number;
  readonly record?: boolean;
};
/** The dialler tells what it was asked for; with `record` it sends no packet. */
function lab({ names = () => ['127.0.0.1'], allow = ['127.0.0.0/8'], timeoutMs = 5_000, record = false }: Lab = {}) {
  const dialled: string[] = [];
  const lookups: string[] = [];
  const dialler: Dialler = async (target) => {
    dialled.push(target.address);
    return record ? err('failed') : tcpDialler(target);
  };
  const dial = createDial({
    policy: { allow, ports: [443], own: [] },
    resolve: async (name) => {
      lookups.push(name);
      return names(name, lookups.length);
    },
    dialler,
    timeoutMs: 5_000,
    perTarget: new Buckets(() => 0, 1_000),
  });
  const fetch = createFetch({ dial, timeoutMs, maxBytes: 64 * 1024, ca });
  const read = async (url: string): Promise<string> => {
    const text = await fetch(new URL(url));
    return text.ok ? text.value : text.error.code;
  };
  return { read, dialled, lookups };
}

test('a document, over http and over TLS with the name that was asked', async () => {
  const { read, dialled } = lab();
  expect(await read(`${plain}/v1/EUR?x=1`)).toBe('{"EUR": 95000}');
  expect(await read(`${secure}/EUR`)).toBe('{"EUR": 95000}');
  expect(dialled).toEqual(['127.0.0.1', '127.0.0.1']);
  expect(asked.map(({ url }) => url)).toEqual(['/v1/EUR?x=1', '/EUR']);
  expect(asked[1]?.headers).toMatchObject({ host: new URL(secure).host, accept: 'application/json' });
  expect(Object.keys(asked[1]?.headers ?? {})).not.toContain('cookie');
});

test('a certificate of another name, or of nobody we know, is no source', async () => {
  const port = new URL(secure).port;
  expect(await lab().read(`https://other.example:${port}/`)).toBe('price-unavailable');
  expect(await lab().read(`https://127.0.0.1:${port}/`)).toBe('price-unavailable');
  expect(asked).toEqual([]);
});

test.each([301, 302, 303, 307, 308])('status %i to a private address is not followed', async (status) => {
  answer = (response) => void response.writeHead(status, { location: 'http://169.254.169.254/latest/meta-data/' }).end('{"EUR": 95000}');
  const { read, dialled } = lab();
  expect(await read(`${plain}/`)).toBe('price-unavailable');
  expect(dialled).toEqual(['127.0.0.1']);
});

test.each([204, 400, 401, 404, 429, 500])('status %i is no document', async (status) => {
  answer = (response) => void response.writeHead(status).end('{"EUR": 95000}');
  expect(await lab().read(`${plain}/`)).toBe('price-unavailable');
});

test('one that says nothing, or a letter now and then, costs its time and no more', async () => {
  answer = () => undefined;
  expect(await lab({ timeoutMs: 100 }).read(`${plain}/`)).toBe('price-unavailable');
  await until(() => gone === 1, 'the connection to be closed');
  answer = (response) => {
    const drip = setInterval(() => response.write(' '), 10);
    response.on('close', () => clearInterval(drip));
  };
  expect(await lab({ timeoutMs: 200 }).read(`${plain}/`)).toBe('price-unavailable');
  await until(() => gone === 2, 'the connection to be closed');
});

test('a dialler or a name server that never answers is not waited for', async () => {
  const dial = () => new Promise<never>(() => undefined);
  const fetch = createFetch({ dial, timeoutMs: 50, maxBytes: 1 });
  expect(await fetch(new URL('https://prices.example/'))).toMatchObject({ ok: false, error: { code: 'price-unavailable' } });
});

test('of 50 MB no more than the limit is read', async () => {
  const part = Buffer.alloc(64 * 1024, ' ');
  let written = 0;
  answer = (response) => {
    const more = (): void => {
      while (written < 50 * 1024 * 1024) {
        written += part.length;
        if (!response.write(part)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  };
  expect(await lab().read(`${plain}/`)).toBe('price-unavailable');
  await until(() => gone === 1, 'the connection to be closed');
  expect(written).toBeLessThan(20 * 1024 * 1024);
});

test.each<[string, (response: ServerResponse) => void]>([
  ['cut in the middle', (response) => void response.writeHead(200, { 'content-length': '100' }).write('{"EUR"', () => response.destroy())],
  ['cut before it begins', (response) => void response.destroy()],
  ['no HTTP', (response) => void response.socket?.end('hello\r\n\r\n')],
  ['headers without end', (response) => void response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n{}`)],
])('%s', async (_, bad) => {
  answer = bad;
  expect(await lab().read(`${plain}/`)).toBe('price-unavailable');
});

test.each([
  'https://127.0.0.1/',
  'https://10.0.0.1/x',
  'https://192.168.1.1:8443/',
  'https://169.254.169.254/latest/meta-data/',
  'https://[::1]/',
  'https://[fd00::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://0x7f.1/',
  'https://2130706433/',
  'https://0/',
  'https://localhost/',
  'https://inside.example/',
  'https://half.example/',
  'https://1.1.1.1:22/',
  'https://1.1.1.1:6379/',
  'https://1.1.1.1:8332/',
  'http://1.1.1.1/',
])('%s is refused, and nothing is sent', async (url) => {
  const names = (name: string): readonly string[] => (name === 'half.example' ? ['1.1.1.1', '10.0.0.7'] : ['10.0.0.7']);
  const { read, dialled } = lab({ allow: [], names, record: true });
  expect(await read(url)).toBe('dial-refused');
  expect(dialled).toEqual([]);
});

test('a name is looked up once, and the address that was checked is dialled', async () => {
  const { read, dialled, lookups } = lab({ allow: [], record: true, names: (_, lookup) => (lookup === 1 ? ['1.1.1.1'] : ['127.0.0.1']) });
  expect(await read('https://rebound.example/')).toBe('price-unavailable');
  expect([lookups, dialled]).toEqual([['rebound.example'], ['1.1.1.1']]);
});
