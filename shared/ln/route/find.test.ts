/** Routes, rule by rule, on graphs of a few nodes. Our peers are `a` and `b`; `z` is paid. */
import { describe, expect, test } from 'vitest';
import { toHex } from '../../lib/bytes.ts';
import { findRoutes, MIN_PART_MSAT } from './find.ts';
import { edgeName, learnFailure, learnPassed, learnPolicy, noLiquidity } from './liquidity.ts';
import type { Route, RouteError, RouteQuery } from './query.ts';
import { type ChannelSaid, found, graphOf, HEIGHT, local, NOW, nodeOf, queryOf, saidOf } from './testing.ts';

const routes = (query: RouteQuery): readonly Route[] => found(findRoutes(query));
const said = (query: RouteQuery): string[] => routes(query).map(saidOf);
function errorOf(query: RouteQuery): RouteError {
  const result = findRoutes(query);
  if (result.ok) throw new Error(`found ${result.value.map(saidOf)}`);
  return result.error;
}
const big = { capacitySat: 10_000_000 };
const line: readonly ChannelSaid[] = [
  { id: 1, ends: ['a', 'c'], ...big, there: { feeBaseMsat: 1000, feeProportionalMillionths: 100, cltvExpiryDelta: 40 } },
  { id: 2, ends: ['c', 'z'], ...big, there: { feeBaseMsat: 500, feeProportionalMillionths: 2000, cltvExpiryDelta: 80 } },
];
const a = local('a', 5_000_000);
const b = local('b', 5_000_000);

describe('amounts and expiries', () => {
  test('each node adds its fee on what it forwards, and its blocks; our own channel is free', () => {
    const [route] = routes(queryOf(line, 1000.001, { to: 'z', locals: [a] }));
    // c: 500 + floor(1000001 · 2000 / 10^6) = 2500; a: 1000 + floor(1002501 · 100 / 10^6) = 1100.
    expect(route?.htlcs).toEqual([
      { nodeId: nodeOf('a'), shortChannelId: a.shortChannelId, amountMsat: 1_003_601n, cltvExpiry: HEIGHT + 20 + 80 + 40 },
      { nodeId: nodeOf('c'), shortChannelId: 1n, amountMsat: 1_002_501n, cltvExpiry: HEIGHT + 20 + 80 },
      { nodeId: nodeOf('z'), shortChannelId: 2n, amountMsat: 1_000_001n, cltvExpiry: HEIGHT + 20 },
    ]);
    expect(route).toMatchObject({ via: a, amountMsat: 1_000_001n, feeMsat: 3600n, cltvExpiry: HEIGHT + 140 });
    expect(route?.successPpm).toBeGreaterThan(900_000);
    expect(route?.successPpm).toBeLessThan(1_000_000);
  });
  test('fees of large amounts are exact', () => {
    const channels = [
      { id: 1, ends: ['a', 'z'], capacitySat: 1e9, there: { feeProportionalMillionths: 999_999, htlcMaximumMsat: 1e15 } },
    ] as const;
    const [route] = routes(
      queryOf(channels, 987_654_321.123, { to: 'z', locals: [local('a', 1e10)], maxFeeMsat: 10n ** 15n, maxParts: 1 }),
    );
    expect(route?.feeMsat).toBe((987_654_321_123n * 999_999n) / 1_000_000n);
  });
  test('amounts beyond exact numbers, and none', () => {
    for (const amountMsat of [0n, -1n, 2n ** 60n]) {
      expect(errorOf({ ...queryOf(line, 1, { to: 'z', locals: [a] }), amountMsat })).toEqual({ code: 'amount-invalid' });
    }
  });
  test('the same query has the same answer', () => {
    const query = queryOf(line, 700, { to: 'z', locals: [a, b] });
    const first = findRoutes(query);
    findRoutes(queryOf(line, 1, { to: 'c', locals: [b] }));
    expect(findRoutes(query)).toEqual(first);
  });
});

