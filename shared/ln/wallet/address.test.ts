import { Address, OutScript } from '@scure/btc-signer';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import type { Network } from '../spv/networks.ts';
import { addressOf, scriptFromAddress } from './address.ts';

const read = (text: string, network: Network = 'mainnet'): string => {
  const script = scriptFromAddress(text, network);
  return script.ok ? toHex(script.value) : script.error.code;
};

describe('the vectors of BIP 173 and BIP 350', () => {
  test.each<[string, Network, string]>([
    ['BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', 'mainnet', '0014751e76e8199196d454941c45d1b3a323f1433bd6'],
    [
      'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7',
      'testnet',
      '00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262',
    ],
    [
      'tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c',
      'signet',
      '5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
    ],
    [
      'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
      'mainnet',
      '512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    ],
  ])('%s is read and written', (address, network, script) => {
    expect(read(address, network)).toBe(script);
    expect(addressOf(fromHex(script), network)).toBe(address.toLowerCase());
  });

  test.each([
    ['version 1, 40 bytes', 'bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y'],
    ['version 16', 'BC1SW50QGDZ25J'],
    ['version 2', 'bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs'],
  ])('valid, but money sent there would be anybody’s: %s', (_, address) => {
    expect(read(address)).toBe('unknown-version');
  });

  test.each([
    ['another prefix', 'tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut'],
    ['version 1 with the checksum of version 0', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd'],
    ['version 16 with the checksum of version 0', 'BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL'],
    ['version 0 with the checksum of version 1', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh'],
    ['a character that is none of bech32', 'bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4'],
    ['version 17', 'BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R'],
    ['one byte', 'bc1pw5dgrnzv'],
    ['41 bytes', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav'],
    ['version 0 with 16 bytes', 'BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P'],
    ['mixed case', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jJ0'],
    ['more than four bits of padding', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf'],
    ['no data', 'bc1gmk9yu'],
  ])('refused: %s', (_, address) => {
    expect(read(address)).toBe('malformed');
  });
});

it('tells an address of another network, an old one and nonsense apart', () => {
  expect(read('tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7')).toBe('wrong-network');
  expect(read('BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', 'regtest')).toBe('wrong-network');
  expect(read('1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2')).toBe('legacy');
  expect(read('3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy')).toBe('legacy');
  for (const text of ['', 'alice', 'lnbc1', 'bc1', '1', '𝕓𝕔𝟙', `bc1${'q'.repeat(5_000)}`]) expect(read(text)).toBe('malformed');
  expect(read(' bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\n')).toBe('0014751e76e8199196d454941c45d1b3a323f1433bd6');
});

const hrp: { readonly [name in Network]: string } = { mainnet: 'bc', testnet: 'tb', signet: 'tb', regtest: 'bcrt' };
const scripts = fc.oneof(
  fc.uint8Array({ minLength: 20, maxLength: 20 }).map((hash) => Uint8Array.of(0, 20, ...hash)),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((hash) => Uint8Array.of(0, 32, ...hash)),
);
const networkNames = fc.constantFrom<Network>('mainnet', 'testnet', 'signet', 'regtest');

it('agrees with another implementation, and reads what it writes', () => {
  fc.assert(
    fc.property(scripts, networkNames, (script, network) => {
      const address = addressOf(script, network);
      const other = Address({ bech32: hrp[network], pubKeyHash: 0, scriptHash: 0, wif: 0 });
      expect(toHex(OutScript.encode(other.decode(address)))).toBe(toHex(script));
      expect(read(address, network)).toBe(toHex(script));
    }),
    { numRuns: 100 },
  );
});

it('one mistyped character is seen, whatever it is', () => {
  const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l1b';
  fc.assert(
    fc.property(scripts, fc.nat(), fc.constantFrom(...letters), (script, at, letter) => {
      const address = addressOf(script, 'mainnet');
      const place = at % address.length;
      fc.pre(address[place] !== letter);
      expect(scriptFromAddress(address.slice(0, place) + letter + address.slice(place + 1), 'mainnet').ok).toBe(false);
    }),
  );
});

it('never throws', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes)),
        fc.string().map((end) => `bc1${end}`),
      ),
      networkNames,
      (text, network) => {
        expect(typeof scriptFromAddress(text, network).ok).toBe('boolean');
      },
    ),
  );
});

it('a script without an address is our bug', () => {
  for (const hex of ['', '00', '0014', '51024e73', '6a00', `5114${'00'.repeat(20)}`, `0021${'00'.repeat(32)}`])
    expect(() => addressOf(fromHex(hex), 'mainnet')).toThrow(RangeError);
});
