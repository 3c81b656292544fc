/** What holds of the signer whatever it is asked, and in which order. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toHex } from '../../lib/bytes.ts';
import { pointFromSecret } from '../keys/secp.ts';
import { buildCommitment } from '../tx/commitment.ts';
import { memorySigner, openSignerFrom } from './memory.ts';
import { freshGuard } from './signer.ts';
import { codeOf, guardAt, htlc, ours, peerSigns, revoke, sign, theirs, them, us, wallet } from './testing.ts';

it('what one side signs the other accepts, whichever opened, whatever the balances and HTLCs', () => {
  const flying = fc.uniqueArray(fc.record({ offered: fc.boolean(), id: fc.bigInt(0n, 20n), sat: fc.bigInt(1n, 4_000n) }), {
    selector: ({ offered, id }) => `${offered} ${id}`,
    maxLength: 6,
  });
  fc.assert(
    fc.property(
      fc.constantFrom('static_remotekey', 'anchors_zero_fee_htlc_tx'),
      fc.bigInt({ min: 30_000n, max: 170_000n }),
      fc.boolean(),
      fc.integer({ min: 253, max: 20_000 }),
      fc.bigInt({ min: 1n, max: 3n }),
      flying,
      (kind, usSat, holderIsOpener, feeratePerKw, number, flights) => {
        const htlcs = flights.map(({ offered, id, sat }) => htlc(offered, id, sat));
        const template = { ...ours(number, usSat, htlcs), kind, holderIsOpener, feeratePerKw } as const;
        const before = { ...freshGuard, remoteNumber: number - 1n, localNumber: number - 1n, revokedBelow: number - 1n };
        const signed = them.signRemoteCommitment(template, [], before);
        if (!signed.ok) throw new Error(signed.error.detail);
        const { signature, htlcSignatures } = signed.value;
        expect(codeOf(us.acceptLocalCommitment(template, signature, htlcSignatures, before))).toBe('ok');
      },
    ),
    { numRuns: 25 },
  );
});

it('no order of requests gets two signatures for one number, the secret of the newest commitment, or anything after the end', () => {
  const request = fc.record({
    ask: fc.constantFrom('sign', 'sign', 'accept', 'accept', 'release', 'revoke', 'publish'),
    number: fc.bigInt({ min: 0n, max: 3n }),
    variant: fc.constantFrom(0, 1),
  });
  const world = [0n, 1n, 2n, 3n].map((number) =>
    [120_000n, 120_001n].map((usSat) => {
      const mine = ours(number, usSat);
      return { mine, theirOwn: theirs(number, usSat), ...peerSigns(mine) };
    }),
  );
  fc.assert(
    fc.property(fc.array(request, { minLength: 5, maxLength: 25 }), (requests) => {
      let guard = freshGuard;
      let [accepted, released, revoked, published] = [-1n, -1n, -1n, -1n];
      const digests = new Map<bigint, string>();
      for (const { ask, number, variant } of requests) {
        const chosen = world[Number(number)]?.[variant];
        if (!chosen) throw new Error('no such commitment');
        const { mine, theirOwn, signature, htlcSignatures } = chosen;
        if (ask === 'sign') {
          const result = sign(theirOwn, guard);
          if (!result.ok) continue;
          guard = result.value.guard;
          const built = buildCommitment(theirOwn);
          const digest = built.ok ? toHex(built.value.sighash) : '';
          expect(digests.get(number) ?? digest).toBe(digest);
          digests.set(number, digest);
          // The peer never holds more than two commitments that it has not revoked.
          expect(number - revoked).toBeLessThanOrEqual(2n);
          expect(number).toBeGreaterThan(revoked);
          expect(published).toBe(-1n);
        } else if (ask === 'accept') {
          const result = us.acceptLocalCommitment(mine, signature, htlcSignatures, guard);
          if (!result.ok) continue;
          guard = result.value.guard;
          expect(number === accepted || number === accepted + 1n).toBe(true);
          expect(published).toBe(-1n);
          accepted = number;
        } else if (ask === 'release') {
          const result = us.releaseSecret(number, guard);
          if (!result.ok) continue;
          guard = result.value.guard;
          expect(number).toBeLessThan(accepted);
          expect(published).toBe(-1n);
          released = number > released ? number : released;
        } else if (ask === 'revoke') {
          const result = revoke(number, guard);
          if (!result.ok) continue;
          guard = result.value.guard;
          expect(number).toBe(revoked + 1n);
          revoked = number;
        } else {
          const result = us.signLocalCommitment(mine, signature, guard);
          if (!result.ok) continue;
          guard = result.value.guard;
          expect(number).toBe(accepted);
          expect(number).toBeGreaterThan(released);
          published = number;
        }
      }
    }),
    { numRuns: 100 },
  );
});

it('nothing that a peer may send makes it throw', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 70 }),
    fc.uint8Array({ minLength: 64, maxLength: 64 }),
    fc.uint8Array({ minLength: 32, maxLength: 33 }),
  );
  const guard = guardAt(0n);
  const signed1 = { ...guard, remoteNumber: 1n };
  const mine = ours(1n, 120_000n, [htlc(true, 0n)]);
  const { signature } = peerSigns(mine);
  fc.assert(
    fc.property(bytes, bytes, fc.array(bytes, { maxLength: 2 }), (a, b, many) => {
      expect(codeOf(us.acceptRevocation(0n, a, b, signed1))).toBe('secret-wrong');
      expect(codeOf(us.acceptLocalCommitment(mine, a, many, guard))).toBe('signature-invalid');
      expect(codeOf(us.acceptLocalCommitment(mine, signature, many, guard))).toBe('signature-invalid');
      expect(codeOf(us.signRemoteCommitment({ ...theirs(1n), perCommitmentPoint: b }, [a], { ...guard }))).toMatch(
        /^(ok|template-invalid)$/,
      );
    }),
    { numRuns: 30 },
  );
});

it('a channel’s keys depend on its path, and the signer is a function of its secrets', () => {
  const walletKey = new Uint8Array(64).fill(1);
  expect(openSignerFrom(walletKey)([3, 4]).basepoints).toEqual(us.basepoints);
  expect(openSignerFrom(walletKey)([4, 3]).basepoints.fundingPubkey).not.toEqual(us.basepoints.fundingPubkey);
  const secret = (byte: number) => new Uint8Array(32).fill(byte);
  const secrets = {
    funding: secret(1),
    revocation: secret(2),
    payment: secret(3),
    delayedPayment: secret(4),
    htlc: secret(5),
    commitmentSeed: secret(6),
  };
  expect(memorySigner(secrets, wallet, () => secret(7)).basepoints).toEqual({
    fundingPubkey: pointFromSecret(secret(1)),
    revocationBasepoint: pointFromSecret(secret(2)),
    paymentBasepoint: pointFromSecret(secret(3)),
    delayedPaymentBasepoint: pointFromSecret(secret(4)),
    htlcBasepoint: pointFromSecret(secret(5)),
  });
});