describe('which edges are taken', () => {
  const two = (left: Partial<ChannelSaid>, right: Partial<ChannelSaid>): readonly ChannelSaid[] => [
    { id: 1, ends: ['a', 'c'], ...big, there: {} },
    { id: 2, ends: ['c', 'z'], ...big, there: { feeBaseMsat: 1 }, ...left },
    { id: 3, ends: ['a', 'd'], ...big, there: {} },
    { id: 4, ends: ['d', 'z'], ...big, there: { feeBaseMsat: 2000 }, ...right },
  ];
  const goes = (channels: readonly ChannelSaid[], amountSat = 1000, more: Partial<RouteQuery> = {}): string =>
    said(queryOf(channels, amountSat, { to: 'z', locals: [a], ...more }))[0] ?? '';

  test('the cheaper one', () => expect(goes(two({}, {}))).toBe('a c z 1000000+1'));
  test('not one without a channel_update', () => {
    const { there: _, ...silent } = two({}, {})[1] ?? { id: 2, ends: ['c', 'z'] };
    expect(goes([...two({}, {}).filter(({ id }) => id !== 2), silent])).toBe('a d z 1000000+2000');
  });
  test('not one that is disabled', () => expect(goes(two({ there: { disabled: true } }, {}))).toMatch(/^a d z/));
  test('not one with a larger minimum', () => {
    expect(goes(two({ there: { htlcMinimumMsat: 1_000_001 } }, {}))).toMatch(/^a d z/);
    expect(goes(two({ there: { htlcMinimumMsat: 1_000_000 } }, {}))).toMatch(/^a c z/);
  });
  test('not one with a smaller maximum', () => {
    expect(goes(two({ there: { htlcMaximumMsat: 999_999 } }, {}))).toMatch(/^a d z/);
    expect(goes(two({ there: { htlcMaximumMsat: 1_000_000 } }, {}))).toMatch(/^a c z/);
  });
  test('not one that is too small', () => expect(goes(two({ capacitySat: 999 }, {}))).toMatch(/^a d z/));
  test('a likely one is worth a fee', () => {
    expect(goes(two({ capacitySat: 1100 }, {}))).toMatch(/^a d z/);
    expect(goes(two({ capacitySat: 1100 }, { capacitySat: 1100 }))).toMatch(/^a c z/);
  });
  test('a quick one decides between equal fees', () => {
    const there = { feeBaseMsat: 1, cltvExpiryDelta: 144 };
    expect(goes(two({ there }, { there: { ...there, cltvExpiryDelta: 20 } }), 100_000)).toMatch(/^a d z/);
  });
  test('not one that the payment avoids, nor through a node that it avoids', () => {
    expect(goes(two({}, {}), 1000, { avoid: { edges: [edgeName(2n, 0)] } })).toMatch(/^a d z/);
    expect(goes(two({}, {}), 1000, { avoid: { edges: [edgeName(2n, 1)] } })).toMatch(/^a c z/);
    expect(goes(two({}, {}), 1000, { avoid: { nodes: [nodeOf('c')] } })).toMatch(/^a d z/);
  });
  test('not through ourselves', () => {
    const channels: readonly ChannelSaid[] = [
      { id: 1, ends: ['a', 'u'], ...big, there: {} },
      { id: 2, ends: ['u', 'z'], ...big, there: {} },
    ];
    expect(said(queryOf(channels, 1, { to: 'z', locals: [a] }))).toEqual(['a u z 1000+0']);
    expect(errorOf(queryOf(channels, 1, { to: 'z', locals: [a], payer: nodeOf('u') }))).toMatchObject({ code: 'no-route' });
  });
});

