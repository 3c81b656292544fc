/** Laws of invoices: what is written is read, what is touched is refused, and no text is too strange to answer. */
import { bech32 } from '@scure/base';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex } from '../../lib/bytes.ts';
import { pointFromSecret, sign } from '../keys/secp.ts';
import vectors from '../vectors/bolt11/invoices.json' with { type: 'json' };
import { encodeFeatures, features as known } from '../wire/features.ts';
import { fallbackAddress } from './address.ts';
import { type InvoiceNetwork, MAX_AMOUNT_MSAT, readHumanPart, writeHumanPart } from './amount.ts';
import { encodeInvoice } from './encode.ts';
import { describes, expiresAt, type Invoice, isExpired, MAX_INVOICE_CHARS } from './invoice.ts';
import { parseInvoice } from './parse.ts';
import { bytesToWords, numberToWords, vectorToWords, wordsToBytes, wordsToNumber, wordsToVector } from './words.ts';

const secret = fromHex(vectors.secret);
const payee = pointFromSecret(secret);
const signer = (digest: Uint8Array) => sign(digest, secret);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u32 = fc.nat(0xffff_ffff);
const networks = fc.constantFrom<InvoiceNetwork>('mainnet', 'testnet', 'signet', 'regtest');
const amounts = fc.oneof(
  fc.bigInt({ min: 1n, max: MAX_AMOUNT_MSAT }),
  fc.nat(11).map((zeros) => 3n * 10n ** BigInt(zeros)),
);
const hops = fc.record({
  nodeId: bytes(32).map((x) => Uint8Array.from([2, ...x])),
  shortChannelId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  feeBaseMsat: u32,
  feeProportionalMillionths: u32,
  cltvExpiryDelta: fc.nat(0xffff),
});
const fallbacks = fc.oneof(
  bytes(20).map((program) => ({ version: 17, program })),
  bytes(20).map((program) => ({ version: 18, program })),
  bytes(32).map((program) => ({ version: 0, program })),
  fc.record({ version: fc.integer({ min: 1, max: 16 }), program: fc.uint8Array({ minLength: 2, maxLength: 40 }) }),
);
const bits = fc.uniqueArray(fc.constantFrom(8, 9, 14, 15, 17, 25, 37, 48, 49, 99, 151), { maxLength: 6 });
const invoices: fc.Arbitrary<Invoice> = fc
  .record({
    base: fc.record({
      network: networks,
      timestamp: fc.nat(2 ** 31),
      expirySeconds: fc.nat(2 ** 31),
      paymentHash: bytes(32),
      paymentSecret: bytes(32),
      minFinalCltvExpiryDelta: fc.nat(5000),
      fallbacks: fc.array(fallbacks, { maxLength: 2 }),
      routeHints: fc.array(fc.array(hops, { minLength: 1, maxLength: 3 }), { maxLength: 2 }),
      features: bits.map(encodeFeatures),
    }),
    description: fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }).map((description) => ({ description })),
      bytes(32).map((descriptionHash) => ({ descriptionHash })),
    ),
    amount: fc.oneof(
      fc.constant({}),
      amounts.map((amountMsat) => ({ amountMsat })),
    ),
    metadata: fc.oneof(
      fc.constant({}),
      fc.uint8Array({ maxLength: 60 }).map((paymentMetadata) => ({ paymentMetadata })),
    ),
  })
  .map(({ base, description, amount, metadata }) => ({ ...base, payee, ...description, ...amount, ...metadata }));

const simple: Invoice = {
  network: 'regtest',
  amountMsat: 1000n,
  timestamp: 1_700_000_000,
  expirySeconds: 600,
  paymentHash: new Uint8Array(32).fill(1),
  paymentSecret: new Uint8Array(32).fill(2),
  description: 'coffee',
  payee,
  minFinalCltvExpiryDelta: 40,
  fallbacks: [],
  routeHints: [],
  features: encodeFeatures([9, 15, 17]),
};
const codeOf = (text: string, network: InvoiceNetwork = 'regtest') => {
  const read = parseInvoice(text, network);
  return read.ok ? 'ok' : read.error.code;
};

