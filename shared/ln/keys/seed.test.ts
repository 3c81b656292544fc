import { readFileSync } from 'node:fs';
import { HDKey } from '@scure/bip32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, fromHex, toHex } from '../../lib/bytes.ts';
import { verifyCompact } from '../../lib/verify.ts';
import { authDigest } from '../../protocol/digests.ts';
import { descend, masterKey } from './bip32.ts';
import { pointFromSecret, sign } from './secp.ts';
import { channelSecrets, nodeSecret, relayAuthSecret, walletKeyFromSeed, walletSecret } from './seed.ts';

/** BIP 32 test vectors, the chains of hardened steps: seed, path, and the 64 bytes inside the xprv. */
const bip32Vectors = [
  [
    '1',
    '000102030405060708090a0b0c0d0e0f',
    [],
    'xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi',
  ],
  [
    '1',
    '000102030405060708090a0b0c0d0e0f',
    [0],
    'xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7',
  ],
  [
    '3',
    '4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be',
    [],
    'xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJDu7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuVrtHHs7pXeTzjuxBrCmmhgC6',
  ],
  [
    '3',
    '4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be',
    [0],
    'xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L',
  ],
  [
    '4',
    '3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678',
    [0],
    'xprv9vB7xEWwNp9kh1wQRfCCQMnZUEG21LpbR9NPCNN1dwhiZkjjeGRnaALmPXCX7SgjFTiCTT6bXes17boXtjq3xLpcDjzEuGLQBM5ohqkao9G',
  ],
  [
    '4',
    '3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678',
    [0, 1],
    'xprv9xJocDuwtYCMNAo3Zw76WENQeAS6WGXQ55RCy7tDJ8oALr4FWkuVoHJeHVAcAqiZLE7Je3vZJHxspZdFHfnBEjHqU5hG1Jaj32dVoS6XLT1',
  ],
] as const;

const reference = (seed: Uint8Array, path: readonly number[]): Uint8Array => {
  const { privateKey, chainCode } = path.reduce((key, index) => key.deriveChild(index + 2 ** 31), HDKey.fromMasterSeed(seed));
  if (privateKey === null || chainCode === null) throw new Error('no private key');
  return concat(privateKey, chainCode);
};

describe('BIP 32, hardened', () => {
  for (const [vector, seed, path, xprv] of bip32Vectors) {
    it(`test vector ${vector} m/${path.map((index) => `${index}'`).join('/')}`, () => {
      const { privateKey, chainCode } = HDKey.fromExtendedKey(xprv);
      expect(toHex(descend(masterKey(fromHex(seed)), ...path))).toBe(`${toHex(privateKey ?? concat())}${toHex(chainCode ?? concat())}`);
    });
  }

  it('agrees with another implementation on any seed and path', () => {
    const paths = fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { maxLength: 4 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 64 }), paths, (seed, path) => {
        expect(descend(masterKey(seed), ...path)).toEqual(reference(seed, path));
      }),
      { numRuns: 25 },
    );
  });

  it('throws on what is no seed, key or 31-bit number', () => {
    expect(() => masterKey(new Uint8Array(15))).toThrow(RangeError);
    expect(() => masterKey(new Uint8Array(65))).toThrow(RangeError);
    const key = masterKey(new Uint8Array(16));
    for (const index of [-1, 0.5, 2 ** 31, Number.NaN]) expect(() => descend(key, index)).toThrow(RangeError);
    expect(() => descend(key.subarray(1), 0)).toThrow(RangeError);
  });
});

describe('the secrets of a node', () => {
  const seed = new Uint8Array(64).fill(0x21);
  const wallet = walletKeyFromSeed(seed, 1);
  const at = (...path: number[]): Uint8Array => reference(seed, [1111835467, 1, ...path]).subarray(0, 32);

  it('stand at the documented paths', () => {
    expect(nodeSecret(wallet)).toEqual(at(0));
    expect(relayAuthSecret(wallet)).toEqual(at(1));
    expect(channelSecrets(wallet, [5, 2 ** 31 - 1])).toEqual({
      funding: at(2, 5, 2 ** 31 - 1, 0),
      revocation: at(2, 5, 2 ** 31 - 1, 1),
      payment: at(2, 5, 2 ** 31 - 1, 2),
      delayedPayment: at(2, 5, 2 ** 31 - 1, 3),
      htlc: at(2, 5, 2 ** 31 - 1, 4),
      commitmentSeed: at(2, 5, 2 ** 31 - 1, 5),
    });
    for (const index of [0, 7, 2 ** 31 - 1]) expect(walletSecret(wallet, index)).toEqual(at(3, index));
  });

  it('are all different, between channels and networks too', () => {
    const all = [wallet, walletKeyFromSeed(seed, 0)].flatMap((key) => [
      nodeSecret(key),
      relayAuthSecret(key),
      ...Object.values(channelSecrets(key, [0, 1])),
      ...Object.values(channelSecrets(key, [1, 0])),
      walletSecret(key, 0),
      walletSecret(key, 1),
    ]);
    expect(new Set(all.map(toHex)).size).toBe(all.length);
  });
});

it('the relay can tell the account from a signature, and only for its own challenge', () => {
  const wallet = walletKeyFromSeed(new Uint8Array(64).fill(9), 1);
  const account = pointFromSecret(relayAuthSecret(wallet));
  const digest = authDigest('https://relay.example', 'challenge');
  const signature = sign(digest, relayAuthSecret(wallet));
  expect(verifyCompact(signature, digest, account)).toBe(true);
  expect(verifyCompact(signature, authDigest('https://other.example', 'challenge'), account)).toBe(false);
  expect(verifyCompact(signature, digest, pointFromSecret(nodeSecret(wallet)))).toBe(false);
});

it('the signing path reaches neither the word list nor another curve library', () => {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: URL): void => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    for (const [, target = ''] of readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type ).*?from '([^']+)';$/gms)) {
      if (target.startsWith('.')) visit(new URL(target, file));
      else packages.add(target);
    }
  };
  visit(new URL('../signer/memory.ts', import.meta.url));
  expect(seen.size).toBeGreaterThan(8);
  expect([...packages].filter((name) => !name.startsWith('@noble/hashes/')).sort()).toEqual(['@noble/secp256k1', '@scure/base']);
  expect([...packages]).not.toContain('@noble/hashes/pbkdf2.js');
});
