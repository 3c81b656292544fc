/** Invoices: made, and taken back. BOLT 11. */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex } from '../../../shared/lib/bytes.ts';
import { err, ok, type Result } from '../../../shared/lib/result.ts';
import { encodeInvoice } from '../../../shared/ln/invoice/encode.ts';
import { DEFAULT_EXPIRY_SECONDS } from '../../../shared/ln/invoice/invoice.ts';
import { cancel } from '../../../shared/ln/payment/receive-set.ts';
import { encodeFeatures, features } from '../../../shared/ln/wire/features.ts';
import type { InvoiceRecord } from '../../store/schema.ts';
import { commit, setting } from '../../store/store.ts';
import { networkOf } from '../network.ts';
import { livePeers } from '../peers.ts';
import type { Ports } from '../ports.ts';
import { MIN_FINAL_CLTV_EXPIRY_DELTA, withParts } from './receive.ts';
import { routeHints } from './receive-hints.ts';

export type InvoiceRequest = { readonly amountMsat?: bigint; readonly description: string; readonly expirySeconds?: number };

/** The preimage is on disk before anybody sees the hash. */
export async function makeInvoice(ports: Ports, request: InvoiceRequest): Promise<Result<InvoiceRecord, 'no-wallet' | 'storage-failed'>> {
  const keys = await ports.keys();
  if (keys === undefined) return err('no-wallet');
  const network = networkOf(await setting(ports.db, 'network')).name;
  const { amountMsat, description, expirySeconds = DEFAULT_EXPIRY_SECONDS } = request;
  const preimage = ports.entropy(32);
  const paymentSecret = ports.entropy(32);
  const paymentHash = sha256(preimage);
  const timestamp = Math.floor(ports.now() / 1_000);
  const text = encodeInvoice(
    {
      network,
      ...(amountMsat === undefined ? {} : { amountMsat }),
      timestamp,
      expirySeconds,
      paymentHash,
      paymentSecret,
      description,
      payee: fromHex(keys.nodeId()),
      minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA,
      fallbacks: [],
      routeHints: routeHints(await livePeers(ports)),
      features: encodeFeatures([
        features.var_onion_optin.bit,
        features.payment_secret.bit,
        features.basic_mpp.bit + 1,
        features.option_attribution_data.bit + 1,
      ]),
    },
    keys.signAsNode,
  );
  const record: InvoiceRecord = {
    paymentHash: toHex(paymentHash),
    preimage: toHex(preimage),
    paymentSecret: toHex(paymentSecret),
    ...(amountMsat === undefined ? {} : { amountMsat: amountMsat.toString() }),
    description,
    text,
    createdAtMs: ports.now(),
    expiresAtMs: (timestamp + expirySeconds) * 1_000,
    state: 'open',
  };
  const written = await commit(ports.db, { writes: [{ store: 'invoices', value: record }] });
  return written.ok ? ok(record) : err('storage-failed');
}

const ATTEMPTS = 3;

/** What is held for it goes back with the next `settleSets`. Not one that is paid, or whose preimage is out. */
export async function cancelInvoice(
  ports: Ports,
  paymentHash: string,
): Promise<Result<null, 'payment-unknown' | 'paid-before' | 'storage-failed'>> {
  for (let attempt = 1; ; attempt += 1) {
    const invoice = await ports.db.get('invoices', paymentHash);
    if (invoice === undefined) return err('payment-unknown');
    if (invoice.cancelledAtMs !== undefined) return ok(null);
    if (invoice.state === 'settling' || invoice.state === 'paid') return err('paid-before');
    const cancelled = { ...invoice, cancelledAtMs: ports.now() };
    const value = withParts(cancelled, cancel(invoice.parts ?? []), ports.now());
    const written = await commit(ports.db, { writes: [{ store: 'invoices', value }] });
    if (written.ok) return ok(null);
    if (written.error.code === 'storage-failed' || attempt === ATTEMPTS) return err('storage-failed');
  }
}
