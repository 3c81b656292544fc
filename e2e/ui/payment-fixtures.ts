/** Payments for the page tests, with invoices that are truly signed: the page reads them itself. */
import { sha256 } from '@noble/hashes/sha2.js';
import type { PartView, PayEstimate, PaymentView } from '../../app/runtime/api.ts';
import { toHex } from '../../shared/lib/bytes.ts';
import { encodeInvoice } from '../../shared/ln/invoice/encode.ts';
import type { Invoice } from '../../shared/ln/invoice/invoice.ts';
import { pointFromSecret, sign } from '../../shared/ln/keys/secp.ts';
import { encodeFeatures, features } from '../../shared/ln/wire/features.ts';

const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const secret = filled(7);
export const payee = toHex(pointFromSecret(secret));
export const address = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';

const hashOf = (n: number): Uint8Array => sha256(filled(n));
const base = {
  network: 'regtest',
  expirySeconds: 3_600,
  paymentSecret: filled(0x42),
  payee: pointFromSecret(secret),
  minFinalCltvExpiryDelta: 18,
  fallbacks: [],
  routeHints: [],
  features: encodeFeatures([features.var_onion_optin.bit, features.payment_secret.bit]),
} as const;

/** Signed by `payee`. `n` makes the hash. */
export function invoice(nowMs: number, n: number, more: Partial<Invoice> = {}): string {
  return encodeInvoice(
    { ...base, timestamp: Math.floor(nowMs / 1_000), paymentHash: hashOf(n), description: 'Coffee and a bun', ...more },
    (digest) => sign(digest, secret),
  );
}

const part = (n: number, amountMsat: string, state: PartView['state'], more: Partial<PartView> = {}): PartView => ({
  n,
  amountMsat,
  feeMsat: '2000',
  state,
  hops: 3,
  peerAlias: 'Alice',
  ...(state === 'in-flight' ? { expiryHeight: 840_273 } : {}),
  ...more,
});

export const estimate: PayEstimate = {
  amountMsat: '2500000',
  feeMsat: '2150',
  maxFeeMsat: '15000',
  parts: 2,
  hops: 3,
  route: 'network',
  successPpm: 923_000,
};

export const paymentIds = {
  sent: '6f0c1a5e-0000-4000-8000-000000000001',
  failed: '6f0c1a5e-0000-4000-8000-000000000002',
  pending: '6f0c1a5e-0000-4000-8000-000000000003',
  received: toHex(hashOf(4)),
  partial: toHex(hashOf(5)),
  open: toHex(hashOf(6)),
  expired: toHex(hashOf(8)),
};

/** One of each kind. */
export function somePayments(now: number): readonly PaymentView[] {
  const minute = 60_000;
  const out = { direction: 'out', kind: 'invoice', payee } as const;
  const mine = { direction: 'in', kind: 'invoice', parts: [] } as const;
  return [
    {
      ...mine,
      id: paymentIds.open,
      paymentHash: paymentIds.open,
      amountMsat: '2500000',
      description: 'Two tickets for Friday',
      text: invoice(now, 6, { amountMsat: 2_500_000n, description: 'Two tickets for Friday' }),
      atMs: now - minute,
      expiresAtMs: now + 55 * minute,
      state: 'open',
    },
    {
      ...out,
      id: paymentIds.pending,
      paymentHash: toHex(hashOf(3)),
      amountMsat: '125000000',
      feeMsat: '31000',
      description: 'Bicycle, second half',
      text: invoice(now, 3, { amountMsat: 125_000_000n, description: 'Bicycle, second half' }),
      atMs: now - 2 * minute,
      state: 'pending',
      parts: [
        part(1, '75000000', 'settled'),
        part(2, '50000000', 'failed', { failure: 'temporary_channel_failure at hop 2' }),
        part(3, '50000000', 'in-flight', {
          hops: 4,
          peerAlias: 'Trustworthy \u202eknab\u202c Lightning Services International (Liechtenstein) GmbH',
        }),
      ],
    },
    {
      ...mine,
      id: paymentIds.partial,
      paymentHash: paymentIds.partial,
      amountMsat: '2500000',
      description: 'Firewood',
      text: invoice(now, 5, { amountMsat: 2_500_000n, description: 'Firewood' }),
      atMs: now - 3 * minute,
      expiresAtMs: now + 57 * minute,
      state: 'holding',
      parts: [part(1, '1000000', 'in-flight', { hops: 0, feeMsat: '0' })],
    },
    {
      ...out,
      id: paymentIds.sent,
      paymentHash: toHex(hashOf(1)),
      amountMsat: '2500000',
      feeMsat: '2150',
      description: 'Coffee and a bun',
      text: invoice(now, 1, { amountMsat: 2_500_000n }),
      atMs: now - 40 * minute,
      endedAtMs: now - 40 * minute + 1_240,
      state: 'sent',
      preimage: toHex(filled(1)),
      parts: [part(1, '1500000', 'settled'), part(2, '1000000', 'settled', { feeMsat: '150' })],
    },
    {
      ...mine,
      id: paymentIds.received,
      paymentHash: paymentIds.received,
      amountMsat: '1249750',
      description: '',
      text: invoice(now, 4, { description: '' }),
      atMs: now - 26 * 60 * minute,
      endedAtMs: now - 26 * 60 * minute + 80_000,
      state: 'paid',
      preimage: toHex(filled(4)),
      parts: [part(1, '1249750', 'settled', { hops: 0, feeMsat: '0' })],
    },
    {
      ...out,
      id: paymentIds.failed,
      kind: 'keysend',
      paymentHash: toHex(hashOf(2)),
      amountMsat: '90000000',
      atMs: now - 27 * 60 * minute,
      endedAtMs: now - 27 * 60 * minute + 61_000,
      state: 'failed',
      failure: 'refused-by-payee',
      parts: [part(1, '90000000', 'failed', { failure: 'refused-by-payee at hop 3' })],
    },
    {
      ...mine,
      id: paymentIds.expired,
      paymentHash: paymentIds.expired,
      amountMsat: '700000000',
      description: '=HYPERLINK("http://example.com";"Pfandflaschenrückgabeautomatenwartungsvertragsverlängerungsgebühr")',
      atMs: now - 28 * 60 * minute,
      expiresAtMs: now - 27 * 60 * minute,
      state: 'expired',
    },
  ];
}
