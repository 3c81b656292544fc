import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { verifyCompact } from '../../shared/lib/verify.ts';
import { pointFromSecret, sign } from '../../shared/ln/keys/secp.ts';
import { hash } from '../../shared/ln/testing/opener.ts';
import { authDigest } from '../../shared/protocol/digests.ts';
import { relayErrors } from '../../shared/protocol/errors.ts';
import { relayClient, type Token } from './relay.ts';

/** A server on loopback that answers as the test of the moment says. */
type Seen = { readonly op: string; readonly token: string | undefined; readonly body: unknown };
let server: Server;
let url = '';
let seen: Seen[] = [];
let answer: (seen: Seen, response: ServerResponse, request: IncomingMessage) => void;
let tokens = 0;

const json = (response: ServerResponse, status: number, body: unknown): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const refuse = (response: ServerResponse, code: keyof typeof relayErrors): void =>
  json(response, relayErrors[code], { error: { code, message: `it is ${code}` } });
const challenge = '11'.repeat(32);
/** Logs anybody in; the rest is the test's. */
const loggingIn =
  (then: typeof answer): typeof answer =>
  (what, response, request) => {
    if (what.op === 'auth/challenge') json(response, 200, { challenge, expiresAtMs: 9e12 });
    else if (what.op === 'auth/login') json(response, 200, { token: `token-${++tokens}`, expiresAtMs: 9e12 });
    else then(what, response, request);
  };
const tip = { network: 'regtest', height: 7, hash: 'ab'.repeat(32) };
const logins = () => seen.filter(({ op }) => op === 'auth/login').length;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = {
        op: (request.url ?? '').replace('/api/v1/', ''),
        token: request.headers.authorization,
        body: JSON.parse(Buffer.concat(chunks).toString() || 'null'),
      };
      seen.push(one);
      answer(one, response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  seen = [];
  tokens = 0;
  answer = loggingIn((_, response) => json(response, 200, tip));
});

const secret = hash('relay key');
function client(options: { stored?: Token; now?: () => number; wallet?: boolean } = {}) {
  const saved: Token[] = options.stored === undefined ? [] : [options.stored];
  let signed = 0;
  const made = relayClient(url, {
    fetch: (input, init) => fetch(input, init),
    now: options.now ?? (() => 1_000),
    sign: async (digest) => {
      signed += 1;
      return options.wallet === false ? undefined : { publicKey: pointFromSecret(secret), signature: sign(digest, secret) };
    },
    loadToken: async () => saved.at(-1),
    saveToken: async (token) => void saved.push(token),
  });
  return { ...made, saved, signed: () => signed };
}

