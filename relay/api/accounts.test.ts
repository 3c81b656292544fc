/** Who may log in, and with what. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../shared/lib/bytes.ts';
import { authDigest, wakeReceiptDigest } from '../../shared/protocol/digests.ts';
import { parseConfig } from '../config.ts';
import { must } from '../keeper/testing.ts';
import type { Store } from '../ports.ts';
import { openStore } from '../store/store.ts';
import { Accounts } from './accounts.ts';
import { createOrigins } from './origins.ts';
import { TestApp } from './testing.ts';

const HERE = 'https://relay.example';
const app = new TestApp(HERE);
let now: number;
let store: Store;
let accounts: Accounts;

function start(limits = {}): void {
  const config = must(parseConfig({ publicUrls: [HERE], limits }));
  accounts = new Accounts({ store, limits: config.limits, clock: () => now, origins: createOrigins(config, () => 8420) });
}
beforeEach(() => {
  now = 1_800_000_000_000;
  store = openStore(null);
  start();
});
afterEach(() => store.close());

function request(changes: { audience?: string; signed?: string; challenge?: string; by?: TestApp; relayKey?: string } = {}) {
  const audience = changes.audience ?? HERE;
  const challenge = changes.challenge ?? accounts.challenge().challenge;
  const by = changes.by ?? app;
  return {
    relayKey: changes.relayKey ?? by.account,
    audience,
    challenge,
    signature: by.sign(authDigest(changes.signed ?? audience, challenge)),
  };
}
const codeOf = (result: ReturnType<Accounts['login']>) => (result.ok ? 'ok' : result.error.code);

test('a signed challenge buys a token that names the account until it expires', () => {
  const { token, expiresAtMs } = must(accounts.login(request()));
  expect(accounts.who(token)).toBe(app.account);
  now = expiresAtMs - 1;
  expect(accounts.who(token)).toBe(app.account);
  now = expiresAtMs;
  expect(accounts.who(token)).toBeUndefined();
  expect(accounts.who('')).toBeUndefined();
  expect(accounts.who(`${token}x`)).toBeUndefined();
});

test('tokens are not in the database, and outlive a restart', () => {
  const { token } = must(accounts.login(request()));
  const rows = JSON.stringify(store.db.prepare('SELECT * FROM tokens').all());
  expect(rows).not.toContain(token);
  expect(rows).toContain(app.account);
  start();
  expect(accounts.who(token)).toBe(app.account);
});

test('a challenge is good for one try, right or wrong', () => {
  const good = request();
  const wrong = { ...good, signature: '00'.repeat(64) };
  expect(codeOf(accounts.login(wrong))).toBe('auth-failed');
  expect(codeOf(accounts.login(good))).toBe('auth-failed');
  const again = request();
  expect([codeOf(accounts.login(again)), codeOf(accounts.login(again))]).toEqual(['ok', 'auth-failed']);
});

test('a challenge that nobody gave out, or too old', () => {
  expect(codeOf(accounts.login(request({ challenge: 'ab'.repeat(32) })))).toBe('auth-failed');
  const old = request();
  now += 60_000;
  expect(codeOf(accounts.login(old))).toBe('auth-failed');
});

test('what was signed for another relay is worth nothing here, however it is labelled', () => {
  expect(codeOf(accounts.login(request({ audience: 'https://evil.example' })))).toBe('auth-failed');
  // The man in the middle passes our challenge on under his name and changes the label on the way back.
  expect(codeOf(accounts.login({ ...request({ signed: 'https://evil.example' }), audience: HERE }))).toBe('auth-failed');
});

test.each(['http://127.0.0.1:8420', 'http://localhost:8420', 'http://[::1]:8420'])('loopback %s always counts', (audience) => {
  expect(codeOf(accounts.login(request({ audience })))).toBe('ok');
});
test.each([
  'http://127.0.0.1:8421',
  'http://127.0.0.1',
  'https://127.0.0.1:8420',
  'http://localhost.evil.example:8420',
  `${HERE}/`,
  'null',
  '',
])('%s is not this relay', (audience) => {
  expect(codeOf(accounts.login(request({ audience })))).toBe('auth-failed');
});

test('a key of somebody else, a signature for something else, a high-S twin', () => {
  const other = new TestApp(HERE);
  expect(codeOf(accounts.login(request({ relayKey: other.account })))).toBe('auth-failed');
  const challenge = accounts.challenge().challenge;
  const receipt = app.sign(wakeReceiptDigest(challenge, 'message', 'done', 1));
  expect(codeOf(accounts.login({ relayKey: app.account, audience: HERE, challenge, signature: receipt }))).toBe('auth-failed');
  const good = request();
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = order - BigInt(`0x${good.signature.slice(64)}`);
  expect(codeOf(accounts.login({ ...good, signature: good.signature.slice(0, 64) + s.toString(16).padStart(64, '0') }))).toBe(
    'auth-failed',
  );
});

test('a relay key that is no point', () => {
  expect(codeOf(accounts.login(request({ relayKey: `02${'ff'.repeat(32)}` })))).toBe('auth-failed');
});

test('open challenges are bounded: the oldest give way', () => {
  start({ challengesTotal: 3 });
  const first = request();
  for (let i = 0; i < 3; i++) accounts.challenge();
  const last = request();
  expect([codeOf(accounts.login(first)), codeOf(accounts.login(last))]).toEqual(['auth-failed', 'ok']);
});

test('a full relay takes no new account but knows the old ones', () => {
  start({ accountsTotal: 1 });
  must(accounts.login(request()));
  expect(codeOf(accounts.login(request({ by: new TestApp(HERE) })))).toBe('quota-requests');
  expect(codeOf(accounts.login(request()))).toBe('ok');
});

test('the account is the relay key', () => {
  const { token } = must(accounts.login(request()));
  expect(accounts.who(token)).toMatch(/^0[23][0-9a-f]{64}$/);
  expect(accounts.who(token)).not.toBe(toHex(app.secret));
});
