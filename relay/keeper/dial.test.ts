/** What a client may name and where that leads. The dialler here records; no packet is sent. */
import { describe, expect, test } from 'vitest';
import { err } from '../../shared/lib/result.ts';
import { Buckets } from './buckets.ts';
import { createDial, type Dialler } from './dial.ts';

type Attempt = { readonly address: string; readonly port: number };

function lab(
  options: {
    names?: Record<string, readonly string[]>;
    allow?: readonly string[];
    own?: readonly string[];
    perTarget?: number;
    outcome?: 'failed' | 'timeout';
  } = {},
) {
  const attempts: Attempt[] = [];
  const lookups: string[] = [];
  const dialler: Dialler = async ({ address, port }) => {
    attempts.push({ address, port });
    return err(options.outcome ?? 'failed');
  };
  const dial = createDial({
    policy: { allow: options.allow ?? [], ports: [443], own: options.own ?? [] },
    resolve: async (name) => {
      lookups.push(name);
      const answers = options.names?.[name];
      if (answers === undefined) throw new Error('ENOTFOUND');
      return answers;
    },
    dialler,
    timeoutMs: 1000,
    perTarget: new Buckets(() => 0, options.perTarget ?? 1000),
  });
  const codeOf = async (host: string, port = 9735) => {
    const result = await dial(host, port);
    return result.ok ? 'connected' : result.error.code;
  };
  return { attempts, lookups, dial, codeOf };
}

const words = (text: string) => text.trim().split(/\s+/);

/** Every kind of IPv4 address that is not plain public unicast, at the edges of its range and inside. */
const blockedV4 = words(`
  0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255 10.0.0.0 10.0.0.1 10.1.2.3 10.128.0.1 10.255.255.255 100.64.0.0 100.64.0.1
  100.100.100.200 100.127.255.255 127.0.0.0 127.0.0.1 127.0.0.53 127.1.1.1 127.255.255.255 169.254.0.0 169.254.0.1
  169.254.169.253 169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.0 172.16.0.1 172.17.0.1 172.20.10.1 172.31.255.255
  192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.192 192.0.2.0 192.0.2.1 192.0.2.255 192.31.196.1 192.52.193.1 192.88.99.0
  192.88.99.1 192.175.48.1 192.168.0.0 192.168.0.1 192.168.1.1 192.168.100.1 192.168.255.255 198.18.0.0 198.18.0.1
  198.19.255.255 198.51.100.0 198.51.100.7 198.51.100.255 203.0.113.0 203.0.113.9 203.0.113.255 224.0.0.0 224.0.0.1 224.0.0.251
  232.1.1.1 239.255.255.250 239.255.255.255 240.0.0.0 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255
`);

const hexGroups = (v4: string) => {
  const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
};

const blockedV6 = words(`
  :: ::1 0:0:0:0:0:0:0:0 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::2 ::ffff 1:: 1::1 64:ff9b::1 64:ff9b:1::1
  100:: 100::1 200::1 400::1 800::1 1000::1 1fff::1 4000::1 5f00::1 6000::1 8000::1 a000::1 c000::1 e000::1 f000::1 f800::1
  2001:: 2001::1 2001:0:1:2::3 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:100::1 2001:1ff:ffff::1
  2001:db8:: 2001:db8::1 2001:0db8:85a3::8a2e:370:7334 2002:: 2002::1 2620:4f:8000::1 3fff::1 3fff:fff::1 fc00:: fc00::1
  fd00::1 fd00:ec2::254 fd12:3456:789a:1::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80:: fe80::1 fe80::5054:ff:fe12:3456
  febf::1 fec0::1 feff::1 fe00::1 ff00:: ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
`);

/** IPv4 inside IPv6, in the ways that some system understands. */
const carriers = blockedV4
  .slice(0, 42)
  .flatMap((v4) => [`::ffff:${v4}`, `::ffff:${hexGroups(v4)}`, `::${v4}`, `64:ff9b::${v4}`, `2002:${hexGroups(v4)}::1`]);

