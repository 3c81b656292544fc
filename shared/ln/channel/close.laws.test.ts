/** Two of our own engines that close with each other: whatever they want to pay, whoever begins, wherever the wire is cut. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { equal, toHex } from '../../lib/bytes.ts';
import { Closers } from '../testing/closers.ts';
import { parseTransaction } from '../tx/parse.ts';
import { p2wsh } from '../tx/scripts.ts';
import type { OutMessage } from './message.ts';

const paysTo = (transaction: Uint8Array, script: Uint8Array): bigint | undefined => {
  const parsed = parseTransaction(transaction);
  if (!parsed.ok) throw new Error('a closing transaction that cannot be read');
  return parsed.value.outputs.find(({ scriptPubKey }) => equal(scriptPubKey, script))?.amountSat;
};

/** Two that pay the same have no order. */
const hexOf = (transactions: readonly Uint8Array[]): readonly string[] => transactions.map(toHex).sort();

const feerate = fc.oneof(
  fc.integer({ min: 1, max: 400 }),
  fc.integer({ min: 250, max: 20_000 }),
  fc.integer({ min: 20_000, max: 5_000_000 }),
);
const fundingSat = 100_000n;
/** Of the side that did not open, down to nothing and up to all but what the reserve leaves. */
const pushMsat = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2_000_000n }), fc.bigInt({ min: 0n, max: 97_000_000n }));
const plan = fc.record({
  opener: fc.constantFrom('alice' as const, 'bob' as const),
  pushMsat,
  feerates: fc.tuple(feerate, feerate),
  dust: fc.tuple(fc.bigInt({ min: 354n, max: 1_062n }), fc.bigInt({ min: 354n, max: 1_062n })),
  starters: fc.constantFrom('alice', 'bob', 'both'),
  toScript: fc.boolean(),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

function closersOf({ opener, pushMsat: push, feerates: [a, b], dust: [alice, bob] }: Plan, simpleClose: boolean): Closers {
  const closers = new Closers({
    simpleClose,
    opener,
    pushMsat: push,
    fundingSat,
    dustLimitSat: { alice, bob },
    reserveSat: 1_062n,
    feeratePerKw: 253,
  });
  closers.alice.feerate = a;
  closers.bob.feerate = b;
  return closers;
}
function begin(closers: Closers, { starters, toScript }: Plan): void {
  if (starters !== 'bob') closers.alice.close(closers.alice.feerate, toScript ? p2wsh(new Uint8Array(33)) : undefined);
  if (starters !== 'alice') closers.bob.close();
}

/** What must be true of any end: nobody failed, and each transaction is good and robs nobody. */
function checkEnd(closers: Closers, { opener }: Plan): void {
  const all = new Map(closers.sides.flatMap(({ signed }) => signed.map((transaction) => [toHex(transaction), transaction] as const)));
  for (const transaction of all.values()) expect(closers.spendsFunding(transaction)).toBe(true);
  for (const side of closers.sides) {
    expect(side.tag).toBe('negotiating');
    expect(side.signed.length).toBeGreaterThan(0);
    const { toLocalMsat, localShutdownScript = side.script } = side.commitments;
    for (const transaction of side.signed) {
      const lost = toLocalMsat / 1000n - (paysTo(transaction, localShutdownScript) ?? 0n);
      const isOpener = side === closers[opener];
      // In the old protocol the opener pays; a dust output may be lost in either.
      if (!closers.alice.negotiated.simpleClose && !isOpener) expect(lost < 1_062n ? 0n : lost).toBe(0n);
      expect(lost >= 0n).toBe(true);
    }
  }
}

test('closing_signed: always converges, and both hold the same transaction', () => {
  fc.assert(
    fc.property(plan, (one) => {
      const closers = closersOf(one, false).connect().settle();
      begin(closers, one);
      closers.settle();
      checkEnd(closers, one);
      expect(closers.alice.signed).toEqual(closers.bob.signed);
      // The opener names a fee, the other agrees: two messages.
      expect(closers.alice.signed.length).toBe(1);
    }),
    { numRuns: 20 },
  );
});

test('closing_signed without fee_range, as old peers have it: half way, until both would pay it', () => {
  fc.assert(
    fc.property(plan, (one) => {
      const closers = closersOf(one, false).connect().settle();
      begin(closers, one);
      closers.settle(400, (msg) => {
        if (msg.name !== 'closing_signed') return msg;
        const { feeRange: _, ...bare } = msg;
        return bare;
      });
      checkEnd(closers, one);
      expect(closers.alice.signed).toEqual(closers.bob.signed);
    }),
    { numRuns: 10 },
  );
});

test('closing_complete: each side has a transaction of its own, if it can pay for one, and both know both', () => {
  fc.assert(
    fc.property(plan, (one) => {
      const closers = closersOf(one, true).connect().settle();
      begin(closers, one);
      closers.settle();
      checkEnd(closers, one);
      expect(hexOf(closers.alice.signed)).toEqual(hexOf(closers.bob.signed));
    }),
    { numRuns: 20 },
  );
});

test('cut at any message, twice: the close is finished, and nobody fails', () => {
  fc.assert(
    fc.property(plan, fc.boolean(), fc.nat(12), fc.nat(12), (one, simpleClose, first, second) => {
      const closers = closersOf(one, simpleClose).connect().settle();
      begin(closers, one);
      closers.settle(first).cut().connect().settle(second).cut().connect().settle();
      checkEnd(closers, one);
      const shared = closers.alice.signed.filter((a) => closers.bob.signed.some((b) => equal(a, b)));
      expect(shared.length).toBeGreaterThan(0);
    }),
    { numRuns: 30 },
  );
});

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const script = fc.oneof(
  fc.uint8Array({ maxLength: 42 }),
  fc.constantFrom(p2wsh(new Uint8Array(33)), new Uint8Array([0x6a, 6, 1, 2, 3, 4, 5, 6])),
);
const feeSatoshis = fc.oneof(fc.bigInt({ min: 0n, max: 2_000n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
const signature = bytes(64);
const closingFields = {
  channelId: fc.constant(new Uint8Array(32)),
  closerScriptpubkey: script,
  closeeScriptpubkey: script,
  feeSatoshis,
  locktime: fc.nat(0xffff_ffff),
  closerOutputOnly: signature,
  closeeOutputOnly: signature,
  closerAndCloseeOutputs: signature,
};
const requiredKeys: ('name' | 'channelId' | 'closerScriptpubkey' | 'closeeScriptpubkey' | 'feeSatoshis' | 'locktime')[] = [
  'name',
  'channelId',
  'closerScriptpubkey',
  'closeeScriptpubkey',
  'feeSatoshis',
  'locktime',
];
const hostile: fc.Arbitrary<OutMessage> = fc.oneof(
  fc.record({ name: fc.constant('shutdown' as const), channelId: fc.constant(new Uint8Array(32)), scriptpubkey: script }),
  fc.record(
    {
      name: fc.constant('closing_signed' as const),
      channelId: fc.constant(new Uint8Array(32)),
      feeSatoshis,
      signature,
      feeRange: fc.record({ minFeeSatoshis: feeSatoshis, maxFeeSatoshis: feeSatoshis }),
    },
    { requiredKeys: ['name', 'channelId', 'feeSatoshis', 'signature'] },
  ),
  fc.record({ name: fc.constant('closing_complete' as const), ...closingFields }, { requiredKeys }),
  fc.record({ name: fc.constant('closing_sig' as const), ...closingFields }, { requiredKeys }),
);
/** The honest message with one part changed: gets past more checks than noise does. */
const twisted = (honest: OutMessage, noise: OutMessage, keys: readonly number[]): OutMessage =>
  honest.name === noise.name
    ? Object.assign({}, honest, Object.fromEntries(Object.entries(noise).filter(([, __], at) => keys.includes(at))))
    : noise;

test('whatever a peer says while we close, we neither throw nor fail nor sign away our money', () => {
  fc.assert(
    fc.property(
      plan,
      fc.boolean(),
      fc.array(fc.tuple(hostile, fc.array(fc.nat(8))), { minLength: 1, maxLength: 12 }),
      (one, simpleClose, noises) => {
        const closers = closersOf(one, simpleClose).connect().settle();
        const { alice } = closers;
        begin(closers, one);
        closers.deliver('bob');
        closers.deliver('alice');
        const said = [...closers.bob.wire];
        for (const [noise, keys] of noises) alice.hear(twisted(said.find(({ name }) => name === noise.name) ?? noise, noise, keys));
        expect(['normal', 'negotiating']).toContain(alice.tag);
        const { toLocalMsat, localShutdownScript = alice.script } = alice.commitments;
        for (const transaction of alice.signed) {
          expect(closers.spendsFunding(transaction)).toBe(true);
          const ours = paysTo(transaction, localShutdownScript) ?? 0n;
          const mostSat = one.opener === 'alice' || simpleClose ? toLocalMsat / 1000n : 1_062n;
          expect(toLocalMsat / 1000n - ours).toBeLessThanOrEqual(mostSat);
        }
        closers.cut().connect().settle();
        checkEnd(closers, one);
      },
    ),
    { numRuns: 30 },
  );
});
