import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptySecretStore, findSecret, insertSecret, type SecretStore, secretCount, secretFromSeed } from './shachain.ts';

const seed = new Uint8Array(32).fill(0x5a);

function filled(count: number): SecretStore {
  let store = emptySecretStore;
  for (let n = 0n; n < count; n++) {
    const inserted = insertSecret(store, n, secretFromSeed(seed, n));
    if (!inserted.ok) throw new Error(inserted.error.detail);
    store = inserted.value;
  }
  return store;
}

describe('shachain', () => {
  it('keeps few entries and finds every revoked secret and none other', () => {
    const store = filled(200);
    expect(secretCount(store)).toBe(200n);
    expect(store.length).toBe(8);
    for (let n = 0n; n < 200n; n++) expect(findSecret(store, n)).toEqual(secretFromSeed(seed, n));
    expect(findSecret(store, 200n)).toBeUndefined();
    expect(findSecret(emptySecretStore, 0n)).toBeUndefined();
  });

  it('refuses a secret out of order, twice, or of a wrong length', () => {
    const store = filled(3);
    const codeOf = (n: bigint, secret: Uint8Array) => {
      const inserted = insertSecret(store, n, secret);
      return inserted.ok ? 'ok' : inserted.error.code;
    };
    expect(codeOf(3n, secretFromSeed(seed, 3n))).toBe('ok');
    expect(codeOf(4n, secretFromSeed(seed, 4n))).toBe('secret-out-of-order');
    expect(codeOf(2n, secretFromSeed(seed, 2n))).toBe('secret-out-of-order');
    // Secret 2 is not checked against any other, so only its length can be wrong.
    expect(insertSecret(filled(2), 2n, new Uint8Array(32)).ok).toBe(true);
    expect(insertSecret(filled(2), 2n, new Uint8Array(31))).toMatchObject({ ok: false, error: { code: 'secret-mismatch' } });
  });

  it('notices any changed bit once a secret above it arrives', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = secretFromSeed(seed, 3n);
        bad[at] = (bad[at] ?? 0) ^ flip;
        expect(insertSecret(filled(3), 3n, bad)).toMatchObject({ ok: false, error: { code: 'secret-mismatch' } });
      }),
    );
  });

  it('has no secret for a number that would reveal the seed', () => {
    expect(() => secretFromSeed(seed, 2n ** 48n - 1n)).toThrow(RangeError);
    expect(() => secretFromSeed(seed, -1n)).toThrow(RangeError);
    expect(secretFromSeed(seed, 2n ** 48n - 2n)).not.toEqual(seed);
  });
});