/** 127.0.0.1, 10.0.0.1, 169.254.169.254 and the like as only lenient parsers read them, and things that are no host at all. */
const oddities = [
  ...words(`
  2130706433 017700000001 0x7f000001 0x7F000001 0x7f.0x0.0x0.0x1 0x7f.1 0x7f.0.1 127.1 127.0.1 0177.0.0.1 0177.0.0.01
  127.0.0.01 127.0.0.0x1 00127.0.0.1 127.00.00.01 1 0 00 0x0 0x 4294967295 4294967296 -1 167772161 012.0.0.1 0xa.0.0.1
  0xa000001 10.1 10.0.1 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 127.0.0.1. 127.0.0.1.. .127.0.0.1 127..0.1
  127.0.0 127.0.0.1.1 256.0.0.1 127.0.0.256 1.2.3.4.5 999.999.999.999 [::1] [127.0.0.1] ::1%lo fe80::1%eth0 fe80::1%1
  ::ffff:127.0.0.1%lo :::1 1::2::3 ::ffff:127.1 ::ffff:0x7f000001 g::1 12345::1 １２７.０.０.１ ①②⑦.0.0.1 127。0。0。1 ｌocalhost
  locаlhost . .. a..b -a.com a-.com http://127.0.0.1 example.com/path example.com:80 user@example.com example.com#x
  example.com?x %31%32%37.0.0.1 * a,b 127.0.0.1,8.8.8.8 $(id) a"b a;b a|b a\`b a<b \${x} foo.0x7f foo.123 foo.1 example.0
  `),
  'exa mple.com',
  ' 127.0.0.1',
  '127.0.0.1 ',
  '127.0.0.1\n',
  '\t127.0.0.1',
  'a\0b',
  '127.0.0.1\0.example.com',
  '',
  `${'a'.repeat(64)}.com`,
  `${'a.'.repeat(127)}toolong`,
  'exam\\ple.com',
  "a'b",
];

/** Names whose answers lead inside; one public answer among them does not help. */
const inward = [
  '127.0.0.1',
  '10.0.0.5',
  '169.254.169.254',
  '::1',
  'fd00::5',
  '::ffff:192.168.1.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::1',
  '100.64.0.9',
  '0.0.0.0',
  'ff02::1',
  'fe80::1',
  '192.0.2.1',
  'not an address',
  '',
];
const names: Record<string, readonly string[]> = Object.fromEntries([
  ...inward.map((address, i) => [`only${i}.example.com`, [address]] as const),
  ...inward.map((address, i) => [`first${i}.example.com`, [address, '8.8.8.8']] as const),
  ...inward.map((address, i) => [`last${i}.example.com`, ['8.8.8.8', '2607:f8b0::1', address]] as const),
  ['localhost', ['127.0.0.1', '::1']],
  ['metadata.google.internal', ['169.254.169.254']],
  ['127.0.0.1.nip.io', ['127.0.0.1']],
  ['xn--80ak6aa92e.com', ['10.1.1.1']],
]);

const blocked = [
  ...blockedV4,
  ...blockedV6,
  ...carriers,
  ...oddities,
  ...Object.keys(names),
  'LOCALHOST',
  'LocalHost.',
  'ONLY0.example.com.',
];

test(`none of ${blocked.length} addresses and names inside, or nowhere, is dialled`, async () => {
  expect(new Set(blocked).size).toBeGreaterThanOrEqual(300);
  const { codeOf, attempts } = lab({ names });
  const codes = await Promise.all(blocked.map(async (host) => [host, await codeOf(host)] as const));
  expect(codes.filter(([, code]) => code !== 'dial-refused')).toEqual([]);
  expect(attempts).toEqual([]);
});

test('public addresses are dialled, as the literal that was checked', async () => {
  const { codeOf, attempts } = lab({ names: { 'node.example.com': ['2607:f8b0::5', '52.1.2.3'] } });
  for (const host of [
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '2607:f8b0:4004::1',
    '2a01:4f8::2',
    '::ffff:8.8.4.4',
  ]) {
    expect(await codeOf(host)).toBe('dial-failed');
  }
  expect(attempts.map((attempt) => attempt.address)).toEqual([
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '2607:f8b0:4004::1',
    '2a01:4f8::2',
    '8.8.4.4',
  ]);
  attempts.length = 0;
  await codeOf('Node.Example.com.');
  expect(attempts.map((attempt) => attempt.address)).toEqual(['52.1.2.3', '2607:f8b0::5']);
});

test('a name is resolved once: what it answers a second time is not asked', async () => {
  const { codeOf, lookups, attempts } = lab({ names: { 'rebind.example.com': ['9.9.9.9'] } });
  await codeOf('rebind.example.com');
  expect(lookups).toEqual(['rebind.example.com']);
  expect(attempts).toEqual([{ address: '9.9.9.9', port: 9735 }]);
});

