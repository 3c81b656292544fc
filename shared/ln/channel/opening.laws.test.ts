/** Whatever is answered to our offer is refused with one error, or taken and then can be funded and signed. Nothing goes out too soon. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { broadcasts } from '../peer/machine.ts';
import { fundingTransaction, makeAcceptor, request } from '../testing/acceptor.ts';
import { TestNode } from '../testing/node.ts';

const near = (...limits: readonly bigint[]) =>
  fc.oneof(
    ...limits.map((limit) => fc.bigInt({ min: limit > 2n ? limit - 2n : 0n, max: limit + 2n })),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  );
const small = (max: number, ...limits: readonly number[]) =>
  fc.oneof(...limits.map((limit) => fc.integer({ min: Math.max(0, limit - 2), max: Math.min(max, limit + 2) })), fc.nat(max));

const answers = fc.record({
  dustLimitSatoshis: near(354n, 1_000n, 1_062n),
  maxHtlcValueInFlightMsat: near(200_000_000n),
  channelReserveSatoshis: near(354n, 1_062n, 4_000n),
  htlcMinimumMsat: near(1n, 200_000n),
  minimumDepth: small(0xffff_ffff, 1, 144),
  toSelfDelay: small(0xffff, 1, 2016),
  maxAcceptedHtlcs: small(0xffff, 5, 483),
});
/** Answers that no single field spoils. */
const mild = fc.record({
  dustLimitSatoshis: fc.bigInt({ min: 354n, max: 1_000n }),
  channelReserveSatoshis: fc.bigInt({ min: 1_000n, max: 4_000n }),
  minimumDepth: fc.integer({ min: 0, max: 20 }),
  toSelfDelay: fc.integer({ min: 0, max: 2016 }),
});
const asks = fc.record({
  fundingAmountSat: fc.bigInt({ min: 20_000n, max: 300_000n }),
  pushMsat: fc.bigInt({ min: 0n, max: 30_000_000n }),
  feeratePerKw: fc.integer({ min: 253, max: 20_000 }),
  kind: fc.constantFrom('static_remotekey' as const, 'anchors_zero_fee_htlc_tx' as const),
});

test('an answer that is taken obeys BOLT 2 and leads to a channel that both can close', () => {
  const ends = { refusedByUs: 0, refused: 0, signed: 0 };
  fc.assert(
    fc.property(fc.oneof(answers, mild), asks, (answer, ask) => {
      const node = new TestNode();
      node.connect();
      const opened = node.step({ tag: 'open', request: 'one', open: { ...request, ...ask } });
      if (opened.names.length === 0) {
        ends.refusedByUs += 1;
        expect(node.tags).toEqual([]);
        return;
      }
      const open = opened.message('open_channel');
      const acceptor = makeAcceptor(open, answer);
      const { accept } = acceptor;
      const answered = node.hear(accept);
      expect(broadcasts(node.state)).toEqual([]);
      if (answered.names.length > 0) {
        ends.refused += 1;
        expect(answered.names).toEqual(['error']);
        expect(node.tags).toEqual([]);
        return;
      }
      for (const { channelReserveSatoshis } of [open, accept])
        for (const { dustLimitSatoshis } of [open, accept]) expect(channelReserveSatoshis).toBeGreaterThanOrEqual(dustLimitSatoshis);
      const { bytes } = fundingTransaction(acceptor.scriptPubKey, open.fundingSatoshis);
      const command = { tag: 'funded', transaction: bytes, vout: 1 } as const;
      const created = node.step({ tag: 'channel', channelId: open.temporaryChannelId, command }).message('funding_created');
      expect(acceptor.checksFundingCreated(created)).toBe(true);
      expect(broadcasts(node.state)).toEqual([]);
      expect(node.hear(acceptor.fundingSigned(created)).said).toEqual([]);
      expect(broadcasts(node.state)).toEqual([bytes]);
      ends.signed += 1;
    }),
    { numRuns: 30 },
  );
  expect(ends.signed).toBeGreaterThan(3);
  expect(ends.refused).toBeGreaterThan(0);
});
