/** Whatever is offered is refused with one error, or accepted and then can be funded by an honest opener. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TestNode } from '../testing/node.ts';
import { makeOpener } from '../testing/opener.ts';
import { commitmentFeeSat } from '../tx/weight.ts';

const near = (...limits: readonly bigint[]) =>
  fc.oneof(
    ...limits.map((limit) => fc.bigInt({ min: limit > 2n ? limit - 2n : 0n, max: limit + 2n })),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  );
const small = (max: number, ...limits: readonly number[]) =>
  fc.oneof(...limits.map((limit) => fc.integer({ min: Math.max(0, limit - 2), max: Math.min(max, limit + 2) })), fc.nat(max));

const offers = fc.record({
  fundingSatoshis: near(20_000n, 200_000n, 1n << 24n),
  pushMsat: near(0n, 354_000n, 19_000_000n, 100_000_000n, 196_530_000n),
  dustLimitSatoshis: near(354n, 600n, 1_062n),
  maxHtlcValueInFlightMsat: near(200_000_000n),
  channelReserveSatoshis: near(354n, 1_062n, 4_000n),
  htlcMinimumMsat: near(1n, 200_000n),
  feeratePerKw: small(0xffff_ffff, 253, 2_500, 10_000, 50_000),
  toSelfDelay: small(0xffff, 1, 144, 2016),
  maxAcceptedHtlcs: small(0xffff, 5, 483),
  channelFlags: fc.nat(255),
});
const types = fc.record({
  kind: fc.constantFrom('static_remotekey' as const, 'anchors_zero_fee_htlc_tx' as const),
  scidAlias: fc.boolean(),
  zeroConf: fc.boolean(),
});

/** Offers that no single field spoils: chance alone would hardly ever make one. */
const mild = fc.record({
  fundingSatoshis: fc.bigInt({ min: 20_000n, max: 300_000n }),
  pushMsat: fc.bigInt({ min: 0n, max: 30_000_000n }),
  dustLimitSatoshis: fc.bigInt({ min: 354n, max: 1_062n }),
  channelReserveSatoshis: fc.bigInt({ min: 1_062n, max: 4_000n }),
  feeratePerKw: fc.integer({ min: 253, max: 20_000 }),
});

test('an accepted offer obeys BOLT 2 and can be funded', () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(offers, mild), types, (open, type) => {
      const node = new TestNode({ allowPublic: true, zeroConf: true });
      node.connect();
      const opener = makeOpener({ ...type, open });
      const heard = node.hear(opener.open);
      if (heard.names[0] !== 'accept_channel') {
        expect(heard.names).toEqual(['error']);
        expect(node.state.channels).toEqual([]);
        return;
      }
      // The signer that plays the opener pays no more than half of the channel; what another would pay is its own affair.
      if (2n * commitmentFeeSat(type.kind, opener.open.feeratePerKw, 0) > opener.open.fundingSatoshis) return;
      accepted += 1;
      const accept = heard.message('accept_channel');
      expect(accept.channelReserveSatoshis).toBeGreaterThanOrEqual(opener.open.dustLimitSatoshis);
      expect(accept.dustLimitSatoshis).toBeLessThanOrEqual(opener.open.channelReserveSatoshis);
      expect(accept.minimumDepth === 0).toBe(type.zeroConf);
      const signed = node.hear(opener.fundingCreated(accept)).message('funding_signed');
      expect(opener.checksFundingSigned(accept, signed.signature)).toBe(true);
    }),
    { numRuns: 30 },
  );
  expect(accepted).toBeGreaterThan(3);
});