describe('an invoice', () => {
  test('is read as it was written, in either case', () => {
    fc.assert(
      fc.property(invoices, fc.boolean(), (invoice, upper) => {
        const text = encodeInvoice(invoice, signer);
        expect(parseInvoice(upper ? text.toUpperCase() : text, invoice.network)).toEqual({ ok: true, value: invoice });
      }),
      { numRuns: 60 },
    );
  });

  test('of another network is not ours', () => {
    expect(parseInvoice(encodeInvoice(simple, signer), 'mainnet')).toEqual({
      ok: false,
      error: { code: 'wrong-network', network: 'regtest' },
    });
    for (const network of ['mainnet', 'testnet', 'signet', 'regtest'] as const) {
      const text = encodeInvoice({ ...simple, network }, signer);
      expect(['mainnet', 'testnet', 'signet', 'regtest'].filter((other) => codeOf(text, other as InvoiceNetwork) === 'ok')).toEqual([
        network,
      ]);
    }
  });

  test('expires a second after its time', () => {
    expect(expiresAt(simple)).toBe(1_700_000_600);
    expect([1_700_000_600, 1_700_000_601].map((now) => isExpired(simple, now))).toEqual([false, true]);
  });

  test('is described by its description', () => {
    expect([describes(simple, 'coffee'), describes(simple, 'Coffee')]).toEqual([true, false]);
  });

  test('that cannot be written is a bug', () => {
    const { description: _, ...undescribed } = simple;
    const write = (more: Partial<Invoice>) => () => encodeInvoice({ ...simple, ...more }, signer);
    expect(() => encodeInvoice(undescribed, signer)).toThrow();
    for (const more of [
      { descriptionHash: new Uint8Array(32) },
      { amountMsat: 0n },
      { amountMsat: MAX_AMOUNT_MSAT + 1n },
      { timestamp: 2 ** 35 },
      { payee: pointFromSecret(new Uint8Array(32).fill(1)) },
      { paymentHash: new Uint8Array(31) },
      { description: 'x'.repeat(640) },
      { routeHints: [[]] },
      { fallbacks: [{ version: 17, program: new Uint8Array(19) }] },
      { features: encodeFeatures([51]) },
    ]) {
      expect(write(more)).toThrow();
    }
    expect(write({ description: 'x'.repeat(639) })).not.toThrow();
  });
});

const text = encodeInvoice(simple, signer);
/** The words of an invoice changed, with a checksum that fits. */
const rewritten = (change: (words: number[]) => number[], prefix = 'lnbcrt10n', source = text): string =>
  bech32.encode(prefix, change([...bech32.decode(source, false).words]), false);
/** And with a signature that fits. */
function resigned(fields: readonly number[], prefix = 'lnbcrt10n'): string {
  const data = [...numberToWords(simple.timestamp, 7), ...fields];
  // Whoever signs what parses: any recovery id gives some key.
  return bech32.encode(prefix, [...data, ...bytesToWords(Uint8Array.from([...sign(new Uint8Array(32), secret), 0]))], false);
}
const field = (type: number, words: readonly number[]): number[] => [type, ...numberToWords(words.length, 2), ...words];
const hash = field(1, bytesToWords(new Uint8Array(32)));
const paymentSecret = field(16, bytesToWords(new Uint8Array(32)));
const coffee = field(13, bytesToWords(Uint8Array.from('coffee', (char) => char.charCodeAt(0))));

