import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, reversed, toHex } from '../../lib/bytes.ts';
import type { Plain } from '../../lib/plain.ts';
import {
  bitsOf,
  type ChainTip,
  checkHeaders,
  earlier,
  extend,
  HEADER_BYTES,
  type HeaderChain,
  type HeaderError,
  MAX_REORG,
  retarget,
  startChain,
  targetOf,
} from './headers.ts';
import { type ChainRules, networks } from './networks.ts';

const { regtest, mainnet, testnet } = networks;
const START = regtest.start.time;
const NOW = (START + 10_000_000) * 1000;
const display = (hash: Uint8Array) => toHex(reversed(hash));

type Block = { prev: Uint8Array; time: number; bits: number; root?: number };
const hashOf = (header: Uint8Array) => sha256(sha256(header));
const worthIts = (header: Uint8Array, bits: number) => BigInt(`0x${display(hashOf(header))}`) <= (targetOf(bits) ?? 0n);

/** A header with the work that its bits ask for, or without it. */
function mine({ prev, time, bits, root = 0 }: Block, valid = true): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, 4, true);
  header.set(prev, 4);
  view.setUint32(36, root, true);
  view.setUint32(68, time, true);
  view.setUint32(72, bits, true);
  for (let nonce = 0; ; nonce++) {
    view.setUint32(76, nonce, true);
    if (worthIts(header, bits) === valid) return header;
  }
}

/** `count` blocks on top of `tip`, one every `spacing` seconds; `root` tells branches apart. */
function branch(tip: ChainTip, count: number, { root = 0, spacing = 600, bits = tip.bits } = {}): Uint8Array {
  const headers: Uint8Array[] = [];
  let prev = tip.hash;
  for (let i = 1; i <= count; i++) {
    const header = mine({ prev, time: tip.time + i * spacing, bits, root });
    headers.push(header);
    prev = hashOf(header);
  }
  return concat(...headers);
}
const value = <T>(result: { ok: true; value: T } | { ok: false; error: HeaderError }): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
};
const grown = (chain: HeaderChain, from: number, bytes: Uint8Array) => value(checkHeaders(regtest, chain, from, bytes, NOW));

describe('compact targets', () => {
  test('known values', () => {
    expect(targetOf(0x1d00ffff)).toBe(0xffffn << 208n);
    expect(targetOf(0x207fffff)).toBe(0x7fffffn << 232n);
    expect(targetOf(0x01123456)).toBe(0x12n);
    for (const bad of [0, 0x04923456, 0x01003456, 0xff123456, 0x21010000, 0x1d800001]) expect(targetOf(bad)).toBeUndefined();
    expect(bitsOf(0x80n)).toBe(0x02008000);
  });

  test('rounding down, and the same again on the second pass', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: (1n << 255n) - 1n }), (target) => {
        const bits = bitsOf(target);
        const rounded = targetOf(bits) ?? 0n;
        expect(rounded <= target && rounded > target - (target >> 15n) - 1n).toBe(true);
        expect(bitsOf(rounded)).toBe(bits);
      }),
    );
  });

  test.each([
    ['blocks 30240..32255', 0x1d00ffff, 1_261_130_161, 1_262_152_739, 0x1d00d86a],
    ['never above the limit: blocks 0..2015', 0x1d00ffff, 1_231_006_505, 1_233_061_996, 0x1d00ffff],
    ['at least a quarter: blocks 66528..68543', 0x1c05a3f4, 1_279_008_237, 1_279_297_671, 0x1c0168fd],
    ['at most four times', 0x1c387f6f, 1_263_163_443, 1_269_211_443, 0x1d00e1fd],
    ['blocks 858816..860831 gave 860832', 0x1703098c, 0x66e10dc5, 0x66f466dc, 0x17032f14],
    ['blocks 876960..878975 gave our mainnet start', 0x1702905c, 0x6771c559, 0x67841db6, mainnet.start.bits],
  ])('mainnet retarget, %s', (_, bits, first, last, expected) => {
    expect(retarget(bits, first, last, mainnet.limitBits)).toBe(expected);
  });
});

describe('starts', () => {
  test.each([
    ['mainnet', '00000000000000000002819359a9af460f342404bec23e7478512a619584083b'],
    ['testnet', '00000000000000000b030eae079897a2f81ec5da0b623bad6808bd64537cc103'],
    ['signet', '000000bac742cfc8d76fda4ad387b7aafa577b17d3684c61d8a089dcd08fa374'],
    ['regtest', '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206'],
  ] as const)('%s opens a period and has the work it claims', (name, hash) => {
    const { start } = networks[name];
    expect(display(start.hash)).toBe(hash);
    expect(start.height % 2016).toBe(0);
    expect(BigInt(`0x${hash}`) <= (targetOf(start.bits) ?? 0n)).toBe(true);
  });
});

