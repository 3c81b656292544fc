/** BOLT 11 § Examples: 16 invoices that are good, 10 that are not. Read, written again, refused for the reason given. */
import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../lib/bytes.ts';
import { recoverPubkey } from '../../lib/recover.ts';
import { pointFromSecret, sign } from '../keys/secp.ts';
import vectors from '../vectors/bolt11/invoices.json' with { type: 'json' };
import { parseFeatures } from '../wire/features.ts';
import { fallbackAddress } from './address.ts';
import type { InvoiceNetwork } from './amount.ts';
import { encodeInvoice } from './encode.ts';
import { describes, type Invoice } from './invoice.ts';
import { parseInvoice } from './parse.ts';

const secret = fromHex(vectors.secret);
const networkOf = (name: string): InvoiceNetwork => (name === 'testnet' ? 'testnet' : 'mainnet');
function parsed(text: string, network: InvoiceNetwork): Invoice {
  const result = parseInvoice(text, network);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
const scid = (id: bigint): string => `${id >> 40n}x${(id >> 16n) & 0xffffffn}x${id & 0xffffn}`;

test('the counts', () => {
  expect([vectors.valid.length, vectors.invalid.length]).toEqual([16, 10]);
  expect(toHex(pointFromSecret(secret))).toBe(vectors.nodeId);
});

test.each(vectors.valid.map((vector) => [vector.name.slice(0, 100), vector] as const))('valid: %s', (_, vector) => {
  const { expected } = vector;
  const network = networkOf(expected.network);
  const invoice = parsed(vector.invoice, network);
  expect({
    network: invoice.network,
    amountMsat: invoice.amountMsat?.toString(),
    timestamp: invoice.timestamp,
    payee: toHex(invoice.payee),
    paymentHash: toHex(invoice.paymentHash),
    paymentSecret: toHex(invoice.paymentSecret),
    description: invoice.description,
    descriptionHash: invoice.descriptionHash && toHex(invoice.descriptionHash),
    paymentMetadata: invoice.paymentMetadata && toHex(invoice.paymentMetadata),
    expirySeconds: invoice.expirySeconds,
    minFinalCltvExpiryDelta: invoice.minFinalCltvExpiryDelta,
    features: parseFeatures(invoice.features),
    fallbacks: invoice.fallbacks.map((fallback) => fallbackAddress(fallback, network)),
    routeHints: invoice.routeHints.map((hops) =>
      hops.map((hop) => ({ ...hop, nodeId: toHex(hop.nodeId), shortChannelId: scid(hop.shortChannelId) })),
    ),
  }).toEqual({
    network: expected.network,
    amountMsat: expected.amountMsat,
    timestamp: expected.timestamp,
    payee: expected.payee,
    paymentHash: expected.paymentHash,
    paymentSecret: expected.paymentSecret,
    description: expected.description,
    descriptionHash: expected.descriptionHash,
    paymentMetadata: expected.paymentMetadata,
    expirySeconds: expected.expirySeconds ?? 3600,
    minFinalCltvExpiryDelta: expected.minFinalCltvExpiryDelta ?? 18,
    features: expected.features,
    fallbacks: expected.fallback ? [expected.fallback] : [],
    routeHints: expected.routeHints ?? [],
  });
  if (expected.describes) {
    expect(describes(invoice, expected.describes)).toBe(true);
    expect(describes(invoice, `${expected.describes}.`)).toBe(false);
  }
});

const signed = vectors.valid.filter((vector) => vector.signed !== undefined);
test(`${signed.length} signatures: what was signed, its hash, the signer of either S`, () => {
  expect(signed.length).toBe(11);
  for (const { signature = '', recovery = -1, signed: bytes = '', hash = '', expected } of signed) {
    expect(toHex(sha256(fromHex(bytes)))).toBe(hash);
    const signer = recoverPubkey(fromHex(signature), recovery, fromHex(hash));
    expect(signer && toHex(signer)).toBe(expected.payee);
  }
  expect(signed.some(({ signature = '' }) => signature.slice(64) > '8')).toBe(true);
});

// One has fields that mean nothing, and one a signature that we do not make.
const own = vectors.valid.filter(({ name }) => !/ignored|high-S/.test(name));
test.each(own.map((vector) => [vector.name.slice(0, 100), vector] as const))('written again and read as the same: %s', (_, vector) => {
  const network = networkOf(vector.expected.network);
  const invoice = parsed(vector.invoice, network);
  expect(
    parsed(
      encodeInvoice(invoice, (digest) => sign(digest, secret)),
      network,
    ),
  ).toEqual(invoice);
});

test.each(vectors.invalid.map((vector) => [vector.name, vector] as const))('invalid: %s', (_, { invoice, error }) => {
  expect(parseInvoice(invoice, 'mainnet')).toMatchObject({ ok: false, error: { code: error } });
});
