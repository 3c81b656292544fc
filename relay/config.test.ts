import { expect, test } from 'vitest';
import { parseConfig, parseGossipPeer, readConfig } from './config.ts';
import { must } from './keeper/testing.ts';

const problems = (env: Record<string, string>, file?: string) => {
  const result = readConfig(env, () => file ?? '');
  return result.ok ? [] : result.error.problems;
};

test('nothing set: a relay on loopback that dials public addresses only', () => {
  const config = must(readConfig({}));
  expect(config).toMatchObject({
    host: '127.0.0.1',
    port: 8420,
    dialAllow: [],
    dialPorts: [443],
    chain: null,
    openApi: true,
    publicUrls: [],
    origins: [],
  });
  expect(config.limits).toMatchObject({ actTimeoutMs: 15_000, queueBytes: 262_144, sessionsPerAccount: 64 });
});

test('everything from the environment', () => {
  const config = must(
    readConfig({
      PORT: '9000',
      BECKON_HOST: '0.0.0.0',
      BECKON_DATA: '/var/lib/beckon',
      BECKON_DIAL_ALLOW: '127.0.0.0/8, fd00::/8',
      BECKON_DIAL_PORTS: '80 443',
      BECKON_CHAIN: 'http://user:secret@127.0.0.1:8332',
      BECKON_GOSSIP: `02${'ab'.repeat(32)}@203.0.113.7:9735, 03${'CD'.repeat(32)}@[2001:db8::7]:9736`,
      BECKON_OPEN_API: 'off',
      BECKON_PUBLIC_URL: 'https://relay.example',
      BECKON_ORIGINS: 'https://app.example,https://other.example',
      BECKON_VAPID_SUBJECT: 'mailto:me@example.com',
      BECKON_TRUST_PROXY: '1',
      BECKON_LOG_LEVEL: 'debug',
    }),
  );
  expect(config).toMatchObject({
    port: 9000,
    host: '0.0.0.0',
    dataFolder: '/var/lib/beckon',
    dialAllow: ['127.0.0.0/8', 'fd00::/8'],
    dialPorts: [80, 443],
    chain: 'http://user:secret@127.0.0.1:8332',
    gossip: [`02${'ab'.repeat(32)}@203.0.113.7:9735`, `03${'CD'.repeat(32)}@[2001:db8::7]:9736`],
    openApi: false,
    publicUrls: ['https://relay.example'],
    origins: ['https://app.example', 'https://other.example'],
    vapidSubject: 'mailto:me@example.com',
    trustProxy: 1,
    logLevel: 'debug',
  });
});

test('a file gives the limits; the environment wins over it; empty variables do not count', () => {
  const file = JSON.stringify({ port: 1000, host: '::1', limits: { queueFrames: 7 } });
  const config = must(readConfig({ BECKON_CONFIG: '/etc/beckon.json', PORT: '2000', BECKON_HOST: '' }, () => file));
  expect([config.port, config.host, config.limits.queueFrames, config.limits.queueBytes]).toEqual([2000, '::1', 7, 262_144]);
});

test.each([
  [{ PORT: 'abc' }, 'PORT (port): must be a number'],
  [{ PORT: '70000' }, 'PORT (port): must be at most 65535'],
  [
    { BECKON_DIAL_ALLOW: '10.0.0.0/8 everything' },
    'BECKON_DIAL_ALLOW (dialAllow.1): "everything" is not an address range such as 10.0.0.0/8',
  ],
  [
    { BECKON_PUBLIC_URL: 'relay.example' },
    'BECKON_PUBLIC_URL (publicUrls.0): "relay.example" is not an origin such as https://relay.example',
  ],
  [
    { BECKON_PUBLIC_URL: 'https://relay.example/' },
    'BECKON_PUBLIC_URL (publicUrls.0): "https://relay.example/" is not an origin such as https://relay.example',
  ],
  [
    { BECKON_GOSSIP: `02${'ab'.repeat(32)}@203.0.113.7` },
    `BECKON_GOSSIP (gossip.0): "02${'ab'.repeat(32)}@203.0.113.7" is not a node such as 02…@203.0.113.7:9735`,
  ],
  [{ BECKON_VAPID_SUBJECT: 'me' }, 'BECKON_VAPID_SUBJECT (vapidSubject): must begin with mailto: or https:'],
  [{ BECKON_LOG_LEVEL: 'loud' }, 'BECKON_LOG_LEVEL (logLevel): must be silent, error, warn, info or debug'],
])('%j is said in plain words', (env, problem) => {
  expect(problems(env)).toEqual([problem]);
});

test('the address of a gossip peer', () => {
  const id = `02${'AB'.repeat(32)}`;
  const peer = { id: id.toLowerCase(), port: 9735 };
  expect(parseGossipPeer(`${id}@node.example:9735`)).toEqual({ ...peer, host: 'node.example' });
  expect(parseGossipPeer(`${id}@[2001:db8::7]:9735`)).toEqual({ ...peer, host: '2001:db8::7' });
  const wrong = [
    id,
    `${id}@node.example`,
    `${id}@:9735`,
    `${id}@h:0`,
    `${id}@h:65536`,
    `${id}@2001:db8::7:9735`,
    `04${id.slice(2)}@h:1`,
    `${id} @h:1`,
  ];
  expect(wrong.map(parseGossipPeer)).toEqual(wrong.map(() => undefined));
});

test('all mistakes at once', () => {
  expect(problems({ PORT: 'x', BECKON_OPEN_API: 'maybe' })).toHaveLength(2);
});

test('a password in a wrong chain address is not repeated', () => {
  const said = problems({ BECKON_CHAIN: 'ftp://user:hunter2@host' });
  expect(said).toHaveLength(1);
  expect(said.join()).not.toContain('hunter2');
});

test.each([
  ['{', 'cannot be read'],
  ['[]', 'must hold one JSON object'],
  ['{"prot": 1}', 'prot'],
  ['{"limits": {"queueFrame": 1}}', 'queueFrame'],
  ['{"limits": {"queueFrames": 0}}', 'must be at least 1'],
  ['{"limits": {"sessionsPerAccount": 65}}', 'must be at most 64'],
])('a file that holds %s', (file, part) => {
  expect(problems({ BECKON_CONFIG: 'x.json' }, file).join()).toContain(part);
});

test('a file that is not there', () => {
  expect(readConfig({ BECKON_CONFIG: '/nonexistent/beckon.json' }).ok).toBe(false);
});

test('every limit is a whole number above zero', () => {
  for (const name of Object.keys(must(parseConfig({})).limits)) {
    for (const value of [0, -1, 1.5, '1', null])
      expect([name, value, parseConfig({ limits: { [name]: value } }).ok]).toEqual([name, value, false]);
  }
});