test('mainnet block 1 stands on the genesis block', () => {
  const genesis: ChainTip = {
    ...mainnet.start,
    height: 0,
    hash: reversed(fromHex('000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f')),
    work: 0x100010001n,
    time: 1_231_006_505,
    bits: 0x1d00ffff,
    realBits: 0x1d00ffff,
    periodFirstTime: 1_231_006_505,
    times: [1_231_006_505],
  };
  const header = fromHex(
    '010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299',
  );
  const { tip, headers } = value(extend(mainnet, genesis, header, NOW));
  expect(display(tip.hash)).toBe('00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048');
  expect(tip.work).toBe(0x200020002n);
  expect(display(headers[0]?.merkleRoot ?? header)).toBe('0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098');
  expect(
    extend(
      mainnet,
      genesis,
      Uint8Array.from(header, (b, i) => (i === 40 ? b ^ 1 : b)),
      NOW,
    ),
  ).toEqual({
    ok: false,
    error: { code: 'bad-work', height: 1 },
  });
});

describe('extend refuses', () => {
  const { start } = regtest;
  const first = (change: Partial<Block>, valid = true) =>
    mine({ prev: start.hash, time: start.time + 600, bits: start.bits, ...change }, valid);
  const twelve = value(extend(regtest, start, branch(start, 12), NOW)).tip;

  test.each<[string, () => Uint8Array, HeaderError]>([
    ['half a header', () => first({}).subarray(1), { code: 'bad-length' }],
    ['another parent', () => first({ prev: new Uint8Array(32) }), { code: 'does-not-link', height: 1 }],
    ['a hash above the target', () => first({}, false), { code: 'bad-work', height: 1 }],
    ['easier bits', () => first({ bits: 0x2100ffff }, false), { code: 'bad-bits', height: 1 }],
    ['harder bits', () => first({ bits: 0x1f7fffff }), { code: 'bad-bits', height: 1 }],
    ['a time not after the median', () => first({ time: start.time }), { code: 'time-too-old', height: 1 }],
    ['a time over two hours ahead', () => first({ time: NOW / 1000 + 7201 }), { code: 'time-too-new', height: 1 }],
    ['a fault in the second', () => concat(first({}), first({})), { code: 'does-not-link', height: 2 }],
  ])('%s', (_, bytes, error) => {
    expect(extend(regtest, start, bytes(), NOW)).toEqual({ ok: false, error });
  });

  test('the median is that of the last eleven, and two hours ahead are allowed', () => {
    const median = start.time + 7 * 600;
    const at = (time: number) => extend(regtest, twelve, mine({ prev: twelve.hash, time, bits: twelve.bits }), NOW);
    expect(at(median)).toEqual({ ok: false, error: { code: 'time-too-old', height: 13 } });
    expect(at(median + 1).ok).toBe(true);
    expect(at(NOW / 1000 + 7200).ok).toBe(true);
  });

  test('the median rule is left out where the earlier times are not known', () => {
    const start = { ...regtest.start, height: 4032 };
    expect(extend(regtest, start, mine({ prev: start.hash, time: start.time - 1, bits: start.bits }), NOW).ok).toBe(true);
  });

  test('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 80, maxLength: 240 }), (bytes) => {
        expect(extend(mainnet, mainnet.start, bytes, NOW).ok).toBe(false);
      }),
    );
  });
});

describe('difficulty over whole periods', () => {
  const rules: ChainRules = { ...regtest, minDifficultyAfterGap: false, retargets: true };
  const period = (tip: ChainTip, spacing: number, bits = tip.bits) => extend(rules, tip, branch(tip, 2016, { spacing, bits }), NOW);

  test('half the time, half the target, and only that', () => {
    const end = value(extend(rules, rules.start, branch(rules.start, 2015, { spacing: 300 }), NOW)).tip;
    const expected = retarget(end.bits, START, START + 2015 * 300, rules.limitBits);
    expect(expected).toBeLessThan(end.bits);
    expect(period(end, 600)).toEqual({ ok: false, error: { code: 'bad-bits', height: 2016 } });
    expect(period(end, 600, expected - 1)).toEqual({ ok: false, error: { code: 'bad-bits', height: 2016 } });
    const next = value(extend(rules, end, branch(end, 2, { bits: expected }), NOW)).tip;
    expect(next).toMatchObject({ height: 2017, bits: expected, realBits: expected, periodFirstTime: end.time + 600 });
    expect(next.work).toBe(end.work + (2n * (1n << 256n)) / ((targetOf(expected) ?? 0n) + 1n));
  });

  test('testnet: after 20 minutes the largest target, then the real one again', () => {
    const hard: ChainTip = { ...testnet.start, bits: 0x203fffff, realBits: 0x203fffff };
    const rules: ChainRules = { ...testnet, limitBits: 0x207fffff };
    const now = (hard.time + 10_000) * 1000;
    const at = (tip: ChainTip, after: number, bits: number) =>
      extend(rules, tip, mine({ prev: tip.hash, time: tip.time + after, bits }), now);
    const refused = { ok: false, error: { code: 'bad-bits', height: hard.height + 1 } };
    expect(at(hard, 1200, 0x207fffff)).toEqual(refused);
    expect(at(hard, 1201, 0x203fffff)).toEqual(refused);
    const easy = value(at(hard, 1201, 0x207fffff)).tip;
    expect(easy).toMatchObject({ bits: 0x207fffff, realBits: 0x203fffff });
    expect(at(easy, 600, 0x207fffff)).toMatchObject({ error: { code: 'bad-bits' } });
    expect(at(easy, 600, 0x203fffff).ok).toBe(true);
  });
});

