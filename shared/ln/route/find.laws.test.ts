/**
 * Routes against an oracle that knows every simple path of a small graph, with amounts in bigints and formulas of its own: what is found
 * obeys every rule, is nearly the best, and is found when there is anything within a limit.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { edgeFrom, edgeTo, nodeIndex } from '../gossip/graph.ts';
import { HOP_MISS, missOf } from './chance.ts';
import { findRoutes } from './find.ts';
import { edgeBetween, learnFailure, learnPassed, noLiquidity } from './liquidity.ts';
import type { LocalChannel, Route, RouteQuery } from './query.ts';
import { type ChannelSaid, faultsOf, forwardingFee, HEIGHT, local, NOW, nodeOf, queryOf, rangeAt } from './testing.ts';

const AMOUNT_SAT = 100_000;
const AMOUNT = BigInt(AMOUNT_SAT) * 1000n;
const names = ['a', 'b', 'c', 'd', 'z'] as const;

const side = fc.option(
  fc.record({
    feeBaseMsat: fc.nat(3000),
    feeProportionalMillionths: fc.nat(4000),
    cltvExpiryDelta: fc.integer({ min: 1, max: 200 }),
    htlcMinimumMsat: fc.constantFrom(0, 0, 0, 0, 1000, 2e8),
    htlcMaximumMsat: fc.constantFrom(1e12, 1e12, 1e12, 1.5e8, 9e7),
    disabled: fc.nat(9).map((n) => n === 0),
  }),
  { freq: 9, nil: undefined },
);
const channels = (capacities: readonly number[]): fc.Arbitrary<readonly ChannelSaid[]> =>
  fc
    .array(
      fc.record({
        ends: fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)).filter(([one, other]) => one !== other),
        capacitySat: fc.constantFrom(...capacities),
        there: side,
        back: side,
      }),
      { minLength: 6, maxLength: 14 },
    )
    .map((list) =>
      list.map(({ there, back, ...rest }, id) => ({
        id,
        ...rest,
        ...(there === undefined ? {} : { there }),
        ...(back === undefined ? {} : { back }),
      })),
    );

type Option = { readonly via: LocalChannel; readonly feeMsat: bigint; readonly blocks: number; readonly cost: number };

/** Every simple path that carries the whole amount, from every channel of ours. */
function everyPath(query: RouteQuery): readonly Option[] {
  const { graph } = query;
  const options: Option[] = [];
  const visit = (node: number, amount: bigint, blocks: number, miss: number, passed: readonly number[]): void => {
    for (const via of query.locals) {
      if (nodeIndex(graph, via.peerId) !== node || via.sendableMsat < amount) continue;
      const fee = Number(amount - query.amountMsat);
      const price = 20_000 + Number(query.amountMsat) / 1000;
      const time = (Number(query.amountMsat) * blocks * 0.05) / 52_560 / 50;
      options.push({ via, feeMsat: amount - query.amountMsat, blocks, cost: fee + time + price * miss });
    }
    for (let edge = 0; edge < 2 * graph.channelCount; edge += 1) {
      const from = edgeFrom(graph, edge);
      if (edgeTo(graph, edge) !== node || passed.includes(from) || graph.flags[edge] !== 1) continue;
      if (amount < BigInt(graph.htlcMinimumMsat[edge] ?? 0) || amount > BigInt(graph.htlcMaximumMsat[edge] ?? 0)) continue;
      const range = rangeAt(query, edge);
      if (Number(amount) > range.high) continue;
      const more = HOP_MISS + missOf(Number(amount), 0, range);
      const delta = graph.cltvExpiryDelta[edge] ?? 0;
      visit(from, amount + forwardingFee(graph, edge, amount), blocks + delta, miss + more, [...passed, from]);
    }
  };
  const target = nodeIndex(graph, query.payee);
  if (target >= 0) visit(target, query.amountMsat, 0, 0, [target]);
  return options;
}

const checkRoutes = (query: RouteQuery, routes: readonly Route[]): void => expect(faultsOf(query, routes)).toEqual([]);

const least = (options: readonly Option[], of: (option: Option) => number): number => Math.min(...options.map(of));

/** Channels that hold the amount with ease, or not at all: near the edge a msat of fees more makes another order of paths. */
const single = fc
  .tuple(channels([250_000, 1_000_000, 10_000_000, 90_000]), fc.constantFrom<readonly string[]>(['a'], ['a', 'b']))
  .map(([list, peers]) =>
    queryOf(list, AMOUNT_SAT, {
      to: 'z',
      locals: peers.map((peer, i) => local(peer, i === 0 ? 1_000_000 : 110_000, i)),
      maxParts: 1,
      maxFeeMsat: AMOUNT,
    }),
  );