describe('limits', () => {
  test('a dear and short way is taken when the usual one holds the money too long', () => {
    const channels: readonly ChannelSaid[] = [
      { id: 1, ends: ['a', 'z'], ...big, there: { cltvExpiryDelta: 1000 } },
      { id: 2, ends: ['a', 'z'], ...big, there: { cltvExpiryDelta: 10, feeBaseMsat: 9000 } },
    ];
    const query = queryOf(channels, 100, { to: 'z', locals: [a] });
    expect(said(query)).toEqual(['a z 100000+0']);
    expect(said({ ...query, maxCltvExpiry: HEIGHT + 1019 })).toEqual(['a z 100000+9000']);
    expect(said({ ...query, maxCltvExpiry: HEIGHT + 30 })).toEqual(['a z 100000+9000']);
    expect(errorOf({ ...query, maxCltvExpiry: HEIGHT + 29 })).toEqual({ code: 'expiry-too-far', detail: { cltvExpiry: HEIGHT + 30 } });
    expect(errorOf({ ...query, maxCltvExpiry: HEIGHT + 19 })).toEqual({ code: 'expiry-too-far', detail: { cltvExpiry: HEIGHT + 20 } });
  });
  test('an unlikely and cheap way is taken when the usual one costs too much', () => {
    const channels: readonly ChannelSaid[] = [
      { id: 1, ends: ['a', 'z'], ...big, there: { feeBaseMsat: 9000 } },
      { id: 2, ends: ['a', 'z'], capacitySat: 110, there: { feeBaseMsat: 10 } },
    ];
    const query = queryOf(channels, 100, { to: 'z', locals: [a] });
    expect(said(query)).toEqual(['a z 100000+9000']);
    expect(said({ ...query, maxFeeMsat: 8999n })).toEqual(['a z 100000+10']);
    expect(errorOf({ ...query, maxFeeMsat: 9n })).toEqual({ code: 'fee-too-high', detail: { feeMsat: 10n } });
  });
  test('no more hops than an onion has room for', () => {
    const chain = (hops: number): readonly ChannelSaid[] =>
      Array.from({ length: hops }, (_, i) => ({
        id: i + 1,
        ends: [`n${String(i).padStart(2, '0')}`, `n${String(i + 1).padStart(2, '0')}`],
        ...big,
        there: { cltvExpiryDelta: 1 },
      }));
    expect(routes(queryOf(chain(19), 1, { to: 'n19', locals: [local('n00', 10)] }))[0]?.htlcs).toHaveLength(20);
    expect(errorOf(queryOf(chain(20), 1, { to: 'n20', locals: [local('n00', 10)] }))).toMatchObject({ code: 'no-route' });
    expect(errorOf(queryOf(chain(9), 1, { to: 'n09', locals: [local('n00', 10)], maxHops: 9 }))).toMatchObject({ code: 'no-route' });
    // A short cut that costs more is taken when the long way is too long.
    const cut = [...chain(20), { id: 99, ends: ['n00', 'n20'], ...big, there: { feeBaseMsat: 50_000 } }] as const;
    expect(said(queryOf(cut, 1, { to: 'n20', locals: [local('n00', 1000)] }))).toEqual(['n00 n20 1000+50000']);
  });
  test('not-enough is about our own channels, and their fees; no-route about others', () => {
    const query = queryOf(line, 5_000_000.001, { to: 'z', locals: [a] });
    expect(errorOf(query)).toEqual({ code: 'not-enough', detail: { sendableMsat: 5_000_000_000n, neededMsat: 5_000_000_001n } });
    expect(errorOf({ ...query, locals: [] })).toMatchObject({ code: 'not-enough' });
    const fees = errorOf(queryOf(line, 5_000_000, { to: 'z', locals: [a] }));
    expect(fees).toMatchObject({ code: 'not-enough', detail: { neededMsat: 5_010_502_500n } });
    expect(errorOf(queryOf(line, 5_000_000, { to: 'y', locals: [a] }))).toEqual({ code: 'no-route', detail: { reachable: false } });
    const small = line.map((channel) => ({ ...channel, capacitySat: 1_000_000 }));
    expect(errorOf(queryOf(small, 4_000_000, { to: 'z', locals: [a] }))).toEqual({ code: 'no-route', detail: { reachable: true } });
  });
});

describe('our own channels', () => {
  test('the peer itself is paid, with nothing known of any network', () => {
    const [route] = routes(queryOf([], 4, { to: 'a', locals: [b, a] }));
    expect(route).toMatchObject({ via: a, feeMsat: 0n, cltvExpiry: HEIGHT + 20, successPpm: 1_000_000 });
    expect(route?.htlcs).toEqual([{ nodeId: nodeOf('a'), shortChannelId: a.shortChannelId, amountMsat: 4000n, cltvExpiry: HEIGHT + 20 }]);
  });
  test('of several with a peer, the least that is enough', () => {
    const locals = [local('a', 1000, 1), local('a', 300, 2), local('a', 100, 3)];
    const key = (sat: number): string | undefined => routes(queryOf([], sat, { to: 'a', locals }))[0]?.via.key;
    expect([key(100), key(101), key(301)]).toEqual(['a3', 'a2', 'a1']);
  });
  test("not below the peer's minimum", () => {
    const locals = [{ ...local('a', 1000), htlcMinimumMsat: 2000n }];
    expect(said(queryOf([], 2, { to: 'a', locals }))).toEqual(['a 2000+0']);
    expect(errorOf(queryOf([], 1.999, { to: 'a', locals })).code).toBe('no-route');
  });
  test('a peer that cannot be sent enough is reached through another', () => {
    const channels: readonly ChannelSaid[] = [{ id: 1, ends: ['b', 'a'], ...big, there: { feeBaseMsat: 5 } }];
    expect(said(queryOf(channels, 500, { to: 'a', locals: [local('a', 499), b], maxParts: 1 }))).toEqual(['b a 500000+5']);
  });
});