describe('logging in', () => {
  test('once, with a signature over the challenge and this very relay', async () => {
    const relay = client();
    expect(await relay.call('chain/tip', {})).toEqual({ ok: true, value: tip });
    expect(await relay.call('chain/tip', {})).toMatchObject({ ok: true });
    expect(seen.map(({ op, token }) => [op, token])).toEqual([
      ['auth/challenge', undefined],
      ['auth/login', undefined],
      ['chain/tip', 'Bearer token-1'],
      ['chain/tip', 'Bearer token-1'],
    ]);
    const login = seen[1]?.body as { relayKey: string; audience: string; challenge: string; signature: string };
    expect(login).toMatchObject({ relayKey: toHex(pointFromSecret(secret)), audience: url, challenge });
    const signature = Uint8Array.from(Buffer.from(login.signature, 'hex'));
    expect(verifyCompact(signature, authDigest(url, challenge), pointFromSecret(secret))).toBe(true);
    expect(verifyCompact(signature, authDigest('https://other.example', challenge), pointFromSecret(secret))).toBe(false);
    expect(relay.saved).toEqual([{ url, token: 'token-1', expiresAtMs: 9e12 }]);
  });

  test('is shared by calls that come together', async () => {
    const relay = client();
    const answers = await Promise.all(Array.from({ length: 6 }, () => relay.call('chain/tip', {})));
    expect(answers.every(({ ok }) => ok)).toBe(true);
    expect(logins()).toBe(1);
  });

  test('a stored token is used again', async () => {
    await client({ stored: { url, token: 'kept', expiresAtMs: 9e12 } }).call('chain/tip', {});
    expect(seen.map(({ op, token }) => [op, token])).toEqual([['chain/tip', 'Bearer kept']]);
  });

  test.each([
    ['of another relay', { url: 'https://other.example', token: 'kept', expiresAtMs: 9e12 }],
    ['that ends within the minute', { url: '', token: 'kept', expiresAtMs: 60_999 }],
  ])('a stored token %s is not sent', async (_, stored) => {
    await client({ stored: { ...stored, url: stored.url || url } }).call('chain/tip', {});
    expect(seen.some(({ token }) => token?.includes('kept'))).toBe(false);
    expect(logins()).toBe(1);
  });

  test('a token that the relay forgot is replaced once, also for calls that come together', async () => {
    answer = loggingIn(({ token }, response) => (token === 'Bearer kept' ? refuse(response, 'auth-required') : json(response, 200, tip)));
    const relay = client({ stored: { url, token: 'kept', expiresAtMs: 9e12 } });
    const answers = await Promise.all(Array.from({ length: 4 }, () => relay.call('chain/tip', {})));
    expect(answers.every(({ ok }) => ok)).toBe(true);
    expect(logins()).toBe(1);
  });

  test('a late refusal of the old token does not throw the new one away', async () => {
    let late: (() => void) | undefined;
    answer = loggingIn(({ op, token }, response) => {
      if (token !== 'Bearer kept')
        return json(response, 200, op === 'chain/tip' ? tip : { satPerKw: { fast: 1, normal: 1, slow: 1, floor: 1 } });
      if (op === 'chain/fees') late = () => refuse(response, 'auth-required');
      else refuse(response, 'auth-required');
    });
    const relay = client({ stored: { url, token: 'kept', expiresAtMs: 9e12 } });
    const slow = relay.call('chain/fees', {});
    expect(await relay.call('chain/tip', {})).toMatchObject({ ok: true });
    late?.();
    expect(await slow).toMatchObject({ ok: true });
    expect(logins()).toBe(1);
  });

  test('a relay that refuses every token is asked twice, not for ever', async () => {
    answer = loggingIn((_, response) => refuse(response, 'auth-required'));
    expect(await client().call('chain/tip', {})).toMatchObject({ ok: false, error: { code: 'auth-required' } });
    expect(seen.filter(({ op }) => op === 'chain/tip')).toHaveLength(2);
    expect(logins()).toBe(2);
  });

  test('a refused login is the answer', async () => {
    answer = ({ op }, response) =>
      op === 'auth/challenge' ? json(response, 200, { challenge, expiresAtMs: 9e12 }) : refuse(response, 'auth-failed');
    expect(await client().call('chain/tip', {})).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
  });

  test('a challenge that is none is not signed', async () => {
    answer = (_, response) => json(response, 200, { challenge: 'pay the bearer', expiresAtMs: 1 });
    const relay = client();
    expect(await relay.call('chain/tip', {})).toMatchObject({ ok: false, error: { code: 'malformed' } });
    expect(relay.signed()).toBe(0);
  });

  test('without a wallet there is nobody to log in, and nothing throws', async () => {
    expect(await client({ wallet: false }).call('chain/tip', {})).toMatchObject({ ok: false, error: { code: 'auth-required' } });
    expect(logins()).toBe(0);
  });

  test('a token that is over at once is good for the call that got it', async () => {
    answer = ({ op }, response) => {
      if (op === 'auth/challenge') json(response, 200, { challenge, expiresAtMs: 0 });
      else if (op === 'auth/login') json(response, 200, { token: 'short', expiresAtMs: 0 });
      else json(response, 200, tip);
    };
    expect(await client().call('chain/tip', {})).toMatchObject({ ok: true });
    expect(seen).toHaveLength(3);
  });

  test('what needs no account sends no token', async () => {
    answer = (_, response) => json(response, 200, { vapidPublicKey: 'key' });
    expect(await client({ stored: { url, token: 'kept', expiresAtMs: 9e12 } }).call('push/key', {})).toMatchObject({ ok: true });
    expect(seen).toEqual([{ op: 'push/key', token: undefined, body: {} }]);
  });
});