test('a name that does not resolve is no different from a peer that is away', async () => {
  const { codeOf, attempts } = lab({ names: { 'empty.example.com': [] } });
  expect([await codeOf('nowhere.example.com'), await codeOf('empty.example.com'), await codeOf('9.9.9.9')]).toEqual([
    'dial-failed',
    'dial-failed',
    'dial-failed',
  ]);
  expect(attempts).toHaveLength(1);
});

test('onion addresses get an answer of their own', async () => {
  const { codeOf, lookups } = lab();
  expect(await codeOf(`${'a'.repeat(56)}.onion`)).toBe('onion-unsupported');
  expect(await codeOf('X.ONION.')).toBe('onion-unsupported');
  expect(lookups).toEqual([]);
});

describe('ports', () => {
  test.each([1, 22, 25, 80, 110, 143, 445, 587, 993, 1023, 2375, 3306, 3389, 5432, 6379, 8332, 9200, 11211, 27017])(
    '%i is refused',
    async (port) => {
      const { codeOf, attempts } = lab();
      expect(await codeOf('8.8.8.8', port)).toBe('dial-refused');
      expect(attempts).toEqual([]);
    },
  );
  test.each([443, 1024, 9735, 9911, 65535])('%i is dialled', async (port) => {
    const { codeOf, attempts } = lab();
    await codeOf('8.8.8.8', port);
    expect(attempts).toEqual([{ address: '8.8.8.8', port }]);
  });
});

test('a range that the operator allows is dialled, and only that range', async () => {
  const { codeOf, attempts } = lab({ allow: ['10.5.0.0/16', 'fd00:1::/32', '127.0.0.1/32'], names: { localhost: ['127.0.0.1'] } });
  for (const host of ['10.5.0.1', '10.5.255.255', 'fd00:1::9', '127.0.0.1', 'localhost', '::ffff:10.5.1.1'])
    expect(await codeOf(host, 22)).toBe('dial-failed');
  expect(attempts).toHaveLength(6);
  for (const host of ['10.6.0.1', '127.0.0.2', 'fd00:2::1', '::1']) expect(await codeOf(host, 9735)).toBe('dial-refused');
  expect(attempts).toHaveLength(6);
});

test('the own public addresses of the relay are not dialled', async () => {
  const { codeOf, attempts } = lab({ own: ['52.9.9.9', '2a01:4f8::77', 'fe80::1%eth0'] });
  for (const host of ['52.9.9.9', '2a01:4f8::77', '2a01:04f8:0:0::0077', '::ffff:52.9.9.9'])
    expect(await codeOf(host)).toBe('dial-refused');
  expect(attempts).toEqual([]);
});

test('refusals read alike, whatever the reason', async () => {
  const { dial } = lab({ names });
  const messages = await Promise.all(
    ['127.0.0.1', 'only3.example.com', '0x7f.1', '8.8.8.8'].map((host) => dial(host, host === '8.8.8.8' ? 25 : 9735)),
  );
  expect(new Set(messages.map((result) => JSON.stringify(result))).size).toBe(1);
});

test('one target is dialled so many times a minute, whoever asks', async () => {
  const { codeOf, attempts } = lab({ perTarget: 2 });
  expect([await codeOf('8.8.8.8'), await codeOf('8.8.8.8'), await codeOf('8.8.8.8')]).toEqual([
    'dial-failed',
    'dial-failed',
    'quota-connects',
  ]);
  expect(attempts).toHaveLength(2);
});

test('a peer that does not answer in time', async () => {
  const { codeOf, attempts } = lab({ outcome: 'timeout', names: { 'slow.example.com': ['9.9.9.9', '9.9.9.10'] } });
  expect(await codeOf('slow.example.com')).toBe('dial-timeout');
  expect(attempts).toHaveLength(1);
});

test('a resolver that does not answer', async () => {
  const dial = createDial({
    policy: { allow: [], ports: [], own: [] },
    resolve: () => new Promise(() => undefined),
    dialler: async () => err('failed'),
    timeoutMs: 20,
    perTarget: new Buckets(() => 0, 10),
  });
  expect(await dial('slow.example.com', 9735)).toMatchObject({ ok: false, error: { code: 'dial-timeout' } });
});