describe('hints', () => {
  const hop = (node: string, id: number, feeBaseMsat = 7) => ({
    nodeId: nodeOf(node),
    shortChannelId: BigInt(id),
    feeBaseMsat,
    feeProportionalMillionths: 0,
    cltvExpiryDelta: 34,
  });
  test('a payee that nobody has heard of, behind our own peer, without a graph', () => {
    const [route] = routes(queryOf([], 3, { to: 'z', locals: [a], hints: [[hop('a', 77)]] }));
    expect(
      route?.htlcs.map(({ nodeId, shortChannelId, amountMsat, cltvExpiry }) => [toHex(nodeId), shortChannelId, amountMsat, cltvExpiry]),
    ).toEqual([
      [toHex(nodeOf('a')), a.shortChannelId, 3007n, HEIGHT + 54],
      [toHex(nodeOf('z')), 77n, 3000n, HEIGHT + 20],
    ]);
  });
  test('a chain of unknown nodes behind one of the graph', () => {
    const hints = [[hop('z', 77, 1), hop('y', 78, 2), hop('x', 79, 3)]];
    expect(said(queryOf(line, 3, { to: 'w', locals: [a], hints }))).toEqual(['a c z y x w 3000+1512']);
  });
  test('the hint of many that is cheapest to come to', () => {
    const hints = [[hop('z', 77)], [hop('c', 78, 9)]];
    expect(said(queryOf(line, 3, { to: 'w', locals: [a], hints }))).toEqual(['a c w 3000+1009']);
  });
  test('what was learned counts for a hint too', () => {
    const hints = [[hop('a', 77)], [hop('b', 78, 900)]];
    const query = queryOf([], 300, { to: 'z', locals: [a, b], hints });
    expect(said(query)).toEqual(['a z 300000+7']);
    expect(said({ ...query, liquidity: learnFailure(noLiquidity, edgeName(77n, 0), 300_000n, NOW) })).toEqual(['b z 300000+900']);
    const policy = { ...hop('a', 77, 1000), htlcMinimumMsat: 0, htlcMaximumMsat: 1e9, disabled: false, timestamp: NOW };
    expect(said({ ...query, liquidity: learnPolicy(noLiquidity, 77n, 0, policy) })).toEqual(['b z 300000+900']);
    expect(said({ ...query, avoid: { edges: [edgeName(77n, 0)] } })).toEqual(['b z 300000+900']);
  });
});

describe('blinded tails', () => {
  const tail = (introduction: string, feeBaseMsat: number) => ({
    introduction: nodeOf(introduction),
    feeBaseMsat,
    feeProportionalMillionths: 10_000,
    cltvExpiryDelta: 99,
    htlcMinimumMsat: 1000n,
    htlcMaximumMsat: 50_000_000n,
  });
  test('the route ends at the introduction node, with what the path takes on top', () => {
    const [route] = routes(queryOf(line, 100, { to: 'c', locals: [a], blinded: [tail('y', 0), tail('z', 3)] }));
    expect(route).toMatchObject({ blinded: 1, amountMsat: 100_000n });
    // 3 + 1 % behind z, then c's 500 and 2000 ppm, then a's 1000 and 100 ppm.
    expect(route && saidOf(route)).toBe(`a c z 100000+${1003 + 500 + 202 + 1000 + 10}`);
    expect(route?.htlcs.at(-1)).toMatchObject({ amountMsat: 101_003n, cltvExpiry: HEIGHT + 20 + 99 });
  });
  test('behind our own peer, without a graph; not past its limits', () => {
    const query = queryOf([], 100, { to: 'c', locals: [a], blinded: [tail('a', 3)] });
    expect(said(query)).toEqual(['a 100000+1003']);
    expect(errorOf({ ...query, amountMsat: 999n }).code).toBe('no-route');
    expect(errorOf({ ...query, amountMsat: 50_000_001n, maxParts: 1 }).code).not.toBe('not-enough');
  });
});