test('the best path of all, or one as good within what a fee on a fee makes', () => {
  let compared = 0;
  fc.assert(
    fc.property(single, (query) => {
      const options = everyPath(query);
      const result = findRoutes(query);
      expect(result.ok).toBe(options.length > 0);
      if (!result.ok) return;
      checkRoutes(query, result.value);
      const [route] = result.value;
      const price = 20_000 + AMOUNT_SAT;
      const blocks = (route?.cltvExpiry ?? 0) - query.finalCltv;
      const cost =
        Number(route?.feeMsat) + (Number(AMOUNT) * blocks * 0.05) / 52_560 / 50 - price * Math.log((route?.successPpm ?? 0) / 1e6);
      expect(cost).toBeLessThanOrEqual(1.04 * least(options, (option) => option.cost) + 1);
      if (options.length > 1) compared += 1;
    }),
    { numRuns: 400 },
  );
  expect(compared).toBeGreaterThan(100);
});

test('the last msat of the fee budget and the last block are enough', () => {
  fc.assert(
    fc.property(single, (query) => {
      const options = everyPath(query);
      if (options.length === 0) return;
      const maxFeeMsat = BigInt(least(options, ({ feeMsat }) => Number(feeMsat)));
      const cheap = findRoutes({ ...query, maxFeeMsat });
      if (!cheap.ok) throw new Error(`${cheap.error.code} with ${maxFeeMsat}`);
      checkRoutes({ ...query, maxFeeMsat }, cheap.value);
      if (maxFeeMsat > 0n) {
        const poor = findRoutes({ ...query, maxFeeMsat: maxFeeMsat - 1n });
        expect(poor).toEqual({ ok: false, error: { code: 'fee-too-high', detail: { feeMsat: maxFeeMsat } } });
      }
      const blocks = least(options, (option) => option.blocks);
      const maxCltvExpiry = query.finalCltv + blocks;
      const quick = findRoutes({ ...query, maxCltvExpiry });
      if (!quick.ok) throw new Error(`${quick.error.code} with ${blocks} blocks`);
      checkRoutes({ ...query, maxCltvExpiry }, quick.value);
      const late = findRoutes({ ...query, maxCltvExpiry: maxCltvExpiry - 1 });
      expect(late).toEqual({ ok: false, error: { code: 'expiry-too-far', detail: { cltvExpiry: maxCltvExpiry } } });
    }),
    { numRuns: 200 },
  );
});

const learned = fc.array(fc.tuple(fc.nat(11), fc.boolean(), fc.boolean(), fc.integer({ min: 1, max: 150_000 })), { maxLength: 8 });

test('parts obey every rule together, with what was learned and several channels of ours', () => {
  const counts = new Map<number, number>();
  const query = fc
    .record({
      list: channels([40_000, 90_000, 150_000, 1_000_000]),
      sendable: fc.array(fc.integer({ min: 1000, max: 120_000 }), { minLength: 2, maxLength: 4 }),
      learned,
      maxParts: fc.integer({ min: 1, max: 8 }),
      maxFeeSat: fc.integer({ min: 0, max: 2000 }),
    })
    .map(({ list, sendable, learned, maxParts, maxFeeSat }) => {
      const liquidity = learned.reduce((known, [id, there, failed, sat]) => {
        const learn = failed ? learnFailure : learnPassed;
        const [one, other] = there ? ['a', 'b'] : ['b', 'a'];
        return learn(known, edgeBetween(BigInt(id), nodeOf(one ?? ''), nodeOf(other ?? '')), BigInt(sat) * 1000n, NOW - 1000);
      }, noLiquidity);
      const locals = sendable.map((sat, i) => local(i % 2 === 0 ? 'a' : 'b', sat, i));
      return queryOf(list, AMOUNT_SAT, {
        to: 'z',
        locals,
        liquidity,
        maxParts,
        maxFeeMsat: BigInt(maxFeeSat) * 1000n,
        maxCltvExpiry: HEIGHT + 420,
      });
    });
  fc.assert(
    fc.property(query, (one) => {
      const result = findRoutes(one);
      if (!result.ok) return;
      checkRoutes(one, result.value);
      counts.set(result.value.length, (counts.get(result.value.length) ?? 0) + 1);
    }),
    { numRuns: 700 },
  );
  const several = [...counts].reduce((sum, [parts, count]) => sum + (parts > 1 ? count : 0), 0);
  expect(several).toBeGreaterThan(50);
});