describe('answers', () => {
  const page = '<html><body>502 Bad Gateway</body></html>';
  const html = (status: number) => (response: ServerResponse) => void response.writeHead(status, { 'content-type': 'text/html' }).end(page);
  const malformed: Record<string, (response: ServerResponse) => void> = {
    'a page with status 200': html(200),
    'a page with status 500': html(500),
    'a page with status 502': html(502),
    'nothing at all': (response) => void response.writeHead(200).end(),
    'half of it': (response) => void response.writeHead(200).end('{"network":"regtest","hei'),
    'a list': (response) => json(response, 200, [tip]),
    null: (response) => json(response, 200, null),
    'another network': (response) => json(response, 200, { ...tip, network: 'othernet' }),
    'a height below zero': (response) => json(response, 200, { ...tip, height: -1 }),
    'a height that is no whole number': (response) => json(response, 200, { ...tip, height: 1.5 }),
    'a height as text': (response) => json(response, 200, { ...tip, height: '7' }),
    'a height beyond exact numbers': (response) => json(response, 200, { ...tip, height: 2 ** 60 }),
    'a short hash': (response) => json(response, 200, { ...tip, hash: 'ab' }),
    'a hash in capitals': (response) => json(response, 200, { ...tip, hash: 'AB'.repeat(32) }),
    'an error nobody knows': (response) => json(response, 500, { error: { code: 'pay-me', message: 'now' } }),
    'an error named like a part of every object': (response) => json(response, 500, { error: { code: 'constructor', message: '' } }),
    'an error without words': (response) => json(response, 500, { error: { code: 'internal' } }),
    'an error of another shape': (response) => json(response, 500, { code: 'internal' }),
    'success under another status': (response) => json(response, 201, tip),
  };
  test.each(Object.entries(malformed))('%s: malformed', async (_, give) => {
    answer = loggingIn((_seen, response) => give(response));
    const result = await client().call('chain/tip', {});
    expect(result).toMatchObject({ ok: false, error: { code: 'malformed' } });
  });

  test('more than was asked for is left out', async () => {
    answer = loggingIn((_, response) => json(response, 200, { ...tip, seed: 'please' }));
    expect(await client().call('chain/tip', {})).toEqual({ ok: true, value: tip });
  });

  test.each(Object.keys(relayErrors) as (keyof typeof relayErrors)[])('%s is told as such', async (code) => {
    answer = loggingIn((_, response) => refuse(response, code));
    expect(await client().call('chain/tip', {})).toEqual({ ok: false, error: { code, detail: `it is ${code}` } });
  });

  test('frames must be base64url that can be decoded', async () => {
    const sync = (bytes: string) => ({
      in: [{ session: 's', epoch: 1, n: 1, bytes }],
      receipts: [],
      sessions: [],
      events: [],
      more: false,
    });
    for (const [bytes, good] of [
      ['AAAA', true],
      ['AA', true],
      ['AAA', true],
      ['', true],
      ['A', false],
      ['AB', false],
      ['AAB', false],
      ['AA==', false],
      ['A+/A', false],
    ] as const) {
      answer = loggingIn((_, response) => json(response, 200, sync(bytes)));
      const result = await client().call('sync', {});
      expect([bytes, result.ok ? 'good' : result.error.code]).toEqual([bytes, good ? 'good' : 'malformed']);
    }
  });

  test('a long speech is cut', async () => {
    answer = loggingIn((_, response) => json(response, 500, { error: { code: 'internal', message: 'x'.repeat(100_000) } }));
    const result = await client().call('chain/tip', {});
    expect(!result.ok && result.error.detail.length).toBe(200);
  });
});

describe('no answer', () => {
  const unreachable = { ok: false, error: { code: 'unreachable' } };

  test.each([301, 302, 307, 308])('a redirect with status %i is not followed', async (status) => {
    answer = loggingIn((_, response) => void response.writeHead(status, { location: `${url}/api/v1/elsewhere` }).end());
    expect(await client().call('chain/tip', {})).toMatchObject(unreachable);
    expect(seen.some(({ op }) => op === 'elsewhere')).toBe(false);
  });

  test('a relay that hangs is given up in time', async () => {
    answer = loggingIn(() => undefined);
    expect(await client().call('chain/tip', {}, { timeoutMs: 50 })).toMatchObject(unreachable);
  });

  test('a relay that hangs in the middle of its answer too', async () => {
    answer = loggingIn((_, response) => void response.writeHead(200).write('{"network":'));
    expect(await client().call('chain/tip', {}, { timeoutMs: 50 })).toMatchObject(unreachable);
  });

  test('a connection that is torn', async () => {
    answer = loggingIn((_, _response, request) => void request.socket.destroy());
    expect(await client().call('chain/tip', {})).toMatchObject(unreachable);
  });

  test('who asked may stop waiting', async () => {
    const stop = new AbortController();
    answer = loggingIn(() => stop.abort());
    expect(await client().call('chain/tip', {}, { signal: stop.signal })).toMatchObject({ ok: false, error: { code: 'aborted' } });
  });
});

test('a price that no currency has ever had, or that is no number, is not believed', async () => {
  const asked = async (rate: unknown) => {
    answer = loggingIn((_, response) => json(response, 200, { rate }));
    const price = await client().call('price', { currency: 'EUR' });
    return price.ok ? price.value.rate : price.error.code;
  };
  expect(await asked(95_000.5)).toBe(95_000.5);
  // JSON has no NaN: it comes as null.
  for (const lie of [Number.NaN, null, -95_000, 0, 0.5, 1e30, '95000', [95_000], {}, true]) expect(await asked(lie)).toBe('malformed');
});