describe('what was learned', () => {
  const channels: readonly ChannelSaid[] = [
    { id: 1, ends: ['a', 'z'], ...big, there: { feeBaseMsat: 1, timestamp: NOW - 1000 } },
    { id: 2, ends: ['b', 'z'], ...big, there: { feeBaseMsat: 3000, timestamp: NOW - 1000 } },
  ];
  const query = queryOf(channels, 1000, { to: 'z', locals: [a, b] });
  const learned = (liquidity: RouteQuery['liquidity'], more: Partial<RouteQuery> = {}): string[] => said({ ...query, liquidity, ...more });
  const failed = learnFailure(noLiquidity, edgeName(1n, 0), 1_000_000n, NOW);

  test('an edge that failed is not asked for as much again, and later is', () => {
    expect(learned(noLiquidity)).toEqual(['a z 1000000+1']);
    expect(learned(failed)).toEqual(['b z 1000000+3000']);
    expect(learned(failed, { amountMsat: 1000n })).toEqual(['a z 1000+1']);
    expect(learned(failed, { now: NOW + 30 * 86_400 })).toEqual(['a z 1000000+1']);
  });
  test('the other direction is another edge', () => {
    expect(learned(learnFailure(noLiquidity, edgeName(1n, 1), 1_000_000n, NOW))).toEqual(['a z 1000000+1']);
  });
  test('an edge that passed an amount on is sure of it', () => {
    const [route] = routes({
      ...query,
      amountMsat: 4_000_000_000n,
      liquidity: learnPassed(noLiquidity, edgeName(1n, 0), 4_000_000_000n, NOW),
    });
    expect(route?.successPpm).toBe(990_050);
  });
  test('a policy counts until the graph has a newer one', () => {
    const policy = {
      feeBaseMsat: 9000,
      feeProportionalMillionths: 0,
      cltvExpiryDelta: 1,
      htlcMinimumMsat: 0,
      htlcMaximumMsat: 1e9,
      disabled: false,
    };
    expect(learned(learnPolicy(noLiquidity, 1n, 0, { ...policy, timestamp: NOW }))).toEqual(['b z 1000000+3000']);
    expect(learned(learnPolicy(noLiquidity, 1n, 0, { ...policy, timestamp: NOW - 1001 }))).toEqual(['a z 1000000+1']);
    expect(learned(learnPolicy(noLiquidity, 1n, 0, { ...policy, feeBaseMsat: 0, disabled: true, timestamp: NOW }))).toEqual([
      'b z 1000000+3000',
    ]);
  });
  test('parts that are on their way take room', () => {
    const small = [{ id: 1, ends: ['a', 'z'], capacitySat: 1500, there: {} }] as const;
    const first = routes(queryOf(small, 1000, { to: 'z', locals: [a] }));
    const more = { to: 'z', locals: [a], inFlight: first.map(({ htlcs }) => htlcs) };
    expect(said(queryOf(small, 500, more))).toEqual(['a z 500000+0']);
    expect(errorOf(queryOf(small, 501, more)).code).toBe('no-route');
  });
});

