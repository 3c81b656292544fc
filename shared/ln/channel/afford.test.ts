/** What a channel says that it could send is what it takes: no less, and hardly more. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hash } from '../testing/opener.ts';
import { Pair } from '../testing/pair.ts';
import { sendableMsat } from './updates.ts';

test('the amount that can be sent is taken, and a satoshi more is not', () => {
  const kinds = ['anchors_zero_fee_htlc_tx', 'static_remotekey'] as const;
  let refused = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.constantFrom('alice' as const, 'bob' as const),
      fc.constantFrom(253, 1_000, 2_500),
      fc.array(fc.integer({ min: 1_000, max: 100_000 }), { maxLength: 3 }),
      (kind, opener, feeratePerKw, before) => {
        const offer = (pair: Pair, amountMsat: bigint) =>
          pair.alice.ask({ tag: 'add', request: 'x', amountMsat, paymentHash: hash('x'), cltvExpiry: 1_500, onion: new Uint8Array(1366) });
        const made = (): Pair => {
          const pair = new Pair({ kind, opener, feeratePerKw });
          pair.connect();
          pair.settle();
          for (const sat of before) offer(pair, BigInt(sat) * 1_000n);
          return pair;
        };
        const first = made();
        const most = sendableMsat(first.alice.commitments);
        expect(offer(first, most)).toMatchObject([{ tag: 'htlc-offered' }]);
        refused += offer(made(), most + 1_000n).some(({ tag }) => tag === 'add-refused') ? 1 : 0;
      },
    ),
    { numRuns: 20 },
  );
  expect(refused).toBe(20);
});
