/** BOLT 3 appendix D: per-commitment secret generation and storage. */
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import vectors from '../vectors/bolt03/appendix-d-shachain.json' with { type: 'json' };
import { deriveSecret, emptySecretStore, findSecret, insertSecret, secretFromSeed, secretIndex } from './shachain.ts';

describe('generation', () => {
  for (const { name, seed, index, output } of vectors.generation) {
    it(name, () => {
      expect(toHex(deriveSecret(fromHex(seed), 48, BigInt(index)))).toBe(output);
      expect(toHex(secretFromSeed(fromHex(seed), secretIndex(0n) - BigInt(index)))).toBe(output);
    });
  }
});

describe('storage', () => {
  for (const { name, inserts } of vectors.storage) {
    it(name, () => {
      let store = emptySecretStore;
      for (const [number, { index, secret, output }] of inserts.entries()) {
        expect(secretIndex(BigInt(number)).toString()).toBe(index);
        const inserted = insertSecret(store, BigInt(number), fromHex(secret));
        expect(inserted.ok ? 'OK' : 'ERROR').toBe(output);
        if (!inserted.ok) {
          expect(inserted.error.code).toBe('secret-mismatch');
          continue;
        }
        store = inserted.value;
        for (const [earlier, known] of inserts.slice(0, number + 1).entries())
          if (name.includes('correct sequence')) expect(toHex(findSecret(store, BigInt(earlier)) ?? new Uint8Array(0))).toBe(known.secret);
      }
    });
  }
});
