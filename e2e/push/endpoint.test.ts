/** The stand-in refuses what the real push services refuse: else a relay that is wrong would pass with it. */
import { createPrivateKey, sign } from 'node:crypto';
import https from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import webpush from 'web-push';
import { makeCertificates } from './certificates.ts';
import { type Endpoint, type Sealed, startEndpoint } from './endpoint.ts';

const certificates = makeCertificates();
const { publicKey, privateKey } = webpush.generateVAPIDKeys();
const agent = new https.Agent({ ca: certificates.ca });
const accepted: Sealed[] = [];
let endpoint: Endpoint;

beforeAll(async () => {
  endpoint = await startEndpoint(certificates, (id) =>
    id === 'known' ? { applicationServerKey: publicKey, accept: (message) => accepted.push(message) } : undefined,
  );
});
afterAll(async () => {
  agent.destroy();
  await endpoint.stop();
});

/** A token signed with the right key, whatever it says. */
function token(claims: object, header: object = { typ: 'JWT', alg: 'ES256' }): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const raw = Buffer.from(publicKey, 'base64url');
  const [x, y] = [raw.subarray(1, 33).toString('base64url'), raw.subarray(33).toString('base64url')];
  const key = createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x, y, d: privateKey } });
  const content = `${encode(header)}.${encode(claims)}`;
  return `${content}.${sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
const soon = () => Math.floor(Date.now() / 1000) + 3600;
const good = () => ({ aud: endpoint.origin, exp: soon(), sub: 'mailto:operator@example.invalid' });
const vapid = (jwt: string, k = publicKey) => `vapid t=${jwt}, k=${k}`;

function post(change: { headers?: Record<string, string | undefined>; id?: string; body?: Buffer; method?: string } = {}): Promise<number> {
  const { headers = {}, id = 'known', body = Buffer.alloc(100), method = 'POST' } = change;
  const all = { ttl: '60', 'content-encoding': 'aes128gcm', authorization: vapid(token(good())), ...headers };
  const sent = Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  return new Promise((resolve, reject) => {
    const request = https.request(`${endpoint.origin}/push/${id}`, { method, agent, headers: sent }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end(body);
  });
}

test('a good post is taken, and written down', async () => {
  expect(await post({ headers: { urgency: 'high', topic: 'wake-1' } })).toBe(201);
  expect(accepted.at(-1)).toMatchObject({ encoding: 'aes128gcm', ttl: 60, topic: 'wake-1' });
  expect(endpoint.posts.at(-1)).toEqual({
    id: 'known',
    status: 201,
    ttl: 60,
    urgency: 'high',
    topic: 'wake-1',
    bytes: 100,
    subject: 'mailto:operator@example.invalid',
  });
  expect(await post({ body: Buffer.alloc(0), headers: { 'content-encoding': undefined } })).toBe(201);
  expect(await post({ body: Buffer.alloc(4096) })).toBe(201);
});

test.each<[string, () => Parameters<typeof post>[0], number, RegExp]>([
  ['another method', () => ({ method: 'PUT' }), 405, /POST/],
  ['an unknown subscription', () => ({ id: 'unknown' }), 410, /gone/],
  ['no TTL', () => ({ headers: { ttl: undefined } }), 400, /TTL/],
  ['an urgency that is none', () => ({ headers: { urgency: 'urgent' } }), 400, /Urgency/],
  ['a topic over 32 characters', () => ({ headers: { topic: 'x'.repeat(33) } }), 400, /Topic/],
  ['one byte too many', () => ({ body: Buffer.alloc(4097) }), 413, /large/],
  ['an older encoding', () => ({ headers: { 'content-encoding': 'aesgcm' } }), 415, /aes128gcm/],
  ['no authorization', () => ({ headers: { authorization: undefined } }), 401, /no VAPID/],
  ['another key', () => ({ headers: { authorization: vapid(token(good()), webpush.generateVAPIDKeys().publicKey) } }), 403, /not the key/],
  [
    'a changed token',
    () => ({ headers: { authorization: vapid(token(good()).replace(/\.[^.]*$/, `.${'A'.repeat(86)}`)) } }),
    403,
    /signature/,
  ],
  ['another algorithm', () => ({ headers: { authorization: vapid(token(good(), { alg: 'none' })) } }), 403, /ES256/],
  ['another service', () => ({ headers: { authorization: vapid(token({ ...good(), aud: 'https://example.invalid' })) } }), 403, /audience/],
  ['an expired token', () => ({ headers: { authorization: vapid(token({ ...good(), exp: soon() - 3700 })) } }), 403, /expiry/],
  ['a token for over a day', () => ({ headers: { authorization: vapid(token({ ...good(), exp: soon() + 86_400 })) } }), 403, /expiry/],
  ['no contact', () => ({ headers: { authorization: vapid(token({ ...good(), sub: undefined })) } }), 403, /subject/],
])('refused: %s', async (_, change, status, reason) => {
  const before = accepted.length;
  expect(await post(change())).toBe(status);
  expect(endpoint.posts.at(-1)?.reason).toMatch(reason);
  expect(accepted.length).toBe(before);
});
