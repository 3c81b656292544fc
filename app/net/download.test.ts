/** A relay that sends what it should not: each costs no more than its limit. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { download } from './download.ts';

const limits = { maxPackedBytes: 100_000, maxBytes: 1_000_000, timeoutMs: 5_000 };
let server: Server;
let url = '';
let answer: (response: ServerResponse) => void;
let written = 0;

beforeAll(async () => {
  server = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const get = (changes: Partial<typeof limits> = {}) => download((input, init) => fetch(input, init), url, { ...limits, ...changes });
/** Writes until nobody reads. */
function endless(response: ServerResponse, piece: Buffer): void {
  written = 0;
  const more = (): void => {
    while (!response.destroyed && response.write(piece)) written += piece.length;
  };
  response.on('drain', more);
  more();
}

test('what was packed', async () => {
  const content = new Uint8Array(300_000).map((_, i) => (i * i) % 251);
  answer = (response) => response.end(gzipSync(content));
  const got = await get();
  expect(got.ok && Buffer.compare(got.value, content)).toBe(0);
});

test('an error of the protocol is told as one, anything else as malformed', async () => {
  const error = (body: string, status = 404) => {
    answer = (response) => response.writeHead(status).end(body);
    return get();
  };
  expect(await error('{"error":{"code":"graph-unavailable","message":"none"}}')).toEqual({
    ok: false,
    error: { code: 'graph-unavailable', detail: 'none' },
  });
  expect(await error('{"error":{"code":"made-up","message":"none"}}')).toMatchObject({ ok: false, error: { code: 'malformed' } });
  expect(await error('<html>', 502)).toMatchObject({ ok: false, error: { code: 'malformed', detail: 'status 502' } });
  expect(await error('x'.repeat(1_000_000))).toMatchObject({ ok: false, error: { code: 'malformed' } });
});

test.each([
  ['no gzip', Buffer.from('this is not gzip')],
  ['gzip that is cut', gzipSync(Buffer.alloc(1000, 'x')).subarray(0, 20)],
  ['nothing', Buffer.alloc(0)],
  ['gzip with something behind it', Buffer.concat([gzipSync(Buffer.from('x')), Buffer.from('garbage')])],
])('%s is malformed', async (_name, bytes) => {
  answer = (response) => response.end(bytes);
  expect(await get()).toMatchObject({ ok: false, error: { code: 'malformed' } });
});

test('an endless answer is left at the limit', async () => {
  answer = (response) => endless(response, Buffer.alloc(10_000, 1));
  expect(await get()).toEqual({ ok: false, error: { code: 'malformed', detail: 'more bytes than there may be' } });
  // What the sockets between held is all that came on top.
  expect(written).toBeLessThan(20_000_000);
});

test('a file that unpacks to a thousand times its size is left at the limit', async () => {
  const bomb = gzipSync(Buffer.alloc(40_000_000));
  expect(bomb.length).toBeLessThan(limits.maxPackedBytes);
  answer = (response) => response.end(bomb);
  expect(await get()).toEqual({ ok: false, error: { code: 'malformed', detail: 'it unpacks to more than it may' } });
});

test('an answer that drips ends with its time', async () => {
  answer = (response) => {
    response.write('x');
    const drip = setInterval(() => response.write('x'), 10);
    response.on('close', () => clearInterval(drip));
  };
  expect(await get({ timeoutMs: 200 })).toMatchObject({ ok: false, error: { code: 'unreachable' } });
});

test('a redirect is not followed', async () => {
  answer = (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  expect(await get()).toMatchObject({ ok: false, error: { code: 'unreachable' } });
});
