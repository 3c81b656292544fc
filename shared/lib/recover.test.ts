/** Recovery against the library's own, for any signature and any bytes. */
import { recoverPublicKey } from '@noble/secp256k1';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pointFromSecret, sign } from '../ln/keys/secp.ts';
import { concat, toHex } from './bytes.ts';
import { groupOrder } from './products.ts';
import { recoverPubkey } from './recover.ts';

const sized = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const word = (value: bigint): Uint8Array =>
  Uint8Array.from(value.toString(16).padStart(64, '0').match(/../g) ?? [], (byte) => Number(`0x${byte}`));
const secrets = fc.bigInt({ min: 1n, max: groupOrder - 1n }).map(word);
const edges = fc.constantFrom(0n, 1n, groupOrder - 1n, groupOrder, 2n ** 256n - 1n).map(word);

test('one of the four is the signer, for either S', () => {
  fc.assert(
    fc.property(secrets, sized(32), (secret, digest) => {
      const signature = sign(digest, secret);
      const s = groupOrder - BigInt(`0x${toHex(signature.subarray(32))}`);
      for (const either of [signature, concat(signature.subarray(0, 32), word(s))]) {
        const signers = [0, 1, 2, 3].map((id) => recoverPubkey(either, id, digest)).filter((key) => key !== undefined);
        expect(signers.map(toHex)).toContain(toHex(pointFromSecret(secret)));
      }
    }),
    { numRuns: 20 },
  );
});

test('the same as the library, or undefined where it throws', () => {
  const half = fc.oneof(sized(32), edges);
  fc.assert(
    fc.property(half, half, fc.nat(3), fc.oneof(sized(32), edges), (r, s, id, digest) => {
      let theirs: string | undefined;
      try {
        theirs = toHex(recoverPublicKey(concat(Uint8Array.of(id), r, s), digest, { prehash: false }));
      } catch {
        theirs = undefined;
      }
      const ours = recoverPubkey(concat(r, s), id, digest);
      expect(ours && toHex(ours)).toBe(theirs);
    }),
    { numRuns: 60 },
  );
});

test('what has another length, or another id, has no signer', () => {
  const [digest, secret] = [new Uint8Array(32).fill(1), word(7n)];
  const signature = sign(digest, secret);
  expect(recoverPubkey(signature.subarray(1), 0, digest)).toBeUndefined();
  expect(recoverPubkey(signature, 0, digest.subarray(1))).toBeUndefined();
  for (const id of [-1, 4, 0.5, Number.NaN]) expect(recoverPubkey(signature, id, digest)).toBeUndefined();
});