describe('parts', () => {
  const sums = (parts: readonly Route[]): bigint => parts.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
  const pair: readonly ChannelSaid[] = [
    { id: 1, ends: ['a', 'z'], ...big, there: { feeBaseMsat: 100 } },
    { id: 2, ends: ['b', 'z'], ...big, there: { feeBaseMsat: 100 } },
  ];
  test('one part where one is good', () => {
    expect(routes(queryOf(pair, 1_000_000, { to: 'z', locals: [a, b] }))).toHaveLength(1);
  });
  test('over two channels when neither has enough, to the last msat', () => {
    const locals = [local('a', 70_000), local('b', 40_000)];
    const split = routes(queryOf(pair, 109_999.5, { to: 'z', locals }));
    expect(sums(split)).toBe(109_999_500n);
    for (const { via, htlcs } of split) expect(htlcs[0]?.amountMsat).toBeLessThanOrEqual(via.sendableMsat);
    expect(new Set(split.map(({ via }) => via.key)).size).toBe(2);
    expect(errorOf(queryOf(pair, 109_999.9, { to: 'z', locals }))).toMatchObject({
      code: 'not-enough',
      detail: { neededMsat: 110_000_000n },
    });
  });
  test('over two channels with the same peer, whom it pays; not when that makes crumbs', () => {
    const locals = [local('a', 100_000, 1), local('a', 60_000, 2)];
    const split = routes(queryOf([], 150_000, { to: 'a', locals }));
    expect(split.map(({ via }) => via.key).sort()).toEqual(['a1', 'a2']);
    expect(sums(split)).toBe(150_000_000n);
    expect(errorOf(queryOf([], 1500, { to: 'a', locals: [local('a', 1000, 1), local('a', 600, 2)] })).code).toBe('not-enough');
  });
  test('when the whole is unlikely and halves are likely', () => {
    const narrow = pair.map((channel) => ({ ...channel, capacitySat: 1_000_000 }));
    const split = routes(queryOf(narrow, 900_000, { to: 'z', locals: [a, b] }));
    expect(split.length).toBeGreaterThan(1);
    expect(sums(split)).toBe(900_000_000n);
    expect(routes(queryOf(narrow, 900_000, { to: 'z', locals: [a, b], maxParts: 1 }))).toHaveLength(1);
  });
  test('within what is learned of each edge', () => {
    const liquidity = [1n, 2n].reduce((known, id) => learnFailure(known, edgeName(id, 0), 600_000_001n, NOW), noLiquidity);
    const split = routes(queryOf(pair, 1_200_000, { to: 'z', locals: [a, b], liquidity }));
    expect(sums(split)).toBe(1_200_000_000n);
    for (const id of [1n, 2n]) {
      const over = split.flatMap(({ htlcs }) => htlcs).filter(({ shortChannelId }) => shortChannelId === id);
      expect(over.reduce((sum, { amountMsat }) => sum + amountMsat, 0n)).toBe(600_000_000n);
    }
    expect(errorOf(queryOf(pair, 1_200_000.001, { to: 'z', locals: [a, b], liquidity })).code).toBe('no-route');
  });
  test('all fees together within the budget', () => {
    const query = queryOf(pair, 100, { to: 'z', locals: [local('a', 70), local('b', 70)] });
    expect(routes({ ...query, amountMsat: 100_000_000n, locals: [local('a', 70_000), local('b', 70_000)], maxFeeMsat: 200n })).toHaveLength(
      2,
    );
    const over = errorOf({ ...query, amountMsat: 100_000_000n, locals: [local('a', 70_000), local('b', 70_000)], maxFeeMsat: 199n });
    expect(over).toEqual({ code: 'fee-too-high', detail: { feeMsat: 200n } });
  });
  test('no more than are allowed, and what it would have taken', () => {
    const locals = [local('a', 40_000, 1), local('a', 40_000, 2), local('a', 40_000, 3)];
    expect(errorOf(queryOf(pair, 110_000, { to: 'z', locals, maxParts: 2 }))).toEqual({ code: 'too-many-parts', detail: { parts: 3 } });
    expect(routes(queryOf(pair, 110_000, { to: 'z', locals, maxParts: 3 }))).toHaveLength(3);
  });
  test('none smaller than the least part', () => {
    const locals = [local('a', 10_000), local('b', 10_000)];
    const split = routes(queryOf(pair, 10_900, { to: 'z', locals }));
    expect(sums(split)).toBe(10_900_000n);
    for (const { amountMsat } of split) expect(amountMsat).toBeGreaterThanOrEqual(BigInt(MIN_PART_MSAT));
  });
});

test('an empty graph and nobody to go through', () => {
  expect(graphOf([])).toMatchObject({ nodeCount: 0, channelCount: 0 });
  expect(errorOf(queryOf([], 1, { to: 'z', locals: [a] }))).toEqual({ code: 'no-route', detail: { reachable: false } });
});