describe('an invoice that was touched', () => {
  test('in any word, with its checksum put right: another payee, or refused; never the same', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 31 }), (at, change) => {
        const touched = rewritten((words) => words.map((word, i) => (i === at % words.length ? word ^ change : word)));
        const read = parseInvoice(touched, 'regtest');
        if (read.ok) expect(read.value.payee).not.toEqual(payee);
      }),
      { numRuns: 250 },
    );
  });

  test('in any letter, without that: refused', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...'qpzry9x8gf2tvdw0s3jn54khce6mua7l1bio!é'), (at, letter) => {
        const touched = [...text].map((old, i) => (i === at % text.length ? letter : old)).join('');
        expect(codeOf(touched) === 'ok').toBe(touched === text);
      }),
      { numRuns: 250 },
    );
  });

  test('any words under a good checksum, any words under a good frame, any text: a value, never an exception', () => {
    const words = fc.array(fc.nat(31), { maxLength: 400 });
    const anyText = fc.array(fc.nat(0x10ffff), { maxLength: 40 }).map((points) => String.fromCodePoint(...points));
    const fields = fc.array(fc.tuple(fc.constantFrom(1, 16, 13, 27, 19, 23, 6, 24, 9, 3, 5, 2), fc.array(fc.nat(31), { maxLength: 60 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(words, fields, anyText, (any, tagged, string) => {
        parseInvoice(bech32.encode('lnbcrt', any, false), 'regtest');
        parseInvoice(resigned([...hash, ...paymentSecret, ...tagged.flatMap(([type, value]) => field(type, value))]), 'regtest');
        expect(codeOf(string)).not.toBe('ok');
      }),
      { numRuns: 200 },
    );
  });
});

describe('refused, each with its reason', () => {
  const feature = (...of: number[]) => field(5, vectorToWords(encodeFeatures(of)));
  const point = (first: number, length: number) => bytesToWords(new Uint8Array(length).fill(1).fill(first, 0, 1));
  test.each<[string, string, readonly number[]]>([
    ['ok', 'the least', [...hash, ...paymentSecret, ...coffee]],
    ['missing', 'no hash', [...paymentSecret, ...coffee]],
    ['missing', 'a hash of 51 words only', [...field(1, new Array(51).fill(0)), ...paymentSecret, ...coffee]],
    ['missing', 'no secret', [...hash, ...coffee]],
    ['missing', 'no description', [...hash, ...paymentSecret]],
    ['two-descriptions', 'a description and a hash', [...hash, ...paymentSecret, ...coffee, ...field(23, new Array(52).fill(0))]],
    ['bad-field', 'a description that is not UTF-8', [...hash, ...paymentSecret, ...field(13, bytesToWords(Uint8Array.of(0xff, 0xfe)))]],
    ['bad-field', 'a field that overruns', [...hash, ...paymentSecret, ...coffee, 13, 31, 31]],
    ['bad-field', 'half a field', [...hash, ...paymentSecret, ...coffee, 13, 0]],
    ['bad-field', 'a loose expiry', [...hash, ...paymentSecret, ...coffee, ...field(6, [0, 1])]],
    ['bad-field', 'a loose delta', [...hash, ...paymentSecret, ...coffee, ...field(24, [0, 1])]],
    ['bad-field', 'loose features', [...hash, ...paymentSecret, ...coffee, ...field(5, [0, 8, 8])]],
    ['bad-field', 'an expiry past all numbers', [...hash, ...paymentSecret, ...coffee, ...field(6, new Array(11).fill(31))]],
    ['bad-field', 'a hint cut short', [...hash, ...paymentSecret, ...coffee, ...field(3, point(2, 50))]],
    ['bad-field', 'a hint over no point', [...hash, ...paymentSecret, ...coffee, ...field(3, point(5, 51))]],
    ['bad-field', 'a hint without a hop', [...hash, ...paymentSecret, ...coffee, ...field(3, [])]],
    ['unknown-features', 'bit 100', [...hash, ...paymentSecret, ...coffee, ...feature(8, 14, 100)]],
    ['unknown-features', 'a bit that is no matter of invoices', [...hash, ...paymentSecret, ...coffee, ...feature(28)]],
    ['ok', 'odd bits of any kind', [...hash, ...paymentSecret, ...coffee, ...feature(29, 101, 1001)]],
    ['missing-feature', 'zeroconf without alias', [...hash, ...paymentSecret, ...coffee, ...feature(51)]],
    ['bad-signature', 'a payee that did not sign', [...hash, ...paymentSecret, ...coffee, ...field(19, bytesToWords(payee))]],
    [
      'ok',
      'fallbacks of no known kind',
      [...hash, ...paymentSecret, ...coffee, ...field(9, [19, 1]), ...field(9, []), ...field(9, [17, 1, 1])],
    ],
  ])('%s: %s', (code, _, fields) => {
    expect(codeOf(resigned(fields))).toBe(code);
  });

  test.each([
    ['unknown-network', 'lnxyz'],
    ['unknown-network', 'bcrt'],
    ['bad-amount', 'lnbcrt0'],
    ['bad-amount', 'lnbcrt0m'],
    ['bad-amount', 'lnbcrt01m'],
    ['bad-amount', 'lnbcrt1k'],
    ['not-bech32', 'lnbcrt1.5m'],
    ['bad-amount', 'lnbcrt1mm'],
    ['not-bech32', 'lnbcrt-1'],
    ['too-precise', 'lnbcrt15p'],
    ['amount-too-large', 'lnbcrt21000001'],
    ['amount-too-large', `lnbcrt${'9'.repeat(60)}p`],
  ])('%s: %s', (code, prefix) => {
    expect(codeOf(resigned([...hash, ...paymentSecret, ...coffee], prefix))).toBe(code);
  });

  test('too long, too short, mixed, empty, and letters that only look like others', () => {
    expect(codeOf('q'.repeat(MAX_INVOICE_CHARS + 1))).toBe('too-long');
    expect(codeOf(bech32.encode('lnbcrt', new Array(110).fill(0), false))).toBe('too-short');
    expect(codeOf(`L${text.slice(1)}`)).toBe('mixed-case');
    for (const other of ['', ' ', 'ln', 'lnbc1', 'bitcoin:x', 'hello world', ` ${text}`]) expect(codeOf(other)).toBe('not-bech32');
    // The sign of kelvin, whose lower case is a k.
    const upper = text.toUpperCase();
    expect(upper.includes('K')).toBe(true);
    expect(codeOf(upper.replace('K', '\u212a'))).toBe('not-bech32');
    expect(codeOf(text.replace('l', 'ӏ'))).toBe('not-bech32');
  });

  test('a parse of the longest text ends soon', () => {
    const long = bech32.encode('lnbcrt', new Array(7000).fill(0).concat(new Array(70).fill(1)), false);
    expect(long.length).toBeLessThanOrEqual(MAX_INVOICE_CHARS);
    expect(codeOf(long)).not.toBe('ok');
  });
});

describe('amounts', () => {
  test('are written in the fewest letters and read back', () => {
    fc.assert(
      fc.property(amounts, networks, (amountMsat, network) => {
        expect(readHumanPart(writeHumanPart({ network, amountMsat }))).toEqual({ ok: true, value: { network, amountMsat } });
      }),
    );
    const written = [1n, 10n, 100n, 123_000n, 250_000_000n, 100_000_000_000n, 150_000_000_000n, MAX_AMOUNT_MSAT].map((amountMsat) =>
      writeHumanPart({ network: 'mainnet', amountMsat }),
    );
    expect(written).toEqual(['lnbc10p', 'lnbc100p', 'lnbc1n', 'lnbc1230n', 'lnbc2500u', 'lnbc1', 'lnbc1500m', 'lnbc21000000']);
  });

  test('in another unit than the largest are read, too', () => {
    expect(readHumanPart('lnbc1000000u')).toEqual({ ok: true, value: { network: 'mainnet', amountMsat: 100_000_000_000n } });
  });
});

describe('words', () => {
  test('hold bytes, numbers and features', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(2 ** 31), fc.uniqueArray(fc.nat(300), { maxLength: 8 }), (any, value, set) => {
        expect(wordsToBytes(bytesToWords(any))).toEqual(any);
        expect(wordsToNumber(numberToWords(value))).toBe(value);
        expect(wordsToVector(vectorToWords(encodeFeatures(set)))).toEqual(encodeFeatures(set));
        expect(vectorToWords(encodeFeatures(set))[0]).not.toBe(0);
      }),
    );
  });
});

test('addresses of test networks', () => {
  const program = new Uint8Array(20).fill(1);
  const of = (version: number, network: InvoiceNetwork) => fallbackAddress({ version, program }, network);
  expect(of(17, 'regtest')).toMatch(/^[mn]/);
  expect(of(18, 'signet')).toMatch(/^2/);
  expect([of(0, 'regtest'), of(0, 'signet'), of(0, 'testnet')].map((address) => address.slice(0, 5))).toEqual(['bcrt1', 'tb1qq', 'tb1qq']);
});

test('features that an invoice may ask of us are those that BOLT 9 allows there', () => {
  expect(Object.values(known).filter(({ context }) => context.includes('9')).length).toBe(4);
});