describe('checkHeaders', () => {
  const fresh = startChain(regtest);
  const ours = branch(regtest.start, 30);
  const chain = grown(fresh, 1, ours).chain;
  const part = (bytes: Uint8Array, from: number, to?: number) => bytes.subarray((from - 1) * HEADER_BYTES, to && to * HEADER_BYTES);
  const tipAt = (height: number) => value(extend(regtest, regtest.start, part(ours, 1, height), NOW)).tip;

  test('the answers of an honest source, with any overlap, give the same chain', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(9)), { minLength: 1, maxLength: 12 }), (asks) => {
        let now: HeaderChain = fresh;
        for (const [back, count] of [...asks, [0, 30]] as const) {
          const from = Math.max(1, now.tip.height + 1 - back);
          now = grown(now, from, part(ours, from, from + count)).chain;
          expect<Plain>(now satisfies Plain).toEqual(structuredClone(now));
        }
        expect(now).toEqual(chain);
      }),
      { numRuns: 30 },
    );
  });

  test('a stronger branch replaces ours from the fork', () => {
    const theirs = branch(tipAt(20), 12, { root: 1 });
    const update = grown(chain, 21, theirs);
    expect(update.forkHeight).toBe(20);
    expect(update.headers.map((header) => header.height)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32]);
    expect(update.chain.tip.height).toBe(32);
    expect(update.chain).toEqual(grown(fresh, 1, concat(part(ours, 1, 20), theirs)).chain);
    expect(grown(update.chain, 19, concat(part(ours, 19, 20), theirs)).headers).toEqual([]);
    // and back, when ours grows past it
    const longer = concat(part(ours, 21), branch(chain.tip, 3));
    expect(grown(update.chain, 21, longer)).toMatchObject({ forkHeight: 20, chain: { tip: { height: 33 } } });
  });

  test('a weaker one, and one of equal work, do not', () => {
    for (const count of [9, 10]) expect(grown(chain, 21, branch(tipAt(20), count, { root: 1 }))).toMatchObject({ chain, headers: [] });
  });

  test('a forged branch changes nothing, however long', () => {
    const forged = branch(tipAt(20), 40, { root: 1 });
    const view = new DataView(forged.buffer);
    view.setUint32(39 * HEADER_BYTES + 36, 77, true);
    while (worthIts(forged.subarray(39 * HEADER_BYTES), regtest.start.bits))
      view.setUint32(39 * HEADER_BYTES + 76, view.getUint32(39 * HEADER_BYTES + 76) + 1);
    expect(checkHeaders(regtest, chain, 21, forged, NOW)).toEqual({ ok: false, error: { code: 'bad-work', height: 60 } });
  });

  test('the fork is found by asking further back', () => {
    const theirs = concat(part(ours, 1, 7), branch(tipAt(7), 40, { root: 2 }));
    const asked: number[] = [];
    let from = chain.tip.height + 1;
    let update = checkHeaders(regtest, chain, from, part(theirs, from), NOW);
    while (!update.ok && update.error.code === 'does-not-link' && update.error.height === from) {
      asked.push(from);
      from = earlier(chain, from);
      update = checkHeaders(regtest, chain, from, part(theirs, from), NOW);
    }
    expect(asked).toEqual([31, 29, 27, 23, 15]);
    expect(value(update)).toMatchObject({ forkHeight: 7, chain: { tip: { height: 47 } } });
    expect(earlier(chain, 1)).toBe(1);
  });

  test('a gap, and a branch below what is final, are told', () => {
    expect(checkHeaders(regtest, chain, 32, ours, NOW)).toEqual({ ok: false, error: { code: 'gap', height: 32 } });
    expect(checkHeaders(regtest, chain, 0, ours, NOW)).toEqual({ ok: false, error: { code: 'too-deep', height: 0 } });
    const long = grown(fresh, 1, branch(regtest.start, MAX_REORG + 100)).chain;
    expect(long.base.height).toBe(100);
    expect(long.recent.length).toBe(MAX_REORG * HEADER_BYTES);
    expect(checkHeaders(regtest, long, 100, ours, NOW)).toEqual({ ok: false, error: { code: 'too-deep', height: 100 } });
    const next = grown(long, long.tip.height + 1, branch(long.tip, 1)).chain;
    expect([next.base.height, next.tip.height, next.recent.length]).toEqual([101, MAX_REORG + 101, MAX_REORG * HEADER_BYTES]);
    // the whole allowed depth can be replaced
    expect(grown(long, 101, branch(long.base, MAX_REORG + 1, { root: 3 })).forkHeight).toBe(100);
  });
});
